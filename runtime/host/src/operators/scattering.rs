//! Elements written by index: `ScatterElements` (also under its old name `Scatter`), `ScatterND`, `TensorScatter`.

use crate::call::{Call, Outcome, one, same_element, unknown_choice};
use crate::error::{Result, invalid};
use crate::index::{around, axis};
use crate::number::Number;
use crate::operator::{Operator, onnx};
use crate::operators::gathering::{element_places, slice_places};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[
    onnx("Scatter", 9, scatter_elements),
    onnx("ScatterElements", 11, scatter_elements),
    onnx("ScatterND", 11, scatter_nd),
    onnx("TensorScatter", 24, tensor_scatter),
];

/// Writes `updates` to `places` of `data`, one after the other, joined with what is there as `reduction` says.
fn write(data: &Tensor, updates: &Tensor, places: &[usize], reduction: &str) -> Result<Tensor> {
    same_element(data, updates)?;
    if updates.len() != places.len() {
        return Err(invalid(format!("{} updates do not fit {} places", updates.len(), places.len())));
    }
    if reduction == "none" {
        let mut written = data.clone();
        for (from, &to) in places.iter().enumerate() {
            written.put(to, updates, from)?;
        }
        return Ok(written);
    }
    let mut numbers = data.numbers()?;
    for (&place, update) in places.iter().zip(updates.numbers()?) {
        let old = numbers.get_mut(place).ok_or_else(|| invalid("a place is outside of its tensor"))?;
        *old = joined(*old, update, reduction)?;
    }
    Tensor::of_numbers(data.element(), data.dims().to_vec(), numbers)
}

fn joined(old: Number, new: Number, reduction: &str) -> Result<Number> {
    use Number::{Float, Integer};
    let take_new = match reduction {
        "add" | "mul" => {
            let add = reduction == "add";
            return Ok(match (old, new) {
                // Only the low bits are kept in the end.
                (Integer(a), Integer(b)) => Integer(if add { a.wrapping_add(b) } else { a.wrapping_mul(b) }),
                (a, b) if add => Float(a.float() + b.float()),
                (a, b) => Float(a.float() * b.float()),
            });
        }
        "min" => new.order(old).is_lt(),
        "max" => new.order(old).is_gt(),
        other => return Err(unknown_choice("reduction", other)),
    };
    Ok(if take_new { new } else { old })
}

fn scatter_elements(call: &Call<'_>) -> Outcome {
    let (data, by, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let axis = axis(call.int_or("axis", 0)?, data.dims().len())?;
    let places = element_places(data, by, axis)?;
    one(write(data, updates, &places, call.string_or("reduction", "none")?)?)
}

fn scatter_nd(call: &Call<'_>) -> Outcome {
    let (data, by, updates) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let firsts = slice_places(data, by, 0)?;
    let depth = by.dims().last().copied().unwrap_or(0);
    let inner: usize = data.dims()[depth..].iter().product();
    if firsts.len().checked_mul(inner) != Some(updates.len()) {
        return Err(invalid(format!("updates of dims {:?} do not fit {:?}", updates.dims(), data.dims())));
    }
    let places: Vec<usize> =
        firsts.into_iter().flat_map(|first| (0..inner).map(move |index| first + index)).collect();
    one(write(data, updates, &places, call.string_or("reduction", "none")?)?)
}

fn tensor_scatter(call: &Call<'_>) -> Outcome {
    let (past, update) = (call.input(0)?, call.input(1)?);
    let dims = past.dims();
    let axis = axis(call.int_or("axis", -2)?, dims.len())?;
    let fits = axis > 0 && update.dims().len() == dims.len();
    if !fits || (0..dims.len()).any(|at| at != axis && dims[at] != update.dims()[at]) {
        return Err(invalid(format!("an update of dims {:?} does not fit {dims:?}", update.dims())));
    }
    let starts = match call.optional_input(2)? {
        Some(starts) => starts.integers()?,
        None => vec![0; dims[0]],
    };
    let circular = match call.string_or("mode", "linear")? {
        "linear" => false,
        "circular" => true,
        other => return Err(unknown_choice("mode", other)),
    };
    if starts.len() != dims[0] {
        return Err(invalid(format!("{} starts do not fit a batch of {}", starts.len(), dims[0])));
    }
    let (outer, whole, inner) = around(dims, axis);
    let new = update.dims()[axis];
    let mut places = Vec::with_capacity(update.len());
    for before in 0..outer {
        let start = starts[before / (outer / dims[0].max(1)).max(1)];
        for index in 0..new {
            let at = start.saturating_add(index as i64);
            let at = if circular { at.rem_euclid(whole.max(1) as i64) } else { at };
            let at = super::gathering::position(at.max(0), whole)?;
            places.extend((0..inner).map(|behind| (before * whole + at) * inner + behind));
        }
    }
    one(write(past, update, &places, "none")?)
}
