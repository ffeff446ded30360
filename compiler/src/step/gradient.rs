//! What becomes of gradients before the rule sees them: the mean over several steps, then bounds.

use super::arithmetic::{square_sum, times};
use super::now::Now;
use super::state;
use dlc_ir::training::ACCUMULATED;
use dlc_ir::{Binary, Builder, Clip, InferError, NodeId, Origin, OutputRole, Training, Unary};
use dlc_types::DType;

/// What PyTorch adds to the norm that it divides by.
const NORM_MARGIN: f64 = 1e-6;

/// The gradients that the rule takes, by the paths of their parameters.
pub(super) fn prepared(
    b: &mut Builder,
    training: &Training,
    now: &Now,
    mut gradients: Vec<(String, NodeId)>,
) -> Result<Vec<(String, NodeId)>, InferError> {
    if now.active.is_some() {
        for (name, gradient) in &mut gradients {
            b.set_origin(Origin { path: format!("accumulate({name})"), span: None });
            *gradient = accumulated(b, training, now, name, *gradient)?;
        }
    }
    for clip in &training.clip {
        b.set_origin(Origin { path: "clip".to_owned(), span: None });
        match *clip {
            Clip::Value(most) => {
                for (_, gradient) in &mut gradients {
                    *gradient = bounded(b, *gradient, most)?;
                }
            }
            Clip::Norm(most) => {
                if let Some(factor) = norm_factor(b, &gradients, most)? {
                    for (_, gradient) in &mut gradients {
                        *gradient = times(b, factor, *gradient)?;
                    }
                }
            }
        }
    }
    Ok(gradients)
}

/// The sum of this step's share and those before; a step that updates begins anew.
fn accumulated(
    b: &mut Builder,
    training: &Training,
    now: &Now,
    name: &str,
    gradient: NodeId,
) -> Result<NodeId, InferError> {
    let slot = format!("{name}.{ACCUMULATED}");
    let ty = b.ty(gradient).clone();
    let before = state(b, &slot, ty)?;
    let share = b.scale(gradient, 1.0 / f64::from(training.accumulate.max(1)))?;
    let sum = b.add(before, share)?;
    let zero = b.splat_like(sum, 0.0)?;
    let next = now.chosen(b, zero, sum)?;
    b.output(OutputRole::State, slot, next);
    Ok(sum)
}

fn bounded(b: &mut Builder, gradient: NodeId, most: f64) -> Result<NodeId, InferError> {
    let (low, high) = (b.splat_like(gradient, -most)?, b.splat_like(gradient, most)?);
    let above = b.binary(Binary::Max, gradient, low)?;
    b.binary(Binary::Min, above, high)
}

/// `min(1, most / (norm + 1e-6))`, with the norm over all gradients; `None` where there is none.
fn norm_factor(
    b: &mut Builder,
    gradients: &[(String, NodeId)],
    most: f64,
) -> Result<Option<NodeId>, InferError> {
    let mut total = None;
    for &(_, gradient) in gradients {
        let square = square_sum(b, gradient)?;
        total = Some(match total {
            None => square,
            Some(total) => b.add(total, square)?,
        });
    }
    let Some(total) = total else { return Ok(None) };
    let norm = b.unary(Unary::Sqrt, total)?;
    let norm = b.shift(norm, NORM_MARGIN)?;
    let most = b.scalar(DType::F32, most)?;
    let factor = b.div(most, norm)?;
    let one = b.scalar(DType::F32, 1.0)?;
    b.binary(Binary::Min, factor, one).map(Some)
}
