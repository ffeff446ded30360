//! What lowering makes of small graphs, as golden text.
//!
//! Each file of `tests/lowering` begins with its input, a graph in text form or a model in the language
//! (whose training step is lowered), then a line of dashes, then the program. `UPDATE_EXPECT=1` writes the
//! programs anew; read what you commit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_compiler::rewrite::RuleSelection;
use dlc_compiler::{CompileOptions, FunctionKind, compile};
use dlc_tests::harness::model_of;
use dlc_tests::models::from_text;
use std::path::Path;

const RULER: &str = "----------------\n";

fn lowered(input: &str) -> String {
    let (model, kind) = if input.starts_with("dlc ") {
        (from_text(input).model, FunctionKind::Train)
    } else {
        let function = dlc_ir::text::parse(input).unwrap_or_else(|error| panic!("{error}\n{input}"));
        dlc_ir::verify::verify(&function).unwrap_or_else(|error| panic!("{error}\n{input}"));
        (model_of(&function), FunctionKind::Predict)
    };
    let mut options = CompileOptions { functions: vec![kind], byte_products: true, ..CompileOptions::new(4) };
    options.rewrite.rules = RuleSelection::Off;
    let compilation = compile(&model, &options).unwrap_or_else(|error| panic!("{error}\n{input}"));
    compilation.functions[0].lowered.program.to_string()
}

#[track_caller]
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lowering").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let input = text.split(RULER).next().unwrap();
    expect_test::expect_file![path].assert_eq(&format!("{input}{RULER}{}", lowered(input)));
}

#[test]
fn dense_layer() {
    check("dense.txt");
}

#[test]
fn convolution_with_border() {
    check("convolution.txt");
}

#[test]
fn quantized_layer() {
    check("quantized.txt");
}

#[test]
fn convolution_by_tiles() {
    check("winograd.txt");
}

#[test]
fn input_gradient_of_a_strided_convolution() {
    check("phases.txt");
}

#[test]
fn weight_gradient_in_pieces() {
    check("weight_gradient.txt");
}

#[test]
fn batch_norm() {
    check("batch_norm.txt");
}

#[test]
fn softmax() {
    check("softmax.txt");
}

#[test]
fn steps_of_an_lstm() {
    check("lstm.txt");
}

#[test]
fn update_in_place() {
    check("update.txt");
}

/// The norm of LAMB's direction reads moments that were just written over the old ones.
#[test]
fn new_values_that_are_read() {
    check("new_values.txt");
}
