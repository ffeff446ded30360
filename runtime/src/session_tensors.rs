//! Reading and replacing a session's parameters and states one by one.

use crate::error::{Result, RuntimeError};
use crate::order::{gather, scatter};
use crate::session::Session;
use crate::tensor::{HostTensor, plain_bytes, type_text};
use dlc_abi::{ElementType, PersistentTensor};
use std::sync::Arc;

/// A tensor of a persistent block, in the plain order.
pub(crate) fn plain(tensor: &PersistentTensor, persistent: &[u8]) -> Result<HostTensor> {
    let mut bytes = vec![0; plain_bytes(tensor.element, &tensor.dims)?];
    let stored = &persistent[tensor.offset..][..tensor.bytes];
    gather(&tensor.dims, &tensor.strides, tensor.element.size(), stored, &mut bytes);
    Ok(HostTensor { element: tensor.element, dims: tensor.dims.clone(), bytes })
}

impl Session {
    /// A parameter or state, in the plain order.
    pub fn tensor(&self, name: &str) -> Result<HostTensor> {
        plain(self.program.tensor(name)?, &self.persistent()?)
    }

    /// Replaces a parameter or state by a tensor of the same type and shape.
    pub fn set_tensor(&mut self, name: &str, value: &HostTensor) -> Result<()> {
        let program = Arc::clone(&self.program);
        let tensor = program.tensor(name)?;
        value.check()?;
        if tensor.element != value.element || tensor.dims != value.dims {
            return Err(RuntimeError::Misfit {
                name: name.to_owned(),
                expected: type_text(tensor.element, &tensor.dims),
                found: value.type_text(),
            });
        }
        let stored = &mut self.persistent_mut()?[tensor.offset..][..tensor.bytes];
        scatter(&tensor.dims, &tensor.strides, tensor.element.size(), &value.bytes, stored);
        Ok(())
    }

    /// Sets an integer scalar (`i32` or `i64`), such as `train.total_steps`.
    pub fn set_scalar_i64(&mut self, name: &str, value: i64) -> Result<()> {
        let bytes = match self.program.tensor(name)?.element {
            ElementType::I32 => i32::try_from(value)
                .map_err(|_| RuntimeError::Value { name: name.to_owned(), value })?
                .to_ne_bytes()
                .to_vec(),
            _ => value.to_ne_bytes().to_vec(),
        };
        let element = if bytes.len() == 4 { ElementType::I32 } else { ElementType::I64 };
        self.set_tensor(name, &HostTensor { element, dims: Vec::new(), bytes })
    }
}
