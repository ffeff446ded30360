//! General dot products: sizes around tiles, batch and crossed axes, operands that are views.

use super::{Built, Case, batched, fixed};
use dlc_ir::{Builder, NodeId, Op, Unary};
use dlc_types::{DType, TensorType};

const SIZES: [usize; 6] = [1, 3, 5, 8, 17, 33];

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rows in SIZES {
        for depth in SIZES {
            for columns in SIZES {
                cases.push(sized(rows, depth, columns));
            }
        }
    }
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool) {
        cases.extend(axes(dtype));
    }
    cases.extend(views());
    cases.push(large());
    cases.push(stored_view());
    cases
}

fn sized(rows: usize, depth: usize, columns: usize) -> Case {
    Case::new(format!("product {rows}x{depth}x{columns}"), |b| {
        let x = b.input("x", batched(DType::F32, &[rows, depth]))?;
        let w = b.input("w", fixed(DType::F32, &[depth, columns]))?;
        let g = b.input("g", batched(DType::F32, &[rows, columns]))?;
        let forward = b.contract(x, w, &[], &[(2, 0)])?;
        let to_input = b.contract(g, w, &[], &[(2, 1)])?;
        let to_weight = b.contract(x, g, &[], &[(0, 0), (1, 1)])?;
        Ok(vec![forward, to_input, to_weight])
    })
}

type Axes<'a> = &'a [(usize, usize)];

/// For both operands whether the batch comes first and the other extents, then batch axes and contracted
/// axes.
type Form<'a> = (bool, &'a [usize], bool, &'a [usize], Axes<'a>, Axes<'a>);

fn axes(dtype: DType) -> Vec<Case> {
    let forms: [Form<'_>; 14] = [
        (true, &[3, 5], true, &[5, 4], &[(0, 0)], &[(2, 1)]),
        (true, &[3, 5], true, &[4, 5], &[(0, 0)], &[(2, 2)]),
        (true, &[2, 3, 5], true, &[2, 5, 4], &[(0, 0), (1, 1)], &[(3, 2)]),
        (true, &[2, 3, 5], true, &[5, 2, 4], &[(0, 0), (1, 2)], &[(3, 1)]),
        (false, &[2, 3, 5], false, &[3, 5, 2], &[(0, 2)], &[(1, 0), (2, 1)]),
        (false, &[3, 5], false, &[5, 3], &[], &[(0, 1), (1, 0)]),
        (true, &[3, 5], true, &[5, 3], &[(0, 0)], &[(1, 2), (2, 1)]),
        (true, &[5], true, &[5], &[], &[(0, 0), (1, 1)]),
        (true, &[5], true, &[7], &[], &[(0, 0)]),
        (true, &[], false, &[7], &[], &[]),
        (false, &[3], false, &[4], &[], &[]),
        (true, &[9], true, &[9], &[(0, 0), (1, 1)], &[]),
        (true, &[4, 3, 5], false, &[3, 6, 5], &[], &[(2, 0), (3, 2)]),
        (true, &[17], false, &[17, 2, 9], &[], &[(1, 0)]),
    ];
    let typed = |with_batch: bool, sizes: &[usize]| -> TensorType {
        if with_batch { batched(dtype, sizes) } else { fixed(dtype, sizes) }
    };
    let all = forms.into_iter().map(|(first, left, second, right, batch, contract)| {
        let (left, right) = (typed(first, left), typed(second, right));
        Case::new(format!("contract {left} with {right}, batch {batch:?}, over {contract:?}"), |b| {
            let (x, y) = (b.input("x", left.clone())?, b.input("y", right.clone())?);
            Ok(vec![b.contract(x, y, batch, contract)?])
        })
    });
    all.collect()
}

