//! The printer.

use super::tokens::is_word;
use crate::{Affine, Body, Carry, Contraction, ContractionDim, Guard, IndexExpr, Kernel, Loop, Operand};
use crate::{Program, Round, ScalarOp, Sequence, Statement, Steps, Storage, Stride, Turns};
use dlc_types::Shape;
use std::fmt::{self, Display, Formatter};

impl Display for Affine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let terms = self.terms.iter().map(|(index, coefficient)| (index.to_string(), *coefficient));
        let batch = (self.batch != 0).then(|| ("N".to_owned(), self.batch));
        let constant = (self.constant != 0).then(|| (String::new(), self.constant));
        let mut first = true;
        for (name, coefficient) in terms.chain(batch).chain(constant) {
            f.write_str(match (first, coefficient < 0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            })?;
            first = false;
            match (coefficient.unsigned_abs(), name.is_empty()) {
                (magnitude, true) => write!(f, "{magnitude}")?,
                (1, false) => f.write_str(&name)?,
                (magnitude, false) => write!(f, "{magnitude}*{name}")?,
            }
        }
        if first { f.write_str("0") } else { Ok(()) }
    }
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printer { f, operands: &self.operands, depth: 0 }.kernel(self)
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "program {} arena {}", Quoted(&self.name), self.arena_bytes)?;
        if self.thread_bytes > 0 {
            write!(f, " thread {}", self.thread_bytes)?;
        }
        if self.prologue > 0 {
            write!(f, " prologue {}", self.prologue)?;
        }
        f.write_str(" {\n")?;
        for (id, buffer) in self.buffers.iter() {
            let (name, dtype, bytes) = (Quoted(&buffer.name), buffer.dtype, buffer.bytes);
            write!(f, "  buffer {id} {name} {dtype} {bytes} bytes {}", buffer.storage)?;
            if let Some(border) = &buffer.border {
                let axes: Vec<String> = border
                    .axes
                    .iter()
                    .map(|axis| format!("{} + {} + {}", axis.low, axis.length, axis.high))
                    .collect();
                write!(f, " border [{}]", List(&axes))?;
            }
            f.write_str("\n")?;
        }
        for kernel in self.kernels.values() {
            Printer { f, operands: &kernel.operands, depth: 1 }.kernel(kernel)?;
        }
        for (id, Sequence { images, strips, turns }) in self.sequences.iter() {
            write!(f, "  sequence {id} images {images} strips {strips} ")?;
            match turns {
                Turns::Together => f.write_str("together\n")?,
                Turns::Alone { parts } => writeln!(f, "alone {parts}")?,
            }
        }
        for (id, repetition) in self.repetitions.iter() {
            writeln!(f, "  repetition {id} times {}", repetition.times)?;
        }
        for launch in &self.launches {
            if launch.barrier {
                f.write_str("  barrier\n")?;
            }
            write!(f, "  launch {} ({})", launch.kernel, List(&launch.arguments))?;
            if let Some(part) = &launch.part {
                let step = |steps: &Steps| format!("({}, {}, {})", steps.image, steps.strip, steps.run);
                let steps: Vec<String> = part.steps.iter().map(step).collect();
                write!(f, " in {} step [{}]", part.sequence, List(&steps))?;
            }
            for Round { repetition, strides } in &launch.rounds {
                let stride = |it: &Stride| format!("({}, {}, {})", it.first, it.step, it.period);
                let strides: Vec<String> = strides.iter().map(stride).collect();
                write!(f, " of {repetition} stride [{}]", List(&strides))?;
            }
            match self.kernels.get(launch.kernel) {
                Some(kernel) => writeln!(f, "  # {}", kernel.name.escape_debug())?,
                None => f.write_str("\n")?,
            }
        }
        f.write_str("}\n")
    }
}

impl Display for Storage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Storage::Arena(usize::MAX) => f.write_str("arena unplanned"),
            Storage::Arena(place) => write!(f, "arena {place}"),
            Storage::Thread(usize::MAX) => f.write_str("thread unplanned"),
            Storage::Thread(place) => write!(f, "thread {place}"),
            Storage::Persistent(place) => write!(f, "persistent {place}"),
            Storage::Constants(place) => write!(f, "constants {place}"),
            Storage::Binding(number) => write!(f, "binding {number}"),
        }
    }
}

