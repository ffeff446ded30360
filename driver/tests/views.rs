//! Views of a picture: every command with a trained model, and every form of it, gives the weighted mean of what the
//! model without views says of each.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use dlc_driver::{
    EngineKind, EvalSettings, ExportSettings, Loaded, PruneSettings, QuantizeSettings, RunSettings, Silent,
    TrainSettings, load, load_for_checkpoint, quantize, write_npy,
};
use dlc_runtime::HostTensor;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

const VIEWS: &str = "image |> flip() |> shift(2)";
/// Height and width of the pictures.
const SIDES: (usize, usize) = (6, 5);
/// Channels of the pictures.
const CHANNELS: usize = 2;
const CLASSES: usize = 3;
const ENGINES: [fn() -> EngineKind; 2] = [EngineKind::default, || EngineKind::Interpreter];

/// A network that tells left from right and up from down.
const TEXT: &str = "dlc 1
model net(image: f32[N, 2, 6, 5]) -> (logits) {
  x = image |> conv2d(7, kernel = 3, padding = 1) as conv |> batch_norm() as bn |> relu()
  logits = x |> flatten() |> dense(3) as head
}
data d {
  source    = numpy(\"arrays\") -> (image, label)
  transform = image |> normalize(mean = [1, 2], std = [2, 3])
  views     = VIEWS
  split     = split(test = 0.25)
  batch     = 16
}
train net on d {
  loss      = cross_entropy(logits, label)
  metrics   = accuracy(logits, label)
  optimizer = adam(lr = 0.01)
  epochs    = 2
}
";

/// Numbers that look random, the same each time.
fn noise(count: usize, mut seed: u32) -> Vec<f32> {
    std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 22) as f32 - 2.0
    })
    .take(count)
    .collect()
}

/// A folder with the data, the model with views and without, and weights that were trained.
struct Trained {
    folder: tempfile::TempDir,
}

