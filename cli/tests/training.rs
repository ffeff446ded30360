//! Training as a process: killed at any moment, on a full disk, with numbers that are not finite; what it leaves, as
//! other programs see it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const MODEL: &str = "dlc 1
model points(x: f32[N, 3]) -> (logits) {
  h = x |> dense(16) as hidden |> relu()
  logits = h |> dense(2) as head
}
data table {
  source    = csv(\"points.csv\", target = \"side\") -> (x, side)
  transform = x |> standardize()
  split     = split(validation = 0.1, test = 0.2)
  batch     = 16
}
train points on table {
  loss      = cross_entropy(logits, side)
  metrics   = accuracy(logits, side), f1(logits, side), auc(logits, side)
  optimizer = adam(lr = 0.01)
  epochs    = 40
}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("points.dsl"), MODEL).unwrap();
    let mut text = "a,b,c,side\n".to_owned();
    for row in 0..400u32 {
        let draw =
            |salt: u32| f64::from(row.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 8 & 0xFFF) / 1024.0;
        let [a, b, c] = [draw(1), draw(77_777_777), draw(3_333_333_333)];
        text.push_str(&format!("{a},{b},{c},{}\n", u8::from(a + 2.0 * b - c > 4.0)));
    }
    std::fs::write(folder.path().join("points.csv"), text).unwrap();
    folder
}

fn dlc(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dlc"));
    command.current_dir(folder).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn train(folder: &Path, arguments: &[&str]) -> Output {
    let all: Vec<&str> = ["train", "points.dsl", "--threads", "1"].iter().chain(arguments).copied().collect();
    dlc(folder, &all).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

fn finished(output: Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn same(a: PathBuf, b: PathBuf) {
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap(), "{} {}", a.display(), b.display());
}

/// A whole run, and one that is killed again and again, each time at another moment: both leave the same bytes.
/// `DLC_KILLS` sets how often.
#[test]
fn a_run_that_is_killed_goes_on() {
    let kills: u32 = std::env::var("DLC_KILLS").map_or(4, |text| text.parse().unwrap());
    let folder = folder();
    let folder = folder.path();
    let started = Instant::now();
    finished(train(folder, &["--out", "whole", "--epochs", "150"]));
    let whole = started.elapsed();
    let last = folder.join("killed/last.safetensors");
    let mut died = 0;
    for kill in 0..kills {
        let mut arguments = vec![
            "train",
            "points.dsl",
            "--threads",
            "1",
            "--out",
            "killed",
            "--epochs",
            "150",
            "--save-steps",
            "3",
        ];
        if last.exists() {
            arguments.extend(["--resume", "killed/last.safetensors"]);
        }
        let mut child = dlc(folder, &arguments).spawn().unwrap();
        // Moments that are spread over the run, start-up included.
        let share = f64::from(kill.wrapping_mul(2_654_435_761) >> 16) / f64::from(u16::MAX);
        std::thread::sleep(Duration::from_secs_f64(whole.as_secs_f64() * (0.2 + 0.8 * share)));
        if let Some(status) = child.try_wait().unwrap() {
            // It came to its end in spite of all kills before; another one begins.
            assert!(status.success());
            equal_runs(folder);
            std::fs::remove_dir_all(folder.join("killed")).unwrap();
            continue;
        }
        died += 1;
        child.kill().unwrap();
        child.wait().unwrap();
        if last.exists() {
            let checked = dlc(folder, &["eval", "points.dsl", "--checkpoint", "killed/last.safetensors"])
                .status()
                .unwrap();
            assert!(checked.success(), "the checkpoint behind kill {kill} cannot be read");
        }
    }
    eprintln!("{died} of {kills} runs died before their end");
    let resume: &[&str] = if last.exists() { &["--resume", "killed/last.safetensors"] } else { &[] };
    finished(train(folder, &[&["--out", "killed", "--epochs", "150"], resume].concat()));
    equal_runs(folder);
}

fn equal_runs(folder: &Path) {
    for file in ["last.safetensors", "best.safetensors", "metrics.csv"] {
        same(folder.join("whole").join(file), folder.join("killed").join(file));
    }
}

/// No file may grow beyond what a part of the checkpoint needs, as on a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_keeps_the_checkpoint() {
    let folder = folder();
    let folder = folder.path();
    finished(train(folder, &["--out", "run", "--stop-after", "2"]));
    let before = std::fs::read(folder.join("run/last.safetensors")).unwrap();
    let blocks = before.len() / 2 / 512;
    let command = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec '{}' train points.dsl --threads 1 --out run --resume run/last.safetensors",
        env!("CARGO_BIN_EXE_dlc")
    );
    let output = Command::new("bash").arg("-c").arg(command).current_dir(folder).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("run/") && told.contains("too large"), "{told}");
    assert_eq!(std::fs::read(folder.join("run/last.safetensors")).unwrap(), before);
    let left: Vec<String> = std::fs::read_dir(folder.join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    finished(train(folder, &["--out", "run", "--resume", "run/last.safetensors"]));
}

