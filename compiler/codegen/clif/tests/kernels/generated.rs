//! Random loop kernels: operations that are exact on small whole numbers, so that results agree to the bit.

use crate::build::{at, check, i, kernel, lanes, noise, op, store, sum, v};
use dlc_kernel::{
    Affine, Binary, Carry, Combine, Comparison, Guard, IndexExpr, Kernel, Loop, ScalarOp, Statement, Unary,
};
use dlc_types::random::Stream;
use dlc_types::{DType, Dim};

const LENGTH: i64 = 40;

struct Generator {
    stream: Stream,
    next: usize,
    /// Values in sight.
    values: Vec<(usize, DType)>,
    float: DType,
}

impl Generator {
    fn fresh(&mut self, dtype: DType) -> usize {
        self.next += 1;
        self.values.push((self.next, dtype));
        self.next
    }

    fn pick(&mut self, dtype: DType) -> usize {
        let of_type: Vec<usize> =
            self.values.iter().filter(|(_, other)| *other == dtype).map(|(number, _)| *number).collect();
        of_type[self.stream.below(of_type.len() as u32) as usize]
    }

    fn chance(&mut self, of: u32) -> bool {
        self.stream.below(of) == 0
    }

    fn statement(&mut self, lane: usize, body: &mut Vec<Statement>) {
        let dtype = if self.chance(3) { DType::I32 } else { self.float };
        let (a, b) = (self.pick(dtype), self.pick(dtype));
        let condition = self.pick(DType::Bool);
        match self.stream.below(10) {
            0 => {
                let index = self.index(lane, body);
                let (operand, dtype) =
                    [(0, self.float), (1, DType::I32), (2, DType::Bool)][self.stream.below(3) as usize];
                let guard = self.chance(2).then(|| {
                    let shift = i64::from(self.stream.below(9)) - 4;
                    Guard { ranges: vec![(at(lane).offset(shift), 2, LENGTH - 3)], fill: 1.0 }
                });
                let result = self.fresh(dtype);
                body.push(Statement::Load { result: v(result), operand, index, guard });
            }
            1 => {
                let comparison = Comparison::ALL[self.stream.below(6) as usize];
                let result = self.fresh(DType::Bool);
                body.push(op(result, DType::Bool, ScalarOp::Compare(comparison), &[a, b]));
            }
            2 => {
                let result = self.fresh(dtype);
                body.push(op(result, dtype, ScalarOp::Select, &[condition, a, b]));
            }
            3 => {
                let unary = [Unary::Negate, Unary::Abs, Unary::Sign, Unary::Relu, Unary::Floor, Unary::Round];
                let unary = unary[self.stream.below(6) as usize];
                let result = self.fresh(dtype);
                body.push(op(result, dtype, ScalarOp::Unary(unary), &[a]));
            }
            4 => {
                let from = [DType::I32, self.float, DType::Bool][self.stream.below(3) as usize];
                let a = self.pick(from);
                let result = self.fresh(dtype);
                body.push(op(result, dtype, ScalarOp::Cast, &[a]));
            }
            5 => {
                let result = self.fresh(dtype);
                let constant = f64::from(self.stream.below(9)) - 4.0;
                body.push(op(result, dtype, ScalarOp::Constant(constant), &[]));
            }
            6 => self.inner_loop(dtype, a, b, body),
            _ => {
                let binary = [Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Max, Binary::Min];
                let binary = binary[self.stream.below(5) as usize];
                let wide = self.fresh(dtype);
                body.push(op(wide, dtype, ScalarOp::Binary(binary), &[a, b]));
                // Keeps numbers small enough to be exact.
                let (low, high, lower, clamped) =
                    (self.fresh(dtype), self.fresh(dtype), self.fresh(dtype), self.fresh(dtype));
                body.push(op(low, dtype, ScalarOp::Constant(-50.0), &[]));
                body.push(op(high, dtype, ScalarOp::Constant(50.0), &[]));
                body.push(op(lower, dtype, ScalarOp::Binary(Binary::Min), &[wide, high]));
                body.push(op(clamped, dtype, ScalarOp::Binary(Binary::Max), &[lower, low]));
                self.values.retain(|(number, _)| *number != wide);
            }
        }
    }

    /// An index within `0..2 * LENGTH`.
    fn index(&mut self, lane: usize, body: &mut Vec<Statement>) -> Affine {
        let shift = i64::from(self.stream.below(5));
        match self.stream.below(6) {
            0 => sum(&[(lane, -1)], LENGTH + shift),
            1 => Affine::constant(shift),
            2 => sum(&[(lane, 1), (0, 3)], shift),
            3 => {
                self.next += 1;
                let divisor = i64::from(self.stream.below(7)) + 1;
                let form = sum(&[(lane, 2)], shift);
                let expr = if self.chance(2) {
                    IndexExpr::Remainder(form, divisor)
                } else {
                    IndexExpr::Quotient(form, divisor)
                };
                body.push(Statement::Index { result: i(self.next), expr });
                sum(&[(self.next, 1)], shift)
            }
            4 => {
                let value = self.pick(DType::I32);
                self.next += 1;
                let expr = IndexExpr::Clamped(v(value), Affine::constant(LENGTH));
                body.push(Statement::Index { result: i(self.next), expr });
                sum(&[(self.next, 1)], shift)
            }
            _ => sum(&[(lane, 1)], shift),
        }
    }

