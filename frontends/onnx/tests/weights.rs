//! Where weights come from: typed fields, sparse tensors, large constants in nodes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod models;

use dlc_onnx::{Array, Document, Element, load_bytes};
use models::*;
use onnx_protobuf::{AttributeProto, ModelProto, SparseTensorProto, TensorProto};
use protobuf::MessageField;

fn with_initializer(tensor: TensorProto) -> ModelProto {
    let mut model = sum();
    model.graph.as_mut().unwrap().initializer.push(tensor);
    model
}

fn document(model: &ModelProto) -> Document {
    load_bytes(bytes(model), "m.onnx").unwrap_or_else(|error| panic!("{error}"))
}

fn fault(model: &ModelProto) -> String {
    load_bytes(bytes(model), "m.onnx").unwrap_err().to_string()
}

fn ramp(count: usize) -> Vec<f32> {
    (0..count).map(|place| place as f32 * 0.5 - 3.0).collect()
}

/// Whether the elements lie in the bytes of the file and were not copied.
fn stays_in(file: &[u8], array: &Array) -> bool {
    format!("{array:?}").contains("Mapped")
        && file.windows(array.bytes().len()).any(|part| part == array.bytes())
}

#[test]
fn many_floats_in_a_typed_field_stay_in_the_file() {
    for count in [3_usize, 5000] {
        let values = ramp(count);
        let typed = TensorProto { float_data: values.clone(), ..tensor("w", 1, &[count as i64], &[]) };
        let model = with_initializer(typed);
        let weight = document(&model).graph.initializers["w"].clone();
        assert_eq!(weight.bytes(), Array::of_floats(&values).bytes());
        assert_eq!(stays_in(&bytes(&model), &weight), count == 5000);
        let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        let typed = TensorProto { double_data: wide.clone(), ..tensor("w", 11, &[count as i64], &[]) };
        let weight = document(&with_initializer(typed)).graph.initializers["w"].clone();
        assert_eq!((weight.element(), weight.floats().unwrap()), (Element::F64, wide));
    }
}

#[test]
fn typed_fields_of_another_type_are_no_weights() {
    let typed = TensorProto { float_data: ramp(5000), ..tensor("w", 11, &[2500], &[]) };
    assert_eq!(
        fault(&with_initializer(typed)),
        "m.onnx: tensor `w`: f64[2500] takes 20000 bytes, but there are 0"
    );
    // Elements in two fields: `raw_data` wins, as in the reference implementation.
    let raw: Vec<u8> = ramp(2000).iter().flat_map(|value| value.to_le_bytes()).collect();
    let both = TensorProto { float_data: vec![1.0; 2000], ..tensor("w", 1, &[2000], &raw) };
    assert_eq!(document(&with_initializer(both)).graph.initializers["w"].bytes(), raw);
}

#[test]
fn floats_in_several_parts_of_a_typed_field_are_joined() {
    // Two packed parts of the field 4, which protobuf appends.
    let values = ramp(4000);
    let mut message = vec![0x08, 0xa0, 0x1f, 0x10, 0x01];
    for part in values.chunks(2000) {
        message.extend([0x22, 0xc0, 0x3e]);
        message.extend(part.iter().flat_map(|value| value.to_le_bytes()));
    }
    let (_, array) = dlc_onnx::decode::tensor_from_bytes(message).unwrap();
    assert_eq!(array.bytes(), Array::of_floats(&values).bytes());
}

fn sparse(values: TensorProto, indices: TensorProto, dims: &[i64]) -> SparseTensorProto {
    SparseTensorProto {
        values: MessageField::some(values),
        indices: MessageField::some(indices),
        dims: dims.to_vec(),
        ..SparseTensorProto::default()
    }
}

fn with_sparse(tensor: SparseTensorProto) -> ModelProto {
    let mut model = sum();
    model.graph.as_mut().unwrap().sparse_initializer.push(tensor);
    model
}

#[test]
fn sparse_initializers_are_filled_up_with_zeros() {
    let values = || floats("w", &[2], &[5.0, 7.0]);
    for indices in [longs("", &[2], &[1, 5]), longs("", &[2, 2], &[0, 1, 1, 2])] {
        let weight =
            document(&with_sparse(sparse(values(), indices, &[2, 3]))).graph.initializers["w"].clone();
        assert_eq!(weight.dims(), [2, 3]);
        assert_eq!(weight.floats().unwrap(), [0.0, 5.0, 0.0, 0.0, 0.0, 7.0]);
    }
    assert_eq!(
        fault(&with_sparse(sparse(values(), longs("", &[2], &[1, 6]), &[2, 3]))),
        "m.onnx: sparse tensor `w`: the index 6 of a sparse tensor is outside of it"
    );
    let huge = sparse(values(), longs("", &[2], &[1, 6]), &[i64::MAX, 3]);
    assert!(fault(&with_sparse(huge)).contains("is too large"));
    let mut twice = with_sparse(sparse(values(), longs("", &[2], &[1, 5]), &[2, 3]));
    twice.graph.as_mut().unwrap().initializer.push(values());
    assert_eq!(fault(&twice), "m.onnx: there are two initializers `w`");
}

fn constant(count: usize, number: i32) -> ModelProto {
    let raw = vec![0; count * 4];
    let value = AttributeProto {
        name: "value".to_owned(),
        type_: protobuf::EnumOrUnknown::new(onnx_protobuf::attribute_proto::AttributeType::TENSOR),
        t: MessageField::some(tensor("", number, &[count as i64], &raw)),
        ..AttributeProto::default()
    };
    let mut model = sum();
    let graph = model.graph.as_mut().unwrap();
    graph.node.insert(0, node("Constant", &[], &["w"], vec![value]));
    model
}

#[test]
fn large_float_constants_are_weights() {
    let large = document(&constant(100, 1)).graph;
    assert_eq!((large.nodes.len(), large.initializers["w"].dims()), (1, [100].as_slice()));
    for (count, number) in [(64, 1), (100, 6)] {
        let small = document(&constant(count, number)).graph;
        assert_eq!((small.nodes.len(), small.initializers.len()), (2, 0));
    }
}
