//! `dlc run`: inference on tensors from files.

use crate::data::{bytes_of_tensor, dtype_of, port_bytes, port_dims, port_text, tensor_of_host};
use crate::engine::{EngineKind, default_threads, engine};
use crate::{CompileChoices, DriverError, Loaded, Result, StartReport, read_npy, read_npz, write_npy};
use dlc_abi::{Port, PortRole};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_interp::{Data, Tensor};
use dlc_ir::Model;
use dlc_runtime::{HostTensor, LoadPolicy, write_atomically};
use dlc_types::{DType, Dim};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::path::{Path, PathBuf};

/// What a user may choose about an inference.
#[derive(Clone, Debug, Default)]
pub struct RunSettings {
    /// A file for every input of the model, by name: `.npy` or `.npz`.
    pub inputs: Vec<(String, PathBuf)>,
    /// Weights; `None` for initial ones.
    pub checkpoint: Option<PathBuf>,
    /// Seed of initial weights.
    pub seed: u64,
    /// Threads; `None` for as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Who computes.
    pub engine: EngineKind,
    /// How the model is compiled.
    pub choices: CompileChoices,
    /// Where `NAME.npy` is written for every output; `None` for nowhere.
    pub output_dir: Option<PathBuf>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// Samples.
    pub batch: usize,
    /// The model's outputs by name, in order.
    pub outputs: Vec<(String, HostTensor)>,
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// The weights that were begun with, if they are no checkpoint's.
    pub start: Option<StartReport>,
}

impl RunReport {
    /// The elements of one of the outputs.
    pub fn values(&self, tensor: &HostTensor) -> Vec<f64> {
        tensor_of_host(tensor).map(|tensor| tensor.to_f64()).unwrap_or_default()
    }
}

/// `{"batch":2,"outputs":{"logits":{"type":"f32[2, 10]","dims":[2,10],"values":[…]}},"files":[…]}`
impl Serialize for RunReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let outputs: serde_json::Map<String, serde_json::Value> = self
            .outputs
            .iter()
            .map(|(name, tensor)| {
                let value = serde_json::json!({
                    "type": tensor.type_text(), "dims": tensor.dims, "values": self.values(tensor),
                });
                (name.clone(), value)
            })
            .collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("batch", &self.batch)?;
        map.serialize_entry("outputs", &outputs)?;
        map.serialize_entry("files", &self.files)?;
        if let Some(start) = &self.start {
            map.serialize_entry("start", start)?;
        }
        map.end()
    }
}

fn read_input(name: &str, path: &Path) -> Result<HostTensor> {
    let bytes = std::fs::read(path).map_err(|cause| DriverError::File { path: path.to_owned(), cause })?;
    let archive = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    let tensor = if archive { read_npz(&bytes, name) } else { read_npy(&bytes) };
    tensor.map_err(|fault| DriverError::User(format!("{}: {fault}", path.display())))
}

fn array_bytes(path: &Path, tensor: &HostTensor) -> Result<Vec<u8>> {
    write_npy(tensor).map_err(|fault| DriverError::User(format!("{}: {fault}", path.display())))
}

pub(crate) fn inputs_of(model: &Model, given: &[(String, PathBuf)]) -> Result<Vec<(String, HostTensor)>> {
    let names = || model.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ");
    for (place, (name, _)) in given.iter().enumerate() {
        if !model.inputs.iter().any(|input| input.name == *name) {
            let meant = dlc_types::diagnostic::nearest(name, model.inputs.iter().map(|i| i.name.as_str()));
            let help = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            return Err(DriverError::User(format!(
                "the model `{}` has no input `{name}`; it has: {}{help}",
                model.name,
                names()
            )));
        }
        if given[..place].iter().any(|(other, _)| other == name) {
            return Err(DriverError::User(format!("the input `{name}` is given twice")));
        }
    }
    let read = model.inputs.iter().map(|input| {
        let found = given.iter().find(|(name, _)| *name == input.name).ok_or_else(|| {
            DriverError::User(format!(
                "the input `{0}` ({1}) is missing: give it as `--input {0}=@FILE.npy`",
                input.name, input.ty
            ))
        })?;
        Ok((input.name.clone(), read_input(&input.name, &found.1)?))
    });
    read.collect()
}

/// The batch that an input's dims tell, if they fit its declaration in rank and batch axes.
pub(crate) fn batch_of(model: &Model, inputs: &[(String, HostTensor)]) -> Result<usize> {
    let mut batch: Option<usize> = None;
    for (declared, (name, tensor)) in model.inputs.iter().zip(inputs) {
        for (axis, dim) in declared.ty.shape.dims().iter().enumerate() {
            let (Dim::Batch(scale), Some(&size)) = (*dim, tensor.dims.get(axis)) else { continue };
            let misfit = || {
                DriverError::User(format!(
                    "the input `{name}` is {} in the model, not {}",
                    declared.ty,
                    tensor.type_text()
                ))
            };
            let samples = size.checked_div(scale).filter(|samples| samples * scale == size && *samples > 0);
            let samples = samples.ok_or_else(misfit)?;
            if let Some(other) = batch.replace(samples).filter(|&other| other != samples) {
                return Err(DriverError::User(format!(
                    "the inputs disagree about the batch: `{name}` holds {samples} samples, another {other}"
                )));
            }
        }
    }
    Ok(batch.unwrap_or(1))
}

