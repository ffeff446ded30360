//! `dlc explain`: what each kernel computes, from which layers, by which rewrites and groupings, and
//! what that is worth.
//!
//! Rewrites are told by layer: the rules whose results stand in the ops of a layer's path. Groupings are
//! the values that a kernel computes without storing them. What a grouping saves is counted against
//! storing each of those values: one write, and one read in every kernel that would use it.

mod cost;
mod find;
mod report;
mod source;

use crate::groups::{LaunchGroup, is_arithmetic, launch_groups};
use crate::{CompileChoices, DriverError, Loaded, Result, baseline, movement};
pub use report::{ExplainReport, KernelDetail, KernelExplanation, RuleUse, UnstoredValue};

use cost::{launch_operations, value_bytes};
use dlc_compiler::rewrite::rules;
use dlc_compiler::{CompileOptions, CompiledFunction, FunctionKind};
use dlc_ir::NodeId;
use dlc_kernel::{KernelId, launch_traffic};
use std::collections::{BTreeMap, BTreeSet};

/// What a user may choose about an explanation.
#[derive(Clone, Debug, Default)]
pub struct ExplainOptions {
    /// Name of the function; `None` for the training step, or the inference of a model without one.
    pub function: Option<String>,
    /// Name of a kernel or path of a layer to tell all about; a part of it that fits only one will do.
    pub kernel: Option<String>,
    /// Samples; `None` for the recipe's batch, or 1 without one.
    pub batch: Option<usize>,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

/// Explains one function of a model.
///
/// # Errors
/// A function that the model does not have, a kernel that the function does not have.
pub fn explain(loaded: &Loaded, options: &ExplainOptions) -> Result<ExplainReport> {
    let batch = options.batch.or(loaded.recipe.as_ref().map(|recipe| recipe.data.batch)).unwrap_or(1);
    if batch == 0 {
        return Err(DriverError::User("the batch must be at least 1".to_owned()));
    }
    let mut functions = FunctionKind::STANDARD.to_vec();
    if options.function.as_deref() == Some("gradients") {
        functions.push(FunctionKind::Gradients);
    }
    let compile_options = CompileOptions { functions, ..options.choices.options(batch)? };
    let compilation = dlc_compiler::compile(&loaded.model, &compile_options)?;
    let function = find::function(&compilation.functions, options.function.as_deref())?;
    let plain = dlc_compiler::compile(&loaded.model, &baseline(&compile_options))?;
    let plain = plain.functions.iter().find(|plain| plain.name == function.name);
    let groups = launch_groups(&function.lowered);
    let mut kernels = explanations(function, &groups, batch);
    let mut detail = None;
    if let Some(wanted) = &options.kernel {
        let place = find::kernel(&kernels, wanted, &function.name)?;
        let found = kernels.swap_remove(place);
        detail = detail_of(function, &groups, &found, wanted);
        kernels = vec![found];
    }
    let rewrites = &function.rewrites;
    Ok(ExplainReport {
        model: loaded.model.name.clone(),
        function: function.name.clone(),
        batch,
        kernels,
        detail,
        rules: rule_uses(&rewrites.fired),
        ops_before: rewrites.nodes_before,
        ops_after: rewrites.nodes_after,
        merged: rewrites.common_subexpressions,
        removed: rewrites.dead_nodes,
        moved: movement(&function.lowered, batch),
        baseline: plain.map(|plain| movement(&plain.lowered, batch)).unwrap_or_default(),
    })
}

/// The rules of these counts with what can be told of them, most used first.
fn rule_uses(counts: &BTreeMap<String, usize>) -> Vec<RuleUse> {
    let all = rules::all();
    let told = counts.iter().filter_map(|(name, &times)| {
        let rule = all.iter().find(|rule| rule.name == name)?;
        Some(RuleUse { rule: name.clone(), theme: rule.theme, tag: rule.tag.name(), law: rule.law, times })
    });
    let mut uses: Vec<RuleUse> = told.collect();
    uses.sort_by_key(|used| std::cmp::Reverse(used.times));
    uses
}

/// One entry per kernel, in the order of first runs.
fn explanations(function: &CompiledFunction, groups: &[LaunchGroup], batch: usize) -> Vec<KernelExplanation> {
    let program = &function.lowered.program;
    let mut places: BTreeMap<KernelId, usize> = BTreeMap::new();
    let mut kernels: Vec<KernelExplanation> = Vec::new();
    let mut written: BTreeSet<NodeId> = BTreeSet::new();
    for (number, (launch, group)) in program.launches.iter().zip(groups).enumerate() {
        let place = *places.entry(launch.kernel).or_insert_with(|| {
            kernels.push(KernelExplanation::named(&program.kernels[launch.kernel].name));
            kernels.len() - 1
        });
        let kernel = &mut kernels[place];
        kernel.launches.push(number);
        kernel.rounds = kernel.rounds.saturating_add(program.rounds(launch));
        kernel.add_ops(function, group);
        let bytes = launch_traffic(program, launch, batch).total();
        let unstored = unstored(function, group, batch, &mut written);
        let saved = unstored.iter().fold(0, |sum: u64, value| sum.saturating_add(value.saved));
        kernel.bytes = kernel.bytes.saturating_add(bytes);
        kernel.bytes_if_stored = kernel.bytes_if_stored.saturating_add(bytes).saturating_add(saved);
        kernel.operations =
            kernel.operations.saturating_add(launch_operations(function, number, group, batch));
        kernel.unstored.extend(unstored);
    }
    for kernel in &mut kernels {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for layer in &kernel.layers {
            for (rule, times) in function.rewrites.by_origin.get(layer).into_iter().flatten() {
                *counts.entry(rule.clone()).or_default() += times;
            }
        }
        kernel.rules = rule_uses(&counts);
    }
    kernels
}

impl KernelExplanation {
    /// Adds the ops and layers of a run. A kernel's runs compute the same ops, so ops count once.
    fn add_ops(&mut self, function: &CompiledFunction, group: &LaunchGroup) {
        let mut ops: Vec<(String, usize)> = Vec::new();
        for &id in &told_members(function, group) {
            let node = &function.lowered.function.nodes[id];
            match ops.iter_mut().find(|(name, _)| name == node.op.name()) {
                Some((_, count)) => *count += 1,
                None => ops.push((node.op.name().to_owned(), 1)),
            }
            let path = &node.origin.path;
            if !path.is_empty() && !self.layers.contains(path) {
                self.layers.push(path.clone());
            }
        }
        if self.ops.is_empty() {
            if group.members.is_empty() {
                ops = ops.into_iter().map(|(name, count)| (format!("part of {name}"), count)).collect();
            }
            self.ops = ops;
        }
    }
}

/// The members that are told by name: arithmetic, or all of a kernel without any.
fn told_members(function: &CompiledFunction, group: &LaunchGroup) -> Vec<NodeId> {
    let nodes = &function.lowered.function.nodes;
    let arithmetic: Vec<NodeId> =
        group.members.iter().copied().filter(|&id| is_arithmetic(&nodes[id].op)).collect();
    if !arithmetic.is_empty() {
        arithmetic
    } else if !group.members.is_empty() {
        group.members.clone()
    } else {
        vec![group.purpose]
    }
}

/// The values that a run computes without storing them. `written` holds those that an earlier run
/// computed too, and would have written.
fn unstored(
    function: &CompiledFunction,
    group: &LaunchGroup,
    batch: usize,
    written: &mut BTreeSet<NodeId>,
) -> Vec<UnstoredValue> {
    let nodes = &function.lowered.function.nodes;
    let hidden = group
        .members
        .iter()
        .copied()
        .filter(|&id| is_arithmetic(&nodes[id].op) && !function.lowered.values.contains_key(&id));
    let values = hidden.filter_map(|id| {
        let node = &nodes[id];
        let ty = node.ty.tensor().filter(|ty| ty.shape.rank() > 0)?;
        let bytes = value_bytes(ty, batch);
        let passes = 1 + u64::from(written.insert(id));
        Some(UnstoredValue {
            value: id.to_string(),
            op: node.op.name().to_owned(),
            ty: ty.to_string(),
            layer: node.origin.path.clone(),
            bytes,
            saved: bytes.saturating_mul(passes),
        })
    });
    values.collect()
}

/// Paths of the layers that a run's ops come from.
fn layers_of<'a>(function: &'a CompiledFunction, group: &LaunchGroup) -> BTreeSet<&'a str> {
    let paths = told_members(function, group)
        .into_iter()
        .map(|id| function.lowered.function.nodes[id].origin.path.as_str());
    paths.filter(|path| !path.is_empty()).collect()
}

fn detail_of(
    function: &CompiledFunction,
    groups: &[LaunchGroup],
    kernel: &KernelExplanation,
    wanted: &str,
) -> Option<KernelDetail> {
    let of_layer = |number: &&usize| {
        let group = groups.get(**number);
        group.is_some_and(|group| layers_of(function, group).contains(wanted))
    };
    let &number = kernel.launches.iter().find(of_layer).or(kernel.launches.first())?;
    let (group, launch) = (groups.get(number)?, function.lowered.program.launches.get(number)?);
    Some(KernelDetail {
        name: kernel.name.clone(),
        launch: number,
        before: source::of_layers(&function.graph, &layers_of(function, group)),
        computes: source::of_group(&function.lowered, group),
        after: function.lowered.program.kernels[launch.kernel].to_string(),
    })
}
