//! What is decided about a kernel before code is emitted, and where emission keeps its state.

use crate::code::Code;
use crate::constants::Constants;
use crate::epilogue::Tail;
use crate::frame::{Frame, Slot};
use crate::grouping::Grouping;
use crate::points::Points;
use crate::products::Product;
use crate::tile::{Tiling, Wish};
use crate::{Choice, Level, Machine, X86Error};
use dlc_kernel::{Contraction, ContractionDim, Kernel, Role, tap_grid};
use dlc_types::Dim;
use iced_x86::code_asm::CodeLabel;
use std::rc::Rc;

/// Bytes of an element of the factors, a word of small ones, and of a sum.
pub(crate) const SIZE: i64 = 4;
/// Extents, strides and offsets beyond it have no wide form, so that products of them do not overflow.
pub(crate) const FAR: i64 = 1 << 28;

/// Lanes of the lanes operand that lie further apart have no wide form: their offsets are 32-bit numbers.
const NARROW: i64 = 1 << 24;

/// How many steps a dimension has at one point of the parallel space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many at every point.
    Known(i64),
    /// What the slot holds, never negative.
    Slot(Slot),
}

/// Whether a reduction may have no step at all while its result is still written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// It has steps, or its loops find out by themselves.
    Never,
    /// An extent of 0.
    Always,
    /// Where the slot holds a number other than 0.
    When(Slot),
}

/// Emission of one kernel's function.
pub(crate) struct Emitter<'k> {
    pub(crate) kernel: &'k Kernel,
    pub(crate) contraction: &'k Contraction,
    pub(crate) product: Product,
    pub(crate) code: Code,
    pub(crate) frame: Frame,
    pub(crate) points: Points,
    /// The operands.
    pub(crate) bases: Vec<Slot>,
    pub(crate) tail: Option<Rc<Tail>>,
    /// The epilogue's pointers.
    pub(crate) pointers: Vec<Slot>,
    /// Numbers that the epilogue uses.
    pub(crate) numbers: Constants,
    /// One per dimension.
    pub(crate) lengths: Vec<Length>,
    pub(crate) lanes: usize,
    pub(crate) rows: usize,
    pub(crate) grouping: Grouping,
    pub(crate) tiling: Tiling,
    /// Whether tiles ask for memory that is needed after them.
    pub(crate) ahead: bool,
    /// Bytes along the lanes where these are the outermost loop; nothing where points are.
    pub(crate) lanes_outside: Option<Slot>,
    pub(crate) idle: Idle,
    /// Holds 1 in the first step of the outer reduction, 0 in others; nothing where there is one step.
    pub(crate) fresh: Option<Slot>,
    /// Constants behind the code: lanes that exist, then lanes that do not.
    pub(crate) mask_table: CodeLabel,
    pub(crate) needs_mask_table: bool,
    /// Whether a vector of the lanes operand is collected from elements that lie apart.
    pub(crate) gathers: bool,
    /// Whether each lane multiplies an element of the rows operand of its own.
    pub(crate) pairs: bool,
    /// Constants behind the code: offsets of elements that lie apart.
    pub(crate) offset_table: CodeLabel,
    /// Constants behind the code: byte offsets of taps that follow no grid.
    pub(crate) tap_table: CodeLabel,
    pub(crate) tap_table_end: CodeLabel,
    pub(crate) grid: Option<Vec<(i64, dlc_kernel::Tap)>>,
}

/// Whether this generator has code for a contraction.
pub(crate) fn has_wide_form(kernel: &Kernel, contraction: &Contraction, machine: Machine) -> bool {
    let product = Product::of(kernel, contraction, machine);
    let one = |role| contraction.dims.iter().filter(|dim| dim.role == role).count() == 1;
    let single = |dim: &ContractionDim| matches!(dim.extent, Dim::Fixed(0 | 1));
    let near = |number: i64| (-FAR..FAR).contains(&number);
    product.is_some_and(|product| product == Product::Floats || !pairs(contraction))
        && one(Role::Lanes)
        && one(Role::Rows)
        && !contraction.taps.is_empty()
        && contraction.taps.iter().all(|tap| near(tap.lanes) && near(tap.rows))
        && contraction.offsets.into_iter().all(near)
        && kernel.space == contraction.space()
        && contraction.dims.iter().all(|dim| {
            let splits =
                dim.split.map_or((1, 1, 0), |split| (split.chunks, split.align, split.result_stride));
            let counts = [dim.extent.at(1), splits.0, splits.1];
            let small = counts.into_iter().all(|count| i64::try_from(count).is_ok_and(near));
            let fits = match dim.role {
                Role::Lanes => {
                    let result = discards(contraction) || dim.strides[2] == 1;
                    let near = dim.strides[0].abs() < NARROW;
                    let read = dim.strides[1] == 0 || (dim.strides[0] == 1 && dim.strides[1] == 1);
                    single(dim) || (read && result && near)
                }
                Role::Rows => single(dim) || dim.strides[0] == 0,
                Role::Parallel => dim.split.is_none(),
                _ => true,
            };
            small && near(splits.2) && dim.strides.into_iter().all(near) && fits
        })
}

