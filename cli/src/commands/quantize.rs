//! `quantize`.

use super::{Outcome, loaded_with};
use crate::arguments::QuantizeArguments;
use crate::console::{self, Console};
use crate::table::{bytes, table};
use dlc_driver::{LayerReport, QuantizeReport, decibels};

/// Exit code of a model that is not good enough with integers.
const REFUSED: u8 = 3;

pub(super) fn quantize(console: &Console, flags: &QuantizeArguments) -> Outcome {
    let loaded = loaded_with(console, &flags.model, flags.checkpoint.as_deref())?;
    let report = dlc_driver::quantize(&loaded, &flags.settings(console)?)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&summary(&report));
    }
    Ok(if report.accepted { 0 } else { REFUSED })
}

fn cells(layer: &LayerReport) -> Vec<String> {
    let input =
        |text: &dyn Fn(&dlc_driver::InputRange) -> String| layer.input.as_ref().map(text).unwrap_or_default();
    let error = |value: Option<f64>| value.map(|value| format!("{value:.5}")).unwrap_or_default();
    vec![
        layer.name.clone(),
        layer.kind.clone(),
        if layer.bits == 8 { "int8".to_owned() } else { "f32".to_owned() },
        if layer.weights > 0 { layer.weights.to_string() } else { String::new() },
        input(&|input| input.dtype.clone()),
        input(&|input| format!("{:.4}..{:.4}", input.least, input.greatest)),
        input(&|input| format!("{:.6}", input.scale)),
        error(layer.weight_error),
        error(layer.error_alone),
        layer.error_alone.map(|error| format!("{:.1}", decibels(error))).unwrap_or_default(),
        error(layer.error_together),
        layer.reason.clone().unwrap_or_default(),
    ]
}

fn summary(report: &QuantizeReport) -> String {
    let header = [
        "layer",
        "kind",
        "as",
        "weights",
        "input",
        "seen",
        "scale",
        "weight error",
        "error",
        "SQNR dB",
        "all together",
        "",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.layers.iter().map(cells));
    let measures = report.before.0.iter().map(|(name, before)| {
        let after = report.after.get(name).unwrap_or(f64::NAN);
        format!("{name} {before:.4} -> {after:.4}")
    });
    let size = |count: u64| bytes(usize::try_from(count).unwrap_or(usize::MAX));
    let mut lines = vec![
        table(&rows),
        String::new(),
        format!(
            "{}: ranges by {} over {} samples, errors over {}; the output changes by {:.5} of its norm ({:.1} dB)",
            report.model,
            report.calibration,
            report.samples,
            report.error_samples,
            report.output_error,
            decibels(report.output_error)
        ),
        format!(
            "{} ({} samples)  {}",
            report.part,
            report.part_samples,
            measures.collect::<Vec<_>>().join("  ")
        ),
        format!("weights and states {} -> {}", size(report.bytes_before), size(report.bytes_after)),
    ];
    if report.accepted {
        lines.extend(report.files.iter().map(|file| format!("wrote {}", file.display())));
    } else {
        lines.push(format!(
            "nothing is written: {} drops by {:.4}, more than {}, also with the worst layers in f32; allow more with \
             --max-drop, or leave more layers in f32 with --keep",
            report.decided_by, report.drop, report.max_drop
        ));
    }
    lines.join("\n")
}
