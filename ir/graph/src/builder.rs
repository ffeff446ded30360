//! Building functions node by node, each checked as it is made.
//!
//! Frontends and passes build through this type, so a node whose shapes do not fit never exists. Errors
//! carry the rule and the shapes; a frontend adds the place in the text.

use crate::{
    ArgReduction, Binary, Comparison, Contraction, Convolution, Function, InferError, Literal, Node, NodeId,
    Op, Origin, Output, OutputRole, Reduction, Type, Unary, Window, WindowKind, infer,
};
use dlc_types::{DType, Dim, Shape, TensorType};

type Result<T> = std::result::Result<T, InferError>;

/// A function under construction.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    function: Function,
    origin: Origin,
}

impl Builder {
    /// An empty function of that name.
    pub fn new(name: impl Into<String>) -> Builder {
        Builder { function: Function { name: name.into(), ..Function::default() }, origin: Origin::default() }
    }

    /// Goes on building at the end of an existing function.
    pub fn extend(function: Function) -> Builder {
        Builder { function, origin: Origin::default() }
    }

    /// Sets the origin that the next nodes get; returns the one before.
    pub fn set_origin(&mut self, origin: Origin) -> Origin {
        std::mem::replace(&mut self.origin, origin)
    }

    /// The function built so far.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// The finished function.
    pub fn finish(self) -> Function {
        self.function
    }

    /// The tensor type of a value.
    pub fn ty(&self, value: NodeId) -> &TensorType {
        self.function.tensor_type(value)
    }

    /// The shape of a value.
    pub fn shape(&self, value: NodeId) -> &Shape {
        &self.ty(value).shape
    }

    /// Adds a node whose type follows from its operands.
    pub fn add_node(&mut self, op: Op, operands: &[NodeId]) -> Result<NodeId> {
        self.push(op, operands, None)
    }

    /// Adds a node whose result type is the caller's choice (see [`Op`]).
    pub fn declare(&mut self, op: Op, operands: &[NodeId], ty: TensorType) -> Result<NodeId> {
        self.push(op, operands, Some(ty))
    }

    fn push(&mut self, op: Op, operands: &[NodeId], declared: Option<TensorType>) -> Result<NodeId> {
        let types: Vec<&Type> = operands.iter().map(|&operand| &self.function.nodes[operand].ty).collect();
        let ty = infer::infer(&op, &types, declared.as_ref())?;
        let node = Node { op, operands: operands.to_vec(), ty, origin: self.origin.clone() };
        Ok(self.function.nodes.push(node))
    }

    /// Gives a node another op of another type; whoever asks knows that its users agree.
    pub(crate) fn replace(&mut self, id: NodeId, op: Op, ty: Type) {
        let node = &mut self.function.nodes[id];
        (node.op, node.ty) = (op, ty);
    }

    /// Names a value as a result.
    pub fn output(&mut self, role: OutputRole, name: impl Into<String>, value: NodeId) {
        self.function.outputs.push(Output { role, name: name.into(), value });
    }

    /// An input of that name and type.
    pub fn input(&mut self, name: &str, ty: TensorType) -> Result<NodeId> {
        self.declare(Op::Input { name: name.to_owned() }, &[], ty)
    }

    /// A parameter of that path and type.
    pub fn parameter(&mut self, name: &str, ty: TensorType) -> Result<NodeId> {
        self.declare(Op::Parameter { name: name.to_owned() }, &[], ty)
    }

    /// A state of that path and type.
    pub fn state(&mut self, name: &str, ty: TensorType) -> Result<NodeId> {
        self.declare(Op::State { name: name.to_owned() }, &[], ty)
    }

    /// A constant.
    pub fn constant(&mut self, literal: Literal) -> Result<NodeId> {
        self.add_node(Op::Constant(literal), &[])
    }

