//! Ops without operands: constants, coordinates, extents.

use super::constants;
use super::scope::{Scope, Value, Written, int};
use dlc_ir::{Literal, literal::Elements};
use dlc_types::{DType, Dim, TensorType};

impl Scope<'_> {
    pub(super) fn literal(&mut self, literal: &Literal) -> Written<Value> {
        let dims = literal.ty.shape.dims().to_vec();
        Ok(Value { name: self.constant(constants::array(literal)?), dims })
    }

    /// One vector of coordinates, with axes of 1 behind it.
    pub(super) fn iota(&mut self, ty: &TensorType, axis: usize) -> Written<Value> {
        let mut dims = vec![Dim::Fixed(1); ty.shape.rank() - axis];
        dims[0] = ty.shape[axis];
        let name = match dims[0] {
            Dim::Fixed(size) => {
                let sizes: Vec<usize> = dims.iter().filter_map(|dim| dim.fixed()).collect();
                let literal = if ty.dtype.is_float() {
                    let places: Vec<f64> = (0..size).map(|place| place as f64).collect();
                    Literal::floats(ty.dtype, &sizes, &places)
                } else {
                    let places = (0..size).map(|place| ty.dtype.wrapped(place as i64)).collect();
                    let shape = dlc_types::Shape::fixed(&sizes);
                    Literal { ty: TensorType::new(ty.dtype, shape), elements: Elements::Int(places) }
                };
                self.constant(constants::array(&literal)?)
            }
            Dim::Batch(_) => {
                let limit = self.long_scalar(dims[0])?;
                let (zero, one) = (self.scalar(DType::I64, 0.0)?, self.scalar(DType::I64, 1.0)?);
                let mut name = self.apply("Range", &[&zero, &limit, &one], &[]);
                if ty.dtype != DType::I64 {
                    name = self.cast(&name, ty.dtype);
                }
                if dims.len() > 1 { self.reshape(&name, &dims)? } else { name }
            }
        };
        Ok(Value { name, dims })
    }

    /// An extent as a scalar of `i64`.
    pub(super) fn long_scalar(&mut self, dim: Dim) -> Written<String> {
        match dim {
            Dim::Fixed(size) => self.scalar(DType::I64, size as f64),
            Dim::Batch(_) => {
                let vector = self.extent(dim)?;
                let axis = self.long_vector(&[0]);
                Ok(self.apply("Squeeze", &[&vector, &axis], &[]))
            }
        }
    }

    pub(super) fn extent_of(&mut self, dim: Dim, dtype: DType) -> Written<Value> {
        if let Dim::Fixed(size) = dim {
            return Ok(Value { name: self.scalar(dtype, size as f64)?, dims: Vec::new() });
        }
        let mut name = self.long_scalar(dim)?;
        if dtype != DType::I64 {
            name = self.cast(&name, dtype);
        }
        Ok(Value { name, dims: Vec::new() })
    }

    /// The mean over some axes, which stay with the extent 1.
    pub(super) fn kept_mean(&mut self, name: &str, axes: &[usize]) -> String {
        let axes = self.long_vector(&super::scope::longs(axes));
        self.apply("ReduceMean", &[name, &axes], &[("keepdims", int(1))])
    }
}
