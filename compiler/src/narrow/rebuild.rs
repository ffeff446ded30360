//! The same functions with other extents: node by node, each with what its attributes say of extents made anew.

use super::flow::{Labelled, is_uniform, with_dims};
use super::label::Label;
use super::{Channels, Extents};
use dlc_ir::literal::Elements;
use dlc_ir::{Builder, Convolution, Function, InferError, Literal, Model, Node, NodeId, Op, Scan, Type};
use dlc_types::{Dim, IndexVec, TensorType};

type Result<T> = std::result::Result<T, InferError>;

/// The model with other extents.
pub(super) fn model(channels: &Channels, model: &Model, extents: &Extents) -> Result<Model> {
    let narrowing = Narrowing { channels, extents };
    let mut narrow = model.clone();
    let parameters = narrow.parameters.iter_mut().map(|one| (&one.name, &mut one.ty));
    let states = narrow.states.iter_mut().map(|one| (&one.name, &mut one.ty));
    for (name, ty) in parameters.chain(states) {
        if let Some(labels) = channels.shared.externals.get(name) {
            *ty = with_dims(ty, narrowing.dims(labels)?);
        }
    }
    narrow.predict = narrowing.function(&model.predict, &channels.predict)?;
    let optional = |function: &Option<Function>, labelled: &Option<Labelled>| match (function, labelled) {
        (Some(function), Some(labelled)) => narrowing.function(function, labelled).map(Some),
        _ => Ok(None),
    };
    narrow.evaluate = optional(&model.evaluate, &channels.evaluate)?;
    narrow.forward = optional(&model.forward, &channels.forward)?;
    Ok(narrow)
}

struct Narrowing<'a> {
    channels: &'a Channels,
    extents: &'a Extents,
}

impl Narrowing<'_> {
    fn dim(&self, label: &Label) -> Result<Dim> {
        let dim = self.channels.shared.classes.size_with(label, &|class, dim| self.extents.dim(class, dim));
        dim.ok_or_else(|| InferError::new("an axis has no extent that can be counted"))
    }

    fn dims(&self, labels: &[Label]) -> Result<Vec<Dim>> {
        labels.iter().map(|label| self.dim(label)).collect()
    }

    fn function(&self, function: &Function, labelled: &Labelled) -> Result<Function> {
        let mut build = Builder::new(function.name.clone());
        let mut moved: IndexVec<NodeId, NodeId> = IndexVec::new();
        for (id, node) in function.nodes.iter() {
            build.set_origin(node.origin.clone());
            let operands: Vec<NodeId> = node.operands.iter().map(|&operand| moved[operand]).collect();
            let op = self.op(function, id, node, labelled)?;
            let value = match &node.ty {
                Type::Tensor(ty) => {
                    let labels = labelled.values[id].first().map_or(&[][..], Vec::as_slice);
                    build.declare(op, &operands, with_dims(ty, self.dims(labels)?))?
                }
                Type::Tuple(_) => build.add_node(op, &operands)?,
            };
            moved.push(value);
        }
        for output in &function.outputs {
            build.output(output.role, output.name.clone(), moved[output.value]);
        }
        Ok(build.finish())
    }

    fn op(&self, function: &Function, id: NodeId, node: &Node, labelled: &Labelled) -> Result<Op> {
        let labels = |id: NodeId| labelled.values[id].first().map_or(&[][..], Vec::as_slice);
        Ok(match &node.op {
            Op::Constant(literal) => Op::Constant(self.constant(literal, labels(id))?),
            Op::Slice { starts, limits, strides } => {
                let before = function.tensor_type(node.operands[0]);
                let labels = labels(node.operands[0]);
                let (starts, limits) = self.bounds(before, labels, starts, limits)?;
                Op::Slice { starts, limits, strides: strides.clone() }
            }
            Op::Convolve(convolution) => {
                let groups = match labelled.groups.get(&id) {
                    Some(label) => self.dim(label)?.fixed().unwrap_or(1),
                    None => convolution.groups,
                };
                Op::Convolve(Convolution { groups, ..convolution.clone() })
            }
            Op::Scan(scan) => {
                let missing = || InferError::new("a scan has no labels");
                let body = self.function(&scan.body, labelled.bodies.get(&id).ok_or_else(missing)?)?;
                Op::Scan(Box::new(Scan { body, ..scan.as_ref().clone() }))
            }
            other => other.clone(),
        })
    }

    /// A constant of equal elements takes any shape; others keep theirs, since their axes are blocked.
    fn constant(&self, literal: &Literal, labels: &[Label]) -> Result<Literal> {
        let ty = with_dims(&literal.ty, self.dims(labels)?);
        if ty == literal.ty || !is_uniform(literal) {
            return Ok(literal.clone());
        }
        let count = ty.shape.at(1).iter().product();
        let elements = match &literal.elements {
            Elements::Float(values) => Elements::Float(values.iter().copied().take(count).collect()),
            Elements::Int(values) => Elements::Int(values.iter().copied().take(count).collect()),
            Elements::Bool(values) => Elements::Bool(values.iter().copied().take(count).collect()),
        };
        Ok(Literal { ty, elements })
    }

    /// Where the parts that a slice takes lie now.
    fn bounds(
        &self,
        before: &TensorType,
        labels: &[Label],
        starts: &[usize],
        limits: &[usize],
    ) -> Result<(Vec<usize>, Vec<usize>)> {
        let classes = &self.channels.shared.classes;
        let (mut first, mut last) = (starts.to_vec(), limits.to_vec());
        for (axis, label) in labels.iter().enumerate() {
            let Dim::Fixed(size) = before.shape[axis] else { continue };
            if self.dim(label)? == Dim::Fixed(size) {
                continue;
            }
            let place = |at: usize| {
                let moved = classes.boundary(label, at, &|class, dim| self.extents.dim(class, dim));
                moved.ok_or_else(|| InferError::new("a slice ends inside of channels that are taken away"))
            };
            first[axis] = place(starts[axis])?;
            if limits[axis] != usize::MAX {
                last[axis] = place(limits[axis].min(size))?;
            }
        }
        Ok((first, last))
    }
}
