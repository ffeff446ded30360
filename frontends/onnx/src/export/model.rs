//! A whole function as a model.

use super::recognise::{Composite, Finder};
use super::scope::{BatchSource, Scope, Value, Written};
use crate::{Array, Document, Element, Extent, Graph, ValueInfo, ValueType};
use dlc_ir::{Declaration, Function, Node, NodeId, Op};
use dlc_types::{Dim, IndexVec, TensorType};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The version of the operators that are written.
pub const OPSET: i64 = 22;
/// The version of the format that came with it.
const IR_VERSION: i64 = 10;

/// Why a function is not written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExportError {
    /// Ops that have no form in ONNX; one line for each, with the layer.
    #[error("{}", .0.join("\n"))]
    NoForm(Vec<String>),
    /// A name that stands for two things, or a weight that cannot be had.
    #[error("{0}")]
    Invalid(String),
}

/// A model that can be written.
#[derive(Clone, Debug)]
pub struct Exported {
    /// All of it; the initializers are the weights and the constants.
    pub document: Document,
    /// How often each operator is there.
    pub operators: BTreeMap<String, usize>,
    /// Names of the initializers that are parameters or states of the model.
    pub weights: Vec<String>,
}

/// Writes a function as the model of that name. `inputs` are declared in their order, whether they are read or
/// not; `weights` gives the values of parameters and states, and is asked once nothing is refused.
///
/// # Errors
/// Ops without a form in ONNX, all at once; names that stand for two things; weights that do not fit.
pub fn export(
    name: &str,
    function: &Function,
    inputs: &[Declaration],
    weights: &mut dyn FnMut(&str, &TensorType) -> Result<Array, String>,
) -> Result<Exported, ExportError> {
    let names = Names::of(function, inputs)?;
    let finder = Finder::new(function);
    let composites: BTreeMap<NodeId, Composite> =
        function.nodes.indices().filter_map(|id| Some((id, finder.find(id)?))).collect();
    let live = live_nodes(function, &composites);
    let mut scope = Scope::new(function, names.all.clone(), batch_source(inputs));
    let mut refused = Vec::new();
    let mut poisoned = BTreeSet::new();
    for (id, node) in function.nodes.iter().filter(|&(id, _)| live[id]) {
        scope.path.clone_from(&node.origin.path);
        let needs = composites.get(&id).map_or_else(|| node.operands.clone(), |one| needs(function, one));
        // A node whose operand is refused says nothing new.
        if needs.iter().any(|operand| poisoned.contains(operand)) {
            poisoned.insert(id);
            continue;
        }
        match write_node(&mut scope, id, node, composites.get(&id)) {
            Ok(values) => scope.set(id, values),
            Err(what) => {
                poisoned.insert(id);
                refused.push(line(node, &what));
            }
        }
    }
    if !refused.is_empty() {
        return Err(ExportError::NoForm(refused));
    }
    outputs(&mut scope, &names.outputs).map_err(ExportError::NoForm)?;
    let leaves = names.leaves.iter().filter(|(id, _)| live[*id]);
    let mut known = Vec::new();
    for (id, leaf) in leaves {
        let ty = scope.ty(*id).map_err(ExportError::Invalid)?;
        let array = weights(leaf, ty).map_err(ExportError::Invalid)?;
        let fits =
            array.element() == Element::of(ty.dtype) && Some(array.dims().to_vec()) == ty.shape.as_fixed();
        if !fits {
            return Err(ExportError::Invalid(format!("`{leaf}` is {}, not {ty}", array.type_text())));
        }
        if scope.initializers.insert(leaf.clone(), array).is_none() {
            known.push(leaf.clone());
        }
    }
    Ok(exported(name, scope, inputs, &names.outputs, known))
}

fn line(node: &Node, what: &str) -> String {
    match node.origin.path.as_str() {
        "" => format!("{}: {what}", node.op.name()),
        path => format!("{} in `{path}`: {what}", node.op.name()),
    }
}

