//! `compare`, `bench` and `inspect`.

use super::profile::roofline;
use super::{Outcome, ptx, weighted};
use crate::arguments::{BenchArguments, CompareArguments, InspectArguments};
use crate::console::{self, Console};
use crate::table::{bytes, count, table};
use dlc_driver::{BenchOptions, BenchReport, CompareOptions, CompareReport, InspectReport, LibraryReport};

/// Exit code of numbers that differ.
const MISMATCH: u8 = 3;

/// Differing values that are named.
const NAMED: usize = 5;

pub(super) fn compare(console: &Console, flags: &CompareArguments) -> Outcome {
    let loaded = weighted(console, &flags.weighted)?;
    let choices = flags.choices.choices(console)?;
    let machine = flags.machine.machine(console, &choices)?;
    let options = CompareOptions { batch: flags.batch, seed: flags.seed, machine, choices };
    let report = dlc_driver::compare_loaded(&loaded, &options)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&comparison(&report));
    }
    Ok(if report.agrees { 0 } else { MISMATCH })
}

fn comparison(report: &CompareReport) -> String {
    let local = &report.local;
    let mut lines = vec![format!(
        "local: {} values of {}, worst error {:.2e} at {}",
        local.values, local.function, local.worst_error, local.worst
    )];
    if local.ties > 0 {
        lines.push(format!(
            "       {} agree only with a comparison of nearly equal numbers decided the other way",
            local.ties
        ));
    }
    let rewritten = &report.rewritten;
    lines.push(format!(
        "rewritten: {} outputs of {}, worst error {:.2e}",
        rewritten.outputs, rewritten.function, rewritten.worst_error
    ));
    for output in &report.end_to_end {
        lines.push(format!("end to end: {} {}, error {:.2e}", output.function, output.name, output.error));
    }
    if let Some(gradients) = &report.gradients {
        lines.push(format!(
            "gradients: {} parameters, worst error {:.2e} at `{}`, {} decisions flipped (reported, not judged)",
            gradients.parameters, gradients.worst_error, gradients.worst, gradients.flipped_decisions
        ));
    }
    if report.agrees {
        lines.push(format!(
            "{}: compiled and interpreted numbers agree (batch {}, seed {}, {:.1} s)",
            report.model, report.batch, report.seed, report.seconds
        ));
        return lines.join("\n");
    }
    lines.push(format!("{}: compiled and interpreted numbers DIFFER; first:", report.model));
    lines.extend(report.mismatches.iter().take(NAMED).map(|mismatch| format!("  {mismatch}")));
    if report.mismatches.len() > NAMED {
        lines.push(format!("  and {} more", report.mismatches.len() - NAMED));
    }
    lines.join("\n")
}

/// How near a measured peak a time comes.
fn of_peak(report: &BenchReport) -> String {
    match (report.share, report.peak_gflops) {
        (Some(share), Some(peak)) => format!(", {:.1} % of the peak of {peak:.1} GFLOP/s", share * 100.0),
        _ => String::new(),
    }
}

pub(super) fn bench(console: &Console, flags: &BenchArguments) -> Outcome {
    let timed = &flags.timed;
    let loaded = weighted(console, &timed.weighted)?;
    let options = BenchOptions { timed: timed.options(console)?, against_baseline: true };
    let report = dlc_driver::bench(&loaded, &options)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&format!(
            "median {:.3} ms, least {:.3} ms\n{:.1} samples/s, {:.1} GFLOP/s{}",
            report.median_ms,
            report.min_ms,
            report.samples_per_s,
            report.gflops,
            of_peak(&report)
        ));
        if let Some(baseline) = report.baseline_ms {
            let ratio = baseline / report.median_ms;
            console::data(&format!("without the optimiser {baseline:.3} ms, {ratio:.2} times as long"));
        }
    }
    if flags.per_kernel {
        let profile = dlc_driver::profile(&loaded, &options.timed)?;
        if flags.json {
            console::json(&profile);
        } else {
            console::data(&format!("\n{}", roofline(&profile, false)));
        }
    }
    Ok(0)
}

