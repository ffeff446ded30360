//! Models run node by node into one region, and the region by the oracle.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]
#![allow(dead_code, reason = "each test uses some of it")]

use super::models::bytes;
use dlc_interp::{Data, Tensor};
use dlc_ir::{Op, literal::Elements};
use dlc_onnx::convert::{AtHand, Hand, Region};
use dlc_onnx::{Array, Document, Element, load_bytes};
use dlc_types::Dim;
use onnx_protobuf::ModelProto;
use std::collections::BTreeMap;

/// Arrays by name.
pub struct Values(BTreeMap<String, Array>);

fn array(tensor: &Tensor) -> Array {
    let mut bytes = Vec::new();
    match &tensor.data {
        Data::Float(values) => values.iter().for_each(|&value| tensor.dtype.push_float(value, &mut bytes)),
        Data::Int(values) => values.iter().for_each(|&value| tensor.dtype.push_integer(value, &mut bytes)),
        Data::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
    }
    Array::new(Element::of(tensor.dtype), tensor.dims.clone(), bytes).unwrap()
}

fn tensor(array: &Array) -> Tensor {
    let literal = array.literal().unwrap();
    let data = match literal.elements {
        Elements::Float(values) => Data::Float(values),
        Elements::Int(values) => Data::Int(values),
        Elements::Bool(values) => Data::Bool(values),
    };
    Tensor::new(literal.ty.dtype, array.dims(), data).unwrap()
}

impl Hand for Values {
    fn value(&self, name: &str) -> Option<AtHand> {
        let array = self.0.get(name)?;
        Some(AtHand::Tensor {
            element: array.element(),
            dims: array.dims().iter().map(|&size| Dim::Fixed(size)).collect(),
            array: Some(array.clone()),
            fixed: false,
        })
    }

    fn evaluate(&self, function: &dlc_ir::Function, batch: usize) -> Option<Array> {
        Some(array(&dlc_interp::evaluate(function, batch, &|_| None).ok()?[0]))
    }
}

pub fn hand(document: &Document, fed: &[(&str, Array)]) -> Values {
    let mut values = document.graph.initializers.clone();
    values.extend(fed.iter().map(|(name, array)| ((*name).to_owned(), array.clone())));
    Values(values)
}

/// The outputs of a model that is one region.
pub fn run_all(model: &ModelProto, fed: &[(&str, Array)]) -> Vec<Array> {
    let document = load_bytes(bytes(model), "m.onnx").unwrap();
    let hand = hand(&document, fed);
    let mut region = Region::new("predict", &hand);
    for node in &document.graph.nodes {
        region.convert(node).unwrap_or_else(|stop| panic!("{}: {stop:?}", node.label()));
    }
    let names: Vec<String> = document.graph.outputs.iter().map(|output| output.name.clone()).collect();
    let known: Option<Vec<Array>> = names.iter().map(|name| region.known_value(name)).collect();
    known.unwrap_or_else(|| {
        let (function, _) = region.finish(&names);
        let leaf = |op: &Op| match op {
            Op::Input { name } | Op::Parameter { name } => Some(tensor(&hand.0[name])),
            _ => None,
        };
        let results = dlc_interp::evaluate(&function, 1, &leaf).unwrap();
        let place = |name: &String| function.outputs.iter().position(|output| output.name == *name).unwrap();
        names.iter().map(|name| array(&results[place(name)])).collect()
    })
}

/// The first of them.
pub fn run(model: &ModelProto, fed: &[(&str, Array)]) -> Array {
    run_all(model, fed).swap_remove(0)
}
