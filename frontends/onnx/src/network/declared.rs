//! The inputs of a model that is one function: which are fed, of what type, and which extent is the batch.

use super::NetworkOptions;
use crate::{Array, Document, Extent, Graph, ValueInfo, ValueType};
use dlc_ir::Declaration;
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// Elements that a tensor may have.
const MOST_ELEMENTS: usize = 1 << 40;

/// The inputs that are neither given ahead nor have a value in the file.
fn fed<'g>(graph: &'g Graph, bound: &BTreeMap<String, Array>) -> Vec<&'g ValueInfo> {
    let inputs = graph.inputs.iter();
    inputs
        .filter(|input| !graph.initializers.contains_key(&input.name) && !bound.contains_key(&input.name))
        .collect()
}

/// Inputs that no kernel could read: strings, sequences, the smallest element types.
pub(super) fn not_compiled(document: &Document, bound: &BTreeMap<String, Array>) -> Vec<String> {
    let foreign = |input: &&ValueInfo| match &input.ty {
        ValueType::Tensor { element, .. } => element.is_some_and(|element| element.dtype().is_none()),
        ValueType::Unknown => false,
        _ => true,
    };
    let line = |input: &ValueInfo| {
        let (file, name, ty) = (&document.file, &input.name, &input.ty);
        format!("{file}: the input `{name}` is {ty}, which `dlc run` alone can take")
    };
    fed(&document.graph, bound).into_iter().filter(foreign).map(line).collect()
}

/// The sizes of symbolic extents: those that are given, and those that values given ahead have.
fn sizes(graph: &Graph, options: &NetworkOptions) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    for input in &graph.inputs {
        let (Some(array), ValueType::Tensor { dims: Some(extents), .. }) =
            (options.bound.get(&input.name), &input.ty)
        else {
            continue;
        };
        for (extent, &size) in extents.iter().zip(array.dims()) {
            if let Extent::Symbol(symbol) = extent {
                sizes.insert(symbol.clone(), size);
            }
        }
    }
    sizes.extend(options.dims.iter().map(|(name, &size)| (name.clone(), size)));
    sizes
}

/// The extents of an input, and what is wrong with them.
struct Extents<'a> {
    document: &'a Document,
    sizes: &'a BTreeMap<String, usize>,
    batch: Option<String>,
    used: BTreeSet<String>,
    faults: Vec<String>,
}

impl Extents<'_> {
    /// One axis; `None` where it has no size.
    fn axis(&mut self, input: &ValueInfo, axis: usize, extent: &Extent) -> Option<Dim> {
        let (file, place) = (&self.document.file, format!("{}.{axis}", input.name));
        let key = match extent {
            Extent::Fixed(size) => return Some(Dim::Fixed(*size)),
            Extent::Symbol(symbol) => symbol.as_str(),
            Extent::Unknown => place.as_str(),
        };
        match self.sizes.get(key).or_else(|| self.sizes.get(&place)) {
            Some(&size) => {
                if size == 0 {
                    self.faults.push(format!("{file}: the size of `{key}` must be 1 or more"));
                }
                self.used.extend([key.to_owned(), place.clone()]);
                Some(Dim::Fixed(size))
            }
            None if self.batch.as_deref() == Some(key) || (axis == 0 && *extent == Extent::Unknown) => {
                Some(Dim::N)
            }
            None => {
                self.faults.push(format!(
                    "{file}: axis {axis} of the input `{}` has no size: give it as `--dim {key}=SIZE`",
                    input.name
                ));
                None
            }
        }
    }

    fn input(&mut self, input: &ValueInfo, dtype: DType, extents: &[Extent]) -> Declaration {
        let axes = extents.iter().enumerate();
        let shape: Vec<Dim> = axes.filter_map(|(axis, extent)| self.axis(input, axis, extent)).collect();
        let fixed = shape.iter().map(|dim| if let Dim::Fixed(size) = dim { *size } else { 1 });
        let elements = fixed.fold(1, |product: usize, size| product.saturating_mul(size));
        if elements > MOST_ELEMENTS {
            let file = &self.document.file;
            self.faults.push(format!("{file}: the input `{}` is {}, too large", input.name, input.ty));
        }
        Declaration { name: input.name.clone(), ty: TensorType::new(dtype, Shape(shape)) }
    }
}

/// The inputs that are fed, with the batch and the sizes that are given.
pub(super) fn declarations(
    document: &Document,
    options: &NetworkOptions,
) -> Result<Vec<Declaration>, Vec<String>> {
    let fed = fed(&document.graph, &options.bound);
    let sizes = sizes(&document.graph, options);
    let batch = batch_symbol(&fed, &sizes);
    let (used, faults) = (BTreeSet::new(), Vec::new());
    let mut extents = Extents { document, sizes: &sizes, batch, used, faults };
    let mut declared = Vec::new();
    for input in fed {
        match &input.ty {
            ValueType::Tensor { element: Some(element), dims: Some(dims) } => {
                let Some(dtype) = element.dtype() else { continue };
                declared.push(extents.input(input, dtype, dims));
            }
            other => extents.faults.push(format!(
                "{}: the input `{}` is declared as {other}, without element type and axes",
                document.file, input.name
            )),
        }
    }
    let Extents { used, mut faults, .. } = extents;
    faults.dedup();
    for name in options.dims.keys().filter(|name| !used.contains(*name)) {
        faults.push(format!("{}: no input has an extent `{name}`", document.file));
    }
    if faults.is_empty() { Ok(declared) } else { Err(faults) }
}

/// The name of the first outermost extent that has no size: the batch.
fn batch_symbol(inputs: &[&ValueInfo], dims: &BTreeMap<String, usize>) -> Option<String> {
    inputs.iter().find_map(|input| match &input.ty {
        ValueType::Tensor { dims: Some(extents), .. } => match extents.first()? {
            Extent::Symbol(symbol) if !dims.contains_key(symbol) => Some(symbol.clone()),
            _ => None,
        },
        _ => None,
    })
}
