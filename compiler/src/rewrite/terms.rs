//! What a rule sees: classes of equal terms, questions about them, and the means to add terms.
//!
//! A term that breaks a shape rule of the graph is never made: the method gives `None`, the rule ends
//! with `?`, and nothing is rewritten.

use super::facts::{Deduction, Facts, Kept};
use super::term::{OpTexts, Term};
use dlc_ir::{Binary, Literal, NodeId, Op, Reduction, Type, Unary, infer};
use dlc_types::{DType, Shape, TensorType};
use egg::{EGraph, Id};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A class of equal terms.
pub(crate) type Class = Id;

/// The e-graph of one region.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    pub(super) graph: EGraph<Term, Deduction>,
    texts: OpTexts,
    /// Number of the rule that is being applied; new terms carry it.
    pub(super) rule: Option<u16>,
    serial: u32,
}

impl Terms {
    /// Starts a new region; the numbers of ops stay.
    pub(super) fn clear(&mut self, leaves: BTreeMap<NodeId, Kept>) {
        self.graph = EGraph::new(Deduction { origin: 0, leaves });
        self.rule = None;
        self.serial = 0;
    }

    /// The facts of a class.
    pub(crate) fn facts(&self, class: Class) -> &Facts {
        &self.graph[class].data
    }

    /// The tensor type of a class. No rule sees a tuple: composite ops are expanded before.
    pub(crate) fn ty(&self, class: Class) -> &TensorType {
        const NONE: &TensorType = &TensorType { dtype: DType::Bool, shape: Shape(Vec::new()) };
        self.facts(class).ty.tensor().unwrap_or(NONE)
    }

    /// The shape of a class.
    pub(crate) fn shape(&self, class: Class) -> &Shape {
        &self.ty(class).shape
    }

    /// Number of axes.
    pub(crate) fn rank(&self, class: Class) -> usize {
        self.shape(class).rank()
    }

    /// Whether the elements are floats.
    pub(crate) fn is_float(&self, class: Class) -> bool {
        self.ty(class).dtype.is_float()
    }

    /// A number as the element type of a term holds it.
    pub(crate) fn rounded(&self, class: Class, value: f64) -> f64 {
        self.ty(class).dtype.rounded(value)
    }

    /// The value of every element, where it is known and the same.
    pub(crate) fn splat(&self, class: Class) -> Option<f64> {
        self.facts(class).splat
    }

    /// Whether every element is known to be that number.
    pub(crate) fn is_splat(&self, class: Class, value: f64) -> bool {
        self.splat(class) == Some(value)
    }

    /// Whether the class depends on parameters, states and constants alone.
    pub(crate) fn is_persistent(&self, class: Class) -> bool {
        self.facts(class).persistent
    }

    /// Whether no element is below zero (NaN apart).
    pub(crate) fn is_nonnegative(&self, class: Class) -> bool {
        self.facts(class).range.0 >= 0.0
    }

    /// Whether two classes are known to be equal.
    pub(crate) fn same(&self, a: Class, b: Class) -> bool {
        self.graph.find(a) == self.graph.find(b)
    }

    /// The first answer that `question` gives to a term of the class (op, operands).
    pub(crate) fn find<T>(&self, class: Class, question: impl Fn(&Op, &[Class]) -> Option<T>) -> Option<T> {
        let terms = self.graph[class].nodes.iter().filter(|term| term.leaf.is_none());
        terms.into_iter().find_map(|term| question(&term.op, &term.operands))
    }

    /// The operand of a term of that function in the class.
    pub(crate) fn unary_of(&self, class: Class, function: Unary) -> Option<Class> {
        self.find(class, |op, operands| (*op == Op::Unary(function)).then(|| operands[0]))
    }

    /// The operands of a term of that function in the class.
    pub(crate) fn binary_of(&self, class: Class, function: Binary) -> Option<(Class, Class)> {
        self.find(class, |op, operands| (*op == Op::Binary(function)).then(|| (operands[0], operands[1])))
    }

