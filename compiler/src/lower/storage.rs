//! Gives every stored value a buffer and a layout.
//!
//! Inputs and outputs are bound by the caller and lie row-major; parameters and states lie in the
//! persistent block; the rest goes to the arena, whose places `memory` plans later. The next value of a
//! parameter or state is written over the old one where nothing reads the old one afterwards, else it
//! is copied there at the end.

use super::error::LowerError;
use super::layout::Layout;
use super::orders::{halos, wished_orders};
use super::{Lowering, Place, Ports, is_persistent};
use dlc_ir::literal::Elements;
use dlc_ir::{Literal, NodeId, Op, Output};
use dlc_kernel::{Buffer, BufferId, Storage};
use dlc_types::{DType, Dim, IndexVec, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// Where parameters and states lie in the persistent block: byte offset, type, layout.
#[derive(Clone, Debug, Default)]
pub struct PersistentPlaces {
    /// By name.
    pub places: BTreeMap<String, (usize, TensorType, Layout)>,
    /// Size of the block in bytes.
    pub bytes: usize,
}

impl PersistentPlaces {
    /// Appends a tensor.
    pub fn add(&mut self, name: &str, ty: &TensorType, order: Option<Vec<usize>>) -> Result<(), LowerError> {
        let rank = ty.shape.rank();
        let order = order.unwrap_or_else(|| (0..rank).collect());
        let layout = Layout::new(&ty.shape, order, vec![(0, 0); rank], 1)
            .ok_or_else(|| LowerError::TooLarge(format!("`{name}`")))?;
        let offset = self.bytes;
        let bytes =
            layout.elements.checked_mul(ty.dtype.size()).and_then(|bytes| bytes.checked_next_multiple_of(64));
        let end = bytes.and_then(|bytes| bytes.checked_add(offset));
        self.bytes = end.ok_or_else(|| LowerError::TooLarge(format!("`{name}`")))?;
        self.places.insert(name.to_owned(), (offset, ty.clone(), layout));
        Ok(())
    }
}

/// Read-only data of all functions of a module.
#[derive(Clone, Debug, Default)]
pub struct Constants {
    /// The bytes; every tensor begins at a multiple of 64.
    pub bytes: Vec<u8>,
}

impl Constants {
    /// Appends a constant and returns its offset; an equal one is shared.
    pub fn add(&mut self, literal: &Literal) -> usize {
        let mut data = Vec::new();
        let dtype = literal.ty.dtype;
        match &literal.elements {
            Elements::Float(values) => values.iter().for_each(|&value| dtype.push_float(value, &mut data)),
            Elements::Int(values) => values.iter().for_each(|&value| dtype.push_integer(value, &mut data)),
            Elements::Bool(values) => data.extend(values.iter().map(|&value| u8::from(value))),
        }
        let known = (0..self.bytes.len()).step_by(64).find(|&start| self.bytes[start..].starts_with(&data));
        known.unwrap_or_else(|| {
            let offset = self.bytes.len();
            self.bytes.extend(&data);
            self.bytes.resize(self.bytes.len().next_multiple_of(64), 0);
            offset
        })
    }
}

/// What the caller binds, and what is copied at the end.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) inputs: Vec<(String, TensorType)>,
    /// Outputs whose value lies elsewhere, with the buffer that they are copied to.
    pub(crate) copies: Vec<(Output, (BufferId, usize))>,
    /// Values that are written over the old value of a parameter or state.
    pub(crate) updates: BTreeSet<NodeId>,
}

/// Assigns buffers to all stored values.
pub(crate) fn assign(
    lowering: &mut Lowering<'_>,
    persistent: &PersistentPlaces,
) -> Result<Outputs, LowerError> {
    let mut outputs = Outputs::default();
    let orders = persistent.places.iter().map(|(name, (_, _, layout))| (name.clone(), layout.order.clone()));
    let wishes = Wishes {
        orders: wished_orders(lowering.prepared, &orders.collect()),
        halos: halos(lowering.prepared),
    };
    assign_externals(lowering, persistent, &mut outputs)?;
    super::scan::assign(lowering)?;
    assign_outputs(lowering, &wishes, &mut outputs)?;
    assign_updates(lowering, persistent, &wishes, &mut outputs)?;
    assign_scratch(lowering, &wishes)?;
    Ok(outputs)
}

/// How values would best lie, by their users.
struct Wishes {
    orders: IndexVec<NodeId, Option<Vec<usize>>>,
    halos: BTreeMap<NodeId, Vec<(usize, usize)>>,
}

impl Wishes {
    /// Whether a value without a place may get one without a border.
    fn is_free(&self, lowering: &Lowering<'_>, id: NodeId) -> bool {
        let has_halo = self.halos.get(&id).is_some_and(|halo| halo.iter().any(|&h| h != (0, 0)));
        lowering.places[id].is_none() && !has_halo
    }
}

