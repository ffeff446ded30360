//! A model as plain structures: what the file says, with names resolved and nothing interpreted.
//!
//! Weights are [`Array`]s that stay in their files. The empty string as the name of an input or output
//! means that it is left out. The domain `ai.onnx` is written as the empty string, as most files do.

use crate::{Array, Element};
use std::collections::{BTreeMap, BTreeSet};

/// A decoded model.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file, for messages.
    pub file: String,
    /// Version of the file format.
    pub ir_version: i64,
    /// Domain -> version of its operators.
    pub opsets: BTreeMap<String, i64>,
    /// The program that made the file.
    pub producer: String,
    /// The main graph.
    pub graph: Graph,
    /// Functions that nodes may call.
    pub functions: Vec<Function>,
}

/// A function of the model's own.
#[derive(Clone, Debug)]
pub struct Function {
    /// Domain of the operator that it defines.
    pub domain: String,
    /// Name of the operator.
    pub name: String,
    /// Tells functions of one name apart.
    pub overload: String,
    /// Formal inputs.
    pub inputs: Vec<String>,
    /// Formal outputs.
    pub outputs: Vec<String>,
    /// Attributes that a call may give.
    pub attributes: Vec<String>,
    /// Attributes with defaults.
    pub defaults: BTreeMap<String, Attribute>,
    /// The body.
    pub nodes: Vec<Node>,
}

/// A graph: the main one, or a branch or body of control flow, which sees the values around it.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Its name.
    pub name: String,
    /// Nodes, operands before users.
    pub nodes: Vec<Node>,
    /// What is fed. An initializer of the same name is its default.
    pub inputs: Vec<ValueInfo>,
    /// What is asked for.
    pub outputs: Vec<ValueInfo>,
    /// Known tensors.
    pub initializers: BTreeMap<String, Array>,
    /// Types that the file tells of inner values.
    pub value_info: Vec<ValueInfo>,
}

/// One application of an operator.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Domain of the operator; empty for ONNX's own.
    pub domain: String,
    /// The operator.
    pub op_type: String,
    /// Tells functions of one name apart.
    pub overload: String,
    /// Name of the node; may be empty.
    pub name: String,
    /// Names of the inputs; empty for one that is left out.
    pub inputs: Vec<String>,
    /// Names of the outputs; empty for one that is not wanted.
    pub outputs: Vec<String>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// The version of its operator set that the node was written for.
    pub opset: i64,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each variant is its own name")]
pub enum Attribute {
    Float(f32),
    Int(i64),
    Text(Vec<u8>),
    Tensor(Array),
    Graph(Box<Graph>),
    Sparse(Box<SparseArray>),
    Type(ValueType),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<Vec<u8>>),
    Tensors(Vec<Array>),
    Graphs(Vec<Graph>),
    Sparses(Vec<SparseArray>),
    Types(Vec<ValueType>),
    /// The attribute of that name of the function's call; none is left after inlining.
    Reference(String),
}

/// A tensor of which the elements are told that are not 0.
#[derive(Clone, Debug)]
pub struct SparseArray {
    /// The elements.
    pub values: Array,
    /// Their places: positions in row-major order, or one row of coordinates for each.
    pub indices: Array,
    /// Extents of the whole.
    pub dims: Vec<usize>,
}

/// A named value with what the file tells of its type.
#[derive(Clone, Debug)]
pub struct ValueInfo {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
}

/// The type of a value as the file tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Nothing is told.
    Unknown,
    /// A tensor.
    Tensor {
        /// Element type; `None` where it is not told.
        element: Option<Element>,
        /// Extents; `None` where not even their number is told.
        dims: Option<Vec<Extent>>,
    },
    /// A tensor that is stored by the elements that are not 0.
    Sparse,
    /// A list of values of one type.
    Sequence(Box<ValueType>),
    /// A value or nothing.
    Optional(Box<ValueType>),
    /// A table from keys to values.
    Map,
}

/// One declared extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A number.
    Fixed(usize),
    /// A name for a number that is told when the model runs.
    Symbol(String),
    /// Nothing is told.
    Unknown,
}

