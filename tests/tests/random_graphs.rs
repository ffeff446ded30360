//! Random small graphs give the same results compiled and interpreted, at several batches and thread
//! counts. `DLC_RANDOM_CASES` sets how many are tried, `DLC_RANDOM_SEED` the first seed.

use dlc_tests::harness::check;
use dlc_tests::random_graph::{random_graph, random_graph_of};
use dlc_types::DType;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_graphs_agree_with_the_oracle() {
    let first = number("DLC_RANDOM_SEED", 0);
    for seed in first..first + number("DLC_RANDOM_CASES", 150) {
        let graph = random_graph(seed, 4 + (seed % 9) as usize);
        dlc_ir::verify::verify(&graph).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{graph}"));
        check(&graph, &[3, 1], seed);
    }
}

/// The same for every other type; a tenth as many of each.
#[test]
fn random_graphs_of_every_type_agree_with_the_oracle() {
    let first = number("DLC_RANDOM_SEED", 0);
    for dtype in DType::ALL.into_iter().filter(|dtype| !matches!(dtype, DType::F32 | DType::Bool)) {
        for seed in first..first + number("DLC_RANDOM_CASES", 150) / 10 {
            let graph = random_graph_of(dtype, seed, 4 + (seed % 9) as usize);
            dlc_ir::verify::verify(&graph).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{graph}"));
            check(&graph, &[3, 1], seed);
        }
    }
}
