//! Where parameters and states lie between calls: one block that all functions of a compilation share, in the order of
//! axes that the functions wish for.

use crate::CompileError;
use crate::lower::{self, LowerOptions, PersistentOrders, PersistentPlaces};
use crate::step;
use dlc_ir::{Function, Model, Op, OutputRole};
use std::collections::BTreeSet;

/// Lays parameters and states out: the order of axes is the one that the first function with a wish
/// asks for, the training step before the others.
pub(crate) fn persistent_places<'a>(
    model: &Model,
    functions: impl Iterator<Item = &'a Function> + Clone,
    options: &LowerOptions,
    used: Option<&BTreeSet<String>>,
) -> Result<PersistentPlaces, CompileError> {
    let wanted = |name: &str| used.is_none_or(|used| used.contains(name));
    let mut orders = PersistentOrders::new();
    let by_weight = functions.clone().filter(|f| f.name == "train").chain(functions);
    for function in by_weight {
        for (name, order) in lower::wished_persistent_orders(function, options) {
            orders.entry(name).or_insert(order);
        }
    }
    let mut places = PersistentPlaces::default();
    for parameter in model.parameters.iter().filter(|parameter| wanted(&parameter.name)) {
        places.add(&parameter.name, &parameter.ty, orders.get(&parameter.name).cloned())?;
    }
    for state in model.states.iter().chain(&step::step_states(model)) {
        if wanted(&state.name) && !places.places.contains_key(&state.name) {
            places.add(&state.name, &state.ty, orders.get(&state.name).cloned())?;
        }
    }
    Ok(places)
}

/// Names of parameters and states that functions read or write.
pub(crate) fn used_tensors<'a>(functions: impl Iterator<Item = &'a Function>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for function in functions {
        used.extend(function.nodes.values().filter_map(|node| match &node.op {
            Op::Parameter { name } | Op::State { name } => Some(name.clone()),
            _ => None,
        }));
        let written = |role| matches!(role, OutputRole::Parameter | OutputRole::State);
        let outputs = function.outputs.iter().filter(|output| written(output.role));
        used.extend(outputs.map(|output| output.name.clone()));
    }
    used
}
