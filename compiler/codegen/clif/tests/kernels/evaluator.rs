//! The kernel IR's meaning, one element after the other, in `f64` and `i64` rounded to the element types.

use dlc_kernel::{
    Affine, Binary, Body, Comparison, Contraction, IndexExpr, IndexVar, Kernel, Role, ScalarOp, Statement,
    Unary, Var,
};
use dlc_types::{DType, random};
use std::collections::BTreeMap;

/// A scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Float(f64),
    /// Wide enough for the integers of every type and for their products.
    Integer(i128),
}

impl Number {
    pub fn float(self) -> f64 {
        match self {
            Number::Float(value) => value,
            Number::Integer(value) => value as f64,
        }
    }

    pub fn integer(self) -> i128 {
        match self {
            Number::Float(value) => value as i128,
            Number::Integer(value) => value,
        }
    }
}

/// The integer that the bits of a type stand for.
fn valued(dtype: DType, bits: i64) -> Number {
    Number::Integer(if dtype == DType::U64 { i128::from(bits as u64) } else { i128::from(bits) })
}

/// Reads element `index` of a buffer.
pub fn read(buffer: &[u8], dtype: DType, index: usize) -> Number {
    let bytes = &buffer[index * dtype.size()..(index + 1) * dtype.size()];
    if dtype.is_float() {
        Number::Float(dtype.floats(bytes)[0])
    } else {
        valued(dtype, dtype.integers(bytes)[0])
    }
}

/// Writes element `index` of a buffer.
pub fn write(buffer: &mut [u8], dtype: DType, index: usize, value: Number) {
    let mut bytes = Vec::new();
    match dtype {
        DType::Bool => bytes.push(u8::from(value.integer() != 0)),
        _ if dtype.is_float() => dtype.push_float(value.float(), &mut bytes),
        _ => dtype.push_integer(value.integer() as i64, &mut bytes),
    }
    buffer[index * dtype.size()..(index + 1) * dtype.size()].copy_from_slice(&bytes);
}

fn rounded(dtype: DType, value: Number) -> Number {
    match (dtype, value) {
        (DType::Bool, _) => {
            Number::Integer(i128::from(value != Number::Integer(0) && value != Number::Float(0.0)))
        }
        (DType::F64, _) => Number::Float(value.float()),
        (_, Number::Integer(value)) if dtype.is_float() => {
            Number::Float(dtype.rounded(f64::from(value as f32)))
        }
        (_, Number::Float(value)) if dtype.is_float() => Number::Float(dtype.rounded(value)),
        (_, Number::Float(value)) => valued(dtype, dtype.saturated(value)),
        (_, Number::Integer(value)) => valued(dtype, dtype.wrapped(value as i64)),
    }
}

/// The error function by its series, and by the continued fraction of its complement further out.
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() || a > 6.0 {
        return if x.is_nan() { x } else { x.signum() };
    }
    if a < 2.5 {
        let (mut term, mut sum) = (x, x);
        for n in 1..120 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let mut fraction = 0.0;
    for n in (1..200).rev() {
        fraction = f64::from(n) / 2.0 / (a + fraction);
    }
    let complement = (-a * a).exp() / (a + fraction) / std::f64::consts::PI.sqrt();
    x.signum() * (1.0 - complement)
}

