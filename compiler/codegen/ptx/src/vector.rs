//! Whether a thread takes neighbouring iterations of a lanes loop, so that an access of memory takes several elements.
//!
//! A thread takes two or four neighbours where every access moves along with the lanes by single elements that lie
//! together at a multiple of the access's size ([`Multiples`]), stays where it is, or jumps further than a sector of
//! memory is long. Anything else would touch more sectors than single elements side by side do. What each element comes to
//! does not change; loops that carry sums keep single elements, since the order of a sum would. The code of neighbours
//! is `neighbours`' work.

use crate::alignment::Multiples;
use dlc_kernel::{Affine, Guard, IndexExpr, IndexVar, Loop, Statement};
use dlc_types::DType;
use std::collections::BTreeSet;

/// Bytes of a sector of global memory.
const SECTOR: i64 = 32;
/// Bytes of the widest access.
const WIDEST: usize = 16;
/// Statements of all neighbours, at most: registers hold what each has computed.
const MOST_STATEMENTS: usize = 128;

/// Elements of one access, where so many neighbours have one together.
pub(crate) fn piece(dtype: DType, neighbours: usize) -> usize {
    (WIDEST / dtype.size()).min(neighbours)
}

/// What the statements of neighbours may touch.
struct Survey<'s> {
    /// The index that tells neighbours apart.
    lane: IndexVar,
    neighbours: usize,
    /// Types of the operands and bytes that divide where they begin.
    operands: &'s [(DType, i64)],
    multiples: Multiples,
    /// Other indices that differ between neighbours.
    moving: BTreeSet<IndexVar>,
    /// Whether any access takes several elements.
    any: bool,
    statements: usize,
}

impl Survey<'_> {
    fn moves(&self, form: &Affine) -> bool {
        form.terms.iter().any(|(index, _)| *index == self.lane || self.moving.contains(index))
    }

    fn guarded_alike(&self, guard: Option<&Guard>) -> bool {
        guard.is_none_or(|guard| guard.ranges.iter().all(|(form, ..)| !self.moves(form)))
    }

    /// Whether neighbours may have statements together.
    fn admits(&mut self, statements: &[Statement]) -> bool {
        statements.iter().all(|statement| self.admits_one(statement))
    }

    fn admits_one(&mut self, statement: &Statement) -> bool {
        self.statements += 1;
        match statement {
            Statement::Let { .. } => true,
            Statement::Load { operand, index, guard, .. } => {
                self.access(*operand, index, guard.as_ref(), true)
            }
            Statement::Store { operand, index, .. } => self.access(*operand, index, None, false),
            Statement::Index { result, expr } => {
                let moves = match expr {
                    IndexExpr::Form(form) | IndexExpr::Quotient(form, _) | IndexExpr::Remainder(form, _) => {
                        self.moves(form)
                    }
                    IndexExpr::ChunkStart { form, chunk, .. } => self.moves(form) || self.moves(chunk),
                    IndexExpr::Clamped(..) => true,
                };
                if moves {
                    self.moving.insert(*result);
                } else {
                    self.multiples.set(*result, self.multiples.expression(expr));
                }
                true
            }
            Statement::For(inner) => {
                !self.moves(&inner.start) && !self.moves(&inner.end) && self.admits(&inner.body)
            }
        }
    }

    fn access(&mut self, operand: usize, index: &Affine, guard: Option<&Guard>, loads: bool) -> bool {
        let Some(&(dtype, alignment)) = self.operands.get(operand) else { return false };
        if index.terms.iter().any(|(index, _)| self.moving.contains(index)) {
            return false;
        }
        let size = dtype.size() as i64;
        match index.coefficient(self.lane) {
            0 => loads,
            1 => {
                let piece = piece(dtype, self.neighbours) as i64;
                self.any = true;
                self.guarded_alike(guard)
                    && alignment / size % piece == 0
                    && self.multiples.form_without(index, Some(self.lane)) % piece == 0
            }
            far => far.saturating_abs().saturating_mul(size) >= SECTOR,
        }
    }
}

/// How many neighbours a thread takes of statements with an index that runs over multiples of that number.
pub(crate) fn neighbours(
    lane: IndexVar,
    statements: &[Statement],
    operands: &[(DType, i64)],
    multiples: &Multiples,
    run: i64,
) -> usize {
    let admitted = |&neighbours: &usize| {
        let mut survey = Survey {
            lane,
            neighbours,
            operands,
            multiples: multiples.clone(),
            moving: BTreeSet::new(),
            any: false,
            statements: 0,
        };
        run % neighbours as i64 == 0
            && survey.admits(statements)
            && survey.any
            && survey.statements * neighbours <= MOST_STATEMENTS
    };
    [4, 2].into_iter().find(admitted).unwrap_or(1)
}

/// The same of a lanes loop.
pub(crate) fn of_loop(inner: &Loop, operands: &[(DType, i64)], multiples: &Multiples) -> usize {
    if !inner.carries.is_empty() {
        return 1;
    }
    let run = multiples.form(&inner.start).min(multiples.form(&inner.end));
    neighbours(inner.var, &inner.body, operands, multiples, run)
}
