#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::infer;
use crate::{Binary, Op, Type};
use dlc_types::{DType, Shape, TensorType};

#[test]
fn operands_of_elementwise_ops_agree() {
    let a = Type::Tensor(TensorType::new(DType::F32, Shape::fixed(&[2, 3])));
    let b = Type::Tensor(TensorType::new(DType::F32, Shape::fixed(&[3, 2])));
    assert_eq!(infer(&Op::Binary(Binary::Add), &[&a, &a], None).unwrap(), a);
    let error = infer(&Op::Binary(Binary::Add), &[&a, &b], None).unwrap_err();
    assert_eq!(error.message, "add needs operands of one type: f32[2, 3] and f32[3, 2] differ");
}
