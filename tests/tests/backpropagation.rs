//! The gradients of `examples/sigmoid.dsl` against backward equations written out by hand.
//!
//! For a sample `x` with target `y`, `a1 = s(w1 x + b1)`, `a2 = s(w2 a1 + b2)` and the squared error over the batch,
//! `d2 = 2 (a2 - y) a2 (1 - a2) / n` and `d1 = (w2 d2) a1 (1 - a1)`; the gradients are `x d1`, `d1`, `a1 d2`, `d2`,
//! summed over the samples.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_abi::PortRole;
use dlc_compiler::FunctionKind;
use dlc_tests::models::{from_file, function, inputs, program, repository, session};

const BATCH: usize = 7;
const INPUTS: usize = 30;
const HIDDEN: usize = 8;

fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<4>().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Gradients of `w1 [30, 8]`, `b1`, `w2 [8, 1]`, `b2`.
fn by_hand(weights: [&[f64]; 4], x: &[f64], y: &[f64]) -> [Vec<f64>; 4] {
    let [w1, b1, w2, b2] = weights;
    let mut gradients = [vec![0.0; w1.len()], vec![0.0; HIDDEN], vec![0.0; HIDDEN], vec![0.0; 1]];
    for (x, y) in x.chunks(INPUTS).zip(y) {
        let hidden = |h: usize| x.iter().enumerate().map(|(i, x)| x * w1[i * HIDDEN + h]).sum::<f64>();
        let a1: Vec<f64> = (0..HIDDEN).map(|h| sigmoid(hidden(h) + b1[h])).collect();
        let a2 = sigmoid(a1.iter().zip(w2).map(|(a, w)| a * w).sum::<f64>() + b2[0]);
        let d2 = 2.0 * (a2 - y) * a2 * (1.0 - a2) / BATCH as f64;
        gradients[3][0] += d2;
        for h in 0..HIDDEN {
            let d1 = w2[h] * d2 * a1[h] * (1.0 - a1[h]);
            gradients[2][h] += a1[h] * d2;
            gradients[1][h] += d1;
            for (i, x) in x.iter().enumerate() {
                gradients[0][i * HIDDEN + h] += x * d1;
            }
        }
    }
    gradients
}

#[test]
fn compiled_gradients_are_those_of_the_equations() {
    let loaded = from_file(&repository().join("examples/sigmoid.dsl"));
    let program = program(&loaded, &[FunctionKind::Initialize, FunctionKind::Gradients], BATCH);
    let mut session = session(&program, 2, 5);
    let interface = function(&program, "gradients").clone();
    let fed = inputs(&interface, BATCH, 2, 3);
    let named: Vec<(&str, &[u8])> =
        interface.inputs.iter().zip(&fed).map(|(port, bytes)| (port.name.as_str(), &bytes[..])).collect();
    let ports: Vec<_> = interface.outputs.iter().filter(|port| port.role == PortRole::Gradient).collect();
    let mut buffers: Vec<Vec<u8>> =
        ports.iter().map(|port| vec![0; port.elements(BATCH) * port.element.size()]).collect();
    let mut outputs: Vec<(&str, &mut [u8])> =
        ports.iter().zip(&mut buffers).map(|(port, bytes)| (port.name.as_str(), &mut bytes[..])).collect();
    session.run("gradients", BATCH, &named, &mut outputs).unwrap();

    let names = ["first.weight", "first.bias", "second.weight", "second.bias"];
    let weights = names.map(|name| floats(&session.tensor(name).unwrap().bytes));
    let value = |name: &str| floats(named.iter().find(|(known, _)| *known == name).unwrap().1);
    // Nothing was fitted, so the scaling of the file leaves its inputs as they are.
    let expected = by_hand(weights.each_ref().map(Vec::as_slice), &value("x"), &value("benign"));
    for (name, expected) in names.iter().zip(expected) {
        let position = ports.iter().position(|port| port.name == *name).unwrap();
        let found = floats(&buffers[position]);
        let norm = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
        let off = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 1e-4 && off <= 1e-6 * norm, "{name}: {off:.1e} of {norm:.1e}");
    }
}
