//! Contraction kernels with odd extents, strides, splits and taps.

use dlc_kernel::{
    Affine, Body, Contraction, ContractionDim, Epilogue, IndexVar, Kernel, Operand, Role, Split, Statement,
    Tap, Tile,
};
use dlc_types::{DType, Dim};

/// A kernel and the batches to run it with.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kernel: Kernel,
    pub(crate) batches: Vec<usize>,
}

impl Case {
    pub(crate) fn new(name: String, contraction: Contraction, batches: &[usize]) -> Case {
        let operand = |number: usize| Operand {
            name: format!("o{number}"),
            dtype: DType::F32,
            writes: number >= 2,
            reads: true,
        };
        let kernel = Kernel {
            name: name.clone(),
            operands: (0..operands(&contraction)).map(operand).collect(),
            space: contraction.space(),
            body: Body::Contraction(contraction),
        };
        Case { name, kernel, batches: batches.to_vec() }
    }

    pub(crate) fn contraction(&self) -> &Contraction {
        let Body::Contraction(contraction) = &self.kernel.body else { unreachable!() };
        contraction
    }

    /// Elements that the kernel addresses in each operand.
    pub(crate) fn elements(&self, batch: usize) -> Vec<usize> {
        let contraction = self.contraction();
        let own = [0, 1, 2].map(|operand| {
            let mut last = contraction.offsets[operand];
            for dim in &contraction.dims {
                last += dim.strides[operand].max(0) * (dim.extent.at(batch) as i64 - 1).max(0);
                if let (2, Some(split)) = (operand, dim.split) {
                    last += split.result_stride * (split.chunks as i64 - 1);
                }
            }
            let taps = contraction.taps.iter().map(|tap| [tap.lanes, tap.rows, 0][operand]);
            last += taps.max().unwrap_or(0);
            last as usize + 1
        });
        let mut elements = own.to_vec();
        elements.resize(self.kernel.operands.len(), 1);
        for (operand, index) in contraction.epilogue.iter().flat_map(accesses) {
            let mut last = index.constant + index.batch * batch as i64;
            for (dim, &coordinate) in contraction.dims.iter().zip(coordinates(contraction)) {
                last += index.coefficient(coordinate) * (dim.extent.at(batch) as i64 - 1).max(0);
            }
            elements[operand] = elements[operand].max(last as usize + 1);
        }
        elements
    }
}

/// What an epilogue addresses.
fn accesses(epilogue: &Epilogue) -> Vec<(usize, &Affine)> {
    let statements = epilogue.statements.iter().filter_map(|statement| match statement {
        Statement::Load { operand, index, .. } | Statement::Store { operand, index, .. } => {
            Some((*operand, index))
        }
        _ => None,
    });
    statements.chain(epilogue.sums.iter().map(|sum| (sum.operand, &sum.index))).collect()
}

fn coordinates(contraction: &Contraction) -> &[IndexVar] {
    contraction.epilogue.as_ref().map_or(&[], |epilogue| &epilogue.coordinates)
}

fn operands(contraction: &Contraction) -> usize {
    let most = contraction.epilogue.iter().flat_map(accesses).map(|(operand, _)| operand + 1).max();
    most.unwrap_or(3).max(3)
}

pub(crate) fn dim(name: &str, extent: impl Into<Dim>, role: Role, strides: [i64; 3]) -> ContractionDim {
    ContractionDim { name: name.into(), extent: extent.into(), role, strides, split: None }
}

pub(crate) fn split(dim: ContractionDim, chunks: usize, align: usize, result_stride: i64) -> ContractionDim {
    ContractionDim { split: Some(Split { chunks, align, result_stride }), ..dim }
}

pub(crate) fn plain(dims: Vec<ContractionDim>) -> Contraction {
    Contraction {
        dims,
        offsets: [0; 3],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        accumulate: false,
        turns_rows: false,
        tile: Tile { vectors: 2, rows: 6 },
        epilogue: None,
    }
}

