//! Shape rules: the type of a node from its op and its operands.
//!
//! One file per family of ops; each rule is what the op's documentation in [`crate::op`] says, and a
//! node that breaks it is refused with a sentence that names the rule and the shapes. Attributes come
//! from users in the end, so all arithmetic on them is checked.
//!
//! Rules that hold for every op:
//! - The result's element count is a number or a multiple of the batch, never its square, and fits in
//!   a machine word.
//! - An axis of batch size is only ever taken whole: slices, padding, dilation and windows leave it
//!   alone.
//! - A tuple is an operand of `project` only.

mod contraction;
mod convolution;
mod elementwise;
mod indexing;
mod movement;
mod normalization;
mod operands;
mod reduction;
mod source;
mod window;

use crate::{Op, Type};
use dlc_types::TensorType;
use std::fmt;

/// A node that cannot be: the rule that is broken, with the shapes at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferError {
    /// One sentence that names the rule and the shapes.
    pub message: String,
}

impl InferError {
    /// An error of that message.
    pub fn new(message: impl Into<String>) -> InferError {
        InferError { message: message.into() }
    }
}

impl fmt::Display for InferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InferError {}

type Result<T> = std::result::Result<T, InferError>;

/// Returns early with an error of that message.
macro_rules! refuse {
    ($($message:tt)*) => { return Err($crate::infer::InferError::new(format!($($message)*))) };
}
use refuse;

/// Whether the type of such a node is its maker's choice, to be declared.
pub fn needs_declared_type(op: &Op) -> bool {
    matches!(
        op,
        Op::Input { .. }
            | Op::Parameter { .. }
            | Op::State { .. }
            | Op::Iota { .. }
            | Op::Extent(_)
            | Op::Random { .. }
            | Op::Broadcast { .. }
            | Op::Reshape
            | Op::WindowScatter { .. }
    )
}

/// The type of `op` over operands of these types. `declared` is the type that the maker of the node
/// asks for; ops whose type is a free choice need it, all others must agree with it.
///
/// # Errors
/// The rule that the node breaks.
pub fn infer(op: &Op, operands: &[&Type], declared: Option<&TensorType>) -> Result<Type> {
    let ty = if needs_declared_type(op) {
        let Some(declared) = declared else { refuse!("{} needs a declared type", op.name()) };
        check_declared(op, operands, declared)?;
        Type::Tensor(declared.clone())
    } else {
        let ty = infer_from_operands(op, operands)?;
        if let Some(declared) = declared
            && ty.tensor() != Some(declared)
        {
            refuse!("{} gives {ty}, but {declared} is declared", op.name());
        }
        ty
    };
    match &ty {
        Type::Tensor(ty) => check_size(op, ty)?,
        Type::Tuple(types) => types.iter().try_for_each(|ty| check_size(op, ty))?,
    }
    Ok(ty)
}

fn check_size(op: &Op, ty: &TensorType) -> Result<()> {
    if ty.shape.dims().contains(&dlc_types::Dim::Batch(0)) {
        refuse!("{} has an extent of zero times the batch in {ty}; write it as 0", op.name());
    }
    match ty.shape.elements() {
        Some(_) => Ok(()),
        None if ty.shape.dims().iter().filter(|dim| dim.is_batch()).count() > 1 => {
            refuse!("{} gives {ty}, whose size grows with the square of the batch", op.name())
        }
        None => refuse!("{} gives {ty}, which has more elements than memory can hold", op.name()),
    }
}

/// Ops whose type is declared: does the declared type fit the operands?
fn check_declared(op: &Op, operands: &[&Type], declared: &TensorType) -> Result<()> {
    match op {
        Op::Input { .. } | Op::Parameter { .. } | Op::State { .. } => {
            operands::none(op, operands)?;
            source::external(op, declared)
        }
        Op::Iota { axis } => {
            operands::none(op, operands)?;
            source::iota(*axis, declared)
        }
        Op::Extent(dim) => {
            operands::none(op, operands)?;
            source::extent(*dim, declared)
        }
        Op::Random { .. } => source::random(operands::tensors(op, operands)?, declared),
        Op::Broadcast { axes } => movement::broadcast(operands::one(op, operands)?, axes, declared),
        Op::Reshape => movement::reshape(operands::one(op, operands)?, declared),
        Op::WindowScatter { window } => window::scatter(&operands::list(op, operands)?, window, declared),
        _ => refuse!("{} does not take a declared type; this is a bug in dlc", op.name()),
    }
}

