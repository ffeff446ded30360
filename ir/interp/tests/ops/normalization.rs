use crate::{assert_close, floats};

const X: &str = "%0: f64[2, 2, 2] = constant [1.0, 2.0, 10.0, 20.0, 3.0, 6.0, 30.0, 20.0]
    %1: f64[2] = constant [1.0, 2.0]  %2: f64[2] = constant [0.0, 100.0]
    %3: (f64[2, 2, 2], f64[2], f64[2]) = batch_norm(%0, %1, %2) axis=1 epsilon=0.5";

#[test]
fn batch_statistics_and_normalised_values() {
    assert_close(&floats(&format!("{X} %4: f64[2] = project(%3) index=1"), &[]), &[3.0, 20.0]);
    assert_close(&floats(&format!("{X} %4: f64[2] = project(%3) index=2"), &[]), &[3.5, 50.0]);
    let normalised = floats(&format!("{X} %4: f64[2, 2, 2] = project(%3) index=0"), &[]);
    let wide = 2.0 / 50.5_f64.sqrt();
    let expected = [-1.0, -0.5, 100.0 - 10.0 * wide, 100.0, 0.0, 1.5, 100.0 + 10.0 * wide, 100.0];
    assert_close(&normalised, &expected);
}

#[test]
fn softmax_is_stable() {
    let nodes = "%0: f64[2, 2] = constant [1000.0, 0.0, 1000.0, 0.6931471805599453]";
    let along = |op: &str, axis: usize| floats(&format!("{nodes} %1: f64[2, 2] = {op}(%0) axis={axis}"), &[]);
    assert_close(&along("softmax", 0), &[0.5, 1.0 / 3.0, 0.5, 2.0 / 3.0]);
    assert_close(&along("softmax", 1), &[1.0, 0.0, 1.0, 0.0]);
    assert_close(&along("log_softmax", 1), &[0.0, -1000.0, 0.0, -999.306_852_819_440_1]);
    let nan = floats("%0: f64[2] = constant [nan, 1.0]  %1: f64[2] = softmax(%0) axis=0", &[]);
    assert!(nan.iter().all(|value| value.is_nan()));
}
