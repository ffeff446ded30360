//! The commands of `dlc` as functions: check, fmt, compile, run, predict, train, eval, lr, compare, bench,
//! profile, inspect, explain, export, prune, quantize, tune, targets and ops.
//!
//! This crate joins all others. A command takes typed options, does its work and returns a report that
//! can be printed or serialised; it writes to no terminal and never ends the process. Faults are a
//! [`DriverError`], which knows its exit code. Flags, progress bars and streams are the command line's.

mod bandwidth;
mod bench;
mod check;
mod checkpoint;
mod choices;
mod claims;
mod code;
mod compare;
mod compile;
mod data;
mod diagnose;
mod drawing;
mod engine;
mod error;
mod evaluate;
mod explain;
mod export;
mod flops;
mod folder;
mod groups;
mod identity;
mod inspect;
mod inspector;
mod interpreted;
mod library;
mod load;
mod machine;
mod meaning;
mod memory;
mod movement;
mod native;
mod onnx;
mod peak;
mod predict;
mod profile;
mod prune;
mod ptx;
mod quantize;
mod rate;
mod rate_finder;
mod rewriting;
mod run;
mod search;
mod start;
mod timed;
mod train;
mod tuning;

pub use bandwidth::{Bandwidth, bandwidth};
pub use bench::{BenchOptions, BenchReport, bench};
pub use check::{CheckReport, check, format_file};
pub use checkpoint::load_for_checkpoint;
pub use choices::{CompileChoices, Math};
pub use claims::Claim;
pub use compare::{CompareOptions, CompareReport, Mismatch, compare, compare_loaded};
pub use compile::{ArtifactKind, CompileReport, CompileSettings, compile};
pub use diagnose::{diagnostic_json, draw_diagnostics};
pub use engine::{EngineKind, engine};
pub use error::DriverError;
pub use evaluate::{EvalSettings, evaluate};
pub use explain::{
    ExplainOptions, ExplainReport, KernelDetail, KernelExplanation, RuleUse, UnstoredValue, explain,
};
pub use export::{ExportReport, ExportSettings, export};
pub use flops::{function_flops, node_flops};
pub use folder::make_folder;
pub use groups::{LaunchGroup, launch_groups};
pub use inspect::{InspectReport, LayerRow, inspect};
pub use interpreted::Interpreted;
pub use library::{
    FunctionRow, LibraryReport, PortRow, TargetRow, TensorRow, VariantRow, is_library, read_library,
    target_table,
};
pub use load::{Loaded, Weights, load, load_text, model_name};
pub use machine::{DeviceName, Machine, session};
pub use meaning::Meaning;
pub use memory::{ArenaReport, ArenaValue};
pub use movement::{Movement, movement};
pub use native::{native_program, native_session};
pub use onnx::{OnnxRunReport, OnnxTraining, OperatorRow, is_onnx, load_for_training, operators, run_onnx};
pub use peak::{InstructionSet, peak_gflops};
pub use predict::{PredictReport, PredictSettings, PredictedRow, predict};
pub use profile::{
    CacheRoofs, Category, CategoryTime, KernelRow, LaunchProfile, Limit, Profile, Roofs, profile,
    write_roofline,
};
pub use prune::{
    MetricValues, Norm, PruneReport, PruneSettings, PrunedLayer, Scope, Totals, Unpruned, prune,
};
pub use ptx::{
    CodeTarget, DeviceFunctionRow, DeviceImageReport, DeviceKernelRow, DeviceSummary, GPU_TARGET,
    architecture, is_device_image, read_device_image,
};
pub use quantize::{
    Calibration, InputRange, LayerReport, Quantization, QuantizeReport, QuantizeSettings, decibels, quantize,
};
pub use rate::LearningRate;
pub use rate_finder::{RateSettings, find_rate};
pub use rewriting::{baseline, rule_selection};
pub use run::{RunReport, RunSettings, run};
pub use search::{Candidate, Dimension, SearchObserver, SearchReport, SearchSettings, Trial, Values, search};
pub use start::{StartReport, Taken, fit_weights};
pub use timed::{BenchTarget, TimedOptions};
pub use train::{TrainSettings, train};
pub use tuning::{TuneMode, TuneOptions, TunedShape, tuning_table};

pub use dlc_compiler::emit::{Architecture, Cpu, Platform};
pub use dlc_compiler::rewrite::{RewriteOptions, RuleSelection};
pub use dlc_recipe::{Renaming, Start, WeightLayout};
#[cfg(unix)]
pub use dlc_runtime::report_crashes;
pub use dlc_trainer::numpy::{ArrayFault, read_npy, read_npz, write_npy};
pub use dlc_trainer::{
    Confusion, EpochReport, EvalReport, Evaluated, Measures, Observer, Outcome, RatePoint, RateReport,
    Silent, StepReport, TrainReport,
};

/// Results of this crate.
pub type Result<T> = std::result::Result<T, DriverError>;
