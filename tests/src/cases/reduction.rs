//! Reductions of every kind over every choice of axes, arg-reductions and cumulative sums.

use super::{Case, Tolerance, batched, fixed, floats, subsets};
use dlc_ir::{ArgReduction, Op, Reduction, Unary};
use dlc_types::{DType, Dim, TensorType};

fn numbers() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool)
}

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &kind in Reduction::ALL {
        for dtype in numbers() {
            cases.push(reduced(kind, batched(dtype, &[3, 5])));
        }
        for rest in [&[][..], &[1], &[17], &[2, 3, 9], &[33, 2], &[1, 1]] {
            cases.push(reduced(kind, batched(DType::F32, rest)));
        }
        cases.push(reduced(kind, fixed(DType::F32, &[9, 31])));
        cases.push(reduced(kind, TensorType::new(DType::F32, vec![Dim::Batch(5), Dim::Fixed(3)].into())));
        if kind != Reduction::Product {
            cases.push(reduced(kind, batched(DType::F32, &[2500])));
            cases.push(reduced(kind, fixed(DType::F32, &[4099, 3])));
            cases.push(reduced(kind, fixed(DType::F64, &[3, 2, 4099])));
        }
        cases.extend(numbers().map(|dtype| empty(kind, dtype)));
        cases.extend([DType::F32, DType::F64].map(|dtype| special(kind, dtype)));
    }
    for dtype in numbers() {
        cases.extend(arg_reductions(dtype));
        cases.extend(sorts(dtype));
        cases.extend(cumulative(dtype));
    }
    cases
}

/// One kind over every choice of axes of one type.
fn reduced(kind: Reduction, ty: TensorType) -> Case {
    Case::new(format!("{} over all axes of {ty}", kind.name()), |b| {
        let x = b.input("x", ty.clone())?;
        // Sums of both signs may cancel, and products of many numbers leave the type's range.
        let terms = match (ty.dtype.is_float(), kind) {
            (true, Reduction::Sum) => b.unary(Unary::Sigmoid, x)?,
            (true, Reduction::Product) => {
                let small = b.scale(x, 0.01)?;
                b.shift(small, 1.0)?
            }
            _ => x,
        };
        subsets(ty.shape.rank()).iter().map(|axes| b.reduce(kind, terms, axes)).collect()
    })
}

fn empty(kind: Reduction, dtype: DType) -> Case {
    Case::new(format!("{} of no {dtype}", kind.name()), |b| {
        let x = b.input("x", batched(dtype, &[5]))?;
        let none = Op::Slice { starts: vec![0, 2], limits: vec![usize::MAX, 2], strides: vec![1, 1] };
        let none = b.add_node(none, &[x])?;
        Ok(vec![b.reduce(kind, none, &[1])?])
    })
}

/// Infinities and NaN, at places in and out of vectors.
fn special(kind: Reduction, dtype: DType) -> Case {
    let mut values = Vec::new();
    for place in 0..9 {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut row = [1.5, -2.0, 0.5, 3.0, -0.25, 2.0, 1.0, -1.0, 0.75];
            row[place] = odd;
            values.extend(row);
        }
    }
    let case = Case::new(format!("{} of {dtype} with NaN and infinity", kind.name()), |b| {
        let x = b.input("x", fixed(dtype, &[243]))?;
        let x = b.reshape(x, vec![Dim::Fixed(27), Dim::Fixed(9)].into())?;
        let turned = b.transpose(x, &[1, 0])?;
        Ok(vec![b.reduce(kind, x, &[1])?, b.reduce(kind, turned, &[0])?, b.reduce(kind, x, &[0])?])
    });
    case.fed("x", floats(dtype, &values)).within(Tolerance::Each(1e-6, 0.0))
}

fn arg_reductions(dtype: DType) -> Vec<Case> {
    let mut cases = Vec::new();
    for &kind in ArgReduction::ALL {
        for rest in [&[][..], &[1], &[3, 5], &[17, 2]] {
            let ty = batched(dtype, rest);
            cases.push(Case::new(format!("{} of {ty}", kind.name()), |b| {
                let x = b.input("x", ty.clone())?;
                (0..ty.shape.rank()).map(|axis| b.arg_reduce(kind, x, axis)).collect()
            }));
        }
        if dtype.is_float() {
            cases.push(odd_arg_reduction(kind, dtype));
        }
    }
    cases
}

/// Ties, infinities and NaN: the first extreme wins, and the first NaN counts as extreme.
pub fn odd_arg_reduction(kind: ArgReduction, dtype: DType) -> Case {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let rows = [
        [1.0, 2.0, 2.0, -3.0, -3.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, nan, 5.0, nan, -7.0],
        [nan, 9.0, -9.0, inf, -inf],
        [1.0, 2.0, 3.0, 4.0, nan],
        [-inf, -inf, inf, inf, 0.0],
        [nan, nan, nan, nan, nan],
        [-inf, nan, inf, 1.0, 2.0],
    ];
    let case = Case::new(format!("{} of {dtype} with ties and NaN", kind.name()), |b| {
        let x = b.input("x", fixed(dtype, &[40]))?;
        let x = b.reshape(x, vec![Dim::Fixed(8), Dim::Fixed(5)].into())?;
        Ok(vec![b.arg_reduce(kind, x, 1)?, b.arg_reduce(kind, x, 0)?])
    });
    case.fed("x", floats(dtype, rows.as_flattened()))
}

fn cumulative(dtype: DType) -> Vec<Case> {
    let mut cases = Vec::new();
    for rest in [&[][..], &[1], &[3, 5], &[17, 2]] {
        let ty = batched(dtype, rest);
        for &kind in Reduction::ALL {
            cases.push(Case::new(format!("cumulative {} of {ty}", kind.name()), |b| {
                let x = b.input("x", ty.clone())?;
                let forms = (0..ty.shape.rank()).flat_map(|axis| [(axis, false), (axis, true)]);
                forms
                    .map(|(axis, reverse)| b.add_node(Op::Cumulative { kind, axis, reverse }, &[x]))
                    .collect()
            }));
        }
    }
    cases
}

/// Positions in order, and the elements there.
fn sorts(dtype: DType) -> Vec<Case> {
    let mut cases = Vec::new();
    for rest in [&[][..], &[1], &[9], &[3, 5], &[70, 2]] {
        let ty = batched(dtype, rest);
        cases.push(Case::new(format!("argsort of {ty}"), |b| {
            let x = b.input("x", ty.clone())?;
            let mut results = Vec::new();
            for axis in 0..ty.shape.rank() {
                for descending in [false, true] {
                    let (values, order) = b.sort(x, axis, descending)?;
                    results.extend([values, order]);
                }
            }
            Ok(results)
        }));
    }
    if dtype.is_float() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let values = [1.0, nan, -0.0, inf, 0.0, -inf, nan, 1.0, -2.0];
        let case = Case::new(format!("argsort of {dtype} with NaN and infinity"), |b| {
            let x = b.input("x", fixed(dtype, &[9]))?;
            let (up, down) = (b.sort(x, 0, false)?, b.sort(x, 0, true)?);
            Ok(vec![up.0, up.1, down.0, down.1])
        });
        cases.push(case.fed("x", floats(dtype, &values)));
    }
    cases
}
