//! What a layer reads over all samples, and the range that its integers are to cover.
//!
//! Magnitudes are counted in bins of one width. When a larger one comes, the width is doubled and neighbours are
//! joined, so one pass over the data is enough; the widths are powers of two, so the counts do not depend on what
//! came first.

use dlc_compiler::quantize::input_range;
use dlc_types::DType;

/// Bins; even, so that pairs of them can be joined.
const BINS: usize = 4096;
/// Ranges that are tried for the least squared error, from all to this share of it.
const CANDIDATES: usize = 128;
const LEAST_SHARE: f64 = 0.2;

/// How the range of an input is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Calibration {
    /// From the least to the greatest value that was seen.
    MinMax,
    /// Magnitudes up to that share of all, such as 0.9999.
    Percentile(f64),
    /// With the least squared error of rounding and clipping.
    Mse,
}

impl Calibration {
    /// The name that notes and reports have.
    pub fn name(self) -> String {
        match self {
            Calibration::MinMax => "minmax".to_owned(),
            Calibration::Percentile(share) => format!("percentile {}", share * 100.0),
            Calibration::Mse => "mse".to_owned(),
        }
    }
}

/// Counts of magnitudes.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    /// Upper end of the last bin.
    end: f32,
    pub(super) least: f32,
    pub(super) greatest: f32,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: vec![0; BINS],
            end: 0.0,
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            total: 0,
        }
    }
}

impl Histogram {
    /// Counts values; gives the first that is not finite, and counts nothing then.
    pub(super) fn add(&mut self, values: &[f32]) -> Option<f32> {
        if let Some(&odd) = values.iter().find(|value| !value.is_finite()) {
            return Some(odd);
        }
        let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        self.widen(largest);
        let factor = if self.end > 0.0 { BINS as f32 / self.end } else { 0.0 };
        for &value in values {
            // The product is exact: the factor is a power of two.
            let bin = (value.abs() * factor) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
            self.least = self.least.min(value);
            self.greatest = self.greatest.max(value);
        }
        self.total += values.len() as u64;
        None
    }

    fn widen(&mut self, largest: f32) {
        // Magnitudes below are zero to any range that matters, and their reciprocals would be infinite.
        const LEAST_END: f32 = f32::from_bits((127 - 99) << 23);
        if largest > 0.0 && self.end == 0.0 {
            self.end = LEAST_END;
        }
        while self.end > 0.0 && largest > self.end {
            for bin in 0..BINS / 2 {
                self.counts[bin] = self.counts[2 * bin] + self.counts[2 * bin + 1];
            }
            self.counts[BINS / 2..].fill(0);
            self.end *= 2.0;
        }
    }

    /// Whether a value below zero was seen.
    pub(super) fn is_signed(&self) -> bool {
        self.least < 0.0
    }

    /// The largest magnitude.
    fn largest(&self) -> f64 {
        if self.total == 0 { 0.0 } else { f64::from(self.least.abs().max(self.greatest.abs())) }
    }

    /// The magnitude that the greatest integer of a type is to stand for.
    pub(super) fn limit(&self, calibration: Calibration, dtype: DType) -> f64 {
        match calibration {
            Calibration::MinMax => self.largest(),
            Calibration::Percentile(share) => self.percentile(share),
            Calibration::Mse => self.best(dtype),
        }
    }

    /// The magnitude that at least such a share of all values stays within: the end of its bin.
    fn percentile(&self, share: f64) -> f64 {
        let wanted = share * self.total as f64;
        let mut seen = 0u64;
        for (bin, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen as f64 >= wanted {
                return (f64::from(self.end) * (bin + 1) as f64 / BINS as f64).min(self.largest());
            }
        }
        self.largest()
    }

    /// The limit with the least squared error, each bin's values taken to lie in its middle.
    fn best(&self, dtype: DType) -> f64 {
        let largest = self.largest();
        let candidates = (0..CANDIDATES).map(|number| {
            let share = 1.0 - (1.0 - LEAST_SHARE) * number as f64 / CANDIDATES as f64;
            share * largest
        });
        let errors = candidates.map(|limit| (limit, self.squared_error(limit, dtype)));
        let best = errors.reduce(|best, one| if one.1 < best.1 { one } else { best });
        best.map_or(largest, |(limit, _)| limit)
    }

