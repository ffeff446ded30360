//! Weights that a mask leaves out are zero after every step, whatever the rule; the others go as if those were none of
//! the parameter's.

use crate::model::{Session, assert_close, model};
use dlc_interp::Data;
use dlc_ir::{Average, Clip, Optimizer, Schedule};

fn optimizers() -> Vec<Optimizer> {
    let adam = |decoupled| Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decoupled };
    vec![
        Optimizer::Sgd { momentum: 0.0, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: true },
        adam(false),
        adam(true),
        Optimizer::Nadam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentum_decay: 0.004 },
        Optimizer::Adagrad { rate_decay: 0.1, initial: 0.1, epsilon: 1e-10 },
        Optimizer::RmsProp { alpha: 0.9, momentum: 0.9, epsilon: 1e-8, centered: true },
        Optimizer::Lamb { beta1: 0.9, beta2: 0.999, epsilon: 1e-6 },
    ]
}

#[test]
fn what_is_masked_is_zero_after_every_step() {
    for optimizer in optimizers() {
        let mut model = model(optimizer.clone(), Schedule::Constant { rate: 0.1 });
        let training = model.training.as_mut().unwrap();
        training.weight_decay = 0.01;
        training.masked = vec!["w".to_owned()];
        training.clip = vec![Clip::Norm(1.0)];
        training.average = Some(Average::Exponential { decay: 0.5 });
        let mut session = Session::new(&model, 10);
        session.set("w.mask", Data::Bool(vec![true, false]));
        session.set("w", Data::Float(vec![0.5, 0.0]));
        // An old momentum must not move it either.
        for slot in ["w.momentum", "w.first_moment"] {
            session.set(slot, Data::Float(vec![0.0, 3.0]));
        }
        for step in 0..6 {
            let before = session.floats("w");
            session.step();
            let after = session.floats("w");
            assert_eq!(after[1].to_bits(), 0, "{optimizer:?}, step {step}");
            assert_ne!(after[0], before[0], "{optimizer:?}, step {step}");
            assert_eq!(session.floats("w.average")[1], 0.0);
        }
        assert_eq!(session.flags("w.mask"), [true, false]);
    }
}

#[test]
fn the_bound_of_the_norm_is_that_of_living_weights() {
    let run = |masked: bool, row: f64| {
        let mut model =
            model(Optimizer::Sgd { momentum: 0.0, nesterov: false }, Schedule::Constant { rate: 0.1 });
        let training = model.training.as_mut().unwrap();
        training.clip = vec![Clip::Norm(0.1)];
        training.masked = if masked { vec!["w".to_owned()] } else { Vec::new() };
        let mut session = Session::new(&model, 10);
        session.set("w.mask", Data::Bool(vec![true, false]));
        session.set("w", Data::Float(vec![0.5, 0.0]));
        session.set("x", Data::Float(vec![2.0, row, 0.0, row]));
        session.step();
        session.floats("w")[0]
    };
    // Where the masked weight's gradient is zero anyway, a mask changes nothing.
    assert_close(&[run(true, 100.0)], &[run(false, 0.0)]);
    assert_ne!(run(false, 100.0), run(false, 0.0));
}
