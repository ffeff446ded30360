//! A folder with models and arrays, the commands that are run in it, and models that several tests need.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

use crate::models::*;
use dlc_onnx::Array;
use dlc_onnx::decode::tensor_to_bytes;
use onnx_protobuf::ModelProto;
use std::path::Path;
use std::process::Command;

/// A folder with models and arrays, and the commands that are run in it.
pub struct Workshop(tempfile::TempDir);

impl Workshop {
    pub fn new() -> Workshop {
        let shop = Workshop(tempfile::tempdir().unwrap());
        shop.array("two.pb", &Array::of_floats(&[1.0, 2.0]));
        shop.array("three.pb", &Array::of_floats(&[1.0; 3]));
        shop.array("whole.pb", &Array::of_ints(&[1, 2]));
        shop
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn array(&self, name: &str, array: &Array) {
        self.write(name, &tensor_to_bytes("", array).unwrap());
    }

    pub fn model(&self, name: &str, model: &ModelProto) {
        self.write(name, &bytes(model));
    }

    fn output(&self, command: &str) -> std::process::Output {
        let program = Path::new(env!("CARGO_BIN_EXE_dlc"));
        Command::new(program).args(command.split(' ')).current_dir(self.0.path()).output().unwrap()
    }

    /// Exit code and stderr.
    pub fn dlc(&self, command: &str) -> (i32, String) {
        let output = self.output(command);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap().trim_end().to_owned())
    }

    /// What a command that succeeds prints.
    pub fn printed(&self, command: &str) -> String {
        let output = self.output(command);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "dlc {command}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn fails(&self, command: &str, code: i32, message: &str) {
        assert_eq!(self.dlc(command), (code, format!("error: {message}")), "dlc {command}");
    }

    pub fn succeeds(&self, command: &str) {
        let (code, text) = self.dlc(command);
        assert_eq!(code, 0, "dlc {command}: {text}");
    }
}

/// `y = x · w` of `f32[batch, 3]`; a batch of 0 is free.
pub fn classifier(batch: i64) -> ModelProto {
    let mut inputs = vec![info("x", 1, &[batch, 3])];
    if batch == 0 {
        free(&mut inputs[0], 0, "N");
    }
    let nodes = vec![node("MatMul", &["x", "w"], &["y"], Vec::new())];
    let mut graph = graph(inputs, vec![info("y", 1, &[])], nodes);
    graph.output[0].type_ = protobuf::MessageField::none();
    graph.initializer.push(floats("w", &[3, 2], &[0.5; 6]));
    model(18, graph)
}

pub fn free(info: &mut onnx_protobuf::ValueInfoProto, axis: usize, symbol: &str) {
    use onnx_protobuf::{tensor_shape_proto::dimension, type_proto};
    let Some(type_proto::Value::TensorType(tensor)) = &mut info.type_.as_mut().unwrap().value else {
        panic!()
    };
    let dim = &mut tensor.shape.as_mut().unwrap().dim[axis];
    dim.value = Some(dimension::Value::DimParam(symbol.to_owned()));
}
