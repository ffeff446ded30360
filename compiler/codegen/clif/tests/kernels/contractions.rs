//! Contractions over odd extents, splits, strides and epilogues.

use crate::build::{check, i, noise, op, store, sum, v};
use dlc_kernel::{
    Binary, Body, Contraction, ContractionDim, Epilogue, EpilogueSum, Kernel, Operand, Role, ScalarOp, Split,
    Tap, Tile, Unary,
};
use dlc_types::{DType, Dim};

fn dim(name: &str, extent: impl Into<Dim>, role: Role, strides: [i64; 3]) -> ContractionDim {
    ContractionDim { name: name.into(), extent: extent.into(), role, strides, split: None }
}

fn plain(dims: Vec<ContractionDim>, tile: (usize, usize)) -> Contraction {
    Contraction {
        dims,
        offsets: [0; 3],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        accumulate: false,
        turns_rows: false,
        tile: Tile { vectors: tile.0, rows: tile.1 },
        epilogue: None,
    }
}

fn kernel(dtype: DType, contraction: Contraction, more: usize) -> Kernel {
    let operands = (0..3 + more)
        .map(|number| Operand { name: format!("o{number}"), dtype, writes: number >= 2, reads: true })
        .collect();
    Kernel {
        name: "contraction".into(),
        operands,
        space: contraction.space(),
        body: Body::Contraction(contraction),
    }
}

/// `C[m][n] = sum_k B[k][n] A[m][k]`, lanes along `n`.
fn product(n: usize, m: usize, k: usize, tile: (usize, usize)) -> Contraction {
    let (n_stride, k_stride) = (n as i64, k as i64);
    plain(
        vec![
            dim("n", n, Role::Lanes, [1, 0, 1]),
            dim("m", m, Role::Rows, [0, k_stride, n_stride]),
            dim("k", k, Role::Reduce, [n_stride, 1, 0]),
        ],
        tile,
    )
}

fn product_buffers(dtype: DType, n: usize, m: usize, k: usize) -> Vec<Vec<u8>> {
    vec![noise(dtype, (k * n).max(1), 1), noise(dtype, (m * k).max(1), 2), noise(dtype, (m * n).max(1), 3)]
}

fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F32 { 2e-6 } else { 1e-14 }
}

#[test]
fn products_of_odd_extents() {
    for dtype in [DType::F32, DType::F64] {
        for (n, m, k) in [
            (1, 1, 1),
            (3, 2, 5),
            (4, 1, 3),
            (5, 3, 1),
            (8, 5, 17),
            (17, 13, 33),
            (33, 7, 3),
            (16, 16, 0),
            (12, 6, 64),
        ] {
            for tile in [(2, 6), (1, 12), (3, 4), (4, 2), (9, 99)] {
                check(
                    &kernel(dtype, product(n, m, k, tile), 0),
                    1,
                    &product_buffers(dtype, n, m, k),
                    tolerance(dtype),
                );
            }
        }
    }
}

#[test]
fn results_are_added_where_asked() {
    let mut contraction = product(13, 5, 9, (2, 4));
    contraction.accumulate = true;
    check(&kernel(DType::F32, contraction, 0), 1, &product_buffers(DType::F32, 13, 5, 9), 2e-6);
}

#[test]
fn every_role_splits_over_the_batch() {
    for batch in [0, 1, 2, 5, 7, 16] {
        for (role, align) in
            [(Role::Rows, 1), (Role::Rows, 4), (Role::Lanes, 8), (Role::Lanes, 1), (Role::Sequential, 2)]
        {
            let rows = batch.max(1);
            let (lanes_extent, rows_extent) =
                if role == Role::Lanes { (Dim::N, 6.into()) } else { (19.into(), Dim::N) };
            let lanes = if role == Role::Lanes { rows } else { 19 };
            let count = if role == Role::Lanes { 6 } else { rows };
            let (l, k) = (16.max(lanes) as i64, 7_i64);
            let mut dims = vec![
                dim("n", lanes_extent, Role::Lanes, [1, 0, 1]),
                dim("m", rows_extent, Role::Rows, [0, k, l]),
                dim("k", 7, Role::Reduce, [l, 1, 0]),
            ];
            let mut size = count;
            if role == Role::Sequential {
                dims.insert(0, dim("s", Dim::Batch(2), Role::Sequential, [0, 0, l * 16]));
                size = 16 * 2 * 16;
            }
            let split = Some(Split { chunks: 3, align, result_stride: 0 });
            dims.iter_mut().find(|dim| dim.role == role).unwrap().split = split;
            let buffers = vec![
                noise(DType::F32, 7 * l as usize, 1),
                noise(DType::F32, 7 * 16, 2),
                noise(DType::F32, size.max(16) * l as usize, 3),
            ];
            check(&kernel(DType::F32, plain(dims, (2, 4)), 0), batch as i64, &buffers, 2e-6);
        }
    }
}

