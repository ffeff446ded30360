//! Register tiles: which shape suits which extents, and how lanes and rows are cut into tiles.
//!
//! A tile of `vectors` times `rows` takes one step of the reduction with `vectors` vector loads, `rows`
//! repeated elements (of paired lanes, `vectors * rows` more vectors) and `vectors * rows` multiply-adds. The cost model counts cycles of a core that
//! starts two multiply-adds and two loads per cycle, with four cycles of latency:
//!
//! - multiply-adds / 2, and loads / 2;
//! - 4 cycles divided by the *chains*: independent sums that small tiles keep per element, so that
//!   eight multiply-adds are in flight;
//! - the part of the vector loads' time that is not hidden, at [`STREAM`] bytes per cycle, since the lanes
//!   operand rarely stays in the nearest cache;
//! - three bytes per cycle where lanes have to be collected from afar;
//! - start and end of a tile, spread over its steps.
//!
//! Among the cuts of both dimensions into nearly equal pieces the cheapest wins. The choice decides the
//! order of sums (by the chains), so it sees nothing but extents and level.

use crate::Level;
use crate::epilogue::Tail;
use crate::plan::{self, Length};
use crate::products::Product;
use dlc_kernel::{Contraction, Role};

/// Bytes of the lanes operand that cost a cycle.
const STREAM: f64 = 150.0;
/// What a second kind of tile costs.
const TWO_KINDS: f64 = 1.03;
/// Multiply-adds in flight that hide their latency.
const IN_FLIGHT: usize = 8;
/// Length that tiles are chosen for where it is known only at run time, before it is split.
const TYPICAL: i64 = 128;
/// Multiply-adds in the straight code of all tiles together: about 14 KB.
const STRAIGHT: usize = 1400;
/// Multiply-adds in the straight code of one tile. Half as many where a reduction around the tiles brings operands
/// from far memory in every visit: an instruction that is met again soon tells the machine where it will read.
const LONGEST: usize = 448;
/// Multiply-adds per step that keep the machine busy while a loop turns.
const FULL: usize = 16;

/// A run of equal tiles along lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LanesRun {
    pub(crate) vectors: usize,
    /// Whether the last vector is cut off by the mask.
    pub(crate) masked: bool,
    /// How many; without it, as many as fit into what is left.
    pub(crate) count: Option<i64>,
}

/// A run of equal tiles along rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowsRun {
    pub(crate) rows: usize,
    /// How many; without it, as many as fit into what is left.
    pub(crate) count: Option<i64>,
}

/// One register tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) vectors: usize,
    pub(crate) rows: usize,
    pub(crate) masked: bool,
    /// Sums per element of the result, added when all is done.
    pub(crate) chains: usize,
}

/// What tiles are made by in place of the cost model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// Vectors of a tile, at most.
    pub(crate) vectors: Option<usize>,
    /// Rows of the widest tiles, at most.
    pub(crate) rows: Option<usize>,
    /// Multiply-adds in the straight code of one tile, at most.
    pub(crate) straight: Option<usize>,
}

/// How a kernel is cut into tiles.
#[derive(Clone, Debug)]
pub(crate) struct Tiling {
    level: Level,
    rows: Length,
    typical_rows: i64,
    /// Rows of tiles with so many vectors, in place of the cheapest.
    wished_rows: Option<(usize, usize)>,
    /// Steps of a tile's reduction, about.
    pub(crate) steps: i64,
    pub(crate) lanes: Vec<LanesRun>,
    /// Lanes that the mask of a known tail leaves.
    pub(crate) tail: Option<i64>,
    /// Whether a vector of the lanes operand is collected from elements that lie apart.
    gathers: bool,
    /// Registers that a step takes beside its operands.
    spare: usize,
    /// Whether each lane multiplies an element of the rows operand of its own.
    pairs: bool,
    /// Registers that an epilogue needs beside the finished sums.
    beside: usize,
    /// Multiply-adds in the straight code of one tile, at most.
    pub(crate) straight: usize,
    /// Sums per element of the result, the same in all tiles; 0 until the widest tile is chosen.
    chains: usize,
}

/// Registers that one tile takes: sums, one step's vectors, one repeated element, the mask.
fn registers(vectors: usize, rows: usize, chains: usize, mask: usize) -> usize {
    // With one row, vectors are operands of the multiply-adds themselves but for a masked one.
    let held = if rows == 1 { 1 } else { vectors };
    vectors * rows * chains + held + 1 + mask
}

/// Cuts an extent into the least number of pieces of at most `most`, as even as can be: (count, size).
fn even(extent: i64, most: i64) -> Vec<(i64, i64)> {
    if extent <= 0 {
        return Vec::new();
    }
    let pieces = (extent + most - 1) / most;
    let (small, larger) = (extent / pieces, extent % pieces);
    let runs = [(larger, small + 1), (pieces - larger, small)];
    runs.into_iter().filter(|&(count, _)| count > 0).collect()
}

