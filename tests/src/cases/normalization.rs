//! Composite ops, which compilation expands.

use super::{Case, Tolerance, batched, fixed, floats};
use dlc_ir::Op;
use dlc_types::{DType, Dim};

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::F64] {
        for (rest, axis) in [
            (&[3][..], 1),
            (&[17], 1),
            (&[5, 7, 7], 1),
            (&[1, 1, 1], 1),
            (&[16, 4, 4], 1),
            (&[4, 4, 9], 3),
            (&[3, 5], 2),
        ] {
            cases.push(batch_norm(dtype, rest, axis));
        }
        for rest in [&[][..], &[1], &[3], &[17], &[3, 5], &[5, 8, 3]] {
            cases.push(softmax(dtype, rest));
        }
        cases.push(large_softmax(dtype));
    }
    for dtype in [DType::F16, DType::BF16] {
        cases.push(batch_norm(dtype, &[5, 7, 7], 1));
        cases.push(softmax(dtype, &[3, 5]));
        cases.push(large_softmax(dtype));
    }
    cases
}

fn batch_norm(dtype: DType, rest: &[usize], axis: usize) -> Case {
    let case = Case::new(format!("batch_norm {axis} of {dtype} N{rest:?}"), |b| {
        let x = b.input("x", batched(dtype, rest))?;
        let per_channel = fixed(dtype, &[rest[axis - 1]]);
        let scale = b.input("scale", per_channel.clone())?;
        let shift = b.input("shift", per_channel)?;
        let result = b.add_node(Op::BatchNorm { axis, epsilon: 1e-5 }, &[x, scale, shift])?;
        (0..3).map(|element| b.project(result, element)).collect()
    });
    // Of one element the variance is nothing but rounding.
    if rest.iter().product::<usize>() == rest[axis - 1] { Case { batches: vec![3], ..case } } else { case }
}

fn softmax(dtype: DType, rest: &[usize]) -> Case {
    Case::new(format!("softmax of {dtype} N{rest:?}"), |b| {
        let x = b.input("x", batched(dtype, rest))?;
        let mut results = Vec::new();
        for axis in 0..=rest.len() {
            results.push(b.add_node(Op::Softmax { axis }, &[x])?);
            results.push(b.add_node(Op::LogSoftmax { axis }, &[x])?);
        }
        Ok(results)
    })
    // The logarithm of a softmax over one element is 0, and over few it cancels.
    .within(Tolerance::Each(1e-5, 1e-6))
}

fn large_softmax(dtype: DType) -> Case {
    let values = [1e4, -1e4, 0.0, 88.0, 89.0, -1e30, 1e30, 1e30, 3e38, -3e38, 0.0, 1.0];
    let case = Case::new(format!("softmax of large {dtype}"), |b| {
        let x = b.input("x", fixed(dtype, &[12]))?;
        let x = b.reshape(x, vec![Dim::Fixed(4), Dim::Fixed(3)].into())?;
        Ok(vec![b.add_node(Op::Softmax { axis: 1 }, &[x])?, b.add_node(Op::LogSoftmax { axis: 1 }, &[x])?])
    });
    case.fed("x", floats(dtype, &values)).within(Tolerance::Each(1e-5, 1e-6))
}
