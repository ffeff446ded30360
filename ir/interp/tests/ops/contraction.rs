use crate::{assert_close, floats, ints, numbers};
use dlc_interp::Data;

#[test]
fn matrix_product_by_hand() {
    let nodes = "%0: i32[2, 3] = constant [1, 2, 3, 4, 5, 6]  %1: i32[3, 2] = constant [1, 0, 2, 1, 0, 3]";
    let product = ints(&format!("{nodes} %2: i32[2, 2] = contract(%0, %1) batch=[] contract=[(1, 0)]"), &[]);
    assert_eq!(product, [5, 11, 14, 23]);
    let outer =
        ints("%0: i32[2] = constant [2, 3]  %1: i32[2, 2] = contract(%0, %0) batch=[] contract=[]", &[]);
    assert_eq!(outer, [4, 6, 6, 9]);
}

/// `result[b, i, j] = sum over k, l of a[k, b, i, l] * c[l, j, k, b]`, by the definition.
#[test]
fn batched_with_two_contracted_axes() {
    let (a, c) = (numbers(&[3, 2, 4, 5]), numbers(&[5, 3, 3, 2]));
    let (Data::Float(x), Data::Float(y)) = (&a.data, &c.data) else { panic!("floats") };
    let mut expected = Vec::new();
    for b in 0..2 {
        for i in 0..4 {
            for j in 0..3 {
                let mut sum = 0.0;
                for k in 0..3 {
                    for l in 0..5 {
                        sum += x[((k * 2 + b) * 4 + i) * 5 + l] * y[((l * 3 + j) * 3 + k) * 2 + b];
                    }
                }
                expected.push(sum);
            }
        }
    }
    let nodes = "%0: f64[3, N, 4, 5] = input \"a\"  %1: f64[5, 3, 3, N] = input \"c\"
        %2: f64[N, 4, 3] = contract(%0, %1) batch=[(1, 3)] contract=[(0, 2), (3, 0)]";
    assert_close(&floats(nodes, &[("a", a), ("c", c)]), &expected);
}
