//! That a wrong number is found, wherever it lies.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Cpu, load_text, native_session};
use dlc_kernel::Storage;

const MODEL: &str = "dlc 1
model m(x: f32[N, 2, 6, 6]) -> (y) {
  h = x |> conv2d(4, kernel = 3, padding = same, bias = false) as conv |> batch_norm() as norm |> relu() |> max_pool(2)
  y = h |> flatten() |> dense(3) as head
}
data d {
  source = synthetic(samples = 8, classes = 3) -> (x, t)
  batch = 2
}
train m on d {
  loss = cross_entropy(y, t)
  metrics = accuracy(y, t)
  optimizer = sgd(lr = 0.1, momentum = 0.9)
  epochs = 1
}
";

/// What a run of the training step leaves in memory.
struct Left {
    compilation: Compilation,
    arena: Vec<u8>,
    before: Vec<u8>,
    after: Vec<u8>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

impl Left {
    fn new() -> Left {
        let loaded = load_text("m.dsl", MODEL, &[]).unwrap();
        let options = CompileOptions { keep_all: true, ..CompileOptions::new(2) };
        let compilation = dlc_compiler::compile(&loaded.model, &options).unwrap();
        let mut session = native_session(&compilation, 2, Cpu::Native).unwrap();
        session.initialize(1).unwrap();
        Engine::set_total_steps(&mut session, 10).unwrap();
        let subject = Subject::find(&compilation, "train", Math::Default).unwrap();
        let all = synthetic_inputs(&loaded, &compilation.interface, 2, 1);
        let inputs = subject.inputs(&all).unwrap();
        let before = session.persistent().unwrap().into_owned();
        let outputs = subject.call(&mut session, 2, &inputs).unwrap();
        let (arena, after) =
            (session.arena().unwrap().into_owned(), session.persistent().unwrap().into_owned());
        Left { compilation, arena, before, after, inputs, outputs }
    }

    fn memory(&self) -> Memory<'_> {
        Memory {
            math: Math::Default,
            lowered: &Subject::find(&self.compilation, "train", Math::Default).unwrap().function.lowered,
            batch: 2,
            arena: &self.arena,
            before: &self.before,
            after: &self.after,
            inputs: &self.inputs,
            outputs: &self.outputs,
        }
    }

    fn mismatches(&self) -> Vec<Mismatch> {
        let memory = self.memory();
        let (_, mut found) = local::check_values(&memory, 0.01).unwrap();
        found.extend(local::check_outputs(&memory, &self.compilation.interface, 0.01).unwrap());
        found.extend(local::check_unchanged(&memory, &self.compilation.interface));
        found
    }
}

#[test]
fn every_stored_float_is_looked_at() {
    let mut left = Left::new();
    assert_eq!(left.mismatches(), []);
    let places: Vec<(dlc_ir::NodeId, usize)> = {
        let lowered = left.memory().lowered;
        let places = lowered.values.iter().filter_map(|(&id, (buffer, layout))| {
            match (lowered.program.buffers[*buffer].storage, lowered.function.tensor_type(id).dtype) {
                (Storage::Arena(start), dlc_types::DType::F32) => {
                    Some((id, start + 4 * usize::try_from(layout.origin).unwrap()))
                }
                _ => None,
            }
        });
        places.collect()
    };
    assert!(places.len() > 20, "{}", places.len());
    for (id, place) in places {
        let kept: [u8; 4] = left.arena[place..place + 4].try_into().unwrap();
        let wrong = f32::from_ne_bytes(kept) + 10.0;
        left.arena[place..place + 4].copy_from_slice(&wrong.to_ne_bytes());
        let name = left.memory().path(id);
        let found = left.mismatches();
        let named = found.iter().find(|mismatch| mismatch.path == name).unwrap();
        assert!(named.index.iter().all(|&at| at == 0), "{named}");
        assert!(!named.kernels.is_empty(), "{named}");
        assert_eq!(named.compiled, f64::from(wrong), "{named}");
        left.arena[place..place + 4].copy_from_slice(&kept);
    }
}