/// Ops whose type follows from the operands.
fn infer_from_operands(op: &Op, operands: &[&Type]) -> Result<Type> {
    let ty = match op {
        Op::Constant(literal) => {
            operands::none(op, operands)?;
            source::constant(literal)?
        }
        Op::Unary(function) => elementwise::unary(*function, operands::one(op, operands)?)?,
        Op::Binary(function) => elementwise::binary(*function, operands::tensors(op, operands)?)?,
        Op::Compare(comparison) => elementwise::compare(*comparison, operands::tensors(op, operands)?)?,
        Op::Select => elementwise::select(operands::tensors(op, operands)?)?,
        Op::Cast(dtype) => TensorType::new(*dtype, operands::one(op, operands)?.shape.clone()),
        Op::Bitcast(dtype) => elementwise::bitcast(operands::one(op, operands)?, *dtype)?,
        Op::Transpose { permutation } => movement::transpose(operands::one(op, operands)?, permutation)?,
        Op::Slice { starts, limits, strides } => {
            movement::slice(operands::one(op, operands)?, starts, limits, strides)?
        }
        Op::Pad { low, high } => movement::pad(operands::tensors(op, operands)?, low, high)?,
        Op::Dilate { factors } => movement::dilate(operands::one(op, operands)?, factors)?,
        Op::Reverse { axes } => movement::reverse(operands::one(op, operands)?, axes)?,
        Op::Concat { axis } => movement::concat(&operands::list(op, operands)?, *axis)?,
        Op::Reduce { axes, .. } => reduction::reduce(operands::one(op, operands)?, axes)?,
        Op::ArgReduce { kind, axis } => {
            reduction::arg_reduce(kind.name(), operands::one(op, operands)?, *axis)?
        }
        Op::Cumulative { axis, .. } => reduction::cumulative(operands::one(op, operands)?, *axis)?,
        Op::Contract(contraction) => contraction::contract(operands::tensors(op, operands)?, contraction)?,
        Op::Convolve(convolution) => convolution::convolve(operands::tensors(op, operands)?, convolution)?,
        Op::ReduceWindow { window, .. } => window::reduce(op.name(), operands::one(op, operands)?, window)?,
        Op::WindowArgMax { window } => window::arg_max(operands::one(op, operands)?, window)?,
        Op::Gather { axis } => indexing::gather(operands::tensors(op, operands)?, *axis)?,
        Op::GatherAlong { axis } => indexing::gather_along(operands::tensors(op, operands)?, *axis)?,
        Op::Scatter { axis, kind } => indexing::scatter(operands::tensors(op, operands)?, *axis, *kind)?,
        Op::ArgSort { axis, .. } => reduction::arg_sort(operands::one(op, operands)?, *axis)?,
        Op::BatchNorm { axis, epsilon } => {
            let types = normalization::batch_norm(operands::tensors(op, operands)?, *axis, *epsilon)?;
            return Ok(Type::Tuple(types));
        }
        Op::Softmax { axis } | Op::LogSoftmax { axis } => {
            normalization::softmax(op.name(), operands::one(op, operands)?, *axis)?
        }
        Op::Project(index) => operands::project(operands, *index)?,
        Op::Scan(scan) => {
            return Ok(Type::Tuple(crate::scan::infer(scan, &operands::list(op, operands)?)?));
        }
        Op::Input { .. }
        | Op::Parameter { .. }
        | Op::State { .. }
        | Op::Iota { .. }
        | Op::Extent(_)
        | Op::Random { .. }
        | Op::Broadcast { .. }
        | Op::Reshape
        | Op::WindowScatter { .. } => {
            refuse!("{} needs a declared type; this is a bug in dlc", op.name())
        }
    };
    Ok(Type::Tensor(ty))
}

#[cfg(test)]
mod tests;
