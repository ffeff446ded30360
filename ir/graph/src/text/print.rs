//! Printing functions.

use crate::literal::Elements;
use crate::{Convolution, Function, Node, Op, Scan, Window};
use std::fmt::{self, Display, Formatter, Write};

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("fn ")?;
        if !self.name.is_empty() && self.name.chars().all(super::lexer::is_word_character) {
            f.write_str(&self.name)?;
        } else {
            quoted(f, &self.name)?;
        }
        f.write_str(" ")?;
        block(f, self, 0)?;
        f.write_str("\n")
    }
}

/// Nodes and outputs in braces, of a function or of a scan's body.
fn block(f: &mut Formatter<'_>, function: &Function, depth: usize) -> fmt::Result {
    let margin = depth * 2;
    f.write_str("{\n")?;
    for (id, node) in function.nodes.iter() {
        write!(f, "{:margin$}  {id}: {} = ", "", node.ty)?;
        print_node(f, node, depth + 1)?;
        f.write_str("\n")?;
    }
    for output in &function.outputs {
        write!(f, "{:margin$}  output {} ", "", output.role.name())?;
        quoted(f, &output.name)?;
        writeln!(f, " {}", output.value)?;
    }
    write!(f, "{:margin$}}}", "")
}

/// The op with its attributes, as in the text form but without type, operands and origin.
impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        subject(f, self)?;
        attributes(f, self, 1)
    }
}

/// The op with operands, attributes and origin, as the text form has it behind the node's type.
impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print_node(f, self, 1)
    }
}

fn print_node(f: &mut Formatter<'_>, node: &Node, depth: usize) -> fmt::Result {
    f.write_str(node.op.name())?;
    subject(f, &node.op)?;
    if !node.operands.is_empty() {
        write!(f, "({})", Joined(&node.operands))?;
    }
    attributes(f, &node.op, depth)?;
    if !node.origin.path.is_empty() {
        f.write_str(" @ ")?;
        quoted(f, &node.origin.path)?;
    }
    Ok(())
}

/// What stands between the op's name and its operands.
fn subject(f: &mut Formatter<'_>, op: &Op) -> fmt::Result {
    match op {
        Op::Input { name } | Op::Parameter { name } | Op::State { name } => {
            f.write_char(' ')?;
            quoted(f, name)
        }
        Op::Constant(literal) => match &literal.elements {
            Elements::Float(values) => {
                let values: Vec<Float> = values.iter().copied().map(Float).collect();
                write!(f, " [{}]", Joined(&values))
            }
            Elements::Int(values) => write!(f, " [{}]", Joined(values)),
            Elements::Bool(values) => write!(f, " [{}]", Joined(values)),
        },
        _ => Ok(()),
    }
}

fn attributes(f: &mut Formatter<'_>, op: &Op, depth: usize) -> fmt::Result {
    match op {
        Op::Input { .. }
        | Op::Parameter { .. }
        | Op::State { .. }
        | Op::Constant(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Select
        | Op::Reshape => Ok(()),
        Op::Extent(dim) => write!(f, " dim={dim}"),
        Op::Random { stream } => write!(f, " stream={stream}"),
        Op::Cast(dtype) | Op::Bitcast(dtype) => write!(f, " to={dtype}"),
        Op::Broadcast { axes } | Op::Reverse { axes } => write!(f, " axes=[{}]", Joined(axes)),
        Op::Transpose { permutation } => write!(f, " permutation=[{}]", Joined(permutation)),
        Op::Slice { starts, limits, strides } => {
            let limits: Vec<Limit> = limits.iter().copied().map(Limit).collect();
            let (starts, limits, strides) = (Joined(starts), Joined(&limits), Joined(strides));
            write!(f, " starts=[{starts}] limits=[{limits}] strides=[{strides}]")
        }
        Op::Pad { low, high } => write!(f, " low=[{}] high=[{}]", Joined(low), Joined(high)),
        Op::Dilate { factors } => write!(f, " factors=[{}]", Joined(factors)),
        Op::Reduce { kind, axes } => write!(f, " kind={} axes=[{}]", kind.name(), Joined(axes)),
        Op::Cumulative { kind, axis, reverse } => {
            write!(f, " kind={} axis={axis} reverse={reverse}", kind.name())
        }
        Op::Scatter { axis, kind } => write!(f, " axis={axis} kind={}", kind.name()),
        Op::ArgSort { axis, descending } => write!(f, " axis={axis} descending={descending}"),
        Op::Contract(contraction) => {
            let (batch, contract) = (pairs(&contraction.batch), pairs(&contraction.contract));
            write!(f, " batch=[{}] contract=[{}]", Joined(&batch), Joined(&contract))
        }
        Op::Convolve(convolution) => print_convolution(f, convolution),
        Op::ReduceWindow { kind, window } => {
            write!(f, " kind={}", kind.name())?;
            print_window(f, window)
        }
        Op::WindowArgMax { window } | Op::WindowScatter { window } => print_window(f, window),
        Op::BatchNorm { axis, epsilon } => write!(f, " axis={axis} epsilon={}", Float(*epsilon)),
        Op::Iota { axis }
        | Op::Concat { axis }
        | Op::ArgReduce { kind: _, axis }
        | Op::Gather { axis }
        | Op::GatherAlong { axis }
        | Op::Softmax { axis }
        | Op::LogSoftmax { axis } => write!(f, " axis={axis}"),
        Op::Project(index) => write!(f, " index={index}"),
        Op::Scan(scan) => {
            let Scan { body, steps, carries, slices, reverse } = scan.as_ref();
            write!(f, " steps={steps} carries={carries} slices={slices} reverse={reverse} ")?;
            block(f, body, depth)
        }
    }
}

fn print_convolution(f: &mut Formatter<'_>, convolution: &Convolution) -> fmt::Result {
    let Convolution { strides, padding, input_dilation, kernel_dilation, groups } = convolution;
    write!(f, " strides=[{}] padding=[{}]", Joined(strides), Joined(&pairs(padding)))?;
    write!(f, " input_dilation=[{}]", Joined(input_dilation))?;
    write!(f, " kernel_dilation=[{}] groups={groups}", Joined(kernel_dilation))
}

fn print_window(f: &mut Formatter<'_>, window: &Window) -> fmt::Result {
    let Window { sizes, strides, dilations, padding } = window;
    let (sizes, strides, dilations) = (Joined(sizes), Joined(strides), Joined(dilations));
    write!(f, " sizes=[{sizes}] strides=[{strides}] dilations=[{dilations}]")?;
    write!(f, " padding=[{}]", Joined(&pairs(padding)))
}

/// Items with commas between them.
struct Joined<'a, T>(&'a [T]);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if position > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

struct Pair<T>(T, T);

impl<T: Display> Display for Pair<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.0, self.1)
    }
}

fn pairs<T: Copy>(items: &[(T, T)]) -> Vec<Pair<T>> {
    items.iter().map(|&(first, second)| Pair(first, second)).collect()
}

struct Limit(usize);

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            usize::MAX => f.write_str("end"),
            limit => write!(f, "{limit}"),
        }
    }
}

struct Float(f64);

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if !value.is_nan() => write!(f, "{value:?}"),
            value if value.to_bits() == f64::NAN.to_bits() => f.write_str("nan"),
            value => write!(f, "nan0x{:016x}", value.to_bits()),
        }
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            control if control.is_control() => write!(f, "\\u{{{:x}}}", u32::from(control))?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
