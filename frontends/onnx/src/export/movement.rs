//! Ops that move elements: broadcast, reshape, transpose, slice, pad, dilate, reverse, concat.

use super::scope::{Scope, Value, Written, long};
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape};

/// A batch axis that is taken whole has this limit.
const WHOLE: usize = usize::MAX;

impl Scope<'_> {
    pub(super) fn movement(&mut self, op: &Op, operands: &[NodeId], shape: &Shape) -> Written<Value> {
        let first = *operands.first().ok_or("no operand")?;
        let name = match op {
            Op::Broadcast { axes } => return self.broadcast(first, axes, shape.rank()),
            Op::Reshape => {
                let name = self.full(first)?;
                if self.shape(first)? == shape { name } else { self.reshape(&name, shape.dims())? }
            }
            Op::Transpose { permutation } => {
                let name = self.full(first)?;
                self.transpose(&name, permutation)
            }
            Op::Slice { starts, limits, strides } => {
                let name = self.full(first)?;
                let dims = self.shape(first)?.dims();
                let ranges: Vec<(usize, i64, i64, i64)> = (0..dims.len())
                    .filter(|&axis| {
                        let end = limits[axis] == WHOLE || Dim::Fixed(limits[axis]) == dims[axis];
                        starts[axis] != 0 || strides[axis] != 1 || !end
                    })
                    .map(|axis| (axis, long(starts[axis]), long(limits[axis]), long(strides[axis])))
                    .collect();
                self.slice(&name, &ranges)
            }
            Op::Pad { low, high } => {
                let name = self.full(first)?;
                let value = self.full(*operands.get(1).ok_or("no value")?)?;
                self.pad(&name, low, high, &value)
            }
            Op::Dilate { factors } => {
                let name = self.full(first)?;
                let (dims, dtype) = (self.shape(first)?.dims().to_vec(), self.ty(first)?.dtype);
                let zero = self.scalar(dtype, 0.0)?;
                self.dilate(&name, &dims, factors, &zero)?
            }
            Op::Reverse { axes } => {
                let name = self.full(first)?;
                self.reverse(&name, axes)
            }
            Op::Concat { axis } => {
                let parts = operands.iter().map(|&part| self.full(part)).collect::<Written<Vec<_>>>()?;
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                self.apply("Concat", &parts, &[("axis", super::scope::int(long(*axis)))])
            }
            _ => return Err("no movement".to_owned()),
        };
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// Puts axes of 1 between those that the operand has; nothing is repeated here.
    fn broadcast(&mut self, x: NodeId, axes: &[usize], rank: usize) -> Written<Value> {
        let value = self.compact(x)?;
        let axes = &axes[axes.len() - value.dims.len()..];
        let Some(&outermost) = axes.first() else { return Ok(value) };
        let mut dims = vec![Dim::Fixed(1); rank - outermost];
        for (&axis, &dim) in axes.iter().zip(&value.dims) {
            dims[axis - outermost] = dim;
        }
        let added: Vec<i64> = (outermost..rank)
            .filter(|axis| !axes.contains(axis))
            .map(|axis| long(axis - outermost))
            .collect();
        if added.is_empty() {
            return Ok(Value { name: value.name, dims });
        }
        let added = self.long_vector(&added);
        Ok(Value { name: self.apply("Unsqueeze", &[&value.name, &added], &[]), dims })
    }

    /// Reverses axes.
    pub(super) fn reverse(&mut self, name: &str, axes: &[usize]) -> String {
        let ranges: Vec<_> = axes.iter().map(|&axis| (axis, -1, i64::MIN + 1, -1)).collect();
        self.slice(name, &ranges)
    }

    /// Zeros between neighbours: an axis behind each is padded and merged, and the last zeros are cut off.
    pub(super) fn dilate(
        &mut self,
        name: &str,
        dims: &[Dim],
        factors: &[usize],
        zero: &str,
    ) -> Written<String> {
        let (mut apart, mut low, mut high, mut merged, mut cut) = (vec![], vec![], vec![], vec![], vec![]);
        for (axis, (&dim, &factor)) in dims.iter().zip(factors).enumerate() {
            apart.push(dim);
            low.push(0);
            high.push(0);
            let Some(size) = dim.fixed().filter(|&size| factor > 1 && size > 1) else {
                if factor > 1 && dim.is_batch() {
                    return Err("zeros between the samples of a batch".to_owned());
                }
                merged.push(dim);
                continue;
            };
            apart.push(Dim::Fixed(1));
            low.push(0);
            high.push(factor - 1);
            let wide = size.checked_mul(factor).ok_or("an extent that is too large")?;
            merged.push(Dim::Fixed(wide));
            cut.push((axis, 0, long(wide - (factor - 1)), 1));
        }
        if cut.is_empty() {
            return Ok(name.to_owned());
        }
        let name = self.reshape(name, &apart)?;
        let name = self.pad(&name, &low, &high, zero);
        let name = self.reshape(&name, &merged)?;
        Ok(self.slice(&name, &cut))
    }
}
