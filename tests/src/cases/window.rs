//! Sliding windows: both reductions, the arg-max and both adjoints.

use super::{Case, batched, fixed, floats};
use dlc_ir::{Op, Window, WindowKind};
use dlc_types::{DType, Dim};

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::F64, DType::I32, DType::I64] {
        for size in 1..=3 {
            for stride in 1..=3 {
                for dilation in 1..=2 {
                    for padding in [(0, 0), (1, 0), (1, 2)] {
                        let one = window(&[
                            (1, 1, 1, (0, 0)),
                            (1, 1, 1, (0, 0)),
                            (size, stride, dilation, padding),
                        ]);
                        cases.push(slid(dtype, &[3, 7], one));
                    }
                }
            }
        }
    }
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool) {
        let pool = (2, 2, 1, (0, 0));
        let wide = (3, 2, 1, (1, 1));
        let far = (2, 1, 3, (0, 2));
        let still = (1, 1, 1, (0, 0));
        cases.push(slid(dtype, &[5, 8, 6], window(&[still, still, pool, pool])));
        cases.push(slid(dtype, &[5, 7, 9], window(&[still, still, wide, wide])));
        cases.push(slid(dtype, &[2, 8, 9], window(&[still, pool, far, wide])));
        cases.push(slid(dtype, &[2, 7, 7], window(&[still, still, (7, 1, 1, (0, 0)), (7, 7, 1, (0, 0))])));
        // Windows that see padding alone.
        cases.push(slid(dtype, &[4], window(&[still, (2, 1, 1, (2, 3))])));
    }
    cases.extend([DType::F32, DType::F64].map(odd));
    cases
}

/// A window from (size, stride, dilation, padding) per axis.
fn window(axes: &[(usize, usize, usize, (usize, usize))]) -> Window {
    Window {
        sizes: axes.iter().map(|axis| axis.0).collect(),
        strides: axes.iter().map(|axis| axis.1).collect(),
        dilations: axes.iter().map(|axis| axis.2).collect(),
        padding: axes.iter().map(|axis| axis.3).collect(),
    }
}

fn slid(dtype: DType, rest: &[usize], window: Window) -> Case {
    let ty = batched(dtype, rest);
    Case::new(format!("windows {window:?} of {ty}"), |b| {
        let x = b.input("x", ty.clone())?;
        let largest = b.reduce_window(WindowKind::Max, x, window.clone())?;
        let total = b.reduce_window(WindowKind::Sum, x, window.clone())?;
        let chosen = b.add_node(Op::WindowArgMax { window: window.clone() }, &[x])?;
        let g = b.input("g", b.ty(total).clone())?;
        let taps = b.input("taps", b.ty(chosen).clone())?;
        let scatter = |operands: &[_], b: &mut dlc_ir::Builder| {
            b.declare(Op::WindowScatter { window: window.clone() }, operands, ty.clone())
        };
        let spread = [scatter(&[g], b)?, scatter(&[g, chosen], b)?, scatter(&[g, taps], b)?];
        Ok([[largest, total, chosen].as_slice(), &spread].concat())
    })
}

/// Ties, NaN and infinity under windows that reach into the padding: the first largest element wins,
/// NaN counts as largest, and padding never wins.
pub fn odd(dtype: DType) -> Case {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let rows = [
        [1.0, 1.0, 2.0, 2.0, 0.0, 0.0],
        [-inf, -inf, -inf, -inf, -inf, -inf],
        [nan, 1.0, 5.0, nan, nan, 3.0],
        [1.0, 2.0, nan, inf, -inf, nan],
        [-inf, nan, -inf, 1.0, inf, inf],
    ];
    let window = window(&[(1, 1, 1, (0, 0)), (3, 1, 1, (2, 1))]);
    let case = Case::new(format!("windows of {dtype} with ties and NaN"), |b| {
        let x = b.input("x", fixed(dtype, &[30]))?;
        let x = b.reshape(x, vec![Dim::Fixed(5), Dim::Fixed(6)].into())?;
        let largest = b.reduce_window(WindowKind::Max, x, window.clone())?;
        Ok(vec![largest, b.add_node(Op::WindowArgMax { window }, &[x])?])
    });
    case.fed("x", floats(dtype, rows.as_flattened()))
}
