//! Models from the language, compiled, with seeded inputs: what tests of whole networks share.

use crate::harness::load;
use dlc_abi::{ElementType, FunctionInterface};
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_dsl::Loaded;
use dlc_interp::Tensor;
use dlc_runtime::{HostTensor, Program, Session};
use dlc_types::random::Stream;
use dlc_types::{DType, Dim, Shape, TensorType};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A network whose steps are repetitions, trained by all that a step can have around its gradients.
pub const RECURRENT: &str = r#"dlc 1
model net(x: f32[N, 5, 6]) -> (logits) {
  y, h, c = lstm(x, 7, layers = 2, bidirectional = true) as lstm
  logits = y |> gru(8, output = last) as gru |> dropout(0.2) |> dense(2) as head
}
data d {
  source = synthetic(samples = 64, classes = 2) -> (x, label)
  batch = 4
}
train net on d {
  loss = cross_entropy(logits, label)
  optimizer = adamw(lr = one_cycle(max = 0.01))
  clip = norm(5)
  accumulate = 2
  epochs = 2
}
"#;

/// The models that lie in the repository: the examples, then the cases of the benchmark.
pub fn all_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["examples", "bench/cases"] {
        let entries = std::fs::read_dir(repository().join(folder)).unwrap();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| path.extension().is_some_and(|extension| extension == "dsl"));
        found.sort();
        files.extend(found);
    }
    files
}

/// The repository's root: where cargo runs a test from, else where it was built.
pub fn repository() -> PathBuf {
    let folder =
        std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|folder| folder.ends_with("tests"));
    folder.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).join("..")
}

/// Loads a model from the repository.
///
/// # Panics
/// If the language refuses it.
pub fn from_file(path: &Path) -> Loaded {
    let (loaded, _, diagnostics) = dlc_dsl::load(path, &Default::default());
    loaded.unwrap_or_else(|| panic!("{}: {diagnostics:?}", path.display()))
}

/// Loads a model from its text.
///
/// # Panics
/// If the language refuses it.
pub fn from_text(text: &str) -> Loaded {
    let (loaded, _, diagnostics) = dlc_dsl::load_text("test.dsl", text, &Default::default());
    loaded.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}"))
}

/// A model with training on synthetic data, from its body.
pub fn trained(body: &str, input: &str, classes: usize, batch: usize, train: &str) -> Loaded {
    from_text(&format!(
        "dlc 1\n\nmodel net(x: {input}) -> (y) {{\n{body}\n}}\n\n\
         data d {{\n  source = synthetic(samples = 64, classes = {classes}) -> (x, t)\n  batch = {batch}\n}}\n\n\
         train net on d {{\n{train}\n  epochs = 2\n}}\n"
    ))
}

/// Machine code of some functions of a model.
///
/// # Panics
/// If the model does not compile.
pub fn program(loaded: &Loaded, functions: &[FunctionKind], batch: usize) -> Arc<Program> {
    let options = CompileOptions { functions: functions.to_vec(), ..CompileOptions::new(batch) };
    load(&compile(&loaded.model, &options).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

/// A session with first values by seed.
pub fn session(program: &Arc<Program>, threads: usize, seed: u64) -> Session {
    let mut session = Session::new(Arc::clone(program), threads).unwrap();
    session.initialize(seed).unwrap();
    if program.interface().tensors.iter().any(|tensor| tensor.name == "train.total_steps") {
        session.set_scalar_i64("train.total_steps", 20).unwrap();
    }
    session
}

/// Seeded bytes for every input of a function: floats in -1..1, integers below `classes`.
pub fn inputs(function: &FunctionInterface, batch: usize, classes: u32, seed: u64) -> Vec<Vec<u8>> {
    let mut draws = Stream::new(seed, 5, 0);
    let inputs = function.inputs.iter().map(|port| {
        let elements = 0..port.elements(batch);
        match port.element {
            ElementType::F32 => elements.flat_map(|_| (2.0 * draws.unit() - 1.0).to_le_bytes()).collect(),
            ElementType::I32 => elements.flat_map(|_| draws.below(classes).to_le_bytes()).collect(),
            other => panic!("no input of these tests is {other:?}"),
        }
    });
    inputs.collect()
}

/// The interface of a function.
pub fn function<'a>(program: &'a Program, name: &str) -> &'a FunctionInterface {
    program.interface().functions.iter().find(|function| function.name == name).unwrap()
}

/// The outputs of a call, with inputs for two classes that follow from the seed.
pub fn called(session: &mut Session, name: &str, batch: usize, seed: u64) -> Vec<Vec<u8>> {
    let program = Arc::clone(session.program());
    let function = function(&program, name);
    let fed = inputs(function, batch, 2, seed);
    let fed: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
    let bytes = function.outputs.iter().map(|port| port.elements(batch) * port.element.size());
    let mut outputs: Vec<Vec<u8>> = bytes.map(|bytes| vec![0; bytes]).collect();
    let mut buffers: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    let handle = session.prepare(name).unwrap();
    session.call(handle, batch, &fed, &mut buffers).unwrap();
    outputs
}

/// That a device's numbers are those of threads: both compute in `f32`, in other orders, and a step amplifies that.
pub fn near(what: &str, dtype: DType, found: &[u8], expected: &[u8]) {
    if !dtype.is_float() {
        assert_eq!(found, expected, "{what}");
        return;
    }
    let (found, expected) = (dtype.floats(found), dtype.floats(expected));
    assert_eq!(found.len(), expected.len(), "{what}");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let apart = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
    let scale = norm(&mut expected.iter().copied()).max(1e-3);
    const BOUND: f64 = 1e-4;
    assert!(apart <= BOUND * scale, "{what}: {apart} apart of {scale}");
}

/// A runtime tensor for the oracle.
pub fn tensor_of_host(tensor: &HostTensor) -> Tensor {
    let dtype = DType::ALL[tensor.element as usize];
    let dims = tensor.dims.iter().map(|&size| Dim::Fixed(size)).collect();
    crate::harness::tensor_of(&TensorType::new(dtype, Shape(dims)), 1, &tensor.bytes)
}
