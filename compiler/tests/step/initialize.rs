use crate::model::{model, scalar};
use dlc_compiler::step::{StepError, initialize};
use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::{Initializer, Model, Op, Optimizer, OutputRole, Parameter, Schedule, State};
use dlc_types::{DType, Shape, TensorType};
use std::collections::BTreeMap;

fn sample() -> Model {
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false };
    let mut model = model(optimizer, Schedule::Constant { rate: 0.1 });
    let ty = TensorType::new(DType::F32, Shape::fixed(&[100, 200]));
    let initializers = [
        ("uniform", Initializer::Uniform { low: -0.5, high: 1.5 }),
        ("normal", Initializer::Normal { mean: 2.0, deviation: 0.5 }),
        ("other", Initializer::Normal { mean: 2.0, deviation: 0.5 }),
    ];
    model.parameters = Vec::from(initializers.map(|(name, initializer)| Parameter {
        name: name.to_owned(),
        ty: ty.clone(),
        initializer,
        trainable: true,
        span: None,
    }));
    let running = TensorType::new(DType::F32, Shape::fixed(&[3]));
    model.states =
        vec![State { name: "bn.variance".to_owned(), ty: running, initializer: Initializer::Constant(1.0) }];
    model
}

fn first_values(model: &Model, seed: i64) -> BTreeMap<(OutputRole, String), Tensor> {
    let function = initialize(model).unwrap();
    dlc_ir::verify::verify(&function).unwrap();
    let externals = |op: &Op| match op {
        Op::State { name } if name == "train.seed" => Some(scalar(DType::I64, Data::Int(vec![seed]))),
        _ => None,
    };
    let results = evaluate(&function, 1, &externals).unwrap();
    function.outputs.into_iter().map(|output| (output.role, output.name)).zip(results).collect()
}

fn floats(values: &BTreeMap<(OutputRole, String), Tensor>, role: OutputRole, name: &str) -> Vec<f64> {
    match &values[&(role, name.to_owned())].data {
        Data::Float(values) => values.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[test]
fn distributions() {
    let values = first_values(&sample(), 42);
    let uniform = floats(&values, OutputRole::Parameter, "uniform");
    assert!(uniform.iter().all(|value| (-0.5..1.5).contains(value)));
    let (mean, deviation) = moments(&uniform);
    assert!((mean - 0.5).abs() < 0.02 && (deviation - 2.0 / 12f64.sqrt()).abs() < 0.02, "{mean} {deviation}");
    let normal = floats(&values, OutputRole::Parameter, "normal");
    let (mean, deviation) = moments(&normal);
    assert!((mean - 2.0).abs() < 0.02 && (deviation - 0.5).abs() < 0.01, "{mean} {deviation}");
    let beyond = normal.iter().filter(|value| (*value - 2.0).abs() > 1.0).count() as f64 / 20_000.0;
    assert!((beyond - 0.0455).abs() < 0.006, "share beyond two deviations {beyond}");
}

#[test]
fn draws_depend_on_seed_and_tensor_only() {
    let (once, again, other) =
        (first_values(&sample(), 1), first_values(&sample(), 1), first_values(&sample(), 2));
    assert_eq!(once, again);
    let normal = |values| floats(values, OutputRole::Parameter, "normal");
    assert_ne!(normal(&once), normal(&other));
    assert_ne!(normal(&once), floats(&once, OutputRole::Parameter, "other"));
}

#[test]
fn every_state_but_those_of_the_caller() {
    let values = first_values(&sample(), 1);
    let states: Vec<&str> =
        values.keys().filter(|(role, _)| *role == OutputRole::State).map(|(_, name)| name.as_str()).collect();
    assert_eq!(
        states,
        ["bn.variance", "normal.momentum", "other.momentum", "train.step", "uniform.momentum"]
    );
    assert_eq!(floats(&values, OutputRole::State, "bn.variance"), [1.0; 3]);
    assert_eq!(values[&(OutputRole::State, "train.step".to_owned())].data, Data::Int(vec![0]));
}

#[test]
fn integers_start_from_constants() {
    let mut model = sample();
    model.states[0].ty.dtype = DType::I32;
    assert!(initialize(&model).is_ok());
    model.states[0].initializer = Initializer::Uniform { low: 0.0, high: 9.0 };
    assert!(matches!(initialize(&model), Err(StepError::IntegerInitializer { .. })));
}

fn with_initializer(initializer: Initializer, sizes: &[usize]) -> Vec<f64> {
    let mut model = sample();
    model.parameters.truncate(1);
    model.parameters[0].initializer = initializer;
    model.parameters[0].ty = TensorType::new(DType::F32, Shape::fixed(sizes));
    floats(&first_values(&model, 3), OutputRole::Parameter, "uniform")
}

/// Mean and deviation of a normal distribution cut off at two deviations: 0 and 0.8796 (SciPy's `truncnorm`).
#[test]
fn truncated_normal_numbers() {
    let values = with_initializer(Initializer::TruncatedNormal { deviation: 0.5, limit: 2.0 }, &[200, 200]);
    assert!(values.iter().all(|value| value.abs() <= 1.0));
    let (mean, deviation) = moments(&values);
    assert!(mean.abs() < 0.01 && (deviation - 0.439_8).abs() < 0.005, "{mean} {deviation}");
    let beyond = values.iter().filter(|value| value.abs() > 0.5).count() as f64 / values.len() as f64;
    assert!((beyond - 0.284_8).abs() < 0.01, "share beyond one deviation {beyond}");
}

#[test]
fn orthogonal_matrices() {
    for sizes in [[24, 24].as_slice(), &[40, 8], &[8, 40], &[6, 3, 2, 2], &[3, 1]] {
        let values = with_initializer(Initializer::Orthogonal { gain: 1.5 }, sizes);
        let (rows, columns) = (sizes[0], sizes[1..].iter().product::<usize>());
        let at = |row: usize, column: usize| values[row * columns + column];
        let few = rows.min(columns);
        for one in 0..few {
            for other in 0..few {
                let product: f64 = match rows <= columns {
                    true => (0..columns).map(|k| at(one, k) * at(other, k)).sum(),
                    false => (0..rows).map(|k| at(k, one) * at(k, other)).sum(),
                };
                let expected = if one == other { 2.25 } else { 0.0 };
                assert!((product - expected).abs() < 2e-5, "{sizes:?}: {one} by {other} is {product}");
            }
        }
    }
}

#[test]
fn averages_begin_as_the_weights() {
    let mut model = sample();
    model.training.as_mut().unwrap().average = Some(dlc_ir::Average::Exponential { decay: 0.9 });
    let values = first_values(&model, 1);
    let of = |role, name: &str| floats(&values, role, name);
    assert_eq!(of(OutputRole::State, "normal.average"), of(OutputRole::Parameter, "normal"));
}
