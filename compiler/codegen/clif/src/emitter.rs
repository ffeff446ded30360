//! The state of one kernel's emission: where instructions go, what values and indices stand for, and
//! which address sums are at hand.
//!
//! A scalar [`Var`] of the kernel IR is one machine value outside lanes. Inside a lanes loop it is either
//! uniform, or one vector per unrolled vector, or, where its type does not fit the lanes, one scalar per
//! lane. Scopes follow the blocks of the kernel IR: what a loop body defines is forgotten at its end,
//! because the code after the loop is not dominated by it.

use crate::ClifError;
use crate::float::{Float, repeated};
use cranelift_codegen::ir::{InstBuilder, StackSlot, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use dlc_kernel::{IndexVar, Kernel, Var};
use dlc_types::DType;
use std::collections::BTreeMap;

/// What a scalar of the kernel IR stands for.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// A known number, made anew wherever it is used.
    Constant(f64),
    /// One value for all lanes.
    Uniform(Value),
    /// One vector per unrolled vector.
    Vectors(Vec<Value>),
    /// One scalar per lane of all unrolled vectors.
    Lanes(Vec<Value>),
}

/// A scalar of the kernel IR.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) dtype: DType,
    pub(crate) form: Form,
}

/// What an index stands for.
#[derive(Clone, Debug)]
pub(crate) enum IndexForm {
    /// A known number.
    Constant(i64),
    /// One `i64` for all lanes; of the lane variable, its value in the first lane.
    Uniform(Value),
    /// One `i64` per lane of all unrolled vectors.
    Lanes(Vec<Value>),
}

/// The lanes loop that is being emitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneContext {
    /// The loop's variable.
    pub(crate) var: IndexVar,
    /// Lanes of one vector.
    pub(crate) width: usize,
    /// Unrolled vectors.
    pub(crate) vectors: usize,
}

impl LaneContext {
    /// Lanes of all vectors.
    pub(crate) fn lanes(self) -> usize {
        self.width * self.vectors
    }
}

/// Something computed earlier in a block that dominates this one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// `operand's pointer + (batch * n + sum of terms)`, in bytes; without an operand, the plain sum.
    Sum { base: Option<usize>, batch: i64, terms: Vec<(IndexVar, i64)> },
    /// A vector that repeats a uniform scalar.
    Splat(Var),
    /// Whether `low <= batch * n + sum of terms < high`.
    Range { batch: i64, terms: Vec<(IndexVar, i64)>, low: i64, high: i64 },
}

/// Marks a scope's beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    known: usize,
    scalars: usize,
    indices: usize,
}

/// What the target can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Multiply and add in one rounding, at the speed of a multiplication.
    pub(crate) fused: bool,
    /// Broadcast from memory, if Cranelift is led to it (see `contraction::reduce`).
    pub(crate) hides_broadcasts: bool,
    /// Multiply bytes by an instruction that Cranelift finds with the unsigned factor first.
    pub(crate) unsigned_first: bool,
    /// Vectors of 128 bits; without them every value is a scalar.
    pub(crate) vectors: bool,
}

/// The state of one kernel's emission.
pub(crate) struct Emitter<'e, 'f> {
    pub(crate) builder: &'e mut FunctionBuilder<'f>,
    pub(crate) kernel: &'e Kernel,
    /// What the target can do.
    pub(crate) target: Target,
    /// The batch, `i64`.
    pub(crate) batch: Value,
    /// Pointers of the operands.
    pub(crate) pointers: Vec<Value>,
    /// The lanes loop being emitted, if any.
    pub(crate) lane: Option<LaneContext>,
    /// Memory filled with the values that guarded loads give where nothing exists.
    pub(crate) fills: BTreeMap<(DType, u64), StackSlot>,
    scalars: BTreeMap<Var, Scalar>,
    scalar_order: Vec<Var>,
    indices: BTreeMap<IndexVar, (IndexForm, usize)>,
    index_order: Vec<IndexVar>,
    known: Vec<(Known, Value)>,
}

/// The type of one element in a register.
pub(crate) fn scalar_type(dtype: DType) -> Result<Type, ClifError> {
    match dtype.computed_in() {
        DType::F32 => Ok(types::F32),
        DType::F64 => Ok(types::F64),
        DType::I32 | DType::U32 => Ok(types::I32),
        DType::I64 | DType::U64 => Ok(types::I64),
        DType::Bool => Ok(types::I8),
        other => Err(ClifError::UnsupportedType(other)),
    }
}

/// The vector of so many elements, if there is one; masks for `bool`.
pub(crate) fn vector_type(dtype: DType, width: usize) -> Option<Type> {
    match (dtype.computed_in(), width) {
        (DType::F32, 4) => Some(types::F32X4),
        (DType::I32 | DType::U32 | DType::Bool, 4) => Some(types::I32X4),
        (DType::F64, 2) => Some(types::F64X2),
        (DType::I64 | DType::U64 | DType::Bool, 2) => Some(types::I64X2),
        _ => None,
    }
}

