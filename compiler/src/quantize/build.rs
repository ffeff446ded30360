//! The quantised model.

use super::computations::Computations;
use super::layers::{Layer, Survey, survey};
use super::{Plan, QuantizeError, input_range};
use dlc_ir::{
    Binary, Builder, Function, InferError, Initializer, Model, NodeId, Op, Origin, Parameter, Type, Unary,
};
use dlc_types::{DType, IndexVec, Shape, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// The layers that a plan names, with the types of their inputs.
pub(super) fn planned<'s>(
    model: &Model,
    survey: &'s Survey,
    plan: &Plan,
) -> Result<Vec<(&'s Layer, DType)>, QuantizeError> {
    for name in plan.0.keys() {
        if !survey.layers.iter().any(|layer| layer.name == *name) {
            return Err(QuantizeError::NoLayer { model: model.name.clone(), layer: name.clone() });
        }
    }
    let layers = survey.layers.iter();
    Ok(layers.filter_map(|layer| Some((layer, *plan.0.get(&layer.name)?))).collect())
}

/// Puts layers of integers into a builder. Tensors of the model are declared when they are first read.
pub(super) struct Quantizer<'l> {
    /// By the computation behind their last node.
    layers: BTreeMap<usize, (&'l Layer, DType)>,
    externals: BTreeMap<String, NodeId>,
    /// Inputs as integers, by what they were made of.
    integers: BTreeMap<(NodeId, DType), NodeId>,
}