pub(super) fn inspect(console: &Console, flags: &InspectArguments) -> Outcome {
    if dlc_driver::is_device_image(&flags.weighted.model.file) {
        let report = dlc_driver::read_device_image(&flags.weighted.model.file)?;
        match flags.json {
            true => console::json(&report),
            false => console::data(&ptx::image(&report)),
        }
        return Ok(0);
    }
    if dlc_driver::is_library(&flags.weighted.model.file) {
        return inspect_library(flags);
    }
    let report = dlc_driver::inspect(&weighted(console, &flags.weighted)?)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&layers(&report));
    }
    Ok(0)
}

fn inspect_library(flags: &InspectArguments) -> Outcome {
    let found = dlc_driver::read_library(&flags.weighted.model.file)?;
    for report in &found {
        if flags.json {
            console::json(report);
        } else {
            console::data(&library(report));
        }
    }
    Ok(0)
}

/// What a library says of a model in it.
fn library(report: &LibraryReport) -> String {
    let mut lines = vec![
        format!(
            "{}: compiled by {} ({}, {})",
            report.model, report.compiler, report.format, report.processor
        ),
        format!(
            "graph {}, contract {}, batch up to {}, weights {}",
            report.graph,
            report.version,
            report.batch_max,
            if report.embeds_weights { "inside" } else { "in a file of their own" }
        ),
    ];
    for variant in &report.variants {
        let needed = if variant.instructions.is_empty() {
            "what every such machine has".to_owned()
        } else {
            variant.instructions.join(", ")
        };
        lines.push(format!("code for {}: needs {needed}", variant.name));
    }
    let header = ["function", "", "port", "type", "arena", "per thread"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for function in &report.functions {
        let sizes = [bytes(function.arena_bytes), bytes(function.thread_bytes)];
        let mut first = vec![function.name.clone(), String::new(), String::new(), String::new()];
        first.extend(sizes);
        rows.push(first);
        rows.extend(function.inputs.iter().chain(&function.outputs).map(|port| {
            vec![
                String::new(),
                port.role.to_owned(),
                port.name.clone(),
                port.ty.clone(),
                String::new(),
                String::new(),
            ]
        }));
    }
    lines.push(format!("\n{}", table(&rows)));
    lines.push(format!(
        "\n{} parameters and states: parameters {}, states {}, together {} in memory; constants {}",
        report.tensors.len(),
        bytes(report.parameter_bytes),
        bytes(report.state_bytes),
        bytes(report.persistent_bytes),
        bytes(report.constant_bytes)
    ));
    lines.join("\n")
}

fn layers(report: &InspectReport) -> String {
    let mut rows = vec![["layer", "op", "output", "parameters", "FLOPs", "sees"].map(str::to_owned).to_vec()];
    rows.extend(report.layers.iter().map(|layer| {
        vec![
            if layer.path.is_empty() { "-".to_owned() } else { layer.path.clone() },
            layer.op.clone(),
            layer.output.clone(),
            changed(layer.parameters_before, layer.parameters, |value| value.to_string()),
            changed(layer.flops_before, layer.flops, count),
            layer.receptive_field.map_or_else(|| "all".to_owned(), |field| field.to_string()),
        ]
    }));
    let inputs: Vec<String> = report.inputs.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let text = format!(
        "{}({})\n\n{}\n\n{} parameters, {} trainable; {}FLOPs per sample",
        report.model,
        inputs.join(", "),
        table(&rows),
        report.parameters,
        report.trainable,
        count(report.flops) + if report.flops < 1000 { " " } else { "" },
    );
    match (report.parameters_before, report.flops_before) {
        (Some(parameters), Some(flops)) => {
            format!("{text}\nbefore pruning {parameters} parameters, {}FLOPs", count(flops))
        }
        _ => text,
    }
}

/// `before -> now`, where there was another number before.
fn changed(before: Option<u64>, now: u64, text: impl Fn(u64) -> String) -> String {
    match before {
        Some(before) if before != now => format!("{} -> {}", text(before), text(now)),
        _ => text(now),
    }
}
