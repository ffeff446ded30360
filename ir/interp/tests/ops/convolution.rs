use crate::{assert_close, floats, ints, numbers};
use dlc_interp::Data;

/// One axis of a case: input, kernel, stride, padding, input dilation, kernel dilation.
type Along = (usize, usize, usize, (i64, i64), usize, usize);

/// The convolution over an input that is padded and dilated for real: element by element as the op
/// table defines it.
fn direct(
    x: &[f64],
    kernel: &[f64],
    [n, c, o, groups]: [usize; 4],
    axes: &[Along; 2],
) -> (Vec<f64>, [usize; 2]) {
    let length = |a: &Along| ((a.0 - 1) * a.4 + 1) as i64 + a.3.0 + a.3.1;
    let outputs = axes.each_ref().map(|a| (length(a) as usize - ((a.1 - 1) * a.5 + 1)) / a.2 + 1);
    let at = |image: usize, channel: usize, y: usize, z: usize| {
        // Coordinates in the dilated input without padding.
        let places = [y as i64 - axes[0].3.0, z as i64 - axes[1].3.0];
        let mut offset = image * c + channel;
        for (place, axis) in places.iter().zip(axes) {
            if *place < 0 || place % axis.4 as i64 != 0 || place / axis.4 as i64 >= axis.0 as i64 {
                return 0.0;
            }
            offset = offset * axis.0 + (place / axis.4 as i64) as usize;
        }
        x[offset]
    };
    let per_group = c / groups;
    let mut result = Vec::new();
    for image in 0..n {
        for out in 0..o {
            for p in 0..outputs[0] {
                for q in 0..outputs[1] {
                    let mut sum = 0.0;
                    for i in 0..per_group {
                        for s in 0..axes[0].1 {
                            for t in 0..axes[1].1 {
                                let weight = kernel[((out * per_group + i) * axes[0].1 + s) * axes[1].1 + t];
                                let channel = out / (o / groups) * per_group + i;
                                let (y, z) = (p * axes[0].2 + s * axes[0].5, q * axes[1].2 + t * axes[1].5);
                                sum += weight * at(image, channel, y, z);
                            }
                        }
                    }
                    result.push(sum);
                }
            }
        }
    }
    (result, outputs)
}

fn agree(c: usize, o: usize, groups: usize, axes: [Along; 2]) {
    let x = numbers(&[2, c, axes[0].0, axes[1].0]);
    let kernel = numbers(&[o, c / groups, axes[0].1, axes[1].1]);
    let (Data::Float(left), Data::Float(right)) = (&x.data, &kernel.data) else { panic!("floats") };
    let (expected, [p, q]) = direct(left, right, [2, c, o, groups], &axes);
    let [(h, kh, sh, ph, ih, dh), (w, kw, sw, pw, iw, dw)] = axes;
    let nodes = format!(
        "%0: f64[N, {c}, {h}, {w}] = input \"x\"  %1: f64[{o}, {}, {kh}, {kw}] = input \"k\"
         %2: f64[N, {o}, {p}, {q}] = convolve(%0, %1) strides=[{sh}, {sw}] padding=[{ph:?}, {pw:?}] \
         input_dilation=[{ih}, {iw}] kernel_dilation=[{dh}, {dw}] groups={groups}",
        c / groups
    );
    assert_close(&floats(&nodes, &[("x", x), ("k", kernel)]), &expected);
}

#[test]
fn strides_padding_dilation_and_groups_agree_with_the_definition() {
    let plain: Along = (5, 3, 1, (0, 0), 1, 1);
    agree(2, 3, 1, [plain, plain]);
    agree(2, 3, 1, [(7, 3, 2, (1, 1), 1, 1), (6, 3, 2, (1, 0), 1, 1)]);
    agree(2, 3, 1, [(7, 3, 1, (2, 2), 1, 2), (9, 2, 1, (0, 3), 1, 4)]);
    agree(2, 3, 1, [(4, 3, 1, (1, 2), 2, 1), (3, 2, 1, (0, 0), 3, 1)]);
    agree(2, 3, 1, [(4, 3, 3, (2, 1), 2, 2), (5, 2, 2, (1, 1), 3, 3)]);
    agree(4, 6, 2, [(5, 3, 2, (1, 1), 1, 1), (5, 2, 1, (0, 1), 2, 2)]);
    agree(3, 3, 3, [plain, (6, 1, 2, (0, 0), 1, 1)]);
    agree(2, 2, 1, [(6, 2, 1, (-2, -1), 1, 1), (6, 2, 1, (-1, 3), 2, 1)]);
    agree(1, 1, 1, [(1, 1, 1, (0, 0), 1, 1), (3, 3, 1, (0, 0), 1, 1)]);
}

#[test]
fn one_axis_by_hand() {
    let nodes = "%0: i32[1, 1, 5] = constant [1, 2, 3, 4, 5]  %1: i32[1, 1, 2] = constant [10, 1]";
    let convolve = |size: usize, rest: &str| {
        ints(&format!("{nodes} %2: i32[1, 1, {size}] = convolve(%0, %1) {rest} groups=1"), &[])
    };
    assert_eq!(
        convolve(4, "strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1]"),
        [12, 23, 34, 45]
    );
    assert_eq!(
        convolve(3, "strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[2]"),
        [13, 24, 35]
    );
    assert_eq!(
        convolve(3, "strides=[2] padding=[(1, 0)] input_dilation=[1] kernel_dilation=[1]"),
        [1, 23, 45]
    );
    let dilated = convolve(8, "strides=[1] padding=[(0, 0)] input_dilation=[2] kernel_dilation=[1]");
    assert_eq!(dilated, [10, 2, 20, 3, 30, 4, 40, 5]);
}

/// A weight gradient: the batch is the channel axis that is summed over.
#[test]
fn channels_may_be_the_batch() {
    let (x, g) = (numbers(&[3, 2, 4]), numbers(&[2, 2, 2]));
    let (Data::Float(left), Data::Float(right)) = (&x.data, &g.data) else { panic!("floats") };
    let mut expected = Vec::new();
    for c in 0..3 {
        for o in 0..2 {
            for t in 0..3 {
                let terms = (0..2).flat_map(|n| (0..2).map(move |p| (n, p)));
                expected.push(
                    terms.map(|(n, p)| left[(c * 2 + n) * 4 + t + p] * right[(o * 2 + n) * 2 + p]).sum(),
                );
            }
        }
    }
    let nodes = "%0: f64[3, N, 4] = input \"x\"  %1: f64[2, N, 2] = input \"g\"
        %2: f64[3, 2, 3] = convolve(%0, %1) strides=[1] padding=[(0, 0)] input_dilation=[1] kernel_dilation=[1] groups=1";
    assert_close(&floats(nodes, &[("x", x), ("g", g)]), &expected);
}
