//! Reductions, arg-reductions and running ones.

use super::scope::{Scope, Value, Written, int, long, longs, ordered_in, summed_in};
use dlc_ir::{ArgReduction, NodeId, Reduction, Window, WindowKind};
use dlc_types::{DType, Dim, Shape};

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
        let dtype = self.ty(x)?.dtype;
        let wide = match kind {
            Reduction::Sum | Reduction::Product => summed_in(dtype),
            // 16-bit floats have these.
            Reduction::Max | Reduction::Min if dtype.is_float() => dtype,
            Reduction::Max | Reduction::Min => ordered_in(dtype),
        };
        let none = axes.iter().any(|&axis| self.shape(x).is_ok_and(|shape| shape[axis] == Dim::Fixed(0)));
        if none && wide != dtype && matches!(kind, Reduction::Max | Reduction::Min) {
            return Err(format!("the {} of no {dtype}", kind.name()));
        }
        let name = self.full(x)?;
        let name = self.widened(&name, dtype, wide);
        let name = self.reduced(operator, name, axes);
        Ok(Value { name: self.widened(&name, wide, dtype), dims: shape.dims().to_vec() })
    }

    pub(super) fn mean(&mut self, x: NodeId, axes: &[usize], shape: &Shape) -> Written<Value> {
        let name = self.full(x)?;
        Ok(Value { name: self.reduced("ReduceMean", name, axes), dims: shape.dims().to_vec() })
    }

    fn reduced(&mut self, operator: &str, mut name: String, axes: &[usize]) -> String {
        if !axes.is_empty() {
            let axes = self.long_vector(&longs(axes));
            name = self.apply(operator, &[&name, &axes], &[("keepdims", int(0))]);
        }
        name
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
        let dtype = self.ty(x)?.dtype;
        let name = self.full(x)?;
        let name = self.widened(&name, dtype, ordered_in(dtype));
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
            let wide = summed_in(ty.dtype);
            let name = self.widened(&name, ty.dtype, wide);
            let name = self.apply("CumSum", &[&name, &place], &[("reverse", int(i64::from(reverse)))]);
            let name = self.widened(&name, wide, ty.dtype);
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
