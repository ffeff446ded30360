//! Two models in one program; the other one has all kinds of ports and reports.

use odd::{EvaluateReport, Odd, TrainReport};

mod digits {
    dlc_runtime::include_model!("digits");
}

mod odd {
    dlc_runtime::include_model!("odd");
}

fn main() -> Result<(), dlc_runtime::RuntimeError> {
    let mut model = Odd::with_threads(1)?;
    let points = [[1.0, 2.0, 3.0], [0.5, -1.5, 2.5], [-2.0, 0.25, 1.0]];
    println!("{}", model.train_step(&points, &[0, 1, 0]).unwrap_err());
    model.initialize(1)?;
    model.set_total_steps(10)?;
    let (mut scores, mut doubled) = ([[0.0; 2]; 3], [[0.0; 2]; 3]);
    model.predict(&points, &mut scores, &mut doubled)?;
    let w = model.session().tensor("w")?.f32_values()?;
    assert!(w.iter().zip(doubled.as_flattened()).all(|(w, doubled)| w * 2.0 == *doubled));
    println!("{}", model.predict(&points, &mut scores[..2], &mut doubled).unwrap_err());
    let TrainReport { loss, accuracy: _ } = model.train_step(&points, &[0, 1, 0])?;
    let EvaluateReport { loss: next, auc, accuracy: _ } = model.evaluate(&points, &[0, 1, 0])?;
    println!("{} values, the loss falls: {}", auc.len(), next < loss);
    let digits = digits::Digits::with_threads(1)?;
    println!("{} and {}", digits.session().program().interface().model, model.session().program().interface().model);
    Ok(())
}
