use crate::finite_difference::{Case, elements_of, over_batch, run};
use dlc_compiler::composite::{Statistics, expand_composites};
use dlc_ir::{Op, OutputRole};

fn normalised() -> Case {
    Case::new().parameter("x", &[3, 4]).spread("scale", &[3], 0.5, 1.5).parameter("shift", &[3])
}

#[test]
fn batch_norm() {
    for results in [&[0][..], &[1], &[2], &[0, 1, 2]] {
        let case = if results.contains(&0) { normalised() } else { Case::new().parameter("x", &[3, 4]) };
        case.check(|b, p| {
            let x = over_batch(b, p[0])?;
            let ones = b.splat(dlc_types::DType::F64, dlc_types::Shape::fixed(&[3]), 1.0)?;
            let (scale, shift) = if p.len() > 1 { (p[1], p[2]) } else { (ones, ones) };
            let all = b.add_node(Op::BatchNorm { axis: 1, epsilon: 1e-3 }, &[x, scale, shift])?;
            results.iter().map(|&index| b.project(all, index)).collect()
        });
    }
}

#[test]
fn batch_norm_of_frozen_input() {
    let case = Case::new().spread("scale", &[3], 0.5, 1.5).parameter("shift", &[3]);
    case.check(|b, p| {
        let x = crate::finite_difference::batch_values(b, &[3, 2])?;
        let all = b.add_node(Op::BatchNorm { axis: 1, epsilon: 1e-3 }, &[x, p[0], p[1]])?;
        Ok(vec![b.project(all, 0)?])
    });
}

#[test]
fn batch_norm_twice() {
    let case = Case::new().parameter("x", &[2, 2]).spread("scale", &[2], 0.5, 1.5).parameter("shift", &[2]);
    case.check_twice(|b, p| {
        let x = over_batch(b, p[0])?;
        let all = b.add_node(Op::BatchNorm { axis: 1, epsilon: 0.1 }, &[x, p[1], p[2]])?;
        let y = b.project(all, 0)?;
        Ok(vec![b.mul(y, y)?])
    });
}

#[test]
fn softmax() {
    for axis in 0..2 {
        let case = Case::new().spread("x", &[3, 4], -2.0, 2.0);
        case.check_twice(|b, p| Ok(vec![b.add_node(Op::Softmax { axis }, &[p[0]])?]));
        case.check_twice(|b, p| Ok(vec![b.add_node(Op::LogSoftmax { axis }, &[p[0]])?]));
    }
}

#[test]
fn expansion_computes_the_same() {
    let case = normalised();
    let mut function = case.loss(|b, p| {
        let x = over_batch(b, p[0])?;
        let all = b.add_node(Op::BatchNorm { axis: 1, epsilon: 1e-5 }, &[x, p[1], p[2]])?;
        let y = b.project(all, 0)?;
        let parts =
            [b.add_node(Op::Softmax { axis: 2 }, &[y])?, b.add_node(Op::LogSoftmax { axis: 0 }, &[y])?];
        Ok(vec![y, b.project(all, 1)?, b.project(all, 2)?, parts[0], parts[1]])
    });
    let composites: Vec<_> = function.nodes.iter().filter(|(_, node)| node.op.is_composite()).collect();
    assert_eq!(composites.len(), 3);
    let projections: Vec<_> = function
        .nodes
        .iter()
        .filter(|(_, node)| matches!(node.op, Op::Project(_) | Op::Softmax { .. } | Op::LogSoftmax { .. }))
        .map(|(id, _)| id)
        .collect();
    for id in projections {
        let output = dlc_ir::Output { role: OutputRole::Output, name: id.to_string(), value: id };
        function.outputs.push(output);
    }
    let expanded = expand_composites(&function, Statistics::Centred).unwrap();
    assert!(expanded.nodes.values().all(|node| !node.op.is_composite() && node.ty.tensor().is_some()));
    let (before, after) = (run(&function, &case.values), run(&expanded, &case.values));
    assert_eq!(before.len(), 6, "three projections, two softmaxes, the loss");
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        for (a, b) in elements_of(before).iter().zip(elements_of(after)) {
            assert!((a - b).abs() <= 1e-12 * (1.0 + a.abs()), "{name}: {a} {b}");
        }
    }
}

/// A batch-norm with a running mean far from zero, near to the data's: both ways to take statistics agree, and
/// the one that starts from the running mean reads no centred values twice.
#[test]
fn shifted_statistics_agree_with_centred_ones() {
    use dlc_ir::{Builder, Reduction};
    use dlc_types::{DType, Dim, Shape, TensorType};
    let ty = |dims: Vec<Dim>| TensorType::new(DType::F64, Shape(dims));
    let channels = || ty(vec![Dim::Fixed(2)]);
    let build = |b: &mut Builder| {
        let x = b.input("x", ty(vec![Dim::Fixed(4), Dim::Fixed(2)]))?;
        let running = b.state("running", channels())?;
        let (scale, shift) = (b.parameter("scale", channels())?, b.parameter("shift", channels())?);
        let all = b.add_node(Op::BatchNorm { axis: 1, epsilon: 1e-5 }, &[x, scale, shift])?;
        let (y, mean, variance) = (b.project(all, 0)?, b.project(all, 1)?, b.project(all, 2)?);
        let (old, new) = (b.scale(running, 0.9)?, b.scale(mean, 0.1)?);
        let next = b.add(old, new)?;
        for (name, value) in [("y", y), ("variance", variance)] {
            b.output(OutputRole::Output, name, value);
        }
        b.output(OutputRole::State, "running", next);
        Ok::<_, dlc_ir::InferError>(())
    };
    let mut b = Builder::new("f");
    build(&mut b).unwrap();
    let function = b.finish();
    let values = [
        ("x", vec![4, 2], vec![100.0, -3.0, 101.0, -3.0, 99.5, -3.0, 98.25, -3.0]),
        ("running", vec![2], vec![99.0, -2.5]),
        ("scale", vec![2], vec![1.5, 0.5]),
        ("shift", vec![2], vec![0.25, 2.0]),
    ];
    let values = values
        .into_iter()
        .map(|(name, dims, data)| (name.to_owned(), crate::finite_difference::floats(&dims, data)))
        .collect();
    let expand = |statistics| expand_composites(&function, statistics).unwrap();
    let (centred, shifted) = (expand(Statistics::Centred), expand(Statistics::Shifted));
    let reads = |function: &dlc_ir::Function| {
        let sums =
            function.nodes.values().filter(|node| matches!(node.op, Op::Reduce { kind: Reduction::Sum, .. }));
        sums.filter(|sum| {
            function.nodes[sum.operands[0]].operands.contains(&function.nodes.indices().next().unwrap())
        })
        .count()
    };
    assert_ne!(reads(&centred), reads(&shifted), "the running mean is found");
    let (before, after) = (run(&centred, &values), run(&shifted, &values));
    for (name, before) in &before {
        for (a, b) in elements_of(before).iter().zip(elements_of(&after[name])) {
            assert!((a - b).abs() <= 1e-10 * (1.0 + a.abs()), "{name}: {a} {b}");
        }
    }
}
