//! Times an ONNX file with one input in tract: `peer-tract MODEL.onnx INPUT.npy THREADS SECONDS RESULT.npy`
//! prints the median of the calls in ms and writes the result of the first, for the caller to check.

use anyhow::{Context, Result, bail};
use std::{
    fs::File,
    io::{BufReader, BufWriter},
    time::{Duration, Instant},
};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

/// As few calls as a median is taken of, however slow they are.
const LEAST_CALLS: usize = 5;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, input, threads, seconds, result] = arguments.as_slice() else {
        bail!("usage: peer-tract MODEL.onnx INPUT.npy THREADS SECONDS RESULT.npy");
    };
    set_default_executor(Executor::multithread(threads.parse()?));
    let input = read(input)?;
    let model = tract_onnx::onnx()
        .model_for_path(model)?
        .with_input_fact(0, f32::fact(input.shape()).into())?
        .into_optimized()?
        .into_runnable()?;
    write(result, &model.run(tvec!(input.clone().into()))?[0])?;
    let budget = Duration::from_secs_f64(seconds.parse()?);
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < budget || times.len() < LEAST_CALLS {
        let call = Instant::now();
        model.run(tvec!(input.clone().into()))?;
        times.push(call.elapsed());
    }
    times.sort();
    println!("{}", times[times.len() / 2].as_secs_f64() * 1e3);
    Ok(())
}

fn read(path: &str) -> Result<Tensor> {
    let file = npyz::NpyFile::new(BufReader::new(File::open(path).with_context(|| path.to_owned())?))?;
    let shape = file.shape().iter().map(|&size| usize::try_from(size)).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::from_shape(&shape, &file.into_vec::<f32>()?)?)
}

fn write(path: &str, tensor: &Tensor) -> Result<()> {
    use npyz::WriterBuilder;
    let shape: Vec<u64> = tensor.shape().iter().map(|&size| size as u64).collect();
    let elements = tensor.to_plain_array_view::<f32>()?;
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(BufWriter::new(File::create(path)?))
        .begin_nd()?;
    writer.extend(elements.iter())?;
    Ok(writer.finish()?)
}
