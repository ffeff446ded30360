//! Composites that the graph spells out and ONNX has an operator for.
//!
//! Each is found at its last node. What lies within is left out where nothing else reads it; the values that are
//! as large as the result must not be read elsewhere, so that nothing is computed twice.

use super::contraction::is_matrix_product;
use dlc_ir::{Binary, Function, NodeId, Op, Reduction, Unary, Window, WindowKind};
use dlc_types::{DType, Dim, IndexVec};

/// A composite with its operands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Composite {
    /// x, scale, shift, mean and variance.
    RunningNorm { operands: [NodeId; 5], epsilon: f64 },
    /// `x · Φ(x)` by the error function.
    Gelu { x: NodeId },
    /// Kept within two numbers.
    Clip { x: NodeId, least: f64, greatest: f64 },
    /// The mean over axes.
    Mean { x: NodeId, axes: Vec<usize> },
    /// The mean under every window.
    AveragePool { x: NodeId, window: Window },
    /// A product of matrices plus a bias.
    Dense { product: NodeId, bias: NodeId },
    /// A product of integers of 8 bits with sums of 32.
    Integers { operands: [NodeId; 2] },
    /// A convolution plus a bias per channel.
    Convolution { convolution: NodeId, bias: NodeId },
}

/// The number that a node is everywhere.
pub(super) fn scalar(function: &Function, mut id: NodeId) -> Option<f64> {
    loop {
        let node = &function.nodes[id];
        match &node.op {
            Op::Constant(literal) => return literal.as_scalar(),
            Op::Broadcast { .. } | Op::Reshape => id = *node.operands.first()?,
            _ => return None,
        }
    }
}

/// Finds composites in a function.
pub(super) struct Finder<'f> {
    function: &'f Function,
    readers: IndexVec<NodeId, usize>,
}

impl<'f> Finder<'f> {
    pub(super) fn new(function: &'f Function) -> Finder<'f> {
        let mut readers: IndexVec<NodeId, usize> = function.nodes.indices().map(|_| 0).collect();
        let operands = function.nodes.values().flat_map(|node| &node.operands);
        for &id in operands.chain(function.outputs.iter().map(|output| &output.value)) {
            readers[id] += 1;
        }
        Finder { function, readers }
    }

    /// The composite that ends with a node.
    pub(super) fn find(&self, id: NodeId) -> Option<Composite> {
        let ty = self.function.nodes[id].ty.tensor()?;
        if !ty.dtype.is_float() {
            return self.integers(id);
        }
        match &self.function.nodes[id].op {
            Op::Binary(Binary::Add) => {
                self.running_norm(id).or_else(|| self.dense(id)).or_else(|| self.convolution(id))
            }
            Op::Binary(Binary::Multiply) => self.gelu(id).or_else(|| self.mean(id)),
            Op::Binary(Binary::Divide) => self.mean(id),
            Op::Binary(Binary::Min | Binary::Max) => self.clip(id),
            _ => None,
        }
    }

    fn op(&self, id: NodeId) -> &'f Op {
        &self.function.nodes[id].op
    }

    fn operand(&self, id: NodeId, place: usize) -> Option<NodeId> {
        self.function.nodes[id].operands.get(place).copied()
    }

    fn unary(&self, function: Unary, id: NodeId) -> Option<NodeId> {
        if *self.op(id) == Op::Unary(function) { self.operand(id, 0) } else { None }
    }

    fn binary(&self, function: Binary, id: NodeId) -> Option<[NodeId; 2]> {
        if *self.op(id) != Op::Binary(function) {
            return None;
        }
        Some([self.operand(id, 0)?, self.operand(id, 1)?])
    }

    /// The operands in both orders, of which `matches` takes one.
    fn either<T>(
        &self,
        function: Binary,
        id: NodeId,
        matches: impl Fn(NodeId, NodeId) -> Option<T>,
    ) -> Option<T> {
        let [a, b] = self.binary(function, id)?;
        matches(a, b).or_else(|| matches(b, a))
    }

    /// The other operand beside a constant that is near a number.
    fn beside(&self, function: Binary, id: NodeId, number: f64) -> Option<NodeId> {
        self.either(function, id, |a, b| {
            let near = scalar(self.function, b).is_some_and(|value| (value - number).abs() < 1e-6);
            near.then_some(a)
        })
    }