impl<'k> Emitter<'k> {
    /// Plans the code of a contraction that has a wide form, by a choice that is known to be sound or by the
    /// heuristics.
    pub(crate) fn new(
        kernel: &'k Kernel,
        contraction: &'k Contraction,
        machine: Machine,
        choice: Option<&Choice>,
    ) -> Result<Emitter<'k>, X86Error> {
        let malformed = |reason| X86Error::Malformed { kernel: kernel.name.clone(), reason };
        let level = machine.level;
        let Some(product) = Product::of(kernel, contraction, machine) else {
            return Err(malformed("a contraction's factors have no product"));
        };
        let position = |role| contraction.dims.iter().position(|dim| dim.role == role);
        let (Some(lanes), Some(rows)) = (position(Role::Lanes), position(Role::Rows)) else {
            return Err(malformed("a contraction has one lanes and one rows dimension"));
        };
        let grid = tap_grid(&contraction.taps);
        let levels = grid.as_ref().map_or(1, Vec::len);
        let accesses =
            contraction.epilogue.as_ref().map_or(0, |tail| tail.statements.len() + tail.sums.len());
        let slots = 48 + 12 * contraction.dims.len() + 3 * levels + kernel.operands.len();
        let mut frame = Frame::new(slots + accesses * (1 + contraction.dims.len()))?;
        let mut slot = || frame.slot().ok_or_else(|| malformed("the frame is too small"));
        let batch = slot()?;
        let (begin, number, end) = (slot()?, slot()?, slot()?);
        let bases = kernel.operands.iter().map(|_| slot()).collect::<Result<Vec<_>, _>>()?;
        let coordinates = kernel.space.iter().map(|_| slot()).collect::<Result<Vec<_>, _>>()?;
        let points = Points { space: kernel.space.clone(), batch, begin, number, end, coordinates };
        let tail = tail(kernel, contraction, level, &points)?;
        let pointers = tail.iter().flat_map(|tail| &tail.pointers);
        let pointers = pointers.map(|_| slot()).collect::<Result<Vec<_>, _>>()?;
        let mut lengths = Vec::new();
        for dim in &contraction.dims {
            lengths
                .push(known_length(dim).map_or_else(|| slot().map(Length::Slot), |n| Ok(Length::Known(n)))?);
        }
        let of_role = |role: Role| {
            contraction
                .dims
                .iter()
                .zip(&lengths)
                .filter(move |(dim, _)| dim.role == role)
                .map(|(_, &length)| length)
        };
        let mut idle = Idle::Never;
        for length in of_role(Role::ReduceOuter).chain(of_role(Role::Reduce)) {
            idle = match (idle, length) {
                (_, Length::Known(0)) | (Idle::Always, _) => Idle::Always,
                (before, _) => before,
            };
        }
        if idle == Idle::Never && of_role(Role::ReduceOuter).any(|length| matches!(length, Length::Slot(_))) {
            idle = Idle::When(slot()?);
        }
        let grouping = Grouping::new(contraction, &lengths, &mut slot)?;
        let repeats =
            grouping.outer.iter().any(|dim| dim.is_reduced && !matches!(dim.length, Length::Known(0 | 1)));
        let fresh = (repeats && !contraction.accumulate).then(&mut slot).transpose()?;
        let wish = choice.map(Choice::wish).unwrap_or_default();
        let cut = [lengths[lanes], lengths[rows]];
        let tiling = Tiling::new(contraction, level, cut, tail.as_deref(), (product, wish));
        let stays = lanes_stay(contraction, lengths[lanes]);
        let stays = choice.map_or(stays, |choice| choice.lanes_outside);
        let lanes_outside = stays.then(&mut slot).transpose()?;
        let mut code = Code::new(level)?;
        let (mask_table, tap_table) = (code.asm.create_label(), code.asm.create_label());
        let (tap_table_end, offset_table) = (code.asm.create_label(), code.asm.create_label());
        Ok(Emitter {
            kernel,
            contraction,
            product,
            code,
            frame,
            points,
            bases,
            tail,
            pointers,
            numbers: Constants::default(),
            lengths,
            lanes,
            rows,
            grouping,
            tiling,
            ahead: choice.is_none_or(|choice| choice.ahead),
            lanes_outside,
            idle,
            fresh,
            mask_table,
            needs_mask_table: false,
            gathers: gathers(contraction),
            pairs: pairs(contraction),
            offset_table,
            tap_table,
            tap_table_end,
            grid,
        })
    }

    /// What this code is made by.
    pub(crate) fn choice(&self) -> Choice {
        Choice {
            vectors: self.tiling.widest(),
            rows: self.tiling.highest(),
            straight: self.tiling.straight,
            ahead: self.ahead,
            lanes_outside: self.lanes_outside.is_some(),
        }
    }

    /// The tiles that a wish would give.
    pub(crate) fn tiling_by(&self, wish: Wish) -> Tiling {
        let lengths = [self.lengths[self.lanes], self.lengths[self.rows]];
        Tiling::new(self.contraction, self.code.level, lengths, self.tail.as_deref(), (self.product, wish))
    }

    /// The error for a broken invariant.
    pub(crate) fn malformed(&self, reason: &'static str) -> X86Error {
        X86Error::Malformed { kernel: self.kernel.name.clone(), reason }
    }

    /// A slot of the frame, until [`Frame::release`].
    pub(crate) fn slot(&mut self) -> Result<Slot, X86Error> {
        self.frame.slot().ok_or_else(|| self.malformed("the frame is too small"))
    }

    /// A dimension.
    pub(crate) fn dim(&self, number: usize) -> &'k ContractionDim {
        &self.contraction.dims[number]
    }

    /// Byte strides of a dimension.
    pub(crate) fn strides(&self, number: usize) -> [i64; 3] {
        byte_strides(self.contraction, self.dim(number))
    }

    /// The dimensions of a role, outermost first.
    pub(crate) fn of_role(&self, role: Role) -> Vec<usize> {
        (0..self.contraction.dims.len()).filter(|&number| self.dim(number).role == role).collect()
    }
}

