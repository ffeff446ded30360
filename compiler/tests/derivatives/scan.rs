//! Scans: gradients of carries, slices and invariants, in both directions, and that the gradient of a weight is one
//! contraction behind the loop.

use crate::finite_difference::{Built, Case, batch_values, over_batch};
use dlc_ir::{Builder, Function, NodeId, Op, Reduction, Scan, ScanBuilder, Unary};

/// `[steps, N, rest…]` of a parameter `[steps, rest…]`.
fn stacked(b: &mut Builder, parameter: NodeId) -> Built {
    let wide = over_batch(b, parameter)?;
    let rank = b.shape(wide).rank();
    let axes: Vec<usize> = [1, 0].into_iter().chain(2..rank).collect();
    b.transpose(wide, &axes)
}

/// The body of the last scan of a function: of the reverse one, where it is differentiated.
fn last_body(function: &Function) -> &Scan {
    let scans = function.nodes.values().filter_map(|node| match &node.op {
        Op::Scan(scan) => Some(scan.as_ref()),
        _ => None,
    });
    scans.collect::<Vec<_>>().pop().unwrap()
}

fn contractions(function: &Function) -> usize {
    function.nodes.values().filter(|node| matches!(node.op, Op::Contract(_))).count()
}

fn cell(steps: usize, reverse: bool) -> Function {
    let case = Case::new()
        .parameter("h", &[3])
        .parameter("x", &[steps, 2])
        .parameter("w", &[2, 3])
        .parameter("u", &[3, 3])
        .parameter("bias", &[3]);
    case.check(|b, p| {
        let (h, x) = (over_batch(b, p[0])?, stacked(b, p[1])?);
        let mut scan = ScanBuilder::new(steps, reverse);
        let (h, x) = (scan.carry(b, h)?, scan.slice(b, x)?);
        let (w, u, bias) = (scan.invariant(b, p[2])?, scan.invariant(b, p[3])?, scan.invariant(b, p[4])?);
        let s = &mut scan.step;
        let (input, kept) = (s.matmul(x, w)?, s.contract(h, u, &[], &[(1, 1)])?);
        let sum = s.add(input, kept)?;
        let wide = s.broadcast_along(bias, s.shape(sum).clone(), 1)?;
        let sum = s.add(sum, wide)?;
        let next = s.unary(Unary::Tanh, sum)?;
        scan.leave(0, next);
        scan.result(next);
        scan.result(input);
        let (last, results) = scan.finish(b)?;
        Ok([last, results].concat())
    })
}

#[test]
fn recurrent_cell() {
    for steps in [1, 2, 4] {
        for reverse in [false, true] {
            let function = cell(steps, reverse);
            let scan = last_body(&function);
            assert_eq!(scan.reverse, !reverse);
            // Two lead to the carry and to the slice; those of the weights stand behind the loop.
            assert_eq!(contractions(&scan.body), 2, "{function}");
            assert_eq!(contractions(&function), 2, "{function}");
        }
    }
}

/// A gate over the last state and its candidate: values of the step that are computed again.
#[test]
fn gated_cell() {
    let case = Case::new()
        .parameter("h", &[4])
        .parameter("c", &[4])
        .parameter("x", &[3, 12])
        .parameter("u", &[4, 12]);
    for reverse in [false, true] {
        case.check(|b, p| {
            let (h, c, x) = (over_batch(b, p[0])?, over_batch(b, p[1])?, stacked(b, p[2])?);
            let mut scan = ScanBuilder::new(3, reverse);
            let (h, c) = (scan.carry(b, h)?, scan.carry(b, c)?);
            let (x, u) = (scan.slice(b, x)?, scan.invariant(b, p[3])?);
            let s = &mut scan.step;
            let reset = s.mul(h, c)?;
            let product = s.matmul(reset, u)?;
            let gates = s.add(x, product)?;
            let gate = |s: &mut Builder, number: usize, function| {
                let (starts, limits) = (vec![0, number * 4], vec![usize::MAX, number * 4 + 4]);
                let part = s.add_node(Op::Slice { starts, limits, strides: vec![1, 1] }, &[gates])?;
                s.unary(function, part)
            };
            let (f, o) = (gate(s, 0, Unary::Sigmoid)?, gate(s, 1, Unary::Sigmoid)?);
            let g = gate(s, 2, Unary::Tanh)?;
            let (kept, new) = (s.mul(f, c)?, s.mul(o, g)?);
            let c = s.add(kept, new)?;
            let shown = s.unary(Unary::Tanh, c)?;
            let h = s.mul(o, shown)?;
            scan.leave(0, h);
            scan.leave(1, c);
            scan.result(shown);
            Ok([scan.finish(b)?.1, vec![]].concat())
        });
    }
}

