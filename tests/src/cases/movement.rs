//! Ops that move elements: each over several types, alone and between other ops.

use super::{Case, batched, fixed};
use dlc_ir::{Builder, Op, Reduction, Unary};
use dlc_types::{DType, Dim, Shape, TensorType};

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // One of every size that is moved as it is, and each with a form of its own in vectors.
    for dtype in DType::ALL.into_iter().filter(|dtype| !matches!(dtype, DType::U32 | DType::U64)) {
        cases.extend(broadcasts(dtype));
        cases.extend(reshapes(dtype));
        cases.extend(transposes(dtype));
        cases.extend(slices(dtype));
        cases.extend(arrangements(dtype));
    }
    cases
}

/// A case for one op on an input, as it is and, for floats, between computations that fuse with it.
fn moved(name: &str, ty: TensorType, op: Op, declared: Option<TensorType>) -> Vec<Case> {
    let apply = |b: &mut Builder, x| match &declared {
        Some(ty) => b.declare(op.clone(), &[x], ty.clone()),
        None => b.add_node(op.clone(), &[x]),
    };
    let name = format!("{name} of {ty}");
    let plain = Case::new(name.clone(), |b| {
        let x = b.input("x", ty.clone())?;
        Ok(vec![apply(b, x)?])
    });
    if ty.dtype != DType::F32 {
        return vec![plain];
    }
    let fused = Case::new(format!("{name}, fused"), |b| {
        let x = b.input("x", ty.clone())?;
        let before = b.unary(Unary::Sigmoid, x)?;
        let after = apply(b, before)?;
        let last = b.shape(after).rank().checked_sub(1);
        let reduced = b.reduce(Reduction::Sum, after, &last.into_iter().collect::<Vec<_>>())?;
        Ok(vec![b.unary(Unary::Tanh, after)?, reduced])
    });
    vec![plain, fused]
}

fn broadcasts(dtype: DType) -> Vec<Case> {
    let forms: [(TensorType, Vec<usize>, TensorType); 8] = [
        (fixed(dtype, &[]), vec![], batched(dtype, &[3])),
        (fixed(dtype, &[]), vec![], fixed(dtype, &[2, 3])),
        (fixed(dtype, &[5]), vec![1], batched(dtype, &[5])),
        (fixed(dtype, &[5]), vec![1], batched(dtype, &[5, 3])),
        (batched(dtype, &[]), vec![0], batched(dtype, &[4, 3])),
        (fixed(dtype, &[1, 5]), vec![0, 2], batched(dtype, &[3, 5])),
        (batched(dtype, &[1, 3]), vec![0, 1, 2], batched(dtype, &[17, 3])),
        (fixed(dtype, &[3, 1]), vec![1, 3], batched(dtype, &[3, 2, 4])),
    ];
    let all = forms.into_iter().flat_map(|(from, axes, to)| {
        moved(&format!("broadcast to {to}"), from, Op::Broadcast { axes }, Some(to))
    });
    all.collect()
}

fn reshapes(dtype: DType) -> Vec<Case> {
    let merged = |scale, rest: &[usize]| {
        let dims = std::iter::once(Dim::Batch(scale)).chain(rest.iter().map(|&size| Dim::Fixed(size)));
        TensorType::new(dtype, Shape(dims.collect()))
    };
    let forms = [
        (batched(dtype, &[3, 5]), batched(dtype, &[15])),
        (batched(dtype, &[15]), batched(dtype, &[3, 5])),
        (batched(dtype, &[15]), batched(dtype, &[1, 5, 1, 3])),
        (batched(dtype, &[4, 6]), batched(dtype, &[8, 3])),
        (batched(dtype, &[4, 6]), batched(dtype, &[2, 3, 2, 2])),
        (batched(dtype, &[3, 5]), merged(3, &[5])),
        (batched(dtype, &[3, 5]), merged(15, &[])),
        (merged(6, &[5]), batched(dtype, &[2, 3, 5])),
        (merged(4, &[3]), merged(2, &[6])),
        (batched(dtype, &[]), batched(dtype, &[1, 1])),
        (fixed(dtype, &[1]), fixed(dtype, &[])),
        (fixed(dtype, &[35]), fixed(dtype, &[5, 7])),
    ];
    let all = forms
        .into_iter()
        .flat_map(|(from, to)| moved(&format!("reshape to {to}"), from, Op::Reshape, Some(to)));
    all.collect()
}

