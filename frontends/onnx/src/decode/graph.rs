//! `GraphProto`, `NodeProto` and their parts to the document's structures.

use super::files::Files;
use super::tensor;
use crate::document::{Attribute, Extent, Function, Graph, Node, ValueInfo, ValueType};
use crate::{Array, Element};
use onnx_protobuf::{
    AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto,
    ValueInfoProto, tensor_shape_proto::dimension, type_proto,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

type Result<T> = std::result::Result<T, String>;

/// ONNX's own domain has two names.
pub(super) fn domain(name: &str) -> String {
    if name == "ai.onnx" { String::new() } else { name.to_owned() }
}

/// Domain -> version.
pub(super) fn opsets(imports: &[OperatorSetIdProto]) -> BTreeMap<String, i64> {
    imports.iter().map(|import| (domain(&import.domain), import.version)).collect()
}

/// What the parts of a graph are decoded by.
pub(super) struct Decoder<'a> {
    pub(super) files: &'a Files,
    pub(super) opsets: &'a BTreeMap<String, i64>,
}

impl Decoder<'_> {
    pub(super) fn graph(&self, proto: GraphProto) -> Result<Graph> {
        let mut graph = Graph { name: proto.name, ..Graph::default() };
        let mut insert = |name: String, array: Array| match graph.initializers.entry(name) {
            Entry::Occupied(other) => Err(format!("there are two initializers `{}`", other.key())),
            Entry::Vacant(place) => {
                place.insert(array);
                Ok(())
            }
        };
        for mut tensor in proto.initializer {
            let name = std::mem::take(&mut tensor.name);
            let array = tensor::array(tensor, self.files);
            let array = array.map_err(|fault| format!("tensor `{name}`: {fault}"))?;
            insert(name, array)?;
        }
        // A sparse tensor is called as its values are.
        for mut sparse in proto.sparse_initializer {
            let name = sparse.values.as_mut().map(|values| std::mem::take(&mut values.name));
            let name = name.unwrap_or_default();
            let array = tensor::sparse(sparse, self.files).and_then(|sparse| sparse.dense());
            let array = array.map_err(|fault| format!("sparse tensor `{name}`: {fault}"))?;
            insert(name, array)?;
        }
        graph.inputs = proto.input.iter().map(value_info).collect::<Result<_>>()?;
        graph.outputs = proto.output.iter().map(value_info).collect::<Result<_>>()?;
        graph.value_info = proto.value_info.iter().map(value_info).collect::<Result<_>>()?;
        graph.nodes = self.nodes(proto.node)?;
        Ok(graph)
    }

    pub(super) fn nodes(&self, protos: Vec<NodeProto>) -> Result<Vec<Node>> {
        protos.into_iter().map(|proto| self.node(proto)).collect()
    }

    fn node(&self, proto: NodeProto) -> Result<Node> {
        let domain = domain(&proto.domain);
        let mut node = Node {
            // A domain that is not imported is one of functions, or an unknown one, which is told later.
            opset: self.opsets.get(&domain).copied().unwrap_or(1),
            domain,
            op_type: proto.op_type,
            overload: proto.overload,
            name: proto.name,
            inputs: proto.input,
            outputs: proto.output,
            attributes: BTreeMap::new(),
        };
        if node.op_type.is_empty() {
            return Err(format!("{} names no operator", node.label()));
        }
        for mut attribute in proto.attribute {
            let name = std::mem::take(&mut attribute.name);
            let value = self
                .attribute(attribute)
                .map_err(|fault| format!("{}: attribute `{name}`: {fault}", node.label()))?;
            if node.attributes.contains_key(&name) {
                return Err(format!("{} has two attributes `{name}`", node.label()));
            }
            node.attributes.insert(name, value);
        }
        Ok(node)
    }

    fn attribute(&self, proto: AttributeProto) -> Result<Attribute> {
        if !proto.ref_attr_name.is_empty() {
            return Ok(Attribute::Reference(proto.ref_attr_name));
        }
        let missing = || "it has no value".to_owned();
        let number = match proto.type_.value() {
            0 => kind_of(&proto),
            number => number,
        };
        let tensor = |proto| tensor::array(proto, self.files);
        let sparse = |proto| tensor::sparse(proto, self.files);
        Ok(match number {
            1 => Attribute::Float(proto.f),
            2 => Attribute::Int(proto.i),
            3 => Attribute::Text(proto.s),
            4 => Attribute::Tensor(tensor(proto.t.into_option().ok_or_else(missing)?)?),
            5 => Attribute::Graph(Box::new(self.graph(proto.g.into_option().ok_or_else(missing)?)?)),
            6 => Attribute::Floats(proto.floats),
            7 => Attribute::Ints(proto.ints),
            8 => Attribute::Texts(proto.strings),
            9 => Attribute::Tensors(proto.tensors.into_iter().map(tensor).collect::<Result<_>>()?),
            10 => {
                let graphs = proto.graphs.into_iter().map(|one| self.graph(one));
                Attribute::Graphs(graphs.collect::<Result<_>>()?)
            }
            11 => {
                let one = proto.sparse_tensor.into_option().ok_or_else(missing)?;
                Attribute::Sparse(Box::new(sparse(one)?))
            }
            12 => Attribute::Sparses(proto.sparse_tensors.into_iter().map(sparse).collect::<Result<_>>()?),
            13 => Attribute::Type(value_type(proto.tp.as_ref().ok_or_else(missing)?)?),
            14 => Attribute::Types(proto.type_protos.iter().map(value_type).collect::<Result<_>>()?),
            other => return Err(format!("{other} is the number of no attribute type")),
        })
    }

    pub(super) fn function(&self, proto: FunctionProto) -> Result<Function> {
        let mut defaults = BTreeMap::new();
        for mut attribute in proto.attribute_proto {
            defaults.insert(std::mem::take(&mut attribute.name), self.attribute(attribute)?);
        }
        Ok(Function {
            domain: domain(&proto.domain),
            name: proto.name,
            overload: proto.overload,
            inputs: proto.input,
            outputs: proto.output,
            attributes: proto.attribute,
            defaults,
            nodes: self.nodes(proto.node)?,
        })
    }
}

