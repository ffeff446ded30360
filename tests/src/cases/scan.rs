//! Scans: carries saved and not, slices and results, both directions, one step and many, bodies of every kind of
//! kernel, operands that are views, scans within scans.

use super::{Built, Case, batched, fixed};
use dlc_compiler::autodiff::differentiate;
use dlc_ir::{Builder, InferError, NodeId, Op, OutputRole, Reduction, ScanBuilder, Unary};
use dlc_types::{DType, Dim, Shape, TensorType};

type Result<T> = std::result::Result<T, InferError>;

/// All cases of the family.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (steps, reverse) in [(1, false), (1, true), (2, false), (5, false), (5, true), (6, true)] {
        let name = |what: &str| format!("{what}, {steps} steps, reverse {reverse}");
        cases.push(Case::new(name("last carry alone"), |b| last_carry(b, steps, reverse)));
        cases.push(Case::new(name("carry before and behind"), |b| saved_carries(b, steps, reverse)));
        cases.push(Case::new(name("results alone"), |b| results_alone(b, steps, reverse)));
        cases.push(Case::new(name("two carries that change places"), |b| exchanged(b, steps, reverse)));
        for (inputs, units) in [(3, 5), (16, 16), (7, 33)] {
            let what = format!("recurrent layer {inputs} to {units}");
            cases.push(Case::new(name(&what), |b| recurrent(b, steps, reverse, inputs, units)));
        }
        cases.push(Case::new(name("LSTM"), |b| lstm(b, steps, reverse, 4, 9)));
        cases.push(Case::new(name("LSTM of whole lines"), |b| lstm(b, steps, reverse, 16, 32)));
        cases.push(Case::new(name("convolution of the carry"), |b| convolution(b, steps, reverse)));
        cases.push(Case::new(name("batch in the middle"), |b| batch_within(b, steps, reverse)));
        cases.push(Case::new(name("views"), |b| views(b, steps, reverse)));
        cases.push(Case::new(name("scan within a scan"), |b| nested(b, steps, reverse)));
        cases.push(Case::new(name("softmax"), |b| softmax(b, steps, reverse)));
        cases.push(Case::new(name("what does not change"), |b| invariant_work(b, steps, reverse)));
        for dtype in [DType::I32, DType::F16, DType::F64, DType::I64, DType::U8] {
            cases.push(Case::new(name(dtype.name()), |b| typed(b, dtype, steps, reverse)));
        }
    }
    cases.push(Case::new("a carry that nobody changes", kept));
    cases.push(Case::new("counting without the batch", counting));
    for (steps, reverse) in [(1, false), (4, false), (3, true)] {
        let case = |what: &str, build: fn(&mut Builder, usize, bool) -> Built| {
            let name = format!("gradients of {what}, {steps} steps, reverse {reverse}");
            gradients(&name, |b| build(b, steps, reverse))
        };
        cases.push(case("a recurrent layer", |b, steps, reverse| recurrent(b, steps, reverse, 7, 5)));
        cases.push(case("an LSTM", |b, steps, reverse| lstm(b, steps, reverse, 3, 9)));
        cases.push(case("carries before and behind", saved_carries));
        cases.push(case("views", views));
        cases.push(case("a scan within a scan", nested));
        cases.push(case("softmax", softmax));
        cases.push(case("a convolution of the carry", convolution));
    }
    cases
}

/// The sum of the squares of what is built, and its derivatives by all inputs, which become inputs again.
fn gradients(name: &str, build: impl FnOnce(&mut Builder) -> Built) -> Case {
    let case = Case::new(name, |b| {
        let mut total = b.scalar(DType::F32, 0.0)?;
        for value in build(b)? {
            let square = b.mul(value, value)?;
            let axes: Vec<usize> = (0..b.shape(square).rank()).collect();
            let sum = b.sum(square, &axes)?;
            total = b.add(total, sum)?;
        }
        Ok(vec![total])
    });
    let mut forward = case.function.clone();
    forward.outputs[0].role = OutputRole::Loss;
    // What depends on the batch is no parameter to the verifier, and one to the derivative all the same.
    let mut names = Vec::new();
    for id in forward.nodes.indices() {
        let Op::Input { name } = forward.nodes[id].op.clone() else { continue };
        names.push(name.clone());
        forward.nodes[id].op = Op::Parameter { name };
    }
    let mut function = differentiate(&forward, &names).unwrap_or_else(|error| panic!("{name}: {error}"));
    for id in function.nodes.indices() {
        if let Op::Parameter { name } = function.nodes[id].op.clone() {
            function.nodes[id].op = Op::Input { name };
        }
    }
    for (number, output) in function.outputs.iter_mut().enumerate() {
        (output.role, output.name) = (OutputRole::Output, format!("y{number}"));
    }
    Case { function, ..case }
}