impl Trained {
    fn new() -> Trained {
        let folder = tempfile::tempdir().unwrap();
        let samples = 48;
        let images = noise(samples * CHANNELS * SIDES.0 * SIDES.1, 1);
        let images = HostTensor::from_f32(&[samples, CHANNELS, SIDES.0, SIDES.1], &images).unwrap();
        let labels: Vec<i32> = (0..samples).map(|place| (place * place % CLASSES) as i32).collect();
        let labels = HostTensor::from_i32(&[samples], &labels).unwrap();
        std::fs::create_dir(folder.path().join("arrays")).unwrap();
        for (name, array) in [("image", images), ("label", labels)] {
            std::fs::write(folder.path().join(format!("arrays/{name}.npy")), write_npy(&array).unwrap())
                .unwrap();
        }
        let trained = Trained { folder };
        trained.write("views.dsl", VIEWS);
        trained.write("plain.dsl", "none");
        let settings =
            TrainSettings { threads: Some(1), out: Some(trained.path("run")), ..TrainSettings::default() };
        let loaded = trained.load("views.dsl");
        dlc_driver::train(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
        trained
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, views: &str) {
        std::fs::write(self.path(name), TEXT.replace("VIEWS", views)).unwrap();
    }

    fn load(&self, name: &str) -> Loaded {
        load(&self.path(name), &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    fn checkpoint(&self) -> PathBuf {
        self.path("run/last.safetensors")
    }

    /// What a model says of these pictures.
    fn run(
        &self,
        model: &Loaded,
        checkpoint: Option<PathBuf>,
        images: &[f32],
        engine: EngineKind,
    ) -> Vec<f32> {
        let count = images.len() / (CHANNELS * SIDES.0 * SIDES.1);
        let tensor = HostTensor::from_f32(&[count, CHANNELS, SIDES.0, SIDES.1], images).unwrap();
        std::fs::write(self.path("x.npy"), write_npy(&tensor).unwrap()).unwrap();
        let inputs = vec![("image".to_owned(), self.path("x.npy"))];
        let settings = RunSettings { inputs, checkpoint, engine, ..RunSettings::default() };
        dlc_driver::run(model, &settings).unwrap().outputs[0].1.f32_values().unwrap()
    }

    /// The mean over the views by hand, of the model without them.
    fn wanted(&self, images: &[f32], checkpoint: &Path) -> Vec<f32> {
        let plain = load_for_checkpoint(&self.path("plain.dsl"), checkpoint, &[]).unwrap();
        let mut mean = vec![0.0; images.len() / (CHANNELS * SIDES.0 * SIDES.1) * CLASSES];
        for (by, weight) in [(0, 0.25), (2, 0.125), (-2, 0.125)] {
            for mirrored in [false, true] {
                let view = viewed(images, by, mirrored);
                let said = self.run(&plain, Some(checkpoint.to_owned()), &view, EngineKind::Interpreter);
                mean.iter_mut().zip(said).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        mean
    }
}

/// Pictures moved by so many pixels down and right, mirrored at their outermost pixels.
fn viewed(images: &[f32], by: isize, mirrored: bool) -> Vec<f32> {
    let reflected = |place: isize, size: usize| {
        let last = size as isize - 1;
        (if place < 0 {
            -place
        } else if place > last {
            2 * last - place
        } else {
            place
        }) as usize
    };
    let (height, width) = SIDES;
    (0..images.len())
        .map(|place| {
            let (plane, y, x) = (place / (height * width), place / width % height, place % width);
            let y = reflected(y as isize - by, height);
            // Mirrored first, moved then.
            let x = reflected(x as isize - by, width);
            let x = if mirrored { width - 1 - x } else { x };
            images[(plane * height + y) * width + x]
        })
        .collect()
}

fn near(found: &[f32], wanted: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (place, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((found - wanted).abs() <= tolerance, "{what}, {place}: {found}, not {wanted}");
    }
}

#[test]
fn every_command_and_form_gives_the_mean_over_the_views() {
    let trained = Trained::new();
    let images = noise(5 * CHANNELS * SIDES.0 * SIDES.1, 7);
    let wanted = trained.wanted(&images, &trained.checkpoint());
    let plain = trained.load("plain.dsl");
    let alone = trained.run(&plain, Some(trained.checkpoint()), &images, EngineKind::default());
    assert!(alone.iter().zip(&wanted).any(|(alone, mean)| (alone - mean).abs() > 0.05), "no views are seen");
    let loaded = trained.load("views.dsl");
    let exported = trained.path("m.onnx");
    let settings = ExportSettings {
        output: exported.clone(),
        checkpoint: Some(trained.checkpoint()),
        ..ExportSettings::default()
    };
    dlc_driver::export(&loaded, &settings).unwrap();
    let file = load(&exported, &[]).unwrap_or_else(|error| panic!("{error}"));
    for engine in ENGINES {
        let found = trained.run(&loaded, Some(trained.checkpoint()), &images, engine());
        near(&found, &wanted, 2e-5, "run");
        near(&trained.run(&file, None, &images, engine()), &wanted, 2e-5, "the exported file");
    }
}

#[test]
fn evaluation_measures_the_mean() {
    let trained = Trained::new();
    let loaded = trained.load("views.dsl");
    let measure = |loaded: &Loaded, engine: EngineKind| {
        let settings = EvalSettings { engine, threads: Some(2), ..EvalSettings::default() };
        let report = dlc_driver::evaluate(loaded, &trained.checkpoint(), &settings).unwrap();
        report.evaluated.measures.get("loss").unwrap()
    };
    let plain = measure(&trained.load("plain.dsl"), EngineKind::default());
    let [native, interpreted] = ENGINES.map(|engine| measure(&loaded, engine()));
    assert!(
        (native - interpreted).abs() < 1e-5 && (native - plain).abs() > 1e-3,
        "{native} {interpreted} {plain}"
    );
    // The loss of a mean of logits is at most the mean of the losses (Jensen), so views cannot hurt it much; that it is
    // the loss of the mean, and not of a view, is seen by a model whose views agree.
    let text = TEXT.replace("VIEWS", "image |> flip()").replace("x |> flatten()", "x |> global_avg_pool()");
    std::fs::write(trained.path("pooled.dsl"), text.replace("kernel = 3, padding = 1", "kernel = 1"))
        .unwrap();
    let pooled = trained.load("pooled.dsl");
    let settings =
        TrainSettings { threads: Some(1), out: Some(trained.path("pooled")), ..TrainSettings::default() };
    dlc_driver::train(&pooled, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let both = ["image |> flip()", "none"].map(|views| {
        let settings = EvalSettings { threads: Some(2), ..EvalSettings::default() };
        let loaded =
            load(&trained.path("pooled.dsl"), &[("data.views".to_owned(), views.to_owned())]).unwrap();
        let checkpoint = trained.path("pooled/last.safetensors");
        let report = dlc_driver::evaluate(&loaded, &checkpoint, &settings).unwrap();
        report.evaluated.measures.get("loss").unwrap()
    });
    assert!((both[0] - both[1]).abs() < 1e-5, "{both:?}");
}

#[test]
fn a_model_of_eight_bits_and_one_with_fewer_channels_keep_their_views() {
    let trained = Trained::new();
    let images = noise(5 * CHANNELS * SIDES.0 * SIDES.1, 7);
    let loaded = trained.load("views.dsl");
    let output = trained.path("q.safetensors");
    let settings = QuantizeSettings::new(Some(trained.checkpoint()), output.clone());
    let report = quantize(&loaded, &QuantizeSettings { max_drop: 1.0, ..settings }).unwrap();
    assert!(report.accepted && report.layers.iter().any(|layer| layer.bits == 8), "{report:?}");
    let small = load_for_checkpoint(&trained.path("views.dsl"), &output, &[]).unwrap();
    let wanted = trained.wanted(&images, &trained.checkpoint());
    let found = trained.run(&small, Some(output), &images, EngineKind::default());
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    near(&found, &wanted, 0.05 * largest, "eight bits");

    let mut settings = PruneSettings::new(&trained.checkpoint(), 0.3);
    (settings.threads, settings.out) = (Some(1), Some(trained.path("pruned")));
    settings.structured = true;
    let loaded = load_for_checkpoint(&trained.path("views.dsl"), &trained.checkpoint(), &[]).unwrap();
    let report = dlc_driver::prune(&loaded, &settings, &mut Silent, &AtomicBool::new(false)).unwrap();
    let checkpoint = report.checkpoint.unwrap();
    let thin = load_for_checkpoint(&trained.path("views.dsl"), &checkpoint, &[]).unwrap();
    let wanted = trained.wanted(&images, &checkpoint);
    near(&trained.run(&thin, Some(checkpoint), &images, EngineKind::default()), &wanted, 2e-5, "pruned");
}
