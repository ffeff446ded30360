//! Constants that converters make, and extents as numbers.

use super::{Context, Stop};
use dlc_ir::{Literal, NodeId, Op};
use dlc_types::{DType, Dim, Shape, TensorType};

/// Elements up to which a constant is made that describes an axis.
const AXIS_LIMIT: usize = 1 << 24;

impl Context<'_, '_> {
    /// That an axis of so many elements may be described element by element.
    pub fn describable(&self, size: usize) -> Result<usize, Stop> {
        if size > AXIS_LIMIT { Err(self.not_done(format!("an axis of {size} elements"))) } else { Ok(size) }
    }

    /// A float tensor, rounded to `dtype`.
    pub fn float_tensor(&mut self, dtype: DType, dims: &[usize], values: &[f64]) -> Result<NodeId, Stop> {
        Ok(self.builder().constant(Literal::floats(dtype, dims, values))?)
    }

    /// Indices as [`Op::Gather`] takes them.
    pub fn index_tensor(&mut self, dims: &[usize], values: &[usize]) -> Result<NodeId, Stop> {
        let index = |&value: &usize| {
            i32::try_from(value).map(i64::from).map_err(|_| Stop::NotDone(format!("the index {value}")))
        };
        let values = values.iter().map(index).collect::<Result<Vec<i64>, Stop>>()?;
        Ok(self.builder().constant(Literal::ints(DType::I32, dims, &values))?)
    }

    /// The coordinate along `axis` of each element of that shape.
    pub fn iota(&mut self, dtype: DType, shape: &Shape, axis: usize) -> Result<NodeId, Stop> {
        let ty = TensorType::new(dtype, shape.clone());
        Ok(self.builder().declare(Op::Iota { axis }, &[], ty)?)
    }

    /// The elements of `x` along `axis` at these places.
    pub fn gathered(&mut self, x: NodeId, axis: usize, places: &[usize]) -> Result<NodeId, Stop> {
        let places = self.index_tensor(&[places.len()], places)?;
        Ok(self.builder().add_node(Op::Gather { axis }, &[x, places])?)
    }

    /// An extent as a number.
    pub fn size(&self, dim: Dim) -> Result<usize, Stop> {
        dim.fixed().ok_or_else(|| {
            Stop::NotDone(format!("the extent {dim}, which depends on the batch (bind it with --dim)"))
        })
    }

    /// The extents from an axis on as numbers.
    pub fn sizes_from(&self, value: NodeId, axis: usize) -> Result<Vec<usize>, Stop> {
        let shape = self.shape(value);
        shape.dims().iter().skip(axis).map(|&dim| self.size(dim)).collect()
    }

    /// The value with axes of size 1 where `reduced` went.
    pub fn with_axes(&mut self, value: NodeId, reduced: &[usize]) -> Result<NodeId, Stop> {
        let mut dims = self.shape(value).dims().to_vec();
        reduced.iter().for_each(|&axis| dims.insert(axis.min(dims.len()), Dim::Fixed(1)));
        Ok(self.builder().reshape(value, Shape(dims))?)
    }

    /// That the operand has as many axes as the operator needs.
    pub fn need_rank(&self, value: NodeId, least: usize) -> Result<(), Stop> {
        if self.rank(value) < least {
            return Err(self.invalid(format!("it needs {least} axes or more, not {}", self.ty(value))));
        }
        Ok(())
    }
}
