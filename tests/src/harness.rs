//! Runs a function compiled and interpreted on the same seeded inputs and compares the results.

use dlc_compiler::emit::{Cpu, Target, jit};
use dlc_compiler::{Compilation, CompileOptions, FunctionKind, compile};
use dlc_interp::{Data, Tensor};
use dlc_ir::{Function, Model, Node, Op, OutputRole};
use dlc_runtime::{Program, Session};
use dlc_types::random::Stream;
use dlc_types::{DType, TensorType};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Norm-wise bound on the difference of compiled `f32` results from the oracle's.
pub const BOUND: f64 = 1e-5;

/// Norm-wise bound for a type. Compiled code and oracle round the same numbers to 16-bit floats, once per op,
/// but the compiled ones are off by the errors of `f32` before: a result may fall to the neighbour, one unit
/// in the last place away (2^-10 of `f16`, 2^-7 of `bf16`), and what is computed of such a result is allowed
/// as much again.
pub fn bound(dtype: DType) -> f64 {
    match dtype {
        DType::F16 | DType::BF16 => 2.0 * unit_in_last_place(dtype),
        _ => BOUND,
    }
}

/// The greatest distance of neighbours of a 16-bit float, relative to them; 0 of other types, whose functions
/// have bounds of their own.
fn unit_in_last_place(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 1.0 / 1024.0,
        DType::BF16 => 1.0 / 128.0,
        _ => 0.0,
    }
}

/// A model whose one function is `predict`.
pub fn model_of(function: &Function) -> Model {
    Model {
        name: "case".to_owned(),
        inputs: Vec::new(),
        targets: Vec::new(),
        parameters: Vec::new(),
        states: Vec::new(),
        predict: function.clone(),
        evaluate: None,
        forward: None,
        training: None,
    }
}

/// Every code generator that this machine can run: Cranelift's kernels alone, and with each width of ours.
pub fn targets() -> Vec<(Cpu, Target)> {
    of_host(&[Cpu::Portable, Cpu::V3, Cpu::V4])
}

/// Every code generator that this machine can run, those that multiply bytes included.
pub fn targets_with_bytes() -> Vec<(Cpu, Target)> {
    of_host(&[Cpu::Portable, Cpu::V3, Cpu::V4, Cpu::V3Vnni, Cpu::V4Vnni])
}

fn of_host(cpus: &[Cpu]) -> Vec<(Cpu, Target)> {
    cpus.iter().filter_map(|&cpu| Some((cpu, Target::host(cpu).ok()?))).collect()
}

/// Lowers a function; the error is a text with the function.
pub fn compilation_of(function: &Function, batch_max: usize) -> Result<Compilation, String> {
    compilation_with(function, batch_max, false)
}

/// Lowers a function, with elementwise values in the kernels of contractions if wished.
pub fn compilation_with(function: &Function, batch_max: usize, fuse: bool) -> Result<Compilation, String> {
    compilation_for(function, &CompileOptions { fuse_epilogues: fuse, ..CompileOptions::new(batch_max) })
}

/// Lowers a function as `predict`.
pub fn compilation_for(function: &Function, options: &CompileOptions) -> Result<Compilation, String> {
    let options = CompileOptions { functions: vec![FunctionKind::Predict], ..options.clone() };
    compile(&model_of(function), &options).map_err(|error| format!("{error}\n{function}"))
}

/// Compiles a function to a program for this machine; the error is a text with the function.
pub fn program_of(function: &Function, batch_max: usize) -> Result<Arc<Program>, String> {
    load(&compilation_of(function, batch_max)?)
}

/// Machine code of a compilation for this machine.
pub fn load(compilation: &Compilation) -> Result<Arc<Program>, String> {
    load_for(compilation, &Target::host(Cpu::Native).unwrap())
}

/// Machine code of a compilation for a target that this machine can run.
pub fn load_for(compilation: &Compilation, target: &Target) -> Result<Arc<Program>, String> {
    let code = jit(compilation, target)
        .map_err(|error| format!("{error}\n{}", compilation.functions[0].lowered.program))?;
    // SAFETY: the entries were made from the very compilation that the interface describes, and the
    // owner keeps their memory.
    let program = unsafe { Program::new(compilation.interface.clone(), code.entries, code.owner) };
    Ok(Arc::new(program.map_err(|error| error.to_string())?))
}

