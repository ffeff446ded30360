//! Building one loop kernel statement by statement.
//!
//! Statements go to the outermost open loop in which all that they read is known, so what does not
//! change in a loop is computed before it, once. That is sound because kernels read an operand that
//! they also write only at the element they are about to write. An element that several statements ask for
//! is loaded once, until something is stored to its operand.

use dlc_kernel::{
    Affine, Body, BufferId, Carry, Combine, Guard, IndexExpr, IndexVar, Kernel, Loop, LoopBody, Operand,
    ScalarOp, Statement, Var,
};
use dlc_types::index::EntityIndex;
use dlc_types::{DType, Dim};
use std::collections::BTreeMap;

/// A loop kernel under construction.
#[derive(Debug, Default)]
pub(super) struct Nest {
    operands: Vec<Operand>,
    arguments: Vec<BufferId>,
    space: Vec<Dim>,
    coordinates: Vec<IndexVar>,
    blocks: Vec<Block>,
    /// Per value: its element type and the number of loops it lies in.
    values: Vec<(DType, usize)>,
    /// Per index: the number of loops it lies in.
    indices: Vec<usize>,
    /// Elements without a guard that are loaded already, by operand and index.
    loaded: BTreeMap<(usize, Affine), Var>,
    /// Every element index that a load or store uses.
    pub accesses: Vec<Affine>,
    /// Forms that occur in index statements and guards, where axes cannot be merged.
    pub fixed_forms: Vec<Affine>,
}

#[derive(Debug, Default)]
struct Block {
    statements: Vec<Statement>,
    head: Option<Head>,
}

#[derive(Debug)]
struct Head {
    var: IndexVar,
    start: Affine,
    end: Affine,
    lanes: bool,
    carries: Vec<(DType, Var, Var)>,
}

impl Nest {
    /// An empty kernel.
    pub(super) fn new() -> Nest {
        Nest { blocks: vec![Block::default()], ..Nest::default() }
    }

    /// The number of the operand for a buffer, added if it is new.
    pub(super) fn operand(&mut self, buffer: BufferId, name: &str, dtype: DType, writes: bool) -> usize {
        let known = self.arguments.iter().position(|&argument| argument == buffer);
        let position = known.unwrap_or_else(|| {
            self.arguments.push(buffer);
            self.operands.push(Operand { name: name.to_owned(), dtype, writes: false, reads: false });
            self.arguments.len() - 1
        });
        self.operands[position].writes |= writes;
        self.operands[position].reads |= !writes;
        position
    }

    /// Adds an operand even where its buffer is one already.
    pub(crate) fn new_operand(&mut self, buffer: BufferId, name: &str, dtype: DType, writes: bool) {
        self.arguments.push(buffer);
        self.operands.push(Operand { name: name.to_owned(), dtype, writes, reads: !writes });
    }

    /// A value that the kernel starts with.
    pub(crate) fn given(&mut self, dtype: DType) -> Var {
        self.new_value(dtype, 0)
    }

    /// The operands, their buffers and the statements, without the parallel space.
    pub(crate) fn into_parts(mut self) -> (Vec<Operand>, Vec<BufferId>, Vec<Statement>) {
        let statements = self.blocks.pop().map(|block| block.statements).unwrap_or_default();
        (self.operands, self.arguments, statements)
    }

    /// Adds an axis to the parallel space.
    pub(super) fn coordinate(&mut self, extent: Dim) -> IndexVar {
        let var = self.new_index(0);
        self.space.push(extent);
        self.coordinates.push(var);
        var
    }

    fn new_index(&mut self, depth: usize) -> IndexVar {
        self.indices.push(depth);
        IndexVar::from_usize(self.indices.len() - 1)
    }

    fn new_value(&mut self, dtype: DType, depth: usize) -> Var {
        self.values.push((dtype, depth));
        Var::from_usize(self.values.len() - 1)
    }

    /// Element type of a value.
    pub(super) fn dtype(&self, value: Var) -> DType {
        self.values[value.as_usize()].0
    }

    /// Number of open loops that a value needs.
    pub(super) fn depth(&self, value: Var) -> usize {
        self.values[value.as_usize()].1
    }

    fn affine_depth(&self, form: &Affine) -> usize {
        form.terms.iter().map(|&(var, _)| self.indices[var.as_usize()]).max().unwrap_or(0)
    }

    fn guard_depth(&self, guard: Option<&Guard>) -> usize {
        let ranges = guard.map_or(&[][..], |guard| &guard.ranges[..]);
        ranges.iter().map(|(form, ..)| self.affine_depth(form)).max().unwrap_or(0)
    }

    /// Number of loops open now.
    pub(super) fn open_loops(&self) -> usize {
        self.blocks.len() - 1
    }

    /// A scalar operation.
    pub(super) fn op(&mut self, dtype: DType, op: ScalarOp, args: &[Var]) -> Var {
        let mut depth = args.iter().map(|&arg| self.depth(arg)).max().unwrap_or(0);
        if let ScalarOp::Index(var) = op {
            depth = depth.max(self.indices[var.as_usize()]);
        }
        let result = self.new_value(dtype, depth);
        self.blocks[depth].statements.push(Statement::Let { result, dtype, op, args: args.to_vec() });
        result
    }

