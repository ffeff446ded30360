use crate::{floats, ints, last};
use dlc_interp::Tensor;

#[test]
fn counters_and_sizes() {
    assert_eq!(ints("%0: i32[2, 3] = iota axis=1", &[]), [0, 1, 2, 0, 1, 2]);
    assert_eq!(floats("%0: f32[2, 3] = iota axis=0", &[]), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(floats("%0: f32[] = extent dim=4N", &[]), [8.0]);
}

#[test]
fn random_numbers_follow_philox() {
    let seed = "%0: i64[] = constant [-5]  %1: i32[] = constant [9]";
    let found = floats(&format!("{seed}  %2: f32[2, 3] = random(%0, %1) stream=4"), &[]);
    let unit = |index| {
        let bits = dlc_types::random::random_bits(-5_i64 as u64, 4, 9, index);
        f64::from(dlc_types::random::unit_from_bits(bits))
    };
    assert_eq!(found, (0..6).map(unit).collect::<Vec<f64>>());
}

#[test]
fn broadcast_stretches_and_repeats() {
    let column = "%0: i32[2, 1] = constant [5, 7]";
    assert_eq!(
        ints(&format!("{column}  %1: i32[2, 3] = broadcast(%0) axes=[0, 1]"), &[]),
        [5, 5, 5, 7, 7, 7]
    );
    assert_eq!(
        ints(&format!("{column}  %1: i32[2, 2, 2] = broadcast(%0) axes=[1, 2]"), &[]),
        [5, 5, 7, 7, 5, 5, 7, 7]
    );
}

const SIX: &str = "%0: i32[2, 3] = constant [1, 2, 3, 4, 5, 6]  %1: i32[] = constant [9]";

#[test]
fn moves_by_hand() {
    let last = |node: &str| ints(&format!("{SIX}  {node}"), &[]);
    assert_eq!(last("%2: i32[3, 2] = reshape(%0)"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(last("%2: i32[3, 2] = transpose(%0) permutation=[1, 0]"), [1, 4, 2, 5, 3, 6]);
    assert_eq!(last("%2: i32[1, 2] = slice(%0) starts=[1, 0] limits=[2, end] strides=[1, 2]"), [4, 6]);
    assert_eq!(last("%2: i32[0, 3] = slice(%0) starts=[2, 0] limits=[2, 3] strides=[1, 1]"), [0; 0]);
    assert_eq!(
        last(
            "%2: i32[1, 1] = slice(%0) starts=[1, 2] limits=[2, 3] strides=[18446744073709551615, 9223372036854775807]"
        ),
        [6]
    );
    assert_eq!(
        last("%2: i32[2, 6] = pad(%0, %1) low=[0, 1] high=[0, 2]"),
        [9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9, 9]
    );
    assert_eq!(
        last("%2: i32[3, 5] = dilate(%0) factors=[2, 2]"),
        [1, 0, 2, 0, 3, 0, 0, 0, 0, 0, 4, 0, 5, 0, 6]
    );
    assert_eq!(last("%2: i32[2, 3] = reverse(%0) axes=[1]"), [3, 2, 1, 6, 5, 4]);
    assert_eq!(last("%2: i32[2, 3] = reverse(%0) axes=[0, 1]"), [6, 5, 4, 3, 2, 1]);
    assert_eq!(last("%2: i32[2, 6] = concat(%0, %0) axis=1"), [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
    assert_eq!(last("%2: i32[4, 3] = concat(%0, %0) axis=0"), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_batch_merges_with_fixed_axes() {
    let x = Tensor::from_f32(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let result = last("%0: f32[N, 3] = input \"x\"  %1: f32[3N] = reshape(%0)", &[("x", x)]);
    assert_eq!(result.dims, [6]);
}
