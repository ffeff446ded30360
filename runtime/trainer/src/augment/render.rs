//! Writing a changed picture: from the planes of its source straight into the batch.

use super::map::WholeMap;
use super::{Beyond, Change};
use dlc_types::random::Stream;

/// Planes of rows, of any element type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a, T> {
    /// Channel, row, column.
    pub(crate) planes: &'a [T],
    /// Height and width.
    pub(crate) size: (usize, usize),
}

/// A part of a picture; it may reach beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rectangle {
    top: i64,
    left: i64,
    height: i64,
    width: i64,
}

impl Rectangle {
    /// A rectangle of a share of the area and a height per width, evenly on its logarithm.
    /// Source: Zhong et al., "Random Erasing Data Augmentation", 2017.
    pub(super) fn drawn(
        size: (usize, usize),
        area: (f64, f64),
        ratio: (f64, f64),
        stream: &mut Stream,
    ) -> Rectangle {
        let (height, width) = (size.0 as f64, size.1 as f64);
        let area = super::between(stream, area.0, area.1) * height * width;
        let ratio = super::between(stream, ratio.0.ln(), ratio.1.ln()).exp();
        let tall = (area * ratio).sqrt().round().clamp(0.0, height) as u32;
        let wide = (area / ratio).sqrt().round().clamp(0.0, width) as u32;
        let top = stream.below(size.0 as u32 - tall + 1);
        let left = stream.below(size.1 as u32 - wide + 1);
        Rectangle { top: top.into(), left: left.into(), height: tall.into(), width: wide.into() }
    }

    pub(super) fn shift(&mut self, down: i64, right: i64) {
        self.top += down;
        self.left += right;
    }

    pub(super) fn mirror(&mut self, size: (usize, usize), vertical: bool) {
        if vertical {
            self.top = size.0 as i64 - self.top - self.height;
        } else {
            self.left = size.1 as i64 - self.left - self.width;
        }
    }

    /// Its rows and columns inside of a picture.
    fn inside(self, size: (usize, usize)) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let clip = |start: i64, length: i64, side: usize| {
            let side = side as i64;
            (start.clamp(0, side) as usize)..((start + length).clamp(0, side) as usize)
        };
        (clip(self.top, self.height, size.0), clip(self.left, self.width, size.1))
    }
}

/// Writes the changed picture as `f32`. `level` turns an element into its value; `beyond` says what stands
/// where the source has nothing; `nearest` takes the value of one pixel where a place lies between several.
pub(crate) fn render<T: Copy>(
    source: Source<'_, T>,
    change: &Change,
    level: impl Fn(T) -> f32,
    beyond: &Beyond,
    nearest: bool,
    out: &mut [[u8; 4]],
) {
    let plane = (source.size.0 * source.size.1).max(1);
    let (height, width) = change.size;
    if let Some(map) = change.map.whole() {
        let planes = source.planes.chunks_exact(plane).zip(out.chunks_exact_mut((height * width).max(1)));
        for (channel, (plane, out)) in planes.enumerate() {
            whole(Source { planes: plane, ..source }, map, width, &level, (beyond, channel), out);
        }
    } else {
        sampled(source, change, level, beyond, nearest, out);
    }
    for (channel, out) in out.chunks_exact_mut((height * width).max(1)).enumerate() {
        for erased in &change.erased {
            let (rows, columns) = erased.inside(change.size);
            for row in rows {
                out[row * width..][columns.clone()].fill(beyond.value(channel).to_ne_bytes());
            }
        }
    }
}

/// Every row is a piece of a row of the source.
fn whole<T: Copy>(
    source: Source<'_, T>,
    map: WholeMap,
    width: usize,
    level: impl Fn(T) -> f32,
    (beyond, channel): (&Beyond, usize),
    out: &mut [[u8; 4]],
) {
    let nothing = beyond.value(channel).to_ne_bytes();
    let side = source.size.1 as i64;
    let (start, unit) = map.column;
    // The columns of the result that show something.
    let (from, to) = if unit > 0 { (-start, side - start) } else { (start - side + 1, start + 1) };
    let clip = |column: i64| column.clamp(0, width as i64) as usize;
    let (from, to) = (clip(from), clip(to).max(clip(from)));
    for (row, out) in out.chunks_exact_mut(width.max(1)).enumerate() {
        let Some(line) = beyond.pixel(map.row.0 + row as i64 * map.row.1, source.size.0) else {
            out.fill(nothing);
            continue;
        };
        let line = &source.planes[line * source.size.1..][..source.size.1];
        for column in (0..from).chain(to..out.len()) {
            let pixel = beyond.pixel(start + unit * column as i64, source.size.1);
            out[column] = pixel.map_or(nothing, |pixel| level(line[pixel]).to_ne_bytes());
        }
        if from == to {
            continue;
        }
        let first = start + unit * from as i64;
        let shown = out[from..to].iter_mut();
        if unit > 0 {
            shown.zip(&line[first as usize..]).for_each(|(out, &one)| *out = level(one).to_ne_bytes());
        } else {
            let line = line[..=first as usize].iter().rev();
            shown.zip(line).for_each(|(out, &one)| *out = level(one).to_ne_bytes());
        }
    }
}

/// Every place lies between pixels of the source.
fn sampled<T: Copy>(
    source: Source<'_, T>,
    change: &Change,
    level: impl Fn(T) -> f32,
    beyond: &Beyond,
    nearest: bool,
    out: &mut [[u8; 4]],
) {
    let (height, width) = source.size;
    let (from, to) = ((height * width).max(1), (change.size.0 * change.size.1).max(1));
    let last = (height as f64 - 1.0, width as f64 - 1.0);
    for place in 0..to.min(out.len()) {
        let (row, column) = change.map.place(place / change.size.1, place % change.size.1);
        let inside = row >= 0.0 && column >= 0.0 && row < last.0 && column < last.1;
        let outs = out[place..].iter_mut().step_by(to);
        let planes = source.planes.chunks_exact(from).zip(outs);
        if inside && !nearest {
            let (top, left) = (row as usize, column as usize);
            let (down, right) = ((row - top as f64) as f32, (column - left as f64) as f32);
            for (plane, out) in planes {
                let corner = &plane[top * width + left..][..width + 2];
                let value = |at: usize| level(corner[at]);
                let upper = between(value(0), value(1), right);
                let lower = between(value(width), value(width + 1), right);
                *out = between(upper, lower, down).to_ne_bytes();
            }
        } else {
            for (channel, (plane, out)) in planes.enumerate() {
                let value = |row: f64, column: f64| {
                    let row = beyond.pixel(row as i64, height)?;
                    Some(level(plane[row * width + beyond.pixel(column as i64, width)?]))
                };
                let value = |row, column| value(row, column).unwrap_or(beyond.value(channel));
                let value =
                    if nearest { value(row.round(), column.round()) } else { blended((row, column), value) };
                *out = value.to_ne_bytes();
            }
        }
    }
}

fn between(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// The four pixels around a place, by their distances; some lie beyond.
fn blended((row, column): (f64, f64), value: impl Fn(f64, f64) -> f32) -> f32 {
    let (top, left) = (row.floor(), column.floor());
    let (down, right) = ((row - top) as f32, (column - left) as f32);
    let upper = between(value(top, left), value(top, left + 1.0), right);
    between(upper, between(value(top + 1.0, left), value(top + 1.0, left + 1.0), right), down)
}
