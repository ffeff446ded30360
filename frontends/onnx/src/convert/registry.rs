//! The table of all operators that can be converted.

use super::{
    Context, Stop, activation, arithmetic, attention, batch_normalization, bits, blocks, branch, comparison,
    conversion, convolution, deformable, determinant, dropout, einsum, elementary, fourier, gradient, grid,
    indexing, iteration, loss, movement, normalization, optimizer, padding, pooling, product, quantization,
    quantized, recurrent, reduction, region_align, resize, scatter, sequence_order, shape, softmax, sorting,
    triangle, unpooling, window_function,
};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Converts one node.
pub type Converter = fn(&mut Context<'_, '_>) -> Result<(), Stop>;

/// An operator that can be converted.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// Its domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The first opset that had it.
    pub since: i64,
    /// Converts a node of it.
    pub convert: Converter,
}

impl Operator {
    /// An operator of ONNX's own domain.
    pub const fn new(name: &'static str, since: i64, convert: Converter) -> Operator {
        Operator { domain: "", name, since, convert }
    }

    /// An operator of another domain.
    pub const fn of(domain: &'static str, name: &'static str, since: i64, convert: Converter) -> Operator {
        Operator { domain, name, since, convert }
    }
}

/// The families with their operators.
pub const FAMILIES: &[(&str, &[Operator])] = &[
    ("activation", activation::OPERATORS),
    ("arithmetic", arithmetic::OPERATORS),
    ("attention", attention::OPERATORS),
    ("batch_normalization", batch_normalization::OPERATORS),
    ("bits", bits::OPERATORS),
    ("blocks", blocks::OPERATORS),
    ("branch", branch::OPERATORS),
    ("comparison", comparison::OPERATORS),
    ("conversion", conversion::OPERATORS),
    ("convolution", convolution::OPERATORS),
    ("deformable", deformable::OPERATORS),
    ("determinant", determinant::OPERATORS),
    ("dropout", dropout::OPERATORS),
    ("einsum", einsum::OPERATORS),
    ("elementary", elementary::OPERATORS),
    ("fourier", fourier::OPERATORS),
    ("gradient", gradient::OPERATORS),
    ("grid", grid::OPERATORS),
    ("indexing", indexing::OPERATORS),
    ("iteration", iteration::OPERATORS),
    ("loss", loss::OPERATORS),
    ("movement", movement::OPERATORS),
    ("normalization", normalization::OPERATORS),
    ("optimizer", optimizer::OPERATORS),
    ("padding", padding::OPERATORS),
    ("pooling", pooling::OPERATORS),
    ("product", product::OPERATORS),
    ("quantization", quantization::OPERATORS),
    ("quantized", quantized::OPERATORS),
    ("recurrent", recurrent::OPERATORS),
    ("reduction", reduction::OPERATORS),
    ("region_align", region_align::OPERATORS),
    ("resize", resize::OPERATORS),
    ("scatter", scatter::OPERATORS),
    ("sequence_order", sequence_order::OPERATORS),
    ("shape", shape::OPERATORS),
    ("softmax", softmax::OPERATORS),
    ("sorting", sorting::OPERATORS),
    ("triangle", triangle::OPERATORS),
    ("unpooling", unpooling::OPERATORS),
    ("window_function", window_function::OPERATORS),
];

/// (Domain, name) -> (family, operator).
pub type Table = BTreeMap<(&'static str, &'static str), (&'static str, Operator)>;

/// All operators with their families, by domain and name.
pub fn operators() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let all = FAMILIES.iter().flat_map(|(family, list)| list.iter().map(move |one| (*family, *one)));
        all.map(|(family, one)| ((one.domain, one.name), (family, one))).collect()
    })
}

/// The operator of that domain and name.
pub fn find(domain: &str, name: &str) -> Option<Operator> {
    operators().get(&(domain, name)).map(|(_, operator)| *operator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operator_stands_there_twice() {
        let count: usize = FAMILIES.iter().map(|(_, list)| list.len()).sum();
        assert_eq!(operators().len(), count);
    }
}
