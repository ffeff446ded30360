//! Elementwise ops. All of ONNX's broadcast, so operands need no expansion.
//!
//! Where ONNX leaves a case open that the graph defines (integer division by 0, shifts by many places), the case
//! is told apart by comparisons, unless a constant operand rules it out.

use super::scope::{Scope, Value, Written, int, text};
use dlc_ir::{Binary, Comparison, NodeId, Op, Unary};
use dlc_types::{DType, Dim};

/// The extents that operands broadcast to together.
fn joined(values: &[Value]) -> Vec<Dim> {
    let rank = values.iter().map(|value| value.dims.len()).max().unwrap_or(0);
    let mut dims = vec![Dim::Fixed(1); rank];
    for value in values {
        let lead = rank - value.dims.len();
        for (axis, &dim) in value.dims.iter().enumerate().filter(|&(_, &dim)| dim != Dim::Fixed(1)) {
            dims[lead + axis] = dim;
        }
    }
    dims
}

/// The operator of a function that ONNX has under the same meaning.
fn unary_operator(function: Unary, dtype: DType) -> Option<&'static str> {
    Some(match function {
        Unary::Abs => "Abs",
        Unary::Sign => "Sign",
        Unary::Exp => "Exp",
        Unary::Log => "Log",
        Unary::Sqrt => "Sqrt",
        Unary::Tanh => "Tanh",
        Unary::Sigmoid => "Sigmoid",
        Unary::Erf => "Erf",
        Unary::Floor => "Floor",
        Unary::Ceil => "Ceil",
        Unary::Round => "Round",
        Unary::Cos => "Cos",
        Unary::Sin => "Sin",
        Unary::Tan => "Tan",
        Unary::Asin => "Asin",
        Unary::Acos => "Acos",
        Unary::Atan => "Atan",
        Unary::Sinh => "Sinh",
        Unary::Cosh => "Cosh",
        Unary::Asinh => "Asinh",
        Unary::Acosh => "Acosh",
        Unary::Atanh => "Atanh",
        Unary::Negate if !dtype.is_unsigned() => "Neg",
        Unary::Relu if !dtype.is_unsigned() => "Relu",
        Unary::Not if dtype == DType::Bool => "Not",
        Unary::Not => "BitwiseNot",
        _ => return None,
    })
}

