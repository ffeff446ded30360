//! Pruning trained models: what is left, what it computes, and that every command takes it beside the model's file.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use dlc_abi::ElementType;
use dlc_driver::{
    DriverError, EvalSettings, Loaded, Observer, OnnxTraining, PruneReport, PruneSettings, Scope, Silent,
    StepReport, TrainSettings, evaluate, inspect, load, load_for_checkpoint, prune, train,
};
use dlc_runtime::Checkpoint;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const THREADS: Option<usize> = Some(1);

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn digits() -> PathBuf {
    examples().join("digits.dsl")
}

/// A trained example, once for all tests.
struct Trained {
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Trained {
    fn new(name: &str, settings: &[(&str, &str)]) -> Trained {
        let file = examples().join(name);
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<(String, String)> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let loaded = load(&file, &settings).unwrap();
        let run =
            TrainSettings { threads: THREADS, out: Some(folder.path().into()), ..TrainSettings::default() };
        train(&loaded, &run, &mut Silent, &AtomicBool::new(false)).unwrap();
        Trained { file, folder }
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.path().join("best.safetensors")
    }

    /// Prunes in a folder of its own, with what `choose` says.
    fn pruned(&self, sparsity: f64, choose: impl Fn(&mut PruneSettings)) -> (tempfile::TempDir, PruneReport) {
        let (folder, report) = self.tried(sparsity, choose, &mut Silent, &AtomicBool::new(false));
        (folder, report.unwrap())
    }

    fn tried(
        &self,
        sparsity: f64,
        choose: impl Fn(&mut PruneSettings),
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> (tempfile::TempDir, Result<PruneReport, DriverError>) {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = PruneSettings::new(&self.checkpoint(), sparsity);
        (settings.threads, settings.out) = (THREADS, Some(folder.path().to_owned()));
        choose(&mut settings);
        let loaded = load_for_checkpoint(&self.file, &settings.checkpoint, &[]).unwrap();
        let report = prune(&loaded, &settings, observer, stop);
        (folder, report)
    }
}

fn trained_digits() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| Trained::new("digits.dsl", &[]))
}

fn trained_perceptron() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| Trained::new("mlp_digits.dsl", &[]))
}

/// The accuracy of a checkpoint on the test split, by the command that everybody uses.
fn accuracy(file: &Path, checkpoint: &Path) -> f64 {
    let loaded = load_for_checkpoint(file, checkpoint, &[]).unwrap();
    let settings = EvalSettings { threads: THREADS, ..EvalSettings::default() };
    let report = evaluate(&loaded, checkpoint, &settings).unwrap();
    report.evaluated.measures.get("accuracy").unwrap()
}

fn floats(checkpoint: &Checkpoint, name: &str) -> Vec<f32> {
    checkpoint.tensors[name].f32_values().unwrap()
}

/// That a checkpoint's weights are zero where its masks say so, and how many there are of either.
fn masked(path: &Path) -> (usize, usize) {
    let checkpoint = Checkpoint::read(path).unwrap();
    let (mut zeros, mut all) = (0, 0);
    for (name, mask) in &checkpoint.tensors {
        let Some(weight) = name.strip_suffix(".mask") else { continue };
        assert_eq!(mask.element, ElementType::Bool);
        for (&stays, value) in mask.bytes.iter().zip(floats(&checkpoint, weight)) {
            assert!(stays == 1 || value.to_bits() == 0, "{name}: {value}");
            zeros += usize::from(stays == 0);
            all += 1;
        }
    }
    (zeros, all)
}

fn fine_tuned_by_magnitude(trained: &Trained) {
    let (folder, report) = trained.pruned(0.5, |settings| settings.epochs = 5);
    let result = folder.path().join("pruned.safetensors");
    assert_eq!(report.checkpoint.as_deref(), Some(result.as_path()));
    let (zeros, all) = masked(&result);
    assert!((zeros as f64 / all as f64 - 0.5).abs() < 1e-3, "{zeros} of {all}");
    assert!(report.layers.iter().all(|layer| (layer.sparsity - 0.5).abs() < 1e-2));
    let (before, after) = (accuracy(&trained.file, &trained.checkpoint()), accuracy(&trained.file, &result));
    assert!(after >= before - 0.01, "{before} {after}");
    // Training left the masks alone, and a single layer's effect is between none and all.
    assert!(
        report.layers.iter().all(|layer| layer.output_error.is_some_and(|error| error > 0.0 && error < 1.0))
    );
}

