//! First values of parameters.
//!
//! Sources: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks",
//! AISTATS 2010 (`xavier`); He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015 (`he`).

use super::LayerSpec;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::Initializer;

/// An initialiser before the fans are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum InitializerRule {
    Constant(f64),
    Normal(f64),
    Uniform(f64, f64),
    XavierUniform,
    XavierNormal,
    HeNormal,
    HeUniform,
    /// Deviation and limit, in deviations.
    TruncatedNormal(f64, f64),
    Orthogonal(f64),
}

impl InitializerRule {
    /// The rule that a word without arguments names.
    pub(crate) fn from_word(word: &str) -> Option<InitializerRule> {
        Some(match word {
            "zeros" => InitializerRule::Constant(0.0),
            "ones" => InitializerRule::Constant(1.0),
            "xavier" | "xavier_uniform" => InitializerRule::XavierUniform,
            "xavier_normal" => InitializerRule::XavierNormal,
            "he" | "he_normal" => InitializerRule::HeNormal,
            "he_uniform" => InitializerRule::HeUniform,
            "orthogonal" => InitializerRule::Orthogonal(1.0),
            _ => return None,
        })
    }

    /// The initialiser for a layer in which one output depends on `fan_in` inputs and one input on
    /// `fan_out` outputs.
    pub(crate) fn with_fans(self, fan_in: usize, fan_out: usize) -> Initializer {
        let (fan_in, fan_out) = (fan_in.max(1) as f64, fan_out.max(1) as f64);
        let uniform = |bound: f64| Initializer::Uniform { low: -bound, high: bound };
        let normal = |deviation: f64| Initializer::Normal { mean: 0.0, deviation };
        match self {
            InitializerRule::Constant(value) => Initializer::Constant(value),
            InitializerRule::Normal(deviation) => normal(deviation),
            InitializerRule::Uniform(low, high) => Initializer::Uniform { low, high },
            InitializerRule::XavierUniform => uniform((6.0 / (fan_in + fan_out)).sqrt()),
            InitializerRule::XavierNormal => normal((2.0 / (fan_in + fan_out)).sqrt()),
            InitializerRule::HeNormal => normal((2.0 / fan_in).sqrt()),
            InitializerRule::HeUniform => uniform((6.0 / fan_in).sqrt()),
            InitializerRule::TruncatedNormal(deviation, limit) => {
                Initializer::TruncatedNormal { deviation, limit }
            }
            InitializerRule::Orthogonal(gain) => Initializer::Orthogonal { gain },
        }
    }
}

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("constant", &[("value", true)], constant),
    LayerSpec::new("normal", &[("std", true)], normal),
    LayerSpec::new("uniform", &[("low", true), ("high", true)], uniform),
    LayerSpec::new("truncated_normal", &[("std", true), ("limit", false)], truncated_normal),
    LayerSpec::new("orthogonal", &[("gain", true)], orthogonal),
];

fn truncated_normal(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let deviation = arguments.float_within(el, "std", 1.0, 0.0..=1e6)?;
    let limit = arguments.float_within(el, "limit", 2.0, 0.1..=5.0)?;
    Ok(Value::Initializer(InitializerRule::TruncatedNormal(deviation, limit)))
}

fn orthogonal(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let gain = arguments.float_within(el, "gain", 1.0, 0.0..=1e6)?;
    Ok(Value::Initializer(InitializerRule::Orthogonal(gain)))
}

fn constant(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    Ok(Value::Initializer(InitializerRule::Constant(arguments.float_or(el, "value", 0.0)?)))
}

fn normal(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let deviation = arguments.float_within(el, "std", 1.0, 0.0..=1e6)?;
    Ok(Value::Initializer(InitializerRule::Normal(deviation)))
}

fn uniform(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let low = arguments.float_or(el, "low", 0.0)?;
    let high = arguments.float_or(el, "high", 1.0)?;
    if low < high {
        return Ok(Value::Initializer(InitializerRule::Uniform(low, high)));
    }
    let message = format!("`uniform` runs from {low} up to {high}, which is empty");
    el.fail_at(codes::RANGE, message, arguments.span, "low must be below high")
}
