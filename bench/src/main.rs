//! Times every named case: `cargo run --release -p dlc-bench [-- CASE…]`.
//!
//! A case is a model file in `bench/cases`, run at the batch that it names. Each result is checked against
//! the oracle before it is timed; times are medians, and beside every rate stands the machine's peak of
//! fused multiply-adds, measured in the same run. `off` is the same step without the optimiser (elementwise
//! fusion alone), timed in turns with it.

use dlc_driver::{BenchOptions, BenchTarget, TimedOptions, bench};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut files = match cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("the cases cannot be listed: {error}");
            return ExitCode::FAILURE;
        }
    };
    files.retain(|(name, _)| wanted.is_empty() || wanted.contains(name));
    println!(
        "{:<18} {:<6} {:>11} {:>9} {:>11} {:>6} {:>11} {:>7}",
        "case", "what", "median ms", "GFLOP/s", "peak", "share", "off ms", "off/on"
    );
    let mut failed = false;
    let mut ratios = Vec::new();
    for (name, path) in files {
        for (label, target) in [("train", BenchTarget::Train), ("run", BenchTarget::Run)] {
            match dlc_driver::load(&path, &[]).and_then(|loaded| bench(&loaded, &options(target))) {
                Ok(report) => {
                    let off = report.baseline_ms.unwrap_or(f64::NAN);
                    let ratio = off / report.median_ms;
                    ratios.push(ratio);
                    println!(
                        "{name:<18} {label:<6} {:>11.3} {:>9.1} {:>11.1} {:>5.1}% {off:>11.3} {ratio:>7.2}",
                        report.median_ms,
                        report.gflops,
                        report.peak_gflops.unwrap_or(f64::NAN),
                        100.0 * report.share.unwrap_or(f64::NAN)
                    );
                }
                Err(error) => {
                    eprintln!("{name} {label}: {error}");
                    failed = true;
                }
            }
        }
    }
    if !ratios.is_empty() {
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        println!("geometric mean of off/on over {} rows: {mean:.3}", ratios.len());
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What each row is measured with.
fn options(target: BenchTarget) -> BenchOptions {
    BenchOptions { timed: TimedOptions::new(target), against_baseline: true }
}

/// The names and paths of all cases, in order of their names.
fn cases(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if let (Some(name), true) = (name, path.extension().is_some_and(|extension| extension == "dsl")) {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}
