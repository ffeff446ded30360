//! Trains the examples and holds what their files state: `cargo run --release -p dlc-bench --bin reaches [-- --full]`.
//!
//! Those whose data lies in the repository are trained as they are; with `--full` the others, too, which takes hours. A
//! run that was interrupted goes on when it is called again, since all of them leave checkpoints under `--out`.

use clap::Parser;
use dlc_driver::{Claim, DriverError, EpochReport, Loaded, Observer, TrainSettings, load, train};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Train the examples and hold what their files state
#[derive(Debug, Parser)]
struct Arguments {
    /// Train those, too, whose data does not lie in the repository.
    #[arg(long)]
    full: bool,
    /// Where CIFAR-10 lies: its binary files or folders of pictures [default: where the files say].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = "target/examples")]
    out: PathBuf,
    /// Threads of compiled code [default: as many as the machine runs at once].
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// Names of examples [default: all that state a figure].
    names: Vec<String>,
}

/// An example that states what it reaches.
struct Example {
    name: String,
    loaded: Loaded,
    claims: Vec<Claim>,
    /// Whether its data lies where the file says.
    has_data: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match held(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all of the examples keep what they state.
fn held(arguments: &Arguments) -> Result<bool, DriverError> {
    let examples = examples(&arguments.names)?;
    let (here, elsewhere): (Vec<_>, Vec<_>) = examples.into_iter().partition(|example| example.has_data);
    println!("{:<18} {:<22} {:>10} {:>8}", "example", "states", "reached", "minutes");
    let mut kept = true;
    for example in &here {
        kept &= trained(example, None, arguments)?;
    }
    for example in &elsewhere {
        if arguments.full {
            kept &= trained(example, arguments.data.clone(), arguments)?;
        } else {
            println!("{:<18} left out: its data is not in the repository; `--full` trains it", example.name);
        }
    }
    Ok(kept)
}

/// The examples in order of their names.
fn examples(names: &[String]) -> Result<Vec<Example>, DriverError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let fault = |cause| DriverError::File { path: folder.clone(), cause };
    let mut examples = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_wanted = names.is_empty() || names.contains(&name);
        if !is_wanted || path.extension().is_none_or(|extension| extension != "dsl") {
            continue;
        }
        let text = std::fs::read_to_string(&path);
        let claims = Claim::all(&text.map_err(|cause| DriverError::File { path: path.clone(), cause })?)?;
        let loaded = load(&path, &[])?;
        let source = loaded.recipe.as_ref().and_then(|recipe| recipe.data.source.path());
        let has_data = source.is_none_or(|source| loaded.folder.join(source).exists());
        if !claims.is_empty() {
            examples.push(Example { name, loaded, claims, has_data });
        }
    }
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    match names.iter().find(|name| !examples.iter().any(|example| example.name == **name)) {
        Some(name) => Err(DriverError::User(format!("no example `{name}` states what it reaches"))),
        None => Ok(examples),
    }
}

/// Trains an example to its end and prints what became of its claims.
fn trained(example: &Example, data: Option<PathBuf>, arguments: &Arguments) -> Result<bool, DriverError> {
    let out = arguments.out.join(&example.name);
    let last = out.join("last.safetensors");
    let settings = TrainSettings {
        data,
        threads: arguments.threads,
        resume: last.exists().then_some(last),
        out: Some(out),
        ..TrainSettings::default()
    };
    let started = Instant::now();
    let report = train(&example.loaded, &settings, &mut Progress::default(), &AtomicBool::new(false))?;
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    let reached = report.test.unwrap_or_default();
    let mut kept = true;
    for claim in &example.claims {
        let Some((value, holds)) = claim.check(&reached) else {
            let fault =
                format!("{} reports no {}, of which its file states a figure", example.name, claim.metric);
            return Err(DriverError::User(fault));
        };
        let fault = if holds { "" } else { "  NOT REACHED" };
        println!("{:<18} {:<22} {value:>10.4} {minutes:>8.1}{fault}", example.name, claim.to_string());
        kept &= holds;
    }
    Ok(kept)
}

/// A line per epoch of a run that takes minutes.
#[derive(Default)]
struct Progress {
    /// When the epoch began.
    epoch: Option<Instant>,
}

impl Observer for Progress {
    fn epoch_started(&mut self, _epoch: usize, _epochs: usize, _done: usize, _steps: usize) {
        self.epoch = Some(Instant::now());
    }

    fn epoch_finished(&mut self, report: &EpochReport) {
        let seconds = self.epoch.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        if seconds > 20.0 {
            eprintln!("  epoch {} in {seconds:.0} s", report.epoch);
        }
    }
}
