//! What each launch of a program does: operations, bytes, and its share of what the model asks for.
//!
//! *Operations* are those that the kernel's body does ([`dlc_kernel::launch_operations`]). *Effective* operations
//! are the mathematical ones of the contraction or convolution that a launch helps to compute
//! ([`node_flops`]), divided among the kernels that multiply for it in proportion to their operations, so
//! that the launches of a node add up to the node: phases of a strided layer, parts of the batch, bands. By
//! minimal filtering the effective operations are more than those that are done.

use super::Category;
use crate::flops::node_flops;
use crate::groups::{is_movement, launch_groups};
use dlc_compiler::lower::Lowered;
use dlc_ir::{NodeId, Op};
use dlc_kernel::{Body, launch_operations, launch_traffic};
use std::collections::{BTreeMap, BTreeSet};

/// Origin of the ops that update a parameter, from `dlc_compiler::step`.
const UPDATE: &str = "update(";

/// What one launch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) category: Category,
    /// Operations that its kernel does.
    pub(super) operations: u64,
    /// Its share of the mathematical operations of a contraction.
    pub(super) effective: u64,
    /// Bytes read and written.
    pub(super) bytes: u64,
}

/// The contraction, convolution or scan that a launch for a value multiplies for, or moves the operands of: the value
/// itself, or the one behind it that is not stored.
fn contraction_behind(lowered: &Lowered, purpose: NodeId) -> Option<NodeId> {
    let mut pending = vec![purpose];
    let mut seen = BTreeSet::new();
    while let Some(id) = pending.pop() {
        let node = &lowered.function.nodes[id];
        if matches!(node.op, Op::Contract(_) | Op::Convolve(_) | Op::Scan(_)) {
            return Some(id);
        }
        if seen.insert(id) {
            let operands = node.operands.iter().copied();
            pending.extend(operands.filter(|operand| !lowered.values.contains_key(operand)));
        }
    }
    None
}

/// What every launch of a program does for a batch of `batch`.
pub(super) fn count(lowered: &Lowered, batch: usize) -> Vec<Count> {
    let program = &lowered.program;
    let sources: Vec<Option<NodeId>> =
        lowered.purposes.iter().map(|&purpose| contraction_behind(lowered, purpose)).collect();
    let multiplies =
        |launch: usize| matches!(program.kernels[program.launches[launch].kernel].body, Body::Contraction(_));
    // Nodes that no contraction kernel computes are left to the loops that do.
    let in_kernels: BTreeSet<NodeId> = (0..program.launches.len())
        .filter(|&launch| multiplies(launch))
        .filter_map(|launch| sources[launch])
        .collect();
    let groups = launch_groups(lowered);
    let mut counts: Vec<Count> = program
        .launches
        .iter()
        .enumerate()
        .map(|(number, launch)| {
            let moves =
                || groups[number].members.iter().all(|&id| is_movement(&lowered.function.nodes[id].op));
            let updates = lowered.function.nodes[lowered.purposes[number]].origin.path.starts_with(UPDATE);
            let category = match sources[number] {
                _ if multiplies(number) => Category::Contraction,
                _ if updates => Category::Optimizer,
                // Steps of a scan do all kinds of work.
                Some(source) if matches!(lowered.function.nodes[source].op, Op::Scan(_)) => {
                    Category::Elementwise
                }
                Some(source) if !in_kernels.contains(&source) => Category::Contraction,
                Some(_) => Category::Transform,
                None if !groups[number].members.is_empty() && moves() => Category::Transform,
                None => Category::Elementwise,
            };
            Count {
                category,
                operations: launch_operations(program, launch, batch),
                effective: 0,
                bytes: launch_traffic(program, launch, batch).total(),
            }
        })
        .collect();
    let mut launches_of: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        if let (Some(source), Category::Contraction) = (source, counts[number].category) {
            launches_of.entry(*source).or_default().push(number);
        }
    }
    for (source, launches) in launches_of {
        let weights: Vec<u64> = launches.iter().map(|&launch| counts[launch].operations).collect();
        let shares = divide(node_flops(&lowered.function, source, batch), &weights);
        for (launch, share) in launches.into_iter().zip(shares) {
            counts[launch].effective = share;
        }
    }
    counts
}