#[test]
fn split_reductions_keep_partial_sums() {
    for batch in [0, 1, 3, 8, 20] {
        for role in [Role::Reduce, Role::ReduceOuter] {
            for accumulate in [false, true] {
                // dW[ci][oc] = sum over n, p of dY[n][p][oc] X[n][p][ci]
                let mut contraction = plain(
                    vec![
                        dim("n", Dim::N, role, [5 * 9, 5 * 4, 0]),
                        dim("oc", 9, Role::Lanes, [1, 0, 1]),
                        dim("ci", 4, Role::Rows, [0, 1, 9]),
                        dim("p", 5, Role::Reduce, [9, 4, 0]),
                    ],
                    (2, 4),
                );
                contraction.dims[0].split = Some(Split { chunks: 4, align: 1, result_stride: 36 });
                contraction.accumulate = accumulate;
                let n = (batch as usize).max(1);
                let buffers = vec![
                    noise(DType::F32, n * 45, 1),
                    noise(DType::F32, n * 20, 2),
                    noise(DType::F32, 36 * 4, 3),
                ];
                check(&kernel(DType::F32, contraction, 0), batch, &buffers, 4e-6);
            }
        }
    }
}

fn window(dilation: i64, row: i64, channels: i64, kernel: i64) -> Vec<Tap> {
    (0..9)
        .map(|t| Tap { lanes: t * kernel, rows: (t / 3) * dilation * row + (t % 3) * dilation * channels })
        .collect()
}

fn convolution(ci: usize, oc: usize, q: usize, dilation: i64) -> (Contraction, Vec<Vec<u8>>) {
    let p = 4;
    let width = q as i64 + 2 * dilation;
    let (row, image) = (width * ci as i64, width * ci as i64 * (p + 2 * dilation));
    let (c, o) = (ci as i64, oc as i64);
    let mut contraction = plain(
        vec![
            dim("n", Dim::N, Role::Parallel, [0, image, p * q as i64 * o]),
            dim("p", p as usize, Role::Parallel, [0, row, q as i64 * o]),
            dim("oc", oc, Role::Lanes, [1, 0, 1]),
            dim("q", q, Role::Rows, [0, c, o]),
            dim("ci", ci, Role::Reduce, [o, 1, 0]),
        ],
        (2, 6),
    );
    contraction.taps = window(dilation, row, c, c * o);
    let buffers = vec![
        noise(DType::F32, 9 * ci * oc, 1),
        noise(DType::F32, 2 * image as usize, 2),
        noise(DType::F32, 2 * p as usize * q * oc, 3),
    ];
    (contraction, buffers)
}

#[test]
fn convolutions_and_dilated_ones() {
    for (ci, oc, q, dilation) in [(3, 16, 8, 1), (16, 16, 32, 1), (17, 5, 7, 2), (8, 32, 16, 3), (1, 4, 3, 1)]
    {
        let (contraction, buffers) = convolution(ci, oc, q, dilation);
        check(&kernel(DType::F32, contraction, 0), 2, &buffers, 4e-6);
    }
}

