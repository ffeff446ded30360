//! Loop kernels: tails, guards, carries, nests, index statements, strides.

use crate::build::{at, check, i, kernel, lanes, load, noise, op, store, sum, v};
use crate::evaluator::{Number, read};
use crate::machine::Machine;
use dlc_kernel::{
    Affine, Binary, Carry, Combine, Comparison, Guard, IndexExpr, Kernel, Loop, ScalarOp, Statement, Unary,
};
use dlc_types::{DType, Dim};

const F: DType = DType::F32;
const ADD: ScalarOp = ScalarOp::Binary(Binary::Add);
const MUL: ScalarOp = ScalarOp::Binary(Binary::Multiply);

fn guarded(
    result: usize,
    operand: usize,
    index: Affine,
    ranges: Vec<(Affine, i64, i64)>,
    fill: f64,
) -> Statement {
    Statement::Load { result: v(result), operand, index, guard: Some(Guard { ranges, fill }) }
}

fn each(var: usize, start: Affine, end: Affine, body: Vec<Statement>) -> Loop {
    Loop { var: i(var), start, end, lanes: false, carries: Vec::new(), body }
}

fn carry(
    dtype: DType,
    initial: usize,
    current: usize,
    next: usize,
    result: usize,
    combine: Option<Combine>,
) -> Carry {
    Carry { dtype, initial: v(initial), current: v(current), next: v(next), result: v(result), combine }
}

#[test]
fn a_wrong_result_is_seen() {
    let body = vec![load(0, 0, at(1)), op(1, F, ADD, &[0, 0]), store(1, at(1), 1)];
    let kernel = kernel(&[F, F], &[], &[], vec![Statement::For(lanes(1, Affine::constant(9), body))]);
    let mut buffers = vec![noise(F, 9, 1), noise(F, 9, 2)];
    Machine::new(&kernel, true).unwrap().run(1, 0, 1, &mut buffers);
    let (x, y) = (read(&buffers[0], F, 8).float(), read(&buffers[1], F, 8));
    assert_eq!(y, Number::Float(x + x));
}

#[test]
fn tails_of_every_length() {
    for dtype in [DType::F32, DType::F64, DType::I32, DType::I64] {
        for length in 0..40_i64 {
            for by_batch in [false, true] {
                let end = if by_batch { Affine::extent(Dim::N) } else { Affine::constant(length) };
                let body = vec![
                    load(0, 0, sum(&[(0, 50), (1, 1)], 0)),
                    load(1, 1, sum(&[(1, 1)], 2)),
                    op(2, dtype, MUL, &[0, 1]),
                    op(3, dtype, ADD, &[2, 0]),
                    store(2, sum(&[(0, 50), (1, 1)], 0), 3),
                ];
                let kernel =
                    kernel(&[dtype; 3], &[Dim::Fixed(3)], &[0], vec![Statement::For(lanes(1, end, body))]);
                let buffers = vec![noise(dtype, 150, 1), noise(dtype, 60, 2), noise(dtype, 150, 3)];
                check(&kernel, length, &buffers, 1e-6);
            }
        }
    }
}

#[test]
fn spaces_count_up_with_carry() {
    // o[a][n][c] = its own coordinates
    let statements = vec![
        op(0, DType::I64, ScalarOp::Index(i(0)), &[]),
        op(1, DType::I64, ScalarOp::Index(i(1)), &[]),
        op(2, DType::I64, ScalarOp::Index(i(2)), &[]),
        op(3, DType::I64, ScalarOp::Integer(100), &[]),
        op(4, DType::I64, MUL, &[0, 3]),
        op(5, DType::I64, ADD, &[4, 1]),
        op(6, DType::I64, MUL, &[5, 3]),
        op(7, DType::I64, ADD, &[6, 2]),
        Statement::Index { result: i(3), expr: IndexExpr::Form(sum(&[(1, 7), (2, 1)], 0)) },
        store(0, sum(&[(0, 100), (3, 1)], 0), 7),
    ];
    let kernel = kernel(&[DType::I64], &[Dim::Fixed(3), Dim::N, Dim::Fixed(7)], &[0, 1, 2], statements);
    for batch in [0, 1, 5, 13] {
        check(&kernel, batch, &[noise(DType::I64, 400, 1)], 0.0);
    }
}

