//! A document's parts as the messages of the format.

use crate::{Array, Attribute, Document, Extent, Graph, Node, ValueInfo, ValueType};
use onnx_protobuf::attribute_proto::AttributeType;
use onnx_protobuf::tensor_shape_proto::{Dimension, dimension};
use onnx_protobuf::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, type_proto,
};
use protobuf::{EnumOrUnknown, MessageField};

/// What stands around the graph.
pub(super) fn model(document: &Document, version: &str) -> ModelProto {
    let imports = document.opsets.iter().map(|(domain, &version)| OperatorSetIdProto {
        domain: domain.clone(),
        version,
        ..OperatorSetIdProto::default()
    });
    ModelProto {
        ir_version: document.ir_version,
        producer_name: document.producer.clone(),
        producer_version: version.to_owned(),
        opset_import: imports.collect(),
        ..ModelProto::default()
    }
}

/// The graph without its initializers.
///
/// # Errors
/// Attributes and types that no exported model has.
pub(super) fn graph(document: &Document) -> Result<GraphProto, String> {
    graph_of(&document.graph)
}

fn graph_of(graph: &Graph) -> Result<GraphProto, String> {
    Ok(GraphProto {
        name: graph.name.clone(),
        node: graph.nodes.iter().map(node).collect::<Result<_, _>>()?,
        input: graph.inputs.iter().map(value_info).collect::<Result<_, _>>()?,
        output: graph.outputs.iter().map(value_info).collect::<Result<_, _>>()?,
        ..GraphProto::default()
    })
}

fn node(node: &Node) -> Result<NodeProto, String> {
    let attributes = node.attributes.iter().map(|(name, value)| attribute(name, value));
    Ok(NodeProto {
        input: node.inputs.clone(),
        output: node.outputs.clone(),
        name: node.name.clone(),
        op_type: node.op_type.clone(),
        domain: node.domain.clone(),
        attribute: attributes.collect::<Result<_, _>>()?,
        ..NodeProto::default()
    })
}

fn attribute(name: &str, value: &Attribute) -> Result<AttributeProto, String> {
    let kind = |kind| AttributeProto {
        name: name.to_owned(),
        type_: EnumOrUnknown::new(kind),
        ..AttributeProto::default()
    };
    Ok(match value {
        Attribute::Float(value) => AttributeProto { f: *value, ..kind(AttributeType::FLOAT) },
        Attribute::Int(value) => AttributeProto { i: *value, ..kind(AttributeType::INT) },
        Attribute::Text(value) => AttributeProto { s: value.clone(), ..kind(AttributeType::STRING) },
        Attribute::Floats(values) => AttributeProto { floats: values.clone(), ..kind(AttributeType::FLOATS) },
        Attribute::Ints(values) => AttributeProto { ints: values.clone(), ..kind(AttributeType::INTS) },
        Attribute::Texts(values) => {
            AttributeProto { strings: values.clone(), ..kind(AttributeType::STRINGS) }
        }
        // What is known of an inner graph stands in the outer one.
        Attribute::Graph(graph) => {
            AttributeProto { g: MessageField::some(graph_of(graph)?), ..kind(AttributeType::GRAPH) }
        }
        other => return Err(format!("the attribute `{name}` is {}", other.kind())),
    })
}

fn value_info(info: &ValueInfo) -> Result<ValueInfoProto, String> {
    let ValueType::Tensor { element: Some(element), dims: Some(dims) } = &info.ty else {
        return Err(format!("`{}` is {}", info.name, info.ty));
    };
    let dim = dims.iter().map(|extent| {
        let value = match extent {
            Extent::Fixed(size) => Some(dimension::Value::DimValue(super::scope::long(*size))),
            Extent::Symbol(name) => Some(dimension::Value::DimParam(name.clone())),
            Extent::Unknown => None,
        };
        Dimension { value, ..Dimension::default() }
    });
    let tensor = type_proto::Tensor {
        elem_type: element.number(),
        shape: MessageField::some(TensorShapeProto { dim: dim.collect(), ..TensorShapeProto::default() }),
        ..type_proto::Tensor::default()
    };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    Ok(ValueInfoProto { name: info.name.clone(), type_: MessageField::some(ty), ..ValueInfoProto::default() })
}

/// A tensor without its elements.
pub(super) fn tensor(name: &str, array: &Array) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: super::scope::longs(array.dims()),
        data_type: array.element().number(),
        ..TensorProto::default()
    }
}
