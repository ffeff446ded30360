//! Tensors as slices along an axis, and slices as a tensor.

use super::Flow;
use super::Value;
use crate::Result;
use dlc_onnx::{Array, Element, Extent, ValueInfo, ValueType};

impl Flow<'_> {
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let signed = i64::try_from(rank).unwrap_or(i64::MAX);
        let counted = if axis < 0 { axis.saturating_add(signed) } else { axis };
        let found = usize::try_from(counted).ok().filter(|&axis| axis < rank);
        found.ok_or_else(|| self.fault(format!("there is no axis {axis} among {rank}")))
    }

    /// The slices of all iterations as one tensor. Without iterations the declared type tells what there is.
    pub(super) fn stack(&self, rows: &[Array], axis: i64, reversed: bool, info: &ValueInfo) -> Result<Value> {
        let Some(first) = rows.first() else { return self.nothing(info) };
        let axis = self.axis(axis, first.dims().len() + 1)?;
        if rows.iter().any(|row| row.dims() != first.dims() || row.element() != first.element()) {
            return Err(self.fault("what it collects differs in type between iterations"));
        }
        let ordered: Vec<&Array> = if reversed { rows.iter().rev().collect() } else { rows.iter().collect() };
        let mut dims = first.dims().to_vec();
        dims.insert(axis, rows.len());
        if let Some(texts) = first.as_texts() {
            if axis != 0 {
                return Err(self
                    .executor
                    .not_done(self.node, "strings that are collected along an inner axis"));
            }
            let all = ordered.iter().filter_map(|row| row.as_texts()).flatten().cloned();
            let texts = Array::texts(dims, all.take(texts.len() * rows.len()).collect());
            return texts.map(Value::Tensor).map_err(|what| self.fault(what));
        }
        let bits = first.element().bits();
        let inner: usize = first.dims()[axis..].iter().product::<usize>() * bits;
        if !inner.is_multiple_of(8) {
            return Err(self.executor.not_done(self.node, "elements of less than a byte that are collected"));
        }
        let outer: usize = first.dims()[..axis].iter().product();
        let block = inner / 8;
        let mut bytes = Vec::with_capacity(first.bytes().len() * rows.len());
        for place in 0..outer {
            for row in &ordered {
                bytes.extend_from_slice(&row.bytes()[place * block..][..block]);
            }
        }
        let stacked = Array::new(first.element(), dims, bytes);
        stacked.map(Value::Tensor).map_err(|what| self.fault(what))
    }

    fn nothing(&self, info: &ValueInfo) -> Result<Value> {
        let ValueType::Tensor { element: Some(element), dims } = &info.ty else {
            return Err(self.executor.not_done(self.node, "no iteration, with an output of unknown type"));
        };
        let inner = dims.iter().flatten().map(|dim| match dim {
            Extent::Fixed(size) => *size,
            _ => 0,
        });
        let dims: Vec<usize> = std::iter::once(0).chain(inner).collect();
        let empty = match element {
            Element::Text => Array::texts(dims, Vec::new()),
            element => Array::new(*element, dims, Vec::new()),
        };
        empty.map(Value::Tensor).map_err(|what| self.fault(what))
    }

    /// The slices of a tensor along an axis.
    pub(super) fn unstack(&self, array: &Array, axis: usize) -> Result<Vec<Array>> {
        let mut dims = array.dims().to_vec();
        let count = dims.remove(axis);
        let outer: usize = dims[..axis].iter().product();
        let block: usize = dims[axis..].iter().product();
        if let Some(texts) = array.as_texts() {
            let slice = |position: usize| {
                let places =
                    (0..outer).flat_map(|place| &texts[(place * count + position) * block..][..block]);
                Array::texts(dims.clone(), places.cloned().collect())
            };
            let slices: std::result::Result<_, String> = (0..count).map(slice).collect();
            return slices.map_err(|what| self.fault(what));
        }
        let bits = block * array.element().bits();
        if !bits.is_multiple_of(8) {
            return Err(self
                .executor
                .not_done(self.node, "elements of less than a byte that are walked along"));
        }
        let block = bits / 8;
        let slice = |position: usize| {
            let places = (0..outer).flat_map(|place| {
                let start = (place * count + position) * block;
                array.bytes()[start..start + block].iter().copied()
            });
            Array::new(array.element(), dims.clone(), places.collect())
        };
        let slices: std::result::Result<_, String> = (0..count).map(slice).collect();
        slices.map_err(|what| self.fault(what))
    }
}
