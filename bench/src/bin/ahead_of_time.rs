//! A model as a library beside the same model in this process:
//! `cargo run --release -p dlc-bench --bin ahead_of_time -- FILE --checkpoint CKPT`.
//!
//! The first table is what a program waits for that links the library: one process per round opens it, makes an
//! instance, loads the weights and predicts. The second is a prediction by the library and by code in memory, in turns,
//! each after the other has had the caches; their results must have the same bits.

use clap::Parser;
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_driver::{ArtifactKind, CompileChoices, CompileSettings, Cpu, load_for_checkpoint, native_session};
use dlc_runtime::{Checkpoint, LoadPolicy, Session};
use std::error::Error;
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Time a model as a shared library
#[derive(Debug, Parser)]
struct Arguments {
    /// The model's file; one input, one output.
    file: PathBuf,
    /// Its weights.
    #[arg(long, value_name = "CKPT")]
    checkpoint: PathBuf,
    /// Samples of a prediction.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Rounds of each table.
    #[arg(long, value_name = "R", default_value_t = 101)]
    rounds: usize,
    /// Opens a library and prints the times, which is what each round of the first table does.
    #[arg(long, value_name = "LIBRARY", hide = true)]
    once: Option<PathBuf>,
    /// Bytes of input and output for that.
    #[arg(long, hide = true, num_args = 2)]
    bytes: Vec<usize>,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What symbols begin with.
const NAME: &str = "timed";

type Create = unsafe extern "C" fn(*mut *mut c_void, *const c_void) -> c_int;
type Load = unsafe extern "C" fn(*mut c_void, *const c_char, c_int) -> c_int;
type Predict = unsafe extern "C" fn(*mut c_void, usize, *const c_void, *mut c_void) -> c_int;

/// A library that was opened, with an instance on one thread; neither ends before the process does.
struct Library {
    instance: *mut c_void,
    predict: Predict,
    /// Milliseconds to open the library, make the instance and load the weights.
    times: [f64; 3],
}

/// `dlc_options` of `dlc_runtime.h`.
#[repr(C)]
struct Options {
    version: u32,
    threads: u32,
    graph: u64,
    pool: *const c_void,
    memory: *mut c_void,
    memory_bytes: usize,
    cpu: *const c_char,
}

/// The address of a function in an open library.
fn symbol(handle: *mut c_void, name: &str) -> Outcome<*mut c_void> {
    let text = CString::new(format!("{NAME}_{name}"))?;
    // SAFETY: the handle is that of an open library, the text ends with a zero.
    let address = unsafe { libc::dlsym(handle, text.as_ptr()) };
    if address.is_null() { Err(format!("the library has no {NAME}_{name}").into()) } else { Ok(address) }
}

fn held(status: c_int, what: &str) -> Outcome<()> {
    if status == 0 { Ok(()) } else { Err(format!("{what}: status {status}").into()) }
}

impl Library {
    fn open(library: &Path, weights: &Path, graph: u64) -> Outcome<Library> {
        let path = CString::new(library.as_os_str().as_encoded_bytes())?;
        let weights = CString::new(weights.as_os_str().as_encoded_bytes())?;
        let started = Instant::now();
        // SAFETY: the library was made by dlc; nothing runs when it is opened.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() {
            return Err(format!("{} cannot be opened", library.display()).into());
        }
        // SAFETY: the types are those of the model's header.
        let (create, load, predict) = unsafe {
            (
                std::mem::transmute::<*mut c_void, Create>(symbol(handle, "create")?),
                std::mem::transmute::<*mut c_void, Load>(symbol(handle, "load")?),
                std::mem::transmute::<*mut c_void, Predict>(symbol(handle, "predict")?),
            )
        };
        let opened = Instant::now();
        let (pool, memory) = (std::ptr::null(), std::ptr::null_mut());
        let options = Options {
            version: dlc_runtime::abi::VERSION,
            threads: 1,
            graph,
            pool,
            memory,
            memory_bytes: 0,
            cpu: std::ptr::null(),
        };
        let mut instance = std::ptr::null_mut();
        // SAFETY: a place for the instance, and options as the header has them.
        held(unsafe { create(&raw mut instance, (&raw const options).cast()) }, "create")?;
        let created = Instant::now();
        // SAFETY: the instance was just made; 0 asks for all tensors.
        held(unsafe { load(instance, weights.as_ptr(), 0) }, "load")?;
        let times =
            [opened - started, created - opened, created.elapsed()].map(|time| time.as_secs_f64() * 1e3);
        Ok(Library { instance, predict, times })
    }

