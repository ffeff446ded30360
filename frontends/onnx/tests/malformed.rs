//! Every fault of a file is one line that names the file and, where there is one, the node.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod models;

use dlc_onnx::{OnnxError, load, load_bytes};
use models::*;
use onnx_protobuf::{GraphProto, ModelProto, StringStringEntryProto, tensor_proto::DataLocation};
use protobuf::EnumOrUnknown;

fn fault(model: &ModelProto) -> String {
    let message = load_bytes(bytes(model), "m.onnx").unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn with_graph(change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = sum();
    change(model.graph.as_mut().unwrap());
    model
}

#[test]
fn the_sound_model_loads() {
    assert_eq!(load_bytes(bytes(&sum()), "m.onnx").unwrap().graph.nodes.len(), 1);
}

#[test]
fn every_truncation_is_an_error_or_a_smaller_model() {
    let mut whole = sum();
    whole.graph.as_mut().unwrap().initializer.push(floats("w", &[4], &[1.0; 4]));
    let whole = bytes(&whole);
    for end in 0..whole.len() {
        if let Err(error) = load_bytes(whole[..end].to_vec(), "m.onnx") {
            assert!(error.to_string().starts_with("m.onnx: "), "{error}");
        }
    }
    assert_eq!(load_bytes(Vec::new(), "m.onnx").unwrap_err().to_string(), "m.onnx: it is empty");
    let cut = load_bytes(whole[..whole.len() - 30].to_vec(), "m.onnx").unwrap_err().to_string();
    assert!(cut.contains("ends early"), "{cut}");
}

#[test]
fn no_damaged_byte_panics() {
    let mut whole = sum();
    whole.graph.as_mut().unwrap().initializer.push(longs("w", &[2], &[1, 2]));
    let whole = bytes(&whole);
    for place in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, whole[place] ^ 1, whole[place] ^ 8] {
            let mut damaged = whole.clone();
            damaged[place] = value;
            let _ = load_bytes(damaged, "m.onnx");
        }
    }
}

