//! Any bytes are a model whose nodes convert or tell why not, or an error in one line.
#![no_main]

use dlc_ir::Function;
use dlc_onnx::convert::{AtHand, Hand, Region, Stop};
use dlc_onnx::{Array, Calculus, Document, Element, Extent, Graph, NetworkOptions, ValueType};
use dlc_types::Dim;
use libfuzzer_sys::fuzz_target;

/// Initializers have values, inputs have types alone.
struct Declared<'a>(&'a Graph);

impl Hand for Declared<'_> {
    fn value(&self, name: &str) -> Option<AtHand> {
        let fixed = |dims: &[usize]| dims.iter().map(|&size| Dim::Fixed(size)).collect();
        if let Some(array) = self.0.initializers.get(name) {
            let (element, dims) = (array.element(), fixed(array.dims()));
            return Some(AtHand::Tensor { element, dims, array: Some(array.clone()), fixed: true });
        }
        let input = self.0.inputs.iter().find(|input| input.name == name)?;
        let ValueType::Tensor { element: Some(element), dims: Some(dims) } = &input.ty else {
            return Some(AtHand::Other);
        };
        let dims = dims.iter().map(|dim| match dim {
            Extent::Fixed(size) => Dim::Fixed(*size),
            Extent::Symbol(_) => Dim::N,
            Extent::Unknown => Dim::Fixed(3),
        });
        Some(AtHand::Tensor { element: *element, dims: dims.collect(), array: None, fixed: false })
    }

    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array> {
        integers(function, batch)
    }
}

/// By the oracle; integers alone, which is what shapes are.
fn integers(function: &Function, batch: usize) -> Option<Array> {
    let tensor = dlc_interp::evaluate(function, batch, &|_| None).ok()?.pop()?;
    let dlc_interp::Data::Int(values) = &tensor.data else { return None };
    let wide = Array::of_ints(values).reshaped(tensor.dims.clone()).ok()?;
    (Element::of(tensor.dtype) == Element::I64).then_some(wide)
}

/// The same for whole models.
struct Oracle;

impl Calculus for Oracle {
    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array> {
        integers(function, batch)
    }

    fn differentiate(&self, _: &Function, _: &[String]) -> Result<Function, String> {
        Err("derivatives in a graph".to_owned())
    }
}

/// Region by region, as a run converts.
fn stages(document: &Document) {
    let hand = Declared(&document.graph);
    let mut region = Region::new("predict", &hand);
    for node in &document.graph.nodes {
        if let Err(Stop::Invalid(what)) = region.convert(node) {
            assert!(!what.contains("bug in dlc"), "{}: {what}", node.label());
        }
    }
    let wanted: Vec<String> = document.graph.outputs.iter().map(|output| output.name.clone()).collect();
    for name in &wanted {
        let _ = region.known_value(name);
    }
    let (function, _) = region.finish(&wanted);
    dlc_ir::verify::verify(&function).expect("a region is well formed");
}

/// As one function, as what is compiled ahead or trained is converted.
fn whole(document: &Document, training: bool) {
    let options = NetworkOptions { training, ..NetworkOptions::default() };
    if let Ok(network) = dlc_onnx::network(document, &options, &Oracle) {
        dlc_ir::verify::verify(&network.function).expect("a network is well formed");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let document = match dlc_onnx::load_bytes(bytes.to_vec(), "fuzzed.onnx") {
        Ok(document) => document,
        Err(error) => {
            assert!(error.to_string().starts_with("fuzzed.onnx: "), "{error}");
            return;
        }
    };
    stages(&document);
    whole(&document, false);
    whole(&document, true);
});
