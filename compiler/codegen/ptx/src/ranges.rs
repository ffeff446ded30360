//! Ranges of the indices of a kernel for all batches up to the greatest: whether 32 bits hold every step of every
//! form, and how long loops are.

use dlc_kernel::{Affine, Body, Contraction, IndexExpr, IndexVar, Kernel, Loop, Statement};
use dlc_types::Dim;
use std::collections::BTreeMap;

/// Indices of 32 bits stay below this, so that a step of a loop or a round-up of a count goes nowhere wrong.
const LIMIT: i128 = 1 << 30;

/// Least and greatest value.
type Range = (i128, i128);

/// What is known of a kernel's indices.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    batch_max: i128,
    of: BTreeMap<IndexVar, Range>,
    /// Where pieces of a length begin: the length, which piece, how many.
    pieces: BTreeMap<IndexVar, (Affine, Affine, i64)>,
    greatest: i128,
}

impl Ranges {
    /// Of a whole kernel, for batches of `0..=batch_max`.
    pub(crate) fn new(kernel: &Kernel, batch_max: usize) -> Ranges {
        let mut ranges = Ranges {
            batch_max: batch_max as i128,
            of: BTreeMap::new(),
            pieces: BTreeMap::new(),
            greatest: 0,
        };
        let points = kernel.space.iter().fold(1, |product: i128, &dim| {
            let extent = ranges.extent(dim);
            product.saturating_mul(extent.max(1))
        });
        ranges.note(points);
        match &kernel.body {
            Body::Loop(body) => {
                for (&coordinate, &dim) in body.coordinates.iter().zip(&kernel.space) {
                    ranges.set_below(coordinate, dim);
                }
                ranges.block(&body.statements);
            }
            Body::Contraction(contraction) => ranges.contraction(contraction),
        }
        ranges
    }

    /// Whether indices of 32 bits suffice.
    pub(crate) fn fit(&self) -> bool {
        self.greatest < LIMIT
    }

    /// The extent for the greatest batch.
    pub(crate) fn extent(&self, dim: Dim) -> i128 {
        match dim {
            Dim::Fixed(size) => size as i128,
            Dim::Batch(scale) => (scale as i128).saturating_mul(self.batch_max),
        }
    }

    /// The most iterations that a loop has, and what they are a piece of: a form, and how many pieces it has.
    pub(crate) fn length(&mut self, inner: &Loop) -> (i128, Option<(Affine, i64)>) {
        if let Some((form, pieces)) = self.piece(inner) {
            let whole = self.form(&form).1.max(0);
            return (whole / i128::from(pieces.max(1)) + 1, Some((form, pieces)));
        }
        let difference = inner.end.plus_checked(&inner.start, -1);
        let most = difference.as_ref().map_or(i128::MAX, |form| self.form(form).1).max(0);
        (most, difference.map(|form| (form, 1)))
    }

    /// The form of which a loop runs over one of so many pieces.
    fn piece(&self, inner: &Loop) -> Option<(Affine, i64)> {
        let beginning = |form: &Affine| {
            let plain = form.constant == 0 && form.batch == 0;
            let &[(index, 1)] = form.terms.as_slice() else { return None };
            self.pieces.get(&index).filter(|_| plain).cloned()
        };
        let (form, piece, pieces) = beginning(&inner.start)?;
        let (end, following, count) = beginning(&inner.end)?;
        let next = following.plus_checked(&piece, -1)?.as_constant() == Some(1);
        (next && form == end && pieces == count).then_some((form, pieces))
    }

    fn note(&mut self, number: i128) {
        self.greatest = self.greatest.max(number.saturating_abs());
    }

    fn set_below(&mut self, index: IndexVar, dim: Dim) {
        let extent = self.extent(dim);
        self.of.insert(index, (0, extent.saturating_sub(1).max(0)));
    }

