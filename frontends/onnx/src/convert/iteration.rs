//! Scan and Loop with a number of iterations that is known: scans of the graph.
//!
//! `dlc run` follows them iteration by iteration instead (the driver's control flow), whatever their number; what is
//! here lets a model with them be compiled ahead, and trained.
//!
//! History: opset 8 had a Scan with a batch axis in front of everything; since 9 there is none, and axes are attributes.

use super::{AtHand, Context, Operator, Stop};
use crate::{Array, Attribute, Element, Graph};
use dlc_ir::{NodeId, Op, OutputRole, Scan};
use dlc_types::{DType, Dim};
use std::collections::BTreeMap;

pub(super) const OPERATORS: &[Operator] = &[Operator::new("Loop", 1, repeat), Operator::new("Scan", 8, scan)];

/// One input of a body's graph.
enum Given {
    /// A value that iterations hand on, beginning with this one.
    Carry(NodeId),
    /// Part of a value `[iterations, …]`.
    Slice(NodeId),
    /// Known in all iterations.
    Known(Array),
}

/// The number of an iteration, which nobody else asks for.
const COUNT: &str = "";

fn graph<'c>(context: &Context<'c, '_>) -> Result<&'c Graph, Stop> {
    match context.node().attributes.get("body") {
        Some(Attribute::Graph(graph)) => Ok(graph),
        _ => Err(context.invalid("its attribute `body` is missing or no graph")),
    }
}

/// An element of an attribute that is a list of integers; 0 where there is none.
fn listed(context: &Context<'_, '_>, name: &str, position: usize) -> i64 {
    match context.node().attributes.get(name) {
        Some(Attribute::Ints(values)) => values.get(position).copied().unwrap_or(0),
        _ => 0,
    }
}

/// Inputs: states, then tensors that are walked along an axis.
fn scan(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    if context.node().opset < 9 {
        return Err(context.not_done("the form of opset 8, with a batch axis"));
    }
    let body = graph(context)?;
    let inputs = context.inputs()?;
    let walked = usize::try_from(context.required_int("num_scan_inputs")?).ok();
    let states = walked.and_then(|walked| inputs.len().checked_sub(walked));
    let states = states.ok_or_else(|| context.invalid("its attribute `num_scan_inputs` does not fit"))?;
    let mut given: Vec<Given> = inputs[..states].iter().map(|&state| Given::Carry(state)).collect();
    let mut steps = None;
    for (position, &input) in inputs[states..].iter().enumerate() {
        let rank = context.rank(input);
        let axis = context.axis(listed(context, "scan_input_axes", position), rank)?;
        let length = context.fixed(context.shape(input)[axis], "a number of iterations")?;
        if steps.is_some_and(|steps| steps != length) {
            return Err(context.invalid("the tensors that it walks along differ in length"));
        }
        steps = Some(length);
        let mut stacked = moved(context, input, axis, 0)?;
        if listed(context, "scan_input_directions", position) == 1 {
            stacked = context.builder().add_node(Op::Reverse { axes: vec![0] }, &[stacked])?;
        }
        given.push(Given::Slice(stacked));
    }
    let steps = steps.ok_or_else(|| context.invalid("it walks along nothing"))?;
    let results = iterate(context, body, given, steps, 0)?;
    for (position, mut result) in results.into_iter().enumerate() {
        if let Some(place) = position.checked_sub(states) {
            if listed(context, "scan_output_directions", place) == 1 {
                result = context.builder().add_node(Op::Reverse { axes: vec![0] }, &[result])?;
            }
            let rank = context.rank(result);
            let axis = context.axis(listed(context, "scan_output_axes", place), rank)?;
            result = moved(context, result, 0, axis)?;
        }
        context.set_output(position, result)?;
    }
    Ok(())
}

/// Inputs: trip count, condition, carried values.
fn repeat(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let body = graph(context)?;
    if !context.has_input(0) {
        return Err(context.not_done("a number of iterations that only its condition tells"));
    }
    let steps = context.need_int(0)?;
    let going = !context.has_input(1) || context.need_ints(1)? != [0];
    let steps = usize::try_from(steps).ok().filter(|_| going).unwrap_or(0);
    let (dtype, count) = (Element::Bool, context.input_count());
    let truth = Array::new(dtype, Vec::new(), vec![1]).map_err(Stop::Invalid)?;
    let number = context.builder().scalar(DType::I64, 0.0)?;
    let mut given = vec![Given::Carry(number), Given::Known(truth)];
    for position in 2..count {
        given.push(Given::Carry(context.input(position)?));
    }
    let results = iterate(context, body, given, steps, 1)?;
    for (position, result) in results.into_iter().enumerate() {
        context.set_output(position, result)?;
    }
    Ok(())
}

