//! First values of parameters and states, drawn by compiled code from the seed alone.

use super::average::{average_of, averaged};
use super::normal::{normal, truncated_normal};
use super::orthogonal::{FINE, STEEP, as_matrix, newton_schulz};
use super::{StepError, state, step_states};
use dlc_ir::training::{EPOCH_STEPS, SEED, TOTAL_STEPS};
use dlc_ir::{Builder, Function, InferError, Initializer, Model, NodeId, Op, Origin, OutputRole};
use dlc_types::{DType, TensorType};
use std::collections::BTreeMap;

/// Stream of the first draw. Dropout and the like count their streams from 0, so the two never meet.
const FIRST_STREAM: u32 = 0x1000_0000;

/// Steps that bring singular values of 1e-7 of the norm near 1.
const STEEP_STEPS: usize = 14;
/// Steps from there to the rounding of `f32`.
const FINE_STEPS: usize = 5;

/// (state [`SEED`]) -> first value of every parameter and state, those of [`step_states`] included, but
/// for [`SEED`], [`TOTAL_STEPS`] and [`EPOCH_STEPS`], which the caller sets. An average begins as what it is
/// the average of. Tensor number `i` (parameters, then the
/// model's states) draws from the streams `0x1000_0000 + 2 i` and the next.
pub fn initialize(model: &Model) -> Result<Function, StepError> {
    let mut b = Builder::new("initialize");
    let seed = state(&mut b, SEED, TensorType::scalar(DType::I64))?;
    let step = b.scalar(DType::I32, 0.0)?;
    let mut stream = FIRST_STREAM;
    let parameters =
        model.parameters.iter().map(|one| (OutputRole::Parameter, &one.name, &one.ty, one.initializer));
    let added = step_states(model);
    let averages: BTreeMap<String, String> =
        averaged(model).into_iter().map(|(name, _)| (average_of(&name), name)).collect();
    let states = model.states.iter().chain(&added);
    let states = states.map(|one| (OutputRole::State, &one.name, &one.ty, one.initializer));
    for (role, name, ty, initializer) in parameters.chain(states) {
        let draws = Draws { seed, step, stream };
        stream = stream.wrapping_add(2);
        if role == OutputRole::State && [SEED, TOTAL_STEPS, EPOCH_STEPS].contains(&name.as_str()) {
            continue;
        }
        if let Some(source) = averages.get(name).filter(|_| role == OutputRole::State) {
            let known = |role| b.function().output(role, source).map(|output| output.value);
            if let Some(value) = known(OutputRole::Parameter).or_else(|| known(OutputRole::State)) {
                b.output(role, name.clone(), value);
            }
            continue;
        }
        if !ty.dtype.is_float() && !matches!(initializer, Initializer::Constant(_)) {
            return Err(StepError::IntegerInitializer { name: name.clone(), ty: ty.clone() });
        }
        b.set_origin(Origin { path: format!("initialize({name})"), span: None });
        let value = draws.first_value(&mut b, ty, initializer)?;
        b.output(role, name.clone(), value);
    }
    Ok(b.finish())
}

/// What the draws of one tensor are made from.
struct Draws {
    seed: NodeId,
    step: NodeId,
    /// The first of two streams.
    stream: u32,
}

impl Draws {
    fn first_value(
        &self,
        b: &mut Builder,
        ty: &TensorType,
        initializer: Initializer,
    ) -> Result<NodeId, InferError> {
        let value = match initializer {
            Initializer::Given => return b.splat(ty.dtype, ty.shape.clone(), 0.0),
            Initializer::Constant(value) => return b.splat(ty.dtype, ty.shape.clone(), value),
            Initializer::Uniform { low, high } => {
                let unit = self.unit(b, ty, 0)?;
                let scaled = b.scale(unit, high - low)?;
                b.shift(scaled, low)?
            }
            Initializer::Normal { mean, deviation } => {
                let normal = self.normal(b, ty)?;
                let scaled = b.scale(normal, deviation)?;
                b.shift(scaled, mean)?
            }
            Initializer::TruncatedNormal { deviation, limit } => {
                let unit = self.unit(b, ty, 0)?;
                let normal = truncated_normal(b, unit, limit)?;
                b.scale(normal, deviation)?
            }
            Initializer::Orthogonal { gain } => {
                let normal = self.normal(b, ty)?;
                let matrix = as_matrix(b, normal)?;
                let steps = [STEEP; STEEP_STEPS].into_iter().chain([FINE; FINE_STEPS]);
                let orthogonal = newton_schulz(b, matrix, steps)?;
                let orthogonal = b.reshape(orthogonal, ty.shape.clone())?;
                b.scale(orthogonal, gain)?
            }
        };
        b.cast(value, ty.dtype)
    }

    /// Uniform numbers in [0, 1), `f32`.
    fn unit(&self, b: &mut Builder, ty: &TensorType, offset: u32) -> Result<NodeId, InferError> {
        let op = Op::Random { stream: self.stream.wrapping_add(offset) };
        b.declare(op, &[self.seed, self.step], TensorType::new(DType::F32, ty.shape.clone()))
    }

    fn normal(&self, b: &mut Builder, ty: &TensorType) -> Result<NodeId, InferError> {
        let u = self.unit(b, ty, 0)?;
        let v = self.unit(b, ty, 1)?;
        normal(b, u, v)
    }
}