#[test]
fn new_parameters_reports_and_untouched_states_are_looked_at() {
    let mut left = Left::new();
    for name in ["conv.weight", "head.bias.momentum", "norm.mean", "train.step", "train.seed"] {
        let tensors = &left.compilation.interface.tensors;
        let place = tensors.iter().find(|tensor| tensor.name == name).unwrap().offset;
        // The exponent's or the number's own low bits: any change must show.
        let byte = if name.starts_with("train.") { place } else { place + 3 };
        left.after[byte] ^= 0x41;
        let found = left.mismatches();
        assert!(!found.is_empty(), "{name}");
        left.after[byte] ^= 0x41;
    }
    left.outputs[0][3] ^= 0x40;
    assert!(!left.mismatches().is_empty());
}

#[test]
fn a_report_of_a_model_that_agrees_says_so() {
    let loaded = load_text("m.dsl", MODEL, &[]).unwrap();
    let report =
        compare_loaded(&loaded, &CompareOptions { batch: 3, seed: 5, ..CompareOptions::default() }).unwrap();
    assert!(report.agrees, "{:?}", report.mismatches);
    assert!(report.local.worst_error > 0.0 && report.local.worst_error < 1e-6, "{:?}", report.local);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["agrees"], &json["batch"]), (&true.into(), &3.into()));
}

#[test]
fn a_wrong_rewrite_is_found_in_gradients_too() {
    let loaded = load_text("m.dsl", MODEL, &[]).unwrap();
    let options = CompileOptions { keep_all: true, ..CompileOptions::new(2) };
    let mut compilation = dlc_compiler::compile(&loaded.model, &options).unwrap();
    let mut session = native_session(&compilation, 1, Cpu::Native).unwrap();
    session.initialize(1).unwrap();
    Engine::set_total_steps(&mut session, 10).unwrap();
    let inputs = synthetic_inputs(&loaded, &compilation.interface, 2, 1);
    let check = |compilation: &Compilation| {
        let subject = Subject::find(compilation, "train", Math::Default).unwrap();
        let externals = end_to_end::externals(&subject, &session, 2, &inputs).unwrap();
        let mut found = Vec::new();
        let report = rewritten::check(&subject, 2, &externals, 1.0, &mut found).unwrap();
        assert!(report.outputs > 10);
        found
    };
    assert_eq!(check(&compilation), []);
    // A product becomes a sum in the backward graph.
    let train = compilation.functions.iter_mut().find(|function| function.name == "train").unwrap();
    let wrong = train.lowered.function.nodes.iter_mut().find(|(_, node)| {
        node.op == dlc_ir::Op::Binary(dlc_ir::Binary::Multiply) && node.origin.path.starts_with("d(norm")
    });
    wrong.unwrap().1.op = dlc_ir::Op::Binary(dlc_ir::Binary::Add);
    assert!(check(&compilation).iter().any(|found| found.path == "parameter conv.weight"));
}

#[test]
fn a_model_without_training_is_compared_by_its_inference() {
    let text = "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {\n  y = x |> dense(3) as head |> softmax()\n}\n";
    let report = compare_loaded(&load_text("m.dsl", text, &[]).unwrap(), &CompareOptions::default()).unwrap();
    assert!(report.agrees && report.gradients.is_none(), "{report:?}");
    assert_eq!(report.local.function, "predict");
}

#[test]
fn reciprocals_of_doubles_are_doubles() {
    let text = "dlc 1\nmodel m(x: f64[N, 7]) -> (y) {\n  y = ((x / 3 + 0.1) + 0.2) * 0.7 * 1.3 + mean(x, axis = 1, keep = true)\n}\n";
    let report = compare_loaded(&load_text("m.dsl", text, &[]).unwrap(), &CompareOptions::default()).unwrap();
    assert_eq!(report.mismatches, []);
}
