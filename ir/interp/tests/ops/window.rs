use crate::{floats, ints};

const ROW: &str = "%0: f64[1, 6] = constant [3.0, 1.0, 4.0, 4.0, 1.0, -9.0]";
const PLAIN: &str = "sizes=[1, 2] strides=[1, 2] dilations=[1, 1] padding=[(0, 0), (0, 0)]";
const PADDED: &str = "sizes=[1, 3] strides=[1, 2] dilations=[1, 2] padding=[(0, 0), (3, 2)]";

#[test]
fn reductions_by_hand() {
    let reduce = |size: usize, rest: &str| {
        floats(&format!("{ROW} %1: f64[1, {size}] = reduce_window(%0) {rest}"), &[])
    };
    assert_eq!(reduce(3, &format!("kind=max {PLAIN}")), [3.0, 4.0, 1.0]);
    assert_eq!(reduce(3, &format!("kind=sum {PLAIN}")), [4.0, 8.0, -8.0]);
    // Windows start at -3, -1, 1, 3 and take every second element.
    assert_eq!(reduce(4, &format!("kind=max {PADDED}")), [1.0, 4.0, 4.0, 4.0]);
    assert_eq!(reduce(4, &format!("kind=sum {PADDED}")), [1.0, 5.0, -4.0, -5.0]);
}

#[test]
fn negative_elements_beat_padding() {
    let nodes = "%0: f64[2] = constant [-5.0, -7.0]
        %1: f64[3] = reduce_window(%0) kind=max sizes=[2] strides=[1] dilations=[1] padding=[(1, 1)]";
    assert_eq!(floats(nodes, &[]), [-5.0, -5.0, -7.0]);
}

#[test]
fn nan_wins() {
    let nodes = "%0: f64[3] = constant [1.0, nan, 2.0]";
    let window = "sizes=[3] strides=[1] dilations=[1] padding=[(0, 0)]";
    assert!(floats(&format!("{nodes} %1: f64[1] = reduce_window(%0) kind=max {window}"), &[])[0].is_nan());
    assert_eq!(ints(&format!("{nodes} %1: i32[1] = window_argmax(%0) {window}"), &[]), [1]);
}

#[test]
fn first_largest_taps() {
    let arg_max =
        |size: usize, rest: &str| ints(&format!("{ROW} %1: i32[1, {size}] = window_argmax(%0) {rest}"), &[]);
    assert_eq!(arg_max(3, PLAIN), [0, 0, 0]);
    assert_eq!(arg_max(4, PADDED), [2, 2, 1, 0]);
    // Taps are row-major over both axes.
    let square = "%0: f64[2, 2] = constant [1.0, 2.0, 3.0, 0.0]";
    let window = "sizes=[2, 2] strides=[1, 1] dilations=[1, 1] padding=[(0, 0), (0, 0)]";
    assert_eq!(ints(&format!("{square} %1: i32[1, 1] = window_argmax(%0) {window}"), &[]), [2]);
}

#[test]
fn scatters_are_adjoint() {
    let values = "%0: f64[1, 4] = constant [1.0, 10.0, 100.0, 1000.0]";
    let all = floats(&format!("{values} %1: f64[1, 6] = window_scatter(%0) {PADDED}"), &[]);
    assert_eq!(all, [0.0, 111.0, 0.0, 1110.0, 0.0, 1100.0]);
    let taps = format!("{values} %1: i32[1, 4] = constant [2, 2, 1, 0]");
    let chosen = floats(&format!("{taps} %2: f64[1, 6] = window_scatter(%0, %1) {PADDED}"), &[]);
    assert_eq!(chosen, [0.0, 1.0, 0.0, 1110.0, 0.0, 0.0]);
}
