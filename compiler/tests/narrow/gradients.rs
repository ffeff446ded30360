//! The gradients of a narrow function are its own: as finite differences of it, and as those of the wide one where
//! channels are zero.

use crate::classes::RESIDUAL;
use crate::subject::{extents_of, halves, model, run, values, zeroed_and_narrow};
use dlc_compiler::autodiff::differentiate;
use dlc_compiler::narrow::Channels;
use dlc_interp::{Data, Tensor};
use dlc_ir::{Builder, Function, OutputRole};

/// The sum of the squares of the output.
fn with_loss(function: &Function) -> Function {
    let mut b = Builder::extend(function.clone());
    let y = function.outputs[0].value;
    let square = b.mul(y, y).unwrap();
    let loss = b.sum(square, &[0, 1]).unwrap();
    let mut function = b.finish();
    function.outputs.clear();
    let mut b = Builder::extend(function);
    b.output(OutputRole::Loss, "loss", loss);
    b.finish()
}

fn first(tensors: &[Tensor]) -> Vec<f64> {
    tensors[0].to_f64()
}

#[test]
fn finite_differences() {
    let model = model(RESIDUAL);
    let channels = Channels::of(&model);
    let kept = halves(&channels.groups());
    let narrow = channels.narrow(&model, &extents_of(&kept)).unwrap();
    let loss = with_loss(&narrow.predict);
    let (_, values) = zeroed_and_narrow(&channels, &values(&model.predict), &kept);
    for parameter in &narrow.parameters {
        let mut function = differentiate(&loss, std::slice::from_ref(&parameter.name)).unwrap();
        function.outputs.retain(|output| output.role == OutputRole::Gradient);
        let gradient = first(&run(&function, &values));
        for (place, &actual) in gradient.iter().enumerate().step_by(3) {
            let at = |offset: f64| {
                let mut moved = values.clone();
                if let Some(Tensor { data: Data::Float(elements), .. }) = moved.get_mut(&parameter.name) {
                    elements[place] += offset;
                }
                first(&run(&loss, &moved))[0]
            };
            let step = 1e-5;
            let expected = (at(step) - at(-step)) / (2.0 * step);
            assert!(
                (actual - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
                "{} [{place}]: {actual}, by differences {expected}",
                parameter.name
            );
        }
    }
}