/// A name in quotes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                character if character.is_control() => write!(f, "\\u{{{:x}}}", u32::from(character))?,
                character => write!(f, "{character}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A name, in quotes where it is not a plain word.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_word(self.0) { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

/// Items with commas.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(position, item)| write!(f, "{}{item}", if position == 0 { "" } else { ", " }))
    }
}

/// A number that reads back as the same: `nan`, `-inf`, `1e-7`.
struct Float(f64);

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() { f.write_str("nan") } else { write!(f, "{:?}", self.0) }
    }
}

struct Printer<'p, 'f> {
    f: &'p mut Formatter<'f>,
    operands: &'p [Operand],
    depth: usize,
}

impl Printer<'_, '_> {
    fn line(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        writeln!(self.f, "{:width$}{text}", "", width = 2 * self.depth)
    }

    fn kernel(&mut self, kernel: &Kernel) -> fmt::Result {
        let operands: Vec<String> = kernel.operands.iter().map(operand_text).collect();
        let form = if matches!(kernel.body, Body::Contraction(_)) { " contraction" } else { "" };
        let space = Shape(kernel.space.clone());
        let (name, operands) = (Quoted(&kernel.name), List(&operands));
        self.line(format_args!("kernel {name} ({operands}) space {space}{form} {{"))?;
        self.depth += 1;
        match &kernel.body {
            Body::Loop(body) => {
                if !body.coordinates.is_empty() {
                    self.line(format_args!("at ({})", List(&body.coordinates)))?;
                }
                self.block(&body.statements)?;
            }
            Body::Contraction(contraction) => self.contraction(contraction)?,
        }
        self.depth -= 1;
        self.line(format_args!("}}"))
    }

