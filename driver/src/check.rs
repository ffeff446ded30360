//! `dlc check` and `dlc fmt`.

use crate::load::read;
use crate::onnx::OnnxImporter;
use crate::{DriverError, Result, start};
use dlc_compiler::CompileError;
use dlc_compiler::autodiff::AutodiffError;
use dlc_compiler::step::StepError;
use dlc_ir::Model;
use dlc_recipe::Recipe;
use dlc_types::{Diagnostic, Diagnostics, SourceMap};
use std::path::Path;

/// Code of the warning about data that is not there.
const MISSING_DATA: &str = "DLC0503";
/// Code of a trainable parameter without a gradient.
const NO_GRADIENT: &str = "DLC0407";

/// What is wrong with a file; nothing where `diagnostics` is empty.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The texts that spans point into.
    pub sources: SourceMap,
    /// Errors and warnings, in the order in which they were found.
    pub diagnostics: Diagnostics,
}

/// Checks a file: text, names, shapes, sections, and that every trainable parameter gets a gradient.
/// Data and weights that are not there are warnings.
pub fn check(path: &Path, settings: &[(String, String)]) -> Result<CheckReport> {
    let importer = OnnxImporter::of(path, settings);
    let (loaded, sources, mut diagnostics) = read(path, settings, &importer)?;
    if let Some(error) = importer.failure() {
        return Err(error);
    }
    if let Some(loaded) = loaded {
        importer.check_binds()?;
        if let Some(recipe) = &loaded.recipe {
            diagnostics.all.extend(missing_data(recipe, &loaded.folder));
            let start = recipe.start.as_ref();
            diagnostics
                .all
                .extend(start.and_then(|start| start::check(&loaded.model, start, &loaded.folder)));
        }
        dlc_ir::verify::verify_model(&loaded.model).map_err(|error| DriverError::Bug(error.to_string()))?;
        check_gradients(&loaded.model, &mut diagnostics)?;
    }
    Ok(CheckReport { sources, diagnostics })
}

fn missing_data(recipe: &Recipe, folder: &Path) -> Option<Diagnostic> {
    let path = recipe.data.source.path()?;
    let place = dlc_trainer::dataset::resolve(path, folder, None);
    if place.exists() {
        return None;
    }
    let message = format!("the data {} does not exist", place.display());
    let warning = Diagnostic::warning(MISSING_DATA, message)
        .note("training reads it; checking, compiling and comparing do not")
        .help("put it there, or name another place with `dlc train --data PATH`");
    Some(match recipe.data.source_span {
        Some(span) => warning.at(span, "named here"),
        None => warning,
    })
}

fn check_gradients(model: &Model, diagnostics: &mut Diagnostics) -> Result<()> {
    if model.training.is_none() || model.forward.is_none() {
        return Ok(());
    }
    match dlc_compiler::step::gradients(model) {
        Ok(_) => Ok(()),
        Err(StepError::Autodiff(AutodiffError::MissingGradients(missing))) => {
            for one in missing {
                let span = model.parameters.iter().find(|p| p.name == one.parameter).and_then(|p| p.span);
                let error = Diagnostic::error(
                    NO_GRADIENT,
                    format!("the parameter `{}` gets no gradient: {}", one.parameter, one.reason),
                )
                .note("every trainable parameter must have a gradient of the loss")
                .help(format!("use it on the way to the loss, or write `freeze = \"{}\"`", one.parameter));
                diagnostics.push(match span.or(one.span) {
                    Some(span) => error.at(span, "declared here"),
                    None => error,
                });
            }
            Ok(())
        }
        Err(other) => Err(DriverError::Compile(CompileError::Step(other))),
    }
}

/// The text of a model file in the one layout.
pub fn format_file(path: &Path) -> Result<(String, String)> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| DriverError::File { path: path.to_owned(), cause })?;
    match dlc_dsl::format(&text, &path.display().to_string()) {
        Ok(formatted) => Ok((text, formatted)),
        Err((sources, diagnostics)) => Err(DriverError::Invalid { sources: Box::new(sources), diagnostics }),
    }
}
