//! `dlc quantize`: a trained model with weights and inputs of eight bits.
//!
//! The layers are found in the graph (`dlc_compiler::quantize`). Their inputs are looked at on training samples, by the
//! compiled model with those values as outputs; a histogram of each gives its range. The quantised model is measured
//! beside the one in `f32` on samples that neither training nor the ranges saw, and if a metric drops too far, the
//! layers with the largest errors stay in `f32`, one after another, until it does not or too many would. Then nothing
//! is written. A quantised checkpoint has a note ([`Quantization`]), by which every command loads the model's file as
//! the quantised model.

mod errors;
mod gate;
mod histogram;
mod network;
mod note;
mod report;
mod samples;

pub use histogram::Calibration;
pub use note::Quantization;
pub use report::{InputRange, LayerReport, QuantizeReport, decibels};

use crate::identity::identity;
use crate::load::quantize_fault;
use crate::{CompileChoices, Cpu, DriverError, Loaded, Result};
use dlc_compiler::FunctionKind;
use dlc_compiler::quantize::{Layer, Plan, Survey, input_range, inputs, quantized, survey};
use dlc_ir::Model;
use dlc_runtime::write_atomically;
use dlc_trainer::{Measures, SavedRun};
use dlc_types::{DType, diagnostic::nearest};
use errors::{Errors, relative};
use gate::{ERROR_SAMPLES, Gate, Verdict};
use histogram::Histogram;
use network::{EncodedLayer, Workbench, encode_layers, ports, predicted, trained};
use samples::Samples;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What a user may choose about a quantisation.
#[derive(Clone, Debug)]
pub struct QuantizeSettings {
    /// Trained values; `None` for those that came with the model.
    pub checkpoint: Option<PathBuf>,
    /// Where the quantised checkpoint is written; a table of the layers stands beside it, as `.csv`.
    pub output: PathBuf,
    /// Replaces the data's file or folder.
    pub data: Option<PathBuf>,
    /// Arrays of samples for a model without a data section, by input: `.npy` or `.npz`.
    pub inputs: Vec<(String, PathBuf)>,
    /// Training samples that ranges are chosen by, at most.
    pub samples: usize,
    /// How ranges are chosen.
    pub calibration: Calibration,
    /// What a metric may drop: a difference where more is better, a share where less is.
    pub max_drop: f64,
    /// Layers that stay in `f32`, by patterns of their paths.
    pub keep: Vec<String>,
    /// Threads; `None` for as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Instructions that compiled code may use.
    pub cpu: Cpu,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

impl QuantizeSettings {
    /// The defaults: 512 samples, ranges of the least squared error, a drop of at most 0.01.
    pub fn new(checkpoint: Option<PathBuf>, output: PathBuf) -> QuantizeSettings {
        QuantizeSettings {
            checkpoint,
            output,
            data: None,
            inputs: Vec::new(),
            samples: 512,
            calibration: Calibration::Mse,
            max_drop: 0.01,
            keep: Vec::new(),
            threads: None,
            cpu: Cpu::Native,
            choices: CompileChoices::default(),
        }
    }