fn reduction(
    dtype: DType,
    combine: Combine,
    binary: Binary,
    initial: f64,
    extra: &[Statement],
    next_of: usize,
) -> Kernel {
    let mut body = vec![load(10, 0, sum(&[(0, 64), (1, 1)], 0))];
    body.extend_from_slice(extra);
    body.push(op(12, dtype, ScalarOp::Binary(binary), &[11, next_of]));
    let mut nest = lanes(1, Affine::extent(Dim::N), body);
    nest.carries.push(carry(dtype, 0, 11, 12, 13, Some(combine)));
    let statements =
        vec![op(0, dtype, ScalarOp::Constant(initial), &[]), Statement::For(nest), store(1, at(0), 13)];
    kernel(&[dtype, dtype], &[Dim::Fixed(3)], &[0], statements)
}

#[test]
fn lanes_carries_of_every_kind() {
    for dtype in [DType::F32, DType::F64, DType::I32, DType::I64] {
        for (combine, binary, initial) in [
            (Combine::Sum, Binary::Add, 3.0),
            (Combine::Product, Binary::Multiply, 2.0),
            (Combine::Max, Binary::Max, -0.5),
            (Combine::Min, Binary::Min, -0.25),
            (Combine::Max, Binary::Max, -1e9),
        ] {
            let kernel = reduction(dtype, combine, binary, initial, &[], 10);
            for batch in (0..20).chain([31, 32, 33, 63, 64]) {
                check(&kernel, batch, &[noise(dtype, 192, 4), noise(dtype, 3, 5)], 1e-5);
            }
        }
    }
}

#[test]
fn nan_passes_through_max() {
    let kernel = reduction(F, Combine::Max, Binary::Max, 0.0, &[], 10);
    let mut input: Vec<f64> = (0..192).map(f64::from).collect();
    input[64 + 5] = f64::NAN;
    input[128 + 18] = f64::NAN;
    check(&kernel, 19, &[crate::build::buffer(F, &input), noise(F, 3, 5)], 0.0);
}

#[test]
fn lanes_carries_of_costly_terms() {
    let extra = [op(14, F, ScalarOp::Unary(Unary::Exp), &[10]), op(15, F, MUL, &[14, 14])];
    let kernel = reduction(F, Combine::Sum, Binary::Add, 0.0, &extra, 15);
    for batch in [0, 3, 4, 21, 64] {
        check(&kernel, batch, &[noise(F, 192, 4), noise(F, 3, 5)], 1e-5);
    }
}

/// A pooling window over NHWC: lanes over channels, guards without the lane variable, nested loops inside.
fn pooling(
    height: i64,
    width: i64,
    channels: i64,
    window: i64,
    stride: i64,
    padding: i64,
    rolled: bool,
) -> Kernel {
    let out = |size: i64| (size + 2 * padding - window) / stride + 1;
    let row = sum(&[(1, stride), (4, 1)], -padding);
    let column = sum(&[(2, stride), (5, 1)], -padding);
    let index = row
        .times(width * channels)
        .plus(&column.times(channels))
        .plus(&sum(&[(0, height * width * channels), (3, 1)], 0));
    let size = if rolled {
        sum(&[], 0).plus(&Affine { batch: window, ..Affine::default() })
    } else {
        Affine::constant(window)
    };
    let mut inner = each(
        5,
        Affine::default(),
        size.clone(),
        vec![
            guarded(20, 0, index, vec![(row, 0, height), (column, 0, width)], f64::NEG_INFINITY),
            op(21, F, ScalarOp::Binary(Binary::Max), &[23, 20]),
        ],
    );
    inner.carries.push(carry(F, 22, 23, 21, 24, None));
    let mut outer = each(4, Affine::default(), size, vec![Statement::For(inner)]);
    outer.carries.push(carry(F, 30, 22, 24, 31, None));
    let place = sum(
        &[(0, out(height) * out(width) * channels), (1, out(width) * channels), (2, channels), (3, 1)],
        0,
    );
    let body = vec![
        op(30, F, ScalarOp::Constant(f64::NEG_INFINITY), &[]),
        Statement::For(outer),
        store(1, place, 31),
    ];
    let space = [Dim::N, Dim::Fixed(out(height) as usize), Dim::Fixed(out(width) as usize)];
    kernel(&[F, F], &space, &[0, 1, 2], vec![Statement::For(lanes(3, Affine::constant(channels), body))])
}

