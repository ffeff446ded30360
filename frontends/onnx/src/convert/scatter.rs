//! Elements and slices at places that a tensor tells: GatherElements, GatherND, ScatterElements, ScatterND; and
//! tensors that are told by places: OneHot, EyeLike.
//!
//! Places with several coordinates become one number of the flat tensor, in `i32`.
//!
//! History: Scatter of opset 9 is ScatterElements (the upgrade renames it); negative indices came with 11,
//! `batch_dims` with 12, `reduction` with 16, its `max` and `min` with 18.

use super::indexing::indices;
use super::{Context, Operator, Stop};
use dlc_ir::{Comparison, NodeId, Op, ScatterKind};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("GatherElements", 11, gather_elements),
    Operator::new("GatherND", 11, gather_nd),
    Operator::new("ScatterElements", 9, scatter_elements),
    Operator::new("ScatterND", 11, scatter_nd),
    Operator::new("OneHot", 9, one_hot),
    Operator::new("EyeLike", 9, eye_like),
];

/// A product of extents as a number that `i32` holds.
fn count(context: &Context<'_, '_>, sizes: &[usize]) -> Result<usize, Stop> {
    let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product
        .filter(|&product| i32::try_from(product).is_ok())
        .ok_or_else(|| context.not_done(format!("a tensor of the extents {sizes:?} in one piece")))
}

fn gather_elements(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (mut data, places) = (context.input(0)?, context.input(1)?);
    let (shape, wanted) = (context.shape(data), context.shape(places));
    let axis = context.int_or("axis", 0)?;
    let axis = context.axis(axis, shape.rank())?;
    if wanted.rank() != shape.rank() {
        return Err(context.invalid(format!("indices {wanted} do not select from {shape}")));
    }
    let size = context.fixed(shape[axis], "an axis")?;
    let places = indices(context, places, size)?;
    for other in (0..shape.rank()).filter(|&other| other != axis && shape[other] != wanted[other]) {
        let length = context.fixed(wanted[other], "indices")?;
        data = context.part(data, other, 0, length)?;
    }
    let result = context.builder().add_node(Op::GatherAlong { axis }, &[data, places])?;
    context.set_output(0, result)
}