    /// A number.
    pub(super) fn number(&mut self, dtype: DType, value: f64) -> Var {
        self.op(dtype, ScalarOp::Constant(value), &[])
    }

    /// The value of a form, as a number.
    pub(super) fn form_value(&mut self, dtype: DType, form: &Affine) -> Var {
        let var = self.index(IndexExpr::Form(form.clone()));
        self.op(dtype, ScalarOp::Index(var), &[])
    }

    /// An index computation.
    pub(super) fn index(&mut self, expr: IndexExpr) -> IndexVar {
        let depth = match &expr {
            IndexExpr::Form(form) | IndexExpr::Quotient(form, _) | IndexExpr::Remainder(form, _) => {
                self.affine_depth(form)
            }
            IndexExpr::ChunkStart { form, chunk, .. } => {
                self.affine_depth(form).max(self.affine_depth(chunk))
            }
            IndexExpr::Clamped(value, form) => self.depth(*value).max(self.affine_depth(form)),
        };
        match &expr {
            IndexExpr::Form(form) | IndexExpr::Quotient(form, _) | IndexExpr::Remainder(form, _) => {
                self.fixed_forms.push(form.clone());
            }
            IndexExpr::ChunkStart { .. } | IndexExpr::Clamped(..) => {}
        }
        let result = self.new_index(depth);
        self.blocks[depth].statements.push(Statement::Index { result, expr });
        result
    }

    /// Reads an element, once.
    pub(super) fn load(&mut self, operand: usize, index: Affine, guard: Option<Guard>) -> Var {
        let key = guard.is_none().then(|| (operand, index.clone()));
        if let Some(&known) = key.as_ref().and_then(|key| self.loaded.get(key)) {
            return known;
        }
        let depth = self.affine_depth(&index).max(self.guard_depth(guard.as_ref()));
        self.accesses.push(index.clone());
        for (form, ..) in guard.iter().flat_map(|guard| &guard.ranges) {
            self.fixed_forms.push(form.clone());
        }
        let result = self.new_value(self.operands[operand].dtype, depth);
        self.blocks[depth].statements.push(Statement::Load { result, operand, index, guard });
        if let Some(key) = key {
            self.loaded.insert(key, result);
        }
        result
    }

    /// Writes an element, in the innermost open loop.
    pub(super) fn store(&mut self, operand: usize, index: Affine, value: Var) {
        self.accesses.push(index.clone());
        self.loaded.retain(|&(other, _), _| other != operand);
        let depth = self.open_loops();
        self.blocks[depth].statements.push(Statement::Store { operand, index, value });
    }

    /// Opens a loop over `start..end` that carries values of these types from these first values;
    /// returns the loop's variable and the carried values within it.
    pub(super) fn open(
        &mut self,
        start: Affine,
        end: Affine,
        lanes: bool,
        initial: &[Var],
    ) -> (IndexVar, Vec<Var>) {
        let depth = self.blocks.len();
        let var = self.new_index(depth);
        let carries: Vec<(DType, Var, Var)> = initial
            .iter()
            .map(|&first| {
                let dtype = self.dtype(first);
                (dtype, first, self.new_value(dtype, depth))
            })
            .collect();
        let current = carries.iter().map(|&(_, _, current)| current).collect();
        self.blocks
            .push(Block { statements: Vec::new(), head: Some(Head { var, start, end, lanes, carries }) });
        (var, current)
    }

    /// Opens a loop over a whole extent without carries.
    pub(super) fn open_over(&mut self, extent: Dim, lanes: bool) -> IndexVar {
        self.open(Affine::constant(0), Affine::extent(extent), lanes, &[]).0
    }

    /// Closes the innermost loop; `next` are the values that an iteration hands on. Returns the carried
    /// values after the loop.
    pub(super) fn close(&mut self, next: &[Var], combine: Option<Combine>) -> Vec<Var> {
        let Some(Block { statements, head: Some(head) }) = self.blocks.pop() else {
            return Vec::new();
        };
        let depth = self.open_loops();
        let carries: Vec<Carry> = head
            .carries
            .iter()
            .zip(next)
            .map(|(&(dtype, initial, current), &next)| Carry {
                dtype,
                initial,
                current,
                next,
                result: self.new_value(dtype, depth),
                combine: if head.lanes { combine } else { None },
            })
            .collect();
        let results = carries.iter().map(|carry| carry.result).collect();
        self.blocks[depth].statements.push(Statement::For(Loop {
            var: head.var,
            start: head.start,
            end: head.end,
            lanes: head.lanes,
            carries,
            body: statements,
        }));
        results
    }

    /// Closes all open loops, which carry nothing, and returns the kernel with its arguments.
    pub(super) fn finish(mut self, name: String) -> (Kernel, Vec<BufferId>) {
        while self.open_loops() > 0 {
            self.close(&[], None);
        }
        let statements = self.blocks.pop().map(|block| block.statements).unwrap_or_default();
        let body = Body::Loop(LoopBody { coordinates: self.coordinates, statements });
        (Kernel { name, operands: self.operands, space: self.space, body }, self.arguments)
    }
}