    /// A scalar constant.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> Result<NodeId> {
        self.constant(Literal::scalar(dtype, value))
    }

    /// A tensor of the type and shape of `like`, filled with `value`.
    pub fn splat_like(&mut self, like: NodeId, value: f64) -> Result<NodeId> {
        let TensorType { dtype, shape } = self.ty(like).clone();
        self.splat(dtype, shape, value)
    }

    /// A tensor filled with `value`.
    pub fn splat(&mut self, dtype: DType, shape: Shape, value: f64) -> Result<NodeId> {
        let scalar = self.scalar(dtype, value)?;
        self.broadcast(scalar, shape, &[])
    }

    /// The run-time size of an extent, as a scalar of `dtype`.
    pub fn extent(&mut self, dim: Dim, dtype: DType) -> Result<NodeId> {
        match dim {
            Dim::Fixed(size) => self.scalar(dtype, size as f64),
            Dim::Batch(_) => self.declare(Op::Extent(dim), &[], TensorType::scalar(dtype)),
        }
    }

    /// Elementwise function of one operand.
    pub fn unary(&mut self, function: Unary, x: NodeId) -> Result<NodeId> {
        self.add_node(Op::Unary(function), &[x])
    }

    /// Elementwise function of two operands of equal type.
    pub fn binary(&mut self, function: Binary, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.add_node(Op::Binary(function), &[a, b])
    }

    /// `a + b`
    pub fn add(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.binary(Binary::Add, a, b)
    }

    /// `a - b`
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.binary(Binary::Subtract, a, b)
    }

    /// `a * b`
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.binary(Binary::Multiply, a, b)
    }

    /// `a / b`
    pub fn div(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.binary(Binary::Divide, a, b)
    }

    /// `x * factor`
    pub fn scale(&mut self, x: NodeId, factor: f64) -> Result<NodeId> {
        let factor = self.splat_like(x, factor)?;
        self.mul(x, factor)
    }

    /// `x + term`
    pub fn shift(&mut self, x: NodeId, term: f64) -> Result<NodeId> {
        let term = self.splat_like(x, term)?;
        self.add(x, term)
    }

    /// `-x`
    pub fn neg(&mut self, x: NodeId) -> Result<NodeId> {
        self.unary(Unary::Negate, x)
    }

    /// Elementwise comparison.
    pub fn compare(&mut self, comparison: Comparison, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.add_node(Op::Compare(comparison), &[a, b])
    }

    /// `condition ? a : b`
    pub fn select(&mut self, condition: NodeId, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.add_node(Op::Select, &[condition, a, b])
    }

    /// Conversion; the operand itself where it has that type already.
    pub fn cast(&mut self, x: NodeId, dtype: DType) -> Result<NodeId> {
        if self.ty(x).dtype == dtype {
            return Ok(x);
        }
        self.add_node(Op::Cast(dtype), &[x])
    }

    /// Operand axis `i` becomes result axis `axes[i]`; the operand itself where nothing changes.
    pub fn broadcast(&mut self, x: NodeId, shape: Shape, axes: &[usize]) -> Result<NodeId> {
        if *self.shape(x) == shape {
            return Ok(x);
        }
        let ty = TensorType::new(self.ty(x).dtype, shape);
        self.declare(Op::Broadcast { axes: axes.to_vec() }, &[x], ty)
    }

    /// A scalar repeated over a shape.
    pub fn broadcast_scalar(&mut self, x: NodeId, shape: Shape) -> Result<NodeId> {
        self.broadcast(x, shape, &[])
    }

    /// A vector along one axis of a shape, repeated over all others.
    pub fn broadcast_along(&mut self, x: NodeId, shape: Shape, axis: usize) -> Result<NodeId> {
        self.broadcast(x, shape, &[axis])
    }

    /// Puts back axes that a reduction took away, by repetition.
    pub fn broadcast_reduced(&mut self, x: NodeId, shape: Shape, reduced: &[usize]) -> Result<NodeId> {
        let kept: Vec<usize> = (0..shape.rank()).filter(|axis| !reduced.contains(axis)).collect();
        self.broadcast(x, shape, &kept)
    }

    /// The same elements in another shape; the operand itself where nothing changes.
    pub fn reshape(&mut self, x: NodeId, shape: Shape) -> Result<NodeId> {
        if *self.shape(x) == shape {
            return Ok(x);
        }
        let ty = TensorType::new(self.ty(x).dtype, shape);
        self.declare(Op::Reshape, &[x], ty)
    }

    /// Result axis `i` is operand axis `permutation[i]`; the operand itself for the identity.
    pub fn transpose(&mut self, x: NodeId, permutation: &[usize]) -> Result<NodeId> {
        if permutation.iter().enumerate().all(|(position, &axis)| position == axis) {
            return Ok(x);
        }
        self.add_node(Op::Transpose { permutation: permutation.to_vec() }, &[x])
    }

    /// Combines all elements along the axes; the operand itself for no axis.
    pub fn reduce(&mut self, kind: Reduction, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        if axes.is_empty() {
            return Ok(x);
        }
        self.add_node(Op::Reduce { kind, axes: axes.to_vec() }, &[x])
    }

    /// Sum along the axes.
    pub fn sum(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        self.reduce(Reduction::Sum, x, axes)
    }

    /// Mean along the axes, over the run-time batch where the batch is among them.
    pub fn mean(&mut self, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let count = axes
            .iter()
            .try_fold(Dim::Fixed(1), |product, &axis| product.times(self.shape(x)[axis]))
            .ok_or_else(|| InferError::new("the mean runs over the square of the batch"))?;
        let dtype = self.ty(x).dtype;
        let total = self.sum(x, axes)?;
        let count = self.extent(count, dtype)?;
        let count = self.broadcast_scalar(count, self.shape(total).clone())?;
        self.div(total, count)
    }

    /// Position of the extreme element along an axis, `i32`.
    pub fn arg_reduce(&mut self, kind: ArgReduction, x: NodeId, axis: usize) -> Result<NodeId> {
        self.add_node(Op::ArgReduce { kind, axis }, &[x])
    }

    /// The elements in order along an axis, and their positions (`i32`) before; equal ones keep their order, and
    /// NaN is larger than any number.
    pub fn sort(&mut self, x: NodeId, axis: usize, descending: bool) -> Result<(NodeId, NodeId)> {
        let order = self.add_node(Op::ArgSort { axis, descending }, &[x])?;
        Ok((self.add_node(Op::GatherAlong { axis }, &[x, order])?, order))
    }

    /// General dot product.
    pub fn contract(
        &mut self,
        a: NodeId,
        b: NodeId,
        batch: &[(usize, usize)],
        contract: &[(usize, usize)],
    ) -> Result<NodeId> {
        let op = Op::Contract(Contraction { batch: batch.to_vec(), contract: contract.to_vec() });
        self.add_node(op, &[a, b])
    }

    /// Product of two matrices.
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        self.contract(a, b, &[], &[(1, 0)])
    }

    /// General convolution.
    pub fn convolve(&mut self, x: NodeId, kernel: NodeId, convolution: Convolution) -> Result<NodeId> {
        self.add_node(Op::Convolve(convolution), &[x, kernel])
    }

    /// Combines the elements under a sliding window.
    pub fn reduce_window(&mut self, kind: WindowKind, x: NodeId, window: Window) -> Result<NodeId> {
        self.add_node(Op::ReduceWindow { kind, window }, &[x])
    }

    /// Element `index` of a tuple.
    pub fn project(&mut self, tuple: NodeId, index: usize) -> Result<NodeId> {
        self.add_node(Op::Project(index), &[tuple])
    }
}
