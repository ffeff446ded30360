//! Query, key and value of attention become one contraction, and fewer launches.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_compiler::rewrite::RuleSelection;
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_tests::models::from_text;

fn launches(rules: RuleSelection) -> (usize, usize) {
    let loaded = from_text(
        "dlc 1\n\nmodel net(x: f32[N, 128]) -> (y) {\n  q = x |> dense(8, bias = false) as q\n  k = x |> dense(8, bias = false) as k\n  \
         v = x |> dense(8, bias = false) as v\n  y = tanh(q) * tanh(k) + tanh(v)\n}\n",
    );
    let mut options = CompileOptions::new(32);
    options.functions = vec![FunctionKind::Predict];
    options.rewrite.rules = rules;
    let lowered = &compile(&loaded.model, &options).unwrap().functions[0].lowered;
    let count = |name: &str| lowered.function.nodes.values().filter(|node| node.op.name() == name).count();
    // The steps of a scan are taken to be over the batch.
    let over_batch = |&&node: &&dlc_ir::NodeId| {
        lowered.function.nodes[node].ty.tensor().is_none_or(|ty| ty.shape.has_batch())
    };
    (count("contract"), lowered.purposes.iter().filter(over_batch).count())
}

#[test]
fn query_key_and_value_are_one_product() {
    let (off, on) = (launches(RuleSelection::Off), launches(RuleSelection::All));
    assert_eq!((off.0, on.0), (3, 1));
    assert!(on.1 < off.1, "{off:?} and {on:?}");
}
