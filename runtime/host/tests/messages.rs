//! Tensors, sequences and optionals as files: every element type comes back, typed fields are read as raw bytes are, and
//! bytes that are no message are refused without a panic or a large allocation.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_host::proto::{
    MessageKind, read_optional, read_sequence, read_tensor, read_value, write_sequence, write_tensor,
    write_value,
};
use dlc_host::{Data, Element, HostError, Tensor, Value};

fn sample(element: Element, dims: &[usize]) -> Tensor {
    let count: usize = dims.iter().product();
    if element == Element::String {
        let texts = (0..count).map(|index| format!("text {index} é")).collect();
        return Tensor::of_strings(dims.to_vec(), texts).unwrap();
    }
    let bytes = (0..count * element.width()).map(|index| (index * 37 + 11) as u8).collect();
    Tensor::new(element, dims.to_vec(), bytes).unwrap()
}

#[test]
fn every_element_type_comes_back() {
    for &element in Element::ALL {
        for dims in [&[][..], &[5], &[3, 3], &[2, 0, 3]] {
            let tensor = sample(element, dims);
            let message = write_tensor(&tensor);
            assert_eq!(read_tensor(&message), Ok(tensor), "{element} {dims:?}");
        }
    }
}

#[test]
fn containers_come_back() {
    let tensors =
        vec![Value::Tensor(sample(Element::F32, &[2])), Value::Tensor(sample(Element::F32, &[3, 1]))];
    let some = Value::Optional(Some(Box::new(Value::Sequence(tensors.clone()))));
    for (kind, value) in [
        (MessageKind::Sequence, Value::Sequence(tensors)),
        (MessageKind::Sequence, Value::Sequence(Vec::new())),
        (MessageKind::Sequence, Value::Sequence(vec![Value::Optional(None)])),
        (MessageKind::Optional, some),
        (MessageKind::Optional, Value::Optional(None)),
    ] {
        assert_eq!(read_value(kind, &write_value(&value)), Ok(value));
    }
}

/// A message of dims, element type and one more field of bytes.
fn typed(code: u8, dims: &[u8], field: u8, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    dims.iter().for_each(|&dim| message.extend([8, dim]));
    message.extend([16, code, field << 3 | 2, payload.len() as u8]);
    message.extend(payload);
    message
}

#[test]
fn typed_fields() {
    let bytes = |tensor: &Tensor| match tensor.data() {
        Data::Bytes(bytes) => bytes.clone(),
        Data::Strings(_) => Vec::new(),
    };
    // Minus one is written with ten bytes.
    let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let eight = read_tensor(&typed(3, &[2], 5, &[&minus_one[..], &[7]].concat())).unwrap();
    assert_eq!((eight.element(), bytes(&eight)), (Element::I8, vec![255, 7]));
    let half = read_tensor(&typed(10, &[1], 5, &[0x80, 0x78])).unwrap();
    assert_eq!(bytes(&half), 0x3c00u16.to_ne_bytes());
    let nibbles = read_tensor(&typed(22, &[3], 5, &[0xf1, 1, 5])).unwrap();
    assert_eq!(bytes(&nibbles), [1, 15, 5]);
    let six = read_tensor(&typed(27, &[2], 5, &[63, 1])).unwrap();
    assert_eq!(bytes(&six), [63, 1]);
    let long = read_tensor(&typed(7, &[1], 7, &minus_one)).unwrap();
    assert_eq!(bytes(&long), (-1i64).to_ne_bytes());
    let unsigned = read_tensor(&typed(12, &[1], 11, &[5])).unwrap();
    assert_eq!(bytes(&unsigned), 5u32.to_ne_bytes());
    let complex =
        read_tensor(&typed(14, &[1], 4, &[1.0f32.to_le_bytes(), 2.0f32.to_le_bytes()].concat())).unwrap();
    assert_eq!(bytes(&complex), [1.0f32.to_ne_bytes(), 2.0f32.to_ne_bytes()].concat());
    // A float by itself, not packed.
    let mut single = vec![8, 1, 16, 1, 4 << 3 | 5];
    single.extend(2.5f32.to_le_bytes());
    assert_eq!(bytes(&read_tensor(&single).unwrap()), 2.5f32.to_ne_bytes());
}

#[test]
fn faults_are_named() {
    let fault = |bytes: &[u8]| read_tensor(bytes).unwrap_err().to_string();
    assert_eq!(fault(&[]), "malformed TensorProto: 0 is no element type");
    assert_eq!(fault(&typed(99, &[], 9, &[])), "malformed TensorProto: 99 is no element type");
    assert_eq!(
        fault(&typed(1, &[2], 9, &[0; 4])),
        "malformed TensorProto: it has 4 bytes for a float tensor of dims [2]"
    );
    assert_eq!(fault(&[8]), "malformed TensorProto: a number is cut off or too long");
    assert_eq!(fault(&[9 << 3 | 2, 200, 1, 0]), "malformed TensorProto: it is cut off");
    assert_eq!(fault(&typed(8, &[1], 6, &[0xff])), "malformed TensorProto: a string is not UTF-8");
    let huge = [&[8, 0xff, 0xff, 0xff, 0xff, 0x7f][..], &[16, 1]].concat();
    assert!(matches!(read_tensor(&huge), Err(HostError::TooLarge { .. })));
    let negative = [&[8][..], &[0xff; 9], &[1, 16, 1]].concat();
    assert_eq!(fault(&negative), "malformed TensorProto: a dimension is negative");
    let elsewhere = read_tensor(&[16, 1, 14 << 3, 1]).unwrap_err();
    assert!(elsewhere.is_unsupported(), "{elsewhere}");
}

#[test]
fn nesting_ends() {
    let mut message = Vec::new();
    for _ in 0..20 {
        message = write_nested(message);
    }
    assert!(read_sequence(&message).unwrap_err().is_unsupported());
    assert!(read_optional(&message).unwrap_err().is_unsupported());
}

/// A sequence around a sequence.
fn write_nested(inner: Vec<u8>) -> Vec<u8> {
    let mut message = vec![5 << 3 | 2, inner.len() as u8];
    message.extend(inner);
    message
}

#[test]
fn damaged_bytes_do_no_harm() {
    let whole = write_sequence(&[
        Value::Tensor(sample(Element::String, &[2, 2])),
        Value::Tensor(sample(Element::I4, &[7])),
        Value::Sequence(vec![Value::Tensor(sample(Element::F64, &[2]))]),
    ]);
    let mut state = 1u32;
    let (mut read, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + round % 3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 8) as usize % bytes.len();
            bytes[at] = (state >> 24) as u8;
        }
        bytes.truncate(bytes.len() - round % 7);
        for kind in [MessageKind::Tensor, MessageKind::Sequence, MessageKind::Optional] {
            match read_value(kind, &bytes) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}
