//! Counts of decisions, and what follows from them.
//!
//! Everything is as scikit-learn defines it, with 0 where a share has nothing to be a share of: a mean over classes
//! takes those that occur as a label or a decision.

use dlc_recipe::{Average, Measure};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// How many samples of a class (row) were taken for a class (column); serialises as
/// `{"classes":[…],"counts":[[…],…]}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// The counts, row by row.
    pub counts: Vec<u64>,
    /// Number of classes.
    pub classes: usize,
    /// Their names, or numbers.
    pub names: Vec<String>,
}

/// Samples of one class: those that were found, all that were taken for it, all that belong to it.
#[derive(Clone, Copy, Debug, Default)]
struct Class {
    found: f64,
    taken: f64,
    belong: f64,
}

/// A share; 0 of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

impl Class {
    fn value(self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Precision(_) => Some(share(self.found, self.taken)),
            Measure::Recall(_) => Some(share(self.found, self.belong)),
            Measure::F1(_) => Some(share(2.0 * self.found, self.taken + self.belong)),
            Measure::IntersectionOverUnion(_) => {
                Some(share(self.found, self.taken + self.belong - self.found))
            }
            _ => None,
        }
    }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("classes", &self.names)?;
        map.serialize_entry("counts", &self.rows().collect::<Vec<_>>())?;
        map.end()
    }
}

impl Confusion {
    /// Of summed counts, row by row.
    pub(crate) fn new(counts: &[f64], names: &[String]) -> Confusion {
        let classes = counts.len().isqrt();
        let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
        Confusion {
            // Counts are whole and not negative.
            counts: counts.iter().map(|&count| count as u64).collect(),
            classes,
            names: (0..classes).map(name).collect(),
        }
    }

    /// The rows, for printing.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes.max(1))
    }

    fn per_class(&self) -> Vec<Class> {
        let mut all = vec![Class::default(); self.classes];
        for (label, row) in self.rows().enumerate() {
            for (decided, &count) in row.iter().enumerate() {
                all[label].belong += count as f64;
                all[decided].taken += count as f64;
                if label == decided {
                    all[label].found += count as f64;
                }
            }
        }
        all
    }

    /// One value, or one per class, of a measure that follows from decisions.
    pub(crate) fn measure(&self, measure: Measure) -> Option<Vec<f64>> {
        let classes = self.per_class();
        let values = classes.iter().map(|class| class.value(measure)).collect::<Option<Vec<f64>>>()?;
        Some(match super::average_of(measure)? {
            Average::PerClass => values,
            Average::Binary => values.get(1).copied().into_iter().collect(),
            Average::Micro => {
                let total = classes.iter().fold(Class::default(), |sum, class| Class {
                    found: sum.found + class.found,
                    taken: sum.taken + class.taken,
                    belong: sum.belong + class.belong,
                });
                total.value(measure).into_iter().collect()
            }
            Average::Macro => {
                let occurs = |class: &&Class| class.taken + class.belong > 0.0;
                let count = classes.iter().filter(occurs).count();
                vec![share(values.iter().sum(), count as f64)]
            }
            Average::Weighted => {
                let weighted = values.iter().zip(&classes).map(|(value, class)| value * class.belong);
                vec![share(weighted.sum(), classes.iter().map(|class| class.belong).sum())]
            }
        })
    }
}
