//! The functions of gates, chosen by name.
//!
//! `activation_alpha` and `activation_beta` hold values for those functions alone that take them, in the order
//! in which the functions are named.

use super::super::{Context, Stop};
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Unary};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Affine,
    Elu,
    HardSigmoid,
    LeakyRelu,
    Relu,
    ScaledTanh,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu,
}

impl Function {
    fn of(name: &str) -> Option<Function> {
        Some(match name.to_ascii_lowercase().as_str() {
            "affine" => Function::Affine,
            "elu" => Function::Elu,
            "hardsigmoid" => Function::HardSigmoid,
            "leakyrelu" => Function::LeakyRelu,
            "relu" => Function::Relu,
            "scaledtanh" => Function::ScaledTanh,
            "sigmoid" => Function::Sigmoid,
            "softplus" => Function::Softplus,
            "softsign" => Function::Softsign,
            "tanh" => Function::Tanh,
            "thresholdedrelu" => Function::ThresholdedRelu,
            _ => return None,
        })
    }

    /// Defaults of alpha and beta, for those that the function takes.
    fn defaults(self) -> (Option<f64>, Option<f64>) {
        match self {
            Function::Affine => (Some(1.0), Some(0.0)),
            Function::ScaledTanh => (Some(1.0), Some(1.0)),
            Function::HardSigmoid => (Some(0.2), Some(0.5)),
            Function::Elu | Function::ThresholdedRelu => (Some(1.0), None),
            Function::LeakyRelu => (Some(0.01), None),
            _ => (None, None),
        }
    }
}

/// The function of a gate, and the bound of its operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gate {
    function: Function,
    alpha: f64,
    beta: f64,
    clip: Option<f64>,
}

impl Gate {
    /// The gates of each direction, `defaults.len()` of them.
    pub(super) fn read(
        context: &Context<'_, '_>,
        defaults: &[&str],
        directions: usize,
    ) -> Result<Vec<Vec<Gate>>, Stop> {
        let names: Vec<String> = match context.texts("activations")? {
            Some(names) => names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            None => Vec::new(),
        };
        let wanted = defaults.len() * directions;
        let names: Vec<String> = match names.len() {
            0 => (0..wanted).map(|gate| defaults[gate % defaults.len()].to_owned()).collect(),
            // RNN's default names two functions whatever the directions are.
            count if count >= wanted => names.into_iter().take(wanted).collect(),
            count => return Err(context.invalid(format!("it names {count} activations instead of {wanted}"))),
        };
        let clip = context.float("clip")?.filter(|&clip| clip > 0.0);
        let mut alphas = context.floats("activation_alpha")?.unwrap_or_default().into_iter();
        let mut betas = context.floats("activation_beta")?.unwrap_or_default().into_iter();
        let mut gates = Vec::with_capacity(wanted);
        for name in names {
            let function = Function::of(&name)
                .ok_or_else(|| context.invalid(format!("there is no activation `{name}`")))?;
            let (alpha, beta) = function.defaults();
            let alpha = alpha.map(|default| alphas.next().map_or(default, f64::from));
            let beta = beta.map(|default| betas.next().map_or(default, f64::from));
            let (alpha, beta) = (alpha.unwrap_or_default(), beta.unwrap_or_default());
            gates.push(Gate { function, alpha, beta, clip });
        }
        Ok(gates.chunks(defaults.len()).map(<[Gate]>::to_vec).collect())
    }

    /// The same function of an operand that has no bound.
    pub(super) fn unbounded(self) -> Gate {
        Gate { clip: None, ..self }
    }

    /// The value of the gate.
    pub(super) fn apply(self, builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
        let x = match self.clip {
            Some(bound) => {
                let (low, high) = (builder.splat_like(x, -bound)?, builder.splat_like(x, bound)?);
                let x = builder.binary(Binary::Max, x, low)?;
                builder.binary(Binary::Min, x, high)?
            }
            None => x,
        };
        let (alpha, beta) = (self.alpha, self.beta);
        let scaled = |builder: &mut Builder, x: NodeId, factor: f64| {
            if factor == 1.0 { Ok(x) } else { builder.scale(x, factor) }
        };
        match self.function {
            Function::Affine => {
                let line = builder.scale(x, alpha)?;
                builder.shift(line, beta)
            }
            Function::Elu => {
                let power = builder.unary(Unary::Exp, x)?;
                let below = builder.shift(power, -1.0)?;
                let below = scaled(builder, below, alpha)?;
                above(builder, x, 0.0, below)
            }
            Function::HardSigmoid => super::super::activation::ramp(builder, x, alpha, beta),
            Function::LeakyRelu => {
                let below = builder.scale(x, alpha)?;
                above(builder, x, 0.0, below)
            }
            Function::Relu => builder.unary(Unary::Relu, x),
            Function::ScaledTanh => {
                let inner = scaled(builder, x, beta)?;
                let tangent = builder.unary(Unary::Tanh, inner)?;
                scaled(builder, tangent, alpha)
            }
            Function::Sigmoid => builder.unary(Unary::Sigmoid, x),
            Function::Softplus => super::super::activation::softplus(builder, x),
            Function::Softsign => super::super::activation::softsign(builder, x),
            Function::Tanh => builder.unary(Unary::Tanh, x),
            Function::ThresholdedRelu => {
                let zero = builder.splat_like(x, 0.0)?;
                above(builder, x, alpha, zero)
            }
        }
    }
}

/// `x` where it is not below the limit, else the other.
fn above(builder: &mut Builder, x: NodeId, limit: f64, other: NodeId) -> Result<NodeId, InferError> {
    let limit = builder.splat_like(x, limit)?;
    let reaches = builder.compare(Comparison::GreaterEqual, x, limit)?;
    builder.select(reaches, x, other)
}