/// Files of the first version of the format leave the type out.
fn kind_of(proto: &AttributeProto) -> i32 {
    let present = [
        (4, proto.t.is_some()),
        (5, proto.g.is_some()),
        (6, !proto.floats.is_empty()),
        (7, !proto.ints.is_empty()),
        (8, !proto.strings.is_empty()),
        (3, !proto.s.is_empty()),
        (1, proto.f != 0.0),
    ];
    present.iter().find(|(_, present)| *present).map_or(2, |&(number, _)| number)
}

fn value_info(proto: &ValueInfoProto) -> Result<ValueInfo> {
    let ty = proto.type_.as_ref().map_or(Ok(ValueType::Unknown), value_type);
    Ok(ValueInfo {
        name: proto.name.clone(),
        ty: ty.map_err(|fault| format!("value `{}`: {fault}", proto.name))?,
    })
}

pub(super) fn value_type(proto: &TypeProto) -> Result<ValueType> {
    let inner = |inner: Option<&TypeProto>| inner.map_or(Ok(ValueType::Unknown), value_type).map(Box::new);
    Ok(match &proto.value {
        None => ValueType::Unknown,
        Some(type_proto::Value::TensorType(tensor)) => ValueType::Tensor {
            element: Element::from_number(tensor.elem_type),
            dims: tensor.shape.as_ref().map(extents).transpose()?,
        },
        Some(type_proto::Value::SparseTensorType(_)) => ValueType::Sparse,
        Some(type_proto::Value::MapType(_)) => ValueType::Map,
        Some(type_proto::Value::SequenceType(list)) => ValueType::Sequence(inner(list.elem_type.as_ref())?),
        Some(type_proto::Value::OptionalType(optional)) => {
            ValueType::Optional(inner(optional.elem_type.as_ref())?)
        }
        Some(_) => ValueType::Unknown,
    })
}

fn extents(shape: &TensorShapeProto) -> Result<Vec<Extent>> {
    let extent = |dim: &onnx_protobuf::tensor_shape_proto::Dimension| match &dim.value {
        Some(dimension::Value::DimValue(size)) if *size < 0 => Ok(Extent::Unknown),
        Some(dimension::Value::DimValue(size)) => {
            usize::try_from(*size).map(Extent::Fixed).map_err(|_| format!("the extent {size} is too large"))
        }
        Some(dimension::Value::DimParam(name)) if !name.is_empty() => Ok(Extent::Symbol(name.clone())),
        _ => Ok(Extent::Unknown),
    };
    shape.dim.iter().map(extent).collect()
}