/// The names that the model gives.
struct Names {
    all: BTreeSet<String>,
    outputs: Vec<String>,
    leaves: Vec<(NodeId, String)>,
}

impl Names {
    fn of(function: &Function, inputs: &[Declaration]) -> Result<Names, ExportError> {
        let twice = |name: &str| ExportError::Invalid(format!("`{name}` names two values of the model"));
        let mut all: BTreeSet<String> = inputs.iter().map(|input| input.name.clone()).collect();
        let mut leaves: Vec<(NodeId, String)> = Vec::new();
        for (id, node) in function.nodes.iter() {
            let (Op::Parameter { name } | Op::State { name }) = &node.op else { continue };
            let known = leaves.iter().any(|(_, other)| other == name);
            if !known && !all.insert(name.clone()) {
                return Err(twice(name));
            }
            leaves.push((id, name.clone()));
        }
        // A text may call an output as an input is called, a file may not.
        let outputs = function.outputs.iter().map(|output| {
            let mut name = output.name.clone();
            while !all.insert(name.clone()) {
                name.push_str("_output");
            }
            name
        });
        let outputs = outputs.collect();
        Ok(Names { all, outputs, leaves })
    }
}

fn batch_source(inputs: &[Declaration]) -> Option<BatchSource> {
    inputs.iter().find_map(|input| {
        let mut axes = input.ty.shape.dims().iter().enumerate();
        axes.find_map(|(axis, dim)| match *dim {
            Dim::Batch(scale) => Some(BatchSource { input: input.name.clone(), axis, scale }),
            Dim::Fixed(_) => None,
        })
    })
}

/// What a composite reads.
fn needs(function: &Function, composite: &Composite) -> Vec<NodeId> {
    let with =
        |inner: NodeId, bias: NodeId| function.nodes[inner].operands.iter().copied().chain([bias]).collect();
    match composite {
        Composite::RunningNorm { operands, .. } => operands.to_vec(),
        Composite::Gelu { x } | Composite::Clip { x, .. } => vec![*x],
        Composite::Mean { x, .. } | Composite::AveragePool { x, .. } => vec![*x],
        Composite::Integers { operands } => operands.to_vec(),
        Composite::Dense { product, bias } => with(*product, *bias),
        Composite::Convolution { convolution, bias } => with(*convolution, *bias),
    }
}

pub(super) fn live_nodes(
    function: &Function,
    composites: &BTreeMap<NodeId, Composite>,
) -> IndexVec<NodeId, bool> {
    let mut live: IndexVec<NodeId, bool> = function.nodes.indices().map(|_| false).collect();
    for output in &function.outputs {
        live[output.value] = true;
    }
    for (id, node) in function.nodes.iter().rev() {
        if live[id] {
            let read = composites.get(&id).map(|composite| needs(function, composite));
            for operand in read.unwrap_or_else(|| node.operands.clone()) {
                live[operand] = true;
            }
        }
    }
    live
}