#[test]
fn a_number_that_is_not_finite_is_traced_to_its_layer() {
    let folder = folder();
    let folder = folder.path();
    let diverging = MODEL
        .replace("h = x |> dense(16) as hidden |> relu()", "h = exp(x |> dense(16) as hidden) as blown")
        .replace("adam(lr = 0.01)", "sgd(lr = 40)");
    let diverging = diverging.replace(" as blown", "");
    std::fs::write(folder.join("points.dsl"), diverging).unwrap();
    let output = train(folder, &["--out", "run"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("it began at step") && told.contains("the value of `"), "{told}");
    // What was written before is whole and finite.
    let checked =
        dlc(folder, &["eval", "points.dsl", "--checkpoint", "run/last.safetensors"]).status().unwrap();
    assert!(checked.success());
}

/// A tool that is absent is told and, where `DLC_REQUIRE_TOOLS` is set, a failure.
fn skipped(tool: &str, how: &str) {
    assert!(std::env::var_os("DLC_REQUIRE_TOOLS").is_none(), "{tool} is missing: {how}");
    eprintln!("skipped: {tool} is missing; {how}");
}

/// TensorBoard's own reader finds what a run reported.
#[test]
fn tensorboard_reads_the_events() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tensorboard/bin/python");
    if !python.exists() {
        return skipped("TensorBoard", "cli/tests/tensorboard/setup.sh installs it");
    }
    let folder = folder();
    let folder = folder.path();
    finished(train(folder, &["--out", "run", "--epochs", "5", "--stop-after", "3", "--statistics"]));
    finished(train(folder, &["--out", "run", "--resume", "run/last.safetensors", "--statistics"]));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/list.py");
    let output = Command::new(python).arg(script).arg(folder.join("run")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let table = std::fs::read_to_string(folder.join("run/metrics.csv")).unwrap();
    let losses: Vec<f32> =
        table.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    assert_eq!(losses.len(), 5);
    let expected: Vec<String> =
        losses.iter().enumerate().map(|(epoch, loss)| format!("{}:{loss:.6}", (epoch + 1) * 17)).collect();
    assert!(found.contains(&format!("scalar loss/train {}\n", expected.join(" "))), "{found}");
    for tag in ["accuracy/validation", "f1/train", "auc/validation", "learning_rate"] {
        assert!(found.contains(&format!("scalar {tag} ")), "{tag}: {found}");
    }
    for tag in ["parameter/hidden.weight", "gradient/head.weight", "activation/head"] {
        assert!(found.contains(&format!("histogram {tag} 5\n")), "{tag}: {found}");
    }
    assert!(found.contains("image confusion_matrix"), "{found}");
}

/// A browser shows the pictures of the report.
#[test]
fn a_browser_shows_the_report() {
    let names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        return skipped("Chromium", "Debian's package chromium-headless-shell has it");
    };
    let folder = folder();
    let folder = folder.path();
    finished(train(folder, &["--out", "run", "--epochs", "4"]));
    let shot = folder.join("shot.png");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1240,1900"])
        .arg(format!("--screenshot={}", shot.display()))
        .arg(format!("file://{}", folder.join("run/report.html").display()))
        .output()
        .unwrap();
    assert!(shot.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = image::open(&shot).unwrap().to_rgb8();
    // The blue of the first curve, the blue-green of the confusion matrix's diagonal.
    let curve = picture.pixels().filter(|pixel| pixel.0 == [0, 114, 178]).count();
    assert!(curve > 1000, "{curve} pixels of curves");
    let (width, _) = picture.dimensions();
    assert_eq!(width, 1240);
}

#[test]
fn a_gate_that_nothing_passes_ends_with_its_own_code() {
    let folder = folder();
    let folder = folder.path();
    finished(train(folder, &["--epochs", "3", "--out", "run"]));
    let quantize = |drop: &str| {
        let arguments =
            ["quantize", "points.dsl", "--checkpoint", "run/last.safetensors", "-o", "q.safetensors"];
        let drop = format!("--max-drop={drop}");
        let all: Vec<&str> = arguments.iter().copied().chain([drop.as_str()]).collect();
        dlc(folder, &all).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
    };
    let refused = quantize("-0.9");
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(!folder.join("q.safetensors").exists());
    let taken = quantize("0.5");
    assert_eq!(taken.status.code(), Some(0), "{}", String::from_utf8_lossy(&taken.stderr));
    assert!(folder.join("q.safetensors").exists());
}

#[test]
fn predictions_and_searches_take_their_flags() {
    let folder = folder();
    let folder = folder.path();
    finished(train(folder, &["--epochs", "2", "--out", "run"]));
    let run = |arguments: &[&str]| dlc(folder, arguments).stderr(Stdio::piped()).output().unwrap();
    finished(run(&[
        "predict",
        "points.dsl",
        "points.csv",
        "--checkpoint",
        "run/last.safetensors",
        "--out",
        "said",
    ]));
    let table = std::fs::read_to_string(folder.join("said/predictions.csv")).unwrap();
    assert!(
        table.starts_with("source,class,probability,p_0,p_1\n") && table.lines().count() == 401,
        "{table}"
    );
    let tune =
        ["tune", "points.dsl", "--try", "train.optimizer.lr=0.01,0.02", "--epochs", "1", "--out", "search"];
    let with = |more: &[&str]| run(&[&tune[..], more].concat());
    finished(with(&["--start", "run/last.safetensors", "--start-skip", "head"]));
    let told = std::fs::read_to_string(folder.join("search/trial-0002/start.txt")).unwrap();
    assert!(told.contains("begin anew\n  head.weight"), "{told}");
    let folds = with(&["--folds", "1000"]);
    assert_eq!(folds.status.code(), Some(1));
    let told = String::from_utf8_lossy(&folds.stderr).into_owned();
    assert!(told.contains("cannot be cut into 1000 folds") && !told.contains("trial 1"), "{told}");
}