    fn check(&self, loaded: &Loaded) -> Result<()> {
        let fault = |text: &str| Err(DriverError::User(text.to_owned()));
        if loaded.quantization.is_some() {
            return fault(
                "the checkpoint is quantised already; quantise the checkpoint in f32 that it was made of (with other \
                 choices, if these do not suit)",
            );
        }
        if self.samples == 0 {
            return fault("ranges need at least one sample; 512 are usual");
        }
        if let Calibration::Percentile(share) = self.calibration
            && !(share > 0.5 && share <= 1.0)
        {
            return fault("a percentile of magnitudes must be above 50 and at most 100; 99.99 is usual");
        }
        if self.max_drop.is_nan() {
            return fault("the greatest drop of a metric must be a number; 0.01 is usual");
        }
        let same = self.checkpoint.as_ref().is_some_and(|checkpoint| *checkpoint == self.output);
        if same {
            return fault(
                "the quantised checkpoint would replace the one that it is made of; name another output",
            );
        }
        Ok(())
    }
}

/// The layers that patterns name.
fn kept(survey: &Survey, patterns: &[String], model: &str) -> Result<BTreeSet<String>> {
    let mut kept = BTreeSet::new();
    for pattern in patterns {
        let fits = |layer: &&Layer| {
            dlc_recipe::fits(pattern, &layer.name) || dlc_recipe::fits(pattern, &layer.parameter)
        };
        let found: Vec<String> = survey.layers.iter().filter(fits).map(|layer| layer.name.clone()).collect();
        if found.is_empty() {
            let names = || survey.layers.iter().map(|layer| layer.name.as_str());
            let help = match nearest(pattern, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the layers are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(DriverError::User(format!(
                "`--keep {pattern}` fits no layer of the model `{model}`; {help}"
            )));
        }
        kept.extend(found);
    }
    Ok(kept)
}

/// The layers, or why there are none.
fn surveyed(loaded: &Loaded) -> Result<Survey> {
    let found = survey(&loaded.model);
    if found.layers.is_empty() {
        let others: Vec<String> = found
            .others
            .iter()
            .map(|one| format!("\n  {} ({}): {}", one.name, one.kind, one.reason))
            .collect();
        return Err(DriverError::Unsupported(format!(
            "the model `{}` has no convolution or product with weights that integers can compute{}",
            loaded.model.name,
            others.concat()
        )));
    }
    Ok(found)
}

/// Counts what the layers read.
fn observe(
    loaded: &Loaded,
    survey: &Survey,
    bench: &Workbench<'_>,
    samples: &Samples<'_>,
    saved: &SavedRun,
) -> Result<(Vec<Histogram>, usize)> {
    let model = inputs(&loaded.model, survey).map_err(quantize_fault)?;
    let own = loaded.model.predict.outputs.len();
    let bytes: usize = model.predict.outputs[own..]
        .iter()
        .map(|output| model.predict.tensor_type(output.value).shape.at(1).iter().product::<usize>() * 4)
        .sum();
    let wished = loaded.recipe.as_ref().map_or(32, |recipe| recipe.data.batch);
    let batch = samples.batch(wished, bytes);
    let mut engine = bench.engine(&model, FunctionKind::Predict, batch, &saved.model)?;
    let ports = ports(engine.as_ref())?;
    let mut histograms = vec![Histogram::default(); survey.inputs];
    let seen = samples.each(engine.as_mut(), bench.settings.samples, &mut |engine, count, fed| {
        let outputs = predicted(engine, &ports, count, fed)?;
        for (number, (histogram, bytes)) in histograms.iter_mut().zip(&outputs[own..]).enumerate() {
            let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_ne_bytes(four)).collect();
            if let Some(odd) = histogram.add(&values) {
                let layer = survey.layers.iter().find(|layer| layer.input == number);
                return Err(DriverError::User(format!(
                    "the input of the layer `{}` is {odd} for a training sample, so it has no range; look at the data \
                     and at the training run",
                    layer.map_or("", |layer| layer.name.as_str())
                )));
            }
        }
        Ok(true)
    })?;
    Ok((histograms, seen))
}

/// How the value that some layers read becomes integers.
#[derive(Clone, Copy, Debug)]
struct Coding {
    dtype: DType,
    limit: f64,
    step: f32,
}

fn codings(survey: &Survey, histograms: &[Histogram], calibration: Calibration) -> Vec<Coding> {
    let numbered = histograms.iter().enumerate();
    let coding = numbered.map(|(number, histogram)| {
        let mut layers = survey.layers.iter().filter(|layer| layer.input == number);
        // What was never seen below zero is cut off there, as what was never seen above the limit is.
        let unsigned = layers.all(|layer| layer.never_negative) || !histogram.is_signed();
        let dtype = if unsigned { DType::U8 } else { DType::I8 };
        let limit = histogram.limit(calibration, dtype);
        let step = (limit / input_range(dtype).1) as f32;
        // All zeros, or nearly: any step will do.
        Coding { dtype, limit, step: if step < f32::MIN_POSITIVE { 1.0 } else { step } }
    });
    coding.collect()
}

/// All that is known of the layers when a verdict is there.
struct Findings<'a> {
    survey: &'a Survey,
    kept: &'a BTreeSet<String>,
    histograms: &'a [Histogram],
    codings: &'a [Coding],
    encoded: &'a [EncodedLayer],
    alone: &'a Errors,
    together: &'a Errors,
    verdict: &'a Verdict,
}

impl Findings<'_> {
    fn layer(&self, layer: &Layer, encoded: &EncodedLayer) -> LayerReport {
        let (coding, histogram) = (self.codings[layer.input], &self.histograms[layer.input]);
        let is_quantized = self.verdict.plan.0.contains_key(&layer.name);
        let reason = if self.kept.contains(&layer.name) {
            Some("--keep".to_owned())
        } else {
            (!is_quantized).then(|| format!("for {}", self.verdict.decided_by))
        };
        let alone = self.alone.layers.get(&layer.name).map(|sums| relative(sums.alone, sums.output));
        let together = self.together.layers.get(&layer.name).filter(|_| is_quantized);
        LayerReport {
            name: layer.name.clone(),
            kind: layer.kind.clone(),
            bits: if is_quantized { 8 } else { 32 },
            reason,
            weights: encoded.weights,
            input: Some(InputRange {
                dtype: coding.dtype.to_string(),
                least: histogram.least,
                greatest: histogram.greatest,
                limit: coding.limit,
                scale: coding.step,
                clipped: histogram.clipped(coding.limit),
            }),
            weight_error: Some(encoded.weight_error),
            error_alone: alone,
            error_together: together.map(|sums| relative(sums.together, sums.output)),
        }
    }

    fn layers(&self) -> Vec<LayerReport> {
        let own =
            self.survey.layers.iter().zip(self.encoded).map(|(layer, encoded)| self.layer(layer, encoded));
        let others = self.survey.others.iter().map(|one| LayerReport {
            name: one.name.clone(),
            kind: one.kind.clone(),
            bits: 32,
            reason: Some(one.reason.clone()),
            weights: 0,
            input: None,
            weight_error: None,
            error_alone: None,
            error_together: None,
        });
        own.chain(others).collect()
    }
}