impl<'l> Quantizer<'l> {
    pub(super) fn new(layers: &[(&'l Layer, DType)]) -> Quantizer<'l> {
        let layers = layers.iter().map(|&(layer, dtype)| (layer.end_number, (layer, dtype)));
        Quantizer { layers: layers.collect(), externals: BTreeMap::new(), integers: BTreeMap::new() }
    }

    /// The nodes that stand for what is fed or kept, which the next functions share.
    pub(super) fn knows(&mut self, function: &Function) {
        self.externals.extend(function.externals().map(|(id, name)| (name.to_owned(), id)));
    }

    fn parameter(&mut self, b: &mut Builder, name: &str, ty: TensorType) -> Result<NodeId, InferError> {
        if let Some(&known) = self.externals.get(name) {
            return Ok(known);
        }
        let id = b.parameter(name, ty)?;
        self.externals.insert(name.to_owned(), id);
        Ok(id)
    }

    /// `clamp(round(x / s))` as integers of a type.
    fn integers(
        &mut self,
        b: &mut Builder,
        x: NodeId,
        input: &str,
        dtype: DType,
    ) -> Result<NodeId, InferError> {
        if let Some(&known) = self.integers.get(&(x, dtype)) {
            return Ok(known);
        }
        let step = self.parameter(b, input, TensorType::scalar(DType::F32))?;
        let one = b.scalar(DType::F32, 1.0)?;
        let inverse = b.div(one, step)?;
        let inverse = b.broadcast_scalar(inverse, b.shape(x).clone())?;
        let scaled = b.mul(x, inverse)?;
        let rounded = b.unary(Unary::Round, scaled)?;
        let (least, greatest) = input_range(dtype);
        let least = b.splat_like(rounded, least)?;
        let clamped = b.binary(Binary::Max, rounded, least)?;
        let greatest = b.splat_like(rounded, greatest)?;
        let clamped = b.binary(Binary::Min, clamped, greatest)?;
        let integers = b.cast(clamped, dtype)?;
        self.integers.insert((x, dtype), integers);
        Ok(integers)
    }

    /// The value of a layer's last node, computed with integers. `product` is the product's node as it was.
    pub(super) fn layer(
        &mut self,
        b: &mut Builder,
        layer: &Layer,
        dtype: DType,
        x: NodeId,
        product: (&Op, bool, &Shape),
    ) -> Result<NodeId, InferError> {
        let (op, weights_left, output) = product;
        let names = &layer.names;
        let q = self.integers(b, x, &names.input, dtype)?;
        let weight_type = TensorType::new(DType::I8, Shape::fixed(&layer.dims));
        let w = self.parameter(b, &names.weight, weight_type)?;
        let (q, w) = (b.cast(q, DType::I32)?, b.cast(w, DType::I32)?);
        let operands = if weights_left { [w, q] } else { [q, w] };
        let sum = b.add_node(op.clone(), &operands)?;
        let sum = b.cast(sum, DType::F32)?;
        let channels = layer.channels.shape();
        let of_channels = TensorType::new(DType::F32, channels.clone());
        let step = self.parameter(b, &names.input, TensorType::scalar(DType::F32))?;
        let scale = self.parameter(b, &names.scale, of_channels.clone())?;
        let step = b.broadcast_scalar(step, channels)?;
        let scale = b.mul(scale, step)?;
        let scale = layer.channels.over_output(b, scale, output.clone())?;
        let scaled = b.mul(sum, scale)?;
        if layer.steps.is_empty() {
            return Ok(scaled);
        }
        let bias = self.parameter(b, &names.bias, of_channels)?;
        let bias = layer.channels.over_output(b, bias, output.clone())?;
        b.add(scaled, bias)
    }

    /// Appends a function with its layers in integers; gives where each node's value stands now. `numbers` are its
    /// computations.
    pub(super) fn append(
        &mut self,
        b: &mut Builder,
        function: &Function,
        numbers: &IndexVec<NodeId, usize>,
        forms: &Function,
    ) -> Result<IndexVec<NodeId, NodeId>, InferError> {
        let mut moved: IndexVec<NodeId, NodeId> = IndexVec::new();
        // Where every computation is first.
        let mut places: BTreeMap<usize, NodeId> = BTreeMap::new();
        for (id, node) in function.nodes.iter() {
            places.entry(numbers[id]).or_insert(id);
            b.set_origin(node.origin.clone());
            let external = match &node.op {
                Op::Input { name } | Op::Parameter { name } | Op::State { name } => Some(name.as_str()),
                _ => None,
            };
            if let Some(known) = external.and_then(|name| self.externals.get(name)) {
                moved.push(*known);
                continue;
            }
            let value = match self.layers.get(&numbers[id]).copied() {
                Some((layer, dtype)) => {
                    let x = places.get(&layer.x_number).map(|&id| moved[id]);
                    let x = x.ok_or_else(|| InferError::new("a layer stands before what it reads"))?;
                    let product = &forms.nodes[layer.product];
                    b.set_origin(Origin { path: product.origin.path.clone(), span: product.origin.span });
                    let left = product.operands.first() == Some(&layer.weight);
                    self.layer(
                        b,
                        layer,
                        dtype,
                        x,
                        (&product.op, left, &forms.tensor_type(layer.product).shape),
                    )?
                }
                None => {
                    let operands: Vec<NodeId> = node.operands.iter().map(|&operand| moved[operand]).collect();
                    match &node.ty {
                        Type::Tensor(ty) => b.declare(node.op.clone(), &operands, ty.clone())?,
                        Type::Tuple(_) => b.add_node(node.op.clone(), &operands)?,
                    }
                }
            };
            if let Some(name) = external {
                self.externals.insert(name.to_owned(), value);
            }
            moved.push(value);
        }
        Ok(moved)
    }
}

/// A function with the planned layers in integers.
fn quantized_function(
    function: &Function,
    numbers: &IndexVec<NodeId, usize>,
    layers: &[(&Layer, DType)],
    forms: &Function,
) -> Result<Function, InferError> {
    let mut b = Builder::new(function.name.clone());
    let moved = Quantizer::new(layers).append(&mut b, function, numbers, forms)?;
    for output in &function.outputs {
        b.output(output.role, output.name.clone(), moved[output.value]);
    }
    Ok(b.finish().without_dead_nodes())
}

/// The parameters of planned layers.
pub(super) fn parameters_of(layers: &[(&Layer, DType)]) -> Vec<Parameter> {
    let mut all: BTreeMap<&str, TensorType> = BTreeMap::new();
    for (layer, _) in layers {
        let channels = || TensorType::new(DType::F32, layer.channels.shape());
        let names = &layer.names;
        all.insert(&names.weight, TensorType::new(DType::I8, Shape::fixed(&layer.dims)));
        all.insert(&names.scale, channels());
        all.insert(&names.input, TensorType::scalar(DType::F32));
        if !layer.steps.is_empty() {
            all.insert(&names.bias, channels());
        }
    }
    let parameters = all.into_iter().map(|(name, ty)| {
        let integers = ty.dtype == DType::I8;
        let initializer = if integers { Initializer::Constant(0.0) } else { Initializer::Given };
        Parameter { name: name.to_owned(), ty, initializer, trainable: false, span: None }
    });
    parameters.collect()
}

/// The model with the planned layers in integers, in `predict` and `evaluate`. It cannot be trained, and keeps those
/// parameters and states alone that its functions read.
///
/// # Errors
/// A plan that names a layer that the model does not have, or that integers cannot compute.
pub fn quantized(model: &Model, plan: &Plan) -> Result<Model, QuantizeError> {
    let survey = survey(model);
    let layers = planned(model, &survey, plan)?;
    // One numbering, so that the layers of `predict` are found again in `evaluate`.
    let mut computations = Computations::default();
    let numbers = computations.of(&model.predict);
    let predict = quantized_function(&model.predict, &numbers, &layers, &model.predict)?;
    let evaluate = model.evaluate.as_ref().map(|function| {
        let numbers = computations.of(function);
        quantized_function(function, &numbers, &layers, &model.predict)
    });
    let evaluate = evaluate.transpose()?;
    let read: BTreeSet<String> = [Some(&predict), evaluate.as_ref()]
        .into_iter()
        .flatten()
        .flat_map(|function| function.externals().map(|(_, name)| name.to_owned()))
        .collect();
    let own = model.parameters.iter().cloned().chain(parameters_of(&layers));
    Ok(Model {
        name: model.name.clone(),
        inputs: model.inputs.clone(),
        targets: model.targets.clone(),
        parameters: own.filter(|one| read.contains(&one.name)).collect(),
        states: model.states.iter().filter(|one| read.contains(&one.name)).cloned().collect(),
        predict,
        evaluate,
        forward: None,
        training: None,
    })
}
