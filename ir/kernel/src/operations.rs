//! How many operations a launch does, counted in its body.
//!
//! A contraction counts its multiply-adds, two operations each (of words, those of all parts), and nothing for its epilogue. A loop kernel
//! counts its scalar functions, comparisons and selections, a fused multiply-add as two and everything else
//! as one, however long it takes; conversions, indices and memory count nothing. Loops whose length depends on
//! an outer variable count with their mean length, so that pieces of a dimension add up to the whole; what
//! the mean cannot tell, such as nested loops that depend on one another, is an estimate. Results that a
//! code generator computes only to throw them away (lanes behind the end) do not count.

use crate::{Affine, Body, Contraction, IndexExpr, IndexVar, Kernel, Launch, Program, ScalarOp, Statement};
use std::collections::BTreeMap;

/// The operations that a launch of a verified program does for a batch of `batch`, in all its parts.
pub fn launch_operations(program: &Program, launch: &Launch, batch: usize) -> u64 {
    let Some(kernel) = program.kernels.get(launch.kernel) else { return 0 };
    let batches = program.batches(launch, batch).into_iter();
    batches.fold(0, |sum, (batch, times)| sum.saturating_add(operations(kernel, batch).saturating_mul(times)))
}

/// The operations of a kernel for one batch or part of it.
fn operations(kernel: &Kernel, batch: usize) -> u64 {
    match &kernel.body {
        Body::Contraction(contraction) => {
            let parts = Contraction::factors(&kernel.operands).map_or(1, |factors| factors.parts as u64);
            multiply_adds(contraction, batch).saturating_mul(2 * parts)
        }
        Body::Loop(body) => {
            let mut walk = Walk { batch: batch as f64, means: BTreeMap::new(), runs: 1.0, operations: 0.0 };
            for (&coordinate, &dim) in body.coordinates.iter().zip(&kernel.space) {
                walk.variable(coordinate, 0.0, dim.at(batch) as f64);
            }
            walk.block(&body.statements);
            walk.operations.round() as u64
        }
    }
}

fn multiply_adds(contraction: &Contraction, batch: usize) -> u64 {
    let extents = contraction.dims.iter().map(|dim| dim.extent.at(batch));
    let factors = extents.chain([contraction.taps.len()]);
    factors.fold(1, |product: u64, factor| product.saturating_mul(factor as u64))
}

/// The walk through a loop kernel.
struct Walk {
    batch: f64,
    /// The mean of every variable's values.
    means: BTreeMap<IndexVar, f64>,
    /// How often the current place runs.
    runs: f64,
    operations: f64,
}

impl Walk {
    /// A variable that takes `length` values from `start` on.
    fn variable(&mut self, var: IndexVar, start: f64, length: f64) {
        self.means.insert(var, start + (length - 1.0).max(0.0) / 2.0);
        self.runs *= length;
    }

    fn mean(&self, form: &Affine) -> f64 {
        let fixed = form.constant as f64 + form.batch as f64 * self.batch;
        form.terms.iter().fold(fixed, |sum, (var, coefficient)| {
            sum + *coefficient as f64 * self.means.get(var).copied().unwrap_or(0.0)
        })
    }

    fn block(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { op, .. } => self.operations += self.runs * cost(op),
                Statement::Load { .. } | Statement::Store { .. } => {}
                Statement::Index { result, expr } => {
                    let mean = self.index(expr);
                    self.means.insert(*result, mean);
                }
                Statement::For(inner) => {
                    let start = self.mean(&inner.start);
                    let length = (self.mean(&inner.end) - start).max(0.0);
                    let outside = self.runs;
                    self.variable(inner.var, start, length);
                    self.block(&inner.body);
                    self.runs = outside;
                }
            }
        }
    }

    fn index(&self, expr: &IndexExpr) -> f64 {
        match expr {
            IndexExpr::Form(form) => self.mean(form),
            IndexExpr::Quotient(form, divisor) => {
                let divisor = (*divisor).max(1) as f64;
                ((self.mean(form) - (divisor - 1.0) / 2.0) / divisor).max(0.0)
            }
            IndexExpr::Remainder(form, divisor) => self.mean(form).min(((*divisor).max(1) - 1) as f64 / 2.0),
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                self.mean(form) * self.mean(chunk) / (*chunks).max(1) as f64
            }
            IndexExpr::Clamped(_, form) => (self.mean(form) - 1.0).max(0.0) / 2.0,
        }
    }
}

fn cost(op: &ScalarOp) -> f64 {
    match op {
        ScalarOp::FusedMultiplyAdd => 2.0,
        ScalarOp::Unary(_)
        | ScalarOp::Binary(_)
        | ScalarOp::Compare(_)
        | ScalarOp::Select
        | ScalarOp::Random { .. } => 1.0,
        ScalarOp::Constant(_)
        | ScalarOp::Integer(_)
        | ScalarOp::Extent(_)
        | ScalarOp::Index(_)
        | ScalarOp::Cast
        | ScalarOp::Bitcast => 0.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::launch_operations;
    use crate::{Part, Sequence, Steps, Turns};

    fn program(kernel: &str) -> crate::Program {
        let buffers =
            "  buffer b0 \"x\" f32 4096 bytes binding 0\n  buffer b1 \"y\" f32 4096 bytes binding 1\n";
        let text = format!("program \"p\" arena 0 {{\n{buffers}{kernel}\n  launch k0 (b0, b1)\n}}\n");
        crate::parse_program(&text).unwrap()
    }

    const SCALED: &str = "kernel \"scaled\" (x: f32 read, y: f32 write) space [N] {
            at (i0)
            v0: f32 = const 2.0
            lanes for i1 in 0 .. 12 {
              v1 = load x[12*i0 + i1]
              v2: f32 = fma v1, v0, v0
              v3: f32 = exp v2
              store y[12*i0 + i1] = v3
            }
          }";

    #[test]
    fn functions_count_once_and_multiply_adds_twice() {
        let program = program(SCALED);
        assert_eq!(launch_operations(&program, &program.launches[0], 5), 5 * 12 * 3);
        assert_eq!(launch_operations(&program, &program.launches[0], 0), 0);
    }

    #[test]
    fn parts_add_up_to_the_batch() {
        let mut program = program(SCALED);
        let turns = Turns::Alone { parts: 1 };
        let sequence = program.sequences.push(Sequence { images: 4, strips: 2, turns });
        let steps = vec![Steps { image: 24, strip: 12, run: 0 }; 2];
        program.launches[0].part = Some(Part { sequence, steps });
        let of_batch = |batch| launch_operations(&program, &program.launches[0], batch);
        assert_eq!([8, 6, 0].map(of_batch), [2 * 8 * 36, 2 * 6 * 36, 0]);
    }

    #[test]
    fn pieces_of_a_dimension_add_up_to_it() {
        let program = program(
            "kernel \"pieces\" (x: f32 read, y: f32 write) space [4] {
            at (i0)
            i1 = chunk i0 of 4 over N
            i2 = chunk i0 + 1 of 4 over N
            for i3 in i1 .. i2 {
              v1 = load x[i3]
              v2: f32 = add v1, v1
              store y[i3] = v2
            }
          }",
        );
        assert_eq!(launch_operations(&program, &program.launches[0], 30), 30);
    }
}