impl Tiling {
    pub(crate) fn new(
        contraction: &Contraction,
        level: Level,
        [lanes, rows]: [Length; 2],
        tail: Option<&Tail>,
        (product, wish): (Product, Wish),
    ) -> Tiling {
        let typical = |role: Role, length: Length| match length {
            Length::Known(length) => length,
            Length::Slot(_) => {
                let dim = contraction.dims.iter().find(|dim| dim.role == role);
                let extent = dim.and_then(|dim| dim.extent.fixed()).map_or(TYPICAL, |extent| extent as i64);
                let chunks = dim.and_then(|dim| dim.split).map_or(1, |split| split.chunks as i64);
                (extent / chunks.max(1)).max(1)
            }
        };
        let reduced = contraction.dims.iter().filter(|dim| dim.role == Role::Reduce);
        let steps = reduced.fold(contraction.taps.len() as i64, |product, dim| {
            product.saturating_mul(dim.extent.fixed().map_or(16, |extent| extent as i64))
        });
        let mut tiling = Tiling {
            level,
            rows,
            typical_rows: typical(Role::Rows, rows),
            wished_rows: None,
            steps: steps.max(1),
            lanes: Vec::new(),
            tail: None,
            gathers: plan::gathers(contraction),
            spare: product.spare(),
            pairs: plan::pairs(contraction),
            beside: tail.map_or(0, |tail| tail.registers),
            straight: STRAIGHT,
            chains: 0,
        };
        tiling.cut_lanes(lanes, typical(Role::Lanes, lanes), wish.vectors);
        tiling.wished_rows = wish.rows.map(|rows| (tiling.widest(), rows));
        tiling.chains = tiling.free_chains(tiling.widest(), tiling.highest());
        let tiles = tiling.lanes.iter().flat_map(|lanes| {
            tiling.rows_runs(lanes.vectors).into_iter().map(|rows| lanes.vectors * rows.rows)
        });
        let (kinds, elements) = tiles.fold((0, 0), |(kinds, elements), tile| (kinds + 1, elements + tile));
        let after = elements * tail.map_or(0, |tail| tail.instructions);
        let room = STRAIGHT.saturating_sub(after).max(STRAIGHT / 4) / kinds.max(1);
        let streams = contraction.dims.iter().any(|dim| dim.role == Role::ReduceOuter);
        let full = tiling.widest() * tiling.highest() >= FULL;
        let most = if streams && full { LONGEST / 2 } else { LONGEST };
        tiling.straight = wish.straight.unwrap_or(room.min(most));
        tiling
    }

    fn cut_lanes(&mut self, length: Length, typical: i64, wished: Option<usize>) {
        let width = self.level.lanes_f32() as i64;
        let vectors = (typical + width - 1) / width;
        let cost = |most: i64| -> f64 {
            let runs = even(vectors, most);
            let cost: f64 =
                runs.iter().map(|&(count, size)| count as f64 * self.cost_of_rows(size as usize).0).sum();
            if runs.len() > 1 { cost * TWO_KINDS } else { cost }
        };
        let best = match wished {
            Some(wished) => (wished as i64).clamp(1, vectors.max(1)),
            None => (1..=vectors.clamp(1, 16)).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(1),
        };
        if let Length::Known(extent) = length {
            self.tail = Some(extent % width).filter(|&tail| tail > 0);
            for (count, size) in even(vectors, best) {
                self.lanes.push(LanesRun { vectors: size as usize, masked: false, count: Some(count) });
            }
            if self.tail.is_some()
                && let Some(last) = self.lanes.pop()
            {
                if last.count != Some(1) {
                    self.lanes.push(LanesRun { count: last.count.map(|count| count - 1), ..last });
                }
                self.lanes.push(LanesRun { masked: true, count: Some(1), ..last });
            }
            return;
        }
        let mut vectors = best as usize;
        while vectors > 0 {
            self.lanes.push(LanesRun { vectors, masked: false, count: None });
            vectors /= 2;
        }
        self.lanes.push(LanesRun { vectors: 1, masked: true, count: None });
    }

    /// Whether there are registers for a tile and for the epilogue behind it.
    fn fits(&self, vectors: usize, rows: usize, chains: usize) -> bool {
        let mask = self.level.reserved(self.gathers);
        let most =
            registers(vectors, rows, chains, mask + self.spare).max(vectors * rows + mask + self.beside);
        most <= self.level.registers()
    }

    /// The rows that fit beside so many vectors.
    fn fitting_rows(&self, vectors: usize) -> impl Iterator<Item = usize> {
        let registers_there = self.level.registers();
        let most = if vectors == 1 { registers_there / 2 } else { registers_there };
        let halves = matches!(self.rows, Length::Slot(_));
        let chains = self.chains.max(1);
        (1..=most)
            .filter(move |&rows| (!halves || rows.is_power_of_two()) && self.fits(vectors, rows, chains))
    }