    /// The range of a form; every way of adding it up is noted.
    fn form(&mut self, form: &Affine) -> Range {
        let batch = i128::from(form.batch).saturating_mul(self.batch_max);
        let constant = i128::from(form.constant);
        let (mut low, mut high) = (constant + batch.min(0), constant + batch.max(0));
        let mut magnitude = constant.abs().saturating_add(batch.abs()).max(i128::from(form.batch).abs());
        for (index, coefficient) in &form.terms {
            let coefficient = i128::from(*coefficient);
            let (from, to) = self.of.get(index).copied().unwrap_or((-(1 << 62), 1 << 62));
            let ends = [from.saturating_mul(coefficient), to.saturating_mul(coefficient)];
            low = low.saturating_add(ends[0].min(ends[1]));
            high = high.saturating_add(ends[0].max(ends[1]));
            let most = ends[0].saturating_abs().max(ends[1].saturating_abs());
            magnitude = magnitude.saturating_add(most.max(coefficient.abs()));
        }
        self.note(magnitude);
        (low, high)
    }

    fn block(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { .. } => {}
                Statement::Load { index, guard, .. } => {
                    self.form(index);
                    for (form, low, high) in guard.iter().flat_map(|guard| &guard.ranges) {
                        self.form(form);
                        let (low, high) = (i128::from(*low), i128::from(*high));
                        self.note(low.abs().saturating_add(high.abs()));
                    }
                }
                Statement::Store { index, .. } => drop(self.form(index)),
                Statement::Index { result, expr } => {
                    let range = self.expression(expr);
                    self.of.insert(*result, range);
                    if let IndexExpr::ChunkStart { form, chunk, chunks } = expr {
                        self.pieces.insert(*result, (form.clone(), chunk.clone(), *chunks));
                    }
                }
                Statement::For(inner) => {
                    let (start, end) = (self.form(&inner.start), self.form(&inner.end));
                    self.of.insert(inner.var, (start.0, end.1.saturating_sub(1).max(start.0)));
                    self.block(&inner.body);
                }
            }
        }
    }

    fn expression(&mut self, expr: &IndexExpr) -> Range {
        match expr {
            IndexExpr::Form(form) => self.form(form),
            IndexExpr::Quotient(form, divisor) => {
                self.note(i128::from(*divisor));
                let (low, high) = self.form(form);
                let divisor = i128::from(*divisor).max(1);
                (low.div_euclid(divisor), high.div_euclid(divisor))
            }
            IndexExpr::Remainder(form, divisor) => {
                self.note(i128::from(*divisor));
                let (_, high) = self.form(form);
                (0, high.min(i128::from(*divisor) - 1).max(0))
            }
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                let ((_, form), (_, chunk)) = (self.form(form), self.form(chunk));
                self.note(form.saturating_mul(chunk));
                (0, form.saturating_mul(chunk) / i128::from(*chunks).max(1))
            }
            IndexExpr::Clamped(_, form) => (0, self.form(form).1.saturating_sub(1).max(0)),
        }
    }

    fn contraction(&mut self, contraction: &Contraction) {
        let mut elements: i128 = 1;
        for dim in &contraction.dims {
            let extent = self.extent(dim.extent);
            let chunks = dim.split.map_or(1, |split| split.chunks as i128);
            // A piece's ends are told from the extent times the number of the piece.
            self.note(extent.saturating_mul(chunks.saturating_add(1)));
            elements = elements.saturating_mul(if dim.is_reduced() { chunks } else { extent }.max(1));
        }
        self.note(elements);
        for operand in 0..3 {
            let mut reach = i128::from(contraction.offsets[operand]).abs();
            for dim in &contraction.dims {
                let stride = i128::from(dim.strides[operand]).abs();
                reach = reach.saturating_add(self.extent(dim.extent).max(1).saturating_mul(stride));
                if let Some(split) = dim.split.filter(|_| operand == 2) {
                    let stride = i128::from(split.result_stride).abs();
                    reach = reach.saturating_add(stride.saturating_mul(split.chunks as i128));
                }
            }
            let taps = contraction.taps.iter().map(|tap| match operand {
                0 => i128::from(tap.lanes).abs(),
                1 => i128::from(tap.rows).abs(),
                _ => 0,
            });
            let tap = taps.max().unwrap_or(0);
            self.note(reach.saturating_add(tap));
        }
        if let Some(epilogue) = &contraction.epilogue {
            for (&coordinate, dim) in epilogue.coordinates.iter().zip(&contraction.dims) {
                self.set_below(coordinate, dim.extent);
            }
            self.block(&epilogue.statements);
            for sum in &epilogue.sums {
                self.form(&sum.index);
            }
        }
    }
}
