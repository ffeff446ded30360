//! The proof that no access leaves its buffer, by interval arithmetic.
//!
//! For the greatest batch, half of it and 1, every variable of a kernel gets a range: coordinates from
//! the space, loop variables from the least start to the greatest end, quotients, remainders, chunk
//! starts and clamped values from their forms. Of a sequence the parts at both ends are taken, of
//! a repetition the rounds. Then the range of every access lies in the buffers that
//! launches bind. A guarded load is read only where its guards hold, which narrows the range: a guard's
//! form must be a part of the index, or have a single variable. Forms that are divided are never negative
//! and clamped values have room. Result elements of a contraction without an epilogue are addressed once.

use super::fault::kernel_place;
use super::interval::{Interval, Ranges, extent};
use super::{Fault, VerifyError};
use crate::{Affine, Body, Contraction, IndexExpr, IndexVar, Kernel, LoopBody, Program, Statement};

type Checked = Result<(), Fault>;

/// Proves that all launches of a verified program stay inside of their buffers for batches up to
/// `batch_max`.
///
/// # Errors
///
/// The first access that may leave its buffer.
pub fn verify_bounds(program: &Program, batch_max: usize) -> Result<(), VerifyError> {
    let mut batches = vec![1, batch_max / 2, batch_max];
    batches.retain(|&batch| (1..=batch_max).contains(&batch));
    batches.dedup();
    for (position, launch) in program.launches.iter().enumerate() {
        let Some(kernel) = program.kernels.get(launch.kernel) else { continue };
        let elements: Vec<usize> = launch
            .arguments
            .iter()
            .filter_map(|&argument| program.buffers.get(argument))
            .map(|buffer| buffer.bytes / buffer.dtype.size())
            .enumerate()
            .map(|(operand, elements)| behind_starts(elements, program.reach(launch, operand)))
            .collect();
        let fault = |fault| VerifyError {
            place: format!("{} of launch {position}", kernel_place(kernel)),
            fault: Box::new(fault),
        };
        for &batch in &batches {
            match (&launch.part, program.sequence(launch)) {
                (Some(part), Some(sequence)) => {
                    for piece in sequence.outer_pieces(batch) {
                        let left = elements.iter().enumerate();
                        let left: Vec<usize> = left
                            .map(|(operand, &elements)| elements.saturating_sub(part.start(operand, piece)))
                            .collect();
                        verify_launch(kernel, &left, piece.count).map_err(fault)?;
                    }
                }
                _ => verify_launch(kernel, &elements, batch).map_err(fault)?,
            }
        }
    }
    Ok(())
}

/// Elements of a buffer that are left to an operand in every round, whose least and greatest start are given.
fn behind_starts(elements: usize, (least, greatest): (i128, i128)) -> usize {
    let left = usize::try_from(greatest).map_or(0, |greatest| elements.saturating_sub(greatest));
    if least < 0 { 0 } else { left }
}

fn verify_launch(kernel: &Kernel, elements: &[usize], batch: usize) -> Checked {
    let access = Access { kernel, elements, batch };
    match &kernel.body {
        Body::Loop(body) => access.loop_body(body),
        Body::Contraction(contraction) => access.contraction(contraction),
    }
}

struct Access<'p> {
    kernel: &'p Kernel,
    elements: &'p [usize],
    batch: usize,
}

