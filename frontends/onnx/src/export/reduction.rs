//! Reductions, arg-reductions and running ones.

use super::scope::{Scope, Value, Written, int, long, longs};
use dlc_ir::{ArgReduction, NodeId, Reduction, Window, WindowKind};
use dlc_types::{DType, Shape};

impl Scope<'_> {
    pub(super) fn reduce(
        &mut self,
        kind: Reduction,
        x: NodeId,
        axes: &[usize],
        shape: &Shape,
    ) -> Written<Value> {
        let operator = match kind {
            Reduction::Sum => "ReduceSum",
            Reduction::Max => "ReduceMax",
            Reduction::Min => "ReduceMin",
            Reduction::Product => "ReduceProd",
        };
        self.reduce_by(operator, x, axes, shape)
    }

    pub(super) fn reduce_by(
        &mut self,
        operator: &str,
        x: NodeId,
        axes: &[usize],
        shape: &Shape,
    ) -> Written<Value> {
        let mut name = self.full(x)?;
        if !axes.is_empty() {
            let axes = self.long_vector(&longs(axes));
            name = self.apply(operator, &[&name, &axes], &[("keepdims", int(0))]);
        }
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    pub(super) fn arg_reduce(
        &mut self,
        kind: ArgReduction,
        x: NodeId,
        axis: usize,
        shape: &Shape,
    ) -> Written<Value> {
        let operator = match kind {
            ArgReduction::Max => "ArgMax",
            ArgReduction::Min => "ArgMin",
        };
        let name = self.full(x)?;
        let places = self.apply(operator, &[&name], &[("axis", int(long(axis))), ("keepdims", int(0))]);
        Ok(Value { name: self.cast(&places, DType::I32), dims: shape.dims().to_vec() })
    }

    /// Sums have an operator; extremes are those of a window that reaches back to the first element.
    pub(super) fn cumulative(
        &mut self,
        kind: Reduction,
        x: NodeId,
        axis: usize,
        reverse: bool,
    ) -> Written<Value> {
        let ty = self.ty(x)?;
        let dims = ty.shape.dims();
        let name = self.full(x)?;
        if kind == Reduction::Sum {
            let place = self.scalar(DType::I64, axis as f64)?;
            let name = self.apply("CumSum", &[&name, &place], &[("reverse", int(i64::from(reverse)))]);
            return Ok(Value { name, dims: dims.to_vec() });
        }
        let size = dims[axis].fixed().filter(|_| kind != Reduction::Product && ty.dtype.is_float());
        let Some(size) = size else {
            return Err(format!("the running {} of {ty}", kind.name()));
        };
        let ones = vec![1; dims.len()];
        let mut window = Window {
            sizes: ones.clone(),
            strides: ones.clone(),
            dilations: ones,
            padding: vec![(0, 0); dims.len()],
        };
        window.sizes[axis] = size;
        let reach = size.saturating_sub(1);
        window.padding[axis] = if reverse { (0, reach) } else { (reach, 0) };
        let turned = kind == Reduction::Min;
        let name = if turned { self.apply("Neg", &[&name], &[]) } else { name };
        let name = self.pool(WindowKind::Max, &name, ty, dims, &window)?;
        let name = if turned { self.apply("Neg", &[&name], &[]) } else { name };
        Ok(Value { name, dims: dims.to_vec() })
    }
}
