//! Convolutions in every form, forward and both gradients as differentiation makes them.

use super::{Case, batched, fixed};
use dlc_compiler::autodiff::differentiate;
use dlc_ir::{Builder, Convolution, Function, NodeId, Op, OutputRole, Reduction};
use dlc_types::DType;

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = along_one_axis();
    for (channels, outputs) in [(1, 1), (1, 17), (3, 5), (5, 3), (17, 33), (33, 17), (17, 1)] {
        for map in [[1, 1], [7, 7], [13, 5]] {
            for stride in 1..=3 {
                let convolution = plane([stride; 2], [(1, 1); 2], [1; 2], [1; 2], 1);
                cases.extend(both(&[channels, map[0], map[1]], &[outputs, channels, 3, 3], &convolution));
            }
        }
    }
    cases.extend(planes());
    cases.extend(in_groups());
    cases.extend(other_ranks());
    cases.push(stored_view());
    let convolution = plane([1, 2], [(1, 1); 2], [2, 1], [1, 2], 1);
    let grouped = plane([2, 1], [(1, -1), (0, 2)], [1, 2], [1; 2], 2);
    for dtype in DType::ALL.into_iter().filter(|&dtype| !matches!(dtype, DType::Bool | DType::F32)) {
        cases.extend(forward(dtype, &[3, 7, 6], &[4, 3, 3, 2], &convolution));
        cases.extend(forward(dtype, &[4, 7, 6], &[6, 2, 3, 2], &grouped));
    }
    cases
}

fn plane(
    strides: [usize; 2],
    padding: [(i64, i64); 2],
    input_dilation: [usize; 2],
    kernel_dilation: [usize; 2],
    groups: usize,
) -> Convolution {
    Convolution {
        strides: strides.to_vec(),
        padding: padding.to_vec(),
        input_dilation: input_dilation.to_vec(),
        kernel_dilation: kernel_dilation.to_vec(),
        groups,
    }
}

fn along_one_axis() -> Vec<Case> {
    let mut cases = Vec::new();
    for stride in 1..=3 {
        for input_dilation in 1..=3 {
            for kernel_dilation in 1..=3 {
                for padding in [(0, 0), (1, 2), (3, 0), (-1, 1), (-2, -1)] {
                    let convolution = Convolution {
                        strides: vec![stride],
                        padding: vec![padding],
                        input_dilation: vec![input_dilation],
                        kernel_dilation: vec![kernel_dilation],
                        groups: 1,
                    };
                    cases.extend(both(&[3, 8], &[5, 3, 3], &convolution));
                    cases.extend(both(&[2, 9], &[3, 2, 2], &convolution));
                }
            }
        }
    }
    cases
}

fn planes() -> Vec<Case> {
    let convolutions = [
        plane([1, 1], [(0, 0), (0, 0)], [1, 1], [1, 1], 1),
        plane([1, 1], [(1, 1), (1, 1)], [1, 1], [1, 1], 1),
        plane([1, 1], [(2, 2), (2, 2)], [1, 1], [2, 2], 1),
        plane([1, 1], [(3, 3), (3, 3)], [1, 1], [3, 3], 1),
        plane([2, 2], [(0, 1), (0, 1)], [1, 1], [1, 1], 1),
        plane([2, 3], [(1, 2), (0, 3)], [1, 1], [2, 1], 1),
        plane([1, 2], [(-1, 2), (2, -1)], [1, 1], [1, 2], 1),
        plane([1, 1], [(1, 2), (2, 1)], [2, 2], [1, 1], 1),
        plane([2, 1], [(1, 0), (1, 3)], [3, 2], [2, 1], 1),
        plane([3, 2], [(2, 2), (2, 2)], [2, 3], [3, 2], 1),
    ];
    let mut cases = Vec::new();
    for convolution in &convolutions {
        for kernel in [[3, 3], [1, 1], [2, 3], [5, 1]] {
            cases.extend(both(&[5, 13, 7], &[9, 5, kernel[0], kernel[1]], convolution));
        }
    }
    // A kernel as large as the map, and one tap that strides skip.
    cases.extend(both(&[3, 6, 6], &[4, 3, 6, 6], &convolutions[0]));
    cases.extend(both(&[8, 8, 8], &[16, 8, 1, 1], &plane([2, 2], [(0, 0); 2], [1; 2], [1; 2], 1)));
    cases
}

fn in_groups() -> Vec<Case> {
    let mut cases = Vec::new();
    for (channels, outputs, groups) in [(4, 6, 2), (6, 6, 3), (5, 5, 5), (17, 17, 17), (3, 9, 3), (8, 16, 4)]
    {
        for stride in 1..=2 {
            let kernel = [outputs, channels / groups, 3, 3];
            let near = plane([stride; 2], [(1, 1); 2], [1; 2], [1; 2], groups);
            let far = plane([stride, 1], [(2, 1), (0, 2)], [1, 2], [2, 1], groups);
            cases.extend(both(&[channels, 7, 7], &kernel, &near));
            cases.extend(both(&[channels, 7, 6], &kernel, &far));
        }
    }
    cases
}