impl Access<'_> {
    fn loop_body(&self, body: &LoopBody) -> Checked {
        let mut ranges = Ranges::new(self.batch);
        for (&coordinate, &dim) in body.coordinates.iter().zip(&self.kernel.space) {
            let interval = Interval::below(extent(dim, self.batch));
            if interval.is_empty() {
                return Ok(());
            }
            ranges.set(coordinate, interval);
        }
        self.block(&body.statements, &mut ranges)
    }

    fn block(&self, statements: &[Statement], ranges: &mut Ranges) -> Checked {
        for statement in statements {
            match statement {
                Statement::Let { .. } => {}
                Statement::Load { operand, index, guard, .. } => {
                    let guards = guard.as_ref().map_or(&[][..], |guard| &guard.ranges);
                    self.inside("a load", *operand, index, ranges.guarded(index, guards))?;
                }
                Statement::Store { operand, index, .. } => {
                    self.inside("a store", *operand, index, ranges.of(index))?;
                }
                Statement::Index { result, expr } => {
                    let interval = self.index_expr(*result, expr, ranges)?;
                    ranges.set_part(*result, interval, expr);
                }
                Statement::For(inner) => {
                    let (start, end) = (ranges.of(&inner.start), ranges.of(&inner.end));
                    let interval = Interval { low: start.low, high: end.high.saturating_sub(1) };
                    if !interval.is_empty() {
                        ranges.set(inner.var, interval);
                        self.block(&inner.body, ranges)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn index_expr(&self, result: IndexVar, expr: &IndexExpr, ranges: &Ranges) -> Result<Interval, Fault> {
        let natural = |form: &Affine| {
            let range = ranges.of(form);
            if range.low < 0 {
                let (low, batch) = (range.low, self.batch);
                return Err(Fault::Negative { result, form: form.clone(), low, batch });
            }
            Ok(range)
        };
        match expr {
            IndexExpr::Form(form) => Ok(ranges.of(form)),
            IndexExpr::Quotient(form, divisor) => {
                let (range, divisor) = (natural(form)?, i128::from(*divisor).max(1));
                Ok(Interval { low: range.low / divisor, high: range.high / divisor })
            }
            IndexExpr::Remainder(form, divisor) => {
                let (range, divisor) = (natural(form)?, i128::from(*divisor).max(1));
                // One period is not left: the remainder is the form less a constant.
                if range.low / divisor == range.high / divisor {
                    return Ok(Interval { low: range.low % divisor, high: range.high % divisor });
                }
                Ok(Interval::below(divisor))
            }
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                let (form, chunk, chunks) = (natural(form)?, natural(chunk)?, i128::from(*chunks).max(1));
                let at = |length: i128, piece: i128| length.saturating_mul(piece) / chunks;
                Ok(Interval { low: at(form.low, chunk.low), high: at(form.high, chunk.high) })
            }
            IndexExpr::Clamped(_, form) => {
                let range = ranges.of(form);
                if range.low < 1 {
                    let (low, batch) = (range.low, self.batch);
                    return Err(Fault::EmptyClamp { result, form: form.clone(), low, batch });
                }
                Ok(Interval::below(range.high))
            }
        }
    }

    fn inside(&self, access: &'static str, operand: usize, index: &Affine, range: Interval) -> Checked {
        self.inside_named(access, operand, || index.to_string(), range)
    }

    fn inside_named(
        &self,
        access: &'static str,
        operand: usize,
        index: impl Fn() -> String,
        range: Interval,
    ) -> Checked {
        let elements = self.elements.get(operand).copied().unwrap_or(0);
        if range.within(elements) {
            return Ok(());
        }
        let operand = self.kernel.operands.get(operand).map_or_else(String::new, |found| found.name.clone());
        let (low, high, batch) = (range.low, range.high, self.batch);
        Err(Fault::OutOfBounds { access, operand, index: index(), low, high, elements, batch })
    }

    fn contraction(&self, contraction: &Contraction) -> Checked {
        let extents: Vec<i128> = contraction.dims.iter().map(|dim| extent(dim.extent, self.batch)).collect();
        let kept_empty =
            contraction.dims.iter().zip(&extents).any(|(dim, &size)| !dim.is_reduced() && size < 1);
        if kept_empty {
            return Ok(());
        }
        let nothing_reduced = extents.contains(&0);
        let parts = Contraction::factors(&self.kernel.operands).map_or(1, |factors| factors.parts);
        let stores = contraction.epilogue.is_none() || contraction.accumulate;
        for operand in 0..3 {
            if (operand < 2 && nothing_reduced) || (operand == 2 && !stores) {
                continue;
            }
            let access = if operand < 2 { "a read" } else { "a write" };
            let range =
                operand_range(contraction, &extents, operand).in_parts(if operand < 2 { parts } else { 1 });
            self.inside_named(access, operand, || "…".to_owned(), range)?;
        }
        if let Some(epilogue) = &contraction.epilogue {
            let mut ranges = Ranges::new(self.batch);
            for (&coordinate, &size) in epilogue.coordinates.iter().zip(&extents) {
                ranges.set(coordinate, Interval::below(size));
            }
            for sum in &epilogue.sums {
                let range = ranges.of(&sum.index);
                self.inside("a sum", sum.operand, &sum.index, range)?;
            }
            return self.block(&epilogue.statements, &mut ranges);
        }
        if !addressed_once(contraction, &extents) {
            return Err(Fault::ResultOverlap { batch: self.batch });
        }
        Ok(())
    }
}

/// Elements of one of the three operands that a contraction touches.
fn operand_range(contraction: &Contraction, extents: &[i128], operand: usize) -> Interval {
    let offset = i128::from(contraction.offsets[operand]);
    let mut range = Interval { low: offset, high: offset };
    for (dim, &size) in contraction.dims.iter().zip(extents) {
        // Reduced dimensions may be empty where only the result is touched; its strides there are 0.
        range = range.plus(Interval::below(size.max(1)).times(i128::from(dim.strides[operand])));
        if let Some(split) = dim.split.filter(|_| operand == 2) {
            let pieces = Interval::below(split.chunks as i128);
            range = range.plus(pieces.times(i128::from(split.result_stride)));
        }
    }
    if operand < 2 {
        let taps =
            contraction.taps.iter().map(|tap| i128::from(if operand == 0 { tap.lanes } else { tap.rows }));
        let (low, high) = taps.fold((i128::MAX, i128::MIN), |(low, high), tap| (low.min(tap), high.max(tap)));
        range = range.plus(Interval { low, high });
    }
    range
}

/// Whether coordinates that differ address different result elements: strides grow beyond what smaller
/// ones reach together, or else counting says so.
fn addressed_once(contraction: &Contraction, extents: &[i128]) -> bool {
    let mut steps: Vec<(i128, i128)> = Vec::new();
    for (dim, &size) in contraction.dims.iter().zip(extents) {
        match dim.split {
            Some(split) if dim.is_reduced() => {
                steps.push((i128::from(split.result_stride).abs(), split.chunks as i128));
            }
            _ if dim.is_reduced() => {}
            _ => steps.push((i128::from(dim.strides[2]).abs(), size)),
        }
    }
    steps.retain(|&(_, size)| size > 1);
    steps.sort_unstable();
    let mut reach = 0i128;
    let growing = steps.iter().all(|&(stride, size)| {
        let grows = stride > reach;
        reach = reach.saturating_add(stride.saturating_mul(size - 1));
        grows
    });
    growing || counted_once(&steps)
}

/// The same by counting, up to a number of elements that takes no time.
fn counted_once(steps: &[(i128, i128)]) -> bool {
    const MOST: i128 = 1 << 20;
    let total = steps.iter().fold(1i128, |product, &(_, size)| product.saturating_mul(size));
    if total > MOST {
        return false;
    }
    let mut places = vec![0i128];
    for &(stride, size) in steps {
        places = places
            .iter()
            .flat_map(|&place| (0..size).map(move |step| place.saturating_add(stride.saturating_mul(step))))
            .collect();
    }
    places.sort_unstable();
    places.windows(2).all(|pair| pair[0] != pair[1])
}