    fn only(&self, id: NodeId) -> Option<NodeId> {
        (self.readers[id] == 1).then_some(id)
    }

    /// What is broadcast from `[channels]` along axis 1 of a result of that rank.
    fn per_channel(&self, id: NodeId) -> Option<NodeId> {
        let inner = self.operand(id, 0)?;
        let channels = self.function.nodes[id].ty.tensor()?.shape.dims().get(1)?;
        let vector = self.function.nodes[inner].ty.tensor()?.shape.dims() == [*channels];
        (matches!(self.op(id), Op::Broadcast { axes } if axes[..] == [1]) && vector).then_some(inner)
    }

    fn running_norm(&self, id: NodeId) -> Option<Composite> {
        self.either(Binary::Add, id, |scaled, shift| {
            let shift = self.per_channel(shift)?;
            let scaled = self.only(scaled)?;
            self.either(Binary::Multiply, scaled, |centred, factor| {
                let factor = self.per_channel(factor)?;
                let [x, mean] = self.binary(Binary::Subtract, self.only(centred)?)?;
                let mean = self.per_channel(mean)?;
                let (scale, variance, epsilon) = self.either(Binary::Multiply, factor, |root, scale| {
                    let shifted = self.unary(Unary::ReciprocalSqrt, root)?;
                    let (variance, epsilon) = self.either(Binary::Add, shifted, |variance, epsilon| {
                        Some((variance, scalar(self.function, epsilon)?))
                    })?;
                    Some((scale, variance, epsilon))
                })?;
                Some(Composite::RunningNorm { operands: [x, scale, shift, mean, variance], epsilon })
            })
        })
    }

    /// What a product multiplies: up to three factors, in whatever order they are combined.
    fn factors(&self, id: NodeId) -> Option<Vec<NodeId>> {
        let mut factors = self.binary(Binary::Multiply, id)?.to_vec();
        let inner = factors.iter().position(|&factor| {
            self.only(factor).and_then(|factor| self.binary(Binary::Multiply, factor)).is_some()
        });
        if let Some(place) = inner {
            let product = factors.remove(place);
            factors.extend(self.binary(Binary::Multiply, product)?);
        }
        Some(factors)
    }

    fn gelu(&self, id: NodeId) -> Option<Composite> {
        let mut factors = self.factors(id)?;
        let half = factors.iter().position(|&factor| scalar(self.function, factor) == Some(0.5))?;
        factors.remove(half);
        let &[a, b] = factors.as_slice() else { return None };
        let gated = |x: NodeId, gate: NodeId| {
            let error = self.beside(Binary::Add, self.only(gate)?, 1.0)?;
            let inner = self.only(self.unary(Unary::Erf, self.only(error)?)?)?;
            let multiplied = self.beside(Binary::Multiply, inner, std::f64::consts::FRAC_1_SQRT_2);
            let divided = || {
                let [x, root] = self.binary(Binary::Divide, inner)?;
                let near = (scalar(self.function, root)? - std::f64::consts::SQRT_2).abs() < 1e-6;
                near.then_some(x)
            };
            (multiplied.or_else(divided)? == x).then_some(Composite::Gelu { x })
        };
        gated(a, b).or_else(|| gated(b, a))
    }

    fn clip(&self, id: NodeId) -> Option<Composite> {
        let bound = |function: Binary, id: NodeId| {
            self.either(function, id, |x, bound| Some((x, scalar(self.function, bound)?)))
        };
        let (x, least, greatest) = match self.op(id) {
            Op::Binary(Binary::Min) => {
                let (inner, greatest) = bound(Binary::Min, id)?;
                let inner = self.only(inner)?;
                let rectified = self.unary(Unary::Relu, inner).map(|x| (x, 0.0));
                let (x, least) = rectified.or_else(|| bound(Binary::Max, inner))?;
                (x, least, greatest)
            }
            _ => {
                let (inner, least) = bound(Binary::Max, id)?;
                let (x, greatest) = bound(Binary::Min, self.only(inner)?)?;
                (x, least, greatest)
            }
        };
        (least <= greatest).then_some(Composite::Clip { x, least, greatest })
    }

