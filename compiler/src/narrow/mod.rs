//! Models with fewer channels: which channels can be taken away, and the model without them.
//!
//! [`Channels::of`] labels every axis of every value of a model's functions with the classes of channels that it is made
//! of (`label`, `flow`). A class that reaches neither an input nor an output, nor an op that needs all of its channels,
//! can lose some of them everywhere at once, and [`Channels::narrow`] makes the model of what is left. That is done
//! before differentiation, so that training, evaluation and prediction come out of narrow functions by the way that
//! every model takes. Nothing depends on *which* channels stay but the values of the tensors
//! ([`Channels::kept_elements`]): the extents alone tell the narrow model, and a checkpoint's shapes tell the extents
//! ([`Channels::extents`]).
//!
//! To take a channel away is to take its contribution to all sums over it away, as if its values were zero. Ops that
//! would notice the difference (softmax, a mean over channels, normalisation over features) keep all of theirs.

mod flow;
mod label;
mod reason;
mod rebuild;
mod unify;

pub use label::ClassId;
pub use reason::Reason;

use dlc_ir::{InferError, Model};
use dlc_types::Dim;
use flow::{Labelled, Shared, label};
use label::Label;
use std::collections::{BTreeMap, BTreeSet};

/// Which channels of a model belong together.
#[derive(Clone, Debug)]
pub struct Channels {
    shared: Shared,
    predict: Labelled,
    evaluate: Option<Labelled>,
    forward: Option<Labelled>,
    /// Parameters, by which producers are told from states.
    parameters: BTreeSet<String>,
}

/// Channels that can be taken away together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their class.
    pub class: ClassId,
    /// How many there are.
    pub size: usize,
    /// Axes of kernels that compute them: parameter and number of the axis.
    pub producers: Vec<(String, usize)>,
    /// Axes of vectors and states that go with them: biases, norms' scales and statistics.
    pub companions: Vec<(String, usize)>,
    /// Axes of kernels that read them.
    pub consumers: Vec<(String, usize)>,
}

/// How many channels of each class there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents(BTreeMap<ClassId, usize>);

impl Extents {
    /// The model as it is.
    pub fn new() -> Extents {
        Extents::default()
    }

    /// Says that so many channels of a class stay.
    pub fn set(&mut self, class: ClassId, channels: usize) {
        self.0.insert(class, channels);
    }

    /// How many channels of a class of that size stay.
    pub fn get(&self, class: ClassId, size: usize) -> usize {
        self.0.get(&class).copied().unwrap_or(size)
    }

    fn dim(&self, class: ClassId, size: Dim) -> Dim {
        self.0.get(&class).map_or(size, |&channels| Dim::Fixed(channels))
    }
}

impl Channels {
    /// Looks at all functions of a model.
    pub fn of(model: &Model) -> Channels {
        let mut shared = Shared::default();
        let predict = label(&mut shared, &model.predict);
        let evaluate = model.evaluate.as_ref().map(|function| label(&mut shared, function));
        let forward = model.forward.as_ref().map(|function| label(&mut shared, function));
        let parameters = model.parameters.iter().map(|one| one.name.clone()).collect();
        let mut channels = Channels { shared, predict, evaluate, forward, parameters };
        channels.keep_untold();
        channels
    }

    /// The classes that can lose channels, in the order of the model's text. A class that no kernel computes is none.
    pub fn groups(&self) -> Vec<Group> {
        let classes = &self.shared.classes;
        let open = classes.unbound().filter(|&class| classes.blocked(class).is_none());
        let sized = open.filter_map(|class| Some((class, classes.extent(class).fixed()?)));
        let mut groups: BTreeMap<ClassId, Group> = sized
            .filter(|&(_, size)| size > 1)
            .map(|(class, size)| {
                let none = Vec::new;
                (class, Group { class, size, producers: none(), companions: none(), consumers: none() })
            })
            .collect();
        for (name, labels) in &self.shared.externals {
            for (axis, label) in labels.iter().enumerate() {
                for class in classes.leaves(label) {
                    let Some(group) = groups.get_mut(&class) else { continue };
                    let place = (name.clone(), axis);
                    if self.shared.contracted.contains(&place) {
                        group.consumers.push(place);
                    } else if labels.len() > 1 && self.parameters.contains(name) {
                        group.producers.push(place);
                    } else {
                        group.companions.push(place);
                    }
                }
            }
        }
        groups.into_values().filter(|group| !group.producers.is_empty()).collect()
    }

    /// Whether a contraction or convolution sums over an axis of a parameter.
    pub fn is_kernel(&self, parameter: &str) -> bool {
        self.shared.contracted.iter().any(|(name, _)| name == parameter)
            && self.parameters.contains(parameter)
    }

    /// The kernels of which no axis that they compute can lose channels, with the reasons.
    pub fn whole(&self) -> Vec<(String, Reason)> {
        let classes = &self.shared.classes;
        let mut found = Vec::new();
        for (name, labels) in &self.shared.externals {
            if labels.len() < 2 || !self.parameters.contains(name) {
                continue;
            }
            let axes =
                (0..labels.len()).filter(|&axis| !self.shared.contracted.contains(&(name.clone(), axis)));
            let leaves: Vec<ClassId> = axes.flat_map(|axis| classes.leaves(&labels[axis])).collect();
            let of_channels = leaves.iter().filter(|&&class| classes.blocked(class) != Some(&Reason::Window));
            let reasons: Option<Vec<&Reason>> = of_channels.map(|&class| classes.blocked(class)).collect();
            if let Some(reason) = reasons.and_then(|reasons| reasons.first().copied().cloned()) {
                found.push((name.clone(), reason));
            }
        }
        found
    }

