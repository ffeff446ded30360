//! One node of a given opset, upgraded, converted, and evaluated by the oracle.

use dlc_interp::{Data, Tensor};
use dlc_ir::{Function, Op};
use dlc_onnx::convert::{AtHand, Hand, Region, Stop};
use dlc_onnx::{Array, Attribute, Document, Element, Graph, Node, upgrade};
use dlc_types::{DType, Dim};
use std::collections::BTreeMap;

/// Extents and elements.
pub(crate) type Values = (Vec<usize>, Vec<f64>);

/// The batch of values that follow it.
const BATCH: usize = 2;

struct Fed {
    tensor: Tensor,
    dims: Vec<Dim>,
    known: Option<Array>,
}

/// A node with its inputs.
pub(crate) struct Case {
    node: Node,
    fed: BTreeMap<String, Fed>,
}

pub(crate) fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

pub(crate) fn text(value: &str) -> Attribute {
    Attribute::Text(value.as_bytes().to_vec())
}

impl Case {
    /// A node of that operator and opset with one output.
    pub(crate) fn new(op_type: &str, opset: i64) -> Case {
        let node = Node { op_type: op_type.to_owned(), opset, ..Node::default() };
        Case { node, fed: BTreeMap::new() }.outputs(1)
    }

    pub(crate) fn outputs(mut self, count: usize) -> Case {
        self.node.outputs = (0..count).map(|position| format!("y{position}")).collect();
        self
    }

    pub(crate) fn attribute(mut self, name: &str, value: Attribute) -> Case {
        self.node.attributes.insert(name.to_owned(), value);
        self
    }

    fn feed(mut self, dtype: DType, dims: &[Dim], values: &[f64], known: bool) -> Case {
        let name = format!("x{}", self.node.inputs.len());
        let data = if dtype.is_float() {
            Data::Float(values.to_vec())
        } else {
            Data::Int(values.iter().map(|&value| value as i64).collect())
        };
        let sizes: Vec<usize> = dims.iter().map(|dim| dim.fixed().unwrap_or(BATCH)).collect();
        let bytes = values.iter().flat_map(|&value| match dtype {
            DType::F32 => (value as f32).to_le_bytes().to_vec(),
            _ => (value as i64).to_le_bytes().to_vec(),
        });
        let known = known.then(|| Array::new(Element::of(dtype), sizes.clone(), bytes.collect()).unwrap());
        let tensor = Tensor::new(dtype, &sizes, data).unwrap();
        self.fed.insert(name.clone(), Fed { tensor, dims: dims.to_vec(), known });
        self.node.inputs.push(name);
        self
    }

    /// An input whose elements are not known to the conversion.
    pub(crate) fn input(self, dtype: DType, sizes: &[usize], values: &[f64]) -> Case {
        let dims: Vec<Dim> = sizes.iter().map(|&size| Dim::Fixed(size)).collect();
        self.feed(dtype, &dims, values, false)
    }

    /// The same, with an axis of the batch's size in front.
    pub(crate) fn batch_input(self, dtype: DType, sizes: &[usize], values: &[f64]) -> Case {
        let behind = sizes.iter().map(|&size| Dim::Fixed(size));
        let dims: Vec<Dim> = [Dim::Batch(1)].into_iter().chain(behind).collect();
        self.feed(dtype, &dims, values, false)
    }

    /// An input whose elements are known: `i64` or `f32`.
    pub(crate) fn known(self, dtype: DType, sizes: &[usize], values: &[f64]) -> Case {
        let dims: Vec<Dim> = sizes.iter().map(|&size| Dim::Fixed(size)).collect();
        self.feed(dtype, &dims, values, true)
    }

    /// An input of zeros.
    pub(crate) fn zeros(self, sizes: &[usize]) -> Case {
        let count = sizes.iter().product();
        self.input(DType::F32, sizes, &vec![0.0; count])
    }

    /// An input that is left out.
    pub(crate) fn missing(mut self) -> Case {
        self.node.inputs.push(String::new());
        self
    }

    /// The outputs.
    pub(crate) fn run(self) -> Result<Vec<Values>, Stop> {
        let wanted = self.node.outputs.clone();
        let graph = Graph { nodes: vec![self.node.clone()], ..Graph::default() };
        let mut document = Document {
            file: "test".to_owned(),
            ir_version: 8,
            opsets: BTreeMap::new(),
            producer: String::new(),
            graph,
            functions: Vec::new(),
        };
        upgrade::upgrade(&mut document).unwrap();
        let mut region = Region::new("test", &self);
        for node in &document.graph.nodes {
            region.convert(node)?;
        }
        let (function, _) = region.finish(&wanted);
        let results = dlc_interp::evaluate(&function, BATCH, &|op| match op {
            Op::Input { name } | Op::Parameter { name } => self.fed.get(name).map(|fed| fed.tensor.clone()),
            _ => None,
        });
        Ok(results.unwrap().into_iter().map(|tensor| (tensor.dims.clone(), numbers(tensor))).collect())
    }

    /// The only output.
    pub(crate) fn only(self) -> Values {
        self.run().unwrap().remove(0)
    }
}

fn numbers(tensor: Tensor) -> Vec<f64> {
    match tensor.data {
        Data::Float(values) => values,
        Data::Int(values) => values.into_iter().map(|value| value as f64).collect(),
        Data::Bool(values) => values.into_iter().map(|value| f64::from(u8::from(value))).collect(),
    }
}

impl Hand for Case {
    fn value(&self, name: &str) -> Option<AtHand> {
        let fed = self.fed.get(name)?;
        Some(AtHand::Tensor {
            element: Element::of(fed.tensor.dtype),
            dims: fed.dims.clone(),
            array: fed.known.clone(),
            fixed: false,
        })
    }

    fn evaluate(&self, function: &Function) -> Option<Array> {
        let tensor = dlc_interp::evaluate(function, 1, &|_| None).ok()?.into_iter().next()?;
        let Data::Int(values) = tensor.data else { return None };
        Array::of_ints(&values).reshaped(tensor.dims).ok()
    }
}
