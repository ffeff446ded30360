//! The model while it is written: its nodes and initializers, names, and where each value stands.

use crate::{Array, Attribute, Element, Node};
use dlc_ir::{Function, NodeId, Type};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// Why a node has no form; the words follow the op's name.
pub(super) type Refusal = String;
/// What writing a node gives.
pub(super) type Written<T> = Result<T, Refusal>;

/// A value of the function as it stands in the model. `dims` are its extents there: with leading axes of the
/// value's shape left out, and 1 where the value repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) dims: Vec<Dim>,
}

/// Where the batch can be read: an axis of an input that is so many times the batch.
#[derive(Clone, Debug)]
pub(super) struct BatchSource {
    pub(super) input: String,
    pub(super) axis: usize,
    pub(super) scale: usize,
}

/// The model so far.
pub(super) struct Scope<'f> {
    pub(super) function: &'f Function,
    pub(super) nodes: Vec<Node>,
    pub(super) initializers: BTreeMap<String, Array>,
    /// Path of the layer that is being written.
    pub(super) path: String,
    values: BTreeMap<NodeId, Vec<Value>>,
    expanded: BTreeMap<NodeId, String>,
    names: BTreeSet<String>,
    constants: BTreeMap<(Element, Vec<usize>, Vec<u8>), String>,
    batch_source: Option<BatchSource>,
    batch: Option<String>,
}

/// The type in which sums and products of such elements are written: few operators take narrow integers, and few
/// runtimes wide ones without a sign. Both wrap alike.
pub(super) fn summed_in(dtype: DType) -> DType {
    match dtype {
        DType::I8 | DType::U8 | DType::I16 | DType::U16 => DType::I32,
        DType::U32 | DType::U64 => DType::I64,
        other => other,
    }
}

/// The type in which such elements are compared.
pub(super) fn ordered_in(dtype: DType) -> DType {
    match dtype {
        DType::U64 => DType::U64,
        DType::BF16 => DType::F32,
        other => summed_in(other),
    }
}

/// An extent or a place as ONNX writes it.
pub(super) fn long(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn longs(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| long(size)).collect()
}

pub(super) fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

pub(super) fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(longs(values))
}

pub(super) fn text(value: &str) -> Attribute {
    Attribute::Text(value.as_bytes().to_vec())
}