#[test]
fn half_of_the_weights_of_a_convolutional_network_are_not_missed() {
    fine_tuned_by_magnitude(trained_digits());
}

#[test]
fn half_of_the_weights_of_a_perceptron_are_not_missed() {
    fine_tuned_by_magnitude(trained_perceptron());
}

#[test]
fn half_of_the_channels_are_less_than_half_of_the_network() {
    for trained in [trained_digits(), trained_perceptron()] {
        let (folder, report) = trained.pruned(0.5, |settings| {
            (settings.structured, settings.epochs, settings.rate_factor) = (true, 10, 0.5);
        });
        let (before, after) = (report.total_before, report.total_after);
        assert!(after.parameters * 2 <= before.parameters, "{before:?} {after:?}");
        assert!(after.flops * 2 <= before.flops, "{before:?} {after:?}");
        let result = folder.path().join("pruned.safetensors");
        let (was, is) = (accuracy(&trained.file, &trained.checkpoint()), accuracy(&trained.file, &result));
        assert!(is >= was - 0.04, "{was} {is}");
        // The file and the checkpoint together are the narrow model.
        let loaded = load_for_checkpoint(&trained.file, &result, &[]).unwrap();
        let loaded = loaded.with_weights_of(&result).unwrap();
        let layers = inspect(&loaded).unwrap();
        assert_eq!(
            (layers.parameters, layers.parameters_before),
            (after.parameters, Some(before.parameters))
        );
        assert_eq!((layers.flops, layers.flops_before), (after.flops, Some(before.flops)));
        assert!(
            report.whole.iter().any(|one| one.parameter == "head.weight" && one.reason.contains("logits"))
        );
    }
}

#[test]
fn several_steps_prune_more_each_time_and_a_pruned_model_can_be_pruned_again() {
    let (folder, report) = trained_digits().pruned(0.75, |settings| {
        (settings.epochs, settings.steps, settings.scope) = (6, 3, Scope::Global);
    });
    let (zeros, all) = masked(&folder.path().join("last.safetensors"));
    assert!((zeros as f64 / all as f64 - 0.75).abs() < 1e-3, "{zeros} of {all}");
    assert!(report.tuned.unwrap().get("accuracy") > report.pruned.get("accuracy"));

    let (folder, first) = trained_digits().pruned(0.5, |settings| {
        (settings.epochs, settings.steps, settings.structured) = (4, 2, true);
    });
    let channels = |report: &PruneReport| -> Vec<_> {
        report.layers.iter().map(|layer| layer.channels_after.unwrap()).collect()
    };
    assert_eq!(channels(&first), [8, 16, 32]);
    let result = folder.path().join("pruned.safetensors");
    let (again, second) = trained_digits().pruned(0.5, |settings| {
        (settings.checkpoint, settings.structured, settings.multiple) = (result.clone(), true, 4);
    });
    assert_eq!(channels(&second), [4, 8, 16]);
    assert!(accuracy(&digits(), &again.path().join("pruned.safetensors")) > 0.0);
    // The other way, in one: channels of a model with masks.
    let (both, _) = trained_digits().pruned(0.5, |_| {});
    let (both, report) = trained_digits().pruned(0.5, |settings| {
        (settings.checkpoint, settings.structured) = (both.path().join("pruned.safetensors"), true);
    });
    assert!(report.total_after.nonzero < report.total_after.parameters);
    masked(&both.path().join("pruned.safetensors"));
}

/// Stops a run in the middle of an epoch.
struct StopAt<'a>(usize, &'a AtomicBool);