/// A value with one axis moved to another place.
fn moved(context: &mut Context<'_, '_>, x: NodeId, from: usize, to: usize) -> Result<NodeId, Stop> {
    let mut order: Vec<usize> = (0..context.rank(x)).filter(|&axis| axis != from).collect();
    order.insert(to, from);
    Ok(context.builder().transpose(x, &order)?)
}

/// The body for all iterations: last states, then what the iterations give, stacked. `conditions` of the graph's
/// outputs come first and must be true always; then the first carry is the number of the iteration.
fn iterate(
    context: &mut Context<'_, '_>,
    graph: &Graph,
    given: Vec<Given>,
    steps: usize,
    conditions: usize,
) -> Result<Vec<NodeId>, Stop> {
    if steps == 0 {
        return Err(context.not_done("no iteration at all"));
    }
    if graph.inputs.len() != given.len() {
        return Err(context.invalid("its graph takes other values than it is given"));
    }
    let mut at_hand = BTreeMap::new();
    for (input, given) in graph.inputs.iter().zip(&given) {
        at_hand.insert(input.name.clone(), seen(context, given));
    }
    let body = context.body(graph, at_hand)?;
    for known in &body.known[..conditions.min(body.known.len())] {
        if known.as_ref().and_then(Array::ints) != Some(vec![1]) {
            return Err(context.not_done("a condition that its iterations compute"));
        }
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let (mut carries, mut slices, mut invariants) = (Vec::new(), Vec::new(), Vec::new());
    for (input, given) in graph.inputs.iter().zip(&given) {
        match given {
            Given::Carry(first) => {
                names.insert(input.name.clone(), Scan::carry(carries.len()));
                carries.push(*first);
            }
            Given::Slice(stacked) => {
                names.insert(input.name.clone(), format!("slice.{}", slices.len()));
                slices.push(*stacked);
            }
            Given::Known(_) => {}
        }
    }
    let mut build = body.build;
    let mut left = body.outputs[conditions.min(body.outputs.len())..].to_vec();
    if conditions > 0 {
        let number = names.iter().find(|(_, name)| **name == Scan::carry(0)).map(|(name, _)| name.clone());
        let number = number.and_then(|name| reader(&build, &name));
        let number = match number {
            Some(number) => number,
            None => build.input(COUNT, context.ty(carries[0]))?,
        };
        names.entry(COUNT.to_owned()).or_insert_with(|| Scan::carry(0));
        left.insert(0, build.shift(number, 1.0)?);
    }
    if left.len() < carries.len() {
        return Err(context.invalid("its graph gives too few values"));
    }
    for (number, (&next, &first)) in left.iter().zip(&carries).enumerate() {
        if build.ty(next) != &context.ty(first) {
            let (before, after) = (context.ty(first), build.ty(next).clone());
            return Err(context.not_done(format!("a state that is {before} first and {after} later")));
        }
        build.output(OutputRole::State, Scan::carry(number), next);
    }
    for (number, &value) in left[carries.len()..].iter().enumerate() {
        build.output(OutputRole::Output, Scan::result(number), value);
    }
    let mut body = build.finish().without_dead_nodes();
    for id in body.nodes.indices() {
        let Op::Input { name } = &mut body.nodes[id].op else { continue };
        if !names.contains_key(name) {
            let outer = context.value_of(name)?;
            names.insert(name.clone(), format!("invariant.{}", invariants.len()));
            invariants.push(outer);
        }
        name.clone_from(&names[name.as_str()]);
    }
    let (count, results) = (carries.len(), left.len());
    let scan = Scan { body, steps, carries: count, slices: slices.len(), reverse: false };
    let operands = [carries, slices, invariants].concat();
    let builder = context.builder();
    let tuple = builder.add_node(Op::Scan(Box::new(scan)), &operands)?;
    let wanted = conditions..results;
    wanted.map(|number| Ok(builder.project(tuple, number)?)).collect()
}

/// What a body knows of one of its inputs.
fn seen(context: &Context<'_, '_>, given: &Given) -> AtHand {
    match given {
        Given::Known(array) => AtHand::Tensor {
            element: array.element(),
            dims: array.dims().iter().map(|&size| Dim::Fixed(size)).collect(),
            array: Some(array.clone()),
            fixed: true,
        },
        Given::Carry(value) | Given::Slice(value) => {
            let ty = context.ty(*value);
            let skipped = usize::from(matches!(given, Given::Slice(_)));
            let dims = ty.shape.dims()[skipped..].to_vec();
            AtHand::Tensor { element: Element::of(ty.dtype), dims, array: None, fixed: false }
        }
    }
}

fn reader(build: &dlc_ir::Builder, name: &str) -> Option<NodeId> {
    build.function().externals().find(|&(_, external)| external == name).map(|(id, _)| id)
}