/// The epilogue's plan, if there is one.
fn tail(
    kernel: &Kernel,
    contraction: &Contraction,
    level: Level,
    points: &Points,
) -> Result<Option<Rc<Tail>>, X86Error> {
    if contraction.epilogue.is_none() {
        return Ok(None);
    }
    let tail = Tail::new(kernel, contraction, level, points).ok_or(X86Error::TooFar)?;
    Ok(Some(Rc::new(tail)))
}

/// Whether no tile reads or writes the result but by the epilogue's statements.
pub(crate) fn discards(contraction: &Contraction) -> bool {
    contraction.epilogue.is_some() && !contraction.accumulate
}

/// Byte strides of a dimension; 0 in a result that no tile addresses.
pub(crate) fn byte_strides(contraction: &Contraction, dim: &ContractionDim) -> [i64; 3] {
    let [lanes, rows, result] = dim.strides.map(|stride| stride * SIZE);
    [lanes, rows, if discards(contraction) { 0 } else { result }]
}

/// Whether each lane multiplies an element of the rows operand of its own.
pub(crate) fn pairs(contraction: &Contraction) -> bool {
    contraction.dims.iter().any(ContractionDim::is_paired)
}

/// Whether lanes lie apart in the lanes operand.
pub(crate) fn gathers(contraction: &Contraction) -> bool {
    contraction
        .dims
        .iter()
        .any(|dim| dim.role == Role::Lanes && dim.strides[0] != 1 && !matches!(dim.extent, Dim::Fixed(0 | 1)))
}

/// The length of a dimension at every point of the parallel space, where it is the same at all of them.
pub(crate) fn known_length(dim: &ContractionDim) -> Option<i64> {
    let extent = dim.extent.fixed()?;
    let length = match dim.split {
        Some(split) if split.chunks > 1 => {
            let length = extent / split.chunks;
            let exact = extent.is_multiple_of(split.chunks) && length.is_multiple_of(split.align.max(1));
            exact.then_some(length)?
        }
        _ => extent,
    };
    i64::try_from(length).ok()
}

/// Whether points can be visited once per tile of lanes.
pub(crate) fn lanes_can_stay(contraction: &Contraction, length: Length) -> bool {
    let outer = contraction.dims.iter().any(|dim| dim.role == Role::ReduceOuter);
    matches!(length, Length::Known(_)) && !outer && !gathers(contraction)
}

/// Whether points are visited once per tile of lanes, so that the lanes operand's part of a tile stays in
/// the second-level cache: where all of it would not, and every point would stream it.
fn lanes_stay(contraction: &Contraction, length: Length) -> bool {
    /// Half of a second-level cache.
    const NEAR: i64 = 512 << 10;
    let Length::Known(lanes) = length else { return false };
    if !lanes_can_stay(contraction, length) {
        return false;
    }
    let mut bytes = (lanes * SIZE).saturating_mul(contraction.taps.len() as i64);
    let mut repeated = false;
    for dim in &contraction.dims {
        match dim.role {
            Role::Reduce => bytes = bytes.saturating_mul(dim.extent.at(16) as i64),
            Role::Parallel => repeated |= dim.strides[0] == 0,
            Role::Sequential if dim.strides[0] == 0 => repeated |= dim.extent != Dim::Fixed(1),
            Role::Sequential => bytes = bytes.saturating_mul(dim.extent.at(16) as i64),
            Role::ReduceOuter | Role::Lanes | Role::Rows => {}
        }
    }
    repeated && bytes > NEAR
}
