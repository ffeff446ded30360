use crate::finite_difference::{Case, batch_values};

type Pairs = &'static [(usize, usize)];

#[test]
fn general_dot_products() {
    let cases: [(&[usize], &[usize], Pairs, Pairs); 8] = [
        (&[2, 3], &[3, 4], &[], &[(1, 0)]),
        (&[3, 2], &[4, 3], &[], &[(0, 1)]),
        (&[5, 2, 3], &[5, 3, 4], &[(0, 0)], &[(2, 1)]),
        (&[2, 3, 4, 5], &[5, 6, 3, 2], &[(0, 3)], &[(3, 0), (1, 2)]),
        (&[2, 3, 4, 5], &[4, 2, 3, 2], &[(0, 1)], &[(2, 0), (1, 2)]),
        (&[2, 3, 4], &[4, 5, 3], &[], &[(1, 2), (2, 0)]),
        (&[2], &[3], &[], &[]),
        (&[2, 3], &[3, 2], &[(1, 0), (0, 1)], &[]),
    ];
    for (left, right, batch, contract) in cases {
        let case = Case::new().parameter("a", left).parameter("b", right);
        case.check(|b, p| Ok(vec![b.contract(p[0], p[1], batch, contract)?]));
    }
}

#[test]
fn twice() {
    let case = Case::new().parameter("a", &[2, 2, 3]).parameter("b", &[3, 2]);
    case.check_twice(|b, p| Ok(vec![b.contract(p[0], p[1], &[(1, 1)], &[(2, 0)])?]));
}

#[test]
fn dense_over_the_batch() {
    Case::new().parameter("weight", &[4, 2]).check(|b, p| {
        let x = batch_values(b, &[4])?;
        Ok(vec![b.matmul(x, p[0])?])
    });
}

#[test]
fn with_itself() {
    Case::new().parameter("a", &[3, 3]).check_twice(|b, p| Ok(vec![b.matmul(p[0], p[0])?]));
}
