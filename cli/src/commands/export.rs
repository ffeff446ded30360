//! `export`.

use super::{Outcome, loaded_with};
use crate::arguments::ExportArguments;
use crate::console::{self, Console};
use crate::table::bytes;
use dlc_driver::{ExportReport, ExportSettings};

pub(super) fn export(console: &Console, flags: &ExportArguments) -> Outcome {
    let mut loaded = loaded_with(console, &flags.model, flags.checkpoint.as_deref())?;
    flags.start.apply(&mut loaded)?;
    let settings = ExportSettings {
        output: flags.output.clone(),
        checkpoint: flags.checkpoint.clone(),
        seed: flags.seed,
        limit: None,
    };
    let report = dlc_driver::export(&loaded, &settings)?;
    console.start(report.start.as_ref());
    if flags.json {
        console::json(&report);
    } else {
        console::data(&summary(&report));
    }
    Ok(0)
}

fn summary(report: &ExportReport) -> String {
    let operators: Vec<String> =
        report.operators.iter().map(|(operator, count)| format!("{operator} {count}")).collect();
    let nodes: usize = report.operators.values().sum();
    let weights = usize::try_from(report.weight_bytes).unwrap_or(usize::MAX);
    let mut lines = vec![
        format!("{}: {nodes} nodes of opset {}", report.model, report.opset),
        format!("operators: {}", operators.join(", ")),
        format!("inputs: {}", report.inputs.join(", ")),
        format!("outputs: {}", report.outputs.join(", ")),
        format!("weights: {} tensors, {}", report.weights, bytes(weights)),
    ];
    lines.extend(report.files.iter().map(|file| format!("wrote {}", file.display())));
    lines.join("\n")
}
