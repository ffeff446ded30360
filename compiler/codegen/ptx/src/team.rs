//! How a loop kernel's work is laid on threads.
//!
//! A *team* of a power of two of threads shares a point. Without lanes loops it is one thread, and neighbouring threads
//! have neighbouring points. With them, its size follows from the lanes: threads take neighbouring iterations, so
//! that what they touch lies side by side, or groups of neighbouring ones (`vector`). Teams of up to a warp share blocks; a
//! larger one whose threads meet has a block of its own.
//! Where the threads of a team never have to meet, several blocks may share a point as one larger team.

use crate::alignment::Multiples;
use crate::hazards::{Accesses, needs_barrier};
use crate::ranges::Ranges;
use crate::register::Value;
use crate::vector;
use dlc_kernel::{Affine, IndexVar, Kernel, LoopBody, Statement};
use dlc_types::{DType, Dim};
use std::collections::BTreeMap;

/// Threads of a warp.
pub(crate) const WARP: u32 = 32;
/// Threads of a block of small teams, and of the largest team.
const BLOCK: u32 = 256;
/// Iterations of a lanes loop that a thread should have before further blocks share a point, where there are many.
const ITERATIONS: u32 = 4;
/// Threads that a device should get before each has more to do.
const ENOUGH_THREADS: u64 = 1 << 18;
/// Blocks that a device should get before they are made larger.
const ENOUGH_BLOCKS: u64 = 256;

/// The layout of a loop kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Threads of a team within a block.
    pub(crate) team: u32,
    /// Threads of a block.
    pub(crate) threads: u32,
    /// The lanes that blocks share, and how many of them a block has; of several points together where these have
    /// a piece each.
    pub(crate) shared_lanes: Option<(Dim, usize)>,
}

/// The threads that share a point, as the text of a kernel knows them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Team {
    /// Threads within the block.
    pub(crate) size: u32,
    /// The number of this thread among all that share the point.
    pub(crate) rank: Value,
    /// How many threads share the point, over all blocks.
    pub(crate) stride: Value,
    /// Whether this is the first of them; nothing where there is one alone.
    pub(crate) first: Option<Value>,
    /// The lanes of the warp that are of the team.
    pub(crate) mask: Value,
}

impl Team {
    /// A thread alone.
    pub(crate) fn single() -> Team {
        Team {
            size: 1,
            rank: Value::Integer(0),
            stride: Value::Integer(1),
            first: None,
            mask: Value::Integer(-1),
        }
    }
}

/// What lanes loops of a body ask for.
struct Survey<'s> {
    ranges: &'s mut Ranges,
    /// Types of the operands and bytes that divide where they begin.
    operands: &'s [(DType, i64)],
    multiples: Multiples,
    /// How many neighbours a thread takes of each loop.
    widths: BTreeMap<IndexVar, usize>,
    /// Most threads that have work in a loop.
    longest: i128,
    /// The neighbours that they take.
    width: usize,
    /// Length as an extent, where it is one, and how many pieces that has.
    extent: Option<(Dim, usize)>,
    carries: bool,
}

impl Survey<'_> {
    fn visit(&mut self, statements: &[Statement]) {
        for statement in statements {
            let inner = match statement {
                Statement::For(inner) => inner,
                Statement::Index { result, expr } => {
                    self.multiples.set(*result, self.multiples.expression(expr));
                    continue;
                }
                _ => continue,
            };
            if !inner.lanes {
                self.visit(&inner.body);
                continue;
            }
            let (length, form) = self.ranges.length(inner);
            let width = vector::of_loop(inner, self.operands, &self.multiples);
            self.widths.insert(inner.var, width);
            let length = if width > 1 { (length + width as i128 - 1) / width as i128 } else { length };
            self.carries |= !inner.carries.is_empty();
            if length > self.longest || self.extent.is_none() {
                self.longest = length;
                self.width = width;
                self.extent =
                    form.and_then(|(form, pieces)| extent_of(&form).zip(usize::try_from(pieces).ok()));
            }
        }
    }
}

