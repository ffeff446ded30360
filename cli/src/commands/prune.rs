//! `prune`.

use super::learn::stop_flag;
use super::{Outcome, loaded_with};
use crate::arguments::PruneArguments;
use crate::console::{self, Console};
use crate::progress::TrainingProgress;
use crate::table::{count, table};
use dlc_driver::{MetricValues, PruneReport, PruneSettings, PrunedLayer};

pub(super) fn prune(console: &Console, flags: &PruneArguments) -> Outcome {
    let choices = flags.choices.choices(console)?;
    let engine = flags.engine.kind(console, &choices)?;
    let settings = PruneSettings { choices, engine, ..flags.settings() };
    let loaded = loaded_with(console, flags.model(), Some(&settings.checkpoint))?;
    let stop = stop_flag()?;
    if settings.epochs > 0 && !flags.json {
        eprintln!(
            "training behind it: {} epochs at {} of the file's rates",
            settings.epochs, settings.rate_factor
        );
    }
    let mut progress = TrainingProgress::new(flags.json);
    let report = dlc_driver::prune(&loaded, &settings, &mut progress, &stop);
    progress.finish();
    let report = report?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&format!("{}\n\n{}", layers(&report), summary(&report)));
        eprintln!("{}", ending(&report));
    }
    Ok(0)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn row(layer: &PrunedLayer, structured: bool) -> Vec<String> {
    let arrow = |before: String, after: String| format!("{before} -> {after}");
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let mut row = vec![
        layer.parameter.strip_suffix(".weight").unwrap_or(&layer.parameter).to_owned(),
        arrow(layer.weights_before.to_string(), layer.weights_after.to_string()),
        percent(layer.sparsity),
    ];
    if structured {
        let channels = layer.channels_before.zip(layer.channels_after);
        row.push(
            channels.map_or_else(String::new, |(before, after)| arrow(before.to_string(), after.to_string())),
        );
        row.push(arrow(count(layer.flops_before), count(layer.flops_after)));
    } else {
        row.push(count(layer.flops_before));
    }
    row.extend([number(layer.output_error), number(layer.loss_change)]);
    row
}

fn layers(report: &PruneReport) -> String {
    let mut header = vec!["layer", "weights", "gone"];
    header.extend(if report.structured { &["channels", "FLOPs"][..] } else { &["FLOPs"] });
    header.extend(["output error", "loss change"]);
    let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
    rows.extend(report.layers.iter().map(|layer| row(layer, report.structured)));
    let mut text = table(&rows);
    if !report.whole.is_empty() {
        text.push_str("\n\nwhole:");
        report.whole.iter().for_each(|one| text.push_str(&format!("\n  {}: {}", one.parameter, one.reason)));
    }
    text
}

fn summary(report: &PruneReport) -> String {
    let (before, after) = (report.total_before, report.total_after);
    let fewer = |before: u64, after: u64| {
        let share = 1.0 - after as f64 / before.max(1) as f64;
        format!("{} -> {} ({} less)", count(before), count(after), percent(share))
    };
    let measures = |name: &str, values: &MetricValues| {
        let values: Vec<String> = values.0.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        format!("{name:<9} {}", values.join("  "))
    };
    let mut lines = vec![
        format!("parameters {}", fewer(before.parameters, after.parameters)),
        format!("not zero   {}", fewer(before.nonzero, after.nonzero)),
        format!("FLOPs      {}", fewer(before.flops, after.flops)),
        format!("on {} samples of the {} split:", report.samples, report.part),
        measures("  before", &report.before),
        measures("  pruned", &report.pruned),
    ];
    lines.extend(report.tuned.as_ref().map(|tuned| measures("  tuned", tuned)));
    lines.extend(report.drop.map(|drop| match drop > 0.0 {
        true => format!("{} got worse by {drop:.4}", report.metric),
        false => format!("{} got no worse", report.metric),
    }));
    lines.join("\n")
}

fn ending(report: &PruneReport) -> String {
    match (&report.checkpoint, &report.table) {
        (Some(checkpoint), Some(table)) => {
            format!("checkpoint  {}\ntable  {}", checkpoint.display(), table.display())
        }
        _ => "interrupted; `dlc train --resume` goes on with what is pruned".to_owned(),
    }
}
