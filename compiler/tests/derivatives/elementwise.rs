use crate::finite_difference::Case;
use dlc_ir::{Binary, Comparison, Unary};
use dlc_types::DType;

/// Where a function is differentiable, as far as its derivative is not zero everywhere.
fn domain(function: Unary) -> Option<(f64, f64)> {
    match function {
        Unary::Log | Unary::Sqrt | Unary::ReciprocalSqrt => Some((0.3, 2.0)),
        Unary::LogOnePlus => Some((-0.5, 2.0)),
        Unary::Asin | Unary::Acos | Unary::Atanh => Some((-0.8, 0.8)),
        Unary::Acosh => Some((1.3, 3.0)),
        Unary::Tan => Some((-1.2, 1.2)),
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Not => None,
        _ => Some((-2.0, 2.0)),
    }
}

#[test]
fn unary() {
    let mut count = 0;
    for &function in Unary::ALL {
        if let Some((low, high)) = domain(function) {
            Case::new().spread("x", &[2, 7], low, high).check(|b, p| Ok(vec![b.unary(function, p[0])?]));
            count += 1;
        }
    }
    assert_eq!(count, Unary::ALL.len() - 5);
}

#[test]
fn relu_has_no_slope_at_zero() {
    let case = Case::new().exact("x", &[3], vec![-1.0, 0.0, 1.0]);
    let forward = case.loss(|b, p| Ok(vec![b.unary(Unary::Relu, p[0])?]));
    let slopes = case.gradient(&forward, "x");
    assert_eq!(slopes[..2], [0.0, 0.0]);
    assert_ne!(slopes[2], 0.0);
}

#[test]
fn binary() {
    for &function in Binary::ALL {
        if matches!(function, Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight)
        {
            continue;
        }
        let case = Case::new().spread("a", &[3, 4], 0.4, 2.0).spread("b", &[3, 4], 0.5, 2.5);
        case.check(|b, p| Ok(vec![b.binary(function, p[0], p[1])?]));
        case.check(|b, p| Ok(vec![b.binary(function, p[0], p[1])?, b.binary(function, p[1], p[0])?]));
        let case = Case::new().spread("a", &[3], 0.4, 2.0);
        case.check(|b, p| Ok(vec![b.binary(function, p[0], p[0])?]));
    }
}

#[test]
fn tie_goes_to_the_left() {
    for function in [Binary::Max, Binary::Min] {
        let case = Case::new().exact("a", &[1], vec![1.0]).exact("b", &[1], vec![1.0]);
        let forward = case.loss(|b, p| Ok(vec![b.binary(function, p[0], p[1])?]));
        assert_ne!(case.gradient(&forward, "a"), [0.0]);
        assert_eq!(case.gradient(&forward, "b"), [0.0]);
    }
}

#[test]
fn constant_powers() {
    for exponent in [2.0, 3.0, 0.5, -1.0, 1.0] {
        Case::new().spread("a", &[5], 0.5, 2.0).check(|b, p| {
            let exponent = b.splat_like(p[0], exponent)?;
            Ok(vec![b.binary(Binary::Power, p[0], exponent)?])
        });
    }
    let case = Case::new().exact("a", &[2], vec![-1.5, 0.0]);
    case.check(|b, p| {
        let exponent = b.splat_like(p[0], 2.0)?;
        Ok(vec![b.binary(Binary::Power, p[0], exponent)?])
    });
}

#[test]
fn power_at_zero_is_finite() {
    let case = Case::new().exact("a", &[2], vec![0.0, 0.0]).exact("p", &[2], vec![0.0, 2.0]);
    let forward = case.loss(|b, p| Ok(vec![b.binary(Binary::Power, p[0], p[1])?]));
    assert_eq!(case.gradient(&forward, "a"), [0.0, 0.0]);
    assert_eq!(case.gradient(&forward, "p"), [0.0, 0.0]);
}

#[test]
fn select() {
    let case = Case::new().parameter("a", &[6]).parameter("b", &[6]).parameter("c", &[6]);
    case.check(|b, p| {
        let zero = b.splat_like(p[0], 0.0)?;
        let positive = b.compare(Comparison::Greater, p[0], zero)?;
        let product = b.mul(p[0], p[1])?;
        Ok(vec![b.select(positive, product, p[2])?])
    });
}

#[test]
fn cast_and_back() {
    // f32 rounds the loss, so the finite difference is of no use; the slope is that of the identity.
    let case = Case::new().exact("a", &[2], vec![0.5, 2.0]);
    let straight = case.loss(|_, p| Ok(vec![p[0]]));
    let through = case.loss(|b, p| {
        let narrow = b.cast(p[0], DType::F32)?;
        Ok(vec![b.cast(narrow, DType::F64)?])
    });
    let (straight, through) = (case.gradient(&straight, "a"), case.gradient(&through, "a"));
    for (a, b) in straight.iter().zip(&through) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

#[test]
fn several_uses_add_up() {
    Case::new().parameter("x", &[4]).check_twice(|b, p| {
        let tangent = b.unary(Unary::Tanh, p[0])?;
        let square = b.mul(tangent, p[0])?;
        let more = b.add(square, tangent)?;
        Ok(vec![more, square])
    });
}
