//! Decisions about a contraction's code that leave the order of every sum as it is, so that they may be taken by
//! measurement.
//!
//! The heuristics of [`crate::tile`] and [`crate::plan`] take them without one; [`candidates`] says what else is
//! worth a try. A choice that would change the order of a sum, or that does not fit the machine's registers, is
//! not followed, wherever it comes from: results never depend on choices.

use crate::epilogue::Tail;
use crate::plan::{self, Emitter};
use crate::tile::{RowsRun, Tiling, Wish};
use crate::{Machine, X86Error};
use dlc_kernel::{Body, Contraction, Kernel};
use dlc_types::DType;
use std::fmt::Write as _;

/// Shapes of tiles that are worth a try, at most.
const SHAPES: usize = 9;
/// Vectors of a tile, at most.
const WIDEST: usize = 16;
/// Multiply-adds in the straight code of a tile that a choice may ask for, at most.
const MOST_STRAIGHT: usize = 1024;

/// How a contraction's code is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Vectors of a register tile, at most.
    pub vectors: usize,
    /// Rows of a register tile with so many vectors, at most.
    pub rows: usize,
    /// Multiply-adds in the straight code of one tile, at most.
    pub straight: usize,
    /// Whether tiles ask for memory that is needed after them.
    pub ahead: bool,
    /// Whether all points are visited once per tile of lanes, instead of all lanes at every point.
    pub lanes_outside: bool,
}

/// How the elements along the rows are summed: what of it tiles decide.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RowsOrder {
    rows: i64,
    /// Partial sums of an element, and all that decides which step goes to which; nothing with one of them.
    chains: Option<[usize; 4]>,
    /// Rows of a tile, where the epilogue sums them or where their number is not known before.
    tile: Option<usize>,
}

/// How the elements of a kernel are summed, by vectors: equal for tilings that give equal bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order(Vec<(i64, Vec<RowsOrder>)>);

impl Tiling {
    fn rows_order(&self, vectors: usize, sums: bool) -> Vec<RowsOrder> {
        let mut order: Vec<RowsOrder> = Vec::new();
        for (number, RowsRun { rows, count }) in self.rows_runs(vectors).into_iter().enumerate() {
            let chains = self.chains();
            let chains = (chains > 1).then_some([chains, vectors, rows, self.straight]);
            let Some(count) = count else {
                // What is left of an unknown number of rows falls to the same small tiles whatever the first
                // one is, as long as that has more of them than the first with partial sums.
                if sums || chains.is_some() {
                    let tile = (sums || number == 0).then_some(rows);
                    order.push(RowsOrder { rows: rows as i64, chains, tile });
                }
                continue;
            };
            let tile = sums.then_some(rows);
            let rows = rows as i64 * count;
            match order.last_mut() {
                Some(last) if last.chains == chains && last.tile == tile => last.rows += rows,
                _ => order.push(RowsOrder { rows, chains, tile }),
            }
        }
        order
    }

    /// In what order elements are summed; `sums` says whether the epilogue has sums.
    pub(crate) fn order(&self, sums: bool) -> Order {
        let mut order: Vec<(i64, Vec<RowsOrder>)> = Vec::new();
        for run in &self.lanes {
            let rows = self.rows_order(run.vectors, sums);
            let vectors = run.vectors as i64;
            match (run.count, order.last_mut()) {
                (Some(count), Some(last)) if last.1 == rows => last.0 += vectors * count,
                (Some(count), _) => order.push((vectors * count, rows)),
                (None, _) => order.push((vectors, rows)),
            }
        }
        let unknown = self.lanes.iter().any(|run| run.count.is_none());
        if unknown && order.windows(2).all(|pair| pair[0].1 == pair[1].1) {
            order.truncate(1);
            order.iter_mut().for_each(|first| first.0 = 0);
        }
        Order(order)
    }
}

impl Choice {
    /// What the tiles are made by.
    pub(crate) fn wish(&self) -> Wish {
        Wish { vectors: Some(self.vectors), rows: Some(self.rows), straight: Some(self.straight) }
    }

    /// Whether a choice can be followed without another order of sums.
    fn is_sound(&self, default: &Emitter<'_>) -> bool {
        let small = (1..=WIDEST).contains(&self.vectors)
            && (1..=default.tiling.most_rows()).contains(&self.rows)
            && (1..=MOST_STRAIGHT).contains(&self.straight);
        let contraction = default.contraction;
        if !small
            || (self.lanes_outside && !plan::lanes_can_stay(contraction, default.lengths[default.lanes]))
        {
            return false;
        }
        let tiling = default.tiling_by(self.wish());
        let sums = has_sums(default.tail.as_deref());
        tiling.holds(self.vectors, self.rows) && tiling.order(sums) == default.tiling.order(sums)
    }
}

fn has_sums(tail: Option<&Tail>) -> bool {
    tail.is_some_and(|tail| !tail.sums.is_empty())
}

/// The contraction of a kernel that has a wide form.
fn wide(kernel: &Kernel, machine: Machine) -> Option<&Contraction> {
    match &kernel.body {
        Body::Contraction(contraction) if plan::has_wide_form(kernel, contraction, machine) => {
            Some(contraction)
        }
        _ => None,
    }
}

