//! A model file, loaded and free of errors.

use crate::{DriverError, Result};
use dlc_dsl::LoadOptions;
use dlc_ir::Model;
use dlc_recipe::Recipe;
use dlc_types::{Diagnostics, SourceMap};
use std::path::{Path, PathBuf};

/// What a file says, with its warnings.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The model.
    pub model: Model,
    /// Data and training; `None` for a file without a train section.
    pub recipe: Option<Recipe>,
    /// The folder that paths in the recipe are relative to.
    pub folder: PathBuf,
    /// The texts that spans point into.
    pub sources: SourceMap,
    /// Warnings.
    pub diagnostics: Diagnostics,
}

fn finish(parts: (Option<dlc_dsl::Loaded>, SourceMap, Diagnostics)) -> Result<Loaded> {
    let (loaded, sources, diagnostics) = parts;
    match loaded {
        Some(dlc_dsl::Loaded { model, recipe, folder }) => {
            Ok(Loaded { model, recipe, folder, sources, diagnostics })
        }
        None => Err(DriverError::Invalid { sources: Box::new(sources), diagnostics }),
    }
}

/// Loads a file. `settings` replace what it says, as `--set k=v` gives them.
pub fn load(path: &Path, settings: &[(String, String)]) -> Result<Loaded> {
    finish(dlc_dsl::load(path, &LoadOptions { settings: settings.to_vec() }))
}

/// Loads a text that stands in no folder.
pub fn load_text(name: &str, text: &str, settings: &[(String, String)]) -> Result<Loaded> {
    finish(dlc_dsl::load_text(name, text, &LoadOptions { settings: settings.to_vec() }))
}

impl Loaded {
    /// The recipe, which `command` needs.
    pub(crate) fn recipe(&self, command: &str) -> Result<&Recipe> {
        self.recipe.as_ref().ok_or_else(|| {
            DriverError::User(format!(
                "`{command}` needs a `data` and a `train` section, which the model `{}` does not have",
                self.model.name
            ))
        })
    }
}
