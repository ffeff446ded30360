use crate::{assert_close, floats, ints};

#[test]
fn reductions_along_axes() {
    let nodes = "%0: f64[2, 3] = constant [1.0, 5.0, 3.0, 4.0, 2.0, nan]";
    let reduce = |rest: &str, ty: &str| floats(&format!("{nodes} %1: f64{ty} = reduce(%0) {rest}"), &[]);
    assert_close(&reduce("kind=sum axes=[0]", "[3]"), &[5.0, 7.0, f64::NAN]);
    assert_close(&reduce("kind=sum axes=[1]", "[2]"), &[9.0, f64::NAN]);
    assert_close(&reduce("kind=max axes=[1]", "[2]"), &[5.0, f64::NAN]);
    assert_close(&reduce("kind=min axes=[1]", "[2]"), &[1.0, f64::NAN]);
    assert_close(&reduce("kind=prod axes=[0]", "[3]"), &[4.0, 10.0, f64::NAN]);
    assert_close(&reduce("kind=max axes=[0, 1]", "[]"), &[f64::NAN]);
}

#[test]
fn reductions_of_nothing() {
    let reduce = |kind: &str| {
        floats(&format!("%0: f64[0, 1] = constant []  %1: f64[1] = reduce(%0) kind={kind} axes=[0]"), &[])
    };
    assert_eq!(reduce("sum"), [0.0]);
    assert_eq!(reduce("prod"), [1.0]);
    assert_eq!(reduce("max"), [f64::NEG_INFINITY]);
    assert_eq!(reduce("min"), [f64::INFINITY]);
    let nodes = "%0: i32[0] = constant []  %1: i32[] = reduce(%0) kind=max axes=[0]";
    assert_eq!(ints(nodes, &[]), [i64::from(i32::MIN)]);
}

#[test]
fn positions_of_extremes() {
    let nodes = "%0: f64[2, 3] = constant [1.0, 5.0, 5.0, 2.0, nan, 0.0]";
    assert_eq!(ints(&format!("{nodes} %1: i32[2] = argmax(%0) axis=1"), &[]), [1, 1]);
    assert_eq!(ints(&format!("{nodes} %1: i32[2] = argmin(%0) axis=1"), &[]), [0, 1]);
    assert_eq!(ints(&format!("{nodes} %1: i32[3] = argmax(%0) axis=0"), &[]), [1, 1, 0]);
}

#[test]
fn running_sums() {
    let nodes = "%0: i32[2, 3] = constant [1, 2, 3, 4, 5, 6]";
    let sum = |rest: &str| ints(&format!("{nodes} %1: i32[2, 3] = cumulative(%0) kind=sum {rest}"), &[]);
    assert_eq!(sum("axis=1 reverse=false"), [1, 3, 6, 4, 9, 15]);
    assert_eq!(sum("axis=1 reverse=true"), [6, 5, 3, 15, 11, 6]);
    assert_eq!(sum("axis=0 reverse=false"), [1, 2, 3, 5, 7, 9]);
}
