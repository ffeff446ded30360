//! `dlc predict`: raw rows or pictures in, classes with probabilities or values out.

use crate::engine::engine;
use crate::{EvalSettings, Loaded, Meaning, Result};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_trainer::RunOptions;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What a user may choose about a prediction.
pub type PredictSettings = EvalSettings;

/// The prediction for one sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictedRow {
    /// The file, with the row where it is a table.
    pub source: String,
    /// Number of the most probable class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<usize>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The model's outputs, in order.
    pub outputs: Vec<Vec<f64>>,
}

/// The predictions for all samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictReport {
    /// Names of the model's outputs.
    pub outputs: Vec<String>,
    /// One per sample.
    pub rows: Vec<PredictedRow>,
}

/// Predicts for CSV files or pictures, with the scaling that the checkpoint holds.
pub fn predict(
    loaded: &Loaded,
    checkpoint: &Path,
    files: &[PathBuf],
    settings: &PredictSettings,
) -> Result<PredictReport> {
    let recipe = loaded.recipe("dlc predict")?;
    let options = CompileOptions {
        functions: vec![FunctionKind::Predict],
        ..settings.choices.options_for(recipe.data.batch, settings.engine.machine())?
    };
    let compilation = dlc_compiler::compile(&loaded.model, &options)?;
    let run = RunOptions { renamed: loaded.renamed(checkpoint)?, ..settings.run_options(loaded) };
    let mut engine = engine(&compilation, settings.engine, run.threads, &settings.choices)?;
    let found = dlc_trainer::predict(recipe, &loaded.folder, engine.as_mut(), checkpoint, files, &run)?;
    let meaning = Meaning::of(&loaded.model);
    let rows = found.rows.into_iter().map(|row| {
        let decided = row.values.first().and_then(|values| meaning.decide(values));
        PredictedRow {
            class: decided.map(|(class, _)| class),
            name: decided.and_then(|(class, _)| found.class_names.get(class).cloned()),
            probability: decided.map(|(_, probability)| probability),
            source: row.source,
            outputs: row.values,
        }
    });
    Ok(PredictReport { rows: rows.collect(), outputs: found.outputs })
}
