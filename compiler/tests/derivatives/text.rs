//! The text of a differentiated dense net: what the rules write, node by node.

use dlc_compiler::autodiff::differentiate;
use dlc_ir::{Builder, Function, InferError, Origin, OutputRole, Unary};
use dlc_types::{DType, Dim, Shape, TensorType};
use expect_test::expect;

/// `loss = mean((relu(x w + b) - target)^2)`
fn dense() -> Result<Function, InferError> {
    let mut b = Builder::new("forward");
    let over_batch = |size: usize| TensorType::new(DType::F32, Shape(vec![Dim::N, Dim::Fixed(size)]));
    let x = b.input("x", over_batch(3))?;
    let target = b.input("target", over_batch(2))?;
    b.set_origin(Origin { path: "dense".to_owned(), span: None });
    let weight = b.parameter("dense.weight", TensorType::new(DType::F32, Shape::fixed(&[3, 2])))?;
    let bias = b.parameter("dense.bias", TensorType::new(DType::F32, Shape::fixed(&[2])))?;
    let product = b.matmul(x, weight)?;
    let shape = b.shape(product).clone();
    let bias = b.broadcast_along(bias, shape, 1)?;
    let sum = b.add(product, bias)?;
    b.set_origin(Origin { path: "relu".to_owned(), span: None });
    let y = b.unary(Unary::Relu, sum)?;
    b.set_origin(Origin { path: "loss".to_owned(), span: None });
    let error = b.sub(y, target)?;
    let square = b.mul(error, error)?;
    let loss = b.mean(square, &[0, 1])?;
    b.output(OutputRole::Loss, "loss", loss);
    Ok(b.finish())
}

#[test]
fn dense_net() {
    let parameters = ["dense.weight", "dense.bias"].map(str::to_owned);
    let function = differentiate(&dense().unwrap(), &parameters).unwrap();
    expect![[r#"
        fn forward {
          %0: f32[N, 3] = input "x"
          %1: f32[N, 2] = input "target"
          %2: f32[3, 2] = parameter "dense.weight" @ "dense"
          %3: f32[2] = parameter "dense.bias" @ "dense"
          %4: f32[N, 2] = contract(%0, %2) batch=[] contract=[(1, 0)] @ "dense"
          %5: f32[N, 2] = broadcast(%3) axes=[1] @ "dense"
          %6: f32[N, 2] = add(%4, %5) @ "dense"
          %7: f32[N, 2] = relu(%6) @ "relu"
          %8: f32[N, 2] = sub(%7, %1) @ "loss"
          %9: f32[N, 2] = mul(%8, %8) @ "loss"
          %10: f32[] = reduce(%9) kind=sum axes=[0, 1] @ "loss"
          %11: f32[] = extent dim=2N @ "loss"
          %12: f32[] = div(%10, %11) @ "loss"
          %13: f32[] = constant [1.0] @ "d(loss)"
          %14: f32[] = div(%13, %11) @ "d(loss)"
          %15: f32[N, 2] = broadcast(%14) axes=[] @ "d(loss)"
          %16: f32[N, 2] = mul(%15, %8) @ "d(loss)"
          %17: f32[N, 2] = mul(%15, %8) @ "d(loss)"
          %18: f32[N, 2] = add(%16, %17) @ "d(loss)"
          %19: f32[] = constant [0.0] @ "d(relu)"
          %20: f32[N, 2] = broadcast(%19) axes=[] @ "d(relu)"
          %21: bool[N, 2] = gt(%7, %20) @ "d(relu)"
          %22: f32[N, 2] = select(%21, %18, %20) @ "d(relu)"
          %23: f32[2] = reduce(%22) kind=sum axes=[0] @ "d(dense)"
          %24: f32[3, 2] = contract(%0, %22) batch=[] contract=[(0, 0)] @ "d(dense)"
          output loss "loss" %12
          output gradient "dense.weight" %24
          output gradient "dense.bias" %23
        }
    "#]]
    .assert_eq(&function.to_string());
}