/// Compiles a function into a session.
pub fn session_of(function: &Function, batch_max: usize, threads: usize) -> Session {
    Session::new(program_of(function, batch_max).unwrap(), threads).unwrap()
}

/// A seeded tensor: floats standard normal, integers in -3..=9, booleans even.
pub fn random_tensor(ty: &TensorType, batch: usize, draws: &mut Stream) -> Tensor {
    let dims = ty.shape.at(batch);
    let count = dims.iter().product();
    let data = match ty.dtype {
        DType::Bool => Data::Bool((0..count).map(|_| draws.bits() & 1 == 1).collect()),
        dtype if dtype.is_float() => Data::Float((0..count).map(|_| normal(draws)).collect()),
        _ => Data::Int((0..count).map(|_| i64::from(draws.below(13)) - 3).collect()),
    };
    Tensor::new(ty.dtype, &dims, data).unwrap()
}

fn normal(draws: &mut Stream) -> f64 {
    let (radius, angle) = (draws.unit(), draws.unit());
    let value =
        (-2.0 * f64::from(1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * f64::from(angle)).cos();
    f64::from(value as f32)
}

/// The bytes of a tensor as the runtime takes them.
pub fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let dtype = tensor.dtype;
    let mut bytes = Vec::new();
    match &tensor.data {
        Data::Float(values) => values.iter().for_each(|&value| dtype.push_float(value, &mut bytes)),
        Data::Int(values) => values.iter().for_each(|&value| dtype.push_integer(value, &mut bytes)),
        Data::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
    }
    bytes
}

/// A tensor from the runtime's bytes.
pub fn tensor_of(ty: &TensorType, batch: usize, bytes: &[u8]) -> Tensor {
    let data = match ty.dtype {
        DType::Bool => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        dtype if dtype.is_float() => Data::Float(dtype.floats(bytes)),
        dtype => Data::Int(dtype.integers(bytes)),
    };
    Tensor::new(ty.dtype, &ty.shape.at(batch), data).unwrap()
}

/// Seeded inputs of a function by name.
pub fn random_inputs(function: &Function, batch: usize, seed: u64) -> BTreeMap<String, Tensor> {
    let mut draws = Stream::new(seed, 7, 0);
    let inputs = function.nodes.values().filter_map(|node: &Node| match (&node.op, node.ty.tensor()) {
        (Op::Input { name }, Some(ty)) => Some((name.clone(), ty.clone())),
        _ => None,
    });
    inputs.map(|(name, ty)| (name, random_tensor(&ty, batch, &mut draws))).collect()
}

/// The results of a compiled function.
pub fn run_compiled(
    session: &mut Session,
    function: &Function,
    batch: usize,
    inputs: &BTreeMap<String, Tensor>,
) -> Vec<Tensor> {
    let wanted: Vec<&str> = session.program().interface().functions[0]
        .inputs
        .iter()
        .map(|port| port.name.as_str())
        .collect::<Vec<_>>();
    let fed: Vec<(String, Vec<u8>)> =
        wanted.iter().map(|&name| (name.to_owned(), bytes_of(&inputs[name]))).collect();
    let fed: Vec<(&str, &[u8])> = fed.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let types: Vec<TensorType> =
        function.outputs.iter().map(|output| function.tensor_type(output.value).clone()).collect();
    let mut results: Vec<Vec<u8>> = types
        .iter()
        .map(|ty| vec![0xAA; ty.shape.at(batch).iter().product::<usize>() * ty.dtype.size()])
        .collect();
    let mut outputs: Vec<(&str, &mut [u8])> = function
        .outputs
        .iter()
        .zip(&mut results)
        .map(|(output, bytes)| (output.name.as_str(), bytes.as_mut_slice()))
        .collect();
    session.run("predict", batch, &fed, &mut outputs).unwrap();
    results.iter().zip(&types).map(|(bytes, ty)| tensor_of(ty, batch, bytes)).collect()
}

/// Compares a compiled function with the oracle: by every code generator, at every batch, and for one,
/// two and three threads.
pub fn check(function: &Function, batches: &[usize], seed: u64) {
    check_for(function, batches, seed, &CompileOptions::new(1));
}

