//! Numbers as text, in both directions of `Cast`.
//!
//! Floats are written with the fewest digits that read back as the same value of their type, in the style of NumPy, which the
//! reference implementation uses: `1.0`, `1e-05`, `nan`, `inf`. Reading takes plain and scientific forms, and `INF`,
//! `+INF`, `-INF`, `NaN` in any case.

use crate::element::Element;
use crate::error::{Result, invalid};
use crate::number::Number;

/// The text of an element.
pub(crate) fn write(element: Element, number: Number) -> String {
    match number {
        Number::Integer(value) if element == Element::Bool => {
            if value != 0 { "True" } else { "False" }.to_owned()
        }
        Number::Integer(value) => value.to_string(),
        Number::Float(value) if value.is_nan() => "nan".to_owned(),
        Number::Float(value) if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        Number::Float(value) if element == Element::F64 => digits(&format!("{value:e}"), value.abs()),
        Number::Float(value) => digits(&format!("{:e}", value as f32), value.abs()),
    }
}

/// Text of scientific form (`-1.25e3`) in NumPy's choice of form.
fn digits(scientific: &str, magnitude: f64) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let all: String = mantissa.chars().filter(|&digit| digit != '.').collect();
    let point = exponent + 1;
    if point <= 0 {
        return format!("{sign}0.{}{all}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    if all.len() <= point {
        return format!("{sign}{all}{}.0", "0".repeat(point - all.len()));
    }
    format!("{sign}{}.{}", &all[..point], &all[point..])
}

/// The number that a text stands for.
pub(crate) fn read(text: &str, element: Element) -> Result<Number> {
    let trimmed = text.trim();
    let fault = || invalid(format!("the string {text:?} is no number"));
    if !element.is_float() {
        if let Ok(value) = trimmed.parse::<i128>() {
            return Ok(Number::Integer(value));
        }
        match trimmed.to_ascii_lowercase().as_str() {
            "true" if element == Element::Bool => return Ok(Number::Integer(1)),
            "false" if element == Element::Bool => return Ok(Number::Integer(0)),
            _ => {}
        }
    }
    trimmed.parse::<f64>().map(Number::Float).map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_floats() {
        let single = |value: f32| write(Element::F32, Number::Float(f64::from(value)));
        for (value, text) in [
            (0.47892547, "0.47892547"),
            (1.0, "1.0"),
            (-1234.5, "-1234.5"),
            (0.0, "0.0"),
            (1e-5, "1e-05"),
            (0.00025, "0.00025"),
            (3e20, "3e+20"),
            (120.0, "120.0"),
            (f32::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(single(value), text);
        }
    }

    #[test]
    fn literals() {
        let float = |text| read(text, Element::F32).map(Number::float);
        assert_eq!(float("+INF"), Ok(f64::INFINITY));
        assert_eq!(float("-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(float("1E8"), Ok(1e8));
        assert!(float("nan").is_ok_and(f64::is_nan));
        assert!(float("one").is_err());
        assert_eq!(read("100.5", Element::I32), Ok(Number::Float(100.5)));
    }
}
