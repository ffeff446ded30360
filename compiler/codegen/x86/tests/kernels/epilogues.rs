//! Contractions with epilogues, odd in every extent.

use crate::cases::{Case, dim, plain, split};
use dlc_kernel::{
    Affine, Binary, Comparison, Contraction, Epilogue, EpilogueSum, IndexVar, Role, ScalarOp, Statement, Tap,
    Unary, Var,
};
use dlc_types::index::EntityIndex;
use dlc_types::{DType, Dim};

/// What follows the sum of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    BiasRelu,
    Residual,
    ScaleShiftReluResidual,
    MaskSelect,
    TwoStores,
    Rows,
    Images,
    ManyOperands,
    Sum,
    TwoSums,
    /// Conditions in bytes, for each element and for each row.
    Conditions,
    /// The gradient behind a normalised activation, with both sums of its batch-norm.
    Gradient,
}

const TAILS: [Tail; 10] = [
    Tail::BiasRelu,
    Tail::Residual,
    Tail::ScaleShiftReluResidual,
    Tail::MaskSelect,
    Tail::TwoStores,
    Tail::Rows,
    Tail::Images,
    Tail::ManyOperands,
    Tail::Sum,
    Tail::TwoSums,
];

/// Extents: batch images, sequential, lanes, rows, reduced.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) sequential: usize,
    pub(crate) lanes: usize,
    pub(crate) rows: usize,
    pub(crate) reduced: usize,
    pub(crate) taps: usize,
}

fn form(terms: &[(usize, i64)], constant: i64) -> Affine {
    let mut form = Affine::constant(constant);
    for &(var, coefficient) in terms {
        form.add_term(IndexVar::from_usize(var), coefficient);
    }
    form
}

fn v(number: usize) -> Var {
    Var::from_usize(number)
}

fn load(result: usize, operand: usize, index: Affine) -> Statement {
    Statement::Load { result: v(result), operand, index, guard: None }
}

fn store(operand: usize, index: Affine, value: usize) -> Statement {
    Statement::Store { operand, index, value: v(value) }
}

fn op(result: usize, op: ScalarOp, args: &[usize]) -> Statement {
    let dtype = if matches!(op, ScalarOp::Compare(_)) { DType::Bool } else { DType::F32 };
    Statement::Let { result: v(result), dtype, op, args: args.iter().map(|&arg| v(arg)).collect() }
}

const ADD: ScalarOp = ScalarOp::Binary(Binary::Add);
const MULTIPLY: ScalarOp = ScalarOp::Binary(Binary::Multiply);
const RELU: ScalarOp = ScalarOp::Unary(Unary::Relu);

/// `[n][s][row][lane]` over coordinates 0 to 3, with room for `border` more lanes and one more row.
fn place(shape: Shape, border: i64) -> Affine {
    let [s, l, r] = [shape.sequential, shape.lanes, shape.rows].map(|extent| extent as i64);
    let (l, r) = (l + border, if border > 0 { r + 1 } else { r });
    form(&[(0, s * r * l), (1, r * l), (2, 1), (3, l)], border * (l + 1))
}

