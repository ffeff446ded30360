//! The smallest model to train, and a session that runs its steps on the interpreter.

use dlc_compiler::step::{step_states, training_step};
use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::training::{SEED, STEP, TOTAL_STEPS};
use dlc_ir::verify::{verify, verify_model};
use dlc_ir::{
    Builder, Declaration, Function, Initializer, Model, Op, Optimizer, OutputRole, Parameter, Schedule,
    Training,
};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

pub(crate) const WEIGHTS: [f64; 2] = [0.5, -1.5];
/// Both rows of the batch.
pub(crate) const ROWS: [[f64; 2]; 2] = [[1.0, 2.0], [-0.5, 0.75]];

/// The gradient of the loss: the mean over the rows of `(w - row)`.
pub(crate) fn gradient(weights: [f64; 2]) -> [f64; 2] {
    [0, 1].map(|i| weights[i] - (ROWS[0][i] + ROWS[1][i]) / 2.0)
}

/// `loss = mean over rows of |w - row|^2 / 2`, with a frozen parameter that scales the loss by 1.
pub(crate) fn model(optimizer: Optimizer, schedule: Schedule) -> Model {
    let ty = TensorType::new(DType::F64, Shape::fixed(&[2]));
    let rows = TensorType::new(DType::F64, Shape(vec![Dim::N, Dim::Fixed(2)]));
    let mut b = Builder::new("forward");
    let x = b.input("x", rows.clone()).unwrap();
    let weight = b.parameter("w", ty.clone()).unwrap();
    let frozen = b.parameter("frozen", TensorType::scalar(DType::F64)).unwrap();
    let wide = b.broadcast_along(weight, rows.shape.clone(), 1).unwrap();
    let difference = b.sub(wide, x).unwrap();
    let square = b.mul(difference, difference).unwrap();
    let row_sums = b.sum(square, &[1]).unwrap();
    let mean = b.mean(row_sums, &[0]).unwrap();
    let half = b.scale(mean, 0.5).unwrap();
    let loss = b.mul(half, frozen).unwrap();
    b.output(OutputRole::Loss, "loss", loss);
    let parameter = |name: &str, ty: TensorType, trainable: bool| Parameter {
        name: name.to_owned(),
        ty,
        initializer: Initializer::Constant(1.0),
        trainable,
        span: None,
    };
    Model {
        name: "tiny".to_owned(),
        inputs: vec![Declaration { name: "x".to_owned(), ty: rows }],
        targets: Vec::new(),
        parameters: vec![
            parameter("w", ty, true),
            parameter("frozen", TensorType::scalar(DType::F64), false),
        ],
        states: Vec::new(),
        predict: Function::default(),
        evaluate: None,
        forward: Some(b.finish()),
        training: Some(Training::new(optimizer, schedule)),
    }
}

/// A model's values between steps.
pub(crate) struct Session {
    step: Function,
    values: BTreeMap<String, Tensor>,
}

impl Session {
    pub(crate) fn new(model: &Model, total_steps: i64) -> Session {
        verify_model(model).unwrap();
        let mut values = BTreeMap::new();
        for state in step_states(model) {
            let dims = state.ty.shape.as_fixed().unwrap();
            let count = dims.iter().product();
            let data = match state.ty.dtype {
                DType::Bool => Data::Bool(vec![true; count]),
                dtype if dtype.is_float() => Data::Float(vec![0.0; count]),
                _ => Data::Int(vec![0; count]),
            };
            values.insert(state.name, Tensor { dtype: state.ty.dtype, dims, data });
        }
        values.insert(SEED.to_owned(), scalar(DType::I64, Data::Int(vec![1])));
        values.insert(TOTAL_STEPS.to_owned(), scalar(DType::I32, Data::Int(vec![total_steps])));
        let rows = ROWS.concat();
        values
            .insert("x".to_owned(), Tensor { dtype: DType::F64, dims: vec![2, 2], data: Data::Float(rows) });
        let weights = Data::Float(WEIGHTS.to_vec());
        values.insert("w".to_owned(), Tensor { dtype: DType::F64, dims: vec![2], data: weights });
        values.insert("frozen".to_owned(), scalar(DType::F64, Data::Float(vec![1.0])));
        let step = training_step(model).unwrap();
        verify(&step).unwrap();
        Session { step, values }
    }

    /// Runs one step and keeps what it gives.
    pub(crate) fn step(&mut self) {
        let externals = |op: &Op| match op {
            Op::Input { name } | Op::Parameter { name } | Op::State { name } => {
                self.values.get(name).cloned()
            }
            _ => None,
        };
        let results = evaluate(&self.step, 2, &externals).unwrap();
        for (output, value) in self.step.outputs.iter().zip(results) {
            match output.role {
                OutputRole::Parameter | OutputRole::State => {
                    assert!(self.values.insert(output.name.clone(), value).is_some(), "{}", output.name);
                }
                OutputRole::Loss => {}
                role => panic!("{role:?} {}", output.name),
            }
        }
    }

    pub(crate) fn floats(&self, name: &str) -> Vec<f64> {
        match &self.values[name].data {
            Data::Float(values) => values.clone(),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(crate) fn flags(&self, name: &str) -> Vec<bool> {
        match &self.values[name].data {
            Data::Bool(values) => values.clone(),
            other => panic!("{name}: {other:?}"),
        }
    }

    /// Sets a value, if there is one of that name.
    pub(crate) fn set(&mut self, name: &str, data: Data) {
        if let Some(tensor) = self.values.get_mut(name) {
            tensor.data = data;
        }
    }

    pub(crate) fn steps_done(&self) -> i64 {
        match &self.values[STEP].data {
            Data::Int(values) => values[0],
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn scalar(dtype: DType, data: Data) -> Tensor {
    Tensor { dtype, dims: Vec::new(), data }
}

/// Equal up to the rounding of `f32` scalars.
pub(crate) fn assert_close(actual: &[f64], expected: &[f64]) {
    for (a, b) in actual.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{actual:?} instead of {expected:?}");
    }
}
