//! The general dot product: both operands are brought into the order batch, free, contracted; then
//! every result element is the dot product of two rows.

use crate::offsets::{Offsets, row_major};
use crate::{Data, InterpError, Result, Tensor};
use dlc_ir::Contraction;

/// An operand in the order batch, free, contracted.
struct Rows<T> {
    values: Vec<T>,
    batch: usize,
    free: usize,
    length: usize,
}

pub(crate) fn contract(contraction: &Contraction, a: &Tensor, b: &Tensor) -> Result<Data> {
    let (left_batch, right_batch): (Vec<usize>, Vec<usize>) = contraction.batch.iter().copied().unzip();
    let (left_sum, right_sum): (Vec<usize>, Vec<usize>) = contraction.contract.iter().copied().unzip();
    match (&a.data, &b.data) {
        (Data::Float(left), Data::Float(right)) => Ok(Data::Float(multiply(
            &rows(left, &a.dims, &left_batch, &left_sum),
            &rows(right, &b.dims, &right_batch, &right_sum),
            |left, right| left.iter().zip(right).fold(0.0, |sum, (a, b)| sum + a * b),
        ))),
        (Data::Int(left), Data::Int(right)) => Ok(Data::Int(multiply(
            &rows(left, &a.dims, &left_batch, &left_sum),
            &rows(right, &b.dims, &right_batch, &right_sum),
            |left, right| {
                left.iter().zip(right).fold(0, |sum: i64, (a, b)| sum.wrapping_add(a.wrapping_mul(*b)))
            },
        ))),
        _ => Err(InterpError::Unverified {
            op: "contract".to_owned(),
            rule: "has operands of one class of numbers",
        }),
    }
}

fn rows<T: Copy>(values: &[T], dims: &[usize], batch: &[usize], sum: &[usize]) -> Rows<T> {
    let free: Vec<usize> =
        (0..dims.len()).filter(|axis| !batch.contains(axis) && !sum.contains(axis)).collect();
    let order: Vec<usize> = batch.iter().chain(&free).chain(sum).copied().collect();
    let strides = row_major(dims);
    let ordered: Vec<usize> = order.iter().map(|&axis| dims[axis]).collect();
    let offsets = Offsets::new(&ordered, order.iter().map(|&axis| strides[axis]).collect(), 0);
    let size = |axes: &[usize]| axes.iter().map(|&axis| dims[axis]).product();
    Rows {
        values: offsets.map(|offset| values[offset]).collect(),
        batch: size(batch),
        free: size(&free),
        length: size(sum),
    }
}

fn multiply<T>(a: &Rows<T>, b: &Rows<T>, dot: fn(&[T], &[T]) -> T) -> Vec<T> {
    let mut result = Vec::with_capacity(a.batch * a.free * b.free);
    for batch in 0..a.batch {
        for i in 0..a.free {
            let left = &a.values[(batch * a.free + i) * a.length..][..a.length];
            for j in 0..b.free {
                let right = &b.values[(batch * b.free + j) * b.length..][..b.length];
                result.push(dot(left, right));
            }
        }
    }
    result
}