    fn squared_error(&self, limit: f64, dtype: DType) -> f64 {
        let levels = input_range(dtype).1;
        let step = limit / levels;
        let width = f64::from(self.end) / BINS as f64;
        let bins = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let error = |bin: usize| {
            let middle = (bin as f64 + 0.5) * width;
            if middle < step / 2.0 {
                middle.powi(2)
            } else if middle <= limit + step / 2.0 {
                // Errors are spread evenly over a step.
                step * step / 12.0
            } else {
                (middle - limit).powi(2)
            }
        };
        bins.map(|(bin, &count)| count as f64 * error(bin)).sum()
    }

    /// The share of values beyond a limit, of bins' middles.
    pub(super) fn clipped(&self, limit: f64) -> f64 {
        if limit >= self.largest() || self.total == 0 {
            return 0.0;
        }
        let width = f64::from(self.end) / BINS as f64;
        let beyond = self.counts.iter().enumerate().filter(|(bin, _)| (*bin as f64 + 0.5) * width > limit);
        beyond.map(|(_, count)| count).sum::<u64>() as f64 / self.total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values with the density of a Laplace distribution: most are small, few are large.
    fn peaked(count: usize) -> Vec<f32> {
        let place = |number: usize| (number as f64 + 0.5) / count as f64;
        (0..count)
            .map(|number| if number % 2 == 0 { -1.0 } else { 1.0 } * -place(number).ln() as f32)
            .collect()
    }

    #[test]
    fn counts_do_not_depend_on_the_order() {
        let values: Vec<f32> = (0..5000).map(|number| (number as f32 - 2000.0) * 0.37).collect();
        let (mut forward, mut backward) = (Histogram::default(), Histogram::default());
        values.chunks(7).for_each(|part| assert!(forward.add(part).is_none()));
        values.chunks(11).rev().for_each(|part| assert!(backward.add(part).is_none()));
        assert_eq!((&forward.counts, forward.end), (&backward.counts, backward.end));
        assert_eq!((forward.least, forward.greatest), (-740.0, 2999.0 * 0.37));
        assert!(forward.is_signed());
        assert_eq!(forward.add(&[1.0, f32::NAN]).map(f32::is_nan), Some(true));
        assert_eq!(forward.total, 5000);
    }

    #[test]
    fn ranges_are_what_their_names_say() {
        let mut histogram = Histogram::default();
        let values = peaked(100_000);
        histogram.add(&values);
        let largest = f64::from(values.iter().fold(0.0f32, |largest, value| largest.max(value.abs())));
        assert_eq!(histogram.limit(Calibration::MinMax, DType::I8), largest);
        // A share of 0.99 of an exponential distribution lies below ln 100.
        let percentile = histogram.limit(Calibration::Percentile(0.99), DType::I8);
        assert!((percentile - 100f64.ln()).abs() < 0.02, "{percentile}");
        assert!((histogram.clipped(percentile) - 0.01).abs() < 5e-4);
        // The best limit loses less than all of the range and less than half of it, counted on the values themselves.
        let lost = |limit: f64| -> f64 {
            let step = limit / 127.0;
            let rounded = |x: f64| (x / step).round_ties_even().clamp(-128.0, 127.0) * step;
            values.iter().map(|&value| (f64::from(value) - rounded(f64::from(value))).powi(2)).sum()
        };
        let best = histogram.limit(Calibration::Mse, DType::I8);
        assert!(best < largest && lost(best) < lost(largest) && lost(best) < lost(largest / 2.0), "{best}");
        for other in (1..20).map(|twentieth| largest * f64::from(twentieth) / 20.0) {
            assert!(lost(best) <= lost(other) * 1.02, "{best} {other}");
        }
    }

    #[test]
    fn nothing_and_zeros_have_no_range() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.limit(Calibration::Mse, DType::U8), 0.0);
        histogram.add(&[0.0, -0.0]);
        for calibration in [Calibration::MinMax, Calibration::Percentile(0.9999), Calibration::Mse] {
            assert_eq!(histogram.limit(calibration, DType::U8), 0.0, "{calibration:?}");
        }
        assert!(!histogram.is_signed());
    }
}
