//! Affine maps of places: from a pixel of the result to the place of the source that it shows.

/// `(row, column) -> (a row + b column + c, d row + e column + f)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Map {
    row: [f64; 3],
    column: [f64; 3],
}

/// A map that moves whole pixels: every row of the result is a piece of a row of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WholeMap {
    /// Row of the source for row 0, and its change per row: 1 or -1.
    pub(crate) row: (i64, i64),
    /// The same for columns.
    pub(crate) column: (i64, i64),
}

impl Map {
    /// Nothing moves.
    pub(crate) const IDENTITY: Map = Map { row: [1.0, 0.0, 0.0], column: [0.0, 1.0, 0.0] };

    /// Shows what stands so far below and right.
    pub(super) fn moved(down: f64, right: f64) -> Map {
        Map { row: [1.0, 0.0, down], column: [0.0, 1.0, right] }
    }

    /// Top and bottom, or left and right, change places.
    pub(super) fn mirrored(size: (usize, usize), vertical: bool) -> Map {
        let last = |side: usize| side as f64 - 1.0;
        if vertical {
            Map { row: [-1.0, 0.0, last(size.0)], ..Map::IDENTITY }
        } else {
            Map { column: [0.0, -1.0, last(size.1)], ..Map::IDENTITY }
        }
    }

    fn around_middle(size: (usize, usize), rows: [f64; 2], columns: [f64; 2]) -> Map {
        let (y, x) = ((size.0 as f64 - 1.0) / 2.0, (size.1 as f64 - 1.0) / 2.0);
        Map {
            row: [rows[0], rows[1], y - rows[0] * y - rows[1] * x],
            column: [columns[0], columns[1], x - columns[0] * y - columns[1] * x],
        }
    }

    /// The picture turned clockwise around its middle by an angle in radians.
    pub(super) fn turned(size: (usize, usize), angle: f64) -> Map {
        let (sine, cosine) = angle.sin_cos();
        Map::around_middle(size, [cosine, -sine], [sine, cosine])
    }

    /// The picture enlarged around its middle.
    pub(super) fn zoomed(size: (usize, usize), factor: f64) -> Map {
        Map::around_middle(size, [factor.recip(), 0.0], [0.0, factor.recip()])
    }

    /// First `inner`, then this: where this leads from what a later step shows.
    pub(super) fn after(self, inner: Map) -> Map {
        let line = |line: [f64; 3]| {
            [
                line[0] * inner.row[0] + line[1] * inner.column[0],
                line[0] * inner.row[1] + line[1] * inner.column[1],
                line[0] * inner.row[2] + line[1] * inner.column[2] + line[2],
            ]
        };
        Map { row: line(self.row), column: line(self.column) }
    }

    /// The place of the source for a pixel of the result.
    pub(crate) fn place(self, row: usize, column: usize) -> (f64, f64) {
        let at = |line: [f64; 3]| line[0] * row as f64 + line[1] * column as f64 + line[2];
        (at(self.row), at(self.column))
    }

    /// The map by whole pixels, if it is one.
    pub(crate) fn whole(self) -> Option<WholeMap> {
        let line = |unit: f64, other: f64, start: f64| {
            let whole = unit.abs() == 1.0 && other == 0.0 && start.fract() == 0.0;
            whole.then_some((start as i64, unit as i64))
        };
        let row = line(self.row[0], self.row[1], self.row[2])?;
        Some(WholeMap { row, column: line(self.column[1], self.column[0], self.column[2])? })
    }
}
