//! Scans as repetitions of launches.
//!
//! The body is lowered as a function of its own, once: every stage of lowering sees nothing but a function. What it
//! reads and writes are places in values of the outer function, which move from round to round:
//!
//! - *A carry* is a buffer of slots. Where a result is the carry itself, before a step or behind it, there is a slot
//!   for every step and one more, and the result is these slots; else two slots take turns.
//! - *A slice* moves along the stacked operand by a stride, backwards in a reverse scan; a result likewise.
//! - *An invariant* stays where it is. To the body it is what a parameter is to a call: kernels that depend on
//!   invariants alone are its prologue, and are run once, before the first round.
//!
//! The body's buffers become buffers of the outer program, its launches one [`Repetition`].

use super::elementwise::compute_into;
use super::error::LowerError;
use super::layout::Layout;
use super::storage::{PersistentPlaces, add_buffer};
use super::view::{View, view_of};
use super::{Lowering, Place, Ports, Unplanned, lower_kernels};
use dlc_ir::{Function, NodeId, Op, Output, OutputRole, Scan};
use dlc_kernel::{BufferId, Launch, Part, Repetition, RepetitionId, Round, SequenceId, Storage, Stride};
use dlc_types::{IndexVec, Shape, TensorType};
use std::collections::BTreeMap;

/// Where one scan keeps what it computes.
#[derive(Clone, Debug)]
pub(crate) struct Storages {
    carries: Vec<Carry>,
    results: Vec<Place>,
    /// What every result is.
    kinds: Vec<Kind>,
}

/// The slots of a carry.
#[derive(Clone, Debug)]
struct Carry {
    buffer: BufferId,
    /// Of one slot.
    layout: Layout,
    slots: usize,
}

/// What a result of a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A buffer of its own.
    Own,
    /// The slots of a carry, as the steps find it.
    Before(usize),
    /// The slots of a carry, as the steps leave it.
    Behind(usize),
}

fn kind(scan: &Scan, value: NodeId) -> Kind {
    let carries = || 0..scan.carries;
    let before = carries().find(|&carry| scan.reader(carry) == Some(value)).map(Kind::Before);
    before
        .or_else(|| carries().find(|&carry| scan.next(carry) == Some(value)).map(Kind::Behind))
        .unwrap_or(Kind::Own)
}

impl Carry {
    /// The slot that is read in the first round, and the way from one round's slot to the next one's.
    fn way(&self, scan: &Scan) -> (usize, i64) {
        let all = self.slots > scan.steps;
        if all && scan.reverse { (scan.steps, -1) } else { (0, 1) }
    }

    fn stride(&self, scan: &Scan, writes: bool) -> Stride {
        let (first, way) = self.way(scan);
        let slot = self.layout.elements;
        let elements = i64::try_from(slot).unwrap_or(i64::MAX);
        if self.slots > scan.steps {
            let first = if writes { first.saturating_add_signed(way as isize) } else { first };
            return Stride { first: first * slot, step: way * elements, period: scan.steps };
        }
        match writes {
            false => Stride { first: 0, step: elements, period: 2 },
            true => Stride { first: slot, step: -elements, period: 2 },
        }
    }

    /// One slot as a place.
    fn slot(&self, number: usize) -> Place {
        let origin = i64::try_from(number * self.layout.elements).unwrap_or(i64::MAX);
        let elements = self.layout.elements * self.slots;
        Place { buffer: self.buffer, layout: Layout { origin, elements, ..self.layout.clone() } }
    }

    /// What is behind the last step.
    fn last(&self, scan: &Scan) -> Place {
        match (self.slots > scan.steps, scan.reverse) {
            (true, true) => self.slot(0),
            (true, false) => self.slot(scan.steps),
            (false, _) => self.slot(scan.steps % 2),
        }
    }

    /// The slots of all steps, as a stacked value that begins in a slot.
    fn stacked(&self, first: usize) -> Place {
        let mut place = self.slot(first);
        let layout = &mut place.layout;
        layout.order = std::iter::once(0).chain(layout.order.iter().map(|axis| axis + 1)).collect();
        layout.halo.insert(0, (0, 0));
        layout.strides.insert(0, i64::try_from(self.layout.elements).unwrap_or(i64::MAX));
        place
    }
}

