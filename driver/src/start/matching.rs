//! Which tensor of a file each value of a model begins with.

use super::Taken;
use super::conventions::{is_counter, model_alone, projections, spellings, thirds};
use super::layout::{Evidence, Laid, value};
use super::places::{Place, places};
use dlc_ir::Model;
use dlc_recipe::{Renaming, Start, fits};
use dlc_runtime::{Checkpoint, HostTensor};
use dlc_types::diagnostic::nearest;
use std::collections::BTreeMap;

/// What became of a file's tensors.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// First values by the names of the model.
    pub tensors: BTreeMap<String, HostTensor>,
    /// Where each of them came from.
    pub taken: Vec<Taken>,
    /// Values that begin anew.
    pub fresh: Vec<String>,
    /// The file's names that nothing begins with.
    pub unused: Vec<String>,
    /// What is wrong, a sentence each.
    pub faults: Vec<String>,
}

/// A tensor under the name that the file gives it.
struct Offer {
    name: String,
    tensor: HostTensor,
}

/// A tensor that no value of the model is called like.
struct Stranger {
    name: String,
    renamed: String,
    dims: Vec<usize>,
    ty: String,
}

/// The model's values by name, and what the file offers each.
struct Table {
    places: Vec<Place>,
    offers: Vec<Vec<Offer>>,
}

impl Table {
    fn find(&self, name: &str) -> Option<usize> {
        self.places.iter().position(|place| place.name == name)
    }

    /// Hands a tensor to what is called so; gives it back if nothing is.
    fn offer(&mut self, name: &str, renamed: &str, tensor: HostTensor) -> Option<HostTensor> {
        if let Some(place) = spellings(renamed).iter().find_map(|name| self.find(name)) {
            self.offers[place].push(Offer { name: name.to_owned(), tensor });
            return None;
        }
        let places = projections(renamed).and_then(|names| {
            let [query, key, value] = names.map(|name| self.find(&name));
            Some([query?, key?, value?])
        });
        let parts = places.and_then(|places| Some((places, thirds(&tensor)?)));
        let Some((places, parts)) = parts else { return Some(tensor) };
        for (place, tensor) in places.into_iter().zip(parts) {
            self.offers[place].push(Offer { name: name.to_owned(), tensor });
        }
        None
    }
}

/// Gives every value of the model its tensor.
pub(super) fn matched(model: &Model, start: &Start, mut checkpoint: Checkpoint) -> Matched {
    let places = places(model);
    let mut table = Table { offers: places.iter().map(|_| Vec::new()).collect(), places };
    let mut evidence = Evidence::default();
    checkpoint.tensors.keys().for_each(|name| evidence.name(name));
    model_alone(&mut checkpoint);
    let mut followed = vec![false; start.names.len()];
    let mut strangers = Vec::new();
    let names: Vec<String> = checkpoint.tensors.keys().cloned().collect();
    for (name, tensor) in checkpoint.tensors {
        let renamed = renamed(&name, &start.names, &mut followed);
        if is_counter(&renamed) {
            continue;
        }
        if let Some(tensor) = table.offer(&name, &renamed, tensor) {
            strangers.push(Stranger { renamed, dims: tensor.dims.clone(), ty: tensor.type_text(), name });
        }
    }
    for (place, offers) in table.places.iter().zip(&table.offers) {
        offers.iter().for_each(|offer| evidence.matrix(place, &offer.tensor));
    }
    let mut found = Matched::default();
    for (rule, _) in start.names.iter().zip(&followed).filter(|(_, followed)| !**followed) {
        found.faults.push(idle(rule, &names));
    }
    for pattern in
        start.skip.iter().filter(|pattern| !table.places.iter().any(|place| fits(pattern, &place.name)))
    {
        found.faults.push(format!("\"{pattern}\" of `skip` fits no value of the model"));
    }
    for (place, offers) in table.places.iter().zip(table.offers) {
        if start.skip.iter().any(|pattern| fits(pattern, &place.name)) {
            found.fresh.push(place.name.clone());
            continue;
        }
        match first_value(place, offers, start, evidence, &strangers) {
            Ok((from, laid)) => {
                let Laid { tensor, turned, converted } = laid;
                let name = place.name.clone();
                found.taken.push(Taken {
                    name: name.clone(),
                    ty: place.ty.to_string(),
                    from,
                    turned,
                    converted,
                });
                found.tensors.insert(name, tensor);
            }
            Err(fault) => found.faults.push(fault),
        }
    }
    found.unused = strangers.into_iter().map(|stranger| stranger.name).collect();
    found
}

/// The name that the rules make of a file's, one after the other; which of them did something is noted.
fn renamed(name: &str, rules: &[Renaming], followed: &mut [bool]) -> String {
    let mut renamed = name.to_owned();
    for (rule, followed) in rules.iter().zip(followed) {
        if let Some(next) = rule.apply(&renamed) {
            renamed = next;
            *followed = true;
        }
    }
    renamed
}

/// What is said of a rule that no name of the file fits.
fn idle(rule: &Renaming, names: &[String]) -> String {
    let near = nearest(&rule.from, names.iter().map(String::as_str)).or(names.first().map(String::as_str));
    let like = near.map(|near| format!("; one is called `{near}`")).unwrap_or_default();
    format!("the renaming \"{rule}\" fits no tensor of the file{like}")
}

fn first_value(
    place: &Place,
    offers: Vec<Offer>,
    start: &Start,
    evidence: Evidence,
    strangers: &[Stranger],
) -> Result<(String, Laid), String> {
    let mut offers = offers.into_iter();
    match (offers.next(), offers.next()) {
        (None, _) => Err(absent(place, strangers)),
        (Some(offer), None) => {
            let laid = value(place, &offer.name, offer.tensor, start.layout, evidence)?;
            Ok((offer.name, laid))
        }
        (Some(first), Some(second)) => Err(format!(
            "`{}` would begin with both `{}` and `{}` of the file",
            place.name, first.name, second.name
        )),
    }
}

/// What is said of a value that nothing in the file is called like: its shape, and what may be meant.
fn absent(place: &Place, strangers: &[Stranger]) -> String {
    let name = nearest(&place.name, strangers.iter().map(|stranger| stranger.renamed.as_str()));
    let by_name = name.and_then(|name| strangers.iter().find(|stranger| stranger.renamed == name));
    let by_shape = || {
        let leaf = place.name.rsplit('.').next();
        let fits = |stranger: &&Stranger| {
            stranger.dims == place.dims || place.dense && stranger.dims.iter().rev().eq(&place.dims)
        };
        let alike = strangers.iter().filter(fits);
        let same_leaf = |stranger: &&Stranger| stranger.renamed.rsplit('.').next() == leaf;
        alike.clone().find(same_leaf).or(alike.clone().next())
    };
    let near = by_name.or_else(by_shape).map(|near| {
        let renamed = (near.renamed != near.name).then(|| format!(", renamed `{}`", near.renamed));
        format!("; did you mean `{}` ({}{})?", near.name, near.ty, renamed.unwrap_or_default())
    });
    format!("`{}` ({}) is not in the file{}", place.name, place.ty, near.unwrap_or_default())
}