#[test]
fn guarded_windows() {
    for (height, width, channels, window, stride, padding) in
        [(6, 5, 16, 3, 1, 1), (7, 7, 6, 3, 2, 1), (4, 4, 3, 2, 2, 0), (5, 5, 21, 5, 1, 2), (4, 4, 4, 4, 1, 2)]
    {
        for rolled in [false, true] {
            let kernel = pooling(height, width, channels, window, stride, padding, rolled);
            let out = |size: i64| (size + 2 * padding - window) / stride + 1;
            let inputs = (height * width * channels) as usize;
            let outputs = (out(height) * out(width) * channels) as usize;
            check(&kernel, 1, &[noise(F, inputs, 1), noise(F, outputs, 2)], 0.0);
        }
    }
}

#[test]
fn guards_that_depend_on_the_lane() {
    for dtype in [DType::F32, DType::F64, DType::I32, DType::Bool, DType::I64] {
        for (stride, shift, length) in [(1, -2, 19), (2, -3, 11), (-1, 12, 15), (1, 0, 4), (3, 1, 8)] {
            let form = sum(&[(1, stride)], shift);
            let body = vec![
                guarded(0, 0, form.clone().plus(&sum(&[(0, 16)], 0)), vec![(form, 0, 13)], 1.0),
                store(1, sum(&[(0, 20), (1, 1)], 0), 0),
            ];
            let kernel = kernel(
                &[dtype, dtype],
                &[Dim::Fixed(2)],
                &[0],
                vec![Statement::For(lanes(1, Affine::constant(length), body))],
            );
            check(&kernel, 1, &[noise(dtype, 32, 1), noise(dtype, 40, 2)], 0.0);
        }
    }
}

#[test]
fn strided_and_gathered_lanes() {
    for dtype in [DType::F32, DType::F64, DType::I64, DType::Bool] {
        // o[2 i] = a[indices[i]][(i / 3) % 5], and a chunked index
        let body = vec![
            load(0, 2, at(1)),
            Statement::Index { result: i(2), expr: IndexExpr::Clamped(v(0), Affine::constant(6)) },
            Statement::Index { result: i(3), expr: IndexExpr::Quotient(at(1), 3) },
            Statement::Index { result: i(4), expr: IndexExpr::Remainder(at(3), 5) },
            load(1, 0, sum(&[(2, 5), (4, 1)], 0)),
            store(1, sum(&[(1, 2)], 0), 1),
            Statement::Index {
                result: i(5),
                expr: IndexExpr::ChunkStart { form: Affine::constant(23), chunk: at(1), chunks: 22 },
            },
            load(3, 0, at(5)),
            store(1, sum(&[(1, 2)], 1), 3),
        ];
        let kernel = kernel(
            &[dtype, dtype, DType::I32],
            &[],
            &[],
            vec![Statement::For(lanes(1, Affine::extent(Dim::N), body))],
        );
        for batch in [0, 1, 7, 22] {
            check(&kernel, batch, &[noise(dtype, 30, 1), noise(dtype, 44, 2), noise(DType::I32, 22, 3)], 0.0);
        }
    }
}

#[test]
fn chunked_reductions_over_the_batch() {
    let start =
        |chunk: Affine| IndexExpr::ChunkStart { form: Affine::extent(Dim::Batch(3)), chunk, chunks: 4 };
    let mut nest = each(5, at(3), at(4), vec![load(2, 0, at(5)), op(3, F, ADD, &[1, 2])]);
    nest.carries.push(carry(F, 0, 1, 3, 4, None));
    let statements = vec![
        Statement::Index { result: i(3), expr: start(at(0)) },
        Statement::Index { result: i(4), expr: start(sum(&[(0, 1)], 1)) },
        op(0, F, ScalarOp::Constant(0.0), &[]),
        Statement::For(nest),
        store(1, at(0), 4),
    ];
    let kernel = kernel(&[F, F], &[Dim::Fixed(4)], &[0], statements);
    for batch in [0, 1, 3, 10] {
        check(&kernel, batch, &[noise(F, 30, 1), noise(F, 4, 2)], 1e-6);
    }
}