impl<'f> Scope<'f> {
    /// `reserved` are the names that no inner value may have.
    pub(super) fn new(
        function: &'f Function,
        reserved: BTreeSet<String>,
        batch_source: Option<BatchSource>,
    ) -> Scope<'f> {
        Scope {
            function,
            nodes: Vec::new(),
            initializers: BTreeMap::new(),
            path: String::new(),
            values: BTreeMap::new(),
            expanded: BTreeMap::new(),
            names: reserved,
            constants: BTreeMap::new(),
            batch_source,
            batch: None,
        }
    }

    /// An empty scope of a graph inside of this one, which sees what is here and shares its names and constants.
    pub(super) fn within<'i>(&self, function: &'i Function) -> Scope<'i> {
        Scope {
            constants: self.constants.clone(),
            batch: self.batch.clone(),
            ..Scope::new(function, self.names.clone(), self.batch_source.clone())
        }
    }

    /// Goes on behind an inner scope; gives its nodes. Its constants are this scope's.
    pub(super) fn after(&mut self, inner: Scope<'_>) -> Vec<Node> {
        self.names = inner.names;
        self.constants = inner.constants;
        self.initializers.extend(inner.initializers);
        inner.nodes
    }

    /// A name that nothing else has.
    pub(super) fn fresh(&mut self, base: &str) -> String {
        let mut name = base.to_owned();
        let mut number = 1_usize;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{base}_{number}");
        }
        name
    }

    /// Appends a node of so many outputs; gives their names.
    pub(super) fn apply_many(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
        outputs: usize,
    ) -> Vec<String> {
        let base = if self.path.is_empty() { op_type.to_owned() } else { format!("{}/{op_type}", self.path) };
        let name = self.fresh(&base);
        let names = (0..outputs)
            .map(|place| if place == 0 { name.clone() } else { self.fresh(&format!("{name}.{place}")) });
        let names: Vec<String> = names.collect();
        self.nodes.push(Node {
            op_type: op_type.to_owned(),
            name,
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: names.clone(),
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            opset: super::OPSET,
            ..Node::default()
        });
        names
    }

    /// Appends a node of one output; gives its name.
    pub(super) fn apply(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        self.apply_many(op_type, inputs, attributes, 1).swap_remove(0)
    }

    /// A known tensor; equal ones are written once.
    pub(super) fn constant(&mut self, array: Array) -> String {
        let key = (array.element(), array.dims().to_vec(), array.bytes().to_vec());
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.fresh("constant");
        self.constants.insert(key, name.clone());
        self.initializers.insert(name.clone(), array);
        name
    }

    /// A known vector of `i64`.
    pub(super) fn long_vector(&mut self, values: &[i64]) -> String {
        self.constant(Array::of_ints(values))
    }

    /// The value in a type that sums up; wrapping is the same after the way back.
    pub(super) fn widened(&mut self, name: &str, dtype: DType, wide: DType) -> String {
        if wide == dtype { name.to_owned() } else { self.cast(name, wide) }
    }

    /// Appends a cast.
    pub(super) fn cast(&mut self, name: &str, dtype: DType) -> String {
        let number = i64::from(Element::of(dtype).number());
        self.apply("Cast", &[name], &[("to", int(number))])
    }

    pub(super) fn ty(&self, id: NodeId) -> Written<&'f TensorType> {
        match &self.function.nodes[id].ty {
            Type::Tensor(ty) => Ok(ty),
            Type::Tuple(_) => Err("several results at once".to_owned()),
        }
    }

    pub(super) fn shape(&self, id: NodeId) -> Written<&'f Shape> {
        Ok(&self.ty(id)?.shape)
    }

    pub(super) fn set(&mut self, id: NodeId, values: Vec<Value>) {
        self.values.insert(id, values);
    }

    /// The results of a node.
    pub(super) fn results(&self, id: NodeId) -> Written<&[Value]> {
        self.values.get(&id).map(Vec::as_slice).ok_or_else(|| "an operand without a form".to_owned())
    }

    /// The value of a node, perhaps with axes of 1 where it repeats.
    pub(super) fn compact(&self, id: NodeId) -> Written<Value> {
        self.results(id)?.first().cloned().ok_or_else(|| "an operand without a value".to_owned())
    }

    /// The value of a node with all its extents.
    pub(super) fn full(&mut self, id: NodeId) -> Written<String> {
        if let Some(name) = self.expanded.get(&id) {
            return Ok(name.clone());
        }
        let value = self.compact(id)?;
        let shape = self.shape(id)?.dims();
        if value.dims == shape {
            return Ok(value.name);
        }
        // Where the value has the extent already, 1 leaves it.
        let missing = shape.len() - value.dims.len();
        let wanted: Vec<Dim> = shape
            .iter()
            .enumerate()
            .map(|(axis, &dim)| {
                let present = axis.checked_sub(missing).map(|axis| value.dims[axis]);
                if present == Some(dim) { Dim::Fixed(1) } else { dim }
            })
            .collect();
        let target = self.extents(&wanted)?;
        let name = self.apply("Expand", &[&value.name, &target], &[]);
        self.expanded.insert(id, name.clone());
        Ok(name)
    }

    /// The size of the batch, a vector of one `i64`.
    fn batch(&mut self) -> Written<String> {
        if let Some(name) = &self.batch {
            return Ok(name.clone());
        }
        let source = self.batch_source.clone();
        let source = source.ok_or("the size of a batch that no input has")?;
        let path = std::mem::take(&mut self.path);
        let range = [("start", int(long(source.axis))), ("end", int(long(source.axis + 1)))];
        let mut name = self.apply("Shape", &[&source.input], &range);
        if source.scale > 1 {
            let scale = self.long_vector(&[long(source.scale)]);
            name = self.apply("Div", &[&name, &scale], &[]);
        }
        self.path = path;
        self.batch = Some(name.clone());
        Ok(name)
    }

    /// One extent, a vector of one `i64`.
    pub(super) fn extent(&mut self, dim: Dim) -> Written<String> {
        match dim {
            Dim::Fixed(size) => Ok(self.long_vector(&[long(size)])),
            Dim::Batch(1) => self.batch(),
            Dim::Batch(scale) => {
                let batch = self.batch()?;
                let scale = self.long_vector(&[long(scale)]);
                Ok(self.apply("Mul", &[&batch, &scale], &[]))
            }
        }
    }

    /// Extents as a vector of `i64`.
    pub(super) fn extents(&mut self, dims: &[Dim]) -> Written<String> {
        let sizes: Option<Vec<i64>> = dims.iter().map(|dim| dim.fixed().map(long)).collect();
        if let Some(sizes) = sizes {
            return Ok(self.long_vector(&sizes));
        }
        let mut parts = Vec::with_capacity(dims.len());
        for &dim in dims {
            parts.push(self.extent(dim)?);
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if let [one] = parts[..] {
            return Ok(one.to_owned());
        }
        Ok(self.apply("Concat", &parts, &[("axis", int(0))]))
    }

    /// The same elements in other extents. An extent with the batch is written as the one that follows from the
    /// others.
    pub(super) fn reshape(&mut self, name: &str, dims: &[Dim]) -> Written<String> {
        let free = dims.iter().filter(|dim| dim.is_batch()).count();
        let empty = dims.contains(&Dim::Fixed(0));
        if free > 1 || (free == 1 && empty) {
            let target = self.extents(dims)?;
            return Ok(self.apply("Reshape", &[name, &target], &[("allowzero", int(1))]));
        }
        let sizes: Vec<i64> = dims.iter().map(|dim| dim.fixed().map_or(-1, long)).collect();
        let target = self.long_vector(&sizes);
        let attributes: &[(&str, Attribute)] = if empty { &[("allowzero", int(1))] } else { &[] };
        Ok(self.apply("Reshape", &[name, &target], attributes))
    }

    /// Permutes axes, unless nothing moves.
    pub(super) fn transpose(&mut self, name: &str, permutation: &[usize]) -> String {
        if permutation.iter().copied().eq(0..permutation.len()) {
            return name.to_owned();
        }
        self.apply("Transpose", &[name], &[("perm", ints(permutation))])
    }

    /// Elements along some axes: (axis, first, end, step) of each.
    pub(super) fn slice(&mut self, name: &str, ranges: &[(usize, i64, i64, i64)]) -> String {
        if ranges.is_empty() {
            return name.to_owned();
        }
        let starts: Vec<i64> = ranges.iter().map(|range| range.1).collect();
        let ends: Vec<i64> = ranges.iter().map(|range| range.2).collect();
        let axes: Vec<i64> = ranges.iter().map(|range| long(range.0)).collect();
        let steps: Vec<i64> = ranges.iter().map(|range| range.3).collect();
        let vectors = [starts, ends, axes, steps.clone()].map(|values| self.long_vector(&values));
        let mut inputs = vec![name];
        inputs.extend(vectors.iter().map(String::as_str));
        if steps.iter().all(|&step| step == 1) {
            inputs.pop();
        }
        self.apply("Slice", &inputs, &[])
    }

    /// Adds elements of a scalar value before and after each axis.
    pub(super) fn pad(&mut self, name: &str, low: &[usize], high: &[usize], value: &str) -> String {
        if low.iter().chain(high).all(|&count| count == 0) {
            return name.to_owned();
        }
        let mut pads = longs(low);
        pads.extend(longs(high));
        let pads = self.long_vector(&pads);
        self.apply("Pad", &[name, &pads, value], &[])
    }
}
