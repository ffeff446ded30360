//! One function per command: from flags to the driver's options, from its report to text or JSON.

mod analyse;
mod build;
mod explain;
mod export;
mod infer;
mod install;
mod learn;
mod profile;
mod prune;
mod ptx;
mod quantize;
mod search;

use crate::arguments::{Arguments, Colour, Command, ModelArguments, WeightedModelArguments};
use crate::console::Console;
use dlc_driver::{DriverError, Loaded, load, load_for_checkpoint};
use std::path::Path;

/// What a command ends with: an exit code, or a failure that has one.
type Outcome = Result<u8, DriverError>;

/// Runs the command; returns the exit code.
pub(crate) fn dispatch(arguments: Arguments) -> u8 {
    let Arguments { color, command } = arguments;
    let console = |json| Console::new(color, json);
    match command {
        Command::Check(flags) => finish(color, flags.json, build::check(&console(flags.json), &flags)),
        Command::Fmt(flags) => finish(color, false, build::format(&console(false), &flags)),
        Command::Compile(flags) => finish(color, flags.json, build::compile(&console(flags.json), &flags)),
        Command::Run(flags) => finish(color, flags.json, infer::run(&console(flags.json), &flags)),
        Command::Export(flags) => finish(color, flags.json, export::export(&console(flags.json), &flags)),
        Command::Targets(flags) => finish(color, flags.json, build::targets(&flags)),
        Command::Ops(flags) => finish(color, flags.json, infer::operators(&flags)),
        Command::Predict(flags) => finish(color, flags.json, infer::predict(&console(flags.json), &flags)),
        Command::Train(flags) => finish(color, flags.json, learn::train(&console(flags.json), &flags)),
        Command::Eval(flags) => finish(color, flags.json, learn::evaluate(&console(flags.json), &flags)),
        Command::Tune(flags) => finish(color, flags.json, search::tune(&console(flags.json), &flags)),
        Command::Prune(flags) => finish(color, flags.json, prune::prune(&console(flags.json), &flags)),
        Command::Lr(flags) => finish(color, flags.json, learn::find_rate(&console(flags.json), &flags)),
        Command::Compare(flags) => finish(color, flags.json, analyse::compare(&console(flags.json), &flags)),
        Command::Bench(flags) => finish(color, flags.json, analyse::bench(&console(flags.json), &flags)),
        Command::Profile(flags) => finish(color, flags.json, profile::profile(&console(flags.json), &flags)),
        Command::Explain(flags) => finish(color, flags.json, explain::explain(&console(flags.json), &flags)),
        Command::Quantize(flags) => {
            finish(color, flags.json, quantize::quantize(&console(flags.json), &flags))
        }
        Command::Completions(flags) => finish(color, false, install::completions(&flags)),
        Command::Man(flags) => finish(color, false, install::manual(&flags)),
        Command::Inspect(flags) => finish(color, flags.json, analyse::inspect(&console(flags.json), &flags)),
    }
}

fn finish(colour: Colour, json: bool, outcome: Outcome) -> u8 {
    outcome.unwrap_or_else(|error| Console::new(colour, json).failure(&error))
}

/// Loads the model and tells its warnings.
fn loaded(console: &Console, arguments: &ModelArguments) -> Result<Loaded, DriverError> {
    loaded_with(console, arguments, None)
}

/// Loads the model that a checkpoint is of.
fn loaded_with(
    console: &Console,
    arguments: &ModelArguments,
    checkpoint: Option<&Path>,
) -> Result<Loaded, DriverError> {
    let settings = arguments.all_settings();
    let loaded = match checkpoint {
        Some(checkpoint) => load_for_checkpoint(&arguments.file, checkpoint, &settings)?,
        None => load(&arguments.file, &settings)?,
    };
    console.diagnostics(&loaded.sources, &loaded.diagnostics);
    Ok(loaded)
}

/// Loads the model with the values of its checkpoint, if there is one.
fn weighted(console: &Console, arguments: &WeightedModelArguments) -> Result<Loaded, DriverError> {
    loaded_with_weights(console, &arguments.model, arguments.checkpoint.as_deref())
}

/// Loads the model with the values of a checkpoint, if there is one, in place of its own or initial ones.
fn loaded_with_weights(
    console: &Console,
    arguments: &ModelArguments,
    checkpoint: Option<&Path>,
) -> Result<Loaded, DriverError> {
    let loaded = loaded_with(console, arguments, checkpoint)?;
    match checkpoint {
        Some(checkpoint) => loaded.with_weights_of(checkpoint),
        None => Ok(loaded),
    }
}