/// The bytes of an input as the port takes it. Numbers are converted to the model's type where that
/// loses nothing but the precision of a float.
pub(crate) fn fed(port: &Port, batch: usize, tensor: &HostTensor) -> Result<Vec<u8>> {
    let misfit = |why: &str| {
        DriverError::User(format!(
            "the input `{}` is {} in the model, not {}{why}",
            port.name,
            port_text(port),
            tensor.type_text()
        ))
    };
    if tensor.dims != port_dims(port, batch) {
        return Err(misfit(""));
    }
    if tensor.element == port.element {
        return Ok(tensor.bytes.clone());
    }
    let values = tensor_of_host(tensor)?;
    let dtype = dtype_of(port.element);
    let data = match &values.data {
        Data::Float(values) if dtype.is_float() => Data::Float(values.clone()),
        Data::Int(_) | Data::Bool(_) if dtype.is_float() => Data::Float(values.to_f64()),
        Data::Int(numbers) if dtype.is_integer() => {
            // The upper half of `u64` is held as negative numbers.
            let huge = |dtype: DType, number: i64| dtype == DType::U64 && number < 0;
            let fits = |&number: &i64| {
                dtype.wrapped(number) == number && huge(values.dtype, number) == huge(dtype, number)
            };
            if !numbers.iter().all(fits) {
                return Err(misfit(&format!("; some values do not fit {dtype}")));
            }
            Data::Int(numbers.clone())
        }
        Data::Bool(values) if dtype.is_integer() => {
            Data::Int(values.iter().map(|&value| i64::from(value)).collect())
        }
        _ => return Err(misfit("")),
    };
    Ok(bytes_of_tensor(&Tensor::new(dtype, &tensor.dims, data)?))
}

/// Runs the model once on the inputs.
pub fn run(loaded: &Loaded, settings: &RunSettings) -> Result<RunReport> {
    let inputs = inputs_of(&loaded.model, &settings.inputs)?;
    let batch = batch_of(&loaded.model, &inputs)?;
    let started = if settings.checkpoint.is_none() { loaded.started_untaught()? } else { None };
    let mut functions = vec![FunctionKind::Predict];
    if settings.checkpoint.is_none() {
        functions.push(FunctionKind::Initialize);
    }
    let options =
        CompileOptions { functions, ..settings.choices.options_for(batch, settings.engine.machine())? };
    let compilation = dlc_compiler::compile(&loaded.model, &options)?;
    let threads = settings.threads.unwrap_or_else(default_threads);
    let mut engine = engine(&compilation, settings.engine, threads, &settings.choices)?;
    match &settings.checkpoint {
        Some(path) => {
            dlc_trainer::restore(engine.as_mut(), path, LoadPolicy::IgnoreExtra)?;
        }
        None => loaded.initial(started.as_ref()).begin(engine.as_mut(), settings.seed)?,
    }
    let interface = compilation.interface.functions.iter().find(|function| function.name == "predict");
    let interface = interface.ok_or_else(|| DriverError::Bug("there is no function `predict`".to_owned()))?;
    let mut buffers = Vec::new();
    for port in &interface.inputs {
        let found = inputs.iter().find(|(name, _)| *name == port.name);
        let (_, tensor) = found.ok_or_else(|| DriverError::Bug(format!("nothing feeds `{}`", port.name)))?;
        buffers.push(fed(port, batch, tensor)?);
    }
    let ports: Vec<&Port> = interface.outputs.iter().filter(|port| port.role == PortRole::Output).collect();
    let mut results: Vec<Vec<u8>> = ports.iter().map(|port| vec![0; port_bytes(port, batch)]).collect();
    let slices: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
    let mut slots: Vec<&mut [u8]> = results.iter_mut().map(Vec::as_mut_slice).collect();
    engine.predict(batch, &slices, &mut slots)?;
    let outputs = ports.iter().zip(results).map(|(port, bytes)| {
        Ok((port.name.clone(), HostTensor::new(port.element, port_dims(port, batch), bytes)?))
    });
    let start = started.map(|started| started.report);
    let mut report = RunReport { batch, outputs: outputs.collect::<Result<_>>()?, files: Vec::new(), start };
    if let Some(folder) = &settings.output_dir {
        std::fs::create_dir_all(folder).map_err(|cause| DriverError::File { path: folder.clone(), cause })?;
        for (name, tensor) in &report.outputs {
            let path = folder.join(format!("{name}.npy"));
            write_atomically(&path, &array_bytes(&path, tensor)?)?;
            report.files.push(path);
        }
    }
    Ok(report)
}