#[test]
fn convolutions_with_an_epilogue() {
    for (ci, oc, q) in [(3, 16, 8), (5, 13, 7)] {
        let (mut contraction, buffers) = convolution(ci, oc, q, 1);
        let place = [0, 1, 2, 3].map(|dim| (dim, contraction.dims[dim].strides[2]));
        contraction.epilogue = Some(Epilogue {
            coordinates: (0..5).map(i).collect(),
            value: v(0),
            statements: vec![
                op(1, DType::F32, ScalarOp::Constant(2.0), &[]),
                op(2, DType::F32, ScalarOp::Index(i(1)), &[]),
                op(3, DType::F32, ScalarOp::Binary(Binary::Multiply), &[1, 2]),
                op(4, DType::F32, ScalarOp::Index(i(2)), &[]),
                op(5, DType::F32, ScalarOp::FusedMultiplyAdd, &[0, 3, 4]),
                store(2, sum(&place, 0), 5),
            ],
            sums: Vec::new(),
        });
        check(&kernel(DType::F32, contraction, 0), 2, &buffers, 1e-5);
    }
}

#[test]
fn ragged_taps_read_a_table() {
    let (mut contraction, buffers) = convolution(5, 8, 6, 1);
    contraction.taps.remove(4);
    contraction.taps.swap(0, 6);
    check(&kernel(DType::F32, contraction, 0), 2, &buffers, 4e-6);
}

#[test]
fn strides_may_be_negative_or_leave_lanes_apart() {
    // Reduction from behind, result in the other order.
    let mut contraction = product(10, 6, 11, (2, 4));
    contraction.dims[2].strides = [-10, -1, 0];
    contraction.offsets = [100, 10, 0];
    check(&kernel(DType::F32, contraction, 0), 1, &product_buffers(DType::F32, 10, 6, 11), 2e-6);
    let mut contraction = product(10, 6, 11, (2, 4));
    contraction.dims[0].strides = [1, 0, 6];
    contraction.dims[1].strides[2] = 1;
    check(&kernel(DType::F32, contraction, 0), 1, &product_buffers(DType::F32, 10, 6, 11), 2e-6);
    // Depthwise: the rows operand moves along the lanes.
    for channels in [1, 3, 9, 32] {
        let c = channels as i64;
        let contraction = plain(
            vec![
                dim("c", channels, Role::Lanes, [1, 1, 1]),
                dim("q", 4, Role::Rows, [0, c, c]),
                dim("s", 3, Role::Reduce, [c, c, 0]),
            ],
            (2, 4),
        );
        let sizes = [3 * channels, 6 * channels, 4 * channels];
        let buffers = [1, 2, 3].map(|seed| noise(DType::F32, sizes[seed as usize - 1], seed)).to_vec();
        check(&kernel(DType::F32, contraction, 0), 1, &buffers, 2e-6);
    }
    // Batched by rows: the lanes operand moves along the rows.
    let contraction = plain(
        vec![
            dim("n", 9, Role::Lanes, [1, 0, 1]),
            dim("m", 4, Role::Rows, [27, 3, 9]),
            dim("k", 3, Role::Reduce, [9, 1, 0]),
        ],
        (2, 4),
    );
    let buffers = vec![noise(DType::F32, 27 * 4, 1), noise(DType::F32, 12, 2), noise(DType::F32, 36, 3)];
    check(&kernel(DType::F32, contraction, 0), 1, &buffers, 2e-6);
}

