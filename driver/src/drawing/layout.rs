//! Places for boxes: in rows, each box below all that it reads from.
//!
//! The row of a box is the length of the longest way to it. Within a row boxes are ordered by the mean
//! place of their neighbours, in a few sweeps down and up, and pushed apart from left to right. Every step
//! is linear in boxes and arrows but for sorting, and breaks ties by number.

use super::{Drawing, Shape};

/// Width of a character, height of a line, and the gaps, in pixels.
pub(super) const CHARACTER: f64 = 6.7;
pub(super) const LINE: f64 = 15.0;
pub(super) const PADDING: f64 = 7.0;
const GAP: (f64, f64) = (22.0, 34.0);

/// Sweeps over all rows, downwards and upwards in turn.
const SWEEPS: usize = 8;

/// Characters of a line that are shown.
pub(super) const SHOWN: usize = 56;

/// A box's place: its left upper corner and its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) row: usize,
}

impl Place {
    pub(super) fn middle(&self) -> f64 {
        self.x + self.width / 2.0
    }
}

fn size(shape: &Shape) -> (f64, f64) {
    let widest = shape.lines.iter().map(|line| line.chars().count().min(SHOWN)).max().unwrap_or(0);
    (widest as f64 * CHARACTER + 2.0 * PADDING, shape.lines.len() as f64 * LINE + 2.0 * PADDING)
}

/// A place for every box of a drawing, in order, with no two boxes over each other.
pub(super) fn layout(drawing: &Drawing) -> Vec<Place> {
    let mut places: Vec<Place> = drawing
        .shapes
        .iter()
        .map(|shape| {
            let (width, height) = size(shape);
            Place { x: 0.0, y: 0.0, width, height, row: 0 }
        })
        .collect();
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); places.len()];
    // Arrows come in the order of where they begin, and lead to later boxes.
    for &(from, to) in &drawing.arrows {
        places[to].row = places[to].row.max(places[from].row + 1);
        neighbours[from].push(to);
        neighbours[to].push(from);
    }
    let count = places.iter().map(|place| place.row + 1).max().unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (number, place) in places.iter().enumerate() {
        rows[place.row].push(number);
    }
    rows.iter().for_each(|row| spread(&mut places, row, |_| 0.0));
    for sweep in 0..SWEEPS {
        let order: Vec<usize> =
            if sweep % 2 == 0 { (0..count).collect() } else { (0..count).rev().collect() };
        for row in order {
            let wish = |places: &[Place], number: usize| {
                let near = &neighbours[number];
                let sum: f64 = near.iter().map(|&other| places[other].middle()).sum();
                if near.is_empty() { places[number].middle() } else { sum / near.len() as f64 }
            };
            let wishes: Vec<f64> = rows[row].iter().map(|&number| wish(&places, number)).collect();
            let mut sorted: Vec<(f64, usize)> = wishes.into_iter().zip(rows[row].iter().copied()).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            rows[row] = sorted.iter().map(|&(_, number)| number).collect();
            spread(&mut places, &rows[row], |position| sorted[position].0);
        }
    }
    settle(&mut places, &rows);
    places
}

/// Places the boxes of a row from left to right, each as near to its wish as the one before admits, and
/// the row as a whole where the wishes are on average.
fn spread(places: &mut [Place], row: &[usize], wish: impl Fn(usize) -> f64) {
    let mut edge = f64::NEG_INFINITY;
    let mut drift = 0.0;
    for (position, &number) in row.iter().enumerate() {
        let wished = wish(position) - places[number].width / 2.0;
        let x = if edge.is_finite() { wished.max(edge) } else { wished };
        drift += x - wished;
        places[number].x = x;
        edge = x + places[number].width + GAP.0;
    }
    let drift = drift / row.len().max(1) as f64;
    row.iter().for_each(|&number| places[number].x -= drift);
}

/// Moves everything to the right of zero and puts each row below the one before.
fn settle(places: &mut [Place], rows: &[Vec<usize>]) {
    let left = places.iter().map(|place| place.x).fold(f64::INFINITY, f64::min);
    let mut y = 0.0;
    for row in rows {
        let mut tallest: f64 = 0.0;
        for &number in row {
            places[number].x -= left;
            places[number].y = y;
            tallest = tallest.max(places[number].height);
        }
        y += tallest + GAP.1;
    }
}