/// Plans a contraction by a choice, or by the heuristics where there is none or it is not sound.
pub(crate) fn planned<'k>(
    kernel: &'k Kernel,
    contraction: &'k Contraction,
    machine: Machine,
    choice: Option<&Choice>,
) -> Result<Emitter<'k>, X86Error> {
    let default = Emitter::new(kernel, contraction, machine, None)?;
    match choice.filter(|choice| choice.is_sound(&default)) {
        Some(choice) => Emitter::new(kernel, contraction, machine, Some(choice)),
        None => Ok(default),
    }
}

/// Choices for a contraction that differ in code and agree in every bit of the result: first the one of the
/// heuristics, then the others in the order of the cost model. Empty where a kernel is no contraction with a wide
/// form.
///
/// # Errors
///
/// [`X86Error`] for bugs in dlc, as [`crate::build_kernel`].
pub fn candidates(kernel: &Kernel, machine: impl Into<Machine>) -> Result<Vec<Choice>, X86Error> {
    let machine = machine.into();
    let Some(contraction) = wide(kernel, machine) else { return Ok(Vec::new()) };
    let default = match Emitter::new(kernel, contraction, machine, None) {
        Ok(emitter) => emitter,
        Err(X86Error::TooFar) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let first = default.choice();
    let mut wanted = vec![first];
    wanted.extend(shapes(&default));
    wanted.push(Choice { ahead: !first.ahead, ..first });
    wanted.push(Choice { straight: first.straight / 2, ..first });
    wanted.push(Choice { straight: (2 * first.straight).min(MOST_STRAIGHT), ..first });
    wanted.push(Choice { lanes_outside: !first.lanes_outside, ..first });
    let mut found: Vec<(Choice, Vec<u8>)> = Vec::new();
    for choice in wanted {
        if !choice.is_sound(&default) {
            continue;
        }
        match Emitter::new(kernel, contraction, machine, Some(&choice)).and_then(Emitter::function) {
            Ok(bytes) if found.iter().all(|(_, other)| *other != bytes) => found.push((choice, bytes)),
            Ok(_) | Err(X86Error::TooFar) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found.into_iter().map(|(choice, _)| choice).collect())
}

/// Other shapes of tiles, cheapest first by the cost model.
fn shapes(default: &Emitter<'_>) -> Vec<Choice> {
    let first = default.choice();
    let mut shapes: Vec<(f64, Choice)> = Vec::new();
    let mut seen = vec![default.tiling.cut()];
    for vectors in 1..=WIDEST {
        for rows in 1..=default.tiling.most_rows() {
            let tiling = default.tiling_by(Wish { vectors: Some(vectors), rows: Some(rows), straight: None });
            let cut = tiling.cut();
            if tiling.holds(vectors, rows) && !seen.contains(&cut) {
                let choice = Choice { vectors, rows, straight: tiling.straight, ..first };
                if choice.is_sound(default) {
                    shapes.push((tiling.cost(), choice));
                }
                seen.push(cut);
            }
        }
    }
    shapes.sort_by(|a, b| a.0.total_cmp(&b.0));
    shapes.into_iter().take(SHAPES).map(|(_, choice)| choice).collect()
}

/// A text that is equal for contractions that a choice suits alike: all of the kernel but names. Nothing for
/// kernels that no choice is for.
pub fn shape(kernel: &Kernel, machine: impl Into<Machine>) -> Option<String> {
    let contraction = wide(kernel, machine.into())?;
    let mut text = String::new();
    let factors = [kernel.operands[0].dtype, kernel.operands[1].dtype];
    if factors != [DType::F32; 2] {
        let _ = write!(
            text,
            "{} {}{}; ",
            factors[0],
            factors[1],
            if contraction.turns_rows { " turned" } else { "" }
        );
    }
    for dim in &contraction.dims {
        let [lanes, rows, result] = dim.strides;
        let _ = write!(text, "{} {} {lanes} {rows} {result}", dim.role.name(), dim.extent);
        if let Some(split) = dim.split {
            let _ = write!(text, " split {} {} {}", split.chunks, split.align, split.result_stride);
        }
        text.push_str("; ");
    }
    let taps = contraction.taps.iter().map(|tap| format!("{} {}", tap.lanes, tap.rows));
    let _ = write!(text, "taps {}", taps.collect::<Vec<_>>().join(", "));
    if contraction.accumulate {
        text.push_str("; accumulate");
    }
    if contraction.epilogue.is_some() {
        // Operands that share a name are printed by number.
        let mut unnamed = Kernel { name: String::new(), ..kernel.clone() };
        unnamed.operands.iter_mut().for_each(|operand| operand.name.clear());
        let printed = unnamed.to_string();
        let operands = kernel.operands.iter().map(|operand| operand.dtype.to_string());
        let _ = write!(text, "; operands {}; ", operands.collect::<Vec<_>>().join(" "));
        let epilogue = printed.split_once(" epilogue ").map_or("", |(_, epilogue)| epilogue);
        text.push_str(&epilogue.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    Some(text)
}