/// The buffers of parameters and states that the function reads, by name.
fn persistent_buffers(lowering: &Lowering<'_>) -> BTreeMap<String, BufferId> {
    let mut buffers = BTreeMap::new();
    for node in lowering.function().nodes.values() {
        let (Op::Parameter { name } | Op::State { name }) = &node.op else { continue };
        let place = lowering.places.values().flatten().find(|place| {
            let buffer = &lowering.program.buffers[place.buffer];
            buffer.name == *name && matches!(buffer.storage, Storage::Persistent(_))
        });
        buffers.extend(place.map(|place| (name.clone(), place.buffer)));
    }
    buffers
}

/// Values that the caller gets: in the caller's memory where they lie as the caller wants them.
fn assign_outputs(
    lowering: &mut Lowering<'_>,
    wishes: &Wishes,
    outputs: &mut Outputs,
) -> Result<(), LowerError> {
    let returned = lowering.function().outputs.clone();
    for (number, output) in returned.into_iter().filter(|output| !is_persistent(output)).enumerate() {
        let id = output.value;
        let layout = bound(lowering, id)?;
        let storage = Storage::Binding(outputs.inputs.len() + number);
        let name = format!("{}.{}", output.role.name(), output.name);
        let buffer = add_buffer(lowering, &name, lowering.ty(id).dtype, &layout, storage)?;
        let wished_plain = wishes.orders[id].as_ref().is_none_or(|order| order.is_sorted());
        if wishes.is_free(lowering, id) && wished_plain {
            lowering.places[id] = Some(Place { buffer, layout });
        } else {
            outputs.copies.push((output, (buffer, 0)));
        }
    }
    Ok(())
}

/// New values of parameters and states: over the old ones where nobody reads those later, else in a place of their own
/// from where they are copied.
fn assign_updates(
    lowering: &mut Lowering<'_>,
    persistent: &PersistentPlaces,
    wishes: &Wishes,
    outputs: &mut Outputs,
) -> Result<(), LowerError> {
    let mut buffers = persistent_buffers(lowering);
    let late = after_updates(lowering);
    for output in lowering.function().outputs.clone().into_iter().filter(is_persistent) {
        let id = output.value;
        let (offset, _, layout) = persistent.places.get(&output.name).ok_or_else(|| {
            LowerError::Internal(format!("output `{}` is no parameter or state", output.name))
        })?;
        let buffer = match buffers.get(&output.name) {
            Some(&buffer) => buffer,
            None => {
                let (dtype, storage) = (lowering.ty(id).dtype, Storage::Persistent(*offset));
                let buffer = add_buffer(lowering, &output.name, dtype, layout, storage)?;
                buffers.insert(output.name.clone(), buffer);
                buffer
            }
        };
        if wishes.is_free(lowering, id) && may_overwrite(lowering, id, &output.name, &late) {
            lowering.places[id] = Some(Place { buffer, layout: layout.clone() });
            outputs.updates.insert(id);
        } else {
            outputs.copies.push((output, (buffer, *offset)));
        }
    }
    Ok(())
}

/// All other stored values lie in the arena.
fn assign_scratch(lowering: &mut Lowering<'_>, wishes: &Wishes) -> Result<(), LowerError> {
    for id in lowering.function().nodes.indices() {
        if lowering.places[id].is_some() || !lowering.stored[id] || lowering.node(id).ty.tensor().is_none() {
            continue;
        }
        let ty = lowering.ty(id).clone();
        let rank = ty.shape.rank();
        let order = wishes.orders[id].clone().unwrap_or_else(|| (0..rank).collect());
        let halo = wishes.halos.get(&id).cloned().unwrap_or_else(|| vec![(0, 0); rank]);
        let layout = Layout::new(&ty.shape, order, halo, lowering.options.batch_max)
            .ok_or_else(|| LowerError::TooLarge(lowering.origin(id)))?;
        let name = super::expression::operand_name(lowering, id);
        let buffer = add_buffer(lowering, &name, ty.dtype, &layout, Storage::Arena(usize::MAX))?;
        lowering.places[id] = Some(Place { buffer, layout });
    }
    Ok(())
}

fn assign_externals(
    lowering: &mut Lowering<'_>,
    persistent: &PersistentPlaces,
    outputs: &mut Outputs,
) -> Result<(), LowerError> {
    let order = &lowering.options.inputs;
    let place = |name: &str| order.iter().position(|input| input == name).unwrap_or(order.len());
    let mut externals: Vec<NodeId> = lowering.function().nodes.indices().collect();
    externals.sort_by_key(|&id| match &lowering.node(id).op {
        Op::Input { name } => (place(name), id),
        _ => (order.len(), id),
    });
    for id in externals {
        let op = lowering.node(id).op.clone();
        let (name, layout, storage) = match op {
            Op::Input { name } => {
                outputs.inputs.push((name.clone(), lowering.ty(id).clone()));
                let layout = match &lowering.ports {
                    Ports::Scan(layouts) if layouts.contains_key(&name) => layouts[&name].clone(),
                    _ => bound(lowering, id)?,
                };
                (name, layout, Storage::Binding(outputs.inputs.len() - 1))
            }
            Op::Parameter { name } | Op::State { name } => {
                let (offset, _, layout) = persistent.places.get(&name).ok_or_else(|| {
                    LowerError::Internal(format!("`{name}` has no place in the persistent block"))
                })?;
                (name, layout.clone(), Storage::Persistent(*offset))
            }
            Op::Constant(literal) if literal.ty.shape.rank() > 0 => (
                "constant".to_owned(),
                plain(lowering, id)?,
                Storage::Constants(lowering.constants.add(&literal)),
            ),
            _ => continue,
        };
        let dtype = lowering.ty(id).dtype;
        let buffer = add_buffer(lowering, &name, dtype, &layout, storage)?;
        lowering.places[id] = Some(Place { buffer, layout });
    }
    Ok(())
}

