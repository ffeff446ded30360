//! Batch-norm and softmax.

use super::scope::{Scope, Value, Written, int, long};
use crate::Attribute;
use dlc_ir::{NodeId, Type};
use dlc_types::{Dim, Shape};

impl Scope<'_> {
    /// Softmax or LogSoftmax.
    pub(super) fn softmax(
        &mut self,
        operator: &str,
        x: NodeId,
        axis: usize,
        shape: &Shape,
    ) -> Written<Value> {
        let name = self.full(x)?;
        let name = self.apply(operator, &[&name], &[("axis", int(long(axis)))]);
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// Batch-norm with running statistics. Operands: x, scale, shift, mean, variance.
    pub(super) fn running_norm(
        &mut self,
        operands: [NodeId; 5],
        epsilon: f64,
        shape: &Shape,
    ) -> Written<Value> {
        let mut names = Vec::with_capacity(5);
        for operand in operands {
            names.push(self.full(operand)?);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let name = self.apply("BatchNormalization", &names, &[("epsilon", Attribute::Float(epsilon as f32))]);
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// Batch-norm with the statistics of the batch, spelled out: the operator's third result is another variance
    /// than the graph's.
    pub(super) fn batch_norm(
        &mut self,
        id: NodeId,
        [x, scale, shift]: [NodeId; 3],
        axis: usize,
        epsilon: f64,
    ) -> Written<Vec<Value>> {
        let ty = self.ty(x)?;
        let (rank, channels) = (ty.shape.rank(), ty.shape[axis]);
        let others: Vec<usize> = (0..rank).filter(|&other| other != axis).collect();
        let mut wide = vec![Dim::Fixed(1); rank];
        wide[axis] = channels;
        let name = self.full(x)?;
        let mean = self.kept_mean(&name, &others);
        let centred = self.apply("Sub", &[&name, &mean], &[]);
        let squares = self.apply("Mul", &[&centred, &centred], &[]);
        let variance = self.kept_mean(&squares, &others);
        let epsilon = self.scalar(ty.dtype, epsilon)?;
        let shifted = self.apply("Add", &[&variance, &epsilon], &[]);
        let root = self.apply("Sqrt", &[&shifted], &[]);
        let scaled = self.apply("Div", &[&centred, &root], &[]);
        let mut factors = Vec::with_capacity(2);
        for operand in [scale, shift] {
            let name = self.full(operand)?;
            factors.push(self.reshape(&name, &wide)?);
        }
        let scaled = self.apply("Mul", &[&scaled, &factors[0]], &[]);
        let result = self.apply("Add", &[&scaled, &factors[1]], &[]);
        let Type::Tuple(types) = &self.function.nodes[id].ty else {
            return Err("one result instead of three".to_owned());
        };
        let mut values = vec![Value { name: result, dims: ty.shape.dims().to_vec() }];
        for (name, ty) in [mean, variance].into_iter().zip(types.iter().skip(1)) {
            let name = self.reshape(&name, ty.shape.dims())?;
            values.push(Value { name, dims: ty.shape.dims().to_vec() });
        }
        Ok(values)
    }
}
