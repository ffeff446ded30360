//! If with a condition that is known: the branch that it takes becomes part of the region.
//!
//! Where the condition is known in a run alone, the caller goes through the branches.
//!
//! History: the types of what branches give grew (sequences with opsets 11 to 13, optionals with 16).

use super::{Context, Operator, Stop};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("If", 1, branch)];

fn branch(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let holds = context.need_int(0)? != 0;
    let name = if holds { "then_branch" } else { "else_branch" };
    let graph = context.graph(name)?;
    let graph = graph.ok_or_else(|| context.invalid(format!("its attribute `{name}` is missing")))?;
    if graph.outputs.len() < context.output_count() {
        let (given, wanted) = (graph.outputs.len(), context.output_count());
        return Err(context.invalid(format!("its `{name}` gives {given} values, not {wanted}")));
    }
    context.scoped(graph)
}
