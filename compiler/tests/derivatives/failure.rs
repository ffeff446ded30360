use crate::finite_difference::Case;
use dlc_compiler::autodiff::{AutodiffError, differentiate};
use dlc_ir::{Builder, Function, Op, Origin, OutputRole, Unary, Window, WindowKind};
use dlc_types::{DType, Shape, TensorType};
use expect_test::expect;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn vector() -> TensorType {
    TensorType::new(DType::F32, Shape::fixed(&[3]))
}

/// `loss = sum(a) + sum(floor(b))`; `c` is read for a metric only.
fn partial() -> Function {
    let mut b = Builder::new("forward");
    let [a, rounded, unused] =
        ["a", "stem.weight", "head.bias"].map(|name| b.parameter(name, vector()).unwrap());
    b.set_origin(Origin { path: "stem".to_owned(), span: None });
    let floor = b.unary(Unary::Floor, rounded).unwrap();
    let sum = b.add(a, floor).unwrap();
    let loss = b.sum(sum, &[0]).unwrap();
    let metric = b.sum(unused, &[0]).unwrap();
    b.output(OutputRole::Loss, "loss", loss);
    b.output(OutputRole::Metric, "metric", metric);
    b.finish()
}

#[test]
fn every_parameter_without_gradient_is_named() {
    let wanted = names(&["a", "stem.weight", "head.bias", "nobody"]);
    let error = differentiate(&partial(), &wanted).unwrap_err();
    expect!["3 parameters are without a gradient: `stem.weight` reaches the loss only through floor at `stem`, which has no derivative; `head.bias` has no influence on the loss; `nobody` is not read by the forward function"].assert_eq(&error.to_string());
    assert!(differentiate(&partial(), &names(&["a"])).is_ok());
}

#[test]
fn frozen_parameters_cost_nothing() {
    let mut b = Builder::new("forward");
    let [frozen, trained] = ["frozen", "trained"].map(|name| b.parameter(name, vector()).unwrap());
    let deep = b.unary(Unary::Tanh, frozen).unwrap();
    let sum = b.add(deep, trained).unwrap();
    let loss = b.sum(sum, &[0]).unwrap();
    b.output(OutputRole::Loss, "loss", loss);
    let forward = b.finish();
    let function = differentiate(&forward, &names(&["trained"])).unwrap();
    // The seed of the loss, which is a scalar already, and its repetition.
    assert_eq!(function.nodes.len() - forward.nodes.len(), 2);
}

#[test]
fn one_scalar_loss() {
    let mut b = Builder::new("forward");
    let a = b.parameter("a", vector()).unwrap();
    let none = differentiate(b.function(), &[]).unwrap_err();
    assert!(matches!(none, AutodiffError::LossCount { count: 0, .. }), "{none}");
    b.output(OutputRole::Loss, "loss", a);
    let vector = differentiate(b.function(), &[]).unwrap_err();
    assert!(matches!(vector, AutodiffError::LossNotScalar { .. }), "{vector}");
}

#[test]
fn second_derivative_of_max_pooling() {
    let window = Window { sizes: vec![2], strides: vec![1], dilations: vec![1], padding: vec![(0, 0)] };
    let case = Case::new().parameter("x", &[4]);
    let once = case.check(|b, p| {
        let y = b.reduce_window(WindowKind::Max, p[0], window.clone())?;
        Ok(vec![b.mul(y, y)?])
    });
    let gradient = once.output(OutputRole::Gradient, "x").unwrap().value;
    let mut function = once;
    function.outputs.clear();
    let mut b = Builder::extend(function);
    let loss = b.sum(gradient, &[0]).unwrap();
    b.output(OutputRole::Loss, "loss", loss);
    let error = differentiate(&b.finish(), &names(&["x"])).unwrap_err();
    assert!(matches!(error, AutodiffError::SecondDerivativeOfMaxPooling { .. }), "{error}");
}

#[test]
fn cut_paths_stay_cut() {
    // Only the way around the arg-reduction and the comparison carries a gradient.
    let case = Case::new().exact("x", &[3], vec![0.3, 1.7, -0.4]);
    case.check(|b, p| {
        let place = b.arg_reduce(dlc_ir::ArgReduction::Max, p[0], 0)?;
        Ok(vec![b.add_node(Op::Gather { axis: 0 }, &[p[0], place])?])
    });
}
