use crate::finite_difference::{Case, over_batch};
use dlc_ir::{Op, Reduction};

#[test]
fn every_reduction() {
    for &kind in Reduction::ALL {
        for axes in [vec![0], vec![1, 2], vec![0, 1, 2]] {
            let case = Case::new().spread("x", &[2, 3, 2], 0.5, 1.5);
            case.check(|b, p| Ok(vec![b.reduce(kind, p[0], &axes)?]));
        }
        Case::new().spread("x", &[4], 0.5, 1.5).check(|b, p| {
            let x = over_batch(b, p[0])?;
            Ok(vec![b.reduce(kind, x, &[0])?, b.reduce(kind, x, &[1])?])
        });
    }
}

#[test]
fn mean_over_the_batch() {
    Case::new().parameter("x", &[2, 3]).check(|b, p| {
        let x = over_batch(b, p[0])?;
        Ok(vec![b.mean(x, &[0, 2])?])
    });
}

#[test]
fn products_with_zeros() {
    let values =
        vec![2.0, 0.0, 3.0, /**/ 0.0, 1.5, 0.0, /**/ 0.0, 0.0, 0.0, /**/ -1.0, 2.0, 0.5];
    let case = Case::new().exact("x", &[4, 3], values);
    case.check(|b, p| Ok(vec![b.reduce(Reduction::Product, p[0], &[1])?]));
}

#[test]
fn ties_share_evenly() {
    let case = Case::new().exact("x", &[4], vec![1.0, 3.0, 3.0, 2.0]);
    let forward = case.loss(|b, p| Ok(vec![b.reduce(Reduction::Max, p[0], &[0])?]));
    let slopes = case.gradient(&forward, "x");
    assert_eq!((slopes[0], slopes[3]), (0.0, 0.0));
    assert_eq!(slopes[1], slopes[2]);
    let whole = case.loss(|b, p| Ok(vec![b.sum(p[0], &[0])?]));
    assert_eq!(slopes[1] * 2.0, case.gradient(&whole, "x")[0]);
}

#[test]
fn cumulative_sums() {
    for (axis, reverse) in [(0, false), (1, false), (0, true), (1, true)] {
        let case = Case::new().parameter("x", &[3, 4]);
        case.check(|b, p| {
            Ok(vec![b.add_node(Op::Cumulative { kind: Reduction::Sum, axis, reverse }, &[p[0]])?])
        });
    }
}