#[test]
fn masks_in_memory() {
    for (float, count) in [(DType::F32, 23), (DType::F64, 9)] {
        let body = vec![
            load(0, 0, at(1)),
            load(1, 1, at(1)),
            op(2, DType::Bool, ScalarOp::Compare(Comparison::Greater), &[0, 5]),
            op(3, DType::Bool, ScalarOp::Binary(Binary::And), &[1, 2]),
            op(4, float, ScalarOp::Select, &[3, 0, 5]),
            op(6, float, ScalarOp::Cast, &[1]),
            op(7, float, ADD, &[4, 6]),
            store(2, at(1), 3),
            store(3, at(1), 7),
        ];
        let statements = vec![
            op(5, float, ScalarOp::Constant(0.1), &[]),
            Statement::For(lanes(1, Affine::constant(count as i64), body)),
        ];
        let kernel = kernel(&[float, DType::Bool, DType::Bool, float], &[], &[], statements);
        let buffers = [
            noise(float, count, 1),
            noise(DType::Bool, count, 2),
            noise(DType::Bool, count, 3),
            noise(float, count, 4),
        ];
        check(&kernel, 1, &buffers, 1e-6);
    }
}

#[test]
fn dropout_mixes_sizes() {
    // o = random(seed, step, i) < 0.5 ? 0 : x / 0.5, with 64-bit counters beside 32-bit values.
    let body = vec![
        load(3, 0, at(1)),
        op(4, DType::I64, ScalarOp::Index(i(1)), &[]),
        op(5, F, ScalarOp::Random { stream: 3 }, &[0, 1, 4]),
        op(6, DType::Bool, ScalarOp::Compare(Comparison::Less), &[5, 2]),
        op(7, F, ScalarOp::Binary(Binary::Divide), &[3, 2]),
        op(8, F, ScalarOp::Constant(0.0), &[]),
        op(9, F, ScalarOp::Select, &[6, 8, 7]),
        store(1, at(1), 9),
    ];
    let statements = vec![
        load(0, 2, Affine::default()),
        load(1, 3, Affine::default()),
        op(2, F, ScalarOp::Constant(0.5), &[]),
        Statement::For(lanes(1, Affine::constant(21), body)),
    ];
    let kernel = kernel(&[F, F, DType::I64, DType::I32], &[], &[], statements);
    let buffers = [noise(F, 21, 1), noise(F, 21, 2), noise(DType::I64, 1, 3), noise(DType::I32, 1, 4)];
    check(&kernel, 1, &buffers, 0.0);
}

#[test]
fn softmax_by_rows() {
    // Three lanes loops over one row, carries between them.
    let row = |var: usize| sum(&[(0, 37), (var, 1)], 0);
    let mut largest = lanes(
        1,
        Affine::constant(37),
        vec![load(2, 0, row(1)), op(3, F, ScalarOp::Binary(Binary::Max), &[1, 2])],
    );
    largest.carries.push(carry(F, 0, 1, 3, 4, Some(Combine::Max)));
    let mut total = lanes(
        2,
        Affine::constant(37),
        vec![
            load(5, 0, row(2)),
            op(6, F, ScalarOp::Binary(Binary::Subtract), &[5, 4]),
            op(7, F, ScalarOp::Unary(Unary::Exp), &[6]),
            store(1, row(2), 7),
            op(9, F, ADD, &[8, 7]),
        ],
    );
    total.carries.push(carry(F, 10, 8, 9, 11, Some(Combine::Sum)));
    let scale = lanes(
        3,
        Affine::constant(37),
        vec![
            load(12, 1, row(3)),
            op(13, F, ScalarOp::Binary(Binary::Divide), &[12, 11]),
            store(1, row(3), 13),
        ],
    );
    let statements = vec![
        op(0, F, ScalarOp::Constant(f64::NEG_INFINITY), &[]),
        Statement::For(largest),
        op(10, F, ScalarOp::Constant(0.0), &[]),
        Statement::For(total),
        Statement::For(scale),
    ];
    let kernel = kernel(&[F, F], &[Dim::N], &[0], statements);
    check(&kernel, 5, &[noise(F, 185, 1), noise(F, 185, 2)], 1e-6);
}

#[test]
fn a_value_that_escapes_its_loop_is_refused() {
    let body = vec![load(0, 0, at(1))];
    let statements =
        vec![Statement::For(lanes(1, Affine::constant(4), body)), store(0, Affine::default(), 0)];
    let kernel = kernel(&[F], &[], &[], statements);
    assert!(Machine::new(&kernel, true).is_err());
}
