//! The op suite: small functions that together use every op of the table in every form that lowering
//! tells apart. One file per family of ops; each family's cases run compiled and interpreted.

pub mod contraction;
pub mod convolution;
pub mod elementwise;
pub mod indexing;
pub mod movement;
pub mod normalization;
pub mod reduction;
pub mod scan;
pub mod source;
pub mod window;

use crate::harness::{agree, agree_each, compare, random_inputs};
use dlc_interp::{Data, Tensor};
use dlc_ir::{Builder, Function, InferError, NodeId, Op, OutputRole};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

/// What a case's function returns, or the rule that it breaks.
pub type Built = Result<Vec<NodeId>, InferError>;

/// How close compiled floats must be to the oracle's. Other types are equal always.
#[derive(Clone, Copy, Debug)]
pub enum Tolerance {
    /// By norm: for results that are sums.
    Norm,
    /// Each element, by a share of itself and absolutely.
    Each(f64, f64),
}

/// One function with the inputs to try it on.
#[derive(Clone, Debug)]
pub struct Case {
    /// Says what is tried.
    pub name: String,
    /// With outputs of role output only.
    pub function: Function,
    /// Batches to run.
    pub batches: Vec<usize>,
    /// Inputs of fixed shape that are not random.
    pub inputs: BTreeMap<String, Tensor>,
    /// How close results must be.
    pub tolerance: Tolerance,
}

impl Case {
    /// A case whose function returns what `build` returns.
    ///
    /// # Panics
    /// If `build` breaks a shape rule.
    pub fn new(name: impl Into<String>, build: impl FnOnce(&mut Builder) -> Built) -> Case {
        let name = name.into();
        Case::fitting(&name, build).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The same where the shapes fit, else the rule that they break.
    pub fn fitting(name: &str, build: impl FnOnce(&mut Builder) -> Built) -> Result<Case, InferError> {
        let mut builder = Builder::new("predict");
        for (position, value) in build(&mut builder)?.into_iter().enumerate() {
            let value = batch_first(&mut builder, value);
            builder.output(OutputRole::Output, format!("y{position}"), value);
        }
        Ok(Case {
            name: name.to_owned(),
            function: builder.finish(),
            batches: vec![3, 1],
            inputs: BTreeMap::new(),
            tolerance: Tolerance::Norm,
        })
    }

    /// With values for one input.
    pub fn fed(mut self, name: &str, tensor: Tensor) -> Case {
        self.inputs.insert(name.to_owned(), tensor);
        self
    }

    /// With another tolerance.
    pub fn within(mut self, tolerance: Tolerance) -> Case {
        self.tolerance = tolerance;
        self
    }

    /// Compiled against interpreted.
    ///
    /// # Errors
    /// The difference, with the function.
    pub fn run(&self) -> Result<(), String> {
        dlc_ir::verify::verify(&self.function).map_err(|error| format!("{}: {error}", self.name))?;
        let agreement =
            |compiled: &Tensor, oracle: &Tensor, _: &dyn Fn() -> Tensor| self.judge(compiled, oracle);
        compare(&self.function, &self.batches, &|batch| self.fed_with(batch), &agreement)
            .map_err(|difference| format!("{}: {difference}", self.name))
    }

    /// The inputs for a batch.
    pub fn fed_with(&self, batch: usize) -> BTreeMap<String, Tensor> {
        let mut inputs = random_inputs(&self.function, batch, 1);
        inputs.extend(self.inputs.clone());
        inputs
    }

    /// Whether the results of every batch are close enough to the oracle's.
    ///
    /// # Errors
    /// The difference.
    pub fn judge_all(&self, results: &[(usize, Vec<Tensor>)]) -> Result<(), String> {
        for (batch, found) in results {
            let fed = self.fed_with(*batch);
            let inputs = |op: &Op| match op {
                Op::Input { name } => fed.get(name).cloned(),
                _ => None,
            };
            let oracle = dlc_interp::evaluate(&self.function, *batch, &inputs);
            for (found, oracle) in found.iter().zip(&oracle.map_err(|error| error.to_string())?) {
                self.judge(found, oracle).map_err(|difference| format!("batch {batch}: {difference}"))?;
            }
        }
        Ok(())
    }

    /// Whether a result is close enough to the oracle's.
    ///
    /// # Errors
    /// The difference.
    pub fn judge(&self, compiled: &Tensor, oracle: &Tensor) -> Result<(), String> {
        match self.tolerance {
            Tolerance::Norm => agree(compiled, oracle),
            Tolerance::Each(relative, absolute) => agree_each(compiled, oracle, relative, absolute),
        }
    }
}

/// Runs all cases and panics with the failures, the smallest functions first.
///
/// # Panics
/// If a case fails.
pub fn run_all(cases: &[Case]) {
    let start = std::time::Instant::now();
    let mut failures: Vec<(usize, String)> = Vec::new();
    for case in cases {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.run()));
        let failure = match result {
            Ok(Ok(())) => continue,
            Ok(Err(failure)) => failure,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                format!("{}: panic: {text}\n{}", case.name, case.function)
            }
        };
        failures.push((case.function.nodes.len(), failure));
    }
    println!("{} cases in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    failures.sort_by_key(|&(size, _)| size);
    let shown: Vec<&str> = failures.iter().take(8).map(|(_, failure)| failure.as_str()).collect();
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), cases.len(), shown.join("\n\n"));
}

