use crate::finite_difference::{Case, over_batch};
use dlc_ir::Convolution;

/// `[strides, input dilation, kernel dilation]` and padding, per axis.
fn convolution(axes: &[([usize; 3], (i64, i64))], groups: usize) -> Convolution {
    Convolution {
        strides: axes.iter().map(|axis| axis.0[0]).collect(),
        input_dilation: axes.iter().map(|axis| axis.0[1]).collect(),
        kernel_dilation: axes.iter().map(|axis| axis.0[2]).collect(),
        padding: axes.iter().map(|axis| axis.1).collect(),
        groups,
    }
}

fn check(x: &[usize], kernel: &[usize], convolution: &Convolution) {
    let case = Case::new().parameter("x", x).parameter("kernel", kernel);
    case.check(|b, p| Ok(vec![b.convolve(p[0], p[1], convolution.clone())?]));
}

#[test]
fn along_one_axis_every_combination() {
    for stride in 1..=3 {
        for input_dilation in 1..=2 {
            for kernel_dilation in 1..=3 {
                for padding in [(0, 0), (1, 2), (3, 0), (-1, 1)] {
                    let axis = ([stride, input_dilation, kernel_dilation], padding);
                    check(&[2, 2, 8], &[3, 2, 3], &convolution(&[axis], 1));
                }
            }
        }
    }
}

#[test]
fn cuts_at_both_ends() {
    check(&[1, 1, 9], &[1, 1, 2], &convolution(&[([2, 1, 1], (-2, -1))], 1));
    check(&[1, 2, 6], &[2, 2, 1], &convolution(&[([3, 2, 1], (-1, -3))], 1));
}

#[test]
fn over_planes() {
    check(&[2, 2, 5, 4], &[3, 2, 3, 2], &convolution(&[([1, 1, 1], (1, 1)), ([1, 1, 1], (0, 1))], 1));
    check(&[2, 1, 6, 7], &[2, 1, 3, 3], &convolution(&[([2, 1, 1], (0, 1)), ([2, 1, 2], (2, 2))], 1));
    check(&[1, 2, 4, 3], &[2, 2, 2, 3], &convolution(&[([1, 2, 2], (1, 0)), ([2, 3, 1], (1, 2))], 1));
    check(&[2, 3, 3, 3], &[2, 3, 1, 1], &convolution(&[([2, 1, 1], (0, 0)), ([2, 1, 1], (0, 0))], 1));
}

#[test]
fn over_volumes() {
    let axes = [([1, 1, 1], (1, 0)), ([2, 1, 1], (0, 1)), ([1, 1, 2], (1, 1))];
    check(&[1, 2, 3, 4, 4], &[2, 2, 2, 2, 2], &convolution(&axes, 1));
}

#[test]
fn without_spatial_axes() {
    check(&[3, 4], &[6, 2], &convolution(&[], 2));
}

#[test]
fn in_groups() {
    let axes = [([2, 1, 1], (1, 0)), ([1, 1, 2], (1, 2))];
    check(&[2, 4, 5, 4], &[6, 2, 3, 2], &convolution(&axes, 2));
    check(&[2, 3, 4, 4], &[3, 1, 3, 3], &convolution(&axes, 3));
    check(&[2, 3, 6], &[6, 1, 2], &convolution(&[([2, 2, 2], (1, 1))], 3));
}

#[test]
fn over_the_batch() {
    for groups in [1, 2] {
        let axes = [([2, 1, 1], (1, 1)), ([1, 1, 2], (2, 1))];
        let case = Case::new().parameter("x", &[4, 5, 4]).parameter("kernel", &[2, 4 / groups, 3, 3]);
        case.check(|b, p| {
            let x = over_batch(b, p[0])?;
            Ok(vec![b.convolve(x, p[1], convolution(&axes, groups))?])
        });
    }
}

#[test]
fn twice() {
    for groups in [1, 2] {
        let case = Case::new().parameter("x", &[2, 5]).parameter("kernel", &[4, 2 / groups, 2]);
        case.check_twice(|b, p| {
            let x = over_batch(b, p[0])?;
            Ok(vec![b.convolve(x, p[1], convolution(&[([2, 1, 2], (1, 2))], groups))?])
        });
    }
}
