//! `explain`: kernels with the layers, rewrites and groupings that they came from, as text.

use super::{Outcome, weighted};
use crate::arguments::ExplainArguments;
use crate::console::{self, Console};
use crate::table::{bytes, count, table};
use dlc_driver::{ExplainOptions, ExplainReport, KernelDetail, KernelExplanation, RuleUse, UnstoredValue};

/// Share of a function's bytes or operations below which a kernel is only counted.
const SMALL: f64 = 0.005;

/// Ops, or runs, that are named in one line; the rest is counted.
const NAMED: usize = 4;

/// Layers that are named in one cell of the table.
const LAYERS: usize = 2;

/// Values that are listed one by one.
const LISTED: usize = 12;

pub(super) fn explain(console: &Console, flags: &ExplainArguments) -> Outcome {
    let loaded = weighted(console, &flags.weighted)?;
    let options = ExplainOptions {
        function: flags.function.clone(),
        kernel: flags.kernel.clone(),
        batch: flags.batch,
        choices: flags.choices.choices(console)?,
    };
    let report = dlc_driver::explain(&loaded, &options)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&text(&report, flags.all));
    }
    Ok(0)
}

fn text(report: &ExplainReport, all: bool) -> String {
    match (&report.detail, report.kernels.as_slice()) {
        (Some(detail), [kernel]) => one_kernel(report, kernel, detail),
        _ => overview(report, all),
    }
}

fn overview(report: &ExplainReport, all: bool) -> String {
    let (moved, plain) = (report.moved, report.baseline);
    let mut lines = vec![
        format!("{}, fn {}, at batch {}", report.model, report.function, report.batch),
        format!(
            "ops: {} before rewriting; {} merged as equal, {} removed as unused; {} after",
            report.ops_before, report.merged, report.removed, report.ops_after
        ),
        format!(
            "kernels: {} in {} launches that move {}; without the optimiser {} in {} that move {}",
            moved.kernels,
            moved.launches,
            amount(moved.bytes()),
            plain.kernels,
            plain.launches,
            amount(plain.bytes())
        ),
        String::new(),
        kernels(report, all),
        String::new(),
        rules("rules behind this function", &report.rules),
    ];
    lines.push("\n`dlc explain FILE KERNEL` tells all about one kernel or layer".to_owned());
    lines.join("\n")
}

fn amount(value: u64) -> String {
    bytes(usize::try_from(value).unwrap_or(usize::MAX))
}

/// The first few of some names.
fn some(names: &[String], most: usize) -> String {
    let mut shown: Vec<String> = names.iter().take(most).cloned().collect();
    if names.len() > most {
        shown.push(format!("+{}", names.len() - most));
    }
    shown.join(", ")
}

fn ops(kernel: &KernelExplanation) -> String {
    let named = kernel.ops.iter().map(|(name, times)| match times {
        1 => name.clone(),
        _ => format!("{times} {name}"),
    });
    some(&named.collect::<Vec<_>>(), NAMED)
}

fn kernels(report: &ExplainReport, all: bool) -> String {
    let total = |of: fn(&KernelExplanation) -> u64| {
        report.kernels.iter().fold(0, |sum: u64, kernel| sum.saturating_add(of(kernel)))
    };
    let (all_bytes, all_operations) = (total(|kernel| kernel.bytes), total(|kernel| kernel.operations));
    let large = |part: u64, whole: u64| part as f64 >= SMALL * whole as f64;
    let shown = |kernel: &&KernelExplanation| {
        all || large(kernel.bytes, all_bytes) || large(kernel.operations, all_operations)
    };
    let header = ["kernel", "runs", "computes", "layers", "rules", "operations", "bytes", "if all stored"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.kernels.iter().filter(shown).map(|kernel| {
        let rules: Vec<String> = kernel.rules.iter().map(|used| used.rule.clone()).collect();
        vec![
            kernel.name.clone(),
            kernel.rounds.to_string(),
            ops(kernel),
            some(&kernel.layers, LAYERS),
            if rules.is_empty() { "-".to_owned() } else { rules.len().to_string() },
            count(kernel.operations),
            amount(kernel.bytes),
            if kernel.unstored.is_empty() { String::new() } else { amount(kernel.bytes_if_stored) },
        ]
    }));
    let hidden: Vec<&KernelExplanation> = report.kernels.iter().filter(|kernel| !shown(kernel)).collect();
    let mut text = table(&rows);
    if !hidden.is_empty() {
        let bytes = hidden.iter().fold(0, |sum: u64, kernel| sum.saturating_add(kernel.bytes));
        text.push_str(&format!(
            "\nand {} small kernels in {} launches, {} together; --all lists them",
            hidden.len(),
            hidden.iter().map(|kernel| kernel.launches.len()).sum::<usize>(),
            amount(bytes)
        ));
    }
    text
}

fn rules(title: &str, rules: &[RuleUse]) -> String {
    if rules.is_empty() {
        return format!("{title}: none");
    }
    let mut lines = vec![format!("{title}:")];
    lines.extend(rules.iter().map(|used| {
        format!("  {} x {} ({}, {}): {}", used.times, used.rule, used.theme, used.tag, used.law)
    }));
    lines.join("\n")
}