/// Gives the carries and results of all scans their buffers.
pub(super) fn assign(lowering: &mut Lowering<'_>) -> Result<(), LowerError> {
    let function = &lowering.prepared.function;
    for (id, node) in function.nodes.iter() {
        let Op::Scan(scan) = &node.op else { continue };
        let storages = storages(lowering, id, scan)?;
        for (user, projection) in function.nodes.iter() {
            let Op::Project(number) = projection.op else { continue };
            if projection.operands == [id] {
                lowering.places[user] = Some(storages.place(scan, number));
            }
        }
        lowering.scans.insert(id, storages);
    }
    Ok(())
}

impl Storages {
    /// Where a result of the tuple lies.
    fn place(&self, scan: &Scan, number: usize) -> Place {
        match number.checked_sub(scan.carries) {
            None => self.carries[number].last(scan),
            Some(result) => match self.kinds[result] {
                Kind::Own => self.results[result].clone(),
                Kind::Before(carry) => self.carries[carry].stacked(usize::from(scan.reverse)),
                Kind::Behind(carry) => self.carries[carry].stacked(usize::from(!scan.reverse)),
            },
        }
    }
}

fn storages(lowering: &mut Lowering<'_>, id: NodeId, scan: &Scan) -> Result<Storages, LowerError> {
    let too_large = |lowering: &Lowering<'_>| LowerError::TooLarge(lowering.origin(id));
    let kinds: Vec<Kind> = scan.results().into_iter().map(|value| kind(scan, value)).collect();
    let mut carries = Vec::new();
    for number in 0..scan.carries {
        let operand = lowering.node(id).operands[number];
        let TensorType { dtype, shape } = lowering.ty(operand).clone();
        let all =
            kinds.iter().any(|kind| matches!(kind, Kind::Before(it) | Kind::Behind(it) if *it == number));
        let slots = if all { scan.steps.saturating_add(1) } else { 2 };
        let layout = plain(lowering, id, &shape)?;
        let elements = layout.elements.checked_mul(slots).filter(|&all| i64::try_from(all).is_ok());
        let whole = Layout { elements: elements.ok_or_else(|| too_large(lowering))?, ..layout.clone() };
        let name = format!("{}.{}", lowering.origin(id), Scan::carry(number));
        let buffer = add_buffer(lowering, &name, dtype, &whole, Storage::Arena(usize::MAX))?;
        carries.push(Carry { buffer, layout, slots });
    }
    let mut results = Vec::new();
    for (number, &value) in scan.results().iter().enumerate() {
        let TensorType { dtype, shape } = scan.stacked(scan.body.tensor_type(value));
        let layout = plain(lowering, id, &shape)?;
        // Slots have no buffer of their own, and no elements here.
        let elements = if kinds[number] == Kind::Own { layout.elements } else { 0 };
        let layout = Layout { elements, ..layout };
        let name = format!("{}.{}", lowering.origin(id), Scan::result(number));
        let buffer = match kinds[number] {
            Kind::Own => add_buffer(lowering, &name, dtype, &layout, Storage::Arena(usize::MAX))?,
            Kind::Before(carry) | Kind::Behind(carry) => carries[carry].buffer,
        };
        results.push(Place { buffer, layout });
    }
    Ok(Storages { carries, results, kinds })
}

fn plain(lowering: &Lowering<'_>, id: NodeId, shape: &Shape) -> Result<Layout, LowerError> {
    Layout::plain(shape, lowering.options.batch_max).ok_or_else(|| LowerError::TooLarge(lowering.origin(id)))
}

