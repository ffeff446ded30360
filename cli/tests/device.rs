//! `--device`: training, evaluation and comparison on a GPU, which the stand-in for NVIDIA's driver is, and what is refused.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

fn dlc(folder: &Path, driver: &Path, command: &str) -> Output {
    let mut dlc = Command::new(env!("CARGO_BIN_EXE_dlc"));
    dlc.args(command.split(' ')).current_dir(folder);
    dlc.env("DLC_CUDA_DRIVER", driver).env("DLC_STAND_IN_CHECKS", "none").output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const MODEL: &str = r#"dlc 1
model net(x: f32[N, 2, 6, 6]) -> (y) {
  h = x |> conv2d(8, kernel = 3, padding = same, bias = false) as conv |> batch_norm() as norm |> relu() |> max_pool(2)
  y = h |> flatten() |> dense(3) as head
}
data d {
  source = synthetic(samples = 40, classes = 3) -> (x, t)
  split = split(validation = 0.2, test = 0.2)
  batch = 8
}
train net on d {
  loss = cross_entropy(y, t)
  metrics = accuracy(y, t)
  optimizer = adam(lr = 1e-2)
  epochs = 3
}
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("net.dsl"), MODEL).unwrap();
    folder
}

fn succeeded(folder: &Path, command: &str) -> Output {
    let output = dlc(folder, &dlc_stand_in_driver::library(), command);
    assert!(output.status.success(), "{command}: {}", told(&output));
    output
}

/// The test's loss that a run ended with.
fn loss(output: &Output) -> f64 {
    let text = String::from_utf8_lossy(&output.stdout);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["test"]["loss"].as_f64().unwrap()
}

#[test]
fn a_run_on_a_gpu_is_a_run() {
    let folder = folder();
    let at = folder.path();
    let on_cpu = loss(&succeeded(at, "train net.dsl --json --out cpu"));
    let on_gpu = loss(&succeeded(at, "train net.dsl --json --out gpu --device cuda"));
    assert!((on_cpu - on_gpu).abs() < 1e-3 * on_cpu.abs(), "{on_cpu} and {on_gpu}");
    let checkpoint = |run: &str| std::fs::read(at.join(run).join("last.safetensors")).unwrap();
    // Once more, and once in two parts.
    succeeded(at, "train net.dsl --json --out again --device cuda:0");
    assert!(checkpoint("again") == checkpoint("gpu"));
    succeeded(at, "train net.dsl --json --out parts --device cuda --stop-after 1");
    succeeded(at, "train net.dsl --json --out parts --device cuda --resume parts/last.safetensors");
    assert!(checkpoint("parts") == checkpoint("gpu"));
    // A run may move from one to the other.
    let moved = loss(&succeeded(at, "train net.dsl --json --out moved --device cuda --stop-after 1"));
    assert!(moved.is_finite());
    let rest = loss(&succeeded(at, "train net.dsl --json --out moved --resume moved/last.safetensors"));
    assert!((on_cpu - rest).abs() < 1e-3 * on_cpu.abs(), "{on_cpu} and {rest}");
    let tested = succeeded(at, "eval net.dsl --checkpoint gpu/last.safetensors --device cuda");
    assert!(told(&tested).contains("on dlc stand-in (cuda:0, sm_80), products in f32"), "{}", told(&tested));
}

#[test]
fn numbers_of_a_gpu_are_compared() {
    let folder = folder();
    for math in ["f32", "tf32", "bf16"] {
        let found = succeeded(folder.path(), &format!("compare net.dsl --device cuda --math {math}"));
        let text = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(text.contains("compiled and interpreted numbers agree"), "{math}: {text}");
    }
}