#[test]
fn epilogues_see_every_element_once() {
    for (role, batch) in [(Role::Reduce, 2), (Role::ReduceOuter, 3), (Role::ReduceOuter, 0)] {
        for (n, m) in [(8, 6), (13, 7), (2, 3)] {
            let (n_stride, m_stride) = (n as i64, m as i64);
            let mut contraction = plain(
                vec![
                    dim("s", 2, Role::Sequential, [0, 5 * m_stride * 3, n_stride * m_stride]),
                    dim("r", Dim::N, role, [n_stride * 5, m_stride * 5, 0]),
                    dim("n", n, Role::Lanes, [1, 0, 1]),
                    dim("m", m, Role::Rows, [0, 5, n_stride]),
                    dim("k", 5, Role::Reduce, [n_stride, 1, 0]),
                ],
                (2, 4),
            );
            // other = relu(sum + bias[n]) * (index of m), kept transposed in another operand too
            let float = DType::F32;
            let place = sum(&[(0, n_stride * m_stride), (2, 1), (3, n_stride)], 0);
            let turned = sum(&[(0, n_stride * m_stride), (2, m_stride), (3, 1)], 0);
            contraction.epilogue = Some(Epilogue {
                coordinates: (0..5).map(i).collect(),
                value: v(0),
                statements: vec![
                    dlc_kernel::Statement::Load {
                        result: v(1),
                        operand: 3,
                        index: sum(&[(2, 1)], 0),
                        guard: None,
                    },
                    op(2, float, ScalarOp::Binary(Binary::Add), &[0, 1]),
                    op(3, float, ScalarOp::Unary(Unary::Relu), &[2]),
                    op(4, float, ScalarOp::Index(i(3)), &[]),
                    op(5, float, ScalarOp::Binary(Binary::Multiply), &[3, 4]),
                    store(2, place, 2),
                    store(4, turned, 5),
                ],
                sums: Vec::new(),
            });
            let buffers = vec![
                noise(float, n * 5 * 3, 1),
                noise(float, m * 5 * 3 * 2, 2),
                noise(float, 2 * n * m, 3),
                noise(float, n, 4),
                noise(float, 2 * n * m, 5),
            ];
            check(&kernel(float, contraction, 2), batch, &buffers, 1e-5);
        }
    }
}

/// Sums of the results and of their products with another operand over rows and a sequential dimension.
fn sums_of(dtype: DType, (n, m, s): (usize, usize, usize), lanes_split: usize) -> (Kernel, Vec<Vec<u8>>) {
    let (n_stride, m_stride) = (n as i64, m as i64);
    let image = s as i64 * n_stride * m_stride;
    let mut contraction = plain(
        vec![
            dim("b", Dim::N, Role::Parallel, [0, 7, image]),
            dim("s", s, Role::Sequential, [0, 5 * m_stride, n_stride * m_stride]),
            dim("n", n, Role::Lanes, [1, 0, 1]),
            dim("m", m, Role::Rows, [0, 5, n_stride]),
            dim("k", 5, Role::Reduce, [n_stride, 1, 0]),
        ],
        (2, 4),
    );
    if lanes_split > 1 {
        contraction.dims[2].split = Some(Split { chunks: lanes_split, align: 4, result_stride: 0 });
    }
    let place = sum(&[(0, image), (1, n_stride * m_stride), (2, 1), (3, n_stride)], 0);
    let at = |constant: i64| sum(&[(0, n_stride + 1), (2, 1)], constant);
    contraction.epilogue = Some(Epilogue {
        coordinates: (0..5).map(i).collect(),
        value: v(0),
        statements: vec![
            dlc_kernel::Statement::Load { result: v(1), operand: 3, index: place.clone(), guard: None },
            op(2, dtype, ScalarOp::Binary(Binary::Multiply), &[0, 1]),
            store(2, place, 0),
        ],
        sums: vec![
            EpilogueSum { operand: 4, index: at(0), value: v(0) },
            EpilogueSum { operand: 5, index: at(2), value: v(2) },
        ],
    });
    let elements = s * n * m;
    let buffers = vec![
        noise(dtype, n * 5, 1),
        noise(dtype, m * 5 * s + 14, 2),
        noise(dtype, 3 * elements, 3),
        noise(dtype, 3 * elements, 4),
        noise(dtype, 3 * n + 6, 5),
        noise(dtype, 3 * n + 6, 6),
    ];
    (kernel(dtype, contraction, 3), buffers)
}

#[test]
fn epilogues_sum_over_the_elements_of_a_point() {
    for dtype in [DType::F32, DType::F64] {
        for extents in
            [(1, 1, 1), (3, 5, 1), (5, 7, 2), (16, 8, 1), (17, 13, 3), (33, 1, 2), (8, 0, 2), (9, 3, 0)]
        {
            for lanes_split in [1, 3] {
                for batch in [1, 3] {
                    let (kernel, buffers) = sums_of(dtype, extents, lanes_split);
                    dlc_kernel::verify_kernel(&kernel).unwrap();
                    check(&kernel, batch, &buffers, 2e-5);
                }
            }
        }
    }
}