/// The kernels of a scan: those that begin its carries, and the body's.
pub(super) fn lower_scan(lowering: &mut Lowering<'_>, id: NodeId, scan: &Scan) -> Result<(), LowerError> {
    let operands = lowering.node(id).operands.clone();
    let storages = lowering.scans.get(&id).cloned();
    let storages = storages.ok_or_else(|| LowerError::Internal(format!("scan {id} has no places")))?;
    for (carry, &first) in storages.carries.iter().zip(&operands) {
        compute_into(lowering, first, id, &carry.slot(carry.way(scan).0))?;
    }
    let mut bound: BTreeMap<String, (BufferId, Stride)> = BTreeMap::new();
    let mut layouts = BTreeMap::new();
    for (number, carry) in storages.carries.iter().enumerate() {
        bound.insert(Scan::carry(number), (carry.buffer, carry.stride(scan, false)));
        layouts.insert(Scan::carry(number), carry.layout.clone());
    }
    let mut invariants = PersistentPlaces::default();
    for (number, &operand) in operands.iter().enumerate().skip(scan.carries) {
        let name = scan.input(number);
        let view = operand_view(lowering, id, operand)?;
        let buffer = lowering.place(view.base)?.buffer;
        let ty = lowering.ty(operand).clone();
        if number < scan.carries + scan.slices {
            let (stride, layout) = sliced(lowering, scan, &ty.shape, &view)
                .ok_or_else(|| LowerError::TooLarge(lowering.origin(id)))?;
            bound.insert(name.clone(), (buffer, stride));
            layouts.insert(name, layout);
        } else {
            let layout = seen(&ty.shape, view.strides, view.offset, lowering.options.batch_max);
            bound.insert(name.clone(), (buffer, Stride::STILL));
            layouts.insert(name.clone(), layout.clone());
            invariants.places.insert(name, (number * 64, ty, layout));
        }
    }
    let mut written: Vec<(BufferId, Stride)> = Vec::new();
    for carry in &storages.carries {
        written.push((carry.buffer, carry.stride(scan, true)));
    }
    for (place, _) in storages.results.iter().zip(&storages.kinds).filter(|(_, kind)| **kind == Kind::Own) {
        let slice = place.layout.strides[0];
        let step = if scan.reverse { -slice } else { slice };
        let first = if scan.reverse { (scan.steps - 1) * slice.unsigned_abs() as usize } else { 0 };
        written.push((place.buffer, Stride { first, step, period: scan.steps }));
    }
    let body = callable(scan, operands.len(), &storages.kinds);
    let options = super::LowerOptions { inputs: Vec::new(), ..lowering.options.clone() };
    let (constants, names) = (&mut lowering.constants, &mut lowering.kernel_names);
    let unplanned = lower_kernels(&body, &options, &invariants, constants, Ports::Scan(layouts), names)?;
    embed(lowering, id, scan.steps, unplanned, &bound, &written)
}

/// The view by which the body reads an operand.
fn operand_view(lowering: &Lowering<'_>, id: NodeId, operand: NodeId) -> Result<View, LowerError> {
    let layout_of = |node: NodeId| lowering.places[node].as_ref().map(|place| &place.layout);
    view_of(lowering.function(), operand, &layout_of)
        .ok_or_else(|| LowerError::Internal(format!("scan {id} cannot read its operand {operand} in place")))
}

/// Where a slice of a stacked operand lies in every round, and its layout from there on.
fn sliced(lowering: &Lowering<'_>, scan: &Scan, shape: &Shape, view: &View) -> Option<(Stride, Layout)> {
    let batch_max = lowering.options.batch_max;
    let slice = Shape(shape.dims()[1..].to_vec());
    let (&step, strides) = view.strides.split_first()?;
    let lowest = lowest(&slice, strides, batch_max)?;
    let last = i64::try_from(scan.steps - 1).ok()?;
    let begin = if scan.reverse { view.offset.checked_add(step.checked_mul(last)?)? } else { view.offset };
    let first = usize::try_from(begin.checked_add(lowest)?).ok()?;
    let step = if scan.reverse { -step } else { step };
    let layout = seen(&slice, strides.to_vec(), -lowest, batch_max);
    Some((Stride { first, step, period: scan.steps }, layout))
}

/// The least element that strides reach from zero.
fn lowest(shape: &Shape, strides: &[i64], batch_max: usize) -> Option<i64> {
    let mut lowest = 0_i64;
    for (&dim, &stride) in shape.dims().iter().zip(strides) {
        let last = i64::try_from(dim.at(batch_max).saturating_sub(1)).ok()?;
        lowest = lowest.checked_add(stride.min(0).checked_mul(last)?)?;
    }
    Some(lowest)
}

