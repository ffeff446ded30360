//! Products of matrices that have no elements or sum over none, and determinants.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one, same_element};
use crate::error::{Result, invalid, unsupported};
use crate::index::{broadcast, broadcast_strides};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] =
    &[onnx("MatMul", 1, matmul), onnx("Gemm", 7, gemm), onnx("Det", 11, determinants)];

fn matmul(call: &Call<'_>) -> Outcome {
    let (left, right) = (call.input(0)?, call.input(1)?);
    same_element(left, right)?;
    let fault = || invalid(format!("dims {:?} and {:?} do not multiply", left.dims(), right.dims()));
    let (mut rows, mut columns) = (left.dims().to_vec(), right.dims().to_vec());
    let inner = rows.pop().ok_or_else(fault)?;
    let row = rows.pop();
    let column = if columns.len() > 1 { columns.pop() } else { None };
    if columns.pop() != Some(inner) {
        return Err(fault());
    }
    let mut dims = broadcast(&rows, &columns)?;
    dims.extend(row);
    dims.extend(column);
    one(nothing_summed(left, dims, inner)?)
}

fn nothing_summed(like: &Tensor, dims: Vec<usize>, inner: usize) -> Result<Tensor> {
    if inner != 0 && !dims.contains(&0) {
        return Err(unsupported(format!("it with elements (dims {dims:?})")));
    }
    Tensor::zeros(like.element(), dims)
}

fn gemm(call: &Call<'_>) -> Outcome {
    let (left, right) = (call.input(0)?, call.input(1)?);
    let sides = |tensor: &Tensor, name: &str| match (tensor.dims(), call.flag(name, false)?) {
        (&[outer, inner], false) | (&[inner, outer], true) => Ok((outer, inner)),
        (dims, _) => Err(invalid(format!("dims {dims:?} are no matrix"))),
    };
    let ((rows, inner), (same, columns)) = (sides(left, "transA")?, sides(right, "transB")?);
    if inner != same {
        return Err(invalid(format!("dims {:?} and {:?} do not multiply", left.dims(), right.dims())));
    }
    let zeros = nothing_summed(left, vec![rows, columns], inner)?;
    let Some(added) = call.optional_input(2)? else { return one(zeros) };
    let steps = broadcast_strides(added.dims(), zeros.dims())?;
    let factor = f64::from(call.float("beta")?.copied().unwrap_or(1.0));
    let added = added.view(zeros.dims().to_vec(), &steps, 0)?;
    let values = added.floats()?.into_iter().map(|value| value * factor);
    one(Tensor::of_floats(left.element(), zeros.dims().to_vec(), values)?)
}

fn determinants(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let Some((batch, &[rows, columns])) = data.dims().split_last_chunk::<2>() else {
        return Err(invalid(format!("dims {:?} are no matrix", data.dims())));
    };
    if rows != columns {
        return Err(invalid(format!("dims {:?} are no square matrix", data.dims())));
    }
    let mut values = data.floats()?;
    let batches: usize = batch.iter().product();
    let results: Vec<f64> = if rows == 0 {
        vec![1.0; batches]
    } else {
        values.chunks_exact_mut(rows * rows).map(|matrix| determinant(matrix, rows)).collect()
    };
    one(Tensor::of_floats(data.element(), batch.to_vec(), results)?)
}

/// Elimination with the largest pivot of each column.
fn determinant(matrix: &mut [f64], size: usize) -> f64 {
    let mut product = 1.0;
    for column in 0..size {
        let magnitude = |row: usize| matrix[row * size + column].abs();
        let pivot = (column..size)
            .fold(column, |best, row| if magnitude(row) > magnitude(best) { row } else { best });
        if pivot != column {
            (0..size).for_each(|at| matrix.swap(pivot * size + at, column * size + at));
            product = -product;
        }
        let diagonal = matrix[column * size + column];
        product *= diagonal;
        if diagonal == 0.0 {
            return product;
        }
        for row in column + 1..size {
            let factor = matrix[row * size + column] / diagonal;
            for at in column..size {
                matrix[row * size + at] -= factor * matrix[column * size + at];
            }
        }
    }
    product
}
