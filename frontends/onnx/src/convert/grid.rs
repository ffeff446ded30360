//! GridSample and AffineGrid.
//!
//! History: GridSample came with opset 16; 20 renamed its modes (`bilinear` to `linear`, `bicubic` to `cubic`) and
//! brought volumes. AffineGrid came with 20.
//!
//! Each neighbour by itself is drawn to the ends of the image or turned back at them, as PyTorch and ONNX Runtime do;
//! the reference implementation does so with the coordinate first, which differs for cubic samples at a border.

use super::sampling::{Image, Interpolation, Outside, total};
use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{DType, Shape};

pub(super) const OPERATORS: &[Operator] =
    &[Operator::new("GridSample", 16, grid_sample), Operator::new("AffineGrid", 20, affine_grid)];

/// The elements `index` of the last axis.
fn component(context: &mut Context<'_, '_>, x: NodeId, index: usize) -> Result<NodeId, Stop> {
    let rank = context.rank(x);
    let (mut starts, mut limits) = (vec![0; rank], vec![usize::MAX; rank]);
    (starts[rank - 1], limits[rank - 1]) = (index, index + 1);
    let op = Op::Slice { starts, limits, strides: vec![1; rank] };
    let one = context.builder().add_node(op, &[x])?;
    let shape = Shape(context.shape(x).dims()[..rank - 1].to_vec());
    Ok(context.builder().reshape(one, shape)?)
}

fn grid_sample(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, grid) = (context.input(0)?, context.input(1)?);
    let interpolation = match context.text_or("mode", "linear")? {
        "linear" | "bilinear" => Interpolation::Linear,
        "nearest" => Interpolation::Nearest,
        "cubic" | "bicubic" => Interpolation::Cubic,
        other => return Err(context.invalid(format!("`{other}` is no mode"))),
    };
    let at_centers = context.flag("align_corners", false)?;
    let outside = match context.text_or("padding_mode", "zeros")? {
        "zeros" => Outside::Zero,
        "border" => Outside::End,
        "reflection" => Outside::Turned { at_centers },
        other => return Err(context.invalid(format!("`{other}` is no padding_mode"))),
    };
    if !context.dtype(x).is_float() && interpolation != Interpolation::Nearest {
        return Err(context.not_done(format!("weighted samples of {}", context.ty(x))));
    }
    let image = Image::new(context, x)?;
    let axes = image.sizes.len();
    let (rank, shape) = (context.rank(grid), context.shape(grid));
    if rank != axes + 2 || shape.dims().last().and_then(|dim| dim.fixed()) != Some(axes) {
        return Err(context.invalid(format!("the grid {shape} does not fit an image of {axes} axes")));
    }
    let mut coordinates = Vec::with_capacity(axes);
    for axis in 0..axes {
        // The grid names the last axis first.
        let place = component(context, grid, axes - 1 - axis)?;
        coordinates.push(coordinate(context, place, image.sizes[axis], at_centers)?);
    }
    let places = Shape(shape.dims()[..rank - 1].to_vec());
    let batch = context.iota(DType::I32, &places, 0)?;
    let first = context.builder().scale(batch, image.volume as f64)?;
    let terms = image.terms(context, first, &coordinates, interpolation, outside)?;
    let sum = total(context, &terms)?;
    let channels_second: Vec<usize> = [0, axes + 1].into_iter().chain(1..=axes).collect();
    let result = context.builder().transpose(sum, &channels_second)?;
    context.set_output(0, result)
}

/// From -1 … 1 to elements.
fn coordinate(
    context: &mut Context<'_, '_>,
    place: NodeId,
    size: usize,
    at_centers: bool,
) -> Result<NodeId, Stop> {
    let builder = context.builder();
    let shifted = builder.shift(place, 1.0)?;
    if at_centers {
        return Ok(builder.scale(shifted, (size as f64 - 1.0) / 2.0)?);
    }
    let scaled = builder.scale(shifted, size as f64)?;
    let scaled = builder.shift(scaled, -1.0)?;
    Ok(builder.scale(scaled, 0.5)?)
}

/// Coordinates -1 … 1 of the elements of an axis.
fn axis_places(size: usize, at_centers: bool) -> Vec<f64> {
    let size_number = size as f64;
    let place = |index: usize| match at_centers {
        true if size == 1 => -1.0,
        true => -1.0 + 2.0 * index as f64 / (size_number - 1.0),
        false => (2.0 * index as f64 + 1.0) / size_number - 1.0,
    };
    (0..size).map(place).collect()
}

fn affine_grid(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let theta = context.input(0)?;
    let size = context.need_ints(1)?;
    let sizes: Option<Vec<usize>> = size.iter().skip(2).map(|&size| usize::try_from(size).ok()).collect();
    let sizes = sizes.filter(|sizes| matches!(sizes.len(), 2 | 3) && !sizes.contains(&0));
    let sizes = sizes.ok_or_else(|| context.invalid(format!("{size:?} is the size of no image")))?;
    let axes = sizes.len();
    let (shape, dtype) = (context.shape(theta), context.dtype(theta));
    if shape.rank() != 3 || shape.dims()[1..] != *Shape::fixed(&[axes, axes + 1]).dims() {
        return Err(context.invalid(format!("{shape} are no matrices of {axes} by {}", axes + 1)));
    }
    let at_centers = context.flag("align_corners", false)?;
    let mut dims = vec![shape[0]];
    dims.extend(Shape::fixed(&sizes).dims());
    dims.push(shape[1]);
    let result_shape = Shape(dims);
    // Result element (n, place, k) is the product of theta[n, k, :] and (x, y, …, 1).
    let mut result: Option<NodeId> = None;
    for column in 0..=axes {
        let factor = component(context, theta, column)?;
        let mut term = context.builder().broadcast(factor, result_shape.clone(), &[0, axes + 1])?;
        if column < axes {
            let axis = axes - 1 - column;
            let places = axis_places(sizes[axis], at_centers);
            let places = context.float_tensor(dtype, &[sizes[axis]], &places)?;
            let places = context.builder().broadcast_along(places, result_shape.clone(), axis + 1)?;
            term = context.builder().mul(term, places)?;
        }
        result = Some(match result {
            None => term,
            Some(sum) => context.builder().add(sum, term)?,
        });
    }
    let result = result.ok_or_else(|| context.invalid("its image has no axes"))?;
    context.set_output(0, result)
}