fn block(title: &str, lines: &[String]) -> String {
    format!("{title}:\n  {}", lines.join("\n  "))
}

fn one_kernel(report: &ExplainReport, kernel: &KernelExplanation, detail: &KernelDetail) -> String {
    let runs: Vec<String> = kernel.launches.iter().map(usize::to_string).collect();
    let runs = match runs.as_slice() {
        [one] if kernel.rounds > 1 => format!("{} runs, launch {one} in every step of a scan", kernel.rounds),
        [one] => format!("one run, launch {one}"),
        several => format!("{} runs, launches {}", several.len(), some(several, NAMED)),
    };
    let layers = if kernel.layers.is_empty() { "none".to_owned() } else { kernel.layers.join(", ") };
    let mut parts = vec![format!(
        "kernel {} of {}, fn {}, at batch {}: {runs}\nlayers: {layers}",
        kernel.name, report.model, report.function, report.batch
    )];
    if !detail.before.is_empty() {
        parts.push(block("before, the ops of these layers as they were written", &detail.before));
    }
    let title = match kernel.launches.as_slice() {
        [_] => "after, what the kernel computes".to_owned(),
        _ => format!("after, what it computes in launch {}", detail.launch),
    };
    parts.push(block(&title, &detail.computes));
    parts.push(rules("rules behind the ops of these layers", &kernel.rules));
    parts.push(grouping(kernel));
    parts.push(detail.after.trim_end().to_owned());
    parts.join("\n\n")
}

