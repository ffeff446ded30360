//! The weights of a model as its compiled library wants them: a safetensors file that names the model's graph, or the
//! block of parameters and states as it lies in memory.

use crate::checkpoint::{Checkpoint, LoadPolicy, damaged, dtype};
use crate::error::Result;
use crate::identity::Identity;
use crate::order::scatter;
use crate::session_checkpoint::check_fits;
use crate::tensor::plain_bytes;
use dlc_abi::{Interface, PersistentTensor};
use safetensors::tensor::{SafeTensors, TensorView};

/// A file with the model's parameters and states, in the plain order.
pub fn weights_file(interface: &Interface, graph: u64, values: &Checkpoint) -> Result<Vec<u8>> {
    check_fits(interface, &values.view(), LoadPolicy::IgnoreExtra)?;
    serialized(interface, graph, |tensor| {
        Ok(values.value_for(&tensor.name).map(|value| value.bytes.clone()).unwrap_or_default())
    })
}

/// The first bytes of such a file, which are the same for all weights, and where each tensor of the interface begins
/// behind them.
pub fn weights_header(interface: &Interface, graph: u64) -> Result<(Vec<u8>, Vec<usize>)> {
    let zeros = |tensor: &PersistentTensor| Ok(vec![0; plain_bytes(tensor.element, &tensor.dims)?]);
    let mut file = serialized(interface, graph, zeros)?;
    let (length, metadata) = SafeTensors::read_metadata(&file).map_err(damaged)?;
    let tensors = metadata.tensors();
    let place = |tensor: &PersistentTensor| tensors.get(&tensor.name).map_or(0, |info| info.data_offsets.0);
    let places = interface.tensors.iter().map(place).collect();
    file.truncate(length + size_of::<u64>());
    Ok((file, places))
}

/// The block of parameters and states with these values.
pub fn persistent_image(interface: &Interface, values: &Checkpoint) -> Result<Vec<u8>> {
    check_fits(interface, &values.view(), LoadPolicy::IgnoreExtra)?;
    let mut block = vec![0; interface.persistent_bytes];
    for tensor in &interface.tensors {
        if let Some(value) = values.value_for(&tensor.name) {
            let stored = &mut block[tensor.offset..][..tensor.bytes];
            scatter(&tensor.dims, &tensor.strides, tensor.element.size(), &value.bytes, stored);
        }
    }
    Ok(block)
}

/// A file with the bytes that `values` gives for each tensor.
pub(crate) fn serialized(
    interface: &Interface,
    graph: u64,
    values: impl Fn(&PersistentTensor) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let bytes = interface.tensors.iter().map(values).collect::<Result<Vec<_>>>()?;
    let views = interface.tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(dtype(tensor.element), tensor.dims.clone(), bytes);
        Ok((tensor.name.as_str(), view.map_err(damaged)?))
    });
    let mut file = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, None).map_err(damaged)?;
    Identity { model: interface.model.clone(), graph }.insert(&mut file);
    Ok(file)
}
