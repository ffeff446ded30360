use crate::model::{Session, WEIGHTS, assert_close, gradient, model};
use dlc_compiler::autodiff::AutodiffError;
use dlc_compiler::step::{StepError, gradients, step_states, training_step};
use dlc_ir::training::{SEED, STEP};
use dlc_ir::verify::verify;
use dlc_ir::{Builder, Initializer, Op, Optimizer, OutputRole, Schedule, State};
use dlc_types::{DType, TensorType};

const RATE: f64 = 0.1;

fn descend(momentum: f64, nesterov: bool, weight_decay: f64) {
    let mut model = model(Optimizer::Sgd { momentum, nesterov }, Schedule::Constant { rate: RATE });
    model.training.as_mut().unwrap().weight_decay = weight_decay;
    let mut session = Session::new(&model, 10);
    let (mut weights, mut velocity) = (WEIGHTS, [0.0; 2]);
    for step in 1..=5 {
        session.step();
        let slopes = gradient(weights);
        for i in 0..2 {
            let slope = slopes[i] + weight_decay * weights[i];
            velocity[i] = momentum * velocity[i] + slope;
            weights[i] -= RATE * if nesterov { slope + momentum * velocity[i] } else { velocity[i] };
        }
        assert_close(&session.floats("w"), &weights);
        assert_eq!(session.floats("frozen"), [1.0]);
        assert_eq!(session.steps_done(), step);
        if momentum != 0.0 {
            assert_close(&session.floats("w.momentum"), &velocity);
        }
    }
}

#[test]
fn stochastic_gradient_descent() {
    descend(0.0, false, 0.0);
    descend(0.0, false, 0.01);
    descend(0.9, false, 0.0);
    descend(0.9, true, 5e-4);
}

#[test]
fn adam() {
    for (beta1, beta2, weight_decay) in [(0.9, 0.999, 0.0), (0.8, 0.95, 0.02), (0.0, 0.5, 0.0)] {
        let epsilon = 1e-8;
        let optimizer = Optimizer::Adam { beta1, beta2, epsilon, decoupled: false };
        let mut model = model(optimizer, Schedule::Constant { rate: RATE });
        model.training.as_mut().unwrap().weight_decay = weight_decay;
        let mut session = Session::new(&model, 10);
        let (mut weights, mut first, mut second) = (WEIGHTS, [0.0; 2], [0.0; 2]);
        for step in 1..=6 {
            session.step();
            let slopes = gradient(weights);
            for i in 0..2 {
                let slope = slopes[i] + weight_decay * weights[i];
                first[i] = beta1 * first[i] + (1.0 - beta1) * slope;
                second[i] = beta2 * second[i] + (1.0 - beta2) * slope * slope;
                let mean = first[i] / (1.0 - beta1.powi(step));
                let square = second[i] / (1.0 - beta2.powi(step));
                weights[i] -= RATE * mean / (square.sqrt() + epsilon);
            }
            assert_close(&session.floats("w"), &weights);
            assert_close(&session.floats("w.first_moment"), &first);
            assert_close(&session.floats("w.second_moment"), &second);
        }
    }
}

#[test]
fn states_of_a_step() {
    let names = |optimizer, schedule| -> Vec<String> {
        step_states(&model(optimizer, schedule)).into_iter().map(|state| state.name).collect()
    };
    let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled: false };
    let common = ["train.step", "train.total_steps", "train.seed"];
    assert_eq!(names(plain.clone(), Schedule::Constant { rate: 0.1 }), common);
    let cycle = Schedule::OneCycle {
        rate: 0.1,
        warmup: 0.3,
        div: 25.0,
        final_div: 1e4,
        momentum: Some((0.95, 0.85)),
    };
    assert_eq!(names(plain, cycle), [&["w.momentum"], &common[..]].concat());
    let moments = ["w.first_moment", "w.second_moment"];
    assert_eq!(names(adam, Schedule::Constant { rate: 0.1 }), [&moments, &common[..]].concat());
}

#[test]
fn outputs_of_a_step() {
    let plain = Optimizer::Sgd { momentum: 0.9, nesterov: false };
    let model = model(plain, Schedule::Constant { rate: 0.1 });
    let outputs = |function: dlc_ir::Function| -> Vec<(OutputRole, String)> {
        function.outputs.into_iter().map(|output| (output.role, output.name)).collect()
    };
    let named = |role: OutputRole, name: &str| (role, name.to_owned());
    assert_eq!(
        outputs(training_step(&model).unwrap()),
        [
            named(OutputRole::Loss, "loss"),
            named(OutputRole::State, "w.momentum"),
            named(OutputRole::Parameter, "w"),
            named(OutputRole::State, "train.step"),
        ]
    );
    assert_eq!(
        outputs(gradients(&model).unwrap()),
        [named(OutputRole::Loss, "loss"), named(OutputRole::Gradient, "w")]
    );
}

#[test]
fn refusals() {
    let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let mut model = model(plain, Schedule::Constant { rate: 0.1 });
    let mut forgotten = model.parameters[0].clone();
    forgotten.name = "forgotten".to_owned();
    model.parameters.push(forgotten);
    let error = training_step(&model).unwrap_err();
    assert!(matches!(error, StepError::Autodiff(AutodiffError::MissingGradients(_))), "{error}");
    assert!(error.to_string().contains("`forgotten` is not read by the forward function"), "{error}");
    model.training = None;
    assert!(matches!(training_step(&model), Err(StepError::NoTraining { .. })));
}

/// Dropout reads seed and step itself; running statistics are new states of the forward function.
#[test]
fn states_of_the_forward_function_are_shared() {
    let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let mut model = model(plain, Schedule::Constant { rate: 0.1 });
    let mut b = Builder::extend(model.forward.take().unwrap());
    let scalar = TensorType::scalar;
    let seed = b.state(SEED, scalar(DType::I64)).unwrap();
    let step = b.state(STEP, scalar(DType::I32)).unwrap();
    let draw = b.declare(Op::Random { stream: 0 }, &[seed, step], scalar(DType::F32)).unwrap();
    let running = b.state("running", scalar(DType::F32)).unwrap();
    let next = b.add(running, draw).unwrap();
    b.output(OutputRole::State, "running", next);
    model.forward = Some(b.finish());
    let initializer = Initializer::Constant(0.0);
    model.states.push(State { name: "running".to_owned(), ty: scalar(DType::F32), initializer });
    let step = training_step(&model).unwrap();
    verify(&step).unwrap();
    let states = step.outputs.iter().filter(|output| output.role == OutputRole::State);
    assert_eq!(states.map(|output| output.name.as_str()).collect::<Vec<_>>(), ["running", STEP]);
    assert!(step_states(&model).iter().all(|state| state.name != "running"));
}
