//! Random small graphs: seeded, always valid, over most of the op table.

use dlc_ir::{
    Binary, Builder, Comparison, Convolution, Function, NodeId, Op, OutputRole, Reduction, ScatterKind,
    Unary, Window, WindowKind,
};
use dlc_types::random::Stream;
use dlc_types::{DType, Dim, Shape, TensorType};

/// A random graph of about `size` ops on `f32`.
pub fn random_graph(seed: u64, size: usize) -> Function {
    random_graph_of(DType::F32, seed, size)
}

/// A random graph of about `size` ops on inputs of a type, with values of other types on the way.
pub fn random_graph_of(dtype: DType, seed: u64, size: usize) -> Function {
    let mut draws = Stream::new(seed, 11, 0);
    let mut builder = Builder::new("predict");
    let mut values = Vec::new();
    for input in 0..2 {
        let rank = 2 + draws.below(3) as usize;
        let mut dims = vec![if draws.below(4) > 0 { Dim::N } else { small(&mut draws) }];
        dims.extend((1..rank).map(|_| small(&mut draws)));
        let ty = TensorType::new(dtype, Shape(dims));
        values.push(builder.input(&format!("x{input}"), ty).expect("inputs are valid"));
    }
    let mut made = 0;
    let mut attempts = 0;
    while made < size && attempts < 50 * size {
        attempts += 1;
        let pick = values[draws.below(values.len() as u32) as usize];
        let typed = dtype != DType::F32 && draws.below(4) == 0;
        let grow = if typed { random_typed_op } else { random_op };
        if let Some(value) = grow(&mut builder, pick, &values, &mut draws)
            && builder.shape(value).at(3).iter().product::<usize>() <= 20_000
        {
            values.push(value);
            made += 1;
        }
    }
    let users = builder.function().users();
    let mut results: Vec<NodeId> = values.iter().copied().filter(|&value| users[value].is_empty()).collect();
    results.push(values[values.len() / 2]);
    for (position, value) in results.into_iter().enumerate() {
        let value = batch_first(&mut builder, value);
        builder.output(OutputRole::Output, format!("y{position}"), value);
    }
    builder.finish()
}

/// The value with its batch axis outermost, as inputs and outputs must have it.
fn batch_first(builder: &mut Builder, value: NodeId) -> NodeId {
    let shape = builder.shape(value).clone();
    let Some(axis) = (0..shape.rank()).find(|&axis| shape[axis].is_batch()) else { return value };
    let others = (0..shape.rank()).filter(|&other| other != axis);
    let permutation: Vec<usize> = std::iter::once(axis).chain(others).collect();
    builder.transpose(value, &permutation).expect("a permutation")
}

fn small(draws: &mut Stream) -> Dim {
    Dim::Fixed([1, 2, 3, 4, 5, 7, 8, 9, 16, 17][draws.below(10) as usize])
}

fn random_op(builder: &mut Builder, x: NodeId, values: &[NodeId], draws: &mut Stream) -> Option<NodeId> {
    let shape = builder.shape(x).clone();
    let rank = shape.rank();
    let axis = if rank > 0 { draws.below(rank as u32) as usize } else { 0 };
    let dtype = builder.ty(x).dtype;
    match draws.below(20) {
        0..=2 => bounded_unary(builder, x, draws),
        3..=5 => {
            let other = values
                .iter()
                .copied()
                .filter(|&value| builder.ty(value) == builder.ty(x))
                .collect::<Vec<_>>();
            let y = other[draws.below(other.len() as u32) as usize];
            let kind = [Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Max, Binary::Min];
            builder.binary(kind[draws.below(5) as usize], x, y).ok()
        }
        // Values that lie a rounding apart choose differently.
        6 if is_half(dtype) => None,
        6 => {
            let zero = builder.splat_like(x, 0.25).ok()?;
            let condition = builder.compare(Comparison::Greater, x, zero).ok()?;
            let negated = builder.neg(x).ok()?;
            builder.select(condition, negated, zero).ok()
        }
        7 | 8 => {
            let kind = [Reduction::Sum, Reduction::Max, Reduction::Sum][draws.below(3) as usize];
            let axes: Vec<usize> = (0..rank).filter(|_| draws.below(2) == 0).collect();
            // Sums of both signs may cancel, and then no bound on the relative error holds.
            let squashed = kind == Reduction::Sum && dtype.is_float();
            let terms = if squashed { builder.unary(Unary::Sigmoid, x).ok()? } else { x };
            let reduced = builder.reduce(kind, terms, &axes).ok()?;
            builder.broadcast_reduced(reduced, shape, &axes).ok()
        }
        9 => {
            let mut permutation: Vec<usize> = (0..rank).collect();
            draws.shuffle(&mut permutation);
            builder.transpose(x, &permutation).ok()
        }
        10 => {
            let axes: Vec<usize> = (0..rank).filter(|_| draws.below(2) == 0).collect();
            (!axes.is_empty()).then(|| builder.add_node(Op::Reverse { axes }, &[x]).ok()).flatten()
        }
        11 => random_slice(builder, x, draws),
        12 => {
            let (low, high) = (0..rank)
                .map(|axis| {
                    if shape[axis].is_batch() {
                        (0, 0)
                    } else {
                        (draws.below(3) as usize, draws.below(2) as usize)
                    }
                })
                .unzip();
            let zero = builder.scalar(dtype, 0.5).ok()?;
            builder.add_node(Op::Pad { low, high }, &[x, zero]).ok()
        }
        13 => merge_axes(builder, x, axis),
        14 => {
            let same = values
                .iter()
                .copied()
                .filter(|&value| builder.ty(value) == builder.ty(x))
                .collect::<Vec<_>>();
            let y = same[draws.below(same.len() as u32) as usize];
            builder.add_node(Op::Concat { axis }, &[x, y]).ok()
        }
        15 => random_contraction(builder, x, values, draws),
        16 | 17 => random_convolution(builder, x, draws),
        18 => random_window(builder, x, draws),
        _ => {
            let reverse = draws.below(2) == 0;
            let halved = builder.scale(x, if dtype.is_float() { 0.5 } else { 3.0 }).ok()?;
            builder.add_node(Op::Cumulative { kind: Reduction::Sum, axis, reverse }, &[halved]).ok()
        }
    }
}