/// `[steps, N, rest…]`
fn stacked(b: &mut Builder, name: &str, steps: usize, rest: &[usize]) -> Result<NodeId> {
    stacked_of(b, name, DType::F32, steps, rest)
}

fn stacked_of(b: &mut Builder, name: &str, dtype: DType, steps: usize, rest: &[usize]) -> Result<NodeId> {
    let sizes: Vec<usize> = std::iter::once(steps).chain(rest.iter().copied()).collect();
    let x = b.input(name, batched(dtype, &sizes))?;
    let axes: Vec<usize> = [1, 0].into_iter().chain(2..sizes.len() + 1).collect();
    b.transpose(x, &axes)
}

/// `h = tanh(h + x)`
fn last_carry(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let (h, x) = (b.input("h", batched(DType::F32, &[5]))?, stacked(b, "x", steps, &[5])?);
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, x) = (scan.carry(b, h)?, scan.slice(b, x)?);
    let sum = scan.step.add(h, x)?;
    let next = scan.step.unary(Unary::Tanh, sum)?;
    scan.leave(0, next);
    Ok(scan.finish(b)?.0)
}

fn saved_carries(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let (h, x) = (b.input("h", batched(DType::F32, &[5]))?, stacked(b, "x", steps, &[5])?);
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, x) = (scan.carry(b, h)?, scan.slice(b, x)?);
    let sum = scan.step.sub(x, h)?;
    let next = scan.step.unary(Unary::Sin, sum)?;
    scan.leave(0, next);
    scan.result(h);
    scan.result(next);
    scan.result(x);
    let (last, results) = scan.finish(b)?;
    // Other kernels read them, too.
    let sum = b.add(results[0], results[1])?;
    Ok([last, results, vec![sum]].concat())
}

fn results_alone(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let (x, w) = (stacked(b, "x", steps, &[4])?, b.input("w", fixed(DType::F32, &[4, 6]))?);
    let mut scan = ScanBuilder::new(steps, reverse);
    let (x, w) = (scan.slice(b, x)?, scan.invariant(b, w)?);
    let product = scan.step.matmul(x, w)?;
    scan.result(product);
    let row = scan.step.sum(product, &[1])?;
    scan.result(row);
    Ok(scan.finish(b)?.1)
}

