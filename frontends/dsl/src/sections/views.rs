//! Views of a picture: `predict` and `evaluate` take the mean of what the model says of several of them.
//!
//! Input form: functions that read a picture once. Output form: what the outputs depend on stands once per view, with
//! the same parameters, and everybody behind the model (metrics, the loss of `evaluate`, whoever calls `predict`) reads
//! the weighted mean. What the model computes of its own values stays that of one view. The functions of training are
//! left alone: they see one random view by `augment`. It stands before the scaling of fields, so that views are
//! of scaled pictures, which makes no difference: they only choose pixels.
//!
//! Mirror images and shifts, and their weights, after Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single
//! GPU", 2024, section 3.6 (multi-crop test-time augmentation).

use super::units;
use crate::codes;
use crate::report::Reporter;
use dlc_ir::{Builder, Function, InferError, Model, Node, NodeId, Op, Origin, OutputRole};
use dlc_types::{Diagnostic, IndexVec, Span};
use std::collections::{BTreeMap, BTreeSet};

/// A step that makes more views of each that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Beside it its mirror image, left and right exchanged.
    Flip,
    /// Beside it, with half its weight, by so many pixels up and left, and down and right.
    Shift(usize),
}

/// What the line `views` says.
#[derive(Clone, Debug)]
pub(super) struct Views {
    pub(super) field: String,
    pub(super) steps: Vec<View>,
    pub(super) span: Span,
}

/// Views that there may be at most: the model is computed once for each.
const MOST_VIEWS: usize = 64;

type Outputs = Vec<(String, NodeId)>;

/// Puts the views into `predict` and `evaluate`. `outputs` are the model's values in `evaluate`, which move.
pub(super) fn apply(model: &mut Model, views: &Views, outputs: &mut Outputs, reporter: &mut Reporter) {
    if let Err(diagnostic) = check(model, views) {
        reporter.push(*diagnostic);
        return;
    }
    let own = model.predict.outputs.iter().map(|output| (output.name.clone(), output.value)).collect();
    let mut predict = (&mut model.predict, own);
    let mut evaluate = model.evaluate.as_mut().map(|function| (function, std::mem::take(outputs)));
    for (function, values) in std::iter::once(&mut predict).chain(&mut evaluate) {
        match averaged(function, values, views) {
            Ok(made) => (**function, *values) = made,
            Err(fault) => {
                let message = format!("the views do not fit: {fault}; this is a bug in dlc");
                reporter.push(Diagnostic::error(codes::SHAPE, message).at(views.span, "these views"));
            }
        }
    }
    if let Some((_, values)) = evaluate {
        *outputs = values;
    }
}

/// Whether the field is a picture that can be moved so, and the outputs are numbers of the whole picture.
fn check(model: &Model, views: &Views) -> Result<(), Box<Diagnostic>> {
    let fail = |code, message: String, label: &str, help: &str| {
        Err(Box::new(Diagnostic::error(code, message).at(views.span, label).help(help)))
    };
    let field = &views.field;
    let Some(input) = model.inputs.iter().find(|input| input.name == *field) else {
        let message = format!("`views` shows the model other pictures, but it does not read `{field}`");
        return fail(codes::FIELD, message, "no input of the model", "name the model's picture");
    };
    let sides = match input.ty.shape.0.as_slice() {
        [_, _, height, width] if input.ty.dtype.is_float() => height.fixed().zip(width.fixed()),
        _ => None,
    };
    let Some((height, width)) = sides else {
        let message = format!("`views` are of pictures, and `{field}` is {}", input.ty);
        return fail(codes::SHAPE, message, "no picture", "pictures are `f32[N, channels, height, width]`");
    };
    let farthest: usize =
        views.steps.iter().map(|step| if let View::Shift(by) = step { *by } else { 0 }).max().unwrap_or(0);
    if farthest >= height.min(width) {
        let message = format!("a picture of {height} x {width} cannot be moved by {farthest} pixels");
        return fail(codes::RANGE, message, "too far", "`shift` takes less pixels than the picture has");
    }
    let count = views.steps.iter().map(|step| if *step == View::Flip { 2 } else { 3 });
    if count.fold(1_usize, usize::saturating_mul) > MOST_VIEWS {
        let message = format!("these are more than {MOST_VIEWS} views; the model is computed for each");
        return fail(codes::RANGE, message, "too many", "leave out a step: `flip` makes 2 of one, `shift` 3");
    }
    for output in model.predict.outputs.iter().filter(|output| output.role == OutputRole::Output) {
        let Some(ty) = model.predict.nodes[output.value].ty.tensor() else { continue };
        if !ty.dtype.is_float() || ty.shape.0.len() > 2 {
            let message = format!(
                "`views` takes the mean of the outputs, and `{}` is {ty}, which has none",
                output.name
            );
            let help = "outputs are numbers of the whole picture, such as `f32[N, classes]`";
            return fail(codes::SHAPE, message, "views of a picture", help);
        }
    }
    Ok(())
}