impl Scope<'_> {
    pub(super) fn unary(&mut self, function: Unary, x: NodeId) -> Written<Value> {
        let dtype = self.ty(x)?.dtype;
        let Value { name, dims } = self.compact(x)?;
        let name = match (unary_operator(function, dtype), function) {
            (Some(operator), _) => self.apply(operator, &[&name], &[]),
            (None, Unary::ReciprocalSqrt) => {
                let root = self.apply("Sqrt", &[&name], &[]);
                self.apply("Reciprocal", &[&root], &[])
            }
            (None, Unary::LogOnePlus) => self.log_one_plus(&name, dtype)?,
            (None, Unary::Negate) => {
                let zero = self.scalar(dtype, 0.0)?;
                self.apply("Sub", &[&zero, &name], &[])
            }
            // Nothing unsigned is below 0.
            (None, _) => name,
        };
        Ok(Value { name, dims })
    }

    /// With `u` = 1 + x as it rounds: x where u = 1, log u where u = x, else log u · x / (u - 1), which takes back
    /// what the rounding lost. Higham, "Accuracy and Stability of Numerical Algorithms", problem 1.5.
    fn log_one_plus(&mut self, x: &str, dtype: DType) -> Written<String> {
        let one = self.scalar(dtype, 1.0)?;
        let sum = self.apply("Add", &[x, &one], &[]);
        let logarithm = self.apply("Log", &[&sum], &[]);
        let rounded = self.apply("Sub", &[&sum, &one], &[]);
        let ratio = self.apply("Div", &[x, &rounded], &[]);
        let mended = self.apply("Mul", &[&logarithm, &ratio], &[]);
        let huge = self.apply("Equal", &[&sum, x], &[]);
        let mended = self.apply("Where", &[&huge, &logarithm, &mended], &[]);
        let tiny = self.apply("Equal", &[&sum, &one], &[]);
        Ok(self.apply("Where", &[&tiny, x, &mended], &[]))
    }

    pub(super) fn binary(&mut self, function: Binary, [a, b]: [NodeId; 2]) -> Written<Value> {
        let dtype = self.ty(a)?.dtype;
        let operands = [self.compact(a)?, self.compact(b)?];
        let dims = joined(&operands);
        let [left, right] = operands.map(|value| value.name);
        let integer = dtype.is_integer();
        let powers = matches!(dtype, DType::I32 | DType::I64);
        let operator = match function {
            Binary::Add => "Add",
            Binary::Subtract => "Sub",
            Binary::Multiply => "Mul",
            Binary::Max => "Max",
            Binary::Min => "Min",
            Binary::And if integer => "BitwiseAnd",
            Binary::Or if integer => "BitwiseOr",
            Binary::Xor if integer => "BitwiseXor",
            Binary::And => "And",
            Binary::Or => "Or",
            Binary::Xor => "Xor",
            Binary::Divide if !integer => "Div",
            Binary::Power if !integer => "Pow",
            Binary::Power if powers && self.known_scalar(b).is_some_and(|power| power >= 0.0) => "Pow",
            _ => "",
        };
        let name = match function {
            _ if !operator.is_empty() => self.apply(operator, &[&left, &right], &[]),
            Binary::Divide | Binary::Remainder => self.quotient(function, [&left, &right], b, dtype)?,
            // What does not fit, and negative powers, ONNX leaves open.
            Binary::Power => return Err(format!("powers of {dtype} by what is not constant")),
            _ => self.shift(function, [&left, &right], b, dtype)?,
        };
        Ok(Value { name, dims })
    }

    /// The number that a node is everywhere, if it is a constant.
    pub(super) fn known_scalar(&self, id: NodeId) -> Option<f64> {
        super::recognise::scalar(self.function, id)
    }

    fn quotient(
        &mut self,
        function: Binary,
        [left, right]: [&str; 2],
        divisor: NodeId,
        dtype: DType,
    ) -> Written<String> {
        let remainder = [("fmod", int(1))];
        let divides = function == Binary::Divide;
        let (operator, attributes) = if divides { ("Div", &[][..]) } else { ("Mod", &remainder[..]) };
        let known = self.known_scalar(divisor).is_some_and(|value| value != 0.0 && value != -1.0);
        if dtype.is_float() || known {
            return Ok(self.apply(operator, &[left, right], attributes));
        }
        let (zero, one) = (self.scalar(dtype, 0.0)?, self.scalar(dtype, 1.0)?);
        let nothing = self.apply("Equal", &[right, &zero], &[]);
        let mut safe = self.apply("Where", &[&nothing, &one, right], &[]);
        if dtype.is_unsigned() {
            let result = self.apply(operator, &[left, &safe], attributes);
            return Ok(self.apply("Where", &[&nothing, &zero, &result], &[]));
        }
        // The least number by -1 is too large, which ends some runtimes.
        let minus = self.scalar(dtype, -1.0)?;
        let turns = self.apply("Equal", &[right, &minus], &[]);
        safe = self.apply("Where", &[&turns, &one, &safe], &[]);
        let result = self.apply(operator, &[left, &safe], attributes);
        let turned = if divides { self.apply("Sub", &[&zero, left], &[]) } else { zero.clone() };
        let result = self.apply("Where", &[&turns, &turned, &result], &[]);
        Ok(self.apply("Where", &[&nothing, &zero, &result], &[]))
    }

    fn shift(
        &mut self,
        function: Binary,
        [left, right]: [&str; 2],
        places: NodeId,
        dtype: DType,
    ) -> Written<String> {
        let leftwards = function == Binary::ShiftLeft;
        let bits = dtype.size() as f64 * 8.0;
        let constant = self.known_scalar(places);
        if dtype.is_unsigned() {
            let direction = [("direction", text(if leftwards { "LEFT" } else { "RIGHT" }))];
            if constant.is_some_and(|places| places < bits) {
                return Ok(self.apply("BitShift", &[left, right], &direction));
            }
            let (zero, limit) = (self.scalar(dtype, 0.0)?, self.scalar(dtype, bits)?);
            let few = self.apply("Less", &[right, &limit], &[]);
            let safe = self.apply("Where", &[&few, right, &zero], &[]);
            let shifted = self.apply("BitShift", &[left, &safe], &direction);
            return Ok(self.apply("Where", &[&few, &shifted, &zero], &[]));
        }
        let places = constant.filter(|&places| (0.0..bits - 1.0).contains(&places));
        let places = places.ok_or_else(|| format!("shifts of {dtype} by places that are not constant"))?;
        let factor = self.scalar(dtype, places.exp2())?;
        if leftwards {
            return Ok(self.apply("Mul", &[left, &factor], &[]));
        }
        let rest = self.apply("Mod", &[left, &factor], &[]);
        let whole = self.apply("Sub", &[left, &rest], &[]);
        Ok(self.apply("Div", &[&whole, &factor], &[]))
    }

    pub(super) fn compare(&mut self, comparison: Comparison, [a, b]: [NodeId; 2]) -> Written<Value> {
        let operands = [self.compact(a)?, self.compact(b)?];
        let dims = joined(&operands);
        let mut names = operands.map(|value| value.name);
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if self.ty(a)?.dtype == DType::Bool && !equality {
            names = names.map(|name| self.cast(&name, DType::I32));
        }
        let operator = match comparison {
            Comparison::Equal | Comparison::NotEqual => "Equal",
            Comparison::Less => "Less",
            Comparison::LessEqual => "LessOrEqual",
            Comparison::Greater => "Greater",
            Comparison::GreaterEqual => "GreaterOrEqual",
        };
        let mut name = self.apply(operator, &[&names[0], &names[1]], &[]);
        if comparison == Comparison::NotEqual {
            name = self.apply("Not", &[&name], &[]);
        }
        Ok(Value { name, dims })
    }

    pub(super) fn select(&mut self, operands: [NodeId; 3]) -> Written<Value> {
        let [condition, a, b] = operands;
        let values = [self.compact(condition)?, self.compact(a)?, self.compact(b)?];
        let dims = joined(&values);
        let names = values.map(|value| value.name);
        let name = self.apply("Where", &[&names[0], &names[1], &names[2]], &[]);
        Ok(Value { name, dims })
    }

    pub(super) fn cast_to(&mut self, x: NodeId, dtype: DType) -> Written<Value> {
        let value = self.compact(x)?;
        if self.ty(x)?.dtype == dtype {
            return Ok(value);
        }
        Ok(Value { name: self.cast(&value.name, dtype), dims: value.dims })
    }

    /// Elementwise ops by their operands.
    pub(super) fn elementwise(&mut self, op: &Op, operands: &[NodeId]) -> Written<Value> {
        match (op, operands) {
            (Op::Unary(function), &[x]) => self.unary(*function, x),
            (Op::Binary(function), &[a, b]) => self.binary(*function, [a, b]),
            (Op::Compare(comparison), &[a, b]) => self.compare(*comparison, [a, b]),
            (Op::Select, &[condition, a, b]) => self.select([condition, a, b]),
            (Op::Cast(dtype), &[x]) => self.cast_to(x, *dtype),
            (Op::Bitcast(dtype), _) => Err(format!("reading the bits of a value as {dtype}")),
            _ => Err("operands that do not fit".to_owned()),
        }
    }
}
