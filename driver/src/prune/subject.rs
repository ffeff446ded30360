//! The model that is pruned, and what a plan makes of it.

use super::channels::{Choice, Kept, Ranked, choose, ranked};
use super::kernels::{Kernel, Selection, kernels};
use super::magnitude::masks;
use super::sensitivity::{Bench, Effect, loses};
use super::tensors::{Tensors, apply_masks, cut, floats, mask_of_axes, zeroed};
use super::{Norm, PruneSettings};
use crate::checkpoint::RATE_SCALE;
use crate::data::dtype_of;
use crate::{DriverError, Loaded, Result};
use dlc_compiler::narrow::{Channels, Extents, Group};
use dlc_ir::Model;
use dlc_trainer::Probe;
use std::collections::{BTreeMap, BTreeSet};

/// What stays.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// Weights of each kernel.
    Weights(BTreeMap<String, Vec<bool>>),
    /// Channels of each class.
    Channels(Kept),
}

/// The model that is pruned.
pub(super) struct Subject<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) settings: &'a PruneSettings,
    /// The model with all of its channels, of which the one that is pruned may have lost some.
    wide: &'a Model,
    pub(super) channels: Channels,
    /// Kernels that are pruned.
    pub(super) kernels: Vec<Kernel>,
    /// Classes of channels that are pruned.
    pub(super) groups: Vec<Group>,
    /// Kernels that are not, with the reasons.
    pub(super) whole: Vec<(String, String)>,
    /// The channels that there are.
    pub(super) start: Kept,
}

