//! `Cast`, `CastLike`, `BitCast`: elements as another type.
//!
//! Float to integer cuts fractions; integers that do not fit wrap; floats that do not fit stop at the ends of the range. Small
//! floats stop at their greatest value with `saturate` (the default) and become infinity or NaN without. Complex tensors
//! have no conversion, by ONNX's definition.

use crate::call::{Call, Outcome, one, unknown_choice};
use crate::decimal;
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::minifloat::RoundMode;
use crate::number::{Conversion, Number};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] =
    &[onnx("Cast", 6, cast), onnx("CastLike", 15, cast_like), onnx("BitCast", 26, bit_cast)];

fn cast(call: &Call<'_>) -> Outcome {
    let to = call.element("to")?.ok_or_else(|| invalid("attribute to is missing"))?;
    one(convert(call.input(0)?, to, conversion(call)?)?)
}

fn cast_like(call: &Call<'_>) -> Outcome {
    one(convert(call.input(0)?, call.input(1)?.element(), conversion(call)?)?)
}

fn conversion(call: &Call<'_>) -> Result<Conversion> {
    let mode = match call.string_or("round_mode", "up")? {
        "up" => RoundMode::Up,
        "down" => RoundMode::Down,
        "nearest" => RoundMode::Nearest,
        other => return Err(unknown_choice("round_mode", other)),
    };
    Ok(Conversion { saturate: call.flag("saturate", true)?, mode })
}

fn convert(from: &Tensor, to: Element, conversion: Conversion) -> Result<Tensor> {
    let dims = from.dims().to_vec();
    if from.element() == to {
        return Ok(from.clone());
    }
    if from.element() == Element::String {
        let numbers: Result<Vec<Number>> =
            from.strings()?.iter().map(|text| decimal::read(text, to)).collect();
        return Tensor::converted(to, dims, numbers?, conversion);
    }
    let numbers = from.numbers()?;
    if to == Element::String {
        let texts = numbers.into_iter().map(|number| decimal::write(from.element(), number)).collect();
        return Tensor::of_strings(dims, texts);
    }
    Tensor::converted(to, dims, numbers, conversion)
}

fn bit_cast(call: &Call<'_>) -> Outcome {
    let from = call.input(0)?;
    let to = call.element("to")?.ok_or_else(|| invalid("attribute to is missing"))?;
    if from.element() == Element::String || from.element().bits() != to.bits() {
        return Err(invalid(format!("{} and {to} have not the same number of bits", from.element())));
    }
    one(from.reinterpreted(to)?)
}