fn statements(tail: Tail, shape: Shape) -> (Vec<Statement>, Vec<EpilogueSum>) {
    let here = place(shape, 0);
    let lane = || form(&[(2, 1)], 0);
    let sum = |operand: usize, value: usize| EpilogueSum {
        operand,
        index: form(&[(0, shape.lanes as i64), (2, 1)], 3),
        value: v(value),
    };
    let statements = match tail {
        Tail::Gradient => vec![
            store(2, here.clone(), 0),
            load(1, 3, here),
            load(2, 4, lane()),
            op(3, ScalarOp::Binary(Binary::Subtract), &[1, 2]),
            load(4, 5, lane()),
            op(5, MULTIPLY, &[3, 4]),
            load(6, 6, lane()),
            op(7, ADD, &[5, 6]),
            op(8, RELU, &[7]),
            op(9, ScalarOp::Constant(0.0), &[]),
            op(10, ScalarOp::Compare(Comparison::Greater), &[8, 9]),
            op(11, ScalarOp::Select, &[10, 0, 9]),
            op(12, MULTIPLY, &[11, 3]),
        ],
        Tail::BiasRelu => vec![load(1, 3, lane()), op(2, ADD, &[0, 1]), op(3, RELU, &[2]), store(2, here, 3)],
        Tail::Residual => vec![load(1, 3, place(shape, 2)), op(2, ADD, &[0, 1]), store(2, here, 2)],
        Tail::ScaleShiftReluResidual => vec![
            load(1, 3, lane()),
            load(2, 4, lane()),
            load(3, 5, here.clone()),
            op(4, ScalarOp::FusedMultiplyAdd, &[0, 1, 2]),
            op(5, RELU, &[4]),
            op(6, ADD, &[5, 3]),
            store(2, here, 6),
        ],
        Tail::MaskSelect => vec![
            op(9, ScalarOp::Constant(0.0), &[]),
            load(1, 3, here.clone()),
            op(2, ScalarOp::Compare(Comparison::Greater), &[1, 9]),
            op(3, ScalarOp::Select, &[2, 0, 9]),
            store(2, here, 3),
        ],
        Tail::TwoStores => vec![
            load(1, 3, lane()),
            op(2, MULTIPLY, &[0, 1]),
            store(4, place(shape, 3), 2),
            op(3, RELU, &[2]),
            store(2, here, 3),
        ],
        // A factor for each row, and what the result held.
        Tail::Rows => vec![
            load(1, 3, form(&[(3, 2)], 1)),
            load(2, 2, here.clone()),
            op(3, ScalarOp::FusedMultiplyAdd, &[0, 1, 2]),
            op(4, ScalarOp::Binary(Binary::Max), &[3, 2]),
            store(2, here, 4),
        ],
        Tail::Images => vec![
            load(1, 3, Affine { batch: 1, ..form(&[(0, 1), (1, 1)], 1) }),
            op(2, ScalarOp::Extent(Dim::N), &[]),
            op(3, ScalarOp::Binary(Binary::Divide), &[0, 2]),
            op(4, ScalarOp::Unary(Unary::Negate), &[3]),
            op(5, ADD, &[4, 1]),
            store(2, here, 5),
        ],
        Tail::ManyOperands => {
            let mut statements: Vec<Statement> = (3..9).map(|o| load(o, o, place(shape, o as i64))).collect();
            let sums = (3..9).map(|o| op(10 + o, ADD, &[if o == 3 { 0 } else { 9 + o }, o]));
            statements.extend(sums);
            statements.push(store(2, here, 18));
            statements
        }
        Tail::Conditions => vec![
            op(9, ScalarOp::Constant(0.25), &[]),
            load(1, 3, here.clone()),
            op(2, ScalarOp::Select, &[1, 0, 9]),
            load(3, 4, form(&[(3, 1)], 0)),
            op(4, ScalarOp::Select, &[3, 2, 0]),
            store(2, here, 4),
        ],
        Tail::Sum => vec![store(2, here, 0)],
        Tail::TwoSums => vec![
            load(1, 3, lane()),
            load(2, 4, here.clone()),
            op(3, ScalarOp::Binary(Binary::Subtract), &[2, 1]),
            op(4, MULTIPLY, &[0, 3]),
            store(2, here, 0),
        ],
    };
    let sums = match tail {
        Tail::Sum => vec![sum(3, 0)],
        Tail::TwoSums => vec![sum(5, 0), sum(6, 4)],
        Tail::Gradient => vec![sum(7, 12), sum(8, 11)],
        _ => Vec::new(),
    };
    (statements, sums)
}

/// Images of rows of lanes.
pub(crate) fn contraction(tail: Tail, shape: Shape) -> Contraction {
    let [s, l, r, k] = [shape.sequential, shape.lanes, shape.rows, shape.reduced].map(|extent| extent as i64);
    let row = (r + shape.taps as i64) * k;
    let mut contraction = plain(vec![
        dim("n", Dim::N, Role::Parallel, [0, s * row, s * r * l]),
        dim("s", shape.sequential, Role::Sequential, [0, row, r * l]),
        dim("l", shape.lanes, Role::Lanes, [1, 0, 1]),
        dim("r", shape.rows, Role::Rows, [0, k, l]),
        dim("k", shape.reduced, Role::Reduce, [l, 1, 0]),
    ]);
    contraction.taps = (0..shape.taps as i64).map(|tap| Tap { lanes: tap * k * l, rows: tap * k }).collect();
    let (statements, sums) = statements(tail, shape);
    let coordinates = (0..5).map(IndexVar::from_usize).collect();
    contraction.epilogue = Some(Epilogue { coordinates, value: v(0), statements, sums });
    contraction
}

