//! Scopes, types and lanes of statements.

use super::{Fault, carries, types};
use crate::{
    Affine, Carry, EpilogueSum, IndexExpr, IndexVar, Kernel, Loop, LoopBody, Operand, ScalarOp, Statement,
    Var,
};
use dlc_types::DType;
use std::collections::{BTreeMap, BTreeSet};

type Checked = Result<(), Fault>;

pub(super) fn verify_loop_body(kernel: &Kernel, body: &LoopBody) -> Checked {
    let (found, expected) = (body.coordinates.len(), kernel.space.len());
    if found != expected {
        return Err(Fault::CoordinateCount { found, expected });
    }
    let mut scope = Scope::new(&kernel.operands);
    for &coordinate in &body.coordinates {
        scope.define_index(coordinate)?;
    }
    scope.block(&body.statements)
}

/// What is visible at a place in a kernel.
pub(super) struct Scope<'k> {
    operands: &'k [Operand],
    /// Visible values with their types and places on the trail.
    vars: BTreeMap<Var, (DType, usize)>,
    indices: BTreeSet<IndexVar>,
    /// Visible names in the order of definition, to leave a block by.
    trail: Vec<Name>,
    assigned_vars: BTreeSet<Var>,
    assigned_indices: BTreeSet<IndexVar>,
    lanes: Option<Lanes>,
    /// Coordinates that an epilogue must not use, with their dimensions.
    hidden: BTreeMap<IndexVar, String>,
    epilogue: bool,
}

enum Name {
    Var(Var),
    Index(IndexVar),
}

/// The lanes loop around a place.
struct Lanes {
    var: IndexVar,
    /// Indices that depend on it.
    varying: BTreeSet<IndexVar>,
    /// Length of the trail where it begins.
    mark: usize,
    /// Whether it runs at most once.
    single: bool,
}

impl<'k> Scope<'k> {
    pub(super) fn new(operands: &'k [Operand]) -> Scope<'k> {
        Scope {
            operands,
            vars: BTreeMap::new(),
            indices: BTreeSet::new(),
            trail: Vec::new(),
            assigned_vars: BTreeSet::new(),
            assigned_indices: BTreeSet::new(),
            lanes: None,
            hidden: BTreeMap::new(),
            epilogue: false,
        }
    }

    /// From here on statements are those of an epilogue in lanes along `lanes`.
    pub(super) fn enter_epilogue(&mut self, lanes: IndexVar, single: bool) {
        self.epilogue = true;
        let varying = BTreeSet::from([lanes]);
        self.lanes = Some(Lanes { var: lanes, varying, mark: self.trail.len(), single });
    }

    pub(super) fn hide(&mut self, index: IndexVar, dim: &str) -> Checked {
        self.define_index(index)?;
        self.hidden.insert(index, dim.to_owned());
        Ok(())
    }

    pub(super) fn define_var(&mut self, var: Var, dtype: DType) -> Checked {
        if !self.assigned_vars.insert(var) {
            return Err(Fault::VarAssignedTwice(var));
        }
        self.vars.insert(var, (dtype, self.trail.len()));
        self.trail.push(Name::Var(var));
        Ok(())
    }

    pub(super) fn define_index(&mut self, index: IndexVar) -> Checked {
        if !self.assigned_indices.insert(index) {
            return Err(Fault::IndexAssignedTwice(index));
        }
        self.indices.insert(index);
        self.trail.push(Name::Index(index));
        Ok(())
    }

    fn leave(&mut self, mark: usize) {
        for name in self.trail.drain(mark..) {
            match name {
                Name::Var(var) => drop(self.vars.remove(&var)),
                Name::Index(index) => drop(self.indices.remove(&index)),
            }
        }
    }

    fn var(&self, var: Var) -> Result<DType, Fault> {
        self.vars.get(&var).map(|&(dtype, _)| dtype).ok_or(Fault::VarNotVisible(var))
    }

    fn index(&self, index: IndexVar) -> Checked {
        if let Some(dim) = self.hidden.get(&index) {
            return Err(Fault::EpilogueReduced { index, dim: dim.clone() });
        }
        if !self.indices.contains(&index) {
            return Err(Fault::IndexNotVisible(index));
        }
        Ok(())
    }

    fn form(&self, form: &Affine) -> Checked {
        if !form.is_canonical() {
            return Err(Fault::NotCanonical(form.clone()));
        }
        form.terms.iter().try_for_each(|&(index, _)| self.index(index))
    }

    fn operand(&self, operand: usize) -> Result<&'k Operand, Fault> {
        let count = self.operands.len();
        self.operands.get(operand).ok_or(Fault::NoSuchOperand { found: operand, count })
    }