/// `C[m][n] = sum_k B[k][n] A[m][k]`, lanes along `n`.
fn product(n: usize, m: usize, k: usize) -> Contraction {
    let (n_stride, k_stride) = (n as i64, k as i64);
    plain(vec![
        dim("n", n, Role::Lanes, [1, 0, 1]),
        dim("m", m, Role::Rows, [0, k_stride, n_stride]),
        dim("k", k, Role::Reduce, [n_stride, 1, 0]),
    ])
}

fn products(cases: &mut Vec<Case>) {
    const SIZES: [usize; 11] = [1, 3, 5, 7, 8, 10, 16, 17, 21, 32, 33];
    const LENGTHS: [usize; 12] = [1, 3, 5, 7, 8, 10, 16, 17, 21, 33, 64, 129];
    for (i, &n) in SIZES.iter().chain(&[64]).enumerate() {
        for (j, &m) in SIZES.iter().chain(&[64]).enumerate() {
            let k = LENGTHS[(i * 5 + j * 7) % LENGTHS.len()];
            let mut contraction = product(n, m, k);
            contraction.accumulate = (i + j) % 4 == 0;
            cases.push(Case::new(format!("product {n}x{m}x{k}"), contraction, &[1]));
        }
    }
    for (n, m, k) in
        [(1, 1, 300), (16, 1, 784), (512, 1, 40), (100, 2, 30), (16, 16, 0), (0, 3, 4), (3, 0, 4)]
    {
        cases.push(Case::new(format!("product {n}x{m}x{k}"), product(n, m, k), &[1]));
    }
}

/// Forward over NHWC with padding, rows along a row of pixels.
fn convolution(ci: usize, oc: usize, q: usize, window: i64, stride: i64, dilation: i64) -> Contraction {
    let p = 3;
    let (c, o) = (ci as i64, oc as i64);
    let width = (q as i64 - 1) * stride + 1 + (window - 1) * dilation;
    let height = (p as i64 - 1) * stride + 1 + (window - 1) * dilation;
    let (row, image) = (width * c, width * height * c);
    let mut contraction = plain(vec![
        dim("n", Dim::N, Role::Parallel, [0, image, p as i64 * q as i64 * o]),
        dim("p", p, Role::Parallel, [0, row * stride, q as i64 * o]),
        dim("oc", oc, Role::Lanes, [1, 0, 1]),
        dim("q", q, Role::Rows, [0, c * stride, o]),
        dim("ci", ci, Role::Reduce, [o, 1, 0]),
    ]);
    contraction.taps = (0..window * window)
        .map(|t| Tap { lanes: t * c * o, rows: (t / window) * dilation * row + (t % window) * dilation * c })
        .collect();
    contraction
}

fn convolutions(cases: &mut Vec<Case>) {
    for (ci, oc, q, window, stride, dilation) in [
        (3, 16, 32, 3, 1, 1),
        (16, 16, 32, 3, 1, 1),
        (16, 10, 7, 3, 2, 1),
        (17, 5, 13, 3, 1, 2),
        (8, 33, 16, 3, 1, 3),
        (1, 1, 1, 3, 1, 1),
        (5, 21, 8, 1, 1, 1),
        (33, 17, 5, 1, 2, 1),
        (7, 64, 10, 5, 2, 1),
        (64, 32, 8, 3, 1, 1),
        // More weights than stay in a near cache.
        (512, 40, 5, 3, 1, 1),
    ] {
        let name = format!("convolution {ci}->{oc} {q} {window}/{stride}/{dilation}");
        cases.push(Case::new(name, convolution(ci, oc, q, window, stride, dilation), &[1, 3]));
    }
    let mut ragged = convolution(5, 20, 6, 3, 1, 1);
    ragged.taps.remove(4);
    ragged.taps.swap(0, 6);
    cases.push(Case::new("ragged taps".into(), ragged.clone(), &[2]));
    ragged.dims[4].extent = Dim::Fixed(1);
    cases.push(Case::new("ragged taps of one channel".into(), ragged.clone(), &[2]));
    ragged.dims.push(dim("more", 3, Role::Reduce, [1000, 100, 0]));
    ragged.dims.push(dim("most", Dim::N, Role::Reduce, [10, 7, 0]));
    cases.push(Case::new("ragged taps among loops".into(), ragged, &[1, 4, 5]));
}