    /// The extents at which parameters and states have these shapes; `None` where there are none. Names that are
    /// not among the shapes say nothing.
    pub fn extents(&self, shapes: &BTreeMap<String, Vec<usize>>) -> Option<Extents> {
        let mut open = Vec::new();
        for (name, labels) in &self.shared.externals {
            let Some(shape) = shapes.get(name) else { continue };
            if shape.len() != labels.len() {
                return None;
            }
            open.extend(labels.iter().zip(shape.iter().copied()));
        }
        let whole = |label: &Label| self.shared.classes.size(label);
        let (extents, left) = self.told(open)?;
        // Where two unknown classes are in one axis and nothing else tells them, only the whole can be known.
        left.iter().all(|&(label, size)| whole(label) == Some(Dim::Fixed(size))).then_some(extents)
    }

    /// The extents of classes by those of axes: an axis with one unknown class tells it, which may leave one unknown in
    /// another. With the axes that are left; `None` for a contradiction.
    fn told<'a>(&self, mut open: Vec<(&'a Label, usize)>) -> Option<(Extents, Vec<(&'a Label, usize)>)> {
        let classes = &self.shared.classes;
        let mut extents = Extents::new();
        loop {
            let before = open.len();
            let mut left = Vec::new();
            for (label, size) in open {
                let leaves = classes.leaves(label).into_iter();
                let unknown: Vec<ClassId> = leaves
                    .filter(|class| classes.blocked(*class).is_none() && !extents.0.contains_key(class))
                    .collect();
                let at = |extents: &Extents| classes.size_with(label, &|class, dim| extents.dim(class, dim));
                match unknown[..] {
                    [] if at(&extents) == Some(Dim::Fixed(size)) => {}
                    [] => return None,
                    [class] => {
                        let most = classes.extent(class).fixed()?;
                        let mut tried = extents.clone();
                        let fits = (1..=most).find(|&channels| {
                            tried.set(class, channels);
                            at(&tried) == Some(Dim::Fixed(size))
                        });
                        extents.set(class, fits?);
                    }
                    _ => left.push((label, size)),
                }
            }
            if left.is_empty() || left.len() == before {
                return Some((extents, left));
            }
            open = left;
        }
    }

    /// Keeps classes that no shape tells apart, such as the number of heads beside the size of a head: the smallest of
    /// those in an axis, until the others are told.
    fn keep_untold(&mut self) {
        loop {
            let labels = self.shared.externals.values().flatten();
            let sized = labels.filter_map(|label| Some((label, self.shared.classes.size(label)?.fixed()?)));
            let Some((extents, left)) = self.told(sized.collect()) else { return };
            let classes = &self.shared.classes;
            let of_first = left.first().map(|(label, _)| classes.leaves(label)).unwrap_or_default();
            let untold = of_first
                .into_iter()
                .filter(|class| classes.blocked(*class).is_none() && !extents.0.contains_key(class));
            let Some(least) = untold.min_by_key(|&class| (classes.extent(class), class)) else { return };
            self.shared.classes.block_class(least, Reason::Factor);
        }
    }

    /// For each axis of a parameter or state, which elements stay when of the classes these channels stay. Classes that
    /// are not named keep all.
    pub fn kept_elements(
        &self,
        name: &str,
        channels: &BTreeMap<ClassId, BTreeSet<usize>>,
    ) -> Option<Vec<Vec<bool>>> {
        let labels = self.shared.externals.get(name)?;
        let stays = |class: ClassId, channel: usize| {
            channels.get(&class).is_none_or(|channels| channels.contains(&channel))
        };
        Some(labels.iter().map(|label| self.shared.classes.kept(label, &stays)).collect())
    }

    /// For each element along an axis of a parameter or state the channel of a class that it belongs to.
    pub fn channels_along(&self, name: &str, axis: usize, class: ClassId) -> Vec<Option<usize>> {
        let label = self.shared.externals.get(name).and_then(|labels| labels.get(axis));
        label.map(|label| self.shared.classes.channels(label, class)).unwrap_or_default()
    }

    /// The model with other extents.
    ///
    /// # Errors
    /// Extents that a function cannot have, which none of [`Channels::groups`]' and [`Channels::extents`]' are.
    pub fn narrow(&self, model: &Model, extents: &Extents) -> Result<Model, InferError> {
        rebuild::model(self, model, extents)
    }

    /// The labels of parameters and states as text, one per line.
    pub fn text(&self) -> String {
        let line = |(name, labels): (&String, &Vec<Label>)| {
            let axes: Vec<String> = labels.iter().map(|label| self.shared.classes.text(label)).collect();
            format!("{name}: [{}]\n", axes.join(", "))
        };
        self.shared.externals.iter().map(line).collect()
    }
}
