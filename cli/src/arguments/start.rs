//! Flags that name weights to begin with.

use clap::Args;
use dlc_driver::{DriverError, Loaded, Renaming, Start, WeightLayout};
use std::path::PathBuf;

/// A file of weights, in the place of what the model's file says under `start`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Beginning with weights")]
pub(crate) struct StartArguments {
    /// Weights to begin with: safetensors of dlc, of PyTorch or with names that --start-name tells [default: what
    /// the file says, else random ones].
    #[arg(long, value_name = "FILE")]
    start: Option<PathBuf>,
    /// A rule that renames tensors of the file, such as `layer1.* -> stage0.block*`; may be given several times, each
    /// follows the one before [default: none].
    #[arg(long = "start-name", value_name = "FROM -> TO", value_parser = renaming, requires = "start")]
    names: Vec<Renaming>,
    /// Values of the model that begin anew, such as `head.*`; may be given several times [default: none].
    #[arg(long = "start-skip", value_name = "PATTERN", requires = "start")]
    skip: Vec<String>,
    /// How the file holds matrices of dense layers: `dlc` as [inputs, units], `pytorch` as [units, inputs] [default:
    /// what its names and shapes tell].
    #[arg(long = "start-layout", value_name = "LAYOUT", value_parser = layout, requires = "start")]
    layout: Option<WeightLayout>,
}

fn renaming(text: &str) -> Result<Renaming, String> {
    Renaming::parse(text).map_err(|reason| format!("it {reason}"))
}

fn layout(text: &str) -> Result<WeightLayout, String> {
    WeightLayout::from_name(text).ok_or_else(|| "layouts are dlc and pytorch".to_owned())
}

impl StartArguments {
    /// Whether weights are named.
    pub(crate) fn is_given(&self) -> bool {
        self.start.is_some()
    }

    /// Puts the flags in the place of what the file says.
    pub(crate) fn apply(&self, loaded: &mut Loaded) -> Result<(), DriverError> {
        if let Some(start) = self.start()? {
            loaded.start = Some(start);
        }
        Ok(())
    }

    /// What the flags say, if they name weights.
    pub(crate) fn start(&self) -> Result<Option<Start>, DriverError> {
        let Some(path) = &self.start else { return Ok(None) };
        let whole =
            std::path::absolute(path).map_err(|cause| DriverError::File { path: path.clone(), cause })?;
        Ok(Some(Start {
            path: whole.to_string_lossy().into_owned(),
            names: self.names.clone(),
            skip: self.skip.clone(),
            layout: self.layout,
            span: None,
        }))
    }
}