/// Whether a value may lie a rounding of a 16-bit float apart from the oracle's.
fn is_half(dtype: DType) -> bool {
    dtype.is_float() && dtype.is_narrow()
}

/// Ops that integers have, and ways from one type to another. Nothing is counted or ordered that may have been
/// rounded.
fn random_typed_op(
    builder: &mut Builder,
    x: NodeId,
    values: &[NodeId],
    draws: &mut Stream,
) -> Option<NodeId> {
    let (dtype, rank) = (builder.ty(x).dtype, builder.shape(x).rank());
    let axis = if rank > 0 { draws.below(rank as u32) as usize } else { 0 };
    match draws.below(6) {
        0 | 1 => {
            let to = DType::ALL[draws.below(13) as usize];
            (to.is_float() || !dtype.is_float()).then(|| builder.cast(x, to).ok()).flatten()
        }
        2 | 3 => {
            let same: Vec<NodeId> =
                values.iter().copied().filter(|&value| builder.ty(value) == builder.ty(x)).collect();
            let y = same[draws.below(same.len() as u32) as usize];
            let kinds = [
                Binary::And,
                Binary::Or,
                Binary::Xor,
                Binary::ShiftLeft,
                Binary::ShiftRight,
                Binary::Remainder,
                Binary::Divide,
                Binary::Power,
            ];
            let kind = kinds[draws.below(8) as usize];
            (!dtype.is_float()).then(|| builder.binary(kind, x, y).ok()).flatten()
        }
        4 if !dtype.is_float() => builder.sort(x, axis, draws.below(2) == 0).ok().map(|(values, _)| values),
        5 if dtype.is_integer() => {
            let y = values[draws.below(values.len() as u32) as usize];
            let indices = builder.cast(y, DType::I32).ok().filter(|_| !builder.ty(y).dtype.is_float())?;
            let updates = builder.add_node(Op::Gather { axis }, &[x, indices]).ok()?;
            let kind = ScatterKind::ALL[draws.below(5) as usize];
            builder.add_node(Op::Scatter { axis, kind }, &[x, indices, updates]).ok()
        }
        _ => None,
    }
}

/// Functions that neither blow up nor amplify rounding.
fn bounded_unary(builder: &mut Builder, x: NodeId, draws: &mut Stream) -> Option<NodeId> {
    let safe = [Unary::Tanh, Unary::Sigmoid, Unary::Erf, Unary::Relu, Unary::Abs, Unary::Negate];
    let whole = [Unary::Not, Unary::Sign, Unary::Not, Unary::Relu, Unary::Abs, Unary::Negate];
    let safe = if builder.ty(x).dtype.is_float() { safe } else { whole };
    builder.unary(safe[draws.below(safe.len() as u32) as usize], x).ok()
}

