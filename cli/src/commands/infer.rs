//! `run`, `predict` and `ops`.

use super::{Outcome, loaded_with};
use crate::arguments::{OperatorArguments, PredictArguments, RunArguments};
use crate::console::{self, Console};
use crate::table::table;
use dlc_driver::{DriverError, PredictReport, PredictSettings, RunReport, RunSettings};

/// Values of a tensor that are printed.
const SHOWN: usize = 64;

pub(super) fn run(console: &Console, flags: &RunArguments) -> Outcome {
    if dlc_driver::is_onnx(&flags.model.file) && flags.checkpoint.is_none() {
        return run_onnx(console, flags);
    }
    let mut loaded = loaded_with(console, &flags.model, flags.checkpoint.as_deref())?;
    flags.start.apply(&mut loaded)?;
    let report = dlc_driver::run(&loaded, &settings(console, flags)?)?;
    console.start(report.start.as_ref());
    if flags.json {
        console::json(&report);
    } else if report.files.is_empty() {
        console::data(&outputs(&report));
    } else {
        report.files.iter().for_each(|file| eprintln!("wrote {}", file.display()));
    }
    Ok(0)
}

fn settings(console: &Console, flags: &RunArguments) -> Result<RunSettings, DriverError> {
    let choices = flags.choices.choices(console)?;
    Ok(RunSettings {
        inputs: flags.inputs.clone(),
        checkpoint: flags.checkpoint.clone(),
        seed: flags.seed,
        threads: flags.engine.threads,
        engine: flags.engine.kind(console, &choices)?,
        choices,
        output_dir: flags.output_dir.clone(),
    })
}

/// Without a checkpoint an ONNX file holds its weights and has no settings.
fn run_onnx(console: &Console, flags: &RunArguments) -> Outcome {
    if !flags.model.settings.is_empty() {
        let what = "`--set` is for model files of dlc's own language, not for ONNX";
        return Err(DriverError::User(what.to_owned()));
    }
    if flags.start.is_given() {
        let what = "an ONNX file holds its weights; `--start` is for models without";
        return Err(DriverError::User(what.to_owned()));
    }
    if !flags.model.dims.is_empty() {
        let what =
            "`--dim` is for models that are compiled ahead; the sizes of a run are those of its inputs";
        return Err(DriverError::User(what.to_owned()));
    }
    if !flags.model.binds.is_empty() {
        let what = "`--bind` is for models that are compiled ahead; a run takes all its inputs as `--input`";
        return Err(DriverError::User(what.to_owned()));
    }
    let report = dlc_driver::run_onnx(&flags.model.file, &settings(console, flags)?)?;
    if flags.json {
        console::json(&report);
    } else if report.files.is_empty() {
        let lines = report.outputs().map(|(name, ty, values)| match values {
            Some(values) => format!("{name}: {ty} [{}]", shown(&values)),
            None => format!("{name}: {ty}"),
        });
        console::data(&lines.collect::<Vec<_>>().join("\n"));
    } else {
        report.files.iter().for_each(|file| eprintln!("wrote {}", file.display()));
    }
    Ok(0)
}

fn outputs(report: &RunReport) -> String {
    let outputs = report
        .outputs
        .iter()
        .map(|(name, tensor)| format!("{name}: {} [{}]", tensor.type_text(), shown(&report.values(tensor))));
    outputs.collect::<Vec<_>>().join("\n")
}

/// The first values.
fn shown(values: &[f64]) -> String {
    let mut shown: Vec<String> = values.iter().take(SHOWN).map(f64::to_string).collect();
    if values.len() > SHOWN {
        shown.push(format!("… ({} values; --output-dir writes all)", values.len()));
    }
    shown.join(", ")
}

/// The operators of ONNX that are known.
pub(super) fn operators(flags: &OperatorArguments) -> Outcome {
    let rows = dlc_driver::operators();
    if flags.json {
        console::json(&rows);
        return Ok(0);
    }
    let mut lines = vec![["operator", "opset", "family"].map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let name =
            if row.domain == "ai.onnx" { row.name.clone() } else { format!("{}.{}", row.domain, row.name) };
        vec![name, row.since.to_string(), row.family.clone()]
    }));
    console::data(&table(&lines));
    Ok(0)
}

pub(super) fn predict(console: &Console, flags: &PredictArguments) -> Outcome {
    let loaded = loaded_with(console, &flags.model, Some(&flags.checkpoint))?;
    let choices = flags.choices.choices(console)?;
    let settings = PredictSettings {
        out: flags.out.clone(),
        data: flags.data.clone(),
        seed: None,
        threads: flags.engine.threads,
        engine: flags.engine.kind(console, &choices)?,
        choices,
    };
    let report = dlc_driver::predict(&loaded, &flags.checkpoint, &flags.files, &settings)?;
    if flags.json {
        console::json(&report);
    } else {
        console::data(&predictions(&report));
    }
    if let Some(out) = &flags.out {
        eprintln!("report  {}", out.join("report.html").display());
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
            _ => cells.extend(row.outputs.iter().map(|values| match values.len() {
                many if many > SHOWN => format!("{many} values; --json prints them, --out shows them"),
                _ => values.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(" "),
            })),
        }
        rows.push(cells);
    }
    table(&rows)
}