fn extent_of(form: &Affine) -> Option<Dim> {
    match (form.constant, form.batch) {
        _ if !form.terms.is_empty() => None,
        (constant, 0) => usize::try_from(constant).ok().map(Dim::Fixed),
        (0, batch) => usize::try_from(batch).ok().map(Dim::Batch),
        _ => None,
    }
}

impl Mapping {
    /// The layout for a body, and how many neighbours a thread takes of each lanes loop.
    pub(crate) fn of(
        kernel: &Kernel,
        body: &LoopBody,
        ranges: &mut Ranges,
        operands: &[(DType, i64)],
    ) -> (Mapping, BTreeMap<IndexVar, usize>) {
        let mut survey = Survey {
            ranges,
            operands,
            multiples: Multiples::default(),
            widths: BTreeMap::new(),
            longest: 0,
            width: 1,
            extent: None,
            carries: false,
        };
        survey.visit(&body.statements);
        let Survey { ranges, widths, longest, width, extent, carries, .. } = survey;
        let points = kernel.space.iter().fold(1_u64, |product, &dim| {
            product.saturating_mul(u64::try_from(ranges.extent(dim)).unwrap_or(u64::MAX))
        });
        if longest <= 1 {
            return (Mapping { team: 1, threads: block(1, points), shared_lanes: None }, widths);
        }
        let meets = carries || needs_barrier(&body.statements, &kernel.operands);
        let longest = u64::try_from(longest).unwrap_or(u64::MAX);
        let team = team_size(longest, if meets { u64::from(ITERATIONS) } else { 1 });
        let stores = body.statements.iter().any(|statement| Accesses::of(statement, false).has_team_store());
        let iterations = points.saturating_mul(longest) / ENOUGH_THREADS;
        let lanes = u64::from(team) * iterations.clamp(1, u64::from(ITERATIONS));
        let shares = !meets && !stores && team == BLOCK && longest > lanes;
        let lanes = lanes.saturating_mul(width as u64) as usize;
        let shared = extent.filter(|_| shares);
        let shared_lanes = shared.map(|(extent, pieces)| (extent, pieces.max(1).saturating_mul(lanes)));
        // Barriers and totals in shared memory are a block's, not a team's.
        let threads = if meets && team > WARP { team } else { block(team, points) };
        (Mapping { team, threads, shared_lanes }, widths)
    }

    /// Teams of a block.
    pub(crate) fn teams(self) -> u32 {
        self.threads / self.team
    }
}

/// Threads of a block for so many points: fewer where all blocks would be few, so that they spread over a device.
fn block(team: u32, points: u64) -> u32 {
    let mut threads = BLOCK;
    while threads > team.max(WARP)
        && points.saturating_mul(u64::from(team)) < ENOUGH_BLOCKS * u64::from(threads)
    {
        threads /= 2;
    }
    threads
}

/// Threads for lanes of this length: as many as leave few without work; beyond a warp, so that each has some
/// iterations.
fn team_size(longest: u64, per_thread: u64) -> u32 {
    let wanted = longest.div_ceil(per_thread).max(longest.min(u64::from(WARP)));
    let whole = wanted.min(u64::from(BLOCK)).next_power_of_two() as u32;
    // A team of half the size wastes less where more than a quarter of the larger one would stand idle.
    if 4 * longest < 3 * u64::from(whole) { (whole / 2).max(1) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::{block, team_size};

    #[test]
    fn few_points_spread_over_small_blocks() {
        assert_eq!(
            [(1, 16), (16, 16), (16, 1024), (16, 4096), (256, 1)].map(|(team, points)| block(team, points)),
            [32, 32, 64, 256, 256]
        );
    }

    #[test]
    fn teams_suit_their_lanes() {
        let sizes = |lengths: &[u64], per_thread| -> Vec<u32> {
            lengths.iter().map(|&length| team_size(length, per_thread)).collect()
        };
        assert_eq!(sizes(&[2, 3, 10, 16, 32, 64, 100, 1000], 1), [2, 4, 8, 16, 32, 64, 128, 256]);
        assert_eq!(sizes(&[2, 10, 32, 64, 128, 512, 4096], 4), [2, 8, 32, 32, 32, 128, 256]);
    }
}