    fn cycles(&self, vectors: usize, rows: usize) -> f64 {
        let chains = if self.chains > 0 { self.chains } else { self.free_chains(vectors, rows) } as f64;
        let (wide, high) = (vectors as f64, rows as f64);
        let bytes = (self.level.lanes_f32() * 4) as f64;
        let read = if self.pairs { wide * high } else { high };
        let step = [wide * high / 2.0, (wide + read) / 2.0, 4.0 / chains];
        let around = (12.0 + 1.5 * wide * high) / self.steps as f64;
        let collected = if self.gathers { wide * bytes / 3.0 } else { 0.0 };
        step.into_iter().fold(0.0, f64::max) + wide * bytes / STREAM + collected + around
    }

    /// Cycles per step of the reduction for all rows beside so many vectors, and the rows per tile.
    fn cost_of_rows(&self, vectors: usize) -> (f64, usize) {
        let cost = |most: usize| {
            let runs = even(self.typical_rows, most as i64);
            let cost: f64 =
                runs.iter().map(|&(count, size)| count as f64 * self.cycles(vectors, size as usize)).sum();
            // Two kinds of tiles take twice the code.
            if runs.len() > 1 { cost * TWO_KINDS } else { cost }
        };
        if let Some((_, rows)) = self.wished_rows.filter(|&(of, _)| of == vectors) {
            return (cost(rows), rows);
        }
        let mut best = (f64::INFINITY, 1);
        for most in self.fitting_rows(vectors) {
            let cost = cost(most);
            if cost < best.0 {
                best = (cost, most);
            }
        }
        best
    }

    /// Vectors of the widest tiles.
    pub(crate) fn widest(&self) -> usize {
        self.lanes.iter().map(|run| run.vectors).max().unwrap_or(1)
    }

    /// Rows of the widest tiles, at most.
    pub(crate) fn highest(&self) -> usize {
        self.cost_of_rows(self.widest()).1
    }

    /// Rows that any tile could have, at most.
    pub(crate) fn most_rows(&self) -> usize {
        self.level.registers()
    }

    /// Whether tiles of so many vectors and rows were asked for and fit.
    pub(crate) fn holds(&self, vectors: usize, rows: usize) -> bool {
        self.widest() <= vectors && self.fitting_rows(self.widest()).any(|fitting| fitting == rows)
    }

    /// All tiles, to tell tilings apart.
    pub(crate) fn cut(&self) -> Vec<(LanesRun, Vec<RowsRun>)> {
        self.lanes.iter().map(|&lanes| (lanes, self.rows_runs(lanes.vectors))).collect()
    }

    /// Cycles per step of the reduction over all elements, about.
    pub(crate) fn cost(&self) -> f64 {
        let left = self.lanes.iter().filter(|run| run.count.is_some() || run.vectors == self.widest());
        let cost: f64 =
            left.map(|run| run.count.unwrap_or(1) as f64 * self.cost_of_rows(run.vectors).0).sum();
        match self.lanes.first() {
            // Of an unknown number of lanes, the widest tiles take nearly all.
            Some(LanesRun { count: None, .. }) => cost / self.widest() as f64,
            _ => cost,
        }
    }

    /// The runs along rows beside so many vectors.
    pub(crate) fn rows_runs(&self, vectors: usize) -> Vec<RowsRun> {
        let (_, most) = self.cost_of_rows(vectors);
        if let Length::Known(extent) = self.rows {
            let runs = even(extent, most as i64);
            return runs
                .into_iter()
                .map(|(count, size)| RowsRun { rows: size as usize, count: Some(count) })
                .collect();
        }
        let halves = std::iter::successors(Some(most), |&rows| (rows > 1).then_some(rows / 2));
        halves.map(|rows| RowsRun { rows, count: None }).collect()
    }

    /// Partial sums per element: those that suit the widest tiles. All tiles have as many, so that every element of
    /// the result is summed in one order, whatever its place.
    pub(crate) fn chains(&self) -> usize {
        self.chains.max(1)
    }

    /// Partial sums per element that suit tiles of so many vectors and rows.
    fn free_chains(&self, vectors: usize, rows: usize) -> usize {
        let mut chains = 1;
        while vectors * rows * chains < IN_FLIGHT
            && (chains as i64) < self.steps
            && self.fits(vectors, rows, chains * 2)
        {
            chains *= 2;
        }
        chains
    }

    /// The tile of a run along lanes and one along rows.
    pub(crate) fn tile(&self, lanes: LanesRun, rows: RowsRun) -> Tile {
        let (vectors, rows) = (lanes.vectors, rows.rows);
        Tile { vectors, rows, masked: lanes.masked, chains: self.chains() }
    }
}
