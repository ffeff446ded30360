//! `GraphProto`, `NodeProto` and their parts to the document's structures.

use super::files::Files;
use super::tensor;
use crate::Element;
use crate::document::{Attribute, Extent, Function, Graph, Node, ValueInfo, ValueType};
use onnx_protobuf::{
    AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto,
    ValueInfoProto, tensor_shape_proto::dimension, type_proto,
};
use std::collections::BTreeMap;

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
    pub(super) fn graph(&self, proto: &GraphProto) -> Result<Graph> {
        let mut graph = Graph { name: proto.name.clone(), ..Graph::default() };
        for tensor in &proto.initializer {
            let array = tensor::array(tensor, self.files)?;
            if graph.initializers.insert(tensor.name.clone(), array).is_some() {
                return Err(format!("there are two initializers `{}`", tensor.name));
            }
        }
        if !proto.sparse_initializer.is_empty() {
            return Err("sparse initializers are not supported".to_owned());
        }
        graph.inputs = proto.input.iter().map(value_info).collect::<Result<_>>()?;
        graph.outputs = proto.output.iter().map(value_info).collect::<Result<_>>()?;
        graph.value_info = proto.value_info.iter().map(value_info).collect::<Result<_>>()?;
        graph.nodes = self.nodes(&proto.node)?;
        Ok(graph)
    }

    pub(super) fn nodes(&self, protos: &[NodeProto]) -> Result<Vec<Node>> {
        protos.iter().map(|proto| self.node(proto)).collect()
    }

    fn node(&self, proto: &NodeProto) -> Result<Node> {
        let domain = domain(&proto.domain);
        let mut node = Node {
            // A domain that is not imported is one of functions, or an unknown one, which is told later.
            opset: self.opsets.get(&domain).copied().unwrap_or(1),
            domain,
            op_type: proto.op_type.clone(),
            overload: proto.overload.clone(),
            name: proto.name.clone(),
            inputs: proto.input.clone(),
            outputs: proto.output.clone(),
            attributes: BTreeMap::new(),
        };
        if node.op_type.is_empty() {
            return Err(format!("{} names no operator", node.label()));
        }
        for attribute in &proto.attribute {
            let value = self
                .attribute(attribute)
                .map_err(|fault| format!("{}: attribute `{}`: {fault}", node.label(), attribute.name))?;
            if node.attributes.insert(attribute.name.clone(), value).is_some() {
                return Err(format!("{} has two attributes `{}`", node.label(), attribute.name));
            }
        }
        Ok(node)
    }

    fn attribute(&self, proto: &AttributeProto) -> Result<Attribute> {
        if !proto.ref_attr_name.is_empty() {
            return Ok(Attribute::Reference(proto.ref_attr_name.clone()));
        }
        let missing = || "it has no value".to_owned();
        let number = match proto.type_.value() {
            0 => kind_of(proto),
            number => number,
        };
        Ok(match number {
            1 => Attribute::Float(proto.f),
            2 => Attribute::Int(proto.i),
            3 => Attribute::Text(proto.s.clone()),
            4 => Attribute::Tensor(tensor::array(proto.t.as_ref().ok_or_else(missing)?, self.files)?),
            5 => Attribute::Graph(Box::new(self.graph(proto.g.as_ref().ok_or_else(missing)?)?)),
            6 => Attribute::Floats(proto.floats.clone()),
            7 => Attribute::Ints(proto.ints.clone()),
            8 => Attribute::Texts(proto.strings.clone()),
            9 => {
                let tensors = proto.tensors.iter().map(|one| tensor::array(one, self.files));
                Attribute::Tensors(tensors.collect::<Result<_>>()?)
            }
            10 => Attribute::Graphs(proto.graphs.iter().map(|one| self.graph(one)).collect::<Result<_>>()?),
            11 => {
                let sparse = proto.sparse_tensor.as_ref().ok_or_else(missing)?;
                Attribute::Sparse(Box::new(tensor::sparse(sparse, self.files)?))
            }
            12 => {
                let sparses = proto.sparse_tensors.iter().map(|one| tensor::sparse(one, self.files));
                Attribute::Sparses(sparses.collect::<Result<_>>()?)
            }
            13 => Attribute::Type(value_type(proto.tp.as_ref().ok_or_else(missing)?)?),
            14 => Attribute::Types(proto.type_protos.iter().map(value_type).collect::<Result<_>>()?),
            other => return Err(format!("{other} is the number of no attribute type")),
        })
    }

    pub(super) fn function(&self, proto: &FunctionProto) -> Result<Function> {
        let mut defaults = BTreeMap::new();
        for attribute in &proto.attribute_proto {
            defaults.insert(attribute.name.clone(), self.attribute(attribute)?);
        }
        Ok(Function {
            domain: domain(&proto.domain),
            name: proto.name.clone(),
            overload: proto.overload.clone(),
            inputs: proto.input.clone(),
            outputs: proto.output.clone(),
            attributes: proto.attribute.clone(),
            defaults,
            nodes: self.nodes(&proto.node)?,
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
