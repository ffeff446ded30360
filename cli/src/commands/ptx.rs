//! Code for GPUs: what `compile` and `inspect` print of it.

use crate::table::{bytes, count, seconds, table};
use dlc_driver::{CompileReport, DeviceImageReport, DeviceSummary};

/// What was made.
pub(super) fn summary(report: &CompileReport, code: &DeviceSummary) -> String {
    let header = ["function", "ops", "kernels", "launches", "before", "FLOPs", "arena", "shared memory"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.functions.iter().zip(&code.functions).map(|(function, on_device)| {
        vec![
            function.name.clone(),
            function.ops.to_string(),
            on_device.kernels.to_string(),
            on_device.launches.to_string(),
            on_device.prologue.to_string(),
            count(function.flops),
            bytes(on_device.arena_bytes),
            bytes(on_device.shared_bytes as usize),
        ]
    }));
    let stages: Vec<String> =
        report.stages.iter().map(|(name, time)| format!("{name} {}", seconds(*time))).collect();
    let mut text = format!(
        "{}: {} parameters, batch up to {}\n\n{}\n\
         launches: of a call, rounds of repetitions counted; before: those before it where parameters have changed; \
         shared memory: of a kernel's block, at most\n\n\
         code for {}, products in {}: {} kernels, {} of PTX\nparameters and states {}, constants {}\nstages: {}",
        report.model,
        report.parameters,
        report.batch,
        table(&rows),
        code.architecture,
        code.math,
        code.kernels,
        bytes(code.text_bytes),
        bytes(report.persistent_bytes),
        bytes(report.constant_bytes),
        stages.join(", "),
    );
    for file in &report.files {
        text.push_str(&format!("\nwrote {}", file.display()));
    }
    text
}

/// What a file of launches holds.
pub(super) fn image(report: &DeviceImageReport) -> String {
    let code = &report.device;
    let mut lines = vec![
        format!("{}: compiled by {} (PTX for {})", report.model, report.compiler, code.architecture),
        format!(
            "graph {}, contract {}, batch up to {}, weights in a file of their own",
            report.graph, report.version, report.batch_max
        ),
        format!("runs on {}; products in {}", report.runs_on, code.math),
    ];
    let header = ["function", "", "port", "type", "kernels", "launches", "before", "arena", "shared memory"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (function, on_device) in report.functions.iter().zip(&code.functions) {
        let mut first = vec![function.name.clone(), String::new(), String::new(), String::new()];
        first.extend([
            on_device.kernels.to_string(),
            on_device.launches.to_string(),
            on_device.prologue.to_string(),
            bytes(on_device.arena_bytes),
            bytes(on_device.shared_bytes as usize),
        ]);
        rows.push(first);
        rows.extend(function.inputs.iter().chain(&function.outputs).map(|port| {
            let mut row = vec![String::new(), port.role.to_owned(), port.name.clone(), port.ty.clone()];
            row.resize(header.len(), String::new());
            row
        }));
    }
    lines.push(format!("\n{}", table(&rows)));
    let header = ["kernel", "threads", "blocks", "shared memory"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.kernels.iter().map(|kernel| {
        let blocks = kernel.blocks.map_or_else(|| "too many".to_owned(), |blocks| blocks.to_string());
        let shared = bytes(kernel.shared_bytes as usize);
        vec![kernel.name.clone(), kernel.threads.to_string(), blocks, shared]
    }));
    lines.push(format!("\n{}\nblocks: at the greatest batch", table(&rows)));
    lines.push(format!(
        "\n{} kernels, {} of PTX; {} parameters and states, {} in memory; constants {}",
        code.kernels,
        bytes(code.text_bytes),
        report.tensors.len(),
        bytes(report.persistent_bytes),
        bytes(report.constant_bytes)
    ));
    lines.join("\n")
}
