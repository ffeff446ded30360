//! The values that a compiled run left in memory, read through the layouts that lowering chose.

use crate::data::{element_of, tensor_of_bytes};
use crate::{DriverError, Math, Result};
use dlc_compiler::lower::{Layout, Lowered};
use dlc_interp::{Tensor, Values};
use dlc_ir::NodeId;
use dlc_kernel::Storage;
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

/// Memory of one call whose values all have places of their own.
pub(crate) struct Memory<'a> {
    pub(crate) lowered: &'a Lowered,
    pub(crate) batch: usize,
    /// How products are computed.
    pub(crate) math: Math,
    pub(crate) arena: &'a [u8],
    /// Parameters and states before the call.
    pub(crate) before: &'a [u8],
    /// Parameters and states after it.
    pub(crate) after: &'a [u8],
    pub(crate) inputs: &'a [Vec<u8>],
    pub(crate) outputs: &'a [Vec<u8>],
}

impl Memory<'_> {
    /// Whether the run stored this value. Constants are known without it.
    pub(crate) fn holds(&self, id: NodeId) -> bool {
        self.lowered.values.get(&id).is_some_and(|(buffer, _)| {
            !matches!(self.lowered.program.buffers[*buffer].storage, Storage::Constants(_))
        })
    }

    /// A stored value. Parameters and states that the function reads are those before the call.
    pub(crate) fn read(&self, id: NodeId) -> Result<Tensor> {
        let missing = || DriverError::Bug(format!("value {id} has no place"));
        let (buffer, layout) = self.lowered.values.get(&id).ok_or_else(missing)?;
        let function = &self.lowered.function;
        let external = function.nodes[id].op.is_external();
        let bytes = match self.lowered.program.buffers[*buffer].storage {
            Storage::Arena(start) => self.arena.get(start..),
            Storage::Persistent(start) => (if external { self.before } else { self.after }).get(start..),
            Storage::Constants(_) | Storage::Thread(_) => None,
            Storage::Binding(number) => {
                let all = self.inputs.iter().chain(self.outputs);
                all.map(Vec::as_slice).nth(number)
            }
        };
        let ty = function.tensor_type(id);
        let element = element_of(ty.dtype);
        let dims = ty.shape.at(self.batch);
        let plain = gather(bytes.ok_or_else(missing)?, element.size(), layout, &dims).ok_or_else(missing)?;
        tensor_of_bytes(element, &dims, &plain)
    }

    /// The stored values that a value is computed from, without itself, and the values between, which
    /// the kernels computed on the way.
    pub(crate) fn sources(&self, id: NodeId) -> Result<(Values, BTreeSet<NodeId>)> {
        let function = &self.lowered.function;
        let mut known = Values::new();
        let mut between = BTreeSet::new();
        let mut open = function.nodes[id].operands.clone();
        while let Some(operand) = open.pop() {
            if self.holds(operand) {
                if let Entry::Vacant(place) = known.entry(operand) {
                    place.insert(vec![self.read(operand)?]);
                }
            } else if between.insert(operand) {
                open.extend(&function.nodes[operand].operands);
            }
        }
        Ok((known, between))
    }

    /// Names of the kernels that computed a value.
    pub(crate) fn kernels(&self, id: NodeId) -> Vec<String> {
        let program = &self.lowered.program;
        let own = self.lowered.values.get(&id).map(|(buffer, _)| *buffer);
        let writes = |launch: &dlc_kernel::Launch| {
            let operands = &program.kernels[launch.kernel].operands;
            launch.arguments.iter().zip(operands).any(|(&to, operand)| operand.writes && Some(to) == own)
        };
        let launches = program.launches.iter().zip(&self.lowered.purposes);
        launches
            .filter(|&(launch, &purpose)| purpose == id || writes(launch))
            .map(|(launch, _)| program.kernels[launch.kernel].name.clone())
            .collect()
    }

    /// The path of a value's layer.
    pub(crate) fn path(&self, id: NodeId) -> String {
        let node = &self.lowered.function.nodes[id];
        format!("{} ({} {id})", node.origin.path, node.op.name())
    }
}

/// The elements in row-major order.
fn gather(bytes: &[u8], size: usize, layout: &Layout, dims: &[usize]) -> Option<Vec<u8>> {
    let count: usize = dims.iter().product();
    let mut plain = Vec::with_capacity(count * size);
    let mut index = vec![0usize; dims.len()];
    let mut place = layout.origin;
    for _ in 0..count {
        let start = usize::try_from(place).ok()?.checked_mul(size)?;
        plain.extend_from_slice(bytes.get(start..start.checked_add(size)?)?);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            place += layout.strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            place -= layout.strides[axis] * i64::try_from(dims[axis]).ok()?;
            index[axis] = 0;
        }
    }
    Some(plain)
}