/// `dW[r][ci][oc] = sum over n, p, q of dY X`, in pieces of the batch with a result each.
fn gradient(oc: usize, ci: usize, q: usize, blocks: usize, chunks: usize) -> Contraction {
    let (o, c, w) = (oc as i64, ci as i64, q as i64);
    let p = 4 * blocks as i64;
    let row = (w + 2) * c;
    let result = 3 * c * o;
    plain(vec![
        split(dim("n", Dim::N, Role::ReduceOuter, [p * w * o, row * (p + 2), 0]), chunks, 1, result),
        dim("block", blocks, Role::ReduceOuter, [4 * w * o, 4 * row, 0]),
        dim("r", 3, Role::Sequential, [0, row, c * o]),
        dim("oc", oc, Role::Lanes, [1, 0, 1]),
        dim("ci", ci, Role::Rows, [0, 1, o]),
        dim("p", 4, Role::Reduce, [w * o, row, 0]),
        dim("q", q, Role::Reduce, [o, c, 0]),
    ])
}

fn gradients(cases: &mut Vec<Case>) {
    for (oc, ci, q, blocks, chunks) in [
        (16, 3, 8, 1, 1),
        (16, 16, 8, 2, 4),
        (33, 7, 5, 3, 3),
        (10, 1, 1, 1, 2),
        (64, 32, 4, 2, 2),
        (5, 17, 3, 1, 16),
    ] {
        let name = format!("gradient {ci}->{oc} {q} blocks {blocks} chunks {chunks}");
        let mut contraction = gradient(oc, ci, q, blocks, chunks);
        contraction.accumulate = blocks == 3;
        cases.push(Case::new(name, contraction, &[1, 2, 3, 4, 5]));
    }
    // Visits of several images, and of some of the blocks.
    cases.push(Case::new("gradient in groups".into(), gradient(5, 3, 8, 1, 2), &[1, 15, 16, 17, 40]));
    cases.push(Case::new("gradient in groups of blocks".into(), gradient(20, 3, 8, 32, 2), &[1, 2, 3]));
    let mut reduced = gradient(17, 5, 3, 1, 3);
    reduced.dims[0].role = Role::Reduce;
    cases.push(Case::new("a split reduction".into(), reduced.clone(), &[0, 1, 2, 5]));
    reduced.dims.swap(0, 6);
    reduced.accumulate = true;
    cases.push(Case::new("a split innermost reduction".into(), reduced, &[0, 1, 4, 7]));
    let mut empty = gradient(17, 5, 3, 2, 2);
    empty.dims[1].extent = Dim::Fixed(0);
    cases.push(Case::new("an empty outer reduction".into(), empty, &[1, 3]));
    cases.push(Case::new("an outer reduction over no batch".into(), gradient(12, 5, 3, 2, 2), &[0]));
}

fn splits(cases: &mut Vec<Case>) {
    for (role, align) in [
        (Role::Rows, 1),
        (Role::Rows, 4),
        (Role::Lanes, 8),
        (Role::Lanes, 1),
        (Role::Lanes, 16),
        (Role::Sequential, 2),
    ] {
        let scale = if role == Role::Lanes { 13 } else { 3 };
        let batch = Dim::Batch(scale);
        let pick = |mine: Role, fixed: usize| if role == mine { batch } else { Dim::Fixed(fixed) };
        let mut dims = vec![
            dim("s", pick(Role::Sequential, 2), Role::Sequential, [0, 1, 100 * 40]),
            dim("n", pick(Role::Lanes, 19), Role::Lanes, [1, 0, 1]),
            dim("m", pick(Role::Rows, 9), Role::Rows, [0, 7, 100]),
            dim("k", 7, Role::Reduce, [100, 1, 0]),
        ];
        for divided in &mut dims {
            if divided.role == role {
                *divided = split(divided.clone(), 3, align, 0);
            }
        }
        cases.push(Case::new(format!("split {role:?} align {align}"), plain(dims), &[0, 1, 2, 3, 4, 5]));
    }
    for (extent, chunks, align) in [(64, 4, 8), (100, 3, 16), (48, 5, 1), (96, 3, 32)] {
        let mut contraction = product(extent, 12, 9);
        contraction.dims[0] = split(contraction.dims[0].clone(), chunks, align, 0);
        contraction.dims[1] = split(contraction.dims[1].clone(), 2, 2, 0);
        cases.push(Case::new(format!("pieces {extent} / {chunks} align {align}"), contraction, &[1]));
    }
}