/// Bytes of the parameters and states that prediction and evaluation read.
fn bytes_read(model: &Model) -> u64 {
    let functions = [Some(&model.predict), model.evaluate.as_ref()].into_iter().flatten();
    let read: BTreeMap<&str, u64> = functions
        .flat_map(|function| {
            let externals = function
                .externals()
                .filter(|(id, _)| !matches!(function.nodes[*id].op, dlc_ir::Op::Input { .. }));
            externals.map(|(id, name)| {
                let ty = function.tensor_type(id);
                let elements: u64 = ty.shape.at(1).iter().map(|&size| size as u64).product();
                (name, elements * ty.dtype.size() as u64)
            })
        })
        .collect();
    read.values().sum()
}

/// Quantises a model and writes it, unless a metric drops too far.
///
/// # Errors
/// A checkpoint that does not fit or is quantised already, data that is missing or not finite, patterns that fit
/// nothing, files that cannot be written.
pub fn quantize(loaded: &Loaded, settings: &QuantizeSettings) -> Result<QuantizeReport> {
    settings.check(loaded)?;
    let survey = surveyed(loaded)?;
    let kept = kept(&survey, &settings.keep, &loaded.model.name)?;
    let bench = Workbench::new(settings);
    let mut saved = trained(loaded, settings.checkpoint.as_deref(), &bench)?;
    let note = saved.model.note.take();
    let samples = Samples::open(loaded, &saved, settings, &bench)?;
    let (histograms, seen) = observe(loaded, &survey, &bench, &samples, &saved)?;
    let codings = codings(&survey, &histograms, settings.calibration);
    let steps: Vec<f32> = codings.iter().map(|coding| coding.step).collect();
    let encoded = encode_layers(&loaded.model, &survey, &steps, &mut saved.model)?;
    let wanted = survey.layers.iter().filter(|layer| !kept.contains(&layer.name));
    let plan = Plan(wanted.map(|layer| (layer.name.clone(), codings[layer.input].dtype)).collect());
    if plan.0.is_empty() {
        return Err(DriverError::User("`--keep` leaves no layer to quantise".to_owned()));
    }
    let errors = |plan: &Plan| {
        let count = settings.samples.min(ERROR_SAMPLES);
        Errors::measure(loaded, &bench, &samples, (&survey, plan), &saved.model, count)
    };
    let alone = errors(&plan)?;
    let gate =
        Gate { loaded, bench: &bench, samples: &samples, survey: &survey, values: &saved.model, settings };
    let measured = gate.before()?;
    let (part, part_samples, before) = match measured {
        Some(report) => (report.part, report.samples, report.evaluated.measures),
        None => {
            let whole = alone.likeness().0.into_iter().map(|(name, _)| (name, 1.0));
            ("samples", seen, Measures(whole.collect()))
        }
    };
    let verdict = gate.judge(plan.clone(), &before, &alone.worst_first())?;
    let together = if verdict.plan == plan { alone.clone() } else { errors(&verdict.plan)? };
    let findings = Findings {
        survey: &survey,
        kept: &kept,
        histograms: &histograms,
        codings: &codings,
        encoded: &encoded,
        alone: &alone,
        together: &together,
        verdict: &verdict,
    };
    let model = quantized(&loaded.model, &verdict.plan).map_err(quantize_fault)?;
    let mut report = QuantizeReport {
        model: loaded.model.name.clone(),
        calibration: settings.calibration.name(),
        samples: seen,
        error_samples: together.samples,
        layers: findings.layers(),
        output_error: together.output_error(),
        part,
        part_samples,
        before,
        after: verdict.after.clone(),
        drop: verdict.drop,
        decided_by: verdict.decided_by.clone(),
        max_drop: settings.max_drop,
        accepted: verdict.accepted,
        bytes_before: bytes_read(&loaded.model),
        bytes_after: bytes_read(&model),
        files: Vec::new(),
    };
    if verdict.accepted {
        let mut checkpoint = network::checkpoint_of(&model, &loaded.model, &saved, &bench)?;
        let layers = verdict.plan.0.iter().map(|(name, dtype)| (name.clone(), dtype.to_string()));
        let calibration = settings.calibration.name();
        let quantization = Quantization { bits: 8, layers: layers.collect(), calibration, samples: seen };
        checkpoint.note = Some(quantization.note(note)?);
        checkpoint.identity = Some(identity(&model));
        write(settings, &checkpoint.to_bytes()?, &mut report)?;
    }
    Ok(report)
}

fn write(settings: &QuantizeSettings, bytes: &[u8], report: &mut QuantizeReport) -> Result<()> {
    let table = settings.output.with_extension("csv");
    if let Some(folder) = settings.output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|cause| DriverError::File { path: folder.to_owned(), cause })?;
    }
    write_atomically(&table, &report.csv()?)?;
    write_atomically(&settings.output, bytes)?;
    report.files = vec![settings.output.clone(), table];
    Ok(())
}