impl Observer for StopAt<'_> {
    fn step(&mut self, _step: &StepReport) {
        self.0 -= 1;
        if self.0 == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

/// A training that was interrupted and resumed by `dlc train` has the bits of one that was not.
fn resumed(choose: impl Fn(&mut PruneSettings) + Copy) {
    let trained = trained_digits();
    let (whole, _) = trained.pruned(0.5, choose);
    let stop = AtomicBool::new(false);
    let (part, report) = trained.tried(0.5, choose, &mut StopAt(57, &stop), &stop);
    let report = report.unwrap();
    assert!(!report.finished && report.checkpoint.is_none());
    let last = part.path().join("last.safetensors");
    let loaded = load_for_checkpoint(&trained.file, &last, &[]).unwrap();
    let settings = TrainSettings {
        threads: THREADS,
        out: Some(part.path().to_owned()),
        resume: Some(last.clone()),
        ..TrainSettings::default()
    };
    train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let bytes = |folder: &tempfile::TempDir| std::fs::read(folder.path().join("last.safetensors")).unwrap();
    assert_eq!(bytes(&part), bytes(&whole));
}

#[test]
fn training_behind_pruning_resumes_to_the_bit() {
    resumed(|settings| settings.epochs = 3);
    resumed(|settings| (settings.structured, settings.epochs) = (true, 3));
}

#[test]
fn equal_prunings_write_equal_files() {
    let both = [0, 1].map(|_| {
        trained_digits().pruned(0.3, |settings| (settings.structured, settings.epochs) = (true, 1)).0
    });
    let bytes = |folder: &tempfile::TempDir| std::fs::read(folder.path().join("pruned.safetensors")).unwrap();
    assert_eq!(bytes(&both[0]), bytes(&both[1]));
}

#[test]
fn masks_hold_with_every_rule_that_moves_weights() {
    for rule in [
        "sgd(lr = 0.05, momentum = 0.9, nesterov = true)",
        "adamw(lr = 0.003, weight_decay = 0.1)",
        "rmsprop(lr = 0.001, momentum = 0.5)",
        "muon(lr = 0.01)",
    ] {
        let settings = [("train.optimizer".to_owned(), rule.to_owned())];
        let trained = trained_digits();
        let folder = tempfile::tempdir().unwrap();
        let loaded = load_for_checkpoint(&trained.file, &trained.checkpoint(), &settings).unwrap();
        let settings = PruneSettings {
            epochs: 1,
            rate_factor: 1.0,
            threads: THREADS,
            out: Some(folder.path().to_owned()),
            ..PruneSettings::new(&trained.checkpoint(), 0.5)
        };
        prune(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
        let (zeros, all) = masked(&folder.path().join("last.safetensors"));
        assert!(zeros * 2 + 4 > all, "{rule}: {zeros} of {all}");
    }
}

#[test]
fn a_model_that_lost_too_much_is_not_written() {
    let stop = AtomicBool::new(false);
    let (folder, report) = trained_digits().tried(
        0.5,
        |settings| (settings.structured, settings.max_drop) = (true, Some(0.1)),
        &mut Silent,
        &stop,
    );
    let error = report.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("`accuracy` lost"), "{error}");
    assert!(!folder.path().join("pruned.safetensors").exists());
    let (folder, report) = trained_digits().pruned(0.1, |settings| settings.max_drop = Some(0.5));
    assert!(report.drop.unwrap() <= 0.5 && folder.path().join("pruned.safetensors").exists());
    let table = std::fs::read_to_string(folder.path().join("prune.csv")).unwrap();
    assert!(table.starts_with("layer,parameter,weights_before,") && table.lines().count() == 5, "{table}");
}

#[test]
fn a_network_from_elsewhere_is_pruned_as_its_training_by_flags_saw_it() {
    let trained = trained_perceptron();
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("network.onnx");
    let loaded = load(&trained.file, &[]).unwrap();
    let settings = dlc_driver::ExportSettings {
        output: onnx.clone(),
        checkpoint: Some(trained.checkpoint()),
        ..dlc_driver::ExportSettings::default()
    };
    dlc_driver::export(&loaded, &settings).unwrap();
    let training = OnnxTraining {
        loss: Some("cross_entropy".to_owned()),
        optimizer: Some("adam(lr = 0.001)".to_owned()),
        data: Some(examples().join("data/digits.csv")),
        target: Some("digit".to_owned()),
        epochs: Some(1),
        ..OnnxTraining::default()
    };
    let loaded = dlc_driver::load_for_training(&onnx, &training, &[]).unwrap();
    let out = folder.path().join("run");
    let run = TrainSettings { threads: THREADS, out: Some(out.clone()), ..TrainSettings::default() };
    let run = TrainSettings { data: training.data.clone(), ..run };
    train(&loaded, &run, &mut Silent, &AtomicBool::new(false)).unwrap();
    let checkpoint = out.join("last.safetensors");
    let loaded = load_for_checkpoint(&onnx, &checkpoint, &[]).unwrap();
    let settings = PruneSettings {
        structured: true,
        epochs: 2,
        threads: THREADS,
        out: Some(folder.path().join("pruned")),
        ..PruneSettings::new(&checkpoint, 0.5)
    };
    let report = prune(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let (before, after) = (report.total_before, report.total_after);
    assert!(after.parameters * 2 < before.parameters, "{before:?} {after:?}");
    assert!(accuracy(&onnx, &report.checkpoint.unwrap()) > 0.9);
}

#[test]
fn faults_are_told() {
    let trained = trained_digits();
    let told = |sparsity: f64, choose: &dyn Fn(&mut PruneSettings)| {
        let (_, report) = trained.tried(sparsity, choose, &mut Silent, &AtomicBool::new(false));
        let error = report.unwrap_err();
        assert_eq!(error.exit_code(), 1, "{error}");
        error.to_string()
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    for sparsity in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
        assert!(told(sparsity, &|_| {}).contains("between 0 and 1"));
    }
    assert!(told(0.5, &|settings| settings.layers = words(&["conv4"])).contains("did you mean \"conv"));
    assert!(told(0.5, &|settings| settings.keep = words(&["norm1"])).contains("`--keep norm1`"));
    assert!(told(0.5, &|settings| settings.keep = words(&["*"])).contains("no kernel to prune"));
    let none = told(0.5, &|settings| {
        (settings.structured, settings.layers) = (true, words(&["head"]));
    });
    assert!(none.contains("can lose channels") && none.contains("`head.weight`: it reaches"), "{none}");
    assert!(told(0.5, &|settings| settings.steps = 3).contains("--epochs 3"));
    assert!(told(0.999, &|settings| settings.scope = Scope::Global).contains("nothing would be left of"));
    assert!(told(0.5, &|settings| settings.rate_factor = 0.0).contains("above 0"));
    assert!(told(0.5, &|settings| settings.max_drop = Some(-1.0)).contains("--max-drop"));

    let other = trained_perceptron().checkpoint();
    let loaded: Loaded = load_for_checkpoint(&trained.file, &other, &[]).unwrap();
    let error = prune(&loaded, &PruneSettings::new(&other, 0.5), &mut Silent, &AtomicBool::new(false));
    let told = error.unwrap_err().to_string();
    assert!(told.contains("is of the model ") && told.contains(", not of digits: "), "{told}");
    let garbage = trained.folder.path().join("garbage.safetensors");
    std::fs::write(&garbage, b"nothing").unwrap();
    let error = prune(&loaded, &PruneSettings::new(&garbage, 0.5), &mut Silent, &AtomicBool::new(false));
    assert!(error.unwrap_err().to_string().contains("not a readable checkpoint"));
}

/// Shapes that no narrow model has are told as ever, and those of one are taken by whoever reads checkpoints.
#[test]
fn a_checkpoint_with_one_wrong_shape_is_of_another_model() {
    let (folder, _) = trained_digits().pruned(0.5, |settings| settings.structured = true);
    let path = folder.path().join("pruned.safetensors");
    let mut checkpoint = Checkpoint::read(&path).unwrap();
    let scale = checkpoint.tensors.get_mut("norm2.scale").unwrap();
    *scale = dlc_runtime::HostTensor::from_f32(&[9], &[1.0; 9]).unwrap();
    checkpoint.write(&path).unwrap();
    let error = load_for_checkpoint(&digits(), &path, &[]).unwrap().with_weights_of(&path).unwrap_err();
    assert!(
        error.to_string().contains("`norm2.scale` is f32[9] in the checkpoint, f32[32] in the model"),
        "{error}"
    );
    let loaded = load_for_checkpoint(&digits(), &path, &[]).unwrap();
    let settings = EvalSettings { threads: THREADS, ..EvalSettings::default() };
    let error = evaluate(&loaded, &path, &settings).unwrap_err();
    assert!(error.to_string().contains("is of another model than digits"), "{error}");
}