    /// The number in `a op constant` or `constant op a`, with `a`.
    pub(crate) fn with_constant(&self, class: Class, function: Binary) -> Option<(Class, f64)> {
        self.find(class, |op, operands| {
            (*op == Op::Binary(function)).then_some(())?;
            let (a, b) = (operands[0], operands[1]);
            let right = self.splat(b).map(|value| (a, value));
            right.or_else(|| self.splat(a).map(|value| (b, value)))
        })
    }

    /// The operand and the axes of a broadcast in the class: of the operand with the fewest axes.
    pub(crate) fn broadcast_of(&self, class: Class) -> Option<(Class, Vec<usize>)> {
        let broadcasts = self.graph[class].nodes.iter().filter_map(|term| match &*term.op {
            Op::Broadcast { axes } => Some((term.operands[0], axes)),
            _ => None,
        });
        broadcasts.min_by_key(|(_, axes)| axes.len()).map(|(x, axes)| (x, axes.clone()))
    }

    /// The operand and the permutation of a transpose in the class.
    pub(crate) fn transpose_of(&self, class: Class) -> Option<(Class, Vec<usize>)> {
        self.find(class, |op, operands| match op {
            Op::Transpose { permutation } => Some((operands[0], permutation.clone())),
            _ => None,
        })
    }

    /// The operand of a reshape in the class.
    pub(crate) fn reshape_of(&self, class: Class) -> Option<Class> {
        self.find(class, |op, operands| matches!(op, Op::Reshape).then(|| operands[0]))
    }

