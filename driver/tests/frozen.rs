//! Frozen parameters cost no backward work: what a training step still multiplies is counted.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use dlc_compiler::{Compilation, CompileOptions, FunctionKind};
use dlc_driver::{function_flops, load_text};

const WIDE: usize = 64;

fn compiled(freeze: &str) -> Compilation {
    let text = format!(
        "dlc 1
model m(x: f32[N, {WIDE}]) -> (y) {{
  h = x |> dense({WIDE}, bias = false) as one |> relu()
  h = h |> dense({WIDE}, bias = false) as two |> relu()
  y = h |> dense(4, bias = false) as head
}}
data d {{
  source = synthetic(samples = 64, classes = 4) -> (x, t)
}}
train m on d {{
  loss = cross_entropy(y, t)
  optimizer = adam(lr = 0.1)
  epochs = 1
  {freeze}
}}
"
    );
    let loaded = load_text("m.dsl", &text, &[]).unwrap();
    let options = CompileOptions { functions: vec![FunctionKind::Train], ..CompileOptions::new(32) };
    dlc_compiler::compile(&loaded.model, &options).unwrap()
}

#[test]
fn frozen_parts_cost_no_backward_work() {
    let (free, body, first) =
        (compiled(""), compiled("freeze = [\"one\", \"two\"]"), compiled("freeze = [\"one\"]"));
    let contractions = |compilation: &Compilation| {
        let lowered = &compilation.functions[0].lowered;
        let nodes = lowered.function.nodes.values();
        nodes.filter(|node| matches!(node.op, dlc_ir::Op::Contract(_))).count()
    };
    // Forward three; backward per layer the gradient of its kernel, and that of its input where something below
    // learns.
    assert_eq!([&free, &first, &body].map(contractions), [3 + 5, 3 + 3, 3 + 1]);
    let launches = |compilation: &Compilation| compilation.functions[0].lowered.program.launches.len();
    assert!(launches(&body) < launches(&first) && launches(&first) < launches(&free));
    let work = |compilation: &Compilation| function_flops(&compilation.functions[0].graph, 32) as f64;
    let layer = (2 * 32 * WIDE * WIDE) as f64;
    // Two kernels' gradients and one input's less, with their updates.
    assert!(work(&free) - work(&body) > 3.0 * layer, "{} {}", work(&free), work(&body));
    // Slots of the optimiser belong to what learns.
    let slots = |compilation: &Compilation| {
        compilation.interface.tensors.iter().filter(|tensor| tensor.name.contains("_moment")).count()
    };
    assert_eq!([&free, &first, &body].map(slots), [6, 4, 2]);
}
