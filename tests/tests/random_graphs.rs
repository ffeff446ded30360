//! Random small graphs give the same results compiled and interpreted, at several batches and thread
//! counts. `DLC_RANDOM_CASES` sets how many are tried, `DLC_RANDOM_SEED` the first seed.

use dlc_tests::harness::check;
use dlc_tests::random_graph::random_graph;

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
