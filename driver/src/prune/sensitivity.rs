//! What pruning each layer alone does: how far its output moves, and what the loss becomes.
//!
//! One engine of the model as it is before; a layer's tensors are replaced and put back. The output is that of the op
//! that the kernel multiplies in, on the first batch of held-out samples, and its input is the same with and without. The
//! loss is that of the model without the weights, or without the channels in all tensors that have them.

use super::PruneSettings;
use super::kernels::Kernel;
use super::tensors::{Tensors, floats};
use crate::data::{port_bytes, tensor_of_bytes};
use crate::engine::{default_threads, engine};
use crate::{Loaded, Result};
use dlc_abi::{Interface, PortRole};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_ir::training::AVERAGE;
use dlc_ir::{Output, OutputRole};
use dlc_runtime::{Checkpoint, HostTensor, LoadPolicy};
use dlc_trainer::{Batch, Engine, Probe};
use std::collections::{BTreeMap, BTreeSet};

/// What pruning one layer alone does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Effect {
    /// Norm of the difference of the layer's output, over the norm of the output.
    pub(super) output_error: Option<f64>,
    /// How much the loss grows.
    pub(super) loss_change: Option<f64>,
}

/// An engine of the model before pruning, with the layers' outputs.
pub(super) struct Bench<'a> {
    engine: Box<dyn Engine>,
    probe: &'a Probe<'a>,
    tensors: &'a Tensors,
    batch: Batch,
    /// Samples that the loss is measured on.
    samples: usize,
    loss: f64,
    outputs: BTreeMap<String, Vec<f64>>,
}

impl<'a> Bench<'a> {
    /// Measures the model as it is.
    pub(super) fn new(
        loaded: &Loaded,
        kernels: &[Kernel],
        tensors: &'a Tensors,
        probe: &'a Probe<'a>,
        settings: &PruneSettings,
    ) -> Result<Bench<'a>> {
        let mut model = loaded.model.clone();
        model.predict.outputs.clear();
        for kernel in kernels {
            if let Some(value) = kernel.output(&loaded.model.predict) {
                let name = kernel.parameter.clone();
                model.predict.outputs.push(Output { role: OutputRole::Output, name, value });
            }
        }
        let batch = loaded.recipe("dlc prune")?.data.batch;
        let functions = vec![FunctionKind::Evaluate, FunctionKind::Predict];
        let options =
            CompileOptions { functions, ..settings.choices.options_for(batch, settings.engine.machine())? };
        let compilation = dlc_compiler::compile(&model, &options)?;
        let threads = settings.threads.unwrap_or_else(default_threads);
        let mut engine = engine(&compilation, settings.engine, threads, &settings.choices)?;
        let checkpoint = Checkpoint { tensors: tensors.clone(), ..Checkpoint::default() };
        engine.restore(&checkpoint, LoadPolicy::Parameters)?;
        let batch = probe.first_batch(engine.as_ref(), "predict")?;
        let samples = settings.samples;
        let (loss, outputs) = (f64::NAN, BTreeMap::new());
        let mut bench = Bench { engine, probe, tensors, batch, samples, loss, outputs };
        bench.loss = bench.measured_loss()?;
        bench.outputs = bench.layer_outputs()?;
        Ok(bench)
    }

    fn measured_loss(&mut self) -> Result<f64> {
        let evaluated = self.probe.measure(self.engine.as_mut(), self.samples)?;
        Ok(evaluated.measures.0.first().map_or(f64::NAN, |(_, loss)| *loss))
    }

    /// The outputs of all layers on the first batch.
    fn layer_outputs(&mut self) -> Result<BTreeMap<String, Vec<f64>>> {
        let ports: Vec<_> = ports(self.engine.interface()).to_vec();
        let samples = self.batch.samples;
        let mut buffers: Vec<Vec<u8>> = ports.iter().map(|port| vec![0; port_bytes(port, samples)]).collect();
        let inputs: Vec<&[u8]> = self.batch.inputs.iter().map(Vec::as_slice).collect();
        let mut slots: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
        self.engine.predict(samples, &inputs, &mut slots)?;
        let named = ports.iter().zip(&buffers).map(|(port, bytes)| {
            let dims = [bytes.len() / port.element.size().max(1)];
            Ok((port.name.clone(), tensor_of_bytes(port.element, &dims, bytes)?.to_f64()))
        });
        named.collect()
    }

    /// What tensors in place of the model's do: to a kernel's output those of its own, to the loss all that are pruned
    /// with it.
    pub(super) fn effect(&mut self, kernel: &str, own: &Tensors, together: &Tensors) -> Result<Effect> {
        self.set(own)?;
        let moved = self.layer_outputs()?;
        self.set(together)?;
        let loss = self.measured_loss()?;
        let names: BTreeSet<&String> = own.keys().chain(together.keys()).collect();
        let known =
            names.into_iter().filter_map(|name| Some((name.clone(), self.tensors.get(name)?.clone())));
        let before: Tensors = known.collect();
        self.set(&before)?;
        let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
        let output_error = self.outputs.get(kernel).zip(moved.get(kernel)).and_then(|(before, after)| {
            let size = square(&mut before.iter().copied());
            let distance = square(&mut before.iter().zip(after).map(|(before, after)| after - before));
            (size > 0.0).then(|| (distance / size).sqrt())
        });
        let loss_change = Some(loss - self.loss).filter(|change| change.is_finite());
        Ok(Effect { output_error, loss_change })
    }

    /// Sets tensors, and averages of them.
    fn set(&mut self, tensors: &Tensors) -> Result<()> {
        for (name, tensor) in tensors {
            for name in [name.clone(), format!("{name}.{AVERAGE}")] {
                if self.engine.interface().tensors.iter().any(|known| known.name == name) {
                    self.engine.set_tensor(&name, tensor)?;
                }
            }
        }
        Ok(())
    }
}

fn ports(interface: &Interface) -> Vec<dlc_abi::Port> {
    let predict = interface.functions.iter().find(|function| function.name == "predict");
    let ports = predict.into_iter().flat_map(|function| &function.outputs);
    ports.filter(|port| port.role == PortRole::Output).cloned().collect()
}

/// Whether a tensor has a number that is not zero where the mask says no.
pub(super) fn loses(tensor: &HostTensor, mask: &[bool]) -> bool {
    floats(tensor).iter().zip(mask).any(|(&value, &stays)| !stays && value != 0.0)
}
