//! The yardstick: a function's gradients next to `(loss(p + h) - loss(p - h)) / 2h` for every element.

use dlc_compiler::autodiff::differentiate;
use dlc_compiler::composite::{Statistics, expand_composites};
use dlc_interp::{Data, Tensor, evaluate};
use dlc_ir::verify::verify;
use dlc_ir::{Binary, Builder, Function, InferError, NodeId, Op, OutputRole, Unary};
use dlc_types::random::Stream;
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

/// The batch size of every test.
pub(crate) const BATCH: usize = 3;
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 2e-8;

pub(crate) type Built<T = NodeId> = Result<T, InferError>;
pub(crate) type Values = BTreeMap<String, Tensor>;

/// Names, shapes and values of the tensors that a graph under test starts from.
#[derive(Clone, Default)]
pub(crate) struct Case {
    pub(crate) parameters: Vec<(String, Vec<usize>)>,
    pub(crate) values: Values,
    seed: u64,
}

impl Case {
    pub(crate) fn new() -> Case {
        Case::default()
    }

    /// A parameter with values spread over `low..high`.
    pub(crate) fn spread(self, name: &str, sizes: &[usize], low: f64, high: f64) -> Case {
        let count = sizes.iter().product();
        let mut stream = Stream::new(self.seed, 7, self.parameters.len() as u32);
        let values = (0..count).map(|_| low + (high - low) * f64::from(stream.unit())).collect();
        self.exact(name, sizes, values)
    }

    /// A parameter with values between -1 and 1.
    pub(crate) fn parameter(self, name: &str, sizes: &[usize]) -> Case {
        self.spread(name, sizes, -1.0, 1.0)
    }

    /// A parameter with these values.
    pub(crate) fn exact(mut self, name: &str, sizes: &[usize], values: Vec<f64>) -> Case {
        self.parameters.push((name.to_owned(), sizes.to_vec()));
        self.values.insert(name.to_owned(), floats(sizes, values));
        self
    }

    /// Differentiates, compares with finite differences, and checks that expanding composite ops changes
    /// no gradient. Every result of `build` has an influence on the loss. Returns the differentiated
    /// function.
    pub(crate) fn check(&self, build: impl Fn(&mut Builder, &[NodeId]) -> Built<Vec<NodeId>>) -> Function {
        self.check_function(&self.loss(build))
    }

    /// The same for the gradients of the gradients.
    pub(crate) fn check_twice(&self, build: impl Fn(&mut Builder, &[NodeId]) -> Built<Vec<NodeId>>) {
        let once = self.check(build);
        let gradients: Vec<NodeId> = outputs(&once, OutputRole::Gradient);
        let mut function = once;
        function.outputs.clear();
        let mut b = Builder::extend(function);
        let loss = weighted_sum(&mut b, &gradients).unwrap();
        b.output(OutputRole::Loss, "loss", loss);
        self.check_function(&b.finish());
    }

    /// The function under test: a weighted sum of all that `build` makes.
    pub(crate) fn loss(&self, build: impl Fn(&mut Builder, &[NodeId]) -> Built<Vec<NodeId>>) -> Function {
        let mut b = Builder::new("forward");
        let parameters: Vec<NodeId> = self
            .parameters
            .iter()
            .map(|(name, sizes)| b.parameter(name, TensorType::new(DType::F64, Shape::fixed(sizes))).unwrap())
            .collect();
        let results = build(&mut b, &parameters).unwrap();
        let loss = weighted_sum(&mut b, &results).unwrap();
        b.output(OutputRole::Loss, "loss", loss);
        b.finish()
    }

    fn check_function(&self, forward: &Function) -> Function {
        let names: Vec<String> = self.parameters.iter().map(|(name, _)| name.clone()).collect();
        let function = differentiate(forward, &names).unwrap();
        let expanded = expand_composites(&function, Statistics::Centred).unwrap();
        verify(&function).unwrap();
        verify(&expanded).unwrap();
        let gradients = run(&function, &self.values);
        let expanded = run(&expanded, &self.values);
        for (name, _) in &self.parameters {
            let (gradient, expanded) = (elements(&gradients, name), elements(&expanded, name));
            for (position, (&actual, &expanded)) in gradient.iter().zip(&expanded).enumerate() {
                let expected = self.difference(forward, name, position);
                let bound = |size: f64| size * (1.0 + expected.abs());
                assert!(
                    (actual - expected).abs() <= bound(TOLERANCE),
                    "d loss / d {name}[{position}] is {actual}, by differences {expected}"
                );
                assert!(
                    (actual - expanded).abs() <= bound(1e-11),
                    "{name}[{position}]: {actual}, {expanded}"
                );
            }
        }
        function
    }

