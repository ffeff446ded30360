//! What a session needs to know of a compilation, in the words of the contract with the runtime (`dlc-abi`).

use crate::lower::{Constants, PersistentPlaces};
use crate::{CompileError, CompileOptions, CompiledFunction};
use dlc_abi::{
    ElementType, Extent, FunctionInterface, Interface, PersistentRole, PersistentTensor, Port, PortRole,
};
use dlc_ir::{Model, OutputRole};
use dlc_kernel::{Program, Storage};
use dlc_types::{Dim, TensorType};
use std::collections::BTreeSet;

/// The interface of all functions.
pub(crate) fn interface(
    model: &Model,
    options: &CompileOptions,
    persistent: &PersistentPlaces,
    constants: Constants,
    functions: &[CompiledFunction],
) -> Result<Interface, CompileError> {
    let parameters: BTreeSet<&str> =
        model.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let mut tensors = Vec::new();
    for (name, (offset, ty, layout)) in &persistent.places {
        let role = if parameters.contains(name.as_str()) {
            PersistentRole::Parameter
        } else {
            PersistentRole::State
        };
        tensors.push(PersistentTensor {
            name: name.clone(),
            role,
            element: ElementType::ALL[ty.dtype as usize],
            dims: ty.shape.as_fixed().unwrap_or_default(),
            strides: layout.strides.iter().map(|&stride| stride.unsigned_abs() as usize).collect(),
            offset: *offset,
            bytes: layout.elements * ty.dtype.size(),
        });
    }
    let functions = functions.iter().map(function_interface).collect::<Result<Vec<_>, _>>()?;
    Ok(Interface {
        version: dlc_abi::VERSION,
        model: model.name.clone(),
        batch_max: options.batch_max,
        persistent_bytes: persistent.bytes,
        tensors,
        constants: constants.bytes,
        functions,
    })
}

fn function_interface(function: &CompiledFunction) -> Result<FunctionInterface, CompileError> {
    let port = |name: &str, role: PortRole, ty: &TensorType| -> Result<Port, CompileError> {
        Ok(Port {
            name: name.to_owned(),
            role,
            element: ElementType::ALL[ty.dtype as usize],
            dims: ty.shape.dims().iter().map(|&dim| extent(dim)).collect(),
        })
    };
    let lowered = &function.lowered;
    let inputs = lowered.inputs.iter().map(|(name, ty)| port(name, PortRole::Input, ty));
    let outputs = lowered.outputs.iter().map(|(role, name, ty)| {
        let role = match role {
            OutputRole::Loss => PortRole::Loss,
            OutputRole::Metric => PortRole::Metric,
            OutputRole::Gradient => PortRole::Gradient,
            _ => PortRole::Output,
        };
        port(name, role, ty)
    });
    Ok(FunctionInterface {
        name: function.name.clone(),
        arena_bytes: lowered.program.arena_bytes,
        thread_bytes: lowered.program.thread_bytes,
        cleared: cleared(&lowered.program),
        keeps_persistent: keeps_persistent(&lowered.program),
        inputs: inputs.collect::<Result<_, _>>()?,
        outputs: outputs.collect::<Result<_, _>>()?,
    })
}

/// Whether no launch writes a parameter or state.
fn keeps_persistent(program: &Program) -> bool {
    program.launches.iter().all(|launch| {
        let operands = launch.arguments.iter().zip(&program.kernels[launch.kernel].operands);
        operands.into_iter().all(|(&buffer, operand)| {
            !operand.writes || !matches!(program.buffers[buffer].storage, Storage::Persistent(_))
        })
    })
}

/// The places of buffers with a border of zeros.
fn cleared(program: &Program) -> Vec<(usize, usize)> {
    let bordered = program.buffers.values().filter(|buffer| buffer.border.is_some());
    let places = bordered.filter_map(|buffer| match buffer.storage {
        Storage::Arena(start) => Some((start, buffer.bytes)),
        _ => None,
    });
    places.collect::<BTreeSet<_>>().into_iter().collect()
}

fn extent(dim: Dim) -> Extent {
    match dim {
        Dim::Fixed(scale) => Extent { scale, batch: false },
        Dim::Batch(scale) => Extent { scale, batch: true },
    }
}