/// The layout of an input or output. A caller's must not depend on the greatest batch: the batch is the
/// outermost axis.
fn bound(lowering: &Lowering<'_>, id: NodeId) -> Result<Layout, LowerError> {
    let shape = &lowering.ty(id).shape;
    if let Ports::Scan(_) = lowering.ports {
        return plain(lowering, id);
    }
    let mut long = shape.dims().iter().filter(|&&dim| dim != Dim::Fixed(1));
    if long.next().is_some() && long.any(|dim| dim.is_batch()) {
        return Err(
            lowering.unsupported(id, format!("an input or output {shape} whose batch axis is not the first"))
        );
    }
    plain(lowering, id)
}

fn plain(lowering: &Lowering<'_>, id: NodeId) -> Result<Layout, LowerError> {
    Layout::plain(&lowering.ty(id).shape, lowering.options.batch_max)
        .ok_or_else(|| LowerError::TooLarge(lowering.origin(id)))
}

/// Adds a buffer that holds a layout.
pub(crate) fn add_buffer(
    lowering: &mut Lowering<'_>,
    name: &str,
    dtype: DType,
    layout: &Layout,
    storage: Storage,
) -> Result<BufferId, LowerError> {
    let bytes =
        layout.elements.checked_mul(dtype.size()).ok_or_else(|| LowerError::TooLarge(name.to_owned()))?;
    Ok(lowering.program.buffers.push(Buffer {
        name: name.to_owned(),
        dtype,
        bytes,
        storage,
        border: layout.border.clone(),
    }))
}

/// The values that may be computed after others were written over old ones: new values of parameters and states,
/// and all that depends on one.
fn after_updates(lowering: &Lowering<'_>) -> BTreeSet<NodeId> {
    let function = lowering.function();
    let updates = function.outputs.iter().filter(|output| is_persistent(output));
    let mut late: BTreeSet<NodeId> = updates.map(|output| output.value).collect();
    for (id, node) in function.nodes.iter() {
        if node.operands.iter().any(|operand| late.contains(operand)) {
            late.insert(id);
        }
    }
    late
}

/// Whether the kernel of `id` may write over the tensor of that name: the kernel is elementwise and
/// reads the old value at its own element only, and no kernel that runs later, of the values in `late`, reads it.
fn may_overwrite(lowering: &Lowering<'_>, id: NodeId, name: &str, late: &BTreeSet<NodeId>) -> bool {
    let function = lowering.function();
    let named = |node: NodeId| match &function.nodes[node].op {
        Op::Parameter { name: external } | Op::State { name: external } => external == name,
        _ => false,
    };
    if !function.nodes.indices().any(named) {
        return true;
    }
    let op = &function.nodes[id].op;
    let later = late.iter().filter(|&&other| other > id && lowering.stored[other]);
    let mut seen = BTreeSet::new();
    op.is_elementwise()
        && reads_only_in_place(lowering, id, id, &named)
        && later.into_iter().all(|&other| !reads(lowering, other, other, &named, &mut seen))
}

fn reads_only_in_place(
    lowering: &Lowering<'_>,
    root: NodeId,
    id: NodeId,
    named: &dyn Fn(NodeId) -> bool,
) -> bool {
    if named(id) || (lowering.stored[id] && id != root) {
        return true;
    }
    let node = lowering.node(id);
    node.operands.iter().all(|&operand| {
        if node.op.is_elementwise() {
            reads_only_in_place(lowering, root, operand, named)
        } else {
            !reads(lowering, root, operand, named, &mut BTreeSet::new())
        }
    })
}

/// Whether the kernel of `root` loads a value that `named` holds for, on the way through `id`.
fn reads(
    lowering: &Lowering<'_>,
    root: NodeId,
    id: NodeId,
    named: &dyn Fn(NodeId) -> bool,
    seen: &mut BTreeSet<NodeId>,
) -> bool {
    if named(id) {
        return true;
    }
    if (lowering.stored[id] && id != root) || !seen.insert(id) {
        return false;
    }
    lowering.node(id).operands.iter().any(|&operand| reads(lowering, root, operand, named, seen))
}
