//! Random graphs compute the same with and without rewriting, and are never made dearer.
//!
//! `DLC_RANDOM_GRAPHS` scales the number of graphs (default 150).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_compiler::rewrite::{RewriteOptions, rewrite};
use dlc_interp::{Data, Tensor};
use dlc_ir::{Function, Op};
use dlc_tests::harness::{check, random_inputs};
use dlc_tests::random_graph::random_graph;

fn outputs(function: &Function, like: &Function, batch: usize, seed: u64) -> Vec<Tensor> {
    let inputs = random_inputs(like, batch, seed);
    let fed = |op: &Op| match op {
        Op::Input { name } => inputs.get(name).cloned(),
        _ => None,
    };
    dlc_interp::evaluate(function, batch, &fed).unwrap_or_else(|error| panic!("{error}\n{function}"))
}

/// The oracle does not round between ops, so only the rounding of constants to `f32` may show.
fn check_equal(one: &Tensor, other: &Tensor) -> Result<(), String> {
    assert_eq!((one.dtype, &one.dims), (other.dtype, &other.dims));
    let (Data::Float(a), Data::Float(b)) = (&one.data, &other.data) else {
        return if one.data == other.data {
            Ok(())
        } else {
            Err(format!("{:?} and {:?}", one.data, other.data))
        };
    };
    let largest = a.iter().filter(|x| x.is_finite()).fold(1e-3_f64, |largest, x| largest.max(x.abs()));
    for (index, (&x, &y)) in a.iter().zip(b).enumerate() {
        let equal = x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= 1e-6 * largest;
        if !equal {
            return Err(format!("element {index}: {x} and {y}"));
        }
    }
    Ok(())
}

fn count() -> u64 {
    std::env::var("DLC_RANDOM_GRAPHS").ok().and_then(|text| text.parse().ok()).unwrap_or(150)
}

#[test]
fn random_graphs_keep_their_values() {
    let mut fired = std::collections::BTreeMap::new();
    for seed in 0..count() {
        let function = random_graph(seed, 4 + (seed % 20) as usize);
        let (after, report) = rewrite(&function, &RewriteOptions::default())
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{function}"));
        for batch in [1, 3] {
            let (one, other) =
                (outputs(&function, &function, batch, seed), outputs(&after, &function, batch, seed));
            for (output, (a, b)) in function.outputs.iter().zip(one.iter().zip(&other)) {
                if let Err(difference) = check_equal(a, b) {
                    panic!(
                        "seed {seed}, batch {batch}, {}: {difference}; {:?}\n{function}\n{after}",
                        output.name, report.fired
                    );
                }
            }
        }
        for region in &report.regions {
            assert!(region.cost_after <= region.cost_before, "seed {seed}: {region:?}\n{function}\n{after}");
        }
        for (rule, times) in report.fired {
            *fired.entry(rule).or_insert(0) += times;
        }
    }
    assert!(fired.len() >= 10, "too few rules take part: {fired:?}");
}

#[test]
fn fast_math_keeps_finite_values() {
    let fast = RewriteOptions { fast_math: true, ..RewriteOptions::default() };
    for seed in 0..count() {
        let function = random_graph(seed + 100_000, 4 + (seed % 20) as usize);
        let (after, report) =
            rewrite(&function, &fast).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let (one, other) = (outputs(&function, &function, 3, seed), outputs(&after, &function, 3, seed));
        for (a, b) in one.iter().zip(&other) {
            let finite =
                matches!(&a.data, Data::Float(values) if values.iter().all(|value| value.is_finite()));
            if let (true, Err(difference)) = (finite, check_equal(a, b)) {
                panic!("seed {seed}: {difference}; {:?}\n{function}\n{after}", report.fired);
            }
        }
    }
}

#[test]
fn rewritten_graphs_lower_and_run() {
    for seed in 1000..1060 {
        let function = random_graph(seed, 4 + (seed % 16) as usize);
        let (after, _) =
            rewrite(&function, &RewriteOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        check(&after, &[1, 3], seed);
    }
}
