use crate::finite_difference::Case;
use dlc_ir::{Literal, Op, ScatterKind};
use dlc_types::DType;

#[test]
fn gather() {
    let case = Case::new().parameter("data", &[3, 4, 2]);
    for axis in 0..3 {
        case.check(|b, p| {
            let indices = b.constant(Literal::ints(DType::I32, &[2, 2], &[1, 0, 1, 1]))?;
            Ok(vec![b.add_node(Op::Gather { axis }, &[p[0], indices])?])
        });
    }
    // Indices out of range are clamped, and so are those of the gradient.
    case.check(|b, p| {
        let indices = b.constant(Literal::ints(DType::I32, &[3], &[-2, 9, 3]))?;
        Ok(vec![b.add_node(Op::Gather { axis: 1 }, &[p[0], indices])?])
    });
}

#[test]
fn gather_along() {
    let case = Case::new().parameter("data", &[2, 3, 2]);
    for (axis, dims) in [(0, [3, 3, 2]), (1, [2, 2, 2]), (2, [2, 3, 3])] {
        case.check(|b, p| {
            let count: usize = dims.iter().product();
            let places: Vec<i64> = (0..count as i64).map(|place| place * 7 % 5 - 1).collect();
            let indices = b.constant(Literal::ints(DType::I32, &dims, &places))?;
            Ok(vec![b.add_node(Op::GatherAlong { axis }, &[p[0], indices])?])
        });
    }
}

/// Two updates meet one element, and one is out of range.
#[test]
fn scatter() {
    let case = Case::new().parameter("data", &[2, 5, 2]).parameter("updates", &[2, 4, 2]);
    for kind in [ScatterKind::Add, ScatterKind::Set] {
        case.check_twice(|b, p| {
            let indices = b.constant(Literal::ints(DType::I32, &[4], &[4, 0, 4, -3]))?;
            let mixed = b.add_node(Op::Scatter { axis: 1, kind }, &[p[0], indices, p[1]])?;
            Ok(vec![b.mul(mixed, mixed)?])
        });
    }
}
