//! The op suite in sessions on the driver, against the oracle. On the stand-in it is what `device` shows of the PTX itself,
//! and that a runtime loses nothing of it; with a real driver it is where the code meets a GPU.

use crate::{by_itself, loaded};
use dlc_compiler::CompileOptions;
use dlc_runtime::{Program, Session};
use dlc_tests::cases::{self, Case, Results, run_by};
use dlc_tests::harness::{bytes_of, compilation_for, tensor_of};
use std::sync::Arc;

/// A case's results as a session on the GPU computes them, for each batch of the case.
fn computed(case: &Case) -> Result<Results, String> {
    let greatest = case.batches.iter().copied().max().unwrap_or(1);
    let compilation = compilation_for(&case.function, &CompileOptions::for_device(greatest))?;
    let device = loaded(&compilation, |_| ())?;
    let told = |error: dlc_runtime::RuntimeError| error.to_string();
    let program = Program::of_device(compilation.interface, None).map_err(told)?;
    let mut session = Session::on(Arc::new(program), Box::new(device)).map_err(told)?;
    let handle = session.prepare("predict").map_err(told)?;
    let ports = session.program().interface().functions[0].clone();
    let mut results = Vec::new();
    for &batch in &case.batches {
        let fed = case.fed_with(batch);
        let inputs: Vec<Vec<u8>> = ports.inputs.iter().map(|port| bytes_of(&fed[&port.name])).collect();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let sizes = ports.outputs.iter().map(|port| port.elements(batch) * port.element.size());
        let mut outputs: Vec<Vec<u8>> = sizes.map(|bytes| vec![0; bytes]).collect();
        let mut slots: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        session.call(handle, batch, &inputs, &mut slots).map_err(told)?;
        let types = case.function.outputs.iter().map(|output| case.function.tensor_type(output.value));
        results.push((
            batch,
            outputs.iter().zip(types).map(|(bytes, ty)| tensor_of(ty, batch, bytes)).collect(),
        ));
    }
    Ok(results)
}

macro_rules! families {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            by_itself(concat!("op_suite::", stringify!($name)), || run_by(&cases::$name::cases(), &computed));
        })*
    };
}

families! { elementwise source movement reduction contraction convolution window indexing normalization scan }