    /// Milliseconds of one prediction.
    fn predict(&self, batch: usize, input: &[u8], output: &mut [u8]) -> Outcome<f64> {
        let started = Instant::now();
        // SAFETY: both are as long as the interface says for this batch, and aligned by the allocator.
        let status = unsafe {
            (self.predict)(self.instance, batch, input.as_ptr().cast(), output.as_mut_ptr().cast())
        };
        let time = started.elapsed();
        held(status, "predict")?;
        Ok(time.as_secs_f64() * 1e3)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.once {
        Some(library) => once(library, &arguments),
        None => timed(&arguments),
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Milliseconds of opening, creating, loading, a first and a second prediction.
fn once(library: &Path, arguments: &Arguments) -> Outcome<()> {
    let [inputs, outputs] = arguments.bytes[..] else { return Err("--bytes takes two numbers".into()) };
    let (input, mut output) = (vec![0; inputs], vec![0; outputs]);
    let opened = Library::open(library, &arguments.checkpoint, graph_of(library)?)?;
    let first = opened.predict(arguments.batch, &input, &mut output)?;
    let second = opened.predict(arguments.batch, &input, &mut output)?;
    let [open, create, load] = opened.times;
    println!("{open} {create} {load} {first} {second}");
    Ok(())
}

/// The hash that the header beside a library tells.
fn graph_of(library: &Path) -> Outcome<u64> {
    let header = std::fs::read_to_string(library.with_file_name(format!("{NAME}.h")))?;
    let (_, number) = header.split_once("_GRAPH UINT64_C(0x").ok_or("the header tells no graph")?;
    Ok(u64::from_str_radix(number.get(..16).unwrap_or_default(), 16)?)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn timed(arguments: &Arguments) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let loaded = load_for_checkpoint(&arguments.file, &arguments.checkpoint, &[])?;
    let batch = arguments.batch;
    let settings = CompileSettings {
        batch: Some(batch),
        name: Some(NAME.to_owned()),
        checkpoint: Some(arguments.checkpoint.clone()),
        output_dir: Some(folder.path().to_owned()),
        emit: vec![ArtifactKind::So, ArtifactKind::Header],
        ..CompileSettings::default()
    };
    dlc_driver::compile(&loaded, &settings)?;
    let target = dlc_compiler::emit::Target::host(Cpu::Native)?;
    let options = CompileOptions {
        functions: vec![FunctionKind::Predict],
        only_used: true,
        byte_products: target.multiplies_bytes(),
        ..CompileChoices::default().options(batch)?
    };
    let mut session = native_session(&compile(&loaded.model, &options)?, 1, Cpu::Native)?;
    session.restore(&Checkpoint::read(&arguments.checkpoint)?, LoadPolicy::IgnoreExtra)?;
    let library = folder.path().join(format!("lib{NAME}.so"));
    let weights = folder.path().join(format!("{NAME}.safetensors"));
    let bytes = sizes(&session, batch)?;
    first_results(arguments, &library, &weights, bytes)?;
    in_turns(arguments, &Library::open(&library, &weights, graph_of(&library)?)?, &mut session, bytes)
}

/// Bytes of the input and the output.
fn sizes(session: &Session, batch: usize) -> Outcome<[usize; 2]> {
    let interface = session.program().interface();
    let predict = interface.functions.iter().find(|function| function.name == "predict");
    match predict.map(|function| (&function.inputs[..], &function.outputs[..])) {
        Some(([input], [output])) => {
            Ok([input, output].map(|port| port.elements(batch) * port.element.size()))
        }
        _ => Err("a model with one input and one output is needed".into()),
    }
}

/// A process per round.
fn first_results(arguments: &Arguments, library: &Path, weights: &Path, bytes: [usize; 2]) -> Outcome<()> {
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for _ in 0..arguments.rounds {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(&arguments.file).arg("--checkpoint").arg(weights).arg("--once").arg(library);
        command.arg("--batch").arg(arguments.batch.to_string()).arg("--bytes");
        let output = command.args(bytes.map(|bytes| bytes.to_string())).output()?;
        let text = String::from_utf8(output.stdout)?;
        let times: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        if times.len() != 5 {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "the process that opens the library ended by {}: {}",
                output.status,
                told.trim()
            )
            .into());
        }
        rounds.push(times);
    }
    println!("milliseconds, medians of {} processes, batch {}", arguments.rounds, arguments.batch);
    for (place, what) in
        ["open", "create", "load", "first prediction", "second prediction"].into_iter().enumerate()
    {
        println!("  {what:<20} {:>8.3}", median(rounds.iter().map(|times| times[place])));
    }
    println!(
        "  {:<20} {:>8.3}",
        "to the first result",
        median(rounds.iter().map(|times| times[..4].iter().sum()))
    );
    Ok(())
}

/// Predictions by the library and by code in memory.
fn in_turns(
    arguments: &Arguments,
    library: &Library,
    session: &mut Session,
    [inputs, outputs]: [usize; 2],
) -> Outcome<()> {
    // Some picture; bytes below 64 make small finite numbers of any type.
    let input: Vec<u8> = (0..inputs).map(|place| (place * 7 % 61) as u8).collect();
    let (mut ahead, mut just) = (vec![0; outputs], vec![0; outputs]);
    let mut times: Vec<[f64; 2]> = Vec::new();
    for round in 0..arguments.rounds * 20 {
        let by_library = library.predict(arguments.batch, &input, &mut ahead)?;
        let started = Instant::now();
        session.predict(arguments.batch, &[&input], &mut [&mut just])?;
        let in_memory = started.elapsed().as_secs_f64() * 1e3;
        if ahead != just {
            return Err("the library and the code in memory disagree".into());
        }
        if round >= 20 {
            times.push([by_library, in_memory]);
        }
    }
    let by_library = median(times.iter().map(|pair| pair[0]));
    let in_memory = median(times.iter().map(|pair| pair[1]));
    println!("milliseconds of a prediction in turns, medians of {}", times.len());
    println!("  library {by_library:.4}, in memory {in_memory:.4}, ratio {:.4}", by_library / in_memory);
    Ok(())
}