/// The layout that strides over a buffer are.
fn seen(shape: &Shape, strides: Vec<i64>, origin: i64, batch_max: usize) -> Layout {
    let mut order: Vec<usize> = (0..shape.rank()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(strides[axis].unsigned_abs()));
    let reach = shape.dims().iter().zip(&strides).fold(origin, |sum, (dim, &stride)| {
        let last = i64::try_from(dim.at(batch_max).saturating_sub(1)).unwrap_or(i64::MAX);
        sum.saturating_add(stride.max(0).saturating_mul(last))
    });
    let elements = usize::try_from(reach).map_or(usize::MAX, |last| last.saturating_add(1));
    Layout { order, halo: vec![(0, 0); shape.rank()], strides, origin, elements, border: None }
}

/// The body as a function to lower: invariants of fixed shape are parameters, and its outputs are the carries and those
/// results that are no slots of a carry.
fn callable(scan: &Scan, operands: usize, kinds: &[Kind]) -> Function {
    let mut body = scan.body.clone();
    for operand in scan.carries + scan.slices..operands {
        if let Some(id) = scan.reader(operand)
            && !body.tensor_type(id).shape.has_batch()
        {
            body.nodes[id].op = Op::Parameter { name: scan.input(operand) };
        }
    }
    let carries = (0..scan.carries).filter_map(|carry| Some((Scan::carry(carry), scan.next(carry)?)));
    let results = scan.results().into_iter().zip(kinds).enumerate();
    let own = results.filter(|(_, (_, kind))| **kind == Kind::Own);
    let named = carries.chain(own.map(|(number, (value, _))| (Scan::result(number), value)));
    body.outputs = named.map(|(name, value)| Output { role: OutputRole::Output, name, value }).collect();
    body
}

/// Puts a body's buffers, kernels and launches into the outer program: its prologue once, all else in a repetition.
/// `bound` tells by name where inputs and invariants lie, `written` by number where outputs do.
fn embed(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    times: usize,
    unplanned: Unplanned,
    bound: &BTreeMap<String, (BufferId, Stride)>,
    written: &[(BufferId, Stride)],
) -> Result<(), LowerError> {
    let Unplanned { program: body, inputs, .. } = unplanned;
    let lost = |name: &str| LowerError::Internal(format!("`{name}` of a scan's body is bound to nothing"));
    let mut places: IndexVec<BufferId, (BufferId, Stride)> = IndexVec::new();
    for buffer in body.buffers.values() {
        let name = match buffer.storage {
            Storage::Binding(number) => inputs.get(number).map(|(name, _)| name),
            Storage::Persistent(_) => Some(&buffer.name),
            Storage::Arena(_) | Storage::Thread(_) | Storage::Constants(_) => None,
        };
        let place = match (buffer.storage, name) {
            (_, Some(name)) => bound.get(name).copied(),
            (Storage::Binding(number), None) => written.get(number - inputs.len()).copied(),
            _ => Some((lowering.program.buffers.push(buffer.clone()), Stride::STILL)),
        };
        places.push(place.ok_or_else(|| lost(&buffer.name))?);
    }
    let sequences: IndexVec<SequenceId, SequenceId> =
        body.sequences.values().map(|&sequence| lowering.program.sequences.push(sequence)).collect();
    let repetitions: IndexVec<RepetitionId, RepetitionId> =
        body.repetitions.values().map(|&inner| lowering.program.repetitions.push(inner)).collect();
    let repetition = lowering.program.repetitions.push(Repetition { times });
    for (position, launch) in body.launches.into_iter().enumerate() {
        let kernel = lowering.kernel(body.kernels[launch.kernel].clone());
        let mut rounds = Vec::new();
        if position >= body.prologue {
            let strides = launch.arguments.iter().map(|&argument| places[argument].1).collect();
            rounds.push(Round { repetition, strides });
        }
        let inner = launch.rounds.into_iter();
        rounds.extend(inner.map(|round| Round { repetition: repetitions[round.repetition], ..round }));
        let part = launch.part.map(|part| Part { sequence: sequences[part.sequence], ..part });
        let arguments = launch.arguments.iter().map(|&argument| places[argument].0).collect();
        lowering.program.launches.push(Launch { kernel, arguments, barrier: true, part, rounds });
        lowering.purposes.push(id);
    }
    Ok(())
}
