//! Muon: momentum, orthogonalised, for matrices and kernels of convolutions; AdamW for all other parameters.
//!
//! ```text
//! w -= rate * decay * w
//! v  = momentum * v + (1 - momentum) * g
//! u  = nesterov ? (1 - momentum) * g + momentum * v : v
//! w -= rate * sqrt(max(1, outputs / inputs)) * orthogonal(u)
//! ```
//!
//! A kernel is a matrix of its first axis, the outputs, against all others; of a matrix the columns are the
//! outputs, as in a dense layer. `orthogonal` is a few Newton-Schulz steps ([`crate::step::orthogonal`]), in
//! the parameter's type (PyTorch computes them in bf16).
//!
//! Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; PyTorch's `Muon`.

use super::adam::Adam;
use super::{Rule, Slot, Subject, Terms};
use crate::step::arithmetic::{rest, shrunk, times, towards};
use crate::step::orthogonal::{STEEP, as_matrix, newton_schulz};
use dlc_ir::{Builder, InferError, NodeId};
use dlc_types::{DType, TensorType};

const MOMENTUM: Slot = Slot::zero("momentum");
pub(super) const SLOTS: &[Slot] = &[MOMENTUM];

/// Whether a parameter is orthogonalised.
pub(super) fn is_matrix(name: &str, ty: &TensorType, except: &[String]) -> bool {
    ty.shape.rank() >= 2 && except.iter().all(|other| other != name)
}

/// What is done to matrices.
pub(super) struct Matrices {
    pub(super) except: Vec<String>,
    pub(super) iterations: u32,
    pub(super) nesterov: bool,
}

pub(super) struct Muon {
    rate: NodeId,
    momentum: NodeId,
    /// `1 - momentum`
    fresh: NodeId,
    matrices: Matrices,
    adam: Adam,
    weight_decay: f64,
}

impl Muon {
    pub(super) fn new(
        b: &mut Builder,
        terms: &Terms,
        momentum: f64,
        matrices: Matrices,
        adam: Adam,
    ) -> Result<Muon, InferError> {
        let momentum = match terms.rates.momentum {
            Some(scheduled) => scheduled,
            None => b.scalar(DType::F32, momentum)?,
        };
        let fresh = rest(b, momentum)?;
        let (rate, weight_decay) = (terms.rates.rate, terms.weight_decay);
        Ok(Muon { rate, momentum, fresh, matrices, adam, weight_decay })
    }
}

impl Rule for Muon {
    fn next(&self, one: &mut Subject<'_>) -> Result<NodeId, InferError> {
        let ty = one.b.ty(one.weight).clone();
        if !is_matrix(one.name, &ty, &self.matrices.except) {
            return self.adam.next(one);
        }
        let velocity = one.slot(MOMENTUM)?;
        let velocity = towards(one.b, velocity, one.gradient, self.fresh)?;
        one.keep(MOMENTUM, velocity)?;
        let update = match self.matrices.nesterov {
            true => towards(one.b, one.gradient, velocity, self.momentum)?,
            false => velocity,
        };
        let matrix = as_matrix(one.b, update)?;
        let steps = std::iter::repeat_n(STEEP, self.matrices.iterations as usize);
        let orthogonal = newton_schulz(one.b, matrix, steps)?;
        let direction = one.b.reshape(orthogonal, ty.shape.clone())?;
        let sizes = one.b.shape(matrix).as_fixed().unwrap_or_default();
        let growth = match (sizes.as_slice(), ty.shape.rank()) {
            ([inputs, outputs], 2) | ([outputs, inputs], _) => (*outputs as f64 / *inputs as f64).max(1.0),
            _ => 1.0,
        };
        let rate = one.b.scale(self.rate, growth.sqrt())?;
        let change = times(one.b, rate, direction)?;
        let kept = shrunk(one.b, one.weight, self.rate, self.weight_decay)?;
        one.b.sub(kept, change)
    }
}

#[cfg(test)]
mod tests {
    use super::is_matrix;
    use dlc_types::{DType, Shape, TensorType};

    #[test]
    fn vectors_and_exceptions_are_for_adam() {
        let ty = |sizes: &[usize]| TensorType::new(DType::F32, Shape::fixed(sizes));
        let except = ["head.weight".to_owned()];
        assert!(is_matrix("a.weight", &ty(&[3, 4]), &except));
        assert!(is_matrix("a.weight", &ty(&[3, 4, 3, 3]), &except));
        assert!(!is_matrix("a.bias", &ty(&[3]), &except));
        assert!(!is_matrix("head.weight", &ty(&[3, 4]), &except));
    }
}