/// As [`check`], with options of the compilation but for the greatest batch.
pub fn check_for(function: &Function, batches: &[usize], seed: u64, options: &CompileOptions) {
    let inputs = |batch| random_inputs(function, batch, seed);
    // Sums may cancel anywhere in a graph; then no bound in the result's own norm holds.
    let agreement = |compiled: &Tensor, oracle: &Tensor, shaken: &dyn Fn() -> Tensor| {
        agree(compiled, oracle).or_else(|difference| {
            let allowed = bound(oracle.dtype) * norm(oracle, None) + SHAKEN * norm(oracle, Some(&shaken()));
            let error = norm(oracle, Some(compiled));
            if error.is_finite() && error <= allowed { Ok(()) } else { Err(difference) }
        })
    };
    if let Err(difference) = compare_for(function, batches, &inputs, &agreement, options) {
        panic!("seed {seed}: {difference}");
    }
}

/// How many times the effect of changing every input by a unit in its last place is allowed where sums
/// cancel: every op between adds roundings of its own.
const SHAKEN: f64 = 50.0;

/// Euclidean norm of a tensor, or of its difference from another; infinite where that is not finite.
fn norm(tensor: &Tensor, other: Option<&Tensor>) -> f64 {
    let other = other.map_or_else(|| vec![0.0; tensor.data.len()], Tensor::to_f64);
    let squares: f64 = tensor.to_f64().iter().zip(&other).map(|(a, b)| (a - b) * (a - b)).sum();
    if squares.is_finite() { squares.sqrt() } else { f64::INFINITY }
}

/// The inputs with every float moved by a unit in its last place, up or down.
fn shake(inputs: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let mut draws = Stream::new(1, 13, 0);
    let mut inputs = inputs.clone();
    for tensor in inputs.values_mut() {
        if let Data::Float(values) = &mut tensor.data {
            let up = |up: bool| if up { 1.0 } else { -1.0 };
            let unit = unit_in_last_place(tensor.dtype).max(f64::from(f32::EPSILON));
            values.iter_mut().for_each(|value| *value *= 1.0 + up(draws.bits() & 1 == 1) * unit);
        }
    }
    inputs
}

/// How a compiled tensor is held against the oracle's; the last argument gives the oracle's for inputs
/// that differ in their last place.
pub type Agreement<'a> = dyn Fn(&Tensor, &Tensor, &dyn Fn() -> Tensor) -> Result<(), String> + 'a;

/// As [`check`], with the caller's inputs for a batch and way of comparison.
pub fn compare(
    function: &Function,
    batches: &[usize],
    inputs: &dyn Fn(usize) -> BTreeMap<String, Tensor>,
    agree: &Agreement<'_>,
) -> Result<(), String> {
    compare_for(function, batches, inputs, agree, &CompileOptions::new(1))
}

