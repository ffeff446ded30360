//! Takes out of scans what nobody asks for: results, carries that only lead to themselves, and operands that no step
//! reads. Stands behind autodiff, which names more results than it needs, and behind frontends, which give all that a
//! layer has.

use dlc_ir::{Function, NodeId, Op, Output, OutputRole, Scan, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// The same function without what nobody asks for.
pub fn prune_scans(function: &Function) -> Function {
    if !function.has_scan() {
        return function.clone();
    }
    let mut result = function.without_dead_nodes();
    // From the last on: what a scan does not read any more, the ones before need not give.
    let scans: Vec<NodeId> = result.nodes.indices().filter(|&id| is_scan(&result, id)).collect();
    for id in scans.into_iter().rev() {
        prune(&mut result, id);
    }
    let Ok(result) = result
        .without_dead_nodes()
        .with_bodies(|body| Ok::<Function, Infallible>(prune_scans(&body.without_dead_nodes())));
    result
}

fn is_scan(function: &Function, id: NodeId) -> bool {
    matches!(function.nodes[id].op, Op::Scan(_))
}

fn prune(function: &mut Function, id: NodeId) {
    let Op::Scan(scan) = function.nodes[id].op.clone() else { return };
    let Type::Tuple(types) = function.nodes[id].ty.clone() else { return };
    let live = live_nodes(function);
    let mut wanted: BTreeSet<usize> = BTreeSet::new();
    for (user, node) in function.nodes.iter() {
        if let (Op::Project(number), [of], true) = (&node.op, node.operands.as_slice(), live.contains(&user))
            && *of == id
        {
            wanted.insert(*number);
        }
    }
    // A body must give something.
    if wanted.is_empty() {
        return;
    }
    let (carries, read) = needed(&scan, function.nodes[id].operands.len(), &wanted);
    let kept: Vec<usize> = (0..types.len())
        .filter(|&it| if it < scan.carries { carries.contains(&it) } else { wanted.contains(&it) })
        .collect();
    let operands: Vec<usize> = (0..function.nodes[id].operands.len())
        .filter(
            |&operand| {
                if operand < scan.carries { carries.contains(&operand) } else { read.contains(&operand) }
            },
        )
        .collect();
    if kept.len() == types.len() && operands.len() == function.nodes[id].operands.len() {
        return;
    }
    let pruned = renamed(&scan, &kept, &operands);
    let node = &mut function.nodes[id];
    node.op = Op::Scan(Box::new(pruned));
    node.operands = operands.iter().map(|&operand| node.operands[operand]).collect();
    node.ty = Type::Tuple(kept.iter().map(|&number| types[number].clone()).collect());
    for user in function.nodes.indices() {
        let node = &mut function.nodes[user];
        if let (Op::Project(number), true) = (&mut node.op, node.operands.first() == Some(&id)) {
            // Those of what is gone are dead, and go themselves.
            *number = kept.iter().position(|kept| kept == number).unwrap_or(0);
        }
    }
}

fn live_nodes(function: &Function) -> BTreeSet<NodeId> {
    let mut live = BTreeSet::new();
    let mut pending: Vec<NodeId> = function.outputs.iter().map(|output| output.value).collect();
    while let Some(id) = pending.pop() {
        if live.insert(id) {
            pending.extend(&function.nodes[id].operands);
        }
    }
    live
}

/// The carries that lead to a result that is wanted, and the operands that are read on the way.
fn needed(scan: &Scan, count: usize, wanted: &BTreeSet<usize>) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let results = scan.results();
    let value = |number: usize| match number.checked_sub(scan.carries) {
        None => scan.next(number),
        Some(result) => results.get(result).copied(),
    };
    let operands: BTreeMap<NodeId, usize> =
        (0..count).filter_map(|at| Some((scan.reader(at)?, at))).collect();
    let mut carries: BTreeSet<usize> =
        wanted.iter().copied().filter(|&number| number < scan.carries).collect();
    let mut pending: Vec<NodeId> = wanted.iter().filter_map(|&number| value(number)).collect();
    let (mut seen, mut read) = (BTreeSet::new(), BTreeSet::new());
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        pending.extend(&scan.body.nodes[id].operands);
        if let Some(&operand) = operands.get(&id) {
            read.insert(operand);
            if operand < scan.carries && carries.insert(operand) {
                pending.extend(scan.next(operand));
            }
        }
    }
    (carries, read)
}

/// The scan with some of its results and operands, under their new numbers.
fn renamed(scan: &Scan, kept: &[usize], operands: &[usize]) -> Scan {
    let carries = operands.iter().filter(|&&operand| operand < scan.carries).count();
    let slices =
        operands.iter().filter(|&&at| (scan.carries..scan.carries + scan.slices).contains(&at)).count();
    let mut body = scan.body.clone();
    let values = scan.results();
    body.outputs.clear();
    let mut results = 0;
    for (number, &old) in kept.iter().enumerate() {
        let (role, name, value) = match old.checked_sub(scan.carries) {
            None => (OutputRole::State, Scan::carry(number), scan.next(old)),
            Some(result) => {
                results += 1;
                (OutputRole::Output, Scan::result(results - 1), values.get(result).copied())
            }
        };
        body.outputs.extend(value.map(|value| Output { role, name, value }));
    }
    let mut pruned = Scan { body, carries, slices, ..scan.clone() };
    for (number, &old) in operands.iter().enumerate() {
        if let Some(reader) = scan.reader(old) {
            pruned.body.nodes[reader].op = Op::Input { name: pruned.input(number) };
        }
    }
    pruned.body = pruned.body.without_dead_nodes();
    pruned
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::prune_scans;
    use dlc_ir::text::{parse, print};
    use expect_test::expect;

    #[test]
    fn what_nobody_asks_for_is_gone() {
        let function = parse(
            "fn f {
              %0: f32[N] = input \"h\"
              %1: f32[N] = input \"unused\"
              %2: f32[4, N] = input \"x\"
              %3: f32[4, N] = input \"y\"
              %4: f32[N] = input \"w\"
              %5: (f32[N], f32[N], f32[4, N], f32[4, N]) = scan(%1, %0, %2, %3, %4) steps=4 carries=2 slices=2 reverse=false {
                %0: f32[N] = input \"carry.0\"
                %1: f32[N] = input \"carry.1\"
                %2: f32[N] = input \"slice.1\"
                %3: f32[N] = input \"invariant.0\"
                %4: f32[N] = add(%0, %3)
                %5: f32[N] = add(%1, %2)
                output state \"carry.0\" %4
                output state \"carry.1\" %5
                output output \"result.0\" %4
                output output \"result.1\" %5
              }
              %6: f32[N] = project(%5) index=1
              %7: f32[4, N] = project(%5) index=3
              output output \"last\" %6
              output output \"all\" %7
            }",
        )
        .unwrap();
        dlc_ir::verify::verify(&function).unwrap();
        let pruned = prune_scans(&function);
        dlc_ir::verify::verify(&pruned).unwrap();
        expect![[r#"
            fn f {
              %0: f32[N] = input "h"
              %1: f32[4, N] = input "y"
              %2: (f32[N], f32[4, N]) = scan(%0, %1) steps=4 carries=1 slices=1 reverse=false {
                %0: f32[N] = input "carry.0"
                %1: f32[N] = input "slice.0"
                %2: f32[N] = add(%0, %1)
                output state "carry.0" %2
                output output "result.0" %2
              }
              %3: f32[N] = project(%2) index=0
              %4: f32[4, N] = project(%2) index=1
              output output "last" %3
              output output "all" %4
            }
        "#]]
        .assert_eq(&print(&pruned));
    }
}