/// Divides a number in proportion to weights; the pieces add up to it, unless all weights are zero.
fn divide(whole: u64, weights: &[u64]) -> Vec<u64> {
    let sum = weights.iter().fold(0_u128, |sum, &weight| sum + u128::from(weight)).max(1);
    let bound = |until: u128| (u128::from(whole) as f64 * (until as f64 / sum as f64)).round() as u64;
    let mut until = 0_u128;
    let pieces = weights.iter().map(|&weight| {
        let start = bound(until);
        until += u128::from(weight);
        let end = if until == sum { whole } else { bound(until) };
        end.saturating_sub(start)
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{function_flops, load_text};
    use dlc_compiler::lower::Winograd;
    use dlc_compiler::{CompileOptions, CompiledFunction, FunctionKind, compile};

    const BATCH: usize = 32;

    fn step(winograd: Winograd) -> CompiledFunction {
        let text = "dlc 1\nmodel m(x: f32[N, 16, 32, 32]) -> (y) {\n  \
            h = x |> conv2d(32, kernel = 3, padding = 1, bias = false) as a |> batch_norm() |> relu()\n  \
            h = h |> conv2d(64, kernel = 3, padding = 1, bias = false) as b |> relu()\n  \
            h = h |> conv2d(32, kernel = 3, stride = 2, padding = 1, groups = 32) as c |> relu()\n  \
            y = h |> global_avg_pool() |> dense(8) as head\n}\ndata d {\n  \
            source = synthetic(samples = 64, classes = 8) -> (x, t)\n  batch = 32\n}\n\
            train m on d {\n  loss = cross_entropy(y, t)\n  optimizer = sgd(lr = 0.1, momentum = 0.9)\n  epochs = 1\n}\n";
        let text = text.replace("conv2d(32, kernel = 3, stride", "conv2d(64, kernel = 3, stride");
        let loaded = load_text("m.dsl", &text, &[]).unwrap();
        let options = CompileOptions {
            functions: vec![FunctionKind::Train],
            winograd,
            winograd_always: winograd != Winograd::Off,
            ..CompileOptions::new(BATCH)
        };
        compile(&loaded.model, &options).unwrap().functions.remove(0)
    }

    #[test]
    fn launches_of_a_node_add_up_to_it() {
        for winograd in [Winograd::F4, Winograd::Off] {
            let function = step(winograd);
            let lowered = &function.lowered;
            let counts = count(lowered, BATCH);
            let parts = lowered.program.launches.iter().filter(|launch| launch.part.is_some()).count();
            assert_eq!(parts > 0, winograd != Winograd::Off);
            for (id, node) in lowered.function.nodes.iter() {
                let of_node = (0..counts.len())
                    .filter(|&launch| contraction_behind(lowered, lowered.purposes[launch]) == Some(id));
                let sum: u64 = of_node.map(|launch| counts[launch].effective).sum();
                assert_eq!(sum, node_flops(&lowered.function, id, BATCH), "{id} {} {winograd:?}", node.op);
            }
            let sum: u64 = counts.iter().map(|count| count.effective).sum();
            assert_eq!(sum, function_flops(&function.graph, BATCH));
            let done: u64 = counts
                .iter()
                .filter(|count| count.category == Category::Contraction)
                .map(|count| count.operations)
                .sum();
            // Tiles multiply less than half; without them only phases and padding differ.
            assert_eq!(2 * done < sum, winograd != Winograd::Off, "{done} of {sum}");
        }
    }

    #[test]
    fn every_category_is_found() {
        let function = step(Winograd::F4);
        let counts = count(&function.lowered, BATCH);
        for category in Category::ALL {
            assert!(counts.iter().any(|count| count.category == category), "{category:?}");
        }
        for (count, &purpose) in counts.iter().zip(&function.lowered.purposes) {
            let path = &function.lowered.function.nodes[purpose].origin.path;
            assert_eq!(count.category == Category::Optimizer, path.starts_with(UPDATE), "{path}");
            assert!(count.bytes > 0, "{path}");
        }
    }

    #[test]
    fn pieces_add_up() {
        assert_eq!(divide(10, &[1, 1, 1]), [3, 4, 3]);
        assert_eq!(divide(7, &[0, 5]), [0, 7]);
        assert_eq!(divide(7, &[0, 0]), [0, 0]);
        assert_eq!(
            divide(u64::MAX, &[u64::MAX, u64::MAX]).iter().fold(0_u64, |a, &b| a.wrapping_add(b)),
            u64::MAX
        );
    }
}
