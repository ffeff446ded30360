use crate::finite_difference::{Case, over_batch};
use dlc_ir::{Op, Window, WindowKind};

/// `[size, stride, dilation]` and padding, per axis.
fn window(axes: &[([usize; 3], (usize, usize))]) -> Window {
    Window {
        sizes: axes.iter().map(|axis| axis.0[0]).collect(),
        strides: axes.iter().map(|axis| axis.0[1]).collect(),
        dilations: axes.iter().map(|axis| axis.0[2]).collect(),
        padding: axes.iter().map(|axis| axis.1).collect(),
    }
}

fn windows() -> Vec<Window> {
    vec![
        window(&[([1, 1, 1], (0, 0)), ([2, 2, 1], (0, 0)), ([2, 2, 1], (0, 0))]),
        window(&[([1, 1, 1], (0, 0)), ([3, 2, 1], (1, 1)), ([3, 1, 1], (0, 2))]),
        window(&[([2, 1, 1], (1, 0)), ([2, 3, 2], (1, 0)), ([3, 2, 2], (2, 1))]),
    ]
}

#[test]
fn pooling() {
    for kind in [WindowKind::Sum, WindowKind::Max] {
        for window in windows() {
            let case = Case::new().parameter("x", &[2, 5, 6]);
            case.check(|b, p| Ok(vec![b.reduce_window(kind, p[0], window.clone())?]));
        }
        let over = window(&[([1, 1, 1], (0, 0)), ([2, 1, 1], (1, 0))]);
        Case::new().parameter("x", &[5]).check(|b, p| {
            let x = over_batch(b, p[0])?;
            Ok(vec![b.reduce_window(kind, x, over.clone())?])
        });
    }
}

#[test]
fn scatter_of_sums() {
    for window in windows() {
        let case = Case::new().parameter("x", &[2, 5, 6]);
        case.check_twice(|b, p| {
            let sums = b.reduce_window(WindowKind::Sum, p[0], window.clone())?;
            let squares = b.mul(sums, sums)?;
            let ty = b.ty(p[0]).clone();
            Ok(vec![b.declare(Op::WindowScatter { window: window.clone() }, &[squares], ty)?])
        });
    }
}