/// Products without a free axis: lanes that multiply an element of their own, as channels of a depthwise
/// convolution do.
fn paired(cases: &mut Vec<Case>) {
    for (channels, width) in [(1, 5), (7, 1), (16, 9), (33, 13), (144, 6), (200, 3)] {
        let row = channels as i64;
        let rows = (width as i64 + 2) * row;
        let mut depthwise = plain(vec![
            dim("n", Dim::N, Role::Parallel, [0, 3 * rows, 4096 * 2]),
            dim("g", channels, Role::Lanes, [1, 1, 1]),
            dim("q", width, Role::Rows, [0, row, row]),
        ]);
        depthwise.taps =
            (0..9).map(|tap| Tap { lanes: tap * row, rows: tap / 3 * rows + tap % 3 * row }).collect();
        cases.push(Case::new(format!("paired {channels}x{width}"), depthwise.clone(), &[1, 2]));
        depthwise.dims[1] = split(depthwise.dims[1].clone(), 3, 4, 0);
        cases.push(Case::new(format!("paired {channels}x{width} in pieces"), depthwise, &[1]));
        let mut gradient = plain(vec![
            dim("n", Dim::N, Role::ReduceOuter, [rows * 3, rows * 3, 0]),
            dim("r", 3, Role::Sequential, [0, rows, 3 * row]),
            dim("g", channels, Role::Lanes, [1, 1, 1]),
            dim("s", 3, Role::Rows, [0, row, row]),
            dim("q", width, Role::Reduce, [row, row, 0]),
        ]);
        cases.push(Case::new(format!("paired gradient {channels}x{width}"), gradient.clone(), &[0, 1, 3]));
        gradient.dims[0] = split(gradient.dims[0].clone(), 2, 1, 9 * row);
        cases.push(Case::new(format!("paired gradient {channels}x{width} in pieces"), gradient, &[3]));
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    products(&mut cases);
    convolutions(&mut cases);
    gradients(&mut cases);
    splits(&mut cases);
    paired(&mut cases);
    let mut backwards = product(10, 6, 11);
    backwards.dims[2].strides = [-10, -1, 0];
    backwards.offsets = [100, 10, 0];
    cases.push(Case::new("a reduction from behind".into(), backwards, &[1]));
    for (n, m, k) in [(10, 8, 64), (33, 5, 7), (16, 1, 32), (100, 17, 9)] {
        let mut apart = product(n, m, k);
        apart.dims[0].strides[0] = k as i64;
        apart.dims[2].strides[0] = 1;
        cases.push(Case::new(format!("lanes apart {n}x{m}x{k}"), apart.clone(), &[1]));
        apart.dims[0] = split(apart.dims[0].clone(), 3, 1, 0);
        apart.dims[1].extent = Dim::N;
        cases.push(Case::new(format!("lanes apart {n}xNx{k}"), apart, &[1, 9]));
    }
    let mut batched = product(21, 6, 11);
    batched.dims.insert(0, dim("b", Dim::Batch(2), Role::Parallel, [21 * 11, 66, 126]));
    batched.dims.insert(1, dim("h", 3, Role::Parallel, [0, 7, 2000]));
    cases.push(Case::new("batched".into(), batched, &[1, 2, 3]));
    crate::epilogues::epilogues(&mut cases);
    cases
}
