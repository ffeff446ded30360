//! Means over batches, weighted by their samples.

use crate::report::Measures;

/// Running means of the values that an engine reports.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Means {
    pub(crate) sums: Vec<f64>,
    pub(crate) samples: u64,
}

impl Means {
    pub(crate) fn new(values: usize) -> Means {
        Means { sums: vec![0.0; values], samples: 0 }
    }

    /// Adds a batch's report.
    pub(crate) fn add(&mut self, report: &[f32], samples: usize) {
        for (sum, &value) in self.sums.iter_mut().zip(report) {
            *sum += f64::from(value) * samples as f64;
        }
        self.samples += samples as u64;
    }

    /// The means by name.
    pub(crate) fn measures(&self, names: &[String]) -> Measures {
        let mean = |sum: &f64| sum / self.samples.max(1) as f64;
        Measures(names.iter().cloned().zip(self.sums.iter().map(mean)).collect())
    }
}
