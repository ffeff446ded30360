//! Small models for tests, in the form that files have.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

use onnx_protobuf::{
    AttributeProto, FunctionProto, GraphProto, Message, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};
use protobuf::{EnumOrUnknown, MessageField};

/// A node.
pub fn node(op_type: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op_type.to_owned(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        attribute: attributes,
        ..NodeProto::default()
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), type_: EnumOrUnknown::new(kind), ..AttributeProto::default() }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: value, ..attribute(name, AttributeType::INT) }
}

pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::INTS) }
}

pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: value, ..attribute(name, AttributeType::FLOAT) }
}

pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: value.as_bytes().to_vec(), ..attribute(name, AttributeType::STRING) }
}

pub fn texts(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..attribute(name, AttributeType::STRINGS) }
}

pub fn graph_attribute(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { g: MessageField::some(graph), ..attribute(name, AttributeType::GRAPH) }
}

pub fn reference(name: &str, outer: &str) -> AttributeProto {
    AttributeProto { ref_attr_name: outer.to_owned(), ..attribute(name, AttributeType::INT) }
}

/// A tensor with its elements in `raw_data`.
pub fn tensor(name: &str, number: i32, dims: &[i64], raw: &[u8]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type: number,
        dims: dims.to_vec(),
        raw_data: raw.to_vec(),
        ..TensorProto::default()
    }
}

pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    tensor(name, 1, dims, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

pub fn longs(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    tensor(name, 7, dims, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

/// A tensor's name, element type and extents; a negative one is the symbol `batch`.
pub fn info(name: &str, number: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| {
        let value = match size {
            0.. => dimension::Value::DimValue(size),
            _ => dimension::Value::DimParam("batch".to_owned()),
        };
        Dimension { value: Some(value), ..Dimension::default() }
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect(), ..TensorShapeProto::default() };
    let tensor = type_proto::Tensor {
        elem_type: number,
        shape: MessageField::some(shape),
        ..type_proto::Tensor::default()
    };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), type_: MessageField::some(ty), ..ValueInfoProto::default() }
}

pub fn graph(inputs: Vec<ValueInfoProto>, outputs: Vec<ValueInfoProto>, nodes: Vec<NodeProto>) -> GraphProto {
    GraphProto { name: "g".to_owned(), input: inputs, output: outputs, node: nodes, ..GraphProto::default() }
}

fn import(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: domain.to_owned(), version, ..OperatorSetIdProto::default() }
}

pub fn model(opset: i64, graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![import("", opset)],
        graph: MessageField::some(graph),
        ..ModelProto::default()
    }
}

pub fn function(
    name: &str,
    inputs: &[&str],
    outputs: &[&str],
    opset: i64,
    nodes: Vec<NodeProto>,
) -> FunctionProto {
    FunctionProto {
        name: name.to_owned(),
        domain: "own".to_owned(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: outputs.iter().map(|&name| name.to_owned()).collect(),
        opset_import: vec![import("", opset), import("own", 1)],
        node: nodes,
        ..FunctionProto::default()
    }
}

pub fn bytes(model: &ModelProto) -> Vec<u8> {
    model.write_to_bytes().unwrap()
}

/// `y = a + b` of `f32[2]`.
pub fn sum() -> ModelProto {
    let inputs = vec![info("a", 1, &[2]), info("b", 1, &[2])];
    model(20, graph(inputs, vec![info("y", 1, &[2])], vec![node("Add", &["a", "b"], &["y"], Vec::new())]))
}