impl<'e, 'f> Emitter<'e, 'f> {
    /// An emitter at the builder's current block.
    pub(crate) fn new(
        builder: &'e mut FunctionBuilder<'f>,
        kernel: &'e Kernel,
        target: Target,
        batch: Value,
        pointers: Vec<Value>,
    ) -> Self {
        Emitter {
            builder,
            kernel,
            target,
            batch,
            pointers,
            lane: None,
            fills: BTreeMap::new(),
            scalars: BTreeMap::new(),
            scalar_order: Vec::new(),
            indices: BTreeMap::new(),
            index_order: Vec::new(),
            known: Vec::new(),
        }
    }

    /// A broken invariant of the kernel.
    pub(crate) fn malformed(&self, reason: impl Into<String>) -> ClifError {
        ClifError::Malformed { kernel: self.kernel.name.clone(), reason: reason.into() }
    }

    /// Float arithmetic on a type.
    pub(crate) fn float(&mut self, ty: Type) -> Float<'_, 'f> {
        Float { builder: self.builder, ty, fused: self.target.fused }
    }

    /// An `i64`.
    pub(crate) fn int(&mut self, number: i64) -> Value {
        self.builder.ins().iconst(types::I64, number)
    }

    /// Opens a scope.
    pub(crate) fn open(&self) -> Scope {
        Scope { known: self.known.len(), scalars: self.scalar_order.len(), indices: self.index_order.len() }
    }

    /// Forgets what was defined since.
    pub(crate) fn close(&mut self, scope: Scope) {
        self.known.truncate(scope.known);
        for var in self.scalar_order.drain(scope.scalars..) {
            self.scalars.remove(&var);
        }
        for var in self.index_order.drain(scope.indices..) {
            self.indices.remove(&var);
        }
    }

    /// Defines a scalar until the scope ends.
    pub(crate) fn define(&mut self, var: Var, dtype: DType, form: Form) {
        if self.scalars.insert(var, Scalar { dtype, form }).is_none() {
            self.scalar_order.push(var);
        }
    }

    /// Defines an index until the scope ends.
    pub(crate) fn define_index(&mut self, var: IndexVar, form: IndexForm) {
        let depth = self.index_order.len();
        if self.indices.insert(var, (form, depth)).is_none() {
            self.index_order.push(var);
        }
    }

    /// What a scalar stands for.
    pub(crate) fn scalar(&self, var: Var) -> Result<&Scalar, ClifError> {
        self.scalars.get(&var).ok_or_else(|| self.malformed(format!("{var} is used before its definition")))
    }

    /// Whether a scalar is defined.
    pub(crate) fn has_scalar(&self, var: Var) -> bool {
        self.scalars.contains_key(&var)
    }

    /// What an index stands for, if it is defined.
    pub(crate) fn find_index(&self, var: IndexVar) -> Option<&IndexForm> {
        self.indices.get(&var).map(|(form, _)| form)
    }

    /// What an index stands for.
    pub(crate) fn index(&self, var: IndexVar) -> Result<&IndexForm, ClifError> {
        self.find_index(var).ok_or_else(|| self.malformed(format!("{var} is used before its definition")))
    }

    /// The order of definition: outer indices come first.
    pub(crate) fn index_depth(&self, var: IndexVar) -> usize {
        self.indices.get(&var).map_or(usize::MAX, |(_, depth)| *depth)
    }

    /// A value computed earlier.
    pub(crate) fn recall(&self, key: &Known) -> Option<Value> {
        self.known.iter().rev().find(|(known, _)| known == key).map(|(_, value)| *value)
    }

    /// Keeps a value until the scope ends.
    pub(crate) fn remember(&mut self, key: Known, value: Value) {
        self.known.push((key, value));
    }

    /// A known number as a scalar of an element type.
    pub(crate) fn constant(&mut self, dtype: DType, number: f64) -> Result<Value, ClifError> {
        let ty = scalar_type(dtype)?;
        Ok(match dtype.computed_in() {
            DType::F32 => self.builder.ins().f32const(dtype.rounded(number) as f32),
            DType::F64 => self.builder.ins().f64const(number),
            DType::Bool => self.builder.ins().iconst(ty, i64::from(number != 0.0)),
            DType::I32 | DType::U32 => {
                self.builder.ins().iconst(ty, i64::from(dtype.saturated(number) as i32 as u32))
            }
            _ => self.builder.ins().iconst(ty, dtype.saturated(number)),
        })
    }

    /// A known number in all lanes.
    pub(crate) fn constant_vector(&mut self, dtype: DType, ty: Type, number: f64) -> Value {
        match dtype.computed_in() {
            DType::F32 => repeated(self.builder, ty, &(dtype.rounded(number) as f32).to_le_bytes()),
            DType::F64 => repeated(self.builder, ty, &number.to_le_bytes()),
            DType::Bool => repeated(self.builder, ty, if number != 0.0 { &[0xFF; 8] } else { &[0; 8] }),
            DType::I32 | DType::U32 => {
                repeated(self.builder, ty, &(dtype.saturated(number) as i32).to_le_bytes())
            }
            _ => repeated(self.builder, ty, &dtype.saturated(number).to_le_bytes()),
        }
    }
}