    /// A sum over a short loop, of a value and an operand.
    fn inner_loop(&mut self, dtype: DType, initial: usize, term: usize, body: &mut Vec<Statement>) {
        if dtype == DType::I32 {
            return;
        }
        self.next += 5;
        let base = self.next;
        let end = i64::from(self.stream.below(12));
        let end = if self.chance(2) { Affine::constant(end) } else { Affine::extent(Dim::N).offset(end - 3) };
        let nest = Loop {
            var: i(base),
            start: Affine::constant(1),
            end,
            lanes: false,
            carries: vec![Carry {
                dtype,
                initial: v(initial),
                current: v(base - 1),
                next: v(base - 2),
                result: v(base - 3),
                combine: None,
            }],
            body: vec![
                Statement::Load { result: v(base), operand: 0, index: sum(&[(base, 1)], 0), guard: None },
                op(base - 4, dtype, ScalarOp::Binary(Binary::Max), &[base, term]),
                op(base - 2, dtype, ScalarOp::Binary(Binary::Add), &[base - 4, base - 1]),
            ],
        };
        body.push(Statement::For(nest));
        let (low, high, lower) = (self.fresh(dtype), self.fresh(dtype), self.fresh(dtype));
        let clamped = self.fresh(dtype);
        body.push(op(low, dtype, ScalarOp::Constant(-60.0), &[]));
        body.push(op(high, dtype, ScalarOp::Constant(60.0), &[]));
        body.push(op(lower, dtype, ScalarOp::Binary(Binary::Min), &[base - 3, high]));
        body.push(op(clamped, dtype, ScalarOp::Binary(Binary::Max), &[lower, low]));
    }
}

fn generate(seed: u64) -> Kernel {
    let stream = Stream::new(seed, 7, 7);
    let float = if seed % 4 == 3 { DType::F64 } else { DType::F32 };
    let mut generator = Generator { stream, next: 20, values: Vec::new(), float };
    let mut statements = Vec::new();
    for dtype in [float, DType::I32, DType::Bool] {
        let result = generator.fresh(dtype);
        statements.push(op(result, dtype, ScalarOp::Constant(1.0), &[]));
    }
    let outer = generator.fresh(float);
    statements.push(Statement::Load { result: v(outer), operand: 0, index: at(0), guard: None });
    let mut body = Vec::new();
    for _ in 0..3 + generator.stream.below(14) {
        generator.statement(1, &mut body);
    }
    let results = [generator.pick(float), generator.pick(DType::I32), generator.pick(DType::Bool)];
    for (operand, result) in results.into_iter().enumerate() {
        body.push(store(3 + operand, sum(&[(0, LENGTH), (1, 1)], 0), result));
    }
    let end = match generator.stream.below(3) {
        0 => Affine::extent(Dim::N),
        1 => Affine::constant(i64::from(generator.stream.below(LENGTH as u32))),
        _ => Affine::constant(16),
    };
    let mut nest = lanes(1, end, body);
    if generator.chance(2) {
        let next = generator.next + 1;
        nest.body.push(op(next, float, ScalarOp::Binary(Binary::Add), &[next + 1, results[0]]));
        nest.carries.push(Carry {
            dtype: float,
            initial: v(outer),
            current: v(next + 1),
            next: v(next),
            result: v(next + 2),
            combine: Some(Combine::Sum),
        });
        statements.push(Statement::For(nest));
        statements.push(store(3, sum(&[(0, 1)], 3 * LENGTH), next + 2));
    } else {
        statements.push(Statement::For(nest));
    }
    let kinds = [float, DType::I32, DType::Bool];
    let mut kernel = kernel(&[kinds, kinds].concat(), &[Dim::Fixed(3)], &[0], statements);
    kernel.name = format!("generated {seed}");
    kernel
}

#[test]
fn generated_kernels_agree_exactly() {
    for seed in 0..400 {
        let kernel = generate(seed);
        let float = kernel.operands[0].dtype;
        let count = 4 * LENGTH as usize;
        let whole: Vec<f64> = {
            let mut stream = Stream::new(seed, 9, 9);
            (0..count).map(|_| f64::from(stream.below(21)) - 10.0).collect()
        };
        let buffers = [
            crate::build::buffer(float, &whole),
            noise(DType::I32, count, seed + 1),
            noise(DType::Bool, count, seed + 2),
            vec![0; count * float.size()],
            vec![0; count * 4],
            vec![0; count],
        ];
        check(&kernel, (seed % 23) as i64, &buffers, 0.0);
    }
}
