//! Operators that repeat elements or set some around them: `Expand`, `Tile`, `Pad`, `CenterCropPad`.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one, same_element, unknown_choice};
use crate::error::{HostError, Result, invalid};
use crate::index::{axes, broadcast, broadcast_strides, count, dim, strides};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[
    onnx("Expand", 8, expand),
    onnx("Tile", 6, tile),
    onnx("Pad", 2, pad),
    onnx("CenterCropPad", 18, center_crop_pad),
];

fn expand(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let asked = call.input(1)?.integers()?.into_iter().map(dim).collect::<Result<Vec<usize>>>()?;
    let dims = broadcast(data.dims(), &asked)?;
    let steps = broadcast_strides(data.dims(), &dims)?;
    one(data.view(dims, &steps, 0)?)
}

/// What `source` says of each index of an axis.
fn map(size: usize, source: impl FnMut(usize) -> Result<Option<usize>>) -> Result<Vec<Option<usize>>> {
    let mut found = Vec::new();
    found.try_reserve_exact(size).map_err(|_| HostError::TooLarge { dims: vec![size] })?;
    for place in (0..size).map(source) {
        found.push(place?);
    }
    Ok(found)
}

/// A tensor that takes along each axis the indices that `maps` names, and `fill` where one names none.
fn mapped(data: &Tensor, maps: &[Vec<Option<usize>>], fill: &Tensor) -> Result<Tensor> {
    let dims: Vec<usize> = maps.iter().map(Vec::len).collect();
    let steps = strides(data.dims());
    let mut index = vec![0usize; maps.len()];
    let places = (0..count(&dims)?).map(|_| {
        let parts = maps.iter().zip(&index).zip(&steps);
        let place = parts.map(|((map, &at), &step)| Some(map[at]? * step as usize)).sum();
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
        place
    });
    data.pick_or(dims.clone(), places, fill)
}

fn tile(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let repeats = call.input(1)?.integers()?.into_iter().map(dim).collect::<Result<Vec<usize>>>()?;
    if repeats.len() != data.dims().len() {
        return Err(invalid(format!("repeats {repeats:?} do not fit dims {:?}", data.dims())));
    }
    let product = |(&dim, &times): (&usize, &usize)| dim.checked_mul(times);
    let dims: Option<Vec<usize>> = data.dims().iter().zip(&repeats).map(product).collect();
    let dims = dims.ok_or_else(|| invalid(format!("repeats {repeats:?} are too many")))?;
    if count(&dims)? == 0 {
        return one(Tensor::zeros(data.element(), dims)?);
    }
    let along = dims.iter().zip(data.dims());
    let maps: Result<Vec<_>> = along.map(|(&long, &dim)| map(long, |index| Ok(Some(index % dim)))).collect();
    one(mapped(data, &maps?, data)?)
}

/// Where index `at` of a padded axis comes from; `at` counts from the first index of the data, whose axis has `dim`.
fn source(mode: &str, at: i64, dim: i64) -> Result<Option<usize>> {
    let inside = (0..dim).contains(&at);
    if !inside && mode != "constant" && dim == 0 {
        return Err(invalid("an empty axis has nothing to pad with"));
    }
    let from = match mode {
        "constant" => return Ok(inside.then_some(at as usize)),
        "edge" => at.clamp(0, dim - 1),
        "wrap" => at.rem_euclid(dim),
        "reflect" if dim == 1 => 0,
        "reflect" => {
            let turn = at.rem_euclid(2 * (dim - 1));
            turn.min(2 * (dim - 1) - turn)
        }
        other => return Err(unknown_choice("mode", other)),
    };
    Ok(Some(from as usize))
}

fn pad(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rank = data.dims().len();
    let pads = call.integers(1, "pads")?.ok_or_else(|| invalid("pads are missing"))?;
    let along = match call.optional_input(3)? {
        Some(given) => axes(&given.integers()?, rank)?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * along.len() {
        return Err(invalid(format!("pads {pads:?} do not fit {} axes", along.len())));
    }
    let mode = call.string_or("mode", "constant")?;
    let mut dims = data.dims().to_vec();
    let mut firsts = vec![0i64; rank];
    for (index, &axis) in along.iter().enumerate() {
        let (before, behind) = (pads[index], pads[along.len() + index]);
        let length = before.checked_add(behind).and_then(|both| both.checked_add(dims[axis] as i64));
        dims[axis] = dim(length.ok_or_else(|| invalid(format!("pads {pads:?} are too large")))?)?;
        firsts[axis] = -before;
    }
    count(&dims)?;
    let mut maps = Vec::with_capacity(rank);
    for axis in 0..rank {
        let whole = data.dims()[axis] as i64;
        maps.push(map(dims[axis], |index| source(mode, firsts[axis] + index as i64, whole))?);
    }
    let zero = Tensor::zeros(data.element(), vec![1])?;
    let value =
        call.float("value")?.map(|&value| Tensor::of_floats(data.element(), vec![1], [f64::from(value)]));
    let fill = match (call.optional_input(2)?, value) {
        (Some(given), _) if !given.is_empty() => given.clone(),
        (_, Some(value)) => value?,
        _ => zero,
    };
    same_element(data, &fill)?;
    one(mapped(data, &maps, &fill)?)
}

fn center_crop_pad(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rank = data.dims().len();
    let asked = call.input(1)?.integers()?.into_iter().map(dim).collect::<Result<Vec<usize>>>()?;
    let along = match call.ints("axes")? {
        Some(given) => axes(given, rank)?,
        None => (0..rank).collect(),
    };
    if along.len() != asked.len() {
        return Err(invalid(format!("a shape of {asked:?} does not fit {} axes", along.len())));
    }
    let mut dims = data.dims().to_vec();
    along.iter().zip(&asked).for_each(|(&axis, &size)| dims[axis] = size);
    if count(&dims)? == 0 {
        return one(Tensor::zeros(data.element(), dims)?);
    }
    let along = |(&size, &whole): (&usize, &usize)| {
        let (crop, lead) = (whole.saturating_sub(size) / 2, size.saturating_sub(whole) / 2);
        let from = |index: usize| index.checked_sub(lead).map(|index| index + crop);
        map(size, |index| Ok(from(index).filter(|&index| index < whole)))
    };
    let maps: Result<Vec<_>> = dims.iter().zip(data.dims()).map(along).collect();
    one(mapped(data, &maps?, &Tensor::zeros(data.element(), vec![1])?)?)
}
