//! `run` and `predict`.

use super::{Outcome, loaded};
use crate::arguments::{PredictArguments, RunArguments};
use crate::console::{self, Console};
use crate::table::table;
use dlc_driver::{PredictReport, PredictSettings, RunReport, RunSettings};

/// Values of a tensor that are printed.
const SHOWN: usize = 64;

pub(super) fn run(console: &Console, flags: &RunArguments) -> Outcome {
    let loaded = loaded(console, &flags.model)?;
    let settings = RunSettings {
        inputs: flags.inputs.clone(),
        checkpoint: flags.checkpoint.clone(),
        seed: flags.seed,
        threads: flags.engine.threads,
        engine: flags.engine.kind(),
        choices: flags.choices.choices(console)?,
        output_dir: flags.output_dir.clone(),
    };
    let report = dlc_driver::run(&loaded, &settings)?;
    if flags.json {
        console::json(&report);
    } else if report.files.is_empty() {
        console::data(&outputs(&report));
    } else {
        report.files.iter().for_each(|file| eprintln!("wrote {}", file.display()));
    }
    Ok(0)
}

fn outputs(report: &RunReport) -> String {
    let outputs = report.outputs.iter().map(|(name, tensor)| {
        let values = report.values(tensor);
        let mut shown: Vec<String> = values.iter().take(SHOWN).map(f64::to_string).collect();
        if values.len() > SHOWN {
            shown.push(format!("… ({} values; --output-dir writes all)", values.len()));
        }
        format!("{name}: {} [{}]", tensor.type_text(), shown.join(", "))
    });
    outputs.collect::<Vec<_>>().join("\n")
}

pub(super) fn predict(console: &Console, flags: &PredictArguments) -> Outcome {
    let loaded = loaded(console, &flags.model)?;
    let settings = PredictSettings {
        data: flags.data.clone(),
        seed: None,
        threads: flags.engine.threads,
        engine: flags.engine.kind(),
        choices: flags.choices.choices(console)?,
    };
    let report = dlc_driver::predict(&loaded, &flags.checkpoint, &flags.files, &settings)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&predictions(&report));
    }
    Ok(0)
}

fn predictions(report: &PredictReport) -> String {
    let classes = report.rows.iter().any(|row| row.class.is_some());
    let mut rows = Vec::new();
    if classes {
        rows.push(["source", "class", "probability"].map(str::to_owned).to_vec());
    } else {
        rows.push(std::iter::once("source".to_owned()).chain(report.outputs.iter().cloned()).collect());
    }
    for row in &report.rows {
        let mut cells = vec![row.source.clone()];
        match (row.class, row.probability) {
            (Some(class), Some(probability)) => {
                cells.push(row.name.clone().unwrap_or_else(|| class.to_string()));
                cells.push(format!("{probability:.4}"));
            }
            _ => cells.extend(row.outputs.iter().map(|values| {
                values.iter().take(SHOWN).map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(" ")
            })),
        }
        rows.push(cells);
    }
    table(&rows)
}
