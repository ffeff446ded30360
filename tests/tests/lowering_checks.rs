//! Independent checks of what lowering makes of the models in the repository: the memory plan and the
//! barriers, and that kernels together store every element of every buffer exactly once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::lower::Lowered;
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_kernel::check::{check_plan, store_counts};
use dlc_kernel::{BufferId, Program, Storage};
use dlc_tests::models::{all_files, from_file, repository};

/// Everything that can be made of a model.
const KINDS: [FunctionKind; 5] = [
    FunctionKind::Initialize,
    FunctionKind::Predict,
    FunctionKind::Evaluate,
    FunctionKind::Train,
    FunctionKind::Gradients,
];

#[test]
fn plans_of_all_models() {
    for path in all_files() {
        let loaded = from_file(&path);
        for keep_all in [false, true] {
            let options = CompileOptions { functions: KINDS.to_vec(), keep_all, ..CompileOptions::new(8) };
            let compilation = compile(&loaded.model, &options).unwrap();
            for function in &compilation.functions {
                let program = &function.lowered.program;
                check_plan(program)
                    .unwrap_or_else(|error| panic!("{} {}: {error}", path.display(), function.name));
                assert!(!keep_all || all_apart(program), "{}: values share places", path.display());
            }
        }
    }
}

/// Whether no two buffers of the arena that anything writes share bytes.
fn all_apart(program: &Program) -> bool {
    let written = |id| program.launches.iter().any(|launch| launch.arguments.contains(&id));
    let mut places: Vec<(usize, usize)> = program
        .buffers
        .iter()
        .filter(|&(id, _)| written(id))
        .filter_map(|(_, buffer)| match buffer.storage {
            Storage::Arena(start) => Some((start, start + buffer.bytes)),
            _ => None,
        })
        .collect();
    places.sort_unstable();
    places.windows(2).all(|pair| pair[0].1 <= pair[1].0)
}

#[test]
fn small_models_store_every_element_once() {
    for name in [
        "examples/digits.dsl",
        "examples/breast_cancer.dsl",
        "examples/diabetes.dsl",
        "bench/cases/mlp.dsl",
        "bench/cases/resnet20-cifar.dsl",
        "bench/cases/dilated-context.dsl",
    ] {
        let loaded = from_file(&repository().join(name));
        let tiled = CompileOptions { winograd_always: true, ..CompileOptions::new(2) };
        for options in [CompileOptions::new(2), tiled, CompileOptions::for_device(2)] {
            let options = CompileOptions { functions: KINDS.to_vec(), ..options };
            for function in compile(&loaded.model, &options).unwrap().functions {
                for (id, _) in function.lowered.program.buffers.iter() {
                    check_buffer(&function.lowered, id, &format!("{name} {}", function.name));
                }
            }
        }
    }
}

/// A buffer of the arena is stored by one launch, or by several that divide it (phases, pieces of a
/// concatenation): together exactly once per element of a value, and never in its border. Persistent and bound buffers
/// at most once.
fn check_buffer(lowered: &Lowered, id: BufferId, place: &str) {
    let program = &lowered.program;
    let buffer = &program.buffers[id];
    let elements = buffer.bytes / buffer.dtype.size();
    let mut counts = vec![0_u32; elements];
    let mut writers = Vec::new();
    let mut unknown = 0;
    let mut scratch = false;
    for launch in &program.launches {
        let kernel = &program.kernels[launch.kernel];
        let written = (0..kernel.operands.len())
            .find(|&position| launch.arguments[position] == id && kernel.operands[position].writes);
        let Some(position) = written else { continue };
        // What a sequence adds up part by part was stored before.
        if launch.part.is_some() && kernel.operands[position].reads {
            continue;
        }
        // A part of the batch has its own piece of a buffer, or overwrites what the part before is done with.
        let mut pieces = vec![(0, 2)];
        if let (Some(part), Some(sequence)) = (&launch.part, program.sequence(launch)) {
            let steps = part.steps[position];
            let overwrites = steps.image == 0;
            scratch |= overwrites;
            let all = (0..sequence.parts(2)).map(|number| sequence.piece(number, 2));
            pieces = all.map(|piece| (part.start(position, piece), piece.count)).collect();
            pieces.truncate(if overwrites { 1 } else { pieces.len() });
        }
        for (start, batch) in pieces {
            let stores = store_counts(kernel, position, elements - start, batch)
                .unwrap_or_else(|error| panic!("{place}, {} by {}: {error}", buffer.name, kernel.name));
            assert!(
                stores.shared.is_empty(),
                "{place}, {}: two threads store an element in {}",
                buffer.name,
                kernel.name
            );
            counts[start..].iter_mut().zip(&stores.counts).for_each(|(sum, &count)| *sum += count);
            unknown += stores.unknown;
        }
        writers.push(kernel.name.as_str());
    }
    if writers.is_empty() || unknown > 0 {
        return;
    }
    // What is no value of the function may have gaps, as between the points of tiles.
    let value = lowered.values.values().any(|(buffer, _)| *buffer == id);
    let whole = matches!(buffer.storage, Storage::Arena(_)) && !scratch && value;
    let border = |element: usize| buffer.border.as_ref().is_some_and(|border| border.contains(element));
    let wrong = |element: usize, count: u32| match border(element) {
        true => count > 0,
        false => count > 1 || whole && count == 0,
    };
    if let Some((element, count)) = counts.iter().enumerate().find(|&(element, &count)| wrong(element, count))
    {
        panic!(
            "{place}: element {element} of {elements} of {} is stored {count} times by {writers:?}",
            buffer.name
        );
    }
}
