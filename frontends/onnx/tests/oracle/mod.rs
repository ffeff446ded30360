//! Models run node by node into one region, and the region by the oracle.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]
#![allow(dead_code, reason = "each test uses some of it")]

use super::models::bytes;
use dlc_interp::{Data, Tensor};
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

    fn evaluate(&self, function: &dlc_ir::Function) -> Option<Array> {
        Some(array(&dlc_interp::evaluate(function, 1, &|_| None).ok()?[0]))
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
    document.graph.outputs.iter().map(|output| region.known_value(&output.name).unwrap()).collect()
}

/// The first of them.
pub fn run(model: &ModelProto, fed: &[(&str, Array)]) -> Array {
    run_all(model, fed).swap_remove(0)
}