/// Shares that are no contractions are added up in a carry; a carry that takes in a parameter has a gradient from
/// the next step on; what has no gradient stays out.
#[test]
fn sums_in_a_carry() {
    let case = Case::new().parameter("scale", &[3]).parameter("x", &[4, 3]);
    for reverse in [false, true] {
        case.check(|b, p| {
            let (first, x) = (batch_values(b, &[3])?, stacked(b, p[1])?);
            let count = b.scalar(dlc_types::DType::I32, 0.0)?;
            let mut scan = ScanBuilder::new(4, reverse);
            let (h, count) = (scan.carry(b, first)?, scan.carry(b, count)?);
            let (x, scale) = (scan.slice(b, x)?, scan.invariant(b, p[0])?);
            let s = &mut scan.step;
            let number = s.cast(count, dlc_types::DType::F64)?;
            let number = s.broadcast_scalar(number, s.shape(h).clone())?;
            let wide = s.broadcast_along(scale, s.shape(h).clone(), 1)?;
            let product = s.mul(h, wide)?;
            let product = s.unary(Unary::Sin, product)?;
            let sum = s.add(product, x)?;
            let sum = s.add(sum, number)?;
            let square = s.mul(scale, scale)?;
            let more = s.shift(count, 1.0)?;
            scan.leave(0, sum);
            scan.leave(1, more);
            scan.result(square);
            let (last, results) = scan.finish(b)?;
            Ok(vec![last[0], results[0]])
        });
    }
}

#[test]
fn composites_reductions_and_inner_scans() {
    let case = Case::new().parameter("h", &[3]).parameter("x", &[2, 4, 3]).parameter("u", &[3, 3]);
    case.check(|b, p| {
        let (h, x) = (over_batch(b, p[0])?, stacked(b, p[1])?);
        let mut scan = ScanBuilder::new(2, false);
        let (h, x, u) = (scan.carry(b, h)?, scan.slice(b, x)?, scan.invariant(b, p[2])?);
        let soft = scan.step.add_node(Op::Softmax { axis: 1 }, &[h])?;
        let rows = scan.step.transpose(x, &[1, 0, 2])?;
        let mut inner = ScanBuilder::new(4, true);
        let (first, row) = (inner.carry(&scan.step, soft)?, inner.slice(&scan.step, rows)?);
        let matrix = inner.invariant(&scan.step, u)?;
        let product = inner.step.matmul(first, matrix)?;
        let sum = inner.step.add(product, row)?;
        let next = inner.step.unary(Unary::Sigmoid, sum)?;
        inner.leave(0, next);
        inner.result(first);
        let (last, rows) = inner.finish(&mut scan.step)?;
        let total = scan.step.reduce(Reduction::Max, rows[0], &[0])?;
        scan.leave(0, last[0]);
        scan.result(total);
        let (last, results) = scan.finish(b)?;
        Ok([last, results].concat())
    });
}

#[test]
fn a_second_time() {
    let case = Case::new().parameter("h", &[2]).parameter("u", &[2, 2]);
    case.check_twice(|b, p| {
        let h = over_batch(b, p[0])?;
        let mut scan = ScanBuilder::new(3, false);
        let (h, u) = (scan.carry(b, h)?, scan.invariant(b, p[1])?);
        let product = scan.step.matmul(h, u)?;
        let next = scan.step.unary(Unary::Sin, product)?;
        scan.leave(0, next);
        Ok(scan.finish(b)?.0)
    });
}
