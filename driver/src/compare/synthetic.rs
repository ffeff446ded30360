//! Inputs by seed, for models whose data is not at hand.

use crate::data::dtype_of;
use crate::{Loaded, Meaning, meaning};
use dlc_abi::{Interface, Port};
use dlc_types::DType;
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
        let dtype = dtype_of(port.element);
        let mut bytes = Vec::with_capacity(count * dtype.size());
        for _ in 0..count {
            match dtype {
                DType::Bool => bytes.push(draws.below(2) as u8),
                _ if dtype.is_float() && target && binary => {
                    dtype.push_float(f64::from(draws.below(2)), &mut bytes);
                }
                _ if dtype.is_float() => dtype.push_float(normal(&mut draws), &mut bytes),
                _ => dtype.push_integer(i64::from(draws.below(bound)), &mut bytes),
            }
        }
        (name.to_owned(), bytes)
    });
    made.collect()
}

/// Box, Muller, "A Note on the Generation of Random Normal Deviates", 1958.
fn normal(draws: &mut Stream) -> f64 {
    let (u, v) = (f64::from(draws.unit()), f64::from(draws.unit()));
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