fn exchanged(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let ty = batched(DType::F32, &[4]);
    let (p, q) = (b.input("p", ty.clone())?, b.input("q", ty)?);
    let mut scan = ScanBuilder::new(steps, reverse);
    let (p, q) = (scan.carry(b, p)?, scan.carry(b, q)?);
    let sum = scan.step.add(p, q)?;
    scan.leave(1, p);
    scan.leave(0, q);
    scan.result(sum);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

/// `h = tanh(x W + h U + b)`
fn recurrent(b: &mut Builder, steps: usize, reverse: bool, inputs: usize, units: usize) -> Built {
    let (h, x) = (b.input("h", batched(DType::F32, &[units]))?, stacked(b, "x", steps, &[inputs])?);
    let w = b.input("w", fixed(DType::F32, &[inputs, units]))?;
    let u = b.input("u", fixed(DType::F32, &[units, units]))?;
    let bias = b.input("b", fixed(DType::F32, &[units]))?;
    let projected = b.contract(x, w, &[], &[(2, 0)])?;
    let wide = b.broadcast_along(bias, b.shape(projected).clone(), 2)?;
    let projected = b.add(projected, wide)?;
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, x, u) = (scan.carry(b, h)?, scan.slice(b, projected)?, scan.invariant(b, u)?);
    let product = scan.step.contract(h, u, &[], &[(1, 1)])?;
    let sum = scan.step.add(x, product)?;
    let next = scan.step.unary(Unary::Tanh, sum)?;
    scan.leave(0, next);
    scan.result(next);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

fn lstm(b: &mut Builder, steps: usize, reverse: bool, inputs: usize, units: usize) -> Built {
    let state = batched(DType::F32, &[units]);
    let (h, c) = (b.input("h", state.clone())?, b.input("c", state)?);
    let x = stacked(b, "x", steps, &[inputs])?;
    let w = b.input("w", fixed(DType::F32, &[inputs, 4 * units]))?;
    let u = b.input("u", fixed(DType::F32, &[units, 4 * units]))?;
    let projected = b.contract(x, w, &[], &[(2, 0)])?;
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, c) = (scan.carry(b, h)?, scan.carry(b, c)?);
    let (x, u) = (scan.slice(b, projected)?, scan.invariant(b, u)?);
    let s = &mut scan.step;
    let product = s.matmul(h, u)?;
    let gates = s.add(x, product)?;
    let gate = |s: &mut Builder, number: usize, function| {
        let (starts, limits) = (vec![0, number * units], vec![usize::MAX, (number + 1) * units]);
        let part = s.add_node(Op::Slice { starts, limits, strides: vec![1, 1] }, &[gates])?;
        s.unary(function, part)
    };
    let (i, f) = (gate(s, 0, Unary::Sigmoid)?, gate(s, 1, Unary::Sigmoid)?);
    let (g, o) = (gate(s, 2, Unary::Tanh)?, gate(s, 3, Unary::Sigmoid)?);
    let (kept, new) = (s.mul(f, c)?, s.mul(i, g)?);
    let c = s.add(kept, new)?;
    let shown = s.unary(Unary::Tanh, c)?;
    let h = s.mul(o, shown)?;
    scan.leave(0, h);
    scan.leave(1, c);
    scan.result(h);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

/// A carry with a border, and a step with images.
fn convolution(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let h = b.input("h", batched(DType::F32, &[3, 5, 5]))?;
    let x = stacked(b, "x", steps, &[3, 5, 5])?;
    let k = b.input("k", fixed(DType::F32, &[3, 3, 3, 3]))?;
    let convolution = dlc_ir::Convolution {
        strides: vec![1, 1],
        padding: vec![(1, 1), (1, 1)],
        input_dilation: vec![1, 1],
        kernel_dilation: vec![1, 1],
        groups: 1,
    };
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, x, k) = (scan.carry(b, h)?, scan.slice(b, x)?, scan.invariant(b, k)?);
    let near = scan.step.convolve(h, k, convolution)?;
    let sum = scan.step.add(near, x)?;
    let next = scan.step.unary(Unary::Tanh, sum)?;
    scan.leave(0, next);
    scan.result(near);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

/// Slices `[3, N, 2]` and a carry `[2, N]`.
fn batch_within(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let h = b.input("h", batched(DType::F32, &[2]))?;
    let h = b.transpose(h, &[1, 0])?;
    let x = b.input("x", batched(DType::F32, &[steps, 3, 2]))?;
    let x = b.transpose(x, &[1, 2, 0, 3])?;
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, x) = (scan.carry(b, h)?, scan.slice(b, x)?);
    let s = &mut scan.step;
    let total = s.reduce(Reduction::Sum, x, &[0])?;
    let total = s.transpose(total, &[1, 0])?;
    let next = s.add(h, total)?;
    let next = s.unary(Unary::Cos, next)?;
    scan.leave(0, next);
    scan.result(next);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

/// Stacked operands that are slices, reversals, repetitions and transposes; an invariant that is a slice.
fn views(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let x = b.input("x", batched(DType::F32, &[2 * steps + 1, 6]))?;
    let whole = usize::MAX;
    let (starts, limits) = (vec![0, 1, 2], vec![whole, 2 * steps + 1, 6]);
    let part = b.add_node(Op::Slice { starts, limits, strides: vec![1, 2, 1] }, &[x])?;
    let sliced = b.transpose(part, &[1, 0, 2])?;
    let turned = b.add_node(Op::Reverse { axes: vec![0, 2] }, &[sliced])?;
    let row = b.input("row", batched(DType::F32, &[4]))?;
    let repeated = b.broadcast(row, b.shape(sliced).clone(), &[1, 2])?;
    let matrix = b.input("matrix", fixed(DType::F32, &[9, 4]))?;
    let (starts, limits) = (vec![3, 0], vec![7, 4]);
    let square = b.add_node(Op::Slice { starts, limits, strides: vec![1, 1] }, &[matrix])?;
    let zero = b.splat(DType::F32, b.shape(row).clone(), 0.25)?;
    let mut scan = ScanBuilder::new(steps, reverse);
    let h = scan.carry(b, zero)?;
    let (p, q, r) = (scan.slice(b, sliced)?, scan.slice(b, turned)?, scan.slice(b, repeated)?);
    let (square, wide) = (scan.invariant(b, square)?, scan.invariant(b, row)?);
    let s = &mut scan.step;
    let sum = s.add(p, q)?;
    let product = s.matmul(sum, square)?;
    let more = s.mul(r, wide)?;
    let sum = s.add(product, more)?;
    let sum = s.sub(sum, h)?;
    let next = s.unary(Unary::Tanh, sum)?;
    scan.leave(0, next);
    scan.result(sum);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

/// Every step is a scan over rows of its slice, which gives and takes slots itself.
fn nested(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let h = b.input("h", batched(DType::F32, &[4]))?;
    let x = b.input("x", batched(DType::F32, &[steps, 3, 4]))?;
    let x = b.transpose(x, &[1, 2, 0, 3])?;
    let u = b.input("u", fixed(DType::F32, &[4, 4]))?;
    let mut outer = ScanBuilder::new(steps, reverse);
    let (h, x, u) = (outer.carry(b, h)?, outer.slice(b, x)?, outer.invariant(b, u)?);
    let mut inner = ScanBuilder::new(3, !reverse);
    let s = &outer.step;
    let (first, row, matrix) = (inner.carry(s, h)?, inner.slice(s, x)?, inner.invariant(s, u)?);
    let product = inner.step.matmul(first, matrix)?;
    let sum = inner.step.add(product, row)?;
    let next = inner.step.unary(Unary::Tanh, sum)?;
    inner.leave(0, next);
    inner.result(first);
    let (last, rows) = inner.finish(&mut outer.step)?;
    let total = outer.step.reduce(Reduction::Sum, rows[0], &[0])?;
    outer.leave(0, last[0]);
    outer.result(total);
    outer.result(rows[0]);
    let (last, results) = outer.finish(b)?;
    Ok([last, results].concat())
}

fn softmax(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let (h, x) = (b.input("h", batched(DType::F32, &[5]))?, stacked(b, "x", steps, &[5])?);
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, x) = (scan.carry(b, h)?, scan.slice(b, x)?);
    let sum = scan.step.add(h, x)?;
    let next = scan.step.add_node(Op::Softmax { axis: 1 }, &[sum])?;
    scan.leave(0, next);
    Ok(scan.finish(b)?.0)
}

/// A step that makes something of invariants alone, and a result that is the same in all steps.
fn invariant_work(b: &mut Builder, steps: usize, reverse: bool) -> Built {
    let (h, w) = (b.input("h", batched(DType::F32, &[5]))?, b.input("w", fixed(DType::F32, &[5, 5]))?);
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, w) = (scan.carry(b, h)?, scan.invariant(b, w)?);
    let s = &mut scan.step;
    let square = s.matmul(w, w)?;
    let next = s.contract(h, square, &[], &[(1, 1)])?;
    let next = s.scale(next, 0.1)?;
    let row = s.reduce(Reduction::Max, w, &[0])?;
    scan.leave(0, next);
    scan.result(row);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

fn typed(b: &mut Builder, dtype: DType, steps: usize, reverse: bool) -> Built {
    let h = b.input("h", batched(dtype, &[3]))?;
    let x = stacked_of(b, "x", dtype, steps, &[3])?;
    let mut scan = ScanBuilder::new(steps, reverse);
    let (h, x) = (scan.carry(b, h)?, scan.slice(b, x)?);
    let difference = scan.step.sub(x, h)?;
    let next = scan.step.binary(dlc_ir::Binary::Max, difference, x)?;
    scan.leave(0, next);
    scan.result(difference);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

fn kept(b: &mut Builder) -> Built {
    let h = b.input("h", batched(DType::F32, &[3]))?;
    let mut scan = ScanBuilder::new(4, false);
    let h = scan.carry(b, h)?;
    scan.leave(0, h);
    let double = scan.step.scale(h, 2.0)?;
    scan.result(double);
    scan.result(h);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}

fn counting(b: &mut Builder) -> Built {
    let first = b.input("first", TensorType::new(DType::I64, Shape(vec![Dim::Fixed(2)])))?;
    let mut scan = ScanBuilder::new(7, false);
    let count = scan.carry(b, first)?;
    let next = scan.step.shift(count, 3.0)?;
    scan.leave(0, next);
    scan.result(count);
    let (last, results) = scan.finish(b)?;
    Ok([last, results].concat())
}