impl<'a> Subject<'a> {
    /// # Errors
    /// Patterns that fit nothing, a model of which nothing can be pruned.
    pub(super) fn new(
        loaded: &'a Loaded,
        settings: &'a PruneSettings,
        tensors: &Tensors,
    ) -> Result<Subject<'a>> {
        let wide = loaded.wide.as_deref().unwrap_or(&loaded.model);
        let channels = Channels::of(wide);
        let all = kernels(wide, &channels);
        let selection = Selection { layers: &settings.layers, keep: &settings.keep };
        selection.check(&all)?;
        let shapes = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims.clone())).collect();
        let extents = channels.extents(&shapes).unwrap_or_default();
        // Which of the channels are gone does not matter: those that are left have the first numbers.
        let first = |group: &Group| (group.class, (0..extents.get(group.class, group.size)).collect());
        let start: Kept = channels.groups().iter().map(first).collect();
        let mut subject = Subject {
            loaded,
            settings,
            wide,
            channels,
            kernels: all,
            groups: Vec::new(),
            whole: Vec::new(),
            start,
        };
        if settings.structured {
            subject.select_channels(&selection);
        } else {
            let kernels = std::mem::take(&mut subject.kernels);
            subject.kernels = kernels.into_iter().filter(|one| selection.takes(&one.parameter)).collect();
        }
        if subject.kernels.is_empty() {
            return Err(DriverError::User(subject.nothing()));
        }
        Ok(subject)
    }

    /// Finds the classes that may lose channels, and for each kernel without one why.
    fn select_channels(&mut self, selection: &Selection<'_>) {
        let reasons: BTreeMap<_, _> = self.channels.whole().into_iter().collect();
        let groups = self.channels.groups();
        let mut spared: BTreeMap<&str, String> = BTreeMap::new();
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for group in &groups {
            let producers = || group.producers.iter().map(|(name, _)| name.as_str());
            match producers().find(|name| !selection.takes(name)) {
                Some(other) => producers().for_each(|name| {
                    spared.insert(
                        name,
                        match name == other {
                            true => "the patterns leave it out".to_owned(),
                            false => {
                                format!("it shares channels with `{other}`, which the patterns leave out")
                            }
                        },
                    );
                }),
                None => open.extend(producers()),
            }
        }
        let kernels = std::mem::take(&mut self.kernels);
        for kernel in kernels {
            let name = kernel.parameter.as_str();
            if open.contains(name) {
                self.kernels.push(kernel);
                continue;
            }
            let reason = spared.get(name).cloned().or_else(|| reasons.get(name).map(ToString::to_string));
            self.whole
                .push((kernel.parameter, reason.unwrap_or_else(|| "it computes no channels".to_owned())));
        }
        let taken = |group: &&Group| group.producers.iter().all(|(name, _)| selection.takes(name));
        self.groups = groups.iter().filter(taken).cloned().collect();
    }

    fn nothing(&self) -> String {
        let name = &self.loaded.model.name;
        if !self.settings.structured {
            return format!("the model `{name}` has no kernel to prune that the patterns leave");
        }
        let lines: Vec<String> =
            self.whole.iter().map(|(kernel, why)| format!("\n  `{kernel}`: {why}")).collect();
        format!("no layer of the model `{name}` can lose channels:{}", lines.concat())
    }

    /// The model with these channels, trained as the one that is pruned.
    pub(super) fn model(&self, kept: &Kept) -> Result<Model> {
        let mut extents = Extents::new();
        kept.iter().for_each(|(&class, channels)| extents.set(class, channels.len()));
        let narrow = self.channels.narrow(self.wide, &extents);
        let mut narrow = narrow.map_err(|error| DriverError::Bug(error.to_string()))?;
        narrow.training.clone_from(&self.loaded.model.training);
        narrow.states.retain(|state| state.name != RATE_SCALE);
        narrow
            .states
            .extend(self.loaded.model.states.iter().filter(|state| state.name == RATE_SCALE).cloned());
        Ok(narrow)
    }

    /// What stays at a sparsity, by the weights as they are.
    pub(super) fn plan(&self, tensors: &Tensors, now: &Kept, sparsity: f64) -> Result<Plan> {
        if self.settings.structured {
            let norm = self.settings.norm;
            let all = self.groups.iter().map(|group| self.ranked(group, now, tensors, norm));
            let all: Vec<Ranked> = all.collect::<Result<_>>()?;
            let (scope, multiple) = (self.settings.scope, self.settings.multiple.max(1));
            let mut kept = now.clone();
            kept.extend(choose(&all, Choice { sparsity, scope, multiple }));
            return Ok(Plan::Channels(kept));
        }
        let weights = self
            .kernels
            .iter()
            .filter_map(|kernel| Some((kernel.parameter.clone(), floats(tensors.get(&kernel.parameter)?))));
        masks(&weights.collect(), sparsity, self.settings.scope).map(Plan::Weights)
    }

    /// Of a class that has lost channels before, what it had then counts as all.
    fn ranked(&self, group: &Group, now: &Kept, tensors: &Tensors, norm: Norm) -> Result<Ranked> {
        let mut ranked = ranked(&self.channels, group, now, tensors, norm)?;
        ranked.before = self.start.get(&group.class).map_or(group.size, BTreeSet::len);
        Ok(ranked)
    }

    /// Makes tensors follow a plan; they had the channels `now`.
    pub(super) fn apply(&self, tensors: &mut Tensors, now: &mut Kept, plan: &Plan) {
        match plan {
            Plan::Weights(masks) => apply_masks(tensors, masks),
            Plan::Channels(kept) => {
                cut(tensors, &self.channels, now, kept);
                now.clone_from(kept);
            }
        }
    }

    /// The classes that a kernel computes.
    pub(super) fn groups_of(&self, kernel: &str) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| group.producers.iter().any(|(name, _)| name == kernel))
    }

    /// What pruning each kernel alone does, at the sparsity that is asked for.
    pub(super) fn effects(&self, tensors: &Tensors, probe: &Probe<'_>) -> Result<BTreeMap<String, Effect>> {
        let plan = self.plan(tensors, &self.start, self.settings.sparsity)?;
        let mut bench = Bench::new(self.loaded, &self.kernels, tensors, probe, self.settings)?;
        let mut effects = BTreeMap::new();
        for kernel in &self.kernels {
            let name = &kernel.parameter;
            let (own, together) = match &plan {
                Plan::Weights(masks) => {
                    let own = self.masked(name, masks, tensors);
                    (own.clone(), own)
                }
                Plan::Channels(kept) => self.silenced(name, kept, tensors),
            };
            effects.insert(name.clone(), bench.effect(name, &own, &together)?);
        }
        Ok(effects)
    }

    fn masked(&self, kernel: &str, masks: &BTreeMap<String, Vec<bool>>, tensors: &Tensors) -> Tensors {
        let pruned = masks.get(kernel).zip(tensors.get(kernel));
        pruned.map(|(mask, tensor)| (kernel.to_owned(), zeroed(tensor, mask))).into_iter().collect()
    }

    /// A kernel with zeros for the channels that it loses; and all tensors that have these channels, so that nothing
    /// reads them either.
    fn silenced(&self, kernel: &str, kept: &Kept, tensors: &Tensors) -> (Tensors, Tensors) {
        let (mut own, mut together) = (Tensors::new(), Tensors::new());
        let mut only = self.start.clone();
        let mut computed = BTreeSet::new();
        for group in self.groups_of(kernel) {
            only.extend(kept.get(&group.class).map(|channels| (group.class, channels.clone())));
            computed.extend(group.producers.iter().filter(|(name, _)| name == kernel).map(|(_, axis)| *axis));
        }
        for (name, tensor) in tensors {
            let axes =
                self.channels.kept_elements(name, &only).zip(self.channels.kept_elements(name, &self.start));
            let Some((stays, had)) = axes.filter(|_| dtype_of(tensor.element).is_float()) else { continue };
            let left = |(stays, had): (&Vec<bool>, &Vec<bool>)| -> Vec<bool> {
                stays.iter().zip(had).filter(|(_, had)| **had).map(|(stays, _)| *stays).collect()
            };
            let mut axes: Vec<Vec<bool>> = stays.iter().zip(&had).map(left).collect();
            let mask = mask_of_axes(&axes);
            if loses(tensor, &mask) {
                together.insert(name.clone(), zeroed(tensor, &mask));
            }
            if name == kernel {
                let read = axes.iter_mut().enumerate().filter(|(axis, _)| !computed.contains(axis));
                read.for_each(|(_, stays)| stays.fill(true));
                own.insert(name.clone(), zeroed(tensor, &mask_of_axes(&axes)));
            }
        }
        (own, together)
    }
}
