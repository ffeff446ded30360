//! Functions, nodes and their results.

use crate::Op;
use dlc_types::{IndexVec, Span, TensorType, define_index};
use std::fmt;

define_index!(
    /// One node of a function; also the value that the node computes.
    NodeId,
    "%"
);

/// The type of a node: one tensor, or several for ops with several results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// One tensor.
    Tensor(TensorType),
    /// Several; users reach them with [`Op::Project`].
    Tuple(Vec<TensorType>),
}

impl Type {
    /// The tensor type, unless this is a tuple.
    pub fn tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(ty) => Some(ty),
            Type::Tuple(_) => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Tensor(ty) => write!(f, "{ty}"),
            Type::Tuple(types) => {
                f.write_str("(")?;
                for (position, ty) in types.iter().enumerate() {
                    write!(f, "{}{ty}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Where a node comes from: kept through every pass down to the names of kernels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Path of the layer (`stage0.block1.conv1`) or a pass's remark on it (`d(stage0.block1.conv1)`).
    pub path: String,
    /// Place in the model's text.
    pub span: Option<Span>,
}

/// One operation with its operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// From what, in order; all stand before this node.
    pub operands: Vec<NodeId>,
    /// The type of the result.
    pub ty: Type,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a result of a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutputRole {
    /// Something the caller asked for.
    Output,
    /// The scalar to minimise.
    Loss,
    /// Something to report: a scalar, the mean over the batch, or numbers (counts, sums, scores) of
    /// which the trainer makes a metric of all batches.
    Metric,
    /// The next value of the parameter of that name.
    Parameter,
    /// The next value of the state of that name.
    State,
    /// The gradient of the loss with respect to the parameter of that name.
    Gradient,
}

impl OutputRole {
    /// The name in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            OutputRole::Output => "output",
            OutputRole::Loss => "loss",
            OutputRole::Metric => "metric",
            OutputRole::Parameter => "parameter",
            OutputRole::State => "state",
            OutputRole::Gradient => "gradient",
        }
    }
}

/// A named result of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What it is for.
    pub role: OutputRole,
    /// Unique among outputs of that role.
    pub name: String,
    /// The value.
    pub value: NodeId,
}

/// A function over tensors. Nodes stand in an order in which every operand precedes its users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// Such as `predict`, `train`, `evaluate`.
    pub name: String,
    /// All nodes.
    pub nodes: IndexVec<NodeId, Node>,
    /// All results.
    pub outputs: Vec<Output>,
}

impl Function {
    /// The tensor type of a node.
    ///
    /// # Panics
    /// If the node is a tuple: the verifier admits tuples as operands of `project` alone.
    pub fn tensor_type(&self, id: NodeId) -> &TensorType {
        match &self.nodes[id].ty {
            Type::Tensor(ty) => ty,
            Type::Tuple(_) => panic!("node {id} is a tuple; this is a bug in dlc"),
        }
    }

    /// The external nodes (inputs, parameters, states) with their names, in order.
    pub fn externals(&self) -> impl Iterator<Item = (NodeId, &str)> {
        self.nodes.iter().filter_map(|(id, node)| match &node.op {
            Op::Input { name } | Op::Parameter { name } | Op::State { name } => Some((id, name.as_str())),
            _ => None,
        })
    }

    /// The output of that role and name.
    pub fn output(&self, role: OutputRole, name: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.role == role && output.name == name)
    }

    /// For every node the nodes that use it, in order; a user that reads it twice stands there twice.
    pub fn users(&self) -> IndexVec<NodeId, Vec<NodeId>> {
        let mut users: IndexVec<NodeId, Vec<NodeId>> = self.nodes.indices().map(|_| Vec::new()).collect();
        for (id, node) in self.nodes.iter() {
            for &operand in &node.operands {
                users[operand].push(id);
            }
        }
        users
    }

    /// The same function with the bodies of its scans made anew, if it has any; what they read and give stays.
    ///
    /// # Errors
    /// The first failure of `make`.
    pub fn with_bodies<E>(
        &self,
        mut make: impl FnMut(&Function) -> Result<Function, E>,
    ) -> Result<Function, E> {
        let mut result = self.clone();
        for id in self.nodes.indices() {
            if let Op::Scan(scan) = &mut result.nodes[id].op {
                scan.body = make(&scan.body)?;
            }
        }
        Ok(result)
    }

    /// Whether there is a scan among the nodes.
    pub fn has_scan(&self) -> bool {
        self.nodes.values().any(|node| matches!(node.op, Op::Scan(_)))
    }

    /// The same function without the nodes that no output needs. Inputs, parameters and states stay
    /// only if they are read.
    pub fn without_dead_nodes(&self) -> Function {
        let mut live: IndexVec<NodeId, bool> = self.nodes.indices().map(|_| false).collect();
        for output in &self.outputs {
            live[output.value] = true;
        }
        for (id, node) in self.nodes.iter().rev() {
            if live[id] {
                for &operand in &node.operands {
                    live[operand] = true;
                }
            }
        }
        let mut moved: IndexVec<NodeId, Option<NodeId>> = self.nodes.indices().map(|_| None).collect();
        let mut result = Function { name: self.name.clone(), ..Function::default() };
        for (id, node) in self.nodes.iter().filter(|&(id, _)| live[id]) {
            let operands = node.operands.iter().filter_map(|&operand| moved[operand]).collect();
            moved[id] = Some(result.nodes.push(Node { operands, ..node.clone() }));
        }
        for output in &self.outputs {
            if let Some(value) = moved[output.value] {
                result.outputs.push(Output { value, ..output.clone() });
            }
        }
        result
    }
}
