//! That what was lowered means what was written: the function as the step builder made it and as the
//! expansion and the rewrites left it, both evaluated by the oracle in `f64` from the same weights.
//!
//! Nothing is rounded on either side, so no decision flips and the bound can be tight for gradients too,
//! which no comparison with compiled numbers could be.

use super::measure::{allowed, coordinates, distance};
use super::{Mismatch, Subject};
use crate::{DriverError, Math, Result};
use dlc_interp::{Tensor, evaluate};
use dlc_ir::{Function, Op, Output};
use serde::Serialize;
use std::collections::BTreeMap;

/// Values smaller than this share of the largest gradient are measured against that share: they are what
/// cancellation left of zeros.
const SHARE: f64 = 1e-6;

/// What the comparison of both forms saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RewriteReport {
    /// The function.
    pub function: String,
    /// Outputs compared, new parameters and states among them.
    pub outputs: usize,
    /// Greatest norm-wise error.
    pub worst_error: f64,
    /// The output that has it.
    pub worst: String,
}

/// Evaluates both forms, side by side. `externals` holds inputs, parameters and states by name.
pub(crate) fn check(
    subject: &Subject<'_>,
    batch: usize,
    externals: &BTreeMap<String, Tensor>,
    largest_gradient: f64,
    mismatches: &mut Vec<Mismatch>,
) -> Result<RewriteReport> {
    let (written, lowered) = (&subject.function.graph, &subject.function.lowered.function);
    let values = |function: &Function| {
        evaluate(function, batch, &|op| match op {
            Op::Input { name } | Op::Parameter { name } | Op::State { name } => externals.get(name).cloned(),
            _ => None,
        })
    };
    let (left, right) = std::thread::scope(|scope| {
        let other = scope.spawn(|| values(lowered));
        let left = values(written);
        (left, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let allowed = allowed(written, Math::Default);
    let mut report = RewriteReport {
        function: written.name.clone(),
        outputs: written.outputs.len(),
        worst_error: 0.0,
        worst: String::new(),
    };
    let right: Vec<(&Output, Tensor)> = lowered.outputs.iter().zip(right?).collect();
    for (output, expected) in written.outputs.iter().zip(left?) {
        let same = |(other, _): &&(&Output, Tensor)| other.role == output.role && other.name == output.name;
        let (_, found) = right.iter().find(same).ok_or_else(|| {
            DriverError::Bug(format!("the output `{}` was lost on the way to lowering", output.name))
        })?;
        let (a, b) = (found.to_f64(), expected.to_f64());
        let difference = distance(&a, &b, SHARE * largest_gradient);
        if difference.error > report.worst_error {
            report.worst_error = difference.error;
            report.worst.clone_from(&output.name);
        }
        if difference.error.is_nan() || difference.error > allowed {
            mismatches.push(Mismatch {
                bound: "rewritten",
                function: written.name.clone(),
                path: format!("{} {}", output.role.name(), output.name),
                kernels: Vec::new(),
                index: coordinates(&expected.dims, difference.worst),
                compiled: a.get(difference.worst).copied().unwrap_or(f64::NAN),
                interpreted: b.get(difference.worst).copied().unwrap_or(f64::NAN),
                error: difference.error,
                allowed,
            });
        }
    }
    Ok(report)
}
