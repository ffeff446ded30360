//! Constants, and what is known of a tensor from its type alone.
//!
//! History: Shape got `start` and `end` with opset 15; Constant got its short forms with 12.

use super::{Context, Operator, Stop};
use crate::{Array, Attribute, Element};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Shape", 1, shape),
    Operator::new("Size", 1, size),
    Operator::new("Constant", 1, constant),
    Operator::new("ConstantOfShape", 9, constant_of_shape),
    Operator::new("Range", 11, range),
];

/// Elements up to which a filled tensor is made at once.
pub(super) const KNOWN_LIMIT: usize = 4096;

/// Known, unless an extent depends on the batch.
fn shape(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (_, dims) = context.input_type(0)?;
    let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
    let clamp =
        |place: i64| if place < 0 { place.saturating_add(rank) } else { place }.clamp(0, rank) as usize;
    let (start, end) = (clamp(context.int_or("start", 0)?), clamp(context.int_or("end", rank)?));
    let dims = dims.get(start..end.max(start)).unwrap_or_default().to_vec();
    let fixed: Option<Vec<i64>> = dims.iter().map(|dim| dim.fixed().map(|size| size as i64)).collect();
    if let Some(sizes) = fixed {
        return context.set_known(0, Array::of_ints(&sizes));
    }
    let builder = context.builder();
    let mut parts = Vec::new();
    for dim in dims {
        let extent = builder.extent(dim, DType::I64)?;
        parts.push(builder.reshape(extent, Shape::fixed(&[1]))?);
    }
    let result = builder.add_node(dlc_ir::Op::Concat { axis: 0 }, &parts)?;
    context.set_output(0, result)
}

fn size(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (_, dims) = context.input_type(0)?;
    match Shape(dims).elements() {
        Some(Dim::Fixed(count)) => context.set_known(0, Array::of_int(count as i64)),
        Some(count) => {
            let result = context.builder().extent(count, DType::I64)?;
            context.set_output(0, result)
        }
        None => Err(context.not_done("a size that grows with the square of the batch")),
    }
}

fn constant(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let mut values = context.node().attributes.iter().filter(|(name, _)| {
        matches!(
            name.as_str(),
            "value"
                | "value_int"
                | "value_ints"
                | "value_float"
                | "value_floats"
                | "value_string"
                | "value_strings"
                | "sparse_value"
        )
    });
    let (Some((name, value)), None) = (values.next(), values.next()) else {
        return Err(context.invalid("it must have one attribute with a value"));
    };
    let array = match value {
        Attribute::Tensor(array) => array.clone(),
        Attribute::Int(value) => Array::of_int(*value),
        Attribute::Ints(values) => Array::of_ints(values),
        Attribute::Float(value) => Array::of_float(*value),
        Attribute::Floats(values) => Array::of_floats(values),
        Attribute::Text(text) => Array::texts(Vec::new(), vec![text.clone()]).map_err(Stop::Invalid)?,
        Attribute::Texts(texts) => Array::texts(vec![texts.len()], texts.clone()).map_err(Stop::Invalid)?,
        Attribute::Sparse(sparse) => sparse.dense().map_err(Stop::Invalid)?,
        other => return Err(context.invalid(format!("its attribute `{name}` is {}", other.kind()))),
    };
    context.set_known(0, array)
}

fn constant_of_shape(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let dims = context.need_measures(0)?;
    let dims = dims.iter().map(|&size| context.dim(size)).collect::<Result<Vec<Dim>, Stop>>()?;
    let value = match context.tensor("value")? {
        Some(value) if value.len() == 1 => value.clone(),
        Some(value) => return Err(context.invalid(format!("its value is {}", value.type_text()))),
        None => Array::of_float(0.0),
    };
    let element = value.element();
    if let Some(dims) = Shape(dims.clone()).as_fixed() {
        let count = dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        if let Some(count) = count.filter(|&count| count <= KNOWN_LIMIT && element.bits() >= 8) {
            let bytes = value.bytes().repeat(count);
            return context.set_known(0, Array::new(element, dims, bytes).map_err(Stop::Invalid)?);
        }
    }
    let scalar = value.reshaped(Vec::new()).map_err(Stop::Invalid)?;
    let scalar = context.constant(&scalar)?;
    let result = context.builder().broadcast_scalar(scalar, Shape(dims))?;
    context.set_output(0, result)
}

/// The number of elements depends on all three inputs.
fn range(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (element, _) = context.input_type(0)?;
    let dtype = element.dtype().ok_or(Stop::Host)?;
    let scalar = |position: usize| match context.need_numbers(position)?.as_slice() {
        [value] => Ok(*value),
        _ => Err(Stop::Invalid(format!("its input {position} must hold one number"))),
    };
    let (start, limit, step) = (scalar(0)?, scalar(1)?, scalar(2)?);
    let count = ((limit - start) / step).ceil().max(0.0);
    if step == 0.0 || !count.is_finite() {
        return Err(context.invalid(format!("there is no range from {start} to {limit} in steps of {step}")));
    }
    if count >= 1e15 {
        return Err(context.invalid(format!(
            "the range from {start} to {limit} in steps of {step} has {count} elements, too many"
        )));
    }
    let count = count as usize;
    if count == 0 {
        let empty = Array::new(Element::of(dtype), vec![0], Vec::new()).map_err(Stop::Invalid)?;
        return context.set_known(0, empty);
    }
    let (first, step) = (context.input(0)?, context.input(2)?);
    let shape = Shape::fixed(&[count]);
    let builder = context.builder();
    let places = builder.declare(
        dlc_ir::Op::Iota { axis: 0 },
        &[],
        dlc_types::TensorType::new(dtype, shape.clone()),
    )?;
    let (first, step) = (builder.reshape(first, Shape::scalar())?, builder.reshape(step, Shape::scalar())?);
    let (first, step) =
        (builder.broadcast_scalar(first, shape.clone())?, builder.broadcast_scalar(step, shape)?);
    let steps = builder.mul(places, step)?;
    let result = builder.add(first, steps)?;
    context.set_output(0, result)
}