/// As [`compare`], with options of the compilation but for the greatest batch.
pub fn compare_for(
    function: &Function,
    batches: &[usize],
    inputs: &dyn Fn(usize) -> BTreeMap<String, Tensor>,
    agree: &Agreement<'_>,
    options: &CompileOptions,
) -> Result<(), String> {
    for output in &function.outputs {
        assert_eq!(output.role, OutputRole::Output, "the harness compares plain outputs");
    }
    let batch_max = batches.iter().copied().max().unwrap_or(1);
    let fused = |fuse_epilogues| CompileOptions { batch_max, fuse_epilogues, ..options.clone() };
    let apart = compilation_for(function, &fused(false))?;
    let fused = compilation_for(function, &fused(true))?;
    let mut engines: Vec<(Cpu, Vec<Session>)> = Vec::new();
    let targets = if options.byte_products { targets_with_bytes() } else { targets() };
    // Every generator with fused kernels, and the widest one with separate ones as well.
    let separate = targets.last().map(|target| (&apart, target));
    for (compilation, (cpu, target)) in targets.iter().map(|target| (&fused, target)).chain(separate) {
        let program = load_for(compilation, target)?;
        let session = |threads| Session::new(Arc::clone(&program), threads).unwrap();
        engines.push((*cpu, (1..=3).map(session).collect()));
    }
    for &batch in batches {
        let inputs = inputs(batch);
        let oracle = |inputs: &BTreeMap<String, Tensor>| {
            let inputs = |op: &Op| match op {
                Op::Input { name } => inputs.get(name).cloned(),
                _ => None,
            };
            dlc_interp::evaluate(function, batch, &inputs).map_err(|error| format!("{error}\n{function}"))
        };
        let expected = oracle(&inputs)?;
        for (cpu, sessions) in &mut engines {
            let first = run_compiled(&mut sessions[0], function, batch, &inputs);
            for (position, output) in function.outputs.iter().enumerate() {
                let shaken = || oracle(&shake(&inputs)).unwrap().swap_remove(position);
                agree(&first[position], &expected[position], &shaken).map_err(|difference| {
                    format!("{cpu:?}, batch {batch}, output {}: {difference}\n{function}", output.name)
                })?;
            }
            for session in &mut sessions[1..] {
                let again = run_compiled(session, function, batch, &inputs);
                if first.iter().zip(&again).any(|(one, other)| bytes_of(one) != bytes_of(other)) {
                    return Err(format!("{cpu:?}, batch {batch}: thread counts differ in bits\n{function}"));
                }
            }
        }
    }
    Ok(())
}

/// Whether two tensors agree element by element, within `relative` of the oracle's or `absolute`; where
/// the oracle's number is below the least normal one, zero will do too, since compiled code flushes.
pub fn agree_each(compiled: &Tensor, oracle: &Tensor, relative: f64, absolute: f64) -> Result<(), String> {
    let (Data::Float(a), Data::Float(b)) = (&compiled.data, &oracle.data) else {
        return agree(compiled, oracle);
    };
    let dtype = compiled.dtype;
    let single = dtype == DType::F32;
    let least = match dtype {
        // Subnormal numbers of `f16` are normal where they are computed.
        DType::F16 => 0.0,
        DType::F64 => f64::MIN_POSITIVE,
        _ => f64::from(f32::MIN_POSITIVE),
    };
    let relative = relative.max(unit_in_last_place(dtype));
    for (index, (&x, &y)) in a.iter().zip(b).enumerate() {
        let rounded = dtype.rounded(y);
        let same = x == rounded || x.is_nan() && y.is_nan();
        let near =
            x.is_finite() && y.is_finite() && (x - y).abs() <= (relative * y.abs() + absolute).max(least);
        // The last numbers before infinity may round either way.
        let brink = single && y.abs() > 3.402_8e38 && y.abs() < 3.403e38;
        if !same && !near && !brink {
            return Err(format!("element {index}: compiled {x:e}, oracle {y:e}"));
        }
    }
    Ok(())
}

/// Whether two tensors agree: floats by norm within [`BOUND`], with NaN and infinity in the same places;
/// others exactly.
pub fn agree(compiled: &Tensor, oracle: &Tensor) -> Result<(), String> {
    let (Data::Float(a), Data::Float(b)) = (&compiled.data, &oracle.data) else {
        return if compiled.data == oracle.data {
            Ok(())
        } else {
            Err(format!("compiled {:?}, oracle {:?}", compiled.data, oracle.data))
        };
    };
    let (mut error, mut norm) = (0.0, 0.0);
    for (index, (&x, &y)) in a.iter().zip(b).enumerate() {
        let special = !x.is_finite() || !(y as f32).is_finite();
        if special && !(x.is_nan() && y.is_nan()) && x != f64::from(y as f32) {
            return Err(format!("element {index}: compiled {x}, oracle {y}"));
        }
        if !special {
            error += (x - y) * (x - y);
            norm += y * y;
        }
    }
    if error.sqrt() <= bound(compiled.dtype) * norm.sqrt() + 1e-30 {
        return Ok(());
    }
    let worst =
        (0..a.len()).max_by(|&i, &j| (a[i] - b[i]).abs().total_cmp(&(a[j] - b[j]).abs())).unwrap_or(0);
    Err(format!(
        "relative error {:.2e}; element {worst}: compiled {}, oracle {}",
        error.sqrt() / norm.sqrt(),
        a[worst],
        b[worst]
    ))
}
