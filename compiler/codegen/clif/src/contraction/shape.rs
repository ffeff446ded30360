//! Register tiles: which shapes suit which extents, and how a dimension is cut into them.

use super::Plan;
use dlc_kernel::Tile;
use dlc_types::Dim;

/// Vector registers that accumulators, one step's vectors and one repeated element may take.
const REGISTERS: usize = 16;

/// What lies side by side in one step of a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// So many vectors.
    Vectors(usize),
    /// So many single elements.
    Scalars(usize),
}

impl Unit {
    /// Registers along the dimension.
    pub(crate) fn registers(self) -> usize {
        match self {
            Unit::Vectors(count) | Unit::Scalars(count) => count,
        }
    }

    /// Elements along the dimension.
    pub(crate) fn lanes(self, width: usize) -> usize {
        match self {
            Unit::Vectors(count) => count * width,
            Unit::Scalars(count) => count,
        }
    }
}

/// A run of steps of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    pub(crate) unit: Unit,
    /// How many; without it, as many as fit into what is left.
    pub(crate) count: Option<i64>,
}

/// The register tile that runs fastest for these extents, of 128-bit vectors of `f32`.
///
/// Eight sums hide the latency of two multiply-adds per cycle; two vectors per broadcast keep the loads
/// below two per cycle; more sums would need more copies than there are registers. Few rows want more
/// vectors, and a single vector more rows, since it repeats a load for every broadcast.
pub fn preferred_tile(lanes: Dim, rows: Dim) -> Tile {
    const SUMS: usize = 8;
    let rows = rows.fixed().map_or(usize::MAX, |extent| extent.max(1));
    let wide = lanes.fixed().map_or(usize::MAX, |extent| (extent / 4).max(1));
    if wide == 1 {
        return Tile { vectors: 1, rows: rows.min(12) };
    }
    let rows = rows.min(4);
    let vectors = SUMS.div_ceil(rows).min((REGISTERS - 1) / (rows + 1)).min(6);
    Tile { vectors: vectors.min(wide), rows }
}

/// The tile that a contraction asks for, cut down to the registers there are.
pub(crate) fn fitted(tile: Tile) -> Tile {
    let vectors = tile.vectors.clamp(1, 6);
    let rows = tile.rows.clamp(1, ((REGISTERS - 1 - vectors) / vectors).max(1));
    Tile { vectors, rows }
}

/// Cuts an extent into the least number of pieces of at most `most`, as even as can be.
fn even(extent: i64, most: i64) -> Vec<(i64, i64)> {
    if extent <= 0 {
        return Vec::new();
    }
    let pieces = (extent + most - 1) / most;
    let (small, larger) = (extent / pieces, extent % pieces);
    let mut runs = Vec::new();
    if larger > 0 {
        runs.push((larger, small + 1));
    }
    runs.push((pieces - larger, small));
    runs
}

/// The pieces of the lanes dimension.
pub(crate) fn lanes_pieces(plan: &Plan<'_>) -> Vec<Pieces> {
    let span = plan.spans[plan.lanes];
    let tile = fitted(plan.contraction.tile);
    let width = plan.width as i64;
    let run = |unit, count| Pieces { unit, count };
    if width == 1 {
        return vec![run(Unit::Scalars(1), span.known)]
            .into_iter()
            .filter(|run| run.count != Some(0))
            .collect();
    }
    if let Some(extent) = span.known {
        let mut pieces: Vec<Pieces> = even(extent / width, tile.vectors as i64)
            .into_iter()
            .map(|(count, size)| run(Unit::Vectors(size as usize), Some(count)))
            .collect();
        if extent % width > 0 {
            pieces.push(run(Unit::Scalars((extent % width) as usize), Some(1)));
        }
        return pieces;
    }
    let mut pieces = vec![run(Unit::Vectors(tile.vectors), None)];
    if span.align % (width * tile.vectors as i64) != 0 {
        if tile.vectors > 1 {
            pieces.push(run(Unit::Vectors(1), None));
        }
        if span.align % width != 0 {
            pieces.push(run(Unit::Scalars(1), None));
        }
    }
    pieces
}

/// The pieces of the rows dimension beside so many lanes.
pub(crate) fn rows_pieces(plan: &Plan<'_>, lanes: Unit) -> Vec<Pieces> {
    let span = plan.spans[plan.rows];
    let tile = fitted(plan.contraction.tile);
    // As many sums beside fewer lanes as beside a whole tile; scalars take registers like vectors do.
    let most = (tile.vectors * tile.rows / lanes.registers()).max(1);
    let most = most.min(((REGISTERS - 1 - lanes.registers()) / lanes.registers()).max(1));
    // A lanes operand that moves along the rows would have to be loaded for each of them.
    let most = if plan.dim(plan.rows).strides[0] != 0 { 1 } else { most as i64 };
    let run = |size: i64, count| Pieces { unit: Unit::Scalars(size as usize), count };
    if let Some(extent) = span.known {
        return even(extent, most).into_iter().map(|(count, size)| run(size, Some(count))).collect();
    }
    let mut pieces = vec![run(most, None)];
    if most > 1 && span.align % most != 0 {
        pieces.push(run(1, None));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_pieces_cover_the_extent() {
        for extent in 0..50 {
            for most in 1..9 {
                let runs = even(extent, most);
                assert_eq!(runs.iter().map(|(count, size)| count * size).sum::<i64>(), extent);
                assert!(runs.iter().all(|&(count, size)| count > 0 && size > 0 && size <= most));
            }
        }
    }

    #[test]
    fn preferred_tiles_need_no_cut() {
        for lanes in (1..80).map(Dim::Fixed).chain([Dim::N]) {
            for rows in (1..40).map(Dim::Fixed).chain([Dim::N]) {
                let tile = preferred_tile(lanes, rows);
                assert_eq!(fitted(tile), tile, "{lanes} lanes, {rows} rows");
            }
        }
    }

    #[test]
    fn tiles_fit_the_registers() {
        for vectors in 0..20 {
            for rows in 0..40 {
                let tile = fitted(Tile { vectors, rows });
                assert!(tile.vectors * tile.rows + tile.vectors < REGISTERS, "{tile:?}");
            }
        }
    }
}
