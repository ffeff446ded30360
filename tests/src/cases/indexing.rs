//! Reading and writing at indices, in and out of range.

use super::{Case, batched, fixed};
use dlc_ir::{Op, ScatterKind, Unary};
use dlc_types::{DType, Dim, Shape, TensorType};

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let indices = [
        fixed(DType::I32, &[]),
        fixed(DType::I32, &[4]),
        fixed(DType::I32, &[3, 2]),
        batched(DType::I32, &[]),
        batched(DType::I32, &[2]),
    ];
    for dtype in DType::ALL {
        for index in &indices {
            for axis in 0..2 {
                cases.push(gather(fixed(dtype, &[7, 5]), index.clone(), axis));
            }
            cases.extend(scatter(fixed(dtype, &[7, 5]), index, 0));
            cases.extend(scatter(fixed(dtype, &[7, 5]), index, 1));
        }
        for axis in 1..3 {
            cases.push(gather(batched(dtype, &[7, 5]), fixed(DType::I32, &[4]), axis));
            cases.extend(scatter(batched(dtype, &[7, 5]), &fixed(DType::I32, &[4]), axis));
        }
        for (axis, rest) in [(0, [3, 5]), (1, [4, 5]), (2, [3, 1])] {
            cases.push(gather_along(dtype, axis, &rest));
        }
    }
    cases
}

fn gather(data: TensorType, indices: TensorType, axis: usize) -> Case {
    Case::new(format!("gather {axis} of {data} at {indices}"), |b| {
        let x = b.input("x", data)?;
        let indices = b.input("indices", indices)?;
        let chosen = b.add_node(Op::Gather { axis }, &[x, indices])?;
        if b.ty(x).dtype != DType::F32 {
            return Ok(vec![chosen]);
        }
        let computed = b.unary(Unary::Sigmoid, x)?;
        let again = b.add_node(Op::Gather { axis }, &[computed, indices])?;
        Ok(vec![chosen, b.unary(Unary::Tanh, again)?])
    })
}

/// Elements of `[N, 3, 5]` at places of their own.
fn gather_along(dtype: DType, axis: usize, rest: &[usize]) -> Case {
    Case::new(format!("gather_along {axis} of {dtype} at N{rest:?}"), |b| {
        let x = b.input("x", batched(dtype, &[3, 5]))?;
        let indices = b.input("indices", batched(DType::I32, rest))?;
        Ok(vec![b.add_node(Op::GatherAlong { axis }, &[x, indices])?])
    })
}

/// Every way to combine, as far as the type has it.
fn scatter(result: TensorType, indices: &TensorType, axis: usize) -> Option<Case> {
    let mut dims = result.shape.dims().to_vec();
    dims.splice(axis..=axis, indices.shape.dims().iter().copied());
    // Inputs have the batch outermost.
    if dims.iter().skip(1).any(|dim: &Dim| dim.is_batch()) {
        return None;
    }
    let updates = TensorType::new(result.dtype, Shape(dims));
    Some(Case::new(format!("scatter {axis} to {result} at {indices}"), |b| {
        let data = b.input("data", result.clone())?;
        let indices = b.input("indices", indices.clone())?;
        let updates = b.input("updates", updates)?;
        let kinds = ScatterKind::ALL.iter().filter(|&&kind| {
            // Products of many numbers leave the range of floats.
            let product = kind == ScatterKind::Multiply && result.dtype.is_float();
            !product && (result.dtype != DType::Bool || kind == ScatterKind::Set)
        });
        kinds.map(|&kind| b.add_node(Op::Scatter { axis, kind }, &[data, indices, updates])).collect()
    }))
}