/// All of them.
pub(crate) fn epilogues(cases: &mut Vec<Case>) {
    let mut number = 0;
    for lanes in [1, 3, 5, 16, 17, 33, 48, 64] {
        for rows in [1, 5, 7, 8, 13, 32] {
            for tail in TAILS {
                number += 1;
                // Every other extent takes turns.
                let shape = Shape {
                    sequential: [1, 3, 1, 2][number % 4],
                    lanes,
                    rows,
                    reduced: [3, 8, 16, 1, 5][number % 5],
                    taps: [1, 3, 9][number % 3],
                };
                let mut contraction = contraction(tail, shape);
                contraction.accumulate = number % 7 == 0;
                if number % 11 == 0 {
                    contraction.dims[2] = split(contraction.dims[2].clone(), 2, 8, 0);
                }
                if number % 13 == 0 && contraction.epilogue.as_ref().unwrap().sums.is_empty() {
                    contraction.dims[3] = split(contraction.dims[3].clone(), 3, 1, 0);
                }
                if number % 17 == 0 && contraction.epilogue.as_ref().unwrap().sums.is_empty() {
                    contraction.dims[1] = split(contraction.dims[1].clone(), 2, 1, 0);
                }
                cases.push(Case::new(
                    format!("{tail:?} {lanes}x{rows} number {number}"),
                    contraction,
                    &[1, 3],
                ));
            }
        }
    }
    for (number, lanes) in [8, 16, 24, 40, 64, 72].into_iter().enumerate() {
        let reduced = if lanes == 72 { 1900 } else { 8 };
        let shape = Shape { sequential: 1 + number % 2, lanes, rows: 7, reduced, taps: 1 };
        let mut case =
            Case::new(format!("conditions {lanes}"), contraction(Tail::Conditions, shape), &[1, 2]);
        for operand in &mut case.kernel.operands[3..] {
            (operand.dtype, operand.writes) = (DType::Bool, false);
        }
        cases.push(case);
    }
    // A dense layer over the batch, in pieces.
    for tail in [Tail::BiasRelu, Tail::Residual, Tail::ScaleShiftReluResidual, Tail::MaskSelect, Tail::Rows] {
        for (lanes, chunks, align) in [(10, 1, 1), (33, 3, 4), (64, 2, 8)] {
            let mut dense = contraction(tail, Shape { sequential: 1, lanes, rows: 40, reduced: 24, taps: 1 });
            dense.dims[0].extent = Dim::Fixed(1);
            dense.dims[3].extent = Dim::N;
            dense.dims[3] = split(dense.dims[3].clone(), chunks, align, 0);
            cases.push(Case::new(format!("{tail:?} of a dense layer {lanes}"), dense, &[1, 5, 16, 31]));
        }
    }
    // Many rows, and all the registers that a short tile leaves.
    for (lanes, rows) in [(32, 64), (33, 64), (32, 13), (16, 40)] {
        let shape = Shape { sequential: 1, lanes, rows, reduced: 8, taps: 3 };
        let gradient = contraction(Tail::Gradient, shape);
        cases.push(Case::new(format!("gradient {lanes}x{rows}"), gradient, &[1, 3]));
    }
    // More weights than stay in a near cache: points once per tile of lanes.
    for tail in [Tail::BiasRelu, Tail::ManyOperands, Tail::TwoSums] {
        let shape = Shape { sequential: 2, lanes: 72, rows: 9, reduced: 800, taps: 3 };
        cases.push(Case::new(format!("{tail:?} of many weights"), contraction(tail, shape), &[2]));
    }
    // Lanes of unknown number, and nothing to reduce.
    for tail in TAILS {
        let shape = Shape { sequential: 2, lanes: 40, rows: 6, reduced: 3, taps: 2 };
        let mut open = contraction(tail, shape);
        open.dims[2] = split(open.dims[2].clone(), 3, 1, 0);
        cases.push(Case::new(format!("{tail:?} of open lanes"), open, &[2]));
        let mut empty = contraction(tail, shape);
        empty.dims[4].extent = Dim::Fixed(0);
        cases.push(Case::new(format!("{tail:?} of nothing"), empty, &[2]));
        let mut rowless = contraction(tail, shape);
        rowless.dims[3].extent = Dim::Fixed(0);
        cases.push(Case::new(format!("{tail:?} without rows"), rowless, &[2]));
        let mut apart = contraction(tail, shape);
        apart.dims[2].strides[0] = 6;
        apart.dims[4].strides[0] = 1;
        cases.push(Case::new(format!("{tail:?} of lanes apart"), apart, &[2]));
    }
}
