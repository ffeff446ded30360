//! `NonMaxSuppression`: boxes in the order of their scores, without those that overlap a better one of their class.

use crate::call::{Call, Outcome, one};
use crate::error::{Result, invalid};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[onnx("NonMaxSuppression", 10, non_max_suppression)];

/// A box by its lower and upper corner.
#[derive(Clone, Copy)]
struct Extent {
    low: [f64; 2],
    high: [f64; 2],
}

impl Extent {
    /// Four numbers: two opposite corners, or centre and size.
    fn of(numbers: &[f64], centred: bool) -> Extent {
        let [a, b, c, d] = [numbers[0], numbers[1], numbers[2], numbers[3]];
        if centred {
            return Extent { low: [a - c / 2.0, b - d / 2.0], high: [a + c / 2.0, b + d / 2.0] };
        }
        Extent { low: [a.min(c), b.min(d)], high: [a.max(c), b.max(d)] }
    }

    fn area(self) -> f64 {
        (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])
    }

    /// Intersection over union; 0 where either is nothing.
    fn overlap(self, other: Extent) -> f64 {
        let side = |axis: usize| self.high[axis].min(other.high[axis]) - self.low[axis].max(other.low[axis]);
        let (first, second) = (side(0), side(1));
        if first <= 0.0 || second <= 0.0 {
            return 0.0;
        }
        let both = first * second;
        let union = self.area() + other.area() - both;
        if union <= 0.0 { 0.0 } else { both / union }
    }
}

fn first_float(call: &Call<'_>, index: usize) -> Result<Option<f64>> {
    Ok(call
        .optional_input(index)?
        .map(Tensor::floats)
        .transpose()?
        .and_then(|values| values.first().copied()))
}

fn non_max_suppression(call: &Call<'_>) -> Outcome {
    let (boxes, scores) = (call.input(0)?, call.input(1)?);
    let (&[batches, count, 4], &[same, classes, scored]) = (boxes.dims(), scores.dims()) else {
        return Err(invalid(format!(
            "boxes and scores have dims {:?} and {:?}",
            boxes.dims(),
            scores.dims()
        )));
    };
    if (batches, count) != (same, scored) {
        return Err(invalid(format!("boxes of {:?} do not fit scores of {:?}", boxes.dims(), scores.dims())));
    }
    let most = first_float(call, 2)?.unwrap_or(0.0).max(0.0) as usize;
    let allowed = first_float(call, 3)?.unwrap_or(0.0);
    let least = first_float(call, 4)?;
    let centred = call.flag("center_point_box", false)?;
    let extents: Vec<Extent> =
        boxes.floats()?.chunks_exact(4).map(|numbers| Extent::of(numbers, centred)).collect();
    let scores = scores.floats()?;
    let mut rows = Vec::new();
    for batch in 0..batches {
        for class in 0..classes {
            let score = |index: usize| scores[(batch * classes + class) * count + index];
            let good = |&index: &usize| least.is_none_or(|least| score(index) > least);
            let mut order: Vec<usize> = (0..count).filter(good).collect();
            order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
            let mut chosen: Vec<usize> = Vec::new();
            for index in order {
                if chosen.len() == most {
                    break;
                }
                let extent = |index: usize| extents[batch * count + index];
                if chosen.iter().all(|&better| extent(index).overlap(extent(better)) <= allowed) {
                    chosen.push(index);
                    rows.extend([batch as i64, class as i64, index as i64]);
                }
            }
        }
    }
    one(Tensor::of_integers(vec![rows.len() / 3, 3], rows)?)
}