fn composite_node(scope: &mut Scope<'_>, node: &Node, composite: &Composite) -> Written<Value> {
    let shape = &node.ty.tensor().ok_or("several results at once")?.shape;
    let function = scope.function;
    // The layer is that of the inner node, which the text names; the last one may belong to its user.
    let mut inner = |id: NodeId| {
        scope.path.clone_from(&function.nodes[id].origin.path);
        (&function.nodes[id].op, function.nodes[id].operands.as_slice())
    };
    match composite {
        Composite::RunningNorm { operands, epsilon } => scope.running_norm(*operands, *epsilon, shape),
        Composite::Gelu { x } => {
            let Value { name, dims } = scope.compact(*x)?;
            Ok(Value { name: scope.apply("Gelu", &[&name], &[]), dims })
        }
        Composite::Clip { x, least, greatest } => {
            let Value { name, dims } = scope.compact(*x)?;
            let dtype = scope.ty(*x)?.dtype;
            let (least, greatest) = (scope.scalar(dtype, *least)?, scope.scalar(dtype, *greatest)?);
            Ok(Value { name: scope.apply("Clip", &[&name, &least, &greatest], &[]), dims })
        }
        Composite::Mean { x, axes } => scope.mean(*x, axes, shape),
        Composite::AveragePool { x, window } => scope.average(*x, window, shape),
        Composite::Integers { operands } => match &node.op {
            Op::Contract(contraction) => scope.contract_integers(*operands, contraction, shape),
            Op::Convolve(convolution) => scope.convolve_integers(*operands, convolution, shape),
            _ => Err("a product that is none".to_owned()),
        },
        Composite::Dense { product, bias } => match inner(*product) {
            (Op::Contract(contraction), &[a, b]) => {
                let axes = *contraction.contract.first().ok_or("nothing to sum over")?;
                scope.dense([a, b], axes, *bias, shape)
            }
            _ => Err("a product that is none".to_owned()),
        },
        Composite::Convolution { convolution, bias } => match inner(*convolution) {
            (Op::Convolve(attributes), &[x, kernel]) => {
                scope.convolve([x, kernel], Some(*bias), attributes, shape)
            }
            _ => Err("a convolution that is none".to_owned()),
        },
    }
}

/// Writes a node, or the composite that ends with it.
pub(super) fn write_node(
    scope: &mut Scope<'_>,
    id: NodeId,
    node: &Node,
    composite: Option<&Composite>,
) -> Written<Vec<Value>> {
    match composite {
        Some(composite) => composite_node(scope, node, composite).map(|value| vec![value]),
        None => plain_node(scope, id, node),
    }
}

fn plain_node(scope: &mut Scope<'_>, id: NodeId, node: &Node) -> Written<Vec<Value>> {
    let operands = node.operands.as_slice();
    if let (Op::BatchNorm { axis, epsilon }, &[x, scale, shift]) = (&node.op, operands) {
        return scope.batch_norm(id, [x, scale, shift], *axis, *epsilon);
    }
    if let Op::Scan(scan) = &node.op {
        return scope.scan(id, scan, operands);
    }
    let ty = node.ty.tensor().ok_or("several results at once")?;
    let shape = &ty.shape;
    let value = match (&node.op, operands) {
        (Op::Input { name } | Op::Parameter { name } | Op::State { name }, _) => {
            Value { name: name.clone(), dims: shape.dims().to_vec() }
        }
        (Op::Constant(literal), _) => scope.literal(literal)?,
        (Op::Iota { axis }, _) => scope.iota(ty, *axis)?,
        (Op::Extent(dim), _) => scope.extent_of(*dim, ty.dtype)?,
        (op, _) if op.is_elementwise() => scope.elementwise(op, operands)?,
        (Op::Reduce { kind, axes }, &[x]) => scope.reduce(*kind, x, axes, shape)?,
        (Op::ArgReduce { kind, axis }, &[x]) => scope.arg_reduce(*kind, x, *axis, shape)?,
        (Op::Cumulative { kind, axis, reverse }, &[x]) => scope.cumulative(*kind, x, *axis, *reverse)?,
        (Op::Contract(contraction), &[a, b]) => scope.contract([a, b], contraction, shape)?,
        (Op::Convolve(convolution), &[x, kernel]) => scope.convolve([x, kernel], None, convolution, shape)?,
        (Op::ReduceWindow { kind, window }, &[x]) => scope.reduce_window(*kind, x, window, shape)?,
        (Op::Gather { axis }, &[data, indices]) => scope.gather("Gather", [data, indices], *axis, shape)?,
        (Op::GatherAlong { axis }, &[data, indices]) => {
            scope.gather("GatherElements", [data, indices], *axis, shape)?
        }
        (Op::Scatter { axis, kind }, &[data, indices, updates]) => {
            scope.scatter([data, indices, updates], *axis, *kind, shape)?
        }
        (Op::ArgSort { axis, descending }, &[x]) => scope.arg_sort(x, *axis, *descending)?,
        (Op::Softmax { axis }, &[x]) => scope.softmax("Softmax", x, *axis, shape)?,
        (Op::LogSoftmax { axis }, &[x]) => scope.softmax("LogSoftmax", x, *axis, shape)?,
        (Op::Project(place), &[tuple]) => {
            scope.results(tuple)?.get(*place).cloned().ok_or("a result that is not there")?
        }
        (Op::Random { .. }, _) => return Err("ONNX's random numbers are others".to_owned()),
        (Op::WindowArgMax { .. } | Op::WindowScatter { .. }, _) => {
            return Err("ONNX has no such operator".to_owned());
        }
        (op, _) => scope.movement(op, operands, shape)?,
    };
    Ok(vec![value])
}