/// A unary function in `f64`.
pub fn unary(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Negate => -x,
        Unary::Abs => x.abs(),
        Unary::Sign if x.is_nan() || x == 0.0 => x,
        Unary::Sign => x.signum(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::LogOnePlus => x.ln_1p(),
        Unary::Sqrt => x.sqrt(),
        Unary::ReciprocalSqrt => 1.0 / x.sqrt(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Erf => erf(x),
        Unary::Relu if x < 0.0 => 0.0,
        Unary::Relu => x,
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Cos => x.cos(),
        Unary::Sin => x.sin(),
        Unary::Not => panic!("not on a float"),
    }
}

fn integer_unary(op: Unary, dtype: DType, x: i128) -> i128 {
    match op {
        Unary::Not if dtype == DType::Bool => 1 - x,
        Unary::Not => !x,
        Unary::Negate => -x,
        Unary::Abs => x.abs(),
        Unary::Sign => x.signum(),
        Unary::Relu => x.max(0),
        Unary::Floor | Unary::Ceil | Unary::Round => x,
        other => panic!("{} on {dtype}", other.name()),
    }
}

fn binary(op: Binary, dtype: DType, a: Number, b: Number) -> Number {
    if dtype.is_float() {
        let (a, b) = (a.float(), b.float());
        return Number::Float(match op {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::Max | Binary::Min if a.is_nan() || b.is_nan() => f64::NAN,
            Binary::Max => a.max(b),
            Binary::Min => a.min(b),
            Binary::Power => a.powf(b),
            Binary::Remainder => a % b,
            other => panic!("{} on a float", other.name()),
        });
    }
    let (a, b) = (a.integer(), b.integer());
    Number::Integer(match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Subtract => a.wrapping_sub(b),
        Binary::Multiply => a.wrapping_mul(b),
        Binary::Divide | Binary::Remainder if b == 0 => 0,
        Binary::Divide => a / b,
        Binary::Remainder => a % b,
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        Binary::ShiftLeft if !(0..64).contains(&b) => 0,
        Binary::ShiftLeft => a << b,
        Binary::ShiftRight => a >> if (0..64).contains(&b) { b } else { 64 },
        Binary::Power if b < 0 => match a {
            1 => 1,
            -1 => 1 - 2 * (b & 1),
            _ => 0,
        },
        Binary::Power => {
            let (mut power, mut square, mut rest) = (1_i128, a, b);
            while rest > 0 {
                power = if rest & 1 == 1 { power.wrapping_mul(square) } else { power };
                (square, rest) = (square.wrapping_mul(square), rest >> 1);
            }
            power
        }
    })
}

fn holds<T: PartialOrd>(op: Comparison, a: T, b: T) -> bool {
    match op {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterEqual => a >= b,
    }
}

/// The state at one point.
pub struct Evaluator<'k> {
    kernel: &'k Kernel,
    batch: i64,
    vars: BTreeMap<Var, Number>,
    indices: BTreeMap<IndexVar, i64>,
}

impl<'k> Evaluator<'k> {
    /// All points of the kernel.
    pub fn run(kernel: &'k Kernel, batch: i64, buffers: &mut [Vec<u8>]) {
        let extents: Vec<i64> = kernel.space.iter().map(|dim| dim.at(batch as usize) as i64).collect();
        let total: i64 = extents.iter().product();
        for number in 0..total {
            let mut rest = number;
            let mut point = vec![0; extents.len()];
            for (coordinate, extent) in point.iter_mut().zip(&extents).rev() {
                *coordinate = rest % extent;
                rest /= extent;
            }
            let mut state = Evaluator { kernel, batch, vars: BTreeMap::new(), indices: BTreeMap::new() };
            match &kernel.body {
                Body::Loop(body) => {
                    state.indices.extend(body.coordinates.iter().copied().zip(point));
                    state.statements(&body.statements, buffers);
                }
                Body::Contraction(contraction) => state.contraction(contraction, &point, buffers),
            }
        }
    }

    fn form(&self, form: &Affine) -> i64 {
        let terms: i64 = form.terms.iter().map(|(var, coefficient)| self.indices[var] * coefficient).sum();
        form.constant + form.batch * self.batch + terms
    }