    /// The reshapes and transposes in the class, with their operands.
    pub(crate) fn movements_of(&self, class: Class) -> impl Iterator<Item = (Op, Class)> + '_ {
        let moved = self.graph[class].nodes.iter().filter(|term| term.leaf.is_none());
        let moved = moved.filter(|term| matches!(&*term.op, Op::Reshape | Op::Transpose { .. }));
        moved.map(|term| ((*term.op).clone(), term.operands[0]))
    }

    /// The second operands of all terms of that op whose first operand is the class and which no rule made,
    /// in the order of the function.
    pub(crate) fn partners(&self, class: Class, op: &Op) -> Vec<Class> {
        let class = self.graph.find(class);
        let users = self.graph[class].parents().map(|id| self.graph.id_to_node(id));
        let mut found: Vec<(u32, Class)> = users
            .filter(|term| term.rule.is_none() && *term.op == *op && term.operands.len() == 2)
            .filter(|term| self.graph.find(term.operands[0]) == class)
            .map(|term| (term.serial, self.graph.find(term.operands[1])))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, partner)| partner).collect()
    }

    /// Adds a term whose type follows from its operands.
    pub(crate) fn add(&mut self, op: Op, operands: &[Class]) -> Option<Class> {
        self.insert(op, operands, None)
    }

    /// Adds a term whose type is a free choice.
    pub(crate) fn declare(&mut self, op: Op, operands: &[Class], ty: TensorType) -> Option<Class> {
        self.insert(op, operands, Some(Arc::new(Type::Tensor(ty))))
    }

    pub(super) fn insert(
        &mut self,
        op: Op,
        operands: &[Class],
        declared: Option<Arc<Type>>,
    ) -> Option<Class> {
        let mut term = self.texts.term(op, operands, declared.clone());
        if let Some(class) = self.graph.lookup(&mut term) {
            return Some(self.graph.find(class));
        }
        let types: Vec<&Type> = term.operands.iter().map(|&operand| &*self.graph[operand].data.ty).collect();
        let choice = declared.as_deref().and_then(Type::tensor);
        let choice = choice.filter(|_| infer::needs_declared_type(&term.op));
        term.ty = Arc::new(infer::infer(&term.op, &types, choice).ok()?);
        term.rule = self.rule;
        Some(self.push(term))
    }

    pub(super) fn insert_leaf(&mut self, node: NodeId, ty: Arc<Type>) -> Class {
        let term = self.texts.leaf(node, ty);
        self.push(term)
    }

    fn push(&mut self, mut term: Term) -> Class {
        self.serial += 1;
        term.serial = self.serial;
        self.graph.add(term)
    }

    /// Number of the text of an op, for hash-consing outside of the e-graph.
    pub(super) fn text_number(&mut self, op: &Op, ty: &Type) -> u32 {
        self.texts.number(op, Some(ty))
    }

    /// A function of one operand.
    pub(crate) fn unary(&mut self, function: Unary, x: Class) -> Option<Class> {
        self.add(Op::Unary(function), &[x])
    }

    /// A function of two operands.
    pub(crate) fn binary(&mut self, function: Binary, a: Class, b: Class) -> Option<Class> {
        self.add(Op::Binary(function), &[a, b])
    }

    /// `a + b`
    pub(crate) fn plus(&mut self, a: Class, b: Class) -> Option<Class> {
        self.binary(Binary::Add, a, b)
    }

    /// `a - b`
    pub(crate) fn minus(&mut self, a: Class, b: Class) -> Option<Class> {
        self.binary(Binary::Subtract, a, b)
    }

    /// `a * b`
    pub(crate) fn times(&mut self, a: Class, b: Class) -> Option<Class> {
        self.binary(Binary::Multiply, a, b)
    }

    /// `-x`
    pub(crate) fn negate(&mut self, x: Class) -> Option<Class> {
        self.unary(Unary::Negate, x)
    }

    /// A tensor of that type filled with a number, unless the type cannot hold it.
    pub(crate) fn filled(&mut self, ty: &TensorType, value: f64) -> Option<Class> {
        if super::facts::rounded(ty.dtype, value)?.to_bits() != value.to_bits() {
            return None;
        }
        let scalar = self.add(Op::Constant(Literal::scalar(ty.dtype, value)), &[])?;
        self.broadcast(scalar, ty.shape.clone(), &[])
    }

    /// A tensor of the type of `like` filled with a number.
    pub(crate) fn filled_like(&mut self, like: Class, value: f64) -> Option<Class> {
        let ty = self.ty(like).clone();
        self.filled(&ty, value)
    }

    /// Operand axis `i` becomes result axis `axes[i]`; the operand itself where nothing changes.
    pub(crate) fn broadcast(&mut self, x: Class, shape: Shape, axes: &[usize]) -> Option<Class> {
        if *self.shape(x) == shape {
            return Some(x);
        }
        let ty = TensorType::new(self.ty(x).dtype, shape);
        self.declare(Op::Broadcast { axes: axes.to_vec() }, &[x], ty)
    }

    /// Result axis `i` is operand axis `permutation[i]`; the operand itself for the identity.
    pub(crate) fn transpose(&mut self, x: Class, permutation: &[usize]) -> Option<Class> {
        if permutation.iter().copied().eq(0..permutation.len()) {
            return Some(x);
        }
        self.add(Op::Transpose { permutation: permutation.to_vec() }, &[x])
    }

    /// The same elements in another shape; the operand itself where nothing changes.
    pub(crate) fn reshape(&mut self, x: Class, shape: Shape) -> Option<Class> {
        if *self.shape(x) == shape {
            return Some(x);
        }
        let ty = TensorType::new(self.ty(x).dtype, shape);
        self.declare(Op::Reshape, &[x], ty)
    }

    /// All elements along the axes combined; the operand itself for no axis.
    pub(crate) fn reduce(&mut self, kind: Reduction, x: Class, axes: &[usize]) -> Option<Class> {
        if axes.is_empty() {
            return Some(x);
        }
        self.add(Op::Reduce { kind, axes: axes.to_vec() }, &[x])
    }
}