    fn contraction(&mut self, contraction: &Contraction) -> fmt::Result {
        let rows: Vec<[String; 6]> = contraction.dims.iter().map(dim_cells).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3, 4, 5].map(width);
        for ([name, extent, role, lanes, rows, result], dim) in rows.iter().zip(&contraction.dims) {
            let [w0, w1, w2, w3, w4, w5] = widths;
            let strides = format!("[{lanes:>w3$}, {rows:>w4$}, {result:>w5$}]");
            let split = dim.split.map_or_else(String::new, |split| {
                format!(" split {} align {} result {}", split.chunks, split.align, split.result_stride)
            });
            self.line(format_args!("dim {name:w0$} {extent:>w1$} {role:w2$} strides {strides}{split}"))?;
        }
        self.line(format_args!("offsets [{}]", List(&contraction.offsets)))?;
        let taps: Vec<String> =
            contraction.taps.iter().map(|tap| format!("({}, {})", tap.lanes, tap.rows)).collect();
        self.line(format_args!("taps [{}]", List(&taps)))?;
        self.line(format_args!("tile {} x {}", contraction.tile.vectors, contraction.tile.rows))?;
        if contraction.accumulate {
            self.line(format_args!("accumulate"))?;
        }
        if contraction.turns_rows {
            self.line(format_args!("turns_rows"))?;
        }
        if let Some(epilogue) = &contraction.epilogue {
            self.line(format_args!("epilogue ({}) {} {{", List(&epilogue.coordinates), epilogue.value))?;
            self.depth += 1;
            self.block(&epilogue.statements)?;
            self.depth -= 1;
            self.line(format_args!("}}"))?;
            for sum in &epilogue.sums {
                let operand = self.operand(sum.operand);
                self.line(format_args!("sum {operand}[{}] = {}", sum.index, sum.value))?;
            }
        }
        Ok(())
    }

    fn block(&mut self, statements: &[Statement]) -> fmt::Result {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> fmt::Result {
        match statement {
            Statement::Let { result, dtype, op, args } => {
                let space = if args.is_empty() { "" } else { " " };
                self.line(format_args!("{result}: {dtype} = {}{space}{}", Operation(*op), List(args)))
            }
            Statement::Load { result, operand, index, guard } => {
                let (operand, guard) = (self.operand(*operand), guard_text(guard.as_ref()));
                self.line(format_args!("{result} = load {operand}[{index}]{guard}"))
            }
            Statement::Store { operand, index, value } => {
                let operand = self.operand(*operand);
                self.line(format_args!("store {operand}[{index}] = {value}"))
            }
            Statement::Index { result, expr } => match expr {
                IndexExpr::Form(form) => self.line(format_args!("{result} = {form}")),
                IndexExpr::Quotient(form, divisor) => {
                    self.line(format_args!("{result} = ({form}) / {divisor}"))
                }
                IndexExpr::Remainder(form, divisor) => {
                    self.line(format_args!("{result} = ({form}) % {divisor}"))
                }
                IndexExpr::ChunkStart { form, chunk, chunks } => {
                    self.line(format_args!("{result} = chunk {chunk} of {chunks} over {form}"))
                }
                IndexExpr::Clamped(value, form) => {
                    self.line(format_args!("{result} = clamp {value} below {form}"))
                }
            },
            Statement::For(inner) => self.for_loop(inner),
        }
    }

    fn for_loop(&mut self, inner: &Loop) -> fmt::Result {
        let lanes = if inner.lanes { "lanes " } else { "" };
        let carries: Vec<String> = inner.carries.iter().map(carry_text).collect();
        let carries = if carries.is_empty() { String::new() } else { format!(" carry ({})", List(&carries)) };
        let (var, start, end) = (inner.var, &inner.start, &inner.end);
        self.line(format_args!("{lanes}for {var} in {start} .. {end}{carries} {{"))?;
        self.depth += 1;
        self.block(&inner.body)?;
        if !inner.carries.is_empty() {
            let yields: Vec<String> = inner.carries.iter().map(yield_text).collect();
            self.line(format_args!("yield {}", List(&yields)))?;
        }
        self.depth -= 1;
        self.line(format_args!("}}"))
    }

    /// The operand's name, or `@` and its number where the name does not say which it is.
    fn operand(&self, number: usize) -> String {
        let name = self.operands.get(number).map(|operand| operand.name.as_str());
        let unique = |name: &&str| self.operands.iter().filter(|operand| operand.name == *name).count() == 1;
        name.filter(unique).map_or_else(|| format!("@{number}"), |name| Name(name).to_string())
    }
}

fn operand_text(operand: &Operand) -> String {
    let reads = if operand.reads { " read" } else { "" };
    let writes = if operand.writes { " write" } else { "" };
    format!("{}: {}{reads}{writes}", Name(&operand.name), operand.dtype)
}

fn dim_cells(dim: &ContractionDim) -> [String; 6] {
    let [lanes, rows, result] = dim.strides.map(|stride| stride.to_string());
    [Name(&dim.name).to_string(), dim.extent.to_string(), dim.role.name().to_owned(), lanes, rows, result]
}

fn carry_text(carry: &Carry) -> String {
    format!("{}: {} = {}", carry.current, carry.dtype, carry.initial)
}

fn yield_text(carry: &Carry) -> String {
    let combine = carry.combine.map_or_else(String::new, |combine| format!("{} ", combine.name()));
    format!("{} {combine}-> {}", carry.next, carry.result)
}

fn guard_text(guard: Option<&Guard>) -> String {
    let Some(guard) = guard else { return String::new() };
    let ranges: Vec<String> =
        guard.ranges.iter().map(|(form, low, high)| format!("{low} <= {form} < {high}")).collect();
    let space = if ranges.is_empty() { "" } else { " " };
    format!(" where{space}{} else {}", List(&ranges), Float(guard.fill))
}

/// An operation without its operands.
struct Operation(ScalarOp);

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.0.name();
        match self.0 {
            ScalarOp::Constant(number) => write!(f, "{name} {}", Float(number)),
            ScalarOp::Integer(number) => write!(f, "{name} {number}"),
            ScalarOp::Extent(dim) => write!(f, "{name} {dim}"),
            ScalarOp::Index(index) => write!(f, "{name} {index}"),
            ScalarOp::Random { stream } => write!(f, "{name}({stream})"),
            _ => f.write_str(name),
        }
    }
}
