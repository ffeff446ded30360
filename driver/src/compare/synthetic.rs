//! Inputs by seed, for models whose data is not at hand.

use crate::{Loaded, Meaning, meaning};
use dlc_abi::{ElementType, Interface, Port};
use dlc_types::random::Stream;
use std::collections::BTreeMap;

/// Stream of the first input; shuffling and augmentation count theirs from elsewhere.
const FIRST_STREAM: u32 = 0x7000_0000;

/// Bound of integers that the model tells no bound of.
const UNKNOWN_BOUND: u32 = 2;

/// Bytes for every input of any function: floats standard normal, class numbers uniform below the number
/// of classes, answers to a yes-or-no question 0 or 1.
pub(crate) fn synthetic_inputs(
    loaded: &Loaded,
    interface: &Interface,
    batch: usize,
    seed: u64,
) -> BTreeMap<String, Vec<u8>> {
    let mut ports: BTreeMap<&str, &Port> = BTreeMap::new();
    for function in &interface.functions {
        for port in &function.inputs {
            ports.insert(&port.name, port);
        }
    }
    let binary = matches!(Meaning::of(&loaded.model), Meaning::Logit | Meaning::Probability);
    let made = ports.into_iter().zip(FIRST_STREAM..).map(|((name, port), stream)| {
        let target = loaded.model.targets.iter().any(|target| target.name == name);
        let bound = meaning::class_bound(&loaded.model, name);
        let bound = bound.and_then(|bound| u32::try_from(bound).ok()).unwrap_or(UNKNOWN_BOUND);
        let mut draws = Stream::new(seed, stream, 0);
        let count = port.elements(batch);
        let bytes = match port.element {
            ElementType::F32 | ElementType::F64 if target && binary => {
                floats(port.element, count, || f64::from(draws.below(2)))
            }
            ElementType::F32 | ElementType::F64 => floats(port.element, count, || normal(&mut draws)),
            ElementType::I32 => (0..count).flat_map(|_| (draws.below(bound) as i32).to_ne_bytes()).collect(),
            ElementType::I64 => {
                (0..count).flat_map(|_| i64::from(draws.below(bound)).to_ne_bytes()).collect()
            }
            ElementType::Bool => (0..count).map(|_| draws.below(2) as u8).collect(),
        };
        (name.to_owned(), bytes)
    });
    made.collect()
}

fn floats(element: ElementType, count: usize, mut draw: impl FnMut() -> f64) -> Vec<u8> {
    match element {
        ElementType::F64 => (0..count).flat_map(|_| draw().to_ne_bytes()).collect(),
        _ => (0..count).flat_map(|_| (draw() as f32).to_ne_bytes()).collect(),
    }
}

/// Box, Muller, "A Note on the Generation of Random Normal Deviates", 1958.
fn normal(draws: &mut Stream) -> f64 {
    let (u, v) = (f64::from(draws.unit()), f64::from(draws.unit()));
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