#[test]
fn what_is_no_model_is_told() {
    for text in [b"not a model at all, but text\n".as_slice(), b"\x89PNG\r\n\x1a\n0000", b"{\"a\": 1}"] {
        let error = load_bytes(text.to_vec(), "m.onnx").unwrap_err().to_string();
        assert!(error.starts_with("m.onnx: ") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn order_and_names() {
    let late = with_graph(|graph| {
        graph.node =
            vec![node("Relu", &["s"], &["y"], Vec::new()), node("Add", &["a", "b"], &["s"], Vec::new())];
    });
    assert_eq!(
        fault(&late),
        "m.onnx: node Relu for `y`: its input `s` is computed later; nodes must stand in order"
    );
    let cycle = with_graph(|graph| {
        graph.node =
            vec![node("Add", &["a", "y"], &["s"], Vec::new()), node("Relu", &["s"], &["y"], Vec::new())];
    });
    assert_eq!(fault(&cycle), "m.onnx: node Add for `s`: it depends on itself through `y`");
    let missing = with_graph(|graph| graph.node[0].input[1] = "c".to_owned());
    assert_eq!(
        fault(&missing),
        "m.onnx: node Add for `y`: its input `c` is computed by no node and is no input"
    );
    let twice = with_graph(|graph| graph.node.push(node("Relu", &["a"], &["y"], Vec::new())));
    assert_eq!(fault(&twice), "m.onnx: node Relu for `y`: there are two values `y`");
    let nothing = with_graph(|graph| graph.output[0].name = "z".to_owned());
    assert_eq!(fault(&nothing), "m.onnx: the output `z` is computed by no node");
}

#[test]
fn inputs_and_outputs_are_told_apart_by_their_names() {
    let twice = with_graph(|graph| graph.output.push(graph.output[0].clone()));
    assert_eq!(fault(&twice), "m.onnx: there are two outputs `y`");
    let input = with_graph(|graph| {
        graph.input[0].name.clear();
        graph.node[0].input[0] = "b".to_owned();
    });
    assert_eq!(fault(&input), "m.onnx: an input has no name");
    let output = with_graph(|graph| {
        graph.input[0].name.clear();
        graph.output[0].name.clear();
    });
    assert_eq!(fault(&output), "m.onnx: an input has no name");
    let outputs = with_graph(|graph| {
        graph.output[0].name.clear();
        graph.initializer.push(floats("", &[1], &[1.0]));
    });
    assert_eq!(fault(&outputs), "m.onnx: an initializer has no name");
}

#[test]
fn tensors_hold_what_they_declare() {
    let initializer = |tensor| fault(&with_graph(|graph| graph.initializer.push(tensor)));
    assert_eq!(
        initializer(floats("w", &[3], &[1.0, 2.0])),
        "m.onnx: tensor `w`: f32[3] takes 12 bytes, but there are 8"
    );
    assert_eq!(
        initializer(floats("w", &[i64::MAX, i64::MAX], &[1.0])),
        "m.onnx: tensor `w`: f32[9223372036854775807, 9223372036854775807] is larger than memory can hold"
    );
    assert_eq!(initializer(floats("w", &[-1], &[1.0])), "m.onnx: tensor `w`: the extent -1 is negative");
    assert_eq!(
        initializer(tensor("w", 77, &[1], &[0])),
        "m.onnx: tensor `w`: 77 is the number of no element type"
    );
}

#[test]
fn models_from_the_future_are_named() {
    let mut opset = sum();
    opset.opset_import[0].version = 99;
    assert!(matches!(load_bytes(bytes(&opset), "m.onnx"), Err(OnnxError::Unsupported { .. })));
    assert_eq!(
        fault(&opset),
        "m.onnx: it needs opset 99 of ai.onnx, which is newer than 28, the newest that is known"
    );
    let mut format = sum();
    format.ir_version = 90;
    assert_eq!(fault(&format), "m.onnx: it has version 90 of the format; 14 is the newest that is known");
}

#[test]
fn functions_that_call_themselves_are_refused() {
    let mut model = sum();
    let mut call = node("F", &["x"], &["y"], Vec::new());
    call.domain = "own".to_owned();
    model.functions.push(function("F", &["x"], &["y"], 20, vec![call.clone()]));
    call.input = vec!["a".to_owned()];
    model.graph.as_mut().unwrap().node = vec![call];
    assert_eq!(fault(&model), "m.onnx: node own.F for `y`: calls are nested too deeply");
}

#[test]
fn external_data_stays_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("model");
    std::fs::create_dir(&inner).unwrap();
    let data: Vec<u8> = [7.0_f32, 8.0, 9.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(inner.join("w.bin"), &data).unwrap();
    std::fs::write(folder.path().join("w.bin"), &data).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(inner.join("w.bin"), inner.join("link.bin")).unwrap();
    let path = inner.join("m.onnx");
    let outcome = |location: &str, offset: &str, length: &str| {
        let mut weight = tensor("w", 1, &[2], &[]);
        weight.data_location = EnumOrUnknown::new(DataLocation::EXTERNAL);
        for (key, value) in [("location", location), ("offset", offset), ("length", length)] {
            weight.external_data.push(StringStringEntryProto {
                key: key.to_owned(),
                value: value.to_owned(),
                ..StringStringEntryProto::default()
            });
        }
        std::fs::write(&path, bytes(&with_graph(|graph| graph.initializer.push(weight)))).unwrap();
        load(&path)
            .map(|document| document.graph.initializers["w"].floats().unwrap())
            .map_err(|error| error.to_string().replace(&format!("{}: ", path.display()), ""))
    };
    assert_eq!(outcome("w.bin", "4", "8"), Ok(vec![8.0, 9.0]));
    let outside = |location: &str| {
        format!("tensor `w`: external data `{location}` lies outside the model's folder, which is refused")
    };
    assert_eq!(outcome("../w.bin", "0", "8"), Err(outside("../w.bin")));
    assert_eq!(outcome("/etc/passwd", "0", "8"), Err(outside("/etc/passwd")));
    #[cfg(unix)]
    assert_eq!(
        outcome("link.bin", "0", "8"),
        Err("tensor `w`: external data `link.bin` leads through a symbolic link, which is refused".to_owned())
    );
    for (location, offset, length) in [
        ("none.bin", "0", "8"),
        ("w.bin", "8", "8"),
        ("w.bin", "99", "8"),
        ("w.bin", "0", "4"),
        (".", "0", "8"),
    ] {
        assert!(outcome(location, offset, length).is_err(), "{location} {offset} {length}");
    }
}
