//! Extraction against trying every choice, and on graphs where counting shared terms twice goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use dlc_ir::{Op, Unary};
use dlc_types::random::Stream;
use dlc_types::{DType, Shape, TensorType};

const FUNCTIONS: [Unary; 6] = [Unary::Exp, Unary::Tanh, Unary::Erf, Unary::Abs, Unary::Sqrt, Unary::Sigmoid];

/// Random terms over one input, some of them said to be equal.
fn random_terms(seed: u64) -> (Terms, Class) {
    let mut draws = Stream::new(seed, 3, 0);
    let mut terms = Terms::default();
    let ty = TensorType::new(DType::F32, Shape::fixed(&[64]));
    let mut classes = vec![terms.declare(Op::Input { name: "x".to_owned() }, &[], ty).unwrap()];
    for _ in 0..14 {
        let a = classes[draws.below(classes.len() as u32) as usize];
        let b = classes[draws.below(classes.len() as u32) as usize];
        let value = if draws.below(3) == 0 {
            terms.plus(a, b).unwrap()
        } else {
            terms.unary(FUNCTIONS[draws.below(6) as usize], a).unwrap()
        };
        classes.push(value);
    }
    for _ in 0..5 {
        let (a, b) = (1 + draws.below(14) as usize, 1 + draws.below(14) as usize);
        terms.graph.union(classes[a], classes[b]);
    }
    terms.graph.rebuild();
    let root = terms.plus(classes[14], classes[13]).unwrap();
    terms.graph.rebuild();
    (terms, root)
}

/// The least cost over every choice.
fn least(problem: &Problem<'_>) -> f64 {
    let mut choice = vec![0; problem.classes.len()];
    let mut best = f64::INFINITY;
    loop {
        if let Some(cost) = problem.evaluate(&choice) {
            best = best.min(cost);
        }
        let mut place = 0;
        loop {
            let Some(current) = choice.get_mut(place) else { return best };
            *current += 1;
            if *current < problem.classes[place].choices.len() {
                break;
            }
            *current = 0;
            place += 1;
        }
    }
}

#[test]
fn small_regions_are_exact_and_others_nearly() {
    let (mut best, mut tried) = (0, 0);
    for seed in 0..300 {
        let (terms, root) = random_terms(seed);
        let problem = Problem::new(&terms, &[root]);
        let combinations: usize = problem.classes.iter().map(|place| place.choices.len()).product();
        if !(2..=20_000).contains(&combinations) {
            continue;
        }
        let (found, least) = (extract(&terms, &[root]).unwrap(), least(&problem));
        assert!(found.cost_after >= least - LEAST_GAIN, "seed {seed}");
        assert!(found.cost_after <= found.cost_before, "seed {seed}");
        assert!(
            combinations > EXHAUSTIVE || found.cost_after <= least + LEAST_GAIN,
            "seed {seed}: exact if small"
        );
        tried += 1;
        let (start, first) =
            problem.greedy().map_or((f64::INFINITY, problem.first_made().unwrap()), |greedy| {
                (problem.evaluate(&greedy).unwrap_or(f64::INFINITY), greedy)
            });
        best += usize::from(problem.improved(start, first).0 <= least + LEAST_GAIN);
    }
    assert!(tried > 100, "{tried}");
    assert!(best * 100 >= tried * 98, "{best} of {tried} are the best");
}

#[test]
fn sharing_decides() {
    // root = a + b with a = asin(x) = tanh(tan(x)) and b = exp(tan(x)): alone asin is the cheaper way to a; as
    // tan is there for b anyway, tanh is.
    let mut terms = Terms::default();
    let ty = TensorType::new(DType::F32, Shape::fixed(&[4096]));
    let x = terms.declare(Op::Input { name: "x".to_owned() }, &[], ty).unwrap();
    let a = terms.unary(Unary::Asin, x).unwrap();
    let tangent = terms.unary(Unary::Tan, x).unwrap();
    let other = terms.unary(Unary::Tanh, tangent).unwrap();
    let b = terms.unary(Unary::Exp, tangent).unwrap();
    let sum = terms.plus(a, b).unwrap();
    terms.graph.union(a, other);
    terms.graph.rebuild();
    let names = |roots: &[Class]| -> Vec<&'static str> {
        extract(&terms, roots).unwrap().terms.iter().map(|(_, term)| term.op.name()).collect()
    };
    assert_eq!(names(&[a]), ["input", "asin"]);
    let both = names(&[sum]);
    assert!(both.contains(&"tanh") && !both.contains(&"asin"), "{both:?}");
}
