//! Compile-time values: what a name can be bound to.
//!
//! Lists share their items and know their depth, so copying is cheap and no program can build a value
//! that is too deep to walk.

use crate::elaborate::arguments::Given;
use crate::layers::initializer::InitializerRule;
use dlc_ir::{Builder, NodeId};
use dlc_recipe::Measure;
use dlc_types::{Dim, Span, TensorType};
use std::rc::Rc;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    None,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Rc<str>),
    /// An extent that depends on the batch.
    Extent(Dim),
    List(List),
    /// `low..high`
    Range(i64, i64),
    /// A word such as `same`.
    Symbol(&'static str),
    Initializer(InitializerRule),
    Type(TensorType),
    Tensor(NodeId),
    Layer(Rc<LayerInstance>),
    /// A target of training whose type no loss has told yet.
    Target(Rc<str>),
    /// A metric that is no mean over samples.
    Metric(Measure, NodeId),
    /// A value whose making failed.
    Poison,
}

/// How deeply lists may nest.
pub(crate) const MAX_LIST_DEPTH: usize = 8;
/// How many items a list may have.
pub(crate) const MAX_LIST_LENGTH: usize = 10_000;
/// How many bytes a string may have.
pub(crate) const MAX_TEXT_LENGTH: usize = 4096;

/// Several values.
#[derive(Clone, Debug)]
pub(crate) struct List {
    items: Rc<Vec<Value>>,
    depth: usize,
}

impl List {
    /// A list, unless it would be too deep or too long.
    pub(crate) fn new(items: Vec<Value>) -> Option<List> {
        let inner = items.iter().map(|item| match item {
            Value::List(list) => list.depth,
            _ => 0,
        });
        let depth = inner.max().unwrap_or(0) + 1;
        let fits = depth <= MAX_LIST_DEPTH && items.len() <= MAX_LIST_LENGTH;
        fits.then(|| List { items: Rc::new(items), depth })
    }

    pub(crate) fn items(&self) -> &[Value] {
        &self.items
    }
}

/// A layer or block that was named to be used several times.
#[derive(Debug)]
pub(crate) struct LayerInstance {
    /// Name of the layer or block.
    pub(crate) callee: String,
    /// What is given at every use, after the tensors.
    pub(crate) given: Vec<Given>,
    /// Its path inside its frame.
    pub(crate) path: Option<String>,
    pub(crate) span: Span,
}

impl Value {
    /// A fixed extent is a number, one of the batch is not.
    pub(crate) fn from_dim(dim: Dim) -> Value {
        match dim {
            Dim::Fixed(size) => i64::try_from(size).map_or(Value::Extent(dim), Value::Int),
            Dim::Batch(_) => Value::Extent(dim),
        }
    }

    /// The number, from an integer or a float.
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self, builder: &Builder) -> String {
        match self {
            Value::None => "none".to_owned(),
            Value::Int(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::Bool(value) => value.to_string(),
            Value::Text(text) => format!("the string \"{text}\""),
            Value::Extent(dim) => format!("the batch extent {dim}"),
            Value::List(list) => format!("a list of {}", list.items.len()),
            Value::Range(low, high) => format!("the range {low}..{high}"),
            Value::Symbol(symbol) => format!("`{symbol}`"),
            Value::Initializer(_) => "an initialiser".to_owned(),
            Value::Type(ty) => format!("the type {ty}"),
            Value::Tensor(node) => format!("a tensor {}", builder.ty(*node)),
            Value::Layer(_) => "a layer".to_owned(),
            Value::Target(name) => format!("the target `{name}`, whose type is not known yet"),
            Value::Metric(..) => "a metric of all samples, with which nothing can be computed".to_owned(),
            Value::Poison => "a failed value".to_owned(),
        }
    }
}
