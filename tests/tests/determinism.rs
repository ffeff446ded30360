//! The same input gives the same bits: over thread counts, over a stop and a resumption, over two
//! compilations.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::emit::{Cpu, Target, clif_text};
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_dsl::Loaded;
use dlc_runtime::{Checkpoint, Program, Session};
use dlc_tests::models::{all_files, from_file, function, inputs, program, repository, session, trained};
use dlc_trainer::{Outcome, RunOptions, Silent};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn digits() -> (Loaded, Arc<Program>) {
    let loaded = from_file(&repository().join("examples/digits.dsl"));
    let program = program(&loaded, &FunctionKind::STANDARD, loaded.recipe.as_ref().unwrap().data.batch);
    (loaded, program)
}

#[test]
fn thread_counts_train_a_small_net_alike() {
    let body = "  h = x |> conv2d(12, kernel = 3, padding = same, bias = false) as a |> batch_norm() as n |> relu()\n  \
                h = h |> conv2d(20, kernel = 3, stride = 2, padding = 1) as b |> relu() |> dropout(0.2)\n  \
                y = h |> global_avg_pool() |> dense(10) as head";
    let rule =
        "  loss = cross_entropy(y, t)\n  optimizer = sgd(lr = 0.05, momentum = 0.9, weight_decay = 0.001)";
    let loaded = trained(body, "f32[N, 3, 12, 12]", 10, 16, rule);
    let program = program(&loaded, &[FunctionKind::Initialize, FunctionKind::Train], 16);
    let train = |threads| -> (Checkpoint, Vec<u32>) {
        let mut session = session(&program, threads, 5);
        let mut losses = Vec::new();
        for step in 0..20 {
            // The last batch of an epoch is smaller.
            let batch = if step % 4 == 3 { 7 } else { 16 };
            let fed = inputs(function(&program, "train"), batch, 10, step);
            let fed: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
            let mut report = [0.0];
            session.train_step(batch, &fed, &mut report).unwrap();
            losses.push(report[0].to_bits());
        }
        (session.checkpoint().unwrap(), losses)
    };
    let one = train(1);
    assert!(f32::from_bits(one.1[19]).is_finite());
    assert_ne!(one.1[0], one.1[16], "nothing was learned");
    assert!(one == train(2), "two threads differ from one");
    assert!(one == train(3), "three threads differ from one");
}

/// Equal numbers make equal sums wherever a lane or a row falls: a softmax of large equal logits is flat.
#[test]
fn every_element_of_a_product_is_summed_in_one_order() {
    for (inputs, units) in [(4096, 1000), (333, 1000), (77, 37), (64, 10), (1000, 65)] {
        let text = format!(
            "dlc 1\nmodel m(x: f32[N, {inputs}]) -> (y) {{\n  y = x |> dense({units}, init = constant(0.3), \
             bias_init = constant(0.7)) as fc\n}}\n"
        );
        let (loaded, _, diagnostics) = dlc_dsl::load_text("m", &text, &Default::default());
        let loaded = loaded.unwrap_or_else(|| panic!("{diagnostics:?}"));
        for batch in [1, 7, 33] {
            let program = program(&loaded, &[FunctionKind::Initialize, FunctionKind::Predict], batch);
            let mut session = session(&program, 2, 1);
            let x: Vec<u8> = (0..batch)
                .flat_map(|_| (0..inputs).flat_map(|place| (1.1 + 0.37 * place as f32).to_ne_bytes()))
                .collect();
            let mut y = vec![0; batch * units * 4];
            session.predict(batch, &[&x], &mut [&mut y]).unwrap();
            let first = &y[..4];
            let odd = y.chunks(4).position(|element| element != first);
            assert_eq!(odd, None, "{inputs} to {units}, batch {batch}");
        }
    }
}

fn run(loaded: &Loaded, program: &Arc<Program>, threads: usize, options: RunOptions) -> Vec<u8> {
    let mut session = Session::new(Arc::clone(program), threads).unwrap();
    let (stop, folder) = (AtomicBool::new(false), &loaded.folder);
    let recipe = loaded.recipe.as_ref().unwrap();
    let stops = options.stop_after.is_some();
    let report = dlc_trainer::train(recipe, folder, &mut session, &options, &mut Silent, &stop).unwrap();
    assert_eq!(report.outcome, if stops { Outcome::Stopped } else { Outcome::Finished });
    std::fs::read(report.checkpoint).unwrap()
}

fn options(out: &Path, epochs: usize) -> RunOptions {
    RunOptions {
        epochs: Some(epochs),
        seed: Some(3),
        threads: 1,
        out: out.to_owned(),
        ..RunOptions::default()
    }
}

#[test]
fn thread_counts_train_digits_alike() {
    let (loaded, program) = digits();
    let checkpoints: Vec<Vec<u8>> = (1..=3)
        .map(|threads| run(&loaded, &program, threads, options(tempfile::tempdir().unwrap().path(), 1)))
        .collect();
    assert!(checkpoints[0] == checkpoints[1], "two threads differ from one");
    assert!(checkpoints[0] == checkpoints[2], "three threads differ from one");
}

#[test]
fn a_stopped_run_goes_on_as_if_it_had_not() {
    let (loaded, program) = digits();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let straight = run(&loaded, &program, 2, options(whole.path(), 4));
    let stopped = RunOptions { stop_after: Some(2), ..options(parts.path(), 4) };
    let half = run(&loaded, &program, 2, stopped);
    assert!(half != straight);
    let resume = Some(parts.path().join("last.safetensors"));
    let resumed = RunOptions { resume, epochs: None, seed: None, ..options(parts.path(), 4) };
    assert!(run(&loaded, &program, 1, resumed) == straight, "a resumed run differs");
}

#[test]
fn two_compilations_are_equal() {
    for path in all_files() {
        let loaded = from_file(&path);
        // The largest nets repeat their kernels; their text is long and says nothing new.
        if loaded.model.parameters.len() > 40 {
            continue;
        }
        let texts = [(); 2].map(|()| {
            let compilation = compile(&from_file(&path).model, &CompileOptions::new(4)).unwrap();
            let programs: Vec<String> =
                compilation.functions.iter().map(|function| function.lowered.program.to_string()).collect();
            (programs, clif_text(&compilation, Target::host(Cpu::Native).unwrap().isa.as_ref()).unwrap())
        });
        assert!(texts[0] == texts[1], "{}", path.display());
    }
}
