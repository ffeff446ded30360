//! Window reductions: MaxPool, or AveragePool times the number of taps.
//!
//! Pools slide over one to three axes behind two others; another layout is brought into that one and back. Padding
//! as wide as the window is put on beforehand, since runtimes refuse it.

use super::scope::{Scope, Value, Written, int, ints, longs};
use crate::Attribute;
use dlc_ir::{NodeId, Window, WindowKind};
use dlc_types::{DType, Dim, Shape, TensorType};

/// Whether a window does anything along an axis.
fn slides(window: &Window, axis: usize) -> bool {
    window.sizes[axis] != 1 || window.strides[axis] != 1 || window.padding[axis] != (0, 0)
}

/// The window over some of its axes.
fn along(window: &Window, axes: &[usize]) -> Window {
    let pick = |values: &[usize]| axes.iter().map(|&axis| values[axis]).collect();
    Window {
        sizes: pick(&window.sizes),
        strides: pick(&window.strides),
        dilations: pick(&window.dilations),
        padding: axes.iter().map(|&axis| window.padding[axis]).collect(),
    }
}

impl Scope<'_> {
    pub(super) fn reduce_window(
        &mut self,
        kind: WindowKind,
        x: NodeId,
        window: &Window,
        shape: &Shape,
    ) -> Written<Value> {
        let name = self.full(x)?;
        let name = self.pool(kind, &name, self.ty(x)?, shape.dims(), window)?;
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// The mean under every window, padding counted as 0.
    pub(super) fn average(&mut self, x: NodeId, window: &Window, shape: &Shape) -> Written<Value> {
        let name = self.full(x)?;
        let spatial: Vec<usize> = (2..shape.rank()).collect();
        let name = self.pool_node("AveragePool", &name, &along(window, &spatial));
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// One pool over the axes behind the first two.
    fn pool_node(&mut self, operator: &str, name: &str, spatial: &Window) -> String {
        let low: Vec<usize> = spatial.padding.iter().map(|pair| pair.0).collect();
        let high: Vec<usize> = spatial.padding.iter().map(|pair| pair.1).collect();
        let mut attributes: Vec<(&str, Attribute)> = vec![
            ("kernel_shape", ints(&spatial.sizes)),
            ("strides", ints(&spatial.strides)),
            ("pads", Attribute::Ints([longs(&low), longs(&high)].concat())),
        ];
        if spatial.dilations.iter().any(|&dilation| dilation != 1) {
            attributes.push(("dilations", ints(&spatial.dilations)));
        }
        if operator == "AveragePool" {
            attributes.push(("count_include_pad", int(1)));
        }
        self.apply(operator, &[name], &attributes)
    }

    /// The reduction of a value of that type; `dims` are the result's.
    pub(super) fn pool(
        &mut self,
        kind: WindowKind,
        name: &str,
        ty: &TensorType,
        dims: &[Dim],
        window: &Window,
    ) -> Written<String> {
        let rank = dims.len();
        let axes: Vec<usize> = (0..rank).filter(|&axis| slides(window, axis)).collect();
        if axes.is_empty() {
            return Ok(name.to_owned());
        }
        if !ty.dtype.is_float() {
            return Err(format!("a window over {}", ty.dtype));
        }
        if (3..=5).contains(&rank) && axes.iter().all(|&axis| axis > 1) {
            let spatial: Vec<usize> = (2..rank).collect();
            return self.spatial_pool(kind, name, ty.dtype, &along(window, &spatial));
        }
        if axes.len() > 3 {
            return Err(format!("a window over {} axes", axes.len()));
        }
        let still: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let order = [still.as_slice(), &axes].concat();
        let rest = still.iter().try_fold(Dim::Fixed(1), |product, &axis| product.times(dims[axis]));
        let rest = rest.ok_or("a window over a value that is too large")?;
        let inner = axes.iter().map(|&axis| ty.shape[axis]);
        let outer = axes.iter().map(|&axis| dims[axis]);
        let name = self.transpose(name, &order);
        let name =
            self.reshape(&name, &[Dim::Fixed(1), rest].into_iter().chain(inner).collect::<Vec<_>>())?;
        let name = self.spatial_pool(kind, &name, ty.dtype, &along(window, &axes))?;
        let back: Vec<Dim> = still.iter().map(|&axis| dims[axis]).chain(outer).collect();
        let name = self.reshape(&name, &back)?;
        let mut inverse = vec![0; rank];
        for (place, &axis) in order.iter().enumerate() {
            inverse[axis] = place;
        }
        Ok(self.transpose(&name, &inverse))
    }

    fn spatial_pool(
        &mut self,
        kind: WindowKind,
        name: &str,
        dtype: DType,
        window: &Window,
    ) -> Written<String> {
        let mut window = window.clone();
        let mut name = name.to_owned();
        let wide = window.padding.iter().zip(&window.sizes);
        if wide.into_iter().any(|(&(low, high), &size)| low >= size || high >= size) {
            let value = if kind == WindowKind::Max { f64::NEG_INFINITY } else { 0.0 };
            let value = self.scalar(dtype, value)?;
            let low: Vec<usize> = window.padding.iter().map(|pair| pair.0).collect();
            let high: Vec<usize> = window.padding.iter().map(|pair| pair.1).collect();
            name = self.pad(
                &name,
                &[&[0, 0], low.as_slice()].concat(),
                &[&[0, 0], high.as_slice()].concat(),
                &value,
            );
            window.padding = vec![(0, 0); window.padding.len()];
        }
        if kind == WindowKind::Max {
            return Ok(self.pool_node("MaxPool", &name, &window));
        }
        let mean = self.pool_node("AveragePool", &name, &window);
        let taps: f64 = window.sizes.iter().map(|&size| size as f64).product();
        let taps = self.scalar(dtype, taps)?;
        Ok(self.apply("Mul", &[&mean, &taps], &[]))
    }
}