    pub(super) fn block(&mut self, statements: &[Statement]) -> Checked {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Checked {
        match statement {
            Statement::Let { result, dtype, op, args } => {
                if let ScalarOp::Index(index) = *op {
                    self.index(index)?;
                }
                let types = args.iter().map(|&arg| self.var(arg)).collect::<Result<Vec<_>, _>>()?;
                types::check(*op, *dtype, &types)?;
                self.define_var(*result, *dtype)
            }
            Statement::Load { result, operand, index, guard } => {
                let operand = self.operand(*operand)?;
                if !operand.reads {
                    return Err(Fault::NotRead(operand.name.clone()));
                }
                self.form(index)?;
                for (form, _, _) in guard.iter().flat_map(|guard| &guard.ranges) {
                    self.form(form)?;
                }
                self.define_var(*result, operand.dtype)
            }
            Statement::Store { operand, index, value } => self.store(*operand, index, *value),
            Statement::Index { result, expr } => {
                let varies = self.index_expr(*result, expr)?;
                self.define_index(*result)?;
                if let Some(lanes) = self.lanes.as_mut().filter(|_| varies) {
                    lanes.varying.insert(*result);
                }
                Ok(())
            }
            Statement::For(inner) if self.epilogue => Err(Fault::EpilogueLoop(inner.var)),
            Statement::For(inner) => self.for_loop(inner),
        }
    }

    fn store(&self, operand: usize, index: &Affine, value: Var) -> Checked {
        let operand = self.operand(operand)?;
        if !operand.writes {
            return Err(Fault::NotWritten(operand.name.clone()));
        }
        self.form(index)?;
        let (expected, found) = (operand.dtype, self.var(value)?);
        if expected != found {
            return Err(Fault::StoreType { operand: operand.name.clone(), expected, value, found });
        }
        match &self.lanes {
            Some(lanes) if !lanes.single && !self.varies(index) => Err(Fault::LanesStore {
                operand: operand.name.clone(),
                index: index.clone(),
                lanes: lanes.var,
            }),
            _ => Ok(()),
        }
    }

    /// The operand, the index and the value of a sum of an epilogue.
    pub(super) fn sum(&self, sum: &EpilogueSum) -> Checked {
        let operand = self.operand(sum.operand)?;
        if !operand.writes {
            return Err(Fault::NotWritten(operand.name.clone()));
        }
        self.form(&sum.index)?;
        let (expected, value, found) = (operand.dtype, sum.value, self.var(sum.value)?);
        if expected != found {
            return Err(Fault::StoreType { operand: operand.name.clone(), expected, value, found });
        }
        Ok(())
    }

    /// Whether the form depends on the lanes loop around this place.
    fn varies(&self, form: &Affine) -> bool {
        let varying = self.lanes.as_ref().map(|lanes| &lanes.varying);
        varying.is_some_and(|varying| form.terms.iter().any(|(index, _)| varying.contains(index)))
    }

    /// Checks the expression and says whether it depends on the lanes loop around it.
    fn index_expr(&self, result: IndexVar, expr: &IndexExpr) -> Result<bool, Fault> {
        match expr {
            IndexExpr::Form(form) => self.form(form).map(|()| self.varies(form)),
            IndexExpr::Quotient(form, divisor) | IndexExpr::Remainder(form, divisor) => {
                self.form(form)?;
                if *divisor < 1 {
                    return Err(Fault::Divisor(result, *divisor));
                }
                Ok(self.varies(form))
            }
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                self.form(form)?;
                self.form(chunk)?;
                if *chunks < 1 {
                    return Err(Fault::Chunks(result, *chunks));
                }
                Ok(self.varies(form) || self.varies(chunk))
            }
            IndexExpr::Clamped(value, form) => {
                self.form(form)?;
                let found = self.var(*value)?;
                if !matches!(found, DType::I32 | DType::I64) {
                    return Err(Fault::ClampedType { result, value: *value, found });
                }
                let place = self.vars.get(value).map_or(0, |&(_, place)| place);
                let inside = self.lanes.as_ref().is_some_and(|lanes| place >= lanes.mark);
                Ok(inside || self.varies(form))
            }
        }
    }

    fn for_loop(&mut self, inner: &Loop) -> Checked {
        self.form(&inner.start)?;
        self.form(&inner.end)?;
        if let Some(lanes) = &self.lanes {
            if inner.lanes {
                return Err(Fault::LanesInLanes { inner: inner.var, outer: lanes.var });
            }
            if self.varies(&inner.start) || self.varies(&inner.end) {
                return Err(Fault::LanesBound { inner: inner.var, lanes: lanes.var });
            }
        }
        for carry in &inner.carries {
            self.carry_type(carry, carry.initial)?;
        }
        let mark = self.trail.len();
        if inner.lanes {
            let length = inner.end.plus_checked(&inner.start, -1).and_then(|length| length.as_constant());
            let single = length.is_some_and(|length| length <= 1);
            self.lanes = Some(Lanes { var: inner.var, varying: BTreeSet::from([inner.var]), mark, single });
        }
        self.define_index(inner.var)?;
        for carry in &inner.carries {
            self.define_var(carry.current, carry.dtype)?;
        }
        self.block(&inner.body)?;
        for carry in &inner.carries {
            self.carry_type(carry, carry.next)?;
            if self.vars.get(&carry.next).is_some_and(|&(_, place)| place < mark) {
                return Err(Fault::CarryNextOutside(carry.next));
            }
            carries::verify_combine(inner, carry)?;
        }
        self.leave(mark);
        if inner.lanes {
            self.lanes = None;
        }
        inner.carries.iter().try_for_each(|carry| self.define_var(carry.result, carry.dtype))
    }

    fn carry_type(&self, carry: &Carry, value: Var) -> Checked {
        let (expected, found) = (carry.dtype, self.var(value)?);
        if expected != found {
            return Err(Fault::CarryType { value, expected, found });
        }
        Ok(())
    }
}