    fn statements(&mut self, statements: &[Statement], buffers: &mut [Vec<u8>]) {
        for statement in statements {
            match statement {
                Statement::Let { result, dtype, op, args } => {
                    let value = self.scalar(*dtype, op, args);
                    self.vars.insert(*result, rounded(*dtype, value));
                }
                Statement::Load { result, operand, index, guard } => {
                    let dtype = self.kernel.operands[*operand].dtype;
                    let exists = guard
                        .iter()
                        .flat_map(|guard| &guard.ranges)
                        .all(|(form, low, high)| (*low..*high).contains(&self.form(form)));
                    let value = if exists {
                        read(&buffers[*operand], dtype, usize::try_from(self.form(index)).unwrap())
                    } else {
                        rounded(dtype, Number::Float(guard.as_ref().map_or(0.0, |guard| guard.fill)))
                    };
                    self.vars.insert(*result, value);
                }
                Statement::Store { operand, index, value } => {
                    let dtype = self.kernel.operands[*operand].dtype;
                    let index = usize::try_from(self.form(index)).unwrap();
                    write(&mut buffers[*operand], dtype, index, self.vars[value]);
                }
                Statement::Index { result, expr } => {
                    let value = match expr {
                        IndexExpr::Form(form) => self.form(form),
                        IndexExpr::Quotient(form, divisor) => self.form(form) / divisor,
                        IndexExpr::Remainder(form, divisor) => self.form(form) % divisor,
                        IndexExpr::ChunkStart { form, chunk, chunks } => {
                            self.form(form) * self.form(chunk) / chunks
                        }
                        IndexExpr::Clamped(var, form) => {
                            (self.vars[var].integer() as i64).min(self.form(form) - 1).max(0)
                        }
                    };
                    self.indices.insert(*result, value);
                }
                Statement::For(nest) => {
                    let mut carried: Vec<Number> =
                        nest.carries.iter().map(|carry| self.vars[&carry.initial]).collect();
                    for number in self.form(&nest.start)..self.form(&nest.end) {
                        self.indices.insert(nest.var, number);
                        for (carry, value) in nest.carries.iter().zip(&carried) {
                            self.vars.insert(carry.current, *value);
                        }
                        self.statements(&nest.body, buffers);
                        carried = nest.carries.iter().map(|carry| self.vars[&carry.next]).collect();
                    }
                    for (carry, value) in nest.carries.iter().zip(carried) {
                        self.vars.insert(carry.result, value);
                    }
                }
            }
        }
    }

    fn scalar(&self, dtype: DType, op: &ScalarOp, args: &[Var]) -> Number {
        let arg = |position: usize| self.vars[&args[position]];
        match op {
            ScalarOp::Constant(number) => Number::Float(*number),
            ScalarOp::Integer(number) => Number::Integer(i128::from(*number)),
            ScalarOp::Extent(dim) => Number::Integer(dim.at(self.batch as usize) as i128),
            ScalarOp::Index(index) => Number::Integer(i128::from(self.indices[index])),
            ScalarOp::Unary(op) if dtype.is_float() => Number::Float(unary(*op, arg(0).float())),
            ScalarOp::Unary(op) => Number::Integer(integer_unary(*op, dtype, arg(0).integer())),
            ScalarOp::Binary(op) => binary(*op, dtype, arg(0), arg(1)),
            ScalarOp::FusedMultiplyAdd => {
                Number::Float(arg(0).float().mul_add(arg(1).float(), arg(2).float()))
            }
            ScalarOp::Compare(op) => Number::Integer(i128::from(match (arg(0), arg(1)) {
                (Number::Float(a), Number::Float(b)) => holds(*op, a, b),
                (a, b) => holds(*op, a.integer(), b.integer()),
            })),
            ScalarOp::Select => {
                if arg(0).integer() != 0 {
                    arg(1)
                } else {
                    arg(2)
                }
            }
            ScalarOp::Cast => arg(0),
            ScalarOp::Bitcast => panic!("the types of values are not known here"),
            ScalarOp::Random { stream } => {
                let (seed, step, index) = (arg(0).integer(), arg(1).integer(), arg(2).integer());
                let bits = random::random_bits(seed as u64, *stream, step as u32, index as u64);
                Number::Float(f64::from(random::unit_from_bits(bits)))
            }
        }
    }

