//! The flags of every command, with the defaults told in their help: a file for each of the files of `commands`.

mod analyse;
mod build;
mod infer;
mod install;
mod learn;
mod machine;
mod model;
mod prune;
mod quantize;
mod search;
mod start;

pub(crate) use analyse::{
    BenchArguments, CompareArguments, ExplainArguments, InspectArguments, ProfileArguments,
};
pub(crate) use build::{
    CheckArguments, CompileArguments, ExportArguments, FormatArguments, Instructions, OperatorArguments,
    TargetArguments,
};
pub(crate) use infer::{PredictArguments, RunArguments};
pub(crate) use install::{CompletionArguments, ManualArguments};
pub(crate) use learn::{EvalArguments, RateArguments, TrainArguments};
pub(crate) use machine::MachineArguments;
pub(crate) use model::{EngineArguments, ModelArguments, WeightedModelArguments};
pub(crate) use prune::PruneArguments;
pub(crate) use quantize::QuantizeArguments;
pub(crate) use search::SearchArguments;
pub(crate) use start::StartArguments;

use clap::{Parser, Subcommand, ValueEnum};

/// An ahead-of-time compiler for deep-learning models: from a text file to a trained network.
#[derive(Debug, Parser)]
#[command(name = "dlc", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Colour of messages: on a terminal, always or never.
    #[arg(long, value_enum, default_value_t = Colour::Auto, global = true)]
    pub(crate) color: Colour,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Parse, infer shapes and verify; tells all errors at once.
    Check(CheckArguments),
    /// Lay a model file out in the one way.
    Fmt(FormatArguments),
    /// Compile a model, print a summary and write its forms.
    Compile(CompileArguments),
    /// Run a model on tensors from files; an ONNX file (`.onnx`), too.
    Run(Box<RunArguments>),
    /// Write the inference graph of a model with its weights as an ONNX file.
    Export(Box<ExportArguments>),
    /// List the machines that `compile --target` makes code for, and what it can do for each.
    Targets(TargetArguments),
    /// List the operators of ONNX that are known.
    Ops(OperatorArguments),
    /// Predict for rows of a CSV file, pictures or arrays, with a trained checkpoint.
    Predict(PredictArguments),
    /// Train a model on its data.
    Train(Box<TrainArguments>),
    /// Loss and metrics of a checkpoint on the test split.
    Eval(EvalArguments),
    /// Find a learning rate: a short run whose rate grows from step to step.
    Lr(Box<RateArguments>),
    /// Train with many settings and find the best.
    Tune(Box<SearchArguments>),
    /// Make weights and activations of a trained model integers of eight bits, with ranges seen on its data.
    Quantize(Box<QuantizeArguments>),
    /// Take weights or channels out of a trained model, train it on, and tell what it lost.
    Prune(Box<PruneArguments>),
    /// Compare compiled with interpreted numbers: every value of a training step, and end to end.
    Compare(CompareArguments),
    /// Check, then time a training step or an inference.
    Bench(BenchArguments),
    /// Tell where the time of a training step or an inference goes, against what the machine can do.
    Profile(ProfileArguments),
    /// List the layers with shapes, parameters, operations and receptive field; of a library (`.o`, `.a`, `.so`) the
    /// functions, sizes and instructions, of `NAME.launches` those of code for a GPU.
    Inspect(InspectArguments),
    /// Tell which layers, rewrites and groupings each kernel came from, and what they save.
    Explain(ExplainArguments),
    /// Print what a shell needs to complete commands and flags.
    Completions(CompletionArguments),
    /// Print or write manual pages.
    Man(ManualArguments),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }
}