/// The function whose `outputs` are the mean over all views, and where they stand in it.
fn averaged(
    function: &Function,
    outputs: &Outputs,
    views: &Views,
) -> Result<(Function, Outputs), InferError> {
    let of_model = units::ancestors(function, outputs.iter().map(|(_, value)| *value));
    let mut builder = Builder::new(&function.name);
    // Where each node stands in the new function; those that are not copied yet stand nowhere.
    let mut copies: IndexVec<NodeId, NodeId> = function.nodes.indices().collect();
    for (id, node) in function.nodes.iter().filter(|&(id, _)| of_model[id]) {
        copies[id] = copy(&mut builder, node, &copies)?;
    }
    let is_picture = |node: &Node| matches!(&node.op, Op::Input { name } if *name == views.field);
    let picture = function.nodes.iter().find(|&(id, node)| of_model[id] && is_picture(node));
    if let Some((picture, _)) = picture {
        let of_picture = descendants(function, picture);
        let values: BTreeSet<NodeId> =
            outputs.iter().map(|(_, value)| *value).filter(|&value| of_picture[value]).collect();
        let origin = Origin { path: format!("views({})", views.field), span: Some(views.span) };
        builder.set_origin(origin.clone());
        let (first, others) = shown(&mut builder, copies[picture], &views.steps)?;
        let mut means = BTreeMap::new();
        for &value in &values {
            means.insert(value, builder.scale(copies[value], first)?);
        }
        for (weight, view) in others {
            let mut moved = copies.clone();
            moved[picture] = view;
            let again = |id: NodeId| id != picture && of_model[id] && of_picture[id];
            for (id, node) in function.nodes.iter().filter(|&(id, _)| again(id)) {
                moved[id] = copy(&mut builder, node, &moved)?;
            }
            builder.set_origin(origin.clone());
            for (&value, mean) in &mut means {
                let part = builder.scale(moved[value], weight)?;
                *mean = builder.add(*mean, part)?;
            }
        }
        means.into_iter().for_each(|(value, mean)| copies[value] = mean);
    }
    for (id, node) in function.nodes.iter().filter(|&(id, _)| !of_model[id]) {
        copies[id] = copy(&mut builder, node, &copies)?;
    }
    for output in &function.outputs {
        builder.output(output.role, &output.name, copies[output.value]);
    }
    let outputs = outputs.iter().map(|(name, value)| (name.clone(), copies[*value])).collect();
    Ok((builder.finish(), outputs))
}

/// A node on the copies of its operands.
fn copy(builder: &mut Builder, node: &Node, copies: &IndexVec<NodeId, NodeId>) -> Result<NodeId, InferError> {
    let operands: Vec<NodeId> = node.operands.iter().map(|&operand| copies[operand]).collect();
    builder.set_origin(node.origin.clone());
    match node.ty.tensor() {
        Some(ty) => builder.declare(node.op.clone(), &operands, ty.clone()),
        None => builder.add_node(node.op.clone(), &operands),
    }
}

/// What depends on a value, itself included.
fn descendants(function: &Function, of: NodeId) -> IndexVec<NodeId, bool> {
    let mut found: IndexVec<NodeId, bool> = function.nodes.indices().map(|id| id == of).collect();
    for (id, node) in function.nodes.iter() {
        found[id] |= node.operands.iter().any(|&operand| found[operand]);
    }
    found
}

/// The weight of the picture itself, and all other views with theirs; together they are 1.
fn shown(
    builder: &mut Builder,
    picture: NodeId,
    steps: &[View],
) -> Result<(f64, Vec<(f64, NodeId)>), InferError> {
    let mut first = 1.0;
    let mut others: Vec<(f64, NodeId)> = Vec::new();
    for step in steps {
        let known = std::iter::once((first, picture)).chain(others.iter().copied()).collect::<Vec<_>>();
        let mut made = Vec::new();
        for &(weight, view) in &known {
            match *step {
                View::Flip => made.push((weight / 2.0, reversed(builder, view, 3)?)),
                View::Shift(by) => {
                    for forward in [false, true] {
                        let rows = moved(builder, view, 2, by, forward)?;
                        made.push((weight / 4.0, moved(builder, rows, 3, by, forward)?));
                    }
                }
            }
        }
        // Both steps leave a view half of its weight.
        first /= 2.0;
        others.iter_mut().for_each(|(weight, _)| *weight /= 2.0);
        others.extend(made);
    }
    Ok((first, others))
}

fn reversed(builder: &mut Builder, x: NodeId, axis: usize) -> Result<NodeId, InferError> {
    builder.add_node(Op::Reverse { axes: vec![axis] }, &[x])
}

/// Everything `by` elements further along an axis, or back; what comes in is what lies behind the border, mirrored at
/// the outermost element, which is not repeated.
fn moved(
    builder: &mut Builder,
    x: NodeId,
    axis: usize,
    by: usize,
    forward: bool,
) -> Result<NodeId, InferError> {
    let Some(size) = builder.shape(x)[axis].fixed() else {
        return Err(InferError::new("a picture whose sides are not known is moved"));
    };
    let (border, rest) =
        if forward { (1..by + 1, 0..size - by) } else { (size - 1 - by..size - 1, by..size) };
    let border = part(builder, x, axis, border)?;
    let border = reversed(builder, border, axis)?;
    let rest = part(builder, x, axis, rest)?;
    let parts = if forward { [border, rest] } else { [rest, border] };
    builder.add_node(Op::Concat { axis }, &parts)
}

/// The elements of a range along an axis, all of the others.
fn part(
    builder: &mut Builder,
    x: NodeId,
    axis: usize,
    range: std::ops::Range<usize>,
) -> Result<NodeId, InferError> {
    let rank = builder.shape(x).0.len();
    let (mut starts, mut limits) = (vec![0; rank], vec![usize::MAX; rank]);
    (starts[axis], limits[axis]) = (range.start, range.end);
    builder.add_node(Op::Slice { starts, limits, strides: vec![1; rank] }, &[x])
}