    fn contraction(&mut self, contraction: &Contraction, point: &[i64], buffers: &mut [Vec<u8>]) {
        let dtype = self.kernel.operands[0].dtype;
        let mut pieces = point.iter().copied();
        let parallel: Vec<Option<i64>> = contraction
            .dims
            .iter()
            .map(|dim| (dim.role == Role::Parallel).then(|| pieces.next().unwrap()))
            .collect();
        let mut result_shift = 0;
        let ranges: Vec<std::ops::Range<i64>> = contraction
            .dims
            .iter()
            .zip(parallel)
            .map(|(dim, parallel)| {
                let extent = dim.extent.at(self.batch as usize);
                if let Some(coordinate) = parallel {
                    return coordinate..coordinate + 1;
                }
                let Some(split) = dim.split else { return 0..extent as i64 };
                let chunk = pieces.next().unwrap();
                result_shift += chunk * split.result_stride;
                let piece = split.piece(extent, chunk as usize);
                piece.start as i64..piece.end as i64
            })
            .collect();
        let kept: Vec<usize> = (0..ranges.len()).filter(|&dim| !contraction.dims[dim].is_reduced()).collect();
        let reduced: Vec<usize> =
            (0..ranges.len()).filter(|&dim| contraction.dims[dim].is_reduced()).collect();
        let sums = contraction.epilogue.iter().flat_map(|epilogue| &epilogue.sums);
        let mut totals: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        // A sum is there even where nothing is added to it.
        let lane = contraction.dims.iter().position(|dim| dim.role == Role::Lanes).unwrap();
        for sum in sums.clone() {
            for at in ranges[lane].clone() {
                let coordinates = contraction.epilogue.iter().flat_map(|epilogue| &epilogue.coordinates);
                self.indices.extend(coordinates.copied().zip(ranges.iter().map(|range| range.start)));
                let lanes = contraction.epilogue.iter().map(|epilogue| epilogue.coordinates[lane]);
                self.indices.extend(lanes.map(|lane| (lane, at)));
                totals.insert((sum.operand, usize::try_from(self.form(&sum.index)).unwrap()), 0.0);
            }
        }
        each(&ranges, &kept, &mut vec![0; ranges.len()], &mut |coordinates| {
            let at = |operand: usize, coordinates: &[i64]| -> i64 {
                let dims: i64 =
                    contraction.dims.iter().zip(coordinates).map(|(dim, at)| dim.strides[operand] * at).sum();
                contraction.offsets[operand] + dims
            };
            let mut sum = 0.0;
            each(&ranges, &reduced, &mut coordinates.to_vec(), &mut |coordinates| {
                for tap in &contraction.taps {
                    let lanes = usize::try_from(at(0, coordinates) + tap.lanes).unwrap();
                    let rows = usize::try_from(at(1, coordinates) + tap.rows).unwrap();
                    sum += read(&buffers[0], dtype, lanes).float() * read(&buffers[1], dtype, rows).float();
                }
            });
            let place = usize::try_from(at(2, coordinates) + result_shift).unwrap();
            if contraction.accumulate {
                sum += read(&buffers[2], dtype, place).float();
            }
            match &contraction.epilogue {
                None => write(&mut buffers[2], dtype, place, Number::Float(sum)),
                Some(epilogue) => {
                    self.indices
                        .extend(epilogue.coordinates.iter().copied().zip(coordinates.iter().copied()));
                    self.vars.insert(epilogue.value, rounded(dtype, Number::Float(sum)));
                    self.statements(&epilogue.statements, buffers);
                    for sum in sums.clone() {
                        let place = (sum.operand, usize::try_from(self.form(&sum.index)).unwrap());
                        *totals.get_mut(&place).unwrap() += self.vars[&sum.value].float();
                    }
                }
            }
        });
        for ((operand, index), total) in totals {
            write(&mut buffers[operand], self.kernel.operands[operand].dtype, index, Number::Float(total));
        }
    }
}

/// All coordinates of some dimensions.
fn each(
    ranges: &[std::ops::Range<i64>],
    dims: &[usize],
    coordinates: &mut Vec<i64>,
    visit: &mut dyn FnMut(&[i64]),
) {
    let Some((&dim, rest)) = dims.split_first() else { return visit(coordinates) };
    for at in ranges[dim].clone() {
        coordinates[dim] = at;
        each(ranges, rest, coordinates, visit);
    }
}
