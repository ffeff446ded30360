//! Contractions and convolutions of integers as sums of products: of those that are not known to be small.
//!
//! Both operands are repeated over the axes that only the other has, which costs nothing: a kernel reads
//! them where it multiplies. The axis that lies innermost in the result is innermost here, so that lanes run
//! along it. A convolution's input is gathered tap by tap.

use dlc_ir::{Builder, Contraction, Convolution, InferError, NodeId, Op};
use dlc_types::{DType, Dim, Shape, TensorType};

type Built = Result<NodeId, InferError>;

/// `contract(a, b)`: products over batch, free axes of `a`, summed axes, free axes of `b`.
pub(super) fn contract(b: &mut Builder, contraction: &Contraction, operands: &[NodeId]) -> Built {
    let [left, right] = [operands[0], operands[1]];
    let free = |rank: usize, bound: &[usize]| -> Vec<usize> {
        (0..rank).filter(|axis| !bound.contains(axis)).collect()
    };
    let (left_batch, right_batch): (Vec<usize>, Vec<usize>) = contraction.batch.iter().copied().unzip();
    let (left_sum, right_sum): (Vec<usize>, Vec<usize>) = contraction.contract.iter().copied().unzip();
    let rows = free(b.shape(left).rank(), &[left_batch.as_slice(), &left_sum].concat());
    let columns = free(b.shape(right).rank(), &[right_batch.as_slice(), &right_sum].concat());
    let left = b.transpose(left, &[left_batch.as_slice(), &rows, &left_sum].concat())?;
    let right = b.transpose(right, &[right_batch.as_slice(), &right_sum, &columns].concat())?;
    let (batch, sums) = (left_batch.len(), left_sum.len());
    let mut dims = b.shape(left).dims().to_vec();
    dims.extend_from_slice(&b.shape(right).dims()[batch + sums..]);
    let shape = Shape(dims);
    let first = batch + rows.len();
    let left_axes: Vec<usize> = (0..first + sums).collect();
    let right_axes: Vec<usize> = (0..batch).chain(first..shape.rank()).collect();
    let left = b.broadcast(left, shape.clone(), &left_axes)?;
    let right = b.broadcast(right, shape, &right_axes)?;
    let product = b.mul(left, right)?;
    b.sum(product, &(first..first + sums).collect::<Vec<usize>>())
}

/// `convolve(x, kernel)`, with `result` the result's shape.
pub(super) fn convolve(
    b: &mut Builder,
    convolution: &Convolution,
    operands: &[NodeId],
    result: &Shape,
) -> Built {
    let [x, kernel] = [operands[0], operands[1]];
    let kernel_shape = b.shape(kernel).clone();
    let spatial = result.rank() - 2;
    let groups = Dim::Fixed(convolution.groups);
    let per_group = |dim: Dim| match dim {
        Dim::Fixed(count) => Dim::Fixed(count / convolution.groups),
        batch => batch,
    };
    let x = padded(b, convolution, x)?;
    let extents = b.shape(x).clone();
    let Some(length) = extents.dims()[2..].iter().try_fold(Dim::Fixed(1), |product, &dim| product.times(dim))
    else {
        return Err(InferError::new("a convolution of integers along the batch"));
    };
    let flat = b.reshape(x, Shape(vec![extents[0], extents[1], length]))?;
    let mut taps = kernel_shape.dims()[2..].to_vec();
    taps.extend_from_slice(&result.dims()[2..]);
    let places = places(b, convolution, &extents, &Shape(taps.clone()))?;
    // [n, c, taps…, places…], then with the channels of each group apart.
    let patches = b.add_node(Op::Gather { axis: 2 }, &[flat, places])?;
    let mut dims = vec![extents[0], groups, per_group(extents[1])];
    dims.extend_from_slice(&taps);
    let patches = b.reshape(patches, Shape(dims.clone()))?;
    dims.insert(2, per_group(kernel_shape[0]));
    let shape = Shape(dims);
    let mut weights = vec![groups, per_group(kernel_shape[0]), kernel_shape[1]];
    weights.extend_from_slice(&kernel_shape.dims()[2..]);
    let kernel = b.reshape(kernel, Shape(weights))?;
    let patch_axes: Vec<usize> = [0, 1].into_iter().chain(3..shape.rank()).collect();
    let patches = b.broadcast(patches, shape.clone(), &patch_axes)?;
    let kernel = b.broadcast(kernel, shape, &(1..4 + spatial).collect::<Vec<usize>>())?;
    let product = b.mul(patches, kernel)?;
    let sums = b.sum(product, &(3..4 + spatial).collect::<Vec<usize>>())?;
    b.reshape(sums, result.clone())
}

/// The input with zeros between neighbours and at its ends, or less of it where padding is negative.
fn padded(b: &mut Builder, convolution: &Convolution, x: NodeId) -> Built {
    let plain = |dilation: &usize| *dilation == 1;
    let with_channels = |rest: Vec<usize>, outer: usize| -> Vec<usize> { [vec![outer; 2], rest].concat() };
    let mut x = x;
    if !convolution.input_dilation.iter().all(plain) {
        let factors = with_channels(convolution.input_dilation.clone(), 1);
        x = b.add_node(Op::Dilate { factors }, &[x])?;
    }
    let count = |number: i64| usize::try_from(number.max(0)).unwrap_or(0);
    let sides = |side: fn(&(i64, i64)) -> i64| -> Vec<usize> {
        with_channels(convolution.padding.iter().map(|pair| count(side(pair))).collect(), 0)
    };
    let (low, high) = (sides(|pair| pair.0), sides(|pair| pair.1));
    if low.iter().chain(&high).any(|&added| added > 0) {
        let zero = b.scalar(b.ty(x).dtype, 0.0)?;
        x = b.add_node(Op::Pad { low, high }, &[x, zero])?;
    }
    let (from, to) = (sides(|pair| -pair.0), sides(|pair| -pair.1));
    if from.iter().chain(&to).any(|&cut| cut > 0) {
        let limits = b.shape(x).dims().iter().zip(&to).map(|(dim, cut)| match dim {
            Dim::Fixed(length) => length - cut,
            Dim::Batch(_) => usize::MAX,
        });
        let limits = limits.collect();
        let strides = vec![1; from.len()];
        x = b.add_node(Op::Slice { starts: from, limits, strides }, &[x])?;
    }
    Ok(x)
}

/// Where the element under each tap at each place lies in the flat input: of the shape taps, places.
fn places(b: &mut Builder, convolution: &Convolution, extents: &Shape, shape: &Shape) -> Built {
    let spatial = shape.rank() / 2;
    let ty = TensorType::new(DType::I32, shape.clone());
    let mut sum: Option<NodeId> = None;
    for axis in 0..spatial {
        let tap = b.declare(Op::Iota { axis }, &[], ty.clone())?;
        let tap = b.scale(tap, convolution.kernel_dilation[axis] as f64)?;
        let place = b.declare(Op::Iota { axis: axis + spatial }, &[], ty.clone())?;
        let place = b.scale(place, convolution.strides[axis] as f64)?;
        let coordinate = b.add(tap, place)?;
        sum = Some(match (sum, extents[axis + 2]) {
            (Some(sum), Dim::Fixed(length)) => {
                let outer = b.scale(sum, length as f64)?;
                b.add(outer, coordinate)?
            }
            (Some(_), Dim::Batch(_)) => {
                return Err(InferError::new("a convolution of integers along the batch"));
            }
            (None, _) => coordinate,
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => b.splat(DType::I32, shape.clone(), 0.0),
    }
}