impl Attribute {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Attribute::Float(_) => "a float",
            Attribute::Int(_) => "an integer",
            Attribute::Text(_) => "a string",
            Attribute::Tensor(_) => "a tensor",
            Attribute::Graph(_) => "a graph",
            Attribute::Sparse(_) => "a sparse tensor",
            Attribute::Type(_) => "a type",
            Attribute::Floats(_) => "a list of floats",
            Attribute::Ints(_) => "a list of integers",
            Attribute::Texts(_) => "a list of strings",
            Attribute::Tensors(_) => "a list of tensors",
            Attribute::Graphs(_) => "a list of graphs",
            Attribute::Sparses(_) => "a list of sparse tensors",
            Attribute::Types(_) => "a list of types",
            Attribute::Reference(_) => "a reference",
        }
    }
}

impl Node {
    /// The operator as messages name it: `Add`, `ai.onnx.ml.Scaler`.
    pub fn operator(&self) -> String {
        if self.domain.is_empty() {
            self.op_type.clone()
        } else {
            format!("{}.{}", self.domain, self.op_type)
        }
    }

    /// The node as messages name it: by its name, or else by its first output.
    pub fn label(&self) -> String {
        let output = || self.outputs.iter().find(|name| !name.is_empty());
        match (self.name.as_str(), output()) {
            ("", Some(output)) => format!("node {} for `{output}`", self.operator()),
            ("", None) => format!("node {}", self.operator()),
            (name, _) => format!("node `{name}` ({})", self.operator()),
        }
    }

    /// Values that its attributes name: those of a `Gradient`.
    pub fn named_values(&self) -> impl Iterator<Item = &str> {
        let is_gradient = self.op_type == "Gradient" && self.domain == "ai.onnx.preview.training";
        let named = ["xs", "zs", "y"].into_iter().filter(move |_| is_gradient);
        let texts =
            named.filter_map(|name| self.attributes.get(name)).flat_map(|attribute| match attribute {
                Attribute::Text(text) => std::slice::from_ref(text),
                Attribute::Texts(texts) => texts.as_slice(),
                _ => &[],
            });
        texts.filter_map(|text| std::str::from_utf8(text).ok())
    }

    /// The graphs among its attributes, with the attributes' names.
    pub fn graphs(&self) -> impl Iterator<Item = (&str, &Graph)> {
        self.attributes.iter().flat_map(|(name, attribute)| {
            let graphs = match attribute {
                Attribute::Graph(graph) => std::slice::from_ref(&**graph),
                Attribute::Graphs(graphs) => graphs.as_slice(),
                _ => &[],
            };
            graphs.iter().map(move |graph| (name.as_str(), graph))
        })
    }

    /// Values from around the node that its graphs read.
    pub fn captured_values(&self) -> BTreeSet<&str> {
        let mut captured = BTreeSet::new();
        for (_, graph) in self.graphs() {
            let mut own: BTreeSet<&str> = graph.inputs.iter().map(|input| input.name.as_str()).collect();
            own.extend(graph.initializers.keys().map(String::as_str));
            own.extend(graph.nodes.iter().flat_map(|node| &node.outputs).map(String::as_str));
            let read = graph.nodes.iter().flat_map(|node| node.inputs.iter().map(String::as_str));
            let given = graph.outputs.iter().map(|output| output.name.as_str());
            let inner = graph.nodes.iter().flat_map(Node::captured_values);
            captured.extend(read.chain(given).chain(inner).filter(|name| !own.contains(name)));
        }
        captured
    }

    /// The graphs among its attributes, to change.
    pub fn graphs_mut(&mut self) -> impl Iterator<Item = &mut Graph> {
        self.attributes.values_mut().flat_map(|attribute| match attribute {
            Attribute::Graph(graph) => std::slice::from_mut(&mut **graph),
            Attribute::Graphs(graphs) => graphs.as_mut_slice(),
            _ => &mut [],
        })
    }
}

impl std::fmt::Display for ValueType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ValueType::Unknown => f.write_str("a value of unknown type"),
            ValueType::Sparse => f.write_str("a sparse tensor"),
            ValueType::Map => f.write_str("a map"),
            ValueType::Sequence(inner) => write!(f, "sequence({inner})"),
            ValueType::Optional(inner) => write!(f, "optional({inner})"),
            ValueType::Tensor { element, dims } => {
                f.write_str(element.map_or("tensor", Element::name))?;
                let Some(dims) = dims else { return f.write_str("[..]") };
                let texts = dims.iter().map(|dim| match dim {
                    Extent::Fixed(size) => size.to_string(),
                    Extent::Symbol(name) => name.clone(),
                    Extent::Unknown => "?".to_owned(),
                });
                write!(f, "[{}]", texts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
