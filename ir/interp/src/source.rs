//! Ops without tensor operands: constants, counters, sizes, random numbers.

use crate::offsets::Split;
use crate::{Data, InterpError, Result, Tensor, tensor};
use dlc_ir::Literal;
use dlc_types::random::{random_bits, unit_from_bits};
use dlc_types::{DType, Dim};

pub(crate) fn constant(literal: &Literal) -> Data {
    let dtype = literal.ty.dtype;
    tensor::convert(dtype, dtype, &Data::from(&literal.elements))
}

pub(crate) fn iota(axis: usize, dtype: DType, dims: &[usize]) -> Data {
    let Split { outer, length, inner } = Split::at(dims, axis);
    let coordinates =
        (0..outer).flat_map(|_| 0..length).flat_map(|position| (0..inner).map(move |_| position));
    tensor::convert(DType::I64, dtype, &Data::Int(coordinates.map(|position| position as i64).collect()))
}

pub(crate) fn extent(dim: Dim, dtype: DType, batch: usize) -> Data {
    let size = match dim {
        Dim::Fixed(size) => size,
        Dim::Batch(scale) => scale.saturating_mul(batch),
    };
    tensor::convert(DType::I64, dtype, &Data::Int(vec![size as i64]))
}

pub(crate) fn random(stream: u32, seed: &Tensor, step: &Tensor, dims: &[usize]) -> Result<Data> {
    let (Data::Int(seed), Data::Int(step)) = (&seed.data, &step.data) else {
        return Err(InterpError::Unverified { op: "random".to_owned(), rule: "seed and step are integers" });
    };
    let ([seed], [step]) = (seed.as_slice(), step.as_slice()) else {
        return Err(InterpError::Unverified { op: "random".to_owned(), rule: "seed and step are scalars" });
    };
    let count: usize = dims.iter().product();
    let draw = |index: usize| random_bits(*seed as u64, stream, *step as u32, index as u64);
    Ok(Data::Float((0..count).map(|index| f64::from(unit_from_bits(draw(index)))).collect()))
}