    /// The number that a node is divided by, and the node.
    fn divided(&self, id: NodeId) -> Option<(NodeId, f64)> {
        if let Some([sum, count]) = self.binary(Binary::Divide, id) {
            return Some((sum, scalar(self.function, count)?));
        }
        self.either(Binary::Multiply, id, |sum, factor| Some((sum, 1.0 / scalar(self.function, factor)?)))
    }

    fn mean(&self, id: NodeId) -> Option<Composite> {
        let (sum, count) = self.divided(id)?;
        let sum = self.only(sum)?;
        let x = self.operand(sum, 0)?;
        let is_count = |product: usize| (count / product as f64 - 1.0).abs() < 1e-7;
        match self.op(sum) {
            Op::Reduce { kind: Reduction::Sum, axes } if !axes.is_empty() => {
                let shape = &self.function.nodes[x].ty.tensor()?.shape;
                let mut sizes = axes.iter().map(|&axis| shape[axis]);
                let product = sizes.try_fold(Dim::Fixed(1), |product, dim| product.times(dim))?;
                let axes = axes.clone();
                is_count(product.fixed()?).then_some(Composite::Mean { x, axes })
            }
            Op::ReduceWindow { kind: WindowKind::Sum, window } => {
                let (sizes, padding) = (&window.sizes, &window.padding);
                let still =
                    |axis: usize| sizes[axis] == 1 && window.strides[axis] == 1 && padding[axis] == (0, 0);
                let narrow = padding.iter().zip(sizes).all(|(&(low, high), &size)| low < size && high < size);
                let pools = (3..=5).contains(&sizes.len()) && still(0) && still(1) && narrow;
                let window = window.clone();
                (pools && is_count(sizes.iter().product())).then_some(Composite::AveragePool { x, window })
            }
            _ => None,
        }
    }

    /// What is broadcast from one axis along the last of two.
    fn row(&self, id: NodeId) -> Option<NodeId> {
        let inner = self.operand(id, 0)?;
        let vector = self.function.nodes[inner].ty.tensor()?.shape.rank() == 1;
        (matches!(self.op(id), Op::Broadcast { axes } if axes[..] == [1]) && vector).then_some(id)
    }

    fn dense(&self, id: NodeId) -> Option<Composite> {
        self.either(Binary::Add, id, |product, bias| {
            let Op::Contract(contraction) = self.op(self.only(product)?) else { return None };
            let matrices = self.function.nodes[product].operands.iter().all(|&operand| {
                self.function.nodes[operand].ty.tensor().is_some_and(|ty| ty.shape.rank() == 2)
            });
            let one = contraction.batch.is_empty() && contraction.contract.len() == 1;
            let bias = self.row(bias)?;
            (matrices && one).then_some(Composite::Dense { product, bias })
        })
    }

    /// Both operands are widened from 8 bits, and ONNX has an operator for the product.
    fn integers(&self, id: NodeId) -> Option<Composite> {
        let &[a, b] = self.function.nodes[id].operands.as_slice() else { return None };
        let narrow = |id: NodeId| {
            let inner = self.operand(id, 0).filter(|_| *self.op(id) == Op::Cast(DType::I32))?;
            let dtype = self.function.nodes[inner].ty.tensor()?.dtype;
            matches!(dtype, DType::I8 | DType::U8).then_some(inner)
        };
        let rank = |id: NodeId| self.function.nodes[id].ty.tensor().map(|ty| ty.shape.rank());
        let known = match self.op(id) {
            Op::Contract(contraction) => is_matrix_product(contraction, [rank(a)?, rank(b)?]),
            Op::Convolve(convolution) => !convolution.strides.is_empty(),
            _ => false,
        };
        if known { Some(Composite::Integers { operands: [narrow(a)?, narrow(b)?] }) } else { None }
    }

    fn convolution(&self, id: NodeId) -> Option<Composite> {
        self.either(Binary::Add, id, |convolution, bias| {
            let Op::Convolve(_) = self.op(self.only(convolution)?) else { return None };
            let bias = self.per_channel(bias)?;
            Some(Composite::Convolution { convolution, bias })
        })
    }
}
