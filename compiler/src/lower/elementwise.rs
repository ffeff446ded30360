//! Kernels that compute a value element by element.
//!
//! The loops follow the result's order in memory. Axes that are neighbours in every buffer that the
//! kernel touches become one; what is left is divided: outer axes are the parallel space, a flat range
//! is cut into pieces. Where the innermost axis is a whole number of cache lines, the loop over the
//! next axis goes inside it, so that what belongs to a channel is loaded once. Many threads share all axes instead.

use super::error::LowerError;
use super::expression::Emitter;
use super::layout::Layout;
use super::storage::add_buffer;
use super::{Lowering, Place, Threads};
use dlc_ir::{NodeId, Output};
use dlc_kernel::{Affine, BufferId, IndexExpr, IndexVar, Kernel};
use dlc_types::{Dim, Shape, TensorType};

/// Elements that one piece of a flat range holds at least.
const PIECE: usize = 4096;
/// Pieces that a flat range is cut into at most.
const PIECES: usize = 64;
/// Lanes that fill a cache line of `f32`.
const LINE: usize = 16;

/// Neighbouring axes that are looped as one.
#[derive(Clone, Debug)]
struct Group {
    /// Logical axes, outermost first.
    axes: Vec<usize>,
    extent: Dim,
}

/// The kernel of a stored value whose op is elementwise or moves elements.
pub(crate) fn lower_elementwise(lowering: &mut Lowering<'_>, id: NodeId) -> Result<(), LowerError> {
    let purpose = lowering.node(id).op.name();
    let name = lowering.kernel_name(id, purpose);
    let shape = lowering.ty(id).shape.clone();
    let order = lowering.place(id)?.layout.order.clone();
    let (kernel, arguments) = element_kernel(lowering, Some(id), name, &shape, &order, &|emitter, at| {
        let value = emitter.value(id, at)?;
        emitter.store(id, at, value)
    })?;
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// The kernel of two stored values, the second of which reads the first at its own element.
pub(crate) fn lower_pair(
    lowering: &mut Lowering<'_>,
    first: NodeId,
    second: NodeId,
) -> Result<(), LowerError> {
    let name = lowering.kernel_name(second, lowering.node(second).op.name());
    let shape = lowering.ty(second).shape.clone();
    let order = lowering.place(second)?.layout.order.clone();
    let (kernel, arguments) =
        element_kernel(lowering, Some(second), name, &shape, &order, &|emitter, at| {
            let intermediate = emitter.value_of_pair(first, at)?;
            let value = emitter.value(second, at)?;
            emitter.store(first, at, intermediate)?;
            emitter.store(second, at, value)
        })?;
    lowering.launch(second, kernel, arguments);
    Ok(())
}

/// Copies an output's value to the buffer that it is wanted in.
pub(crate) fn copy_to_output(
    lowering: &mut Lowering<'_>,
    output: &Output,
    target: (BufferId, usize),
) -> Result<(), LowerError> {
    let id = output.value;
    let name = lowering.kernel_name(id, &format!("copy_to_{}", output.role.name()));
    let shape = lowering.ty(id).shape.clone();
    let layout = target_layout(lowering, output, &shape)?;
    let dtype = lowering.ty(id).dtype;
    let (kernel, arguments) = element_kernel(lowering, None, name, &shape, &layout.order, &|emitter, at| {
        let value = emitter.value(id, at)?;
        let operand = emitter.nest.operand(target.0, &output.name, dtype, true);
        let index = super::expression::element(layout.origin, &layout.strides, at);
        emitter.nest.store(operand, index, value);
        Ok(())
    })?;
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// Computes a value into a place that is not its own.
pub(crate) fn compute_into(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    purpose: NodeId,
    target: &Place,
) -> Result<(), LowerError> {
    let name = lowering.kernel_name(purpose, "begin");
    let TensorType { dtype, shape } = lowering.ty(id).clone();
    let Place { buffer, layout } = target;
    let (kernel, arguments) = element_kernel(lowering, None, name, &shape, &layout.order, &|emitter, at| {
        let value = emitter.value(id, at)?;
        let operand = emitter.nest.operand(*buffer, "first", dtype, true);
        let index = super::expression::element(layout.origin, &layout.strides, at);
        emitter.nest.store(operand, index, value);
        Ok(())
    })?;
    lowering.launch(purpose, kernel, arguments);
    Ok(())
}

fn target_layout(lowering: &Lowering<'_>, output: &Output, shape: &Shape) -> Result<Layout, LowerError> {
    if super::is_persistent(output)
        && let Some(layout) = lowering.persistent_layouts.get(&output.name)
    {
        return Ok(layout.clone());
    }
    Layout::plain(shape, lowering.options.batch_max).ok_or_else(|| LowerError::TooLarge(output.name.clone()))
}

type Emit<'f> = dyn Fn(&mut Emitter<'_, '_>, &[Affine]) -> Result<(), LowerError> + 'f;

/// A kernel that runs `emit` at every element of `shape`, looping in the given order of axes.
pub(crate) fn element_kernel(
    lowering: &Lowering<'_>,
    root: Option<NodeId>,
    name: String,
    shape: &Shape,
    order: &[usize],
    emit: &Emit<'_>,
) -> Result<(Kernel, Vec<BufferId>), LowerError> {
    let groups = merge_axes(lowering, root, shape, order, emit)?;
    let mut emitter = Emitter::new(lowering, root);
    let mut at = vec![Affine::constant(0); shape.rank()];
    match &groups[..] {
        [] => {}
        [only] => {
            let var = open_flat(&mut emitter, only.extent);
            place_group(&mut at, only, var);
        }
        [outer @ .., next, inner] => {
            let all_shared = outer.is_empty() || lowering.options.threads == Threads::Many;
            let (parallel, sequential) =
                if all_shared { (&groups[..groups.len() - 1], None) } else { (outer, Some(next)) };
            for group in parallel {
                let var = emitter.nest.coordinate(group.extent);
                place_group(&mut at, group, var);
            }
            let whole_lines = inner.extent.fixed().is_some_and(|length| length % LINE == 0);
            let loops: Vec<(&Group, bool)> = match sequential {
                Some(next) if whole_lines => vec![(inner, true), (next, false)],
                Some(next) => vec![(next, false), (inner, true)],
                None => vec![(inner, true)],
            };
            for (group, lanes) in loops {
                let var = emitter.nest.open_over(group.extent, lanes);
                place_group(&mut at, group, var);
            }
        }
    }
    emit(&mut emitter, &at)?;
    Ok(emitter.nest.finish(name))
}

/// A merged group runs along its innermost axis; the outer ones stay at zero, since their strides are
/// multiples of the innermost one's.
fn place_group(at: &mut [Affine], group: &Group, var: IndexVar) {
    if let Some(&axis) = group.axes.last() {
        at[axis] = Affine::var(var);
    }
}

/// Opens the loops of a kernel over one flat range.
fn open_flat(emitter: &mut Emitter<'_, '_>, extent: Dim) -> IndexVar {
    let nest = &mut emitter.nest;
    let pieces = match extent {
        Dim::Fixed(length) if length <= PIECE => return nest.open_over(extent, true),
        Dim::Fixed(length) => (length / PIECE).clamp(1, PIECES),
        Dim::Batch(_) => LINE,
    };
    let piece = nest.coordinate(Dim::Fixed(pieces));
    let chunk_start =
        |chunk: Affine| IndexExpr::ChunkStart { form: Affine::extent(extent), chunk, chunks: pieces as i64 };
    let start = nest.index(chunk_start(Affine::var(piece)));
    let end = nest.index(chunk_start(Affine::var(piece).offset(1)));
    nest.open(Affine::var(start), Affine::var(end), true, &[]).0
}

/// Merges neighbouring axes that are neighbours in every buffer touched. Found by a trial: the kernel is
/// emitted with one variable per axis, and the coefficients in its accesses are compared.
fn merge_axes(
    lowering: &Lowering<'_>,
    root: Option<NodeId>,
    shape: &Shape,
    order: &[usize],
    emit: &Emit<'_>,
) -> Result<Vec<Group>, LowerError> {
    let mut trial = Emitter::new(lowering, root);
    let vars: Vec<IndexVar> = (0..shape.rank()).map(|axis| trial.nest.coordinate(shape[axis])).collect();
    let at: Vec<Affine> = vars.iter().map(|&var| Affine::var(var)).collect();
    emit(&mut trial, &at)?;
    let fixed = |axis: usize| trial.nest.fixed_forms.iter().any(|form| form.coefficient(vars[axis]) != 0);
    let mut groups: Vec<Group> = Vec::new();
    for &axis in order.iter().rev().filter(|&&axis| shape[axis] != Dim::Fixed(1)) {
        if let Some(group) = groups.last_mut()
            && let Dim::Fixed(length) = group.extent
            && let Some(&inner) = group.axes.last()
            && let Some(extent) = shape[axis].times(group.extent)
            && !fixed(axis)
            && !fixed(inner)
            && trial.nest.accesses.iter().all(|access| {
                access.coefficient(vars[axis]) == access.coefficient(vars[inner]) * length as i64
            })
        {
            group.axes.insert(0, axis);
            group.extent = extent;
        } else {
            groups.push(Group { axes: vec![axis], extent: shape[axis] });
        }
    }
    groups.reverse();
    Ok(groups)
}

/// A fresh arena buffer in the plain layout of a shape.
pub(crate) fn temporary(
    lowering: &mut Lowering<'_>,
    name: &str,
    dtype: dlc_types::DType,
    shape: &Shape,
    order: Vec<usize>,
) -> Result<Place, LowerError> {
    let layout = Layout::new(shape, order, vec![(0, 0); shape.rank()], lowering.options.batch_max)
        .ok_or_else(|| LowerError::TooLarge(name.to_owned()))?;
    let buffer = add_buffer(lowering, name, dtype, &layout, dlc_kernel::Storage::Arena(usize::MAX))?;
    Ok(Place { buffer, layout })
}
