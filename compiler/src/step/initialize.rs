//! First values of parameters and states, drawn by compiled code from the seed alone.

use super::{StepError, state, step_states};
use dlc_ir::training::{SEED, TOTAL_STEPS};
use dlc_ir::{
    Binary, Builder, Function, InferError, Initializer, Model, NodeId, Op, Origin, OutputRole, Unary,
};
use dlc_types::{DType, TensorType};

/// Stream of the first draw. Dropout and the like count their streams from 0, so the two never meet.
const FIRST_STREAM: u32 = 0x1000_0000;

/// (state [`SEED`]) -> first value of every parameter and state, those of [`step_states`] included, but
/// for [`SEED`] and [`TOTAL_STEPS`], which the caller sets. Tensor number `i` (parameters, then the
/// model's states) draws from the streams `0x1000_0000 + 2 i` and the next.
pub fn initialize(model: &Model) -> Result<Function, StepError> {
    let mut b = Builder::new("initialize");
    let seed = state(&mut b, SEED, TensorType::scalar(DType::I64))?;
    let step = b.scalar(DType::I32, 0.0)?;
    let mut stream = FIRST_STREAM;
    let parameters =
        model.parameters.iter().map(|one| (OutputRole::Parameter, &one.name, &one.ty, one.initializer));
    let added = step_states(model);
    let states = model.states.iter().chain(&added);
    let states = states.map(|one| (OutputRole::State, &one.name, &one.ty, one.initializer));
    for (role, name, ty, initializer) in parameters.chain(states) {
        let draws = Draws { seed, step, stream };
        stream = stream.wrapping_add(2);
        if role == OutputRole::State && (name == SEED || name == TOTAL_STEPS) {
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
        };
        b.cast(value, ty.dtype)
    }

    /// Uniform numbers in [0, 1), `f32`.
    fn unit(&self, b: &mut Builder, ty: &TensorType, offset: u32) -> Result<NodeId, InferError> {
        let op = Op::Random { stream: self.stream.wrapping_add(offset) };
        b.declare(op, &[self.seed, self.step], TensorType::new(DType::F32, ty.shape.clone()))
    }

    /// Standard normal numbers: `sqrt(-2 log(1 - u)) cos(2 pi v)`. `1 - u` is exact and never 0.
    /// Source: Box, Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    fn normal(&self, b: &mut Builder, ty: &TensorType) -> Result<NodeId, InferError> {
        let u = self.unit(b, ty, 0)?;
        let v = self.unit(b, ty, 1)?;
        let one = b.splat_like(u, 1.0)?;
        let rest = b.binary(Binary::Subtract, one, u)?;
        let log = b.unary(Unary::Log, rest)?;
        let square = b.scale(log, -2.0)?;
        let radius = b.unary(Unary::Sqrt, square)?;
        let angle = b.scale(v, std::f64::consts::TAU)?;
        let cosine = b.unary(Unary::Cos, angle)?;
        b.mul(radius, cosine)
    }
}