fn views() -> Vec<Case> {
    type Make = fn(&mut Builder, NodeId) -> Result<NodeId, dlc_ir::InferError>;
    // From [N, 10, 10] to [N, 5, 10], in ways that a contraction might read in place.
    let makes: [(&str, Make); 7] = [
        ("slice", |b, x| slice(b, x, [0, 2, 0], [7, 10], [1, 1])),
        ("strided slice", |b, x| slice(b, x, [0, 1, 0], [10, 10], [2, 1])),
        ("transposed slice", |b, x| {
            let x = b.transpose(x, &[0, 2, 1])?;
            slice(b, x, [0, 5, 0], [10, 10], [1, 1])
        }),
        ("reversal", |b, x| {
            let x = slice(b, x, [0, 0, 0], [5, 10], [1, 1])?;
            b.add_node(Op::Reverse { axes: vec![1, 2] }, &[x])
        }),
        ("both strides", |b, x| {
            let x = slice(b, x, [0, 0, 0], [5, 10], [1, 2])?;
            let zero = b.scalar(DType::F32, 0.0)?;
            b.add_node(Op::Pad { low: vec![0, 0, 2], high: vec![0, 0, 3] }, &[x, zero])
        }),
        ("broadcast", |b, x| {
            let shape = b.shape(x).clone();
            let row = b.sum(x, &[1])?;
            let wide = b.broadcast(row, shape, &[0, 2])?;
            slice(b, wide, [0, 0, 0], [5, 10], [1, 1])
        }),
        ("dilation", |b, x| {
            let x = slice(b, x, [0, 0, 0], [3, 10], [1, 1])?;
            b.add_node(Op::Dilate { factors: vec![1, 2, 1] }, &[x])
        }),
    ];
    let mut cases = Vec::new();
    for (name, make) in makes {
        cases.push(Case::new(format!("contract a {name}"), |b| viewed(b, make)));
    }
    cases
}

fn viewed(
    b: &mut Builder,
    make: impl Fn(&mut Builder, NodeId) -> Result<NodeId, dlc_ir::InferError>,
) -> Built {
    let x = b.input("x", batched(DType::F32, &[10, 10]))?;
    let w = b.input("w", fixed(DType::F32, &[10, 6]))?;
    let x = make(b, x)?;
    Ok(vec![
        b.contract(x, w, &[], &[(2, 0)])?,
        b.contract(w, x, &[], &[(0, 2)])?,
        b.contract(x, x, &[(0, 0)], &[(2, 2)])?,
        b.contract(x, x, &[], &[(0, 0), (1, 1)])?,
    ])
}

fn slice(
    b: &mut Builder,
    x: NodeId,
    starts: [usize; 3],
    limits: [usize; 2],
    strides: [usize; 2],
) -> Result<NodeId, dlc_ir::InferError> {
    let op = Op::Slice {
        starts: starts.to_vec(),
        limits: vec![usize::MAX, limits[0], limits[1]],
        strides: vec![1, strides[0], strides[1]],
    };
    b.add_node(op, &[x])
}

/// Deep enough for several pieces of the reduction, wide enough for several tiles.
fn large() -> Case {
    Case::new("product with long sums", |b| {
        let x = b.input("x", batched(DType::F32, &[130, 257]))?;
        let w = b.input("w", fixed(DType::F32, &[257, 70]))?;
        let g = b.input("g", batched(DType::F32, &[130, 70]))?;
        Ok(vec![b.contract(x, w, &[], &[(2, 0)])?, b.contract(x, g, &[], &[(0, 0), (1, 1)])?])
    })
}

/// The operand is a view that has a buffer of its own, being an output.
fn stored_view() -> Case {
    Case::new("product with a transpose that is an output", |b| {
        let x = b.input("x", fixed(DType::F32, &[9, 20]))?;
        let x = b.unary(Unary::Tanh, x)?;
        let turned = b.transpose(x, &[1, 0])?;
        let w = b.input("w", fixed(DType::F32, &[9, 7]))?;
        Ok(vec![b.matmul(turned, w)?, turned, b.contract(w, turned, &[], &[(0, 1)])?])
    })
}