/// What a case's function returns, for each batch of the case.
pub type Results = Vec<(usize, Vec<Tensor>)>;

/// Judges what somebody computes of every case by the oracle, and panics with the shortest failure.
///
/// # Panics
/// If a case fails.
pub fn run_by(cases: &[Case], computed: &dyn Fn(&Case) -> Result<Results, String>) {
    let failure = |case: &Case| {
        let judged = computed(case).and_then(|results| case.judge_all(&results));
        judged.err().map(|failure| format!("{}: {failure}", case.name))
    };
    let failures: Vec<String> = cases.iter().filter_map(failure).collect();
    if let Some(first) = failures.iter().min_by_key(|failure| failure.len()) {
        panic!("{} of {} cases fail, such as {first}", failures.len(), cases.len());
    }
}

/// The cases of all families.
pub fn all() -> Vec<Case> {
    [
        elementwise::cases(),
        source::cases(),
        movement::cases(),
        reduction::cases(),
        contraction::cases(),
        convolution::cases(),
        window::cases(),
        indexing::cases(),
        normalization::cases(),
        scan::cases(),
    ]
    .concat()
}

/// The value with its batch axis outermost, as outputs must have it.
fn batch_first(builder: &mut Builder, value: NodeId) -> NodeId {
    let shape = builder.shape(value).clone();
    let Some(axis) = (0..shape.rank()).find(|&axis| shape[axis].is_batch()) else { return value };
    let others = (0..shape.rank()).filter(|&other| other != axis);
    let permutation: Vec<usize> = std::iter::once(axis).chain(others).collect();
    builder.transpose(value, &permutation).expect("a permutation")
}

/// The type `dtype[N, rest…]`.
pub fn batched(dtype: DType, rest: &[usize]) -> TensorType {
    let dims = std::iter::once(Dim::N).chain(rest.iter().map(|&size| Dim::Fixed(size)));
    TensorType::new(dtype, Shape(dims.collect()))
}

/// The type `dtype[sizes…]`.
pub fn fixed(dtype: DType, sizes: &[usize]) -> TensorType {
    TensorType::new(dtype, Shape::fixed(sizes))
}

/// A vector of floats.
pub fn floats(dtype: DType, values: &[f64]) -> Tensor {
    let values = values.iter().map(|&value| dtype.rounded(value));
    Tensor::new(dtype, &[values.len()], Data::Float(values.collect())).expect("a vector")
}

/// A vector of integers.
pub fn integers(dtype: DType, values: &[i64]) -> Tensor {
    Tensor::new(dtype, &[values.len()], Data::Int(values.to_vec())).expect("a vector")
}

/// All subsets of `0..count` but the empty one.
pub fn subsets(count: usize) -> Vec<Vec<usize>> {
    (1..1_usize << count).map(|bits| (0..count).filter(|axis| bits >> axis & 1 == 1).collect()).collect()
}