    /// The gradient of one parameter.
    pub(crate) fn gradient(&self, forward: &Function, name: &str) -> Vec<f64> {
        elements(&run(&differentiate(forward, &[name.to_owned()]).unwrap(), &self.values), name)
    }

    /// Central difference of fourth order.
    fn difference(&self, forward: &Function, name: &str, position: usize) -> f64 {
        let loss = |offset: f64| {
            let mut values = self.values.clone();
            let Some(Tensor { data: Data::Float(elements), .. }) = values.get_mut(name) else {
                panic!("no {name}");
            };
            elements[position] += offset;
            elements_of(&run(forward, &values)["loss"])[0]
        };
        let near = loss(STEP) - loss(-STEP);
        let far = loss(2.0 * STEP) - loss(-2.0 * STEP);
        (8.0 * near - far) / (12.0 * STEP)
    }
}

/// Sum of all elements of all values, each with a weight of its own, so that no two elements may be
/// confused.
pub(crate) fn weighted_sum(b: &mut Builder, values: &[NodeId]) -> Built {
    let mut total = b.scalar(DType::F64, 0.0)?;
    for (number, &value) in values.iter().enumerate() {
        let shape = b.shape(value).clone();
        let mut phase = b.splat_like(value, 0.7 + number as f64)?;
        for axis in 0..shape.rank() {
            let ty = TensorType::new(DType::F64, shape.clone());
            let position = b.declare(Op::Iota { axis }, &[], ty)?;
            let part = b.scale(position, 1.3 + 0.9 * axis as f64)?;
            phase = b.add(phase, part)?;
        }
        let weight = b.unary(Unary::Sin, phase)?;
        let product = b.binary(Binary::Multiply, weight, value)?;
        let axes: Vec<usize> = (0..shape.rank()).collect();
        let sum = b.sum(product, &axes)?;
        total = b.add(total, sum)?;
    }
    Ok(total)
}

/// An `f64` tensor over the batch whose elements are sines of their places; no parameter flows in.
pub(crate) fn batch_values(b: &mut Builder, rest: &[usize]) -> Built {
    let mut dims = vec![Dim::N];
    dims.extend(rest.iter().map(|&size| Dim::Fixed(size)));
    let shape = Shape(dims);
    let mut phase = b.splat(DType::F64, shape.clone(), 0.2)?;
    for axis in 0..shape.rank() {
        let position = b.declare(Op::Iota { axis }, &[], TensorType::new(DType::F64, shape.clone()))?;
        let part = b.scale(position, 2.1 + 1.7 * axis as f64)?;
        phase = b.add(phase, part)?;
    }
    b.unary(Unary::Sin, phase)
}

/// A parameter of shape `[1, rest…]`, or `[rest…]` added to [`batch_values`]: something of batch size that
/// depends on it.
pub(crate) fn over_batch(b: &mut Builder, parameter: NodeId) -> Built {
    let sizes = b.shape(parameter).as_fixed().unwrap();
    let values = batch_values(b, &sizes)?;
    let shape = b.shape(values).clone();
    let axes: Vec<usize> = (1..shape.rank()).collect();
    let wide = b.broadcast(parameter, shape, &axes)?;
    let product = b.mul(values, wide)?;
    b.add(product, values)
}

pub(crate) fn floats(sizes: &[usize], values: Vec<f64>) -> Tensor {
    Tensor { dtype: DType::F64, dims: sizes.to_vec(), data: Data::Float(values) }
}

pub(crate) fn elements_of(tensor: &Tensor) -> Vec<f64> {
    match &tensor.data {
        Data::Float(values) => values.clone(),
        other => panic!("{other:?} is no float tensor"),
    }
}

pub(crate) fn elements(values: &Values, name: &str) -> Vec<f64> {
    elements_of(&values[name])
}

pub(crate) fn outputs(function: &Function, role: OutputRole) -> Vec<NodeId> {
    function.outputs.iter().filter(|output| output.role == role).map(|output| output.value).collect()
}

/// All outputs by name; the names of the functions here are unique across roles.
pub(crate) fn run(function: &Function, values: &Values) -> Values {
    let externals = |op: &Op| match op {
        Op::Input { name } | Op::Parameter { name } | Op::State { name } => values.get(name).cloned(),
        _ => None,
    };
    let results = evaluate(function, BATCH, &externals).unwrap();
    function.outputs.iter().map(|output| output.name.clone()).zip(results).collect()
}
