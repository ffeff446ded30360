//! Several vectors of lanes at once through the loops inside a lanes loop, so that their sums do not wait for
//! each other and rows are read in longer pieces.
//!
//! A lanes loop of fixed extent around other loops becomes two: one whose body treats a group of vectors, for
//! as many whole groups as there are, and the loop itself for the rest. Copies of a statement differ in the
//! names of values and in the offset of their lanes; loops inside are shared and carry what all copies carry.
//! What a sum adds, and in which order, does not change.

use crate::Level;
use crate::schedule::pressure;
use dlc_kernel::{Affine, Carry, Guard, IndexVar, Loop, ScalarOp, Statement, Var};
use dlc_types::index::EntityIndex;
use std::collections::BTreeMap;

/// Vectors of a group, at most.
const GROUP: i64 = 4;
/// Numbers of names that no kernel has begin here.
const FIRST_FRESH: usize = 1 << 29;

/// What groups of vectors need beside statements.
#[derive(Default)]
pub(crate) struct Groups {
    /// Vectors of an iteration of a lanes loop, by its variable.
    pub(crate) vectors: BTreeMap<IndexVar, i64>,
    /// Indices that are names of forms.
    pub(crate) forms: BTreeMap<IndexVar, Affine>,
    names: usize,
}

/// One copy of a body: its names, and how far behind its lanes lie.
struct Member {
    names: BTreeMap<Var, Var>,
    offset: i64,
}

/// How a lanes loop's body is copied.
struct Jam<'g> {
    groups: &'g mut Groups,
    from: IndexVar,
    to: IndexVar,
    copies: Vec<Member>,
}

impl Groups {
    fn name(&mut self) -> usize {
        self.names += 1;
        FIRST_FRESH + self.names
    }

    /// The loops that a lanes loop becomes.
    pub(crate) fn grouped(&mut self, nest: Loop, level: Level) -> Vec<Loop> {
        let width = level.lanes_f32() as i64;
        let extent = nest.start.as_constant().zip(nest.end.as_constant());
        let Some((start, end)) = extent.filter(|_| nest.lanes && can_be_copied(&nest)) else {
            return vec![nest];
        };
        for group in (2..=GROUP).rev() {
            let whole = (end - start) / (group * width);
            if whole < 1 {
                continue;
            }
            let to = IndexVar::from_usize(self.name());
            let copies = (0..group).map(|copy| Member { names: BTreeMap::new(), offset: copy * width });
            let copies = copies.collect();
            let mut jam = Jam { groups: &mut *self, from: nest.var, to, copies };
            let body = jam.block(&nest.body);
            if pressure(&body) + 1 > level.registers() - level.reserved(false) {
                continue;
            }
            let middle = start + whole * group * width;
            self.vectors.insert(to, group);
            let first = Loop { var: to, end: Affine::constant(middle), body, ..nest.clone() };
            let rest = Loop { start: Affine::constant(middle), ..nest };
            return if middle == end { vec![first] } else { vec![first, rest] };
        }
        vec![nest]
    }
}

/// Whether a lanes loop carries nothing, has loops inside and computes no indices.
fn can_be_copied(nest: &Loop) -> bool {
    fn plain(body: &[Statement]) -> bool {
        body.iter().all(|statement| match statement {
            Statement::For(inner) => plain(&inner.body),
            statement => !matches!(statement, Statement::Index { .. }),
        })
    }
    let around = nest.body.iter().any(|statement| matches!(statement, Statement::For(_)));
    nest.carries.is_empty() && around && plain(&nest.body)
}

impl Jam<'_> {
    fn affine(&self, form: &Affine, copy: usize) -> Affine {
        let coefficient = form.coefficient(self.from);
        let mut moved = form.clone();
        moved.add_term(self.from, -coefficient);
        moved.add_term(self.to, coefficient);
        moved.offset(coefficient * self.copies.get(copy).map_or(0, |copy| copy.offset))
    }

    fn used(&self, var: Var, copy: usize) -> Var {
        self.copies.get(copy).and_then(|copy| copy.names.get(&var)).copied().unwrap_or(var)
    }

    fn defined(&mut self, var: Var, copy: usize) -> Var {
        let name = Var::from_usize(self.groups.name());
        if let Some(copy) = self.copies.get_mut(copy) {
            copy.names.insert(var, name);
        }
        name
    }

    /// Pieces between loops are copied one behind the other, loops are shared.
    fn block(&mut self, statements: &[Statement]) -> Vec<Statement> {
        let mut jammed = Vec::new();
        for piece in
            statements.chunk_by(|a, b| !matches!(a, Statement::For(_)) && !matches!(b, Statement::For(_)))
        {
            match piece {
                [Statement::For(inner)] => jammed.push(Statement::For(self.shared(inner))),
                _ => {
                    for copy in 0..self.copies.len() {
                        for statement in piece {
                            jammed.extend(self.copied(statement, copy));
                        }
                    }
                }
            }
        }
        jammed
    }

    fn shared(&mut self, inner: &Loop) -> Loop {
        let mut carries = Vec::new();
        for carry in &inner.carries {
            for copy in 0..self.copies.len() {
                let initial = self.used(carry.initial, copy);
                let current = self.defined(carry.current, copy);
                carries.push(Carry { initial, current, ..carry.clone() });
            }
        }
        let body = self.block(&inner.body);
        let copies = self.copies.len();
        for (position, carry) in carries.iter_mut().enumerate() {
            carry.next = self.used(carry.next, position % copies);
            carry.result = self.defined(carry.result, position % copies);
        }
        Loop { carries, body, ..inner.clone() }
    }

    fn copied(&mut self, statement: &Statement, copy: usize) -> Option<Statement> {
        Some(match statement {
            Statement::Let { result, dtype, op, args } => {
                let args = args.iter().map(|&arg| self.used(arg, copy)).collect();
                let op = match *op {
                    ScalarOp::Index(index) => {
                        let form = self.groups.forms.get(&index).cloned();
                        let form = self.affine(&form.unwrap_or_else(|| Affine::var(index)), copy);
                        let name = IndexVar::from_usize(self.groups.name());
                        self.groups.forms.insert(name, form);
                        ScalarOp::Index(name)
                    }
                    op => op,
                };
                Statement::Let { result: self.defined(*result, copy), dtype: *dtype, op, args }
            }
            Statement::Load { result, operand, index, guard } => {
                let ranges = |guard: &Guard| {
                    let ranges = guard.ranges.iter();
                    ranges.map(|(form, low, high)| (self.affine(form, copy), *low, *high)).collect()
                };
                let guard = guard.as_ref().map(|guard| Guard { ranges: ranges(guard), fill: guard.fill });
                let index = self.affine(index, copy);
                Statement::Load { result: self.defined(*result, copy), operand: *operand, index, guard }
            }
            Statement::Store { operand, index, value } => Statement::Store {
                operand: *operand,
                index: self.affine(index, copy),
                value: self.used(*value, copy),
            },
            Statement::Index { .. } | Statement::For(_) => return None,
        })
    }
}