/// Times by the stand-in's clock; roofs by what it says of itself: 4 multiprocessors at 1 GHz, 64 bits of memory twice in
/// a clock of 1 GHz.
#[test]
fn a_profile_has_a_gpus_own_times() {
    let folder = folder();
    let profile = |command: &str| -> serde_json::Value {
        serde_json::from_slice(&succeeded(folder.path(), command).stdout).unwrap()
    };
    for (what, peak) in [("train", 512.0), ("run", 512.0), ("run --math tf32", 4096.0)] {
        let (target, rest) = what.split_once(' ').unwrap_or((what, ""));
        let command = format!("profile {target} net.dsl --device cuda --json {rest}");
        let found = profile(command.trim());
        assert_eq!(found["device"], "dlc stand-in");
        assert_eq!(
            (&found["roofs"]["peak_gflops"], &found["roofs"]["memory_gbps"]),
            (&peak.into(), &16.0.into())
        );
        assert!(found["roofs"].get("last_level_gbps").is_none());
        let launches = found["launches"].as_array().unwrap();
        for launch in launches {
            assert!(launch["ms"].as_f64().unwrap() > 0.0, "{what}: {launch}");
        }
        let prologue = launches.iter().filter(|launch| launch["every_call"] == false).count();
        assert_eq!(prologue > 0, target == "run", "{what}");
        let [whole, sum, transfers] =
            ["whole_ms", "sum_ms", "transfers_ms"].map(|key| found[key].as_f64().unwrap());
        assert!(whole > 0.0 && sum > 0.0 && transfers > 0.0, "{what}");
    }
    let text = succeeded(folder.path(), "profile run net.dsl --device cuda:0 --svg roof.svg").stdout;
    let text = String::from_utf8(text).unwrap();
    for part in [
        "net, fn predict, batch 8, dlc stand-in: ",
        "16.0 GB/s memory, by the GPU's clocks and widths",
        "; inputs to the GPU",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let picture = std::fs::read_to_string(folder.path().join("roof.svg")).unwrap();
    assert_eq!(picture.matches("class=\"roof").count(), 1);
}

#[test]
fn what_no_gpu_can_do_is_refused() {
    let folder = folder();
    let missing = Path::new("no-such-driver.so");
    let stand_in = dlc_stand_in_driver::library();
    for (driver, command, part) in [
        (missing, "train net.dsl --device cuda", "this machine has no NVIDIA driver"),
        (&stand_in, "train net.dsl --device cuda:4", "there is no GPU 4: this machine has 1"),
        (
            &stand_in,
            "train net.dsl --device cuda --cpu portable",
            "`--cpu` chooses a processor's instructions",
        ),
        (&stand_in, "train net.dsl --device cuda --engine interp", "the interpreter computes on the CPU"),
        (
            &stand_in,
            "train net.dsl --device tpu",
            "no device is called `tpu`; there are cpu, cuda, cuda:N and auto",
        ),
        (&stand_in, "train net.dsl --math tf32", "are about code for a GPU"),
    ] {
        let refused = dlc(folder.path(), driver, command);
        assert!(matches!(refused.status.code(), Some(1 | 2 | 4)), "{command}: {:?}", refused.status);
        assert!(told(&refused).contains(part), "{command}: {}", told(&refused));
    }
}

/// Tensor cores of sm_75 multiply no `f32` numbers, so that asking for them must not end in plain `f32` unsaid.
#[test]
fn arithmetic_that_a_gpu_lacks_is_refused() {
    let folder = folder();
    let on_turing = |math: &str| {
        let mut dlc = Command::new(env!("CARGO_BIN_EXE_dlc"));
        dlc.args(["compare", "net.dsl", "--device", "cuda", "--math", math]).current_dir(folder.path());
        dlc.env("DLC_CUDA_DRIVER", dlc_stand_in_driver::library()).env("DLC_STAND_IN_CAPABILITY", "7.5");
        dlc.output().unwrap()
    };
    assert!(on_turing("f32").status.success(), "{}", told(&on_turing("f32")));
    let refused = on_turing("tf32");
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("code for sm_75 has f32"), "{}", told(&refused));
}

#[test]
fn without_a_gpu_auto_is_the_cpu() {
    let folder = folder();
    let found = dlc(folder.path(), Path::new("no-such-driver.so"), "compare net.dsl --device auto");
    assert!(found.status.success(), "{}", told(&found));
    assert!(told(&found).starts_with("on the CPU: this machine has no NVIDIA driver"), "{}", told(&found));
}