/// Gives the outputs their names: that of the node that computes one, or of a copy where it has a name already.
fn outputs(scope: &mut Scope<'_>, names: &[String]) -> Result<(), Vec<String>> {
    let function = scope.function;
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for (output, name) in function.outputs.iter().zip(names) {
        scope.path.clear();
        let value = scope.full(output.value);
        let value = value.map_err(|what| vec![format!("output `{}`: {what}", output.name)])?;
        let computed = scope.nodes.iter().any(|node| node.outputs.contains(&value));
        if computed && !renamed.contains_key(&value) {
            renamed.insert(value, name.clone());
        } else {
            let copy = scope.apply("Identity", &[&value], &[]);
            renamed.insert(copy, name.clone());
        }
    }
    rename(&mut scope.nodes, &renamed);
    Ok(())
}

/// Gives values other names, wherever they are read; the names are unique in inner graphs, too.
fn rename(nodes: &mut [crate::Node], renamed: &BTreeMap<String, String>) {
    for node in nodes {
        for name in node.inputs.iter_mut().chain(&mut node.outputs) {
            if let Some(new) = renamed.get(name) {
                name.clone_from(new);
            }
        }
        node.graphs_mut().for_each(|graph| rename(&mut graph.nodes, renamed));
    }
}

/// A tensor as a file declares it.
pub(super) fn declared(name: &str, ty: &TensorType) -> ValueInfo {
    let extents = ty.shape.dims().iter().map(|dim| match *dim {
        Dim::Fixed(size) => Extent::Fixed(size),
        Dim::Batch(_) => Extent::Symbol(dim.to_string()),
    });
    ValueInfo {
        name: name.to_owned(),
        ty: ValueType::Tensor { element: Some(Element::of(ty.dtype)), dims: Some(extents.collect()) },
    }
}

fn exported(
    name: &str,
    scope: Scope<'_>,
    inputs: &[Declaration],
    outputs: &[String],
    weights: Vec<String>,
) -> Exported {
    let mut operators: BTreeMap<String, usize> = BTreeMap::new();
    for node in &scope.nodes {
        *operators.entry(node.op_type.clone()).or_default() += 1;
    }
    let function = scope.function;
    let outputs = function.outputs.iter().zip(outputs);
    let outputs = outputs.map(|(output, name)| declared(name, function.tensor_type(output.value)));
    let graph = Graph {
        name: name.to_owned(),
        outputs: outputs.collect(),
        nodes: scope.nodes,
        inputs: inputs.iter().map(|input| declared(&input.name, &input.ty)).collect(),
        initializers: scope.initializers,
        value_info: Vec::new(),
    };
    let document = Document {
        file: String::new(),
        ir_version: IR_VERSION,
        opsets: [(String::new(), OPSET)].into(),
        producer: "dlc".to_owned(),
        graph,
        functions: Vec::new(),
    };
    Exported { document, operators, weights }
}