fn other_ranks() -> Vec<Case> {
    let none = Convolution {
        strides: vec![],
        padding: vec![],
        input_dilation: vec![],
        kernel_dilation: vec![],
        groups: 1,
    };
    let volume = Convolution {
        strides: vec![1, 2, 1],
        padding: vec![(1, 0), (0, 1), (1, 1)],
        input_dilation: vec![1, 1, 2],
        kernel_dilation: vec![1, 1, 2],
        groups: 1,
    };
    let plain = Convolution {
        strides: vec![1; 3],
        padding: vec![(1, 1); 3],
        input_dilation: vec![1; 3],
        kernel_dilation: vec![1; 3],
        groups: 2,
    };
    let mut cases = both(&[5], &[3, 5], &none);
    cases.extend(both(&[3, 4, 5, 4], &[4, 3, 2, 3, 2], &volume));
    cases.extend(both(&[4, 4, 3, 5], &[6, 2, 3, 3, 3], &plain));
    cases
}

fn title(x: &[usize], kernel: &[usize], c: &Convolution) -> String {
    format!(
        "convolve N{x:?} with {kernel:?}, strides {:?}, padding {:?}, dilations {:?} {:?}, groups {}",
        c.strides, c.padding, c.input_dilation, c.kernel_dilation, c.groups
    )
}

fn forward(dtype: DType, x: &[usize], kernel: &[usize], convolution: &Convolution) -> Option<Case> {
    let case = Case::fitting(&format!("{} of {dtype}", title(x, kernel, convolution)), |b| {
        let x = b.input("x", batched(dtype, x))?;
        let kernel = b.input("kernel", fixed(dtype, kernel))?;
        Ok(vec![b.convolve(x, kernel, convolution.clone())?])
    });
    case.ok()
}

/// The convolution and its gradients, where the kernel fits.
fn both(x: &[usize], kernel: &[usize], convolution: &Convolution) -> Vec<Case> {
    let Some(case) = forward(DType::F32, x, kernel, convolution) else { return Vec::new() };
    vec![case, gradients(x, kernel, convolution)]
}

/// Gradients with respect to both operands of `sum(g * convolve(x, kernel))`.
fn gradients(x: &[usize], kernel: &[usize], convolution: &Convolution) -> Case {
    let mut b = Builder::new("predict");
    let operand = b.input("x", batched(DType::F32, x)).unwrap();
    let weights = b.input("kernel", fixed(DType::F32, kernel)).unwrap();
    let y = b.convolve(operand, weights, convolution.clone()).unwrap();
    let g = b.input("g", b.ty(y).clone()).unwrap();
    let product = b.mul(y, g).unwrap();
    let axes: Vec<usize> = (0..b.shape(y).rank()).collect();
    let loss = b.sum(product, &axes).unwrap();
    b.output(OutputRole::Loss, "loss", loss);
    let mut function = b.finish();
    // Differentiation is with respect to parameters, whose shapes are fixed elsewhere.
    let names = ["x".to_owned(), "kernel".to_owned()];
    replace(&mut function, |op| match op {
        Op::Input { name } if names.contains(name) => Some(Op::Parameter { name: name.clone() }),
        _ => None,
    });
    let mut function = differentiate(&function, &names).unwrap();
    replace(&mut function, |op| match op {
        Op::Parameter { name } => Some(Op::Input { name: name.clone() }),
        _ => None,
    });
    function.outputs.retain(|output| output.role == OutputRole::Gradient);
    for output in &mut function.outputs {
        output.role = OutputRole::Output;
    }
    let mut case = Case::new(format!("gradients of {}", title(x, kernel, convolution)), |_| Ok(Vec::new()));
    case.function = function.without_dead_nodes();
    case
}

fn replace(function: &mut Function, by: impl Fn(&Op) -> Option<Op>) {
    let ids: Vec<NodeId> = function.nodes.indices().collect();
    for id in ids {
        if let Some(op) = by(&function.nodes[id].op) {
            function.nodes[id].op = op;
        }
    }
}

/// The input is a view that has a buffer of its own, being an output; the border is its base's.
fn stored_view() -> Case {
    Case::new("convolve a transpose that is an output", |b| {
        let x = b.input("x", fixed(DType::F32, &[4, 5, 1, 9]))?;
        let base = b.add_node(Op::Cumulative { kind: Reduction::Sum, axis: 1, reverse: false }, &[x])?;
        let turned = b.transpose(base, &[1, 2, 0, 3])?;
        let kernel = b.input("kernel", fixed(DType::F32, &[1, 1, 1, 1]))?;
        let convolution = plane([1, 1], [(0, 2), (0, 0)], [1, 1], [1, 1], 1);
        Ok(vec![b.convolve(turned, kernel, convolution)?, turned])
    })
}