fn grouping(kernel: &KernelExplanation) -> String {
    let cost = format!("estimated: {} operations, {} moved", count(kernel.operations), amount(kernel.bytes));
    if kernel.unstored.is_empty() {
        return format!("grouped: every value that it computes is stored\n{cost}");
    }
    let value = |value: &UnstoredValue| {
        let layer = if value.layer.is_empty() { String::new() } else { format!(" of {}", value.layer) };
        format!(
            "{}: {} {}{layer}, {}, saves {}",
            value.value,
            value.ty,
            value.op,
            amount(value.bytes),
            amount(value.saved)
        )
    };
    let mut lines: Vec<String> = kernel.unstored.iter().take(LISTED).map(value).collect();
    if kernel.unstored.len() > LISTED {
        lines.push(format!("and {} more", kernel.unstored.len() - LISTED));
    }
    let ratio = kernel.bytes_if_stored as f64 / kernel.bytes.max(1) as f64;
    format!(
        "{}\n{cost}; {} if each of these were stored, {ratio:.1} times as much",
        block("grouped: computed on the way and never stored", &lines),
        amount(kernel.bytes_if_stored)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use dlc_driver::{CompileChoices, RewriteOptions, RuleSelection};
    use expect_test::{Expect, expect};

    const TEXT: &str = "dlc 1\nmodel tiny(x: f32[N, 2, 4, 4]) -> (y) {\n  \
        h = x |> conv2d(8, kernel = 3, padding = 1, bias = false) as conv |> batch_norm() as norm |> relu()\n  \
        y = h |> global_avg_pool() |> dense(3) as head\n}\n";

    fn told(kernel: Option<&str>, rules: RuleSelection) -> String {
        let loaded = dlc_driver::load_text("tiny.dsl", TEXT, &[]).unwrap();
        let options = ExplainOptions {
            function: Some("predict".to_owned()),
            kernel: kernel.map(str::to_owned),
            batch: Some(4),
            choices: CompileChoices {
                rewrite: RewriteOptions { rules, ..RewriteOptions::default() },
                ..CompileChoices::default()
            },
        };
        text(&dlc_driver::explain(&loaded, &options).unwrap(), false)
    }

    fn check(found: &str, expected: &Expect) {
        expected.assert_eq(found);
    }

    #[test]
    fn the_kernels_of_a_function() {
        let rules = dlc_driver::rule_selection(&["normalization".to_owned()]).unwrap();
        check(
            &told(None, rules),
            &expect![[r#"
                tiny, fn predict, at batch 4
                ops: 28 before rewriting; 0 merged as equal, 0 removed as unused; 29 after
                kernels: 8 in 8 launches that move 8.7 KiB; without the optimiser 7 in 7 that move 7.6 KiB

                kernel         runs  computes           layers       rules  operations    bytes  if all stored
                norm.mul          1  add, rsqrt, mul    norm             3          24     96 B          224 B
                norm.mul#2        1  mul                norm             3         144  1.2 KiB
                norm.add          1  neg, mul, add      norm             3          24    128 B          256 B
                reshape           1  reshape                             -           0  1.0 KiB
                norm.convolve     1  convolve           norm             3     18.43 k  3.7 KiB
                y.sum             1  add, relu, reduce  norm, h, +1      3      1.54 k  2.2 KiB       10.2 KiB
                y.div             1  div                y                -          32    256 B
                head.contract     1  contract, add      head             -         204    284 B          380 B

                rules behind this function:
                  1 x distribute_persistent_factor (normalization, rounding): (x + broadcast(p)) * broadcast(f) = x * broadcast(f) + broadcast(p * f), p and f persistent
                  1 x merge_broadcast_terms (normalization, rounding): (x + broadcast(p)) + broadcast(q) = x + broadcast(p + q)
                  1 x scale_into_convolution (normalization, rounding): convolve(x, w) * broadcast(f) = convolve(x, w * broadcast(f)), f per output channel; w and f persistent

                `dlc explain FILE KERNEL` tells all about one kernel or layer"#]],
        );
    }

    #[test]
    fn a_kernel_without_rewriting() {
        check(
            &told(Some("relu"), RuleSelection::Off),
            &expect![[r#"
                kernel y.sum of tiny, fn predict, at batch 4: one run, launch 3
                layers: norm, h, y

                before, the ops of these layers as they were written:
                  %2: f32[N, 8, 4, 4] = … of conv
                  %3: f32[8] = parameter "norm.scale" @ "norm"
                  %4: f32[8] = parameter "norm.shift" @ "norm"
                  %5: f32[8] = state "norm.mean" @ "norm"
                  %6: f32[8] = state "norm.variance" @ "norm"
                  %7: f32[] = constant [9.999999747378752e-6] @ "norm"
                  %8: f32[8] = broadcast(%7) axes=[] @ "norm"
                  %9: f32[8] = add(%6, %8) @ "norm"
                  %10: f32[8] = rsqrt(%9) @ "norm"
                  %11: f32[8] = mul(%10, %3) @ "norm"
                  %12: f32[N, 8, 4, 4] = broadcast(%5) axes=[1] @ "norm"
                  %13: f32[N, 8, 4, 4] = broadcast(%11) axes=[1] @ "norm"
                  %14: f32[N, 8, 4, 4] = broadcast(%4) axes=[1] @ "norm"
                  %15: f32[N, 8, 4, 4] = sub(%2, %12) @ "norm"
                  %16: f32[N, 8, 4, 4] = mul(%15, %13) @ "norm"
                  %17: f32[N, 8, 4, 4] = add(%16, %14) @ "norm"
                  %18: f32[N, 8, 4, 4] = relu(%17) @ "h"
                  %19: f32[N, 8] = reduce(%18) kind=sum axes=[2, 3] @ "y"
                  %20: f32[] = constant [16.0] @ "y"
                  %21: f32[N, 8] = broadcast(%20) axes=[] @ "y"
                  %22: f32[N, 8] = div(%19, %21) @ "y"

                after, what the kernel computes:
                  %3: f32[N, 8, 4, 4] = … of conv, from memory
                  %5: f32[8] = parameter "norm.shift" @ "norm"
                  %6: f32[8] = state "norm.mean" @ "norm"
                  %12: f32[8] = … of norm, from memory
                  %13: f32[N, 8, 4, 4] = broadcast(%6) axes=[1] @ "norm"
                  %14: f32[N, 8, 4, 4] = broadcast(%12) axes=[1] @ "norm"
                  %15: f32[N, 8, 4, 4] = broadcast(%5) axes=[1] @ "norm"
                  %16: f32[N, 8, 4, 4] = sub(%3, %13) @ "norm"
                  %17: f32[N, 8, 4, 4] = mul(%16, %14) @ "norm"
                  %18: f32[N, 8, 4, 4] = add(%17, %15) @ "norm"
                  %19: f32[N, 8, 4, 4] = relu(%18) @ "h"
                  %20: f32[N, 8] = reduce(%19) kind=sum axes=[2, 3] @ "y"  (stored)

                rules behind the ops of these layers: none

                grouped: computed on the way and never stored:
                  %16: f32[N, 8, 4, 4] sub of norm, 2.0 KiB, saves 4.0 KiB
                  %17: f32[N, 8, 4, 4] mul of norm, 2.0 KiB, saves 4.0 KiB
                  %18: f32[N, 8, 4, 4] add of norm, 2.0 KiB, saves 4.0 KiB
                  %19: f32[N, 8, 4, 4] relu of h, 2.0 KiB, saves 4.0 KiB
                estimated: 2.56 k operations, 2.2 KiB moved; 18.2 KiB if each of these were stored, 8.2 times as much

                kernel "y.sum" (t3: f32 read, norm.mean: f32 read, t12: f32 read, norm.shift: f32 read, result: f32 write) space [N] {
                  at (i0)
                  v0: f32 = const 0.0
                  lanes for i1 in 0 .. 8 {
                    v4 = load norm.mean[i1]
                    v6 = load t12[i1]
                    v8 = load norm.shift[i1]
                    for i2 in 0 .. 4 carry (v1: f32 = v0) {
                      for i3 in 0 .. 4 carry (v2: f32 = v0) {
                        v3 = load t3[128*i0 + i1 + 32*i2 + 8*i3]
                        v5: f32 = sub v3, v4
                        v7: f32 = mul v5, v6
                        v9: f32 = add v7, v8
                        v10: f32 = relu v9
                        v11: f32 = add v2, v10
                        yield v11 -> v12
                      }
                      v13: f32 = add v1, v12
                      yield v13 -> v14
                    }
                    store result[8*i0 + i1] = v14
                  }
                }"#]],
        );
    }
}