fn random_slice(builder: &mut Builder, x: NodeId, draws: &mut Stream) -> Option<NodeId> {
    let shape = builder.shape(x).clone();
    let (mut starts, mut limits, mut strides) = (Vec::new(), Vec::new(), Vec::new());
    for &dim in shape.dims() {
        match dim {
            Dim::Batch(_) => {
                starts.push(0);
                limits.push(usize::MAX);
                strides.push(1);
            }
            Dim::Fixed(length) => {
                let start = draws.below(length as u32) as usize;
                starts.push(start);
                limits.push(start + 1 + draws.below((length - start) as u32) as usize);
                strides.push(1 + draws.below(2) as usize);
            }
        }
    }
    builder.add_node(Op::Slice { starts, limits, strides }, &[x]).ok()
}

fn merge_axes(builder: &mut Builder, x: NodeId, axis: usize) -> Option<NodeId> {
    let shape = builder.shape(x).clone();
    if axis + 1 >= shape.rank() || shape[axis + 1].is_batch() {
        return None;
    }
    let mut dims = shape.dims().to_vec();
    dims[axis] = dims[axis].times(dims[axis + 1])?;
    dims.remove(axis + 1);
    builder.reshape(x, Shape(dims)).ok()
}

fn random_contraction(
    builder: &mut Builder,
    x: NodeId,
    values: &[NodeId],
    draws: &mut Stream,
) -> Option<NodeId> {
    let y = values[draws.below(values.len() as u32) as usize];
    let (left, right) = (builder.shape(x).clone(), builder.shape(y).clone());
    let pairs: Vec<(usize, usize)> = (0..left.rank())
        .flat_map(|a| (0..right.rank()).map(move |b| (a, b)))
        .filter(|&(a, b)| left[a] == right[b])
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let contracted = pairs[draws.below(pairs.len() as u32) as usize];
    let batch: Vec<(usize, usize)> = pairs
        .iter()
        .copied()
        .filter(|&(a, b)| a != contracted.0 && b != contracted.1 && left[a].is_batch())
        .take(1)
        .collect();
    builder.contract(x, y, &batch, &[contracted]).ok()
}

fn random_convolution(builder: &mut Builder, x: NodeId, draws: &mut Stream) -> Option<NodeId> {
    let shape = builder.shape(x).clone();
    let spatial = shape.rank().checked_sub(2)?;
    let channels = shape[1].fixed()?;
    if shape.dims()[2..].iter().any(|dim| dim.is_batch()) {
        return None;
    }
    let groups = if channels % 2 == 0 && draws.below(3) == 0 { 2 } else { 1 };
    let outputs = groups * [1, 2, 3, 4, 8, 17][draws.below(6) as usize];
    let mut dims = vec![Dim::Fixed(outputs), Dim::Fixed(channels / groups)];
    let mut convolution = Convolution {
        strides: Vec::new(),
        padding: Vec::new(),
        input_dilation: Vec::new(),
        kernel_dilation: Vec::new(),
        groups,
    };
    for _ in 0..spatial {
        dims.push(Dim::Fixed(1 + draws.below(3) as usize));
        convolution.strides.push(1 + draws.below(3) as usize);
        convolution.padding.push((i64::from(draws.below(4)) - 1, i64::from(draws.below(4)) - 1));
        convolution.input_dilation.push(1 + draws.below(3) as usize);
        convolution.kernel_dilation.push(1 + draws.below(3) as usize);
    }
    let count = builder.function().nodes.len();
    let kernel =
        builder.input(&format!("w{count}"), TensorType::new(builder.ty(x).dtype, Shape(dims))).ok()?;
    builder.convolve(x, kernel, convolution).ok()
}

fn random_window(builder: &mut Builder, x: NodeId, draws: &mut Stream) -> Option<NodeId> {
    let shape = builder.shape(x).clone();
    let mut window =
        Window { sizes: Vec::new(), strides: Vec::new(), dilations: Vec::new(), padding: Vec::new() };
    for &dim in shape.dims() {
        let slides = !dim.is_batch() && draws.below(2) == 0;
        window.sizes.push(if slides { 1 + draws.below(3) as usize } else { 1 });
        window.strides.push(if slides { 1 + draws.below(3) as usize } else { 1 });
        window.dilations.push(if slides { 1 + draws.below(2) as usize } else { 1 });
        window.padding.push(if slides { (draws.below(2) as usize, draws.below(2) as usize) } else { (0, 0) });
    }
    let kind = [WindowKind::Sum, WindowKind::Max][draws.below(2) as usize];
    if kind == WindowKind::Max && draws.below(2) == 0 && !is_half(builder.ty(x).dtype) {
        let reduced = builder.reduce_window(kind, x, window.clone()).ok()?;
        let chosen = builder.add_node(Op::WindowArgMax { window: window.clone() }, &[x]).ok()?;
        let ty = builder.ty(x).clone();
        return builder.declare(Op::WindowScatter { window }, &[reduced, chosen], ty).ok();
    }
    builder.reduce_window(kind, x, window).ok()
}