fn transposes(dtype: DType) -> Vec<Case> {
    let permutations: [&[usize]; 8] = [
        &[1, 0],
        &[0, 2, 1],
        &[2, 1, 0],
        &[1, 2, 0],
        &[0, 2, 3, 1],
        &[0, 3, 1, 2],
        &[3, 2, 1, 0],
        &[2, 0, 3, 1],
    ];
    let all = permutations.into_iter().flat_map(|permutation| {
        let ty = batched(dtype, &[3, 9, 5][..permutation.len() - 1]);
        moved(
            &format!("transpose {permutation:?}"),
            ty,
            Op::Transpose { permutation: permutation.to_vec() },
            None,
        )
    });
    all.collect()
}

fn slices(dtype: DType) -> Vec<Case> {
    let whole = usize::MAX;
    let forms: [[&[usize]; 3]; 6] = [
        [&[0, 0, 0], &[whole, whole, whole], &[1, 1, 1]],
        [&[0, 1, 2], &[whole, 5, 9], &[1, 1, 1]],
        [&[0, 0, 1], &[whole, 5, 9], &[1, 2, 3]],
        [&[0, 4, 8], &[whole, 5, 9], &[1, 1, 1]],
        [&[0, 3, 0], &[whole, whole, 8], &[1, 5, 7]],
        [&[0, 0, 3], &[whole, 1, 4], &[1, 1, 2]],
    ];
    let all = forms.into_iter().flat_map(|[starts, limits, strides]| {
        let op = Op::Slice { starts: starts.to_vec(), limits: limits.to_vec(), strides: strides.to_vec() };
        moved(&format!("slice {starts:?} by {strides:?}"), batched(dtype, &[5, 9]), op, None)
    });
    all.collect()
}

fn arrangements(dtype: DType) -> Vec<Case> {
    let mut cases = Vec::new();
    for (low, high) in [([0, 0, 0], [0, 0, 0]), ([0, 1, 2], [0, 0, 3]), ([0, 0, 0], [0, 4, 1])] {
        cases.push(Case::new(format!("pad {low:?} {high:?} of {dtype}"), |b| {
            let x = b.input("x", batched(dtype, &[3, 5]))?;
            let value = b.scalar(dtype, 7.0)?;
            Ok(vec![b.add_node(Op::Pad { low: low.to_vec(), high: high.to_vec() }, &[x, value])?])
        }));
        cases.push(Case::new(format!("pad {low:?} {high:?} of {dtype} with a computed value"), |b| {
            let x = b.input("x", batched(dtype, &[3, 5]))?;
            let value = b.input("value", fixed(dtype, &[]))?;
            Ok(vec![b.add_node(Op::Pad { low: low.to_vec(), high: high.to_vec() }, &[x, value])?])
        }));
    }
    for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1, 2]] {
        cases.extend(moved(
            &format!("reverse {axes:?}"),
            batched(dtype, &[3, 9]),
            Op::Reverse { axes },
            None,
        ));
    }
    if dtype != DType::Bool {
        for factors in [vec![1, 2, 1], vec![1, 3, 2], vec![1, 1, 4]] {
            let name = format!("dilate {factors:?}");
            cases.extend(moved(&name, batched(dtype, &[3, 5]), Op::Dilate { factors }, None));
        }
    }
    for (axis, sizes) in [(1, [[2, 3], [1, 3], [5, 3]]), (2, [[2, 3], [2, 8], [2, 1]])] {
        cases.push(Case::new(format!("concat {axis} of {dtype}"), |b| {
            let mut parts = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                parts.push(b.input(&format!("x{number}"), batched(dtype, size))?);
            }
            let twice = b.add_node(Op::Concat { axis }, &[parts[0], parts[0]])?;
            let reversed = b.add_node(Op::Reverse { axes: vec![axis] }, &[parts[2]])?;
            let three = b.add_node(Op::Concat { axis }, &[parts[0], parts[1], reversed])?;
            Ok(vec![twice, three, b.add_node(Op::Concat { axis }, &[parts[1]])?])
        }));
    }
    cases
}
