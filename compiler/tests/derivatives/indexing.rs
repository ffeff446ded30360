use crate::finite_difference::Case;
use dlc_ir::{Literal, Op};
use dlc_types::{DType, Shape, TensorType};

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
fn scatter_add() {
    let case = Case::new().parameter("updates", &[2, 3, 2]);
    case.check_twice(|b, p| {
        let indices = b.constant(Literal::ints(DType::I32, &[3], &[4, 0, 4]))?;
        let ty = TensorType::new(DType::F64, Shape::fixed(&[2, 5, 2]));
        let sums = b.declare(Op::ScatterAdd { axis: 1 }, &[indices, p[0]], ty)?;
        Ok(vec![b.mul(sums, sums)?])
    });
}
