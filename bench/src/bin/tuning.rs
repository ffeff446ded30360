//! What trials of contractions could gain: `cargo run --release -p dlc-bench --bin tuning -- THREADS FILE…` prints
//! for each training step every shape that matters, with the time of the code generator's own choice, of the
//! fastest candidate, and both choices (vectors x rows, multiply-adds in straight code).

use dlc_driver::{BenchTarget, DriverError, TimedOptions, TunedShape, tuning_table};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut arguments = std::env::args().skip(1);
    let Some(threads) =
        arguments.next().and_then(|threads| threads.parse().ok()).filter(|&threads| threads > 0)
    else {
        eprintln!("usage: tuning THREADS FILE…");
        return ExitCode::FAILURE;
    };
    for file in arguments {
        match table(Path::new(&file), threads) {
            Ok(rows) => print(&file, &rows),
            Err(error) => {
                eprintln!("{file}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn table(file: &Path, threads: usize) -> Result<Vec<TunedShape>, DriverError> {
    let options = TimedOptions { threads: Some(threads), ..TimedOptions::new(BenchTarget::Train) };
    tuning_table(&dlc_driver::load(file, &[])?, &options)
}

fn print(file: &str, rows: &[TunedShape]) {
    println!("{file}");
    println!(
        "{:<46} {:>4} {:>10} {:>10} {:>8} {:>4}  own / used",
        "first kernel", "runs", "own us", "best us", "own/best", "of"
    );
    let (mut own, mut best) = (0.0, 0.0);
    for row in rows {
        let TunedShape { kernel, launches, candidates, default_us, best_us, choices: [first, used], .. } =
            row;
        own += default_us * *launches as f64;
        best += best_us * *launches as f64;
        let ratio = default_us / best_us;
        println!(
            "{kernel:<46} {launches:>4} {default_us:>10.1} {best_us:>10.1} {ratio:>8.3} {candidates:>4}  {first} / {used}"
        );
    }
    println!("all runs: own {:.3} ms, best {:.3} ms, {:.3}", own / 1e3, best / 1e3, own / best);
}
