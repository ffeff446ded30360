use crate::finite_difference::{Case, over_batch};
use dlc_ir::Op;
use dlc_types::{DType, Dim, Shape};

#[test]
fn broadcast() {
    let case = Case::new().parameter("x", &[2, 1, 3]);
    case.check(|b, p| Ok(vec![b.broadcast(p[0], Shape::fixed(&[4, 2, 5, 3]), &[1, 2, 3])?]));
    let batch = Shape(vec![Dim::N, Dim::Fixed(2), Dim::Fixed(1), Dim::Fixed(3)]);
    case.check(|b, p| Ok(vec![b.broadcast(p[0], batch.clone(), &[1, 2, 3])?]));
    Case::new().parameter("x", &[]).check(|b, p| Ok(vec![b.broadcast(p[0], Shape::fixed(&[2, 2]), &[])?]));
}

#[test]
fn broadcast_of_one_to_the_batch() {
    let batch = Shape(vec![Dim::N, Dim::Fixed(2)]);
    Case::new().parameter("x", &[1, 2]).check(|b, p| Ok(vec![b.broadcast(p[0], batch.clone(), &[0, 1])?]));
}

#[test]
fn reshape_and_transpose() {
    let case = Case::new().parameter("x", &[2, 3, 4]);
    case.check(|b, p| Ok(vec![b.reshape(p[0], Shape::fixed(&[4, 6]))?]));
    case.check(|b, p| Ok(vec![b.transpose(p[0], &[2, 0, 1])?]));
    case.check(|b, p| {
        let x = over_batch(b, p[0])?;
        Ok(vec![b.reshape(x, Shape(vec![Dim::Batch(2), Dim::Fixed(12)]))?])
    });
}

fn slice(starts: &[usize], limits: &[usize], strides: &[usize]) -> Op {
    Op::Slice { starts: starts.to_vec(), limits: limits.to_vec(), strides: strides.to_vec() }
}

#[test]
fn slices() {
    let case = Case::new().parameter("x", &[5, 7]);
    let ops = [
        slice(&[1, 2], &[4, 7], &[1, 1]),
        slice(&[0, 1], &[5, 7], &[2, 3]),
        slice(&[4, 0], &[usize::MAX, usize::MAX], &[1, 4]),
        slice(&[0, 0], &[5, 6], &[9, 2]),
    ];
    for op in ops {
        case.check(|b, p| Ok(vec![b.add_node(op.clone(), &[p[0]])?]));
    }
    case.check(|b, p| {
        let x = over_batch(b, p[0])?;
        Ok(vec![b.add_node(slice(&[0, 1, 0], &[usize::MAX, 5, 7], &[1, 3, 2]), &[x])?])
    });
}

#[test]
fn slice_of_nothing() {
    Case::new().parameter("x", &[3]).check(|b, p| {
        let nothing = b.add_node(slice(&[2], &[2], &[1]), &[p[0]])?;
        Ok(vec![nothing])
    });
}

#[test]
fn pad() {
    let case = Case::new().parameter("x", &[2, 3]).parameter("value", &[]);
    let op = Op::Pad { low: vec![1, 0], high: vec![2, 3] };
    case.check(|b, p| Ok(vec![b.add_node(op.clone(), &[p[0], p[1]])?]));
    let op = Op::Pad { low: vec![0, 1, 0], high: vec![0, 2, 3] };
    case.check(|b, p| {
        let x = over_batch(b, p[0])?;
        Ok(vec![b.add_node(op.clone(), &[x, p[1]])?])
    });
}

#[test]
fn dilate_and_reverse() {
    let case = Case::new().parameter("x", &[3, 4]);
    case.check(|b, p| Ok(vec![b.add_node(Op::Dilate { factors: vec![3, 2] }, &[p[0]])?]));
    case.check(|b, p| Ok(vec![b.add_node(Op::Reverse { axes: vec![1] }, &[p[0]])?]));
    case.check(|b, p| {
        let x = over_batch(b, p[0])?;
        let dilated = b.add_node(Op::Dilate { factors: vec![1, 2, 1] }, &[x])?;
        Ok(vec![b.add_node(Op::Reverse { axes: vec![0, 1] }, &[dilated])?])
    });
}

#[test]
fn concat() {
    let case = Case::new().parameter("a", &[2, 3]).parameter("b", &[2, 1]);
    case.check(|b, p| {
        let constant = b.splat(DType::F64, Shape::fixed(&[2, 2]), 0.5)?;
        let joined = b.add_node(Op::Concat { axis: 1 }, &[p[0], constant, p[1], p[0]])?;
        Ok(vec![b.add_node(Op::Concat { axis: 0 }, &[joined])?])
    });
}