/// The number of each coordinate vector (last axis of `places`) among slices of these extents.
fn flat(context: &mut Context<'_, '_>, places: NodeId, extents: &[usize]) -> Result<NodeId, Stop> {
    count(context, extents)?;
    let last = context.rank(places) - 1;
    let mut sum: Option<NodeId> = None;
    for (position, &extent) in extents.iter().enumerate() {
        let own = context.element_at(places, last, position)?;
        let own = indices(context, own, extent)?;
        sum = Some(match sum {
            None => own,
            Some(sum) => {
                let sum = context.builder().scale(sum, extent as f64)?;
                context.builder().add(sum, own)?
            }
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => Err(context.not_done("places without coordinates")),
    }
}

/// The extents that the coordinates in the last axis of `places` count in, from axis `first` of the data on.
fn addressed(
    context: &Context<'_, '_>,
    data: &[usize],
    places: &[usize],
    first: usize,
) -> Result<usize, Stop> {
    match places.last() {
        Some(&coordinates) if first + coordinates <= data.len() => Ok(coordinates),
        _ => Err(context.invalid(format!("places {places:?} are not in a tensor of {data:?}"))),
    }
}

fn gather_nd(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (data, places) = (context.input(0)?, context.input(1)?);
    let (sizes, wanted) = (context.dims(data)?, context.dims(places)?);
    let batch = usize::try_from(context.int_or("batch_dims", 0)?).unwrap_or(usize::MAX);
    if batch >= wanted.len() || batch >= sizes.len() || sizes[..batch] != wanted[..batch] {
        return Err(context.invalid(format!("{batch} axes of {sizes:?} and {wanted:?} are not the same")));
    }
    let coordinates = addressed(context, &sizes, &wanted, batch)?;
    let (own, rest) = sizes[batch..].split_at(coordinates);
    let mut number = flat(context, places, own)?;
    // A batch is further coordinates in front.
    let shape = context.shape(number);
    let mut stride = count(context, own)?;
    for axis in (0..batch).rev() {
        let place = context.count(&shape, axis, DType::I32)?;
        let place = context.builder().scale(place, stride as f64)?;
        number = context.builder().add(number, place)?;
        stride = count(context, &[stride, sizes[axis]])?;
    }
    let mut slices = vec![stride];
    slices.extend(rest);
    let data = context.builder().reshape(data, Shape::fixed(&slices))?;
    let result = context.builder().add_node(Op::Gather { axis: 0 }, &[data, number])?;
    context.set_output(0, result)
}

fn kind(context: &Context<'_, '_>) -> Result<ScatterKind, Stop> {
    Ok(match context.text_or("reduction", "none")? {
        "none" => ScatterKind::Set,
        "add" => ScatterKind::Add,
        "mul" => ScatterKind::Multiply,
        "max" => ScatterKind::Max,
        "min" => ScatterKind::Min,
        other => return Err(context.invalid(format!("there is no reduction `{other}`"))),
    })
}

/// Slices of the flat data replaced or combined; all in two axes: slices, elements of a slice.
fn scattered(
    context: &mut Context<'_, '_>,
    data: NodeId,
    number: NodeId,
    updates: NodeId,
    slice: usize,
) -> Result<(), Stop> {
    let kind = kind(context)?;
    let shape = context.shape(data);
    let slices = count(context, &context.dims(data)?)?.checked_div(slice).unwrap_or(0);
    let updated = count(context, &context.dims(number)?)?;
    let builder = context.builder();
    let data = builder.reshape(data, Shape::fixed(&[slices, slice]))?;
    let number = builder.reshape(number, Shape::fixed(&[updated]))?;
    let updates = builder.reshape(updates, Shape::fixed(&[updated, slice]))?;
    let result = builder.add_node(Op::Scatter { axis: 0, kind }, &[data, number, updates])?;
    let result = builder.reshape(result, shape)?;
    context.set_output(0, result)
}

fn scatter_elements(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (data, places, updates) = (context.input(0)?, context.input(1)?, context.input(2)?);
    let (sizes, wanted) = (context.dims(data)?, context.dims(places)?);
    let axis = context.int_or("axis", 0)?;
    let axis = context.axis(axis, sizes.len())?;
    if wanted.len() != sizes.len() || context.dims(updates)? != wanted {
        return Err(context.invalid(format!("indices {wanted:?} do not tell places of {sizes:?}")));
    }
    if wanted.contains(&0) {
        return context.pass(0, 0);
    }
    count(context, &sizes)?;
    let places = indices(context, places, sizes[axis])?;
    let shape = context.shape(places);
    let mut number: Option<NodeId> = None;
    for (other, &size) in sizes.iter().enumerate() {
        let place = if other == axis { places } else { context.count(&shape, other, DType::I32)? };
        number = Some(match number {
            None => place,
            Some(number) => {
                let number = context.builder().scale(number, size as f64)?;
                context.builder().add(number, place)?
            }
        });
    }
    scattered(context, data, number.unwrap_or(places), updates, 1)
}

fn scatter_nd(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (data, places, updates) = (context.input(0)?, context.input(1)?, context.input(2)?);
    let (sizes, wanted) = (context.dims(data)?, context.dims(places)?);
    let coordinates = addressed(context, &sizes, &wanted, 0)?;
    if wanted.contains(&0) && coordinates > 0 {
        return context.pass(0, 0);
    }
    let number = flat(context, places, &sizes[..coordinates])?;
    let slice = count(context, &sizes[coordinates..])?;
    scattered(context, data, number, updates, slice)
}

/// Indices and depth that are no integers are cut. Indices out of range are nowhere.
fn one_hot(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (places, values) = (context.input(0)?, context.input(2)?);
    let depth = match context.need_numbers(1)?.as_slice() {
        [depth] if *depth >= 0.0 && *depth <= f64::from(i32::MAX) => *depth as usize,
        other => return Err(context.invalid(format!("{other:?} is no depth"))),
    };
    let mut shape = context.shape(places);
    let axis = context.int_or("axis", -1)?;
    let axis = context.axis(axis, shape.rank() + 1)?;
    shape.0.insert(axis, Dim::Fixed(depth));
    let places = context.builder().cast(places, DType::I64)?;
    let builder = context.builder();
    let zero = builder.splat_like(places, 0.0)?;
    let negative = builder.compare(Comparison::Less, places, zero)?;
    let turned = builder.shift(places, depth as f64)?;
    let places = builder.select(negative, turned, places)?;
    let places = builder.broadcast_reduced(places, shape.clone(), &[axis])?;
    let class = context.count(&shape, axis, DType::I64)?;
    let hit = context.builder().compare(Comparison::Equal, places, class)?;
    let choice = |context: &mut Context<'_, '_>, place: usize| {
        let value = context.element_at(values, 0, place)?;
        Ok::<NodeId, Stop>(context.builder().broadcast_scalar(value, shape.clone())?)
    };
    let (off, on) = (choice(context, 0)?, choice(context, 1)?);
    let result = context.builder().select(hit, on, off)?;
    context.set_output(0, result)
}

fn eye_like(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (element, dims) = context.input_type(0)?;
    let dtype = context.element("dtype")?.unwrap_or(element).dtype().ok_or(Stop::Host)?;
    let shape = Shape(dims);
    if shape.rank() != 2 {
        return Err(context.invalid(format!("{shape} is no matrix")));
    }
    let k = context.int_or("k", 0)?;
    let k = i32::try_from(k).map_err(|_| context.invalid(format!("{k} is no diagonal")))?;
    let (row, column) = (context.count(&shape, 0, DType::I32)?, context.count(&shape, 1, DType::I32)?);
    let builder = context.builder();
    let own = builder.shift(row, f64::from(k))?;
    let hit = builder.compare(Comparison::Equal, own, column)?;
    let result = builder.cast(hit, dtype)?;
    context.set_output(0, result)
}
