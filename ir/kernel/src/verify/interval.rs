//! Interval arithmetic over index variables.
//!
//! Every variable in sight has a range, for one batch size. Forms are evaluated in 128 bits, where no
//! form of 64-bit coefficients over ranges of 64 bits that a kernel can name overflows.

use crate::{Affine, IndexExpr, IndexVar};
use dlc_types::Dim;
use std::collections::BTreeMap;

/// Smallest and greatest value; empty where the first is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) low: i128,
    pub(crate) high: i128,
}

impl Interval {
    /// Of a variable that nothing is known of.
    const UNKNOWN: Interval = Interval { low: -(1 << 100), high: 1 << 100 };

    /// `0..length`
    pub(crate) fn below(length: i128) -> Interval {
        Interval { low: 0, high: length.saturating_sub(1) }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.low > self.high
    }

    pub(crate) fn within(self, elements: usize) -> bool {
        self.is_empty() || (self.low >= 0 && self.high < elements as i128)
    }

    pub(crate) fn plus(self, other: Interval) -> Interval {
        Interval { low: self.low.saturating_add(other.low), high: self.high.saturating_add(other.high) }
    }

    pub(crate) fn times(self, factor: i128) -> Interval {
        let (a, b) = (self.low.saturating_mul(factor), self.high.saturating_mul(factor));
        Interval { low: a.min(b), high: a.max(b) }
    }

    /// The parts of these elements, `parts` of each.
    pub(crate) fn in_parts(self, parts: usize) -> Interval {
        let parts = parts as i128;
        let last = parts.saturating_sub(1);
        Interval {
            low: self.low.saturating_mul(parts),
            high: self.high.saturating_mul(parts).saturating_add(last),
        }
    }

    pub(crate) fn meet(self, other: Interval) -> Interval {
        Interval { low: self.low.max(other.low), high: self.high.min(other.high) }
    }
}

/// The extent for a batch size.
pub(crate) fn extent(dim: Dim, batch: usize) -> i128 {
    match dim {
        Dim::Fixed(size) => size as i128,
        Dim::Batch(scale) => (scale as i128).saturating_mul(batch as i128),
    }
}

/// Ranges of the variables at a place in a kernel.
#[derive(Clone)]
pub(crate) struct Ranges {
    pub(crate) batch: usize,
    ranges: BTreeMap<IndexVar, Interval>,
    /// Quotients and remainders, to put back together what was taken apart, and named forms.
    parts: BTreeMap<IndexVar, IndexExpr>,
}

impl Ranges {
    pub(crate) fn new(batch: usize) -> Ranges {
        Ranges { batch, ranges: BTreeMap::new(), parts: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, index: IndexVar, interval: Interval) {
        self.ranges.insert(index, interval);
    }

    pub(crate) fn set_part(&mut self, index: IndexVar, interval: Interval, expr: &IndexExpr) {
        self.set(index, interval);
        let part = match expr {
            IndexExpr::Form(form) => IndexExpr::Form(self.expanded(form)),
            IndexExpr::Quotient(form, divisor) => IndexExpr::Quotient(self.expanded(form), *divisor),
            IndexExpr::Remainder(form, divisor) => IndexExpr::Remainder(self.expanded(form), *divisor),
            IndexExpr::ChunkStart { .. } | IndexExpr::Clamped(..) => return,
        };
        self.parts.insert(index, part);
    }

    /// The form with named forms in the place of their names.
    fn expanded(&self, form: &Affine) -> Affine {
        let mut expanded = form.clone();
        for &(index, coefficient) in &form.terms {
            let Some(IndexExpr::Form(whole)) = self.parts.get(&index) else { continue };
            let mut rest = expanded.clone();
            rest.terms.retain(|&(other, _)| other != index);
            if let Some(sum) = rest.plus_checked(whole, coefficient) {
                expanded = sum;
            }
        }
        expanded
    }

    /// The range of a form.
    pub(crate) fn of(&self, form: &Affine) -> Interval {
        let form = self.expanded(form);
        self.plain(&form).meet(self.plain(&self.rejoined(&form)))
    }

    fn plain(&self, form: &Affine) -> Interval {
        let fixed = i128::from(form.constant)
            .saturating_add(i128::from(form.batch).saturating_mul(self.batch as i128));
        form.terms.iter().fold(Interval { low: fixed, high: fixed }, |sum, (index, coefficient)| {
            let range = self.ranges.get(index).copied().unwrap_or(Interval::UNKNOWN);
            sum.plus(range.times(i128::from(*coefficient)))
        })
    }

    /// The form with `divisor * (f / divisor) + f % divisor` replaced by `f`.
    fn rejoined(&self, form: &Affine) -> Affine {
        let mut joined = form.clone();
        for &(remainder, _) in &form.terms {
            let Some(IndexExpr::Remainder(whole, divisor)) = self.parts.get(&remainder) else { continue };
            let wanted = IndexExpr::Quotient(whole.clone(), *divisor);
            let coefficient = joined.coefficient(remainder);
            let quotient =
                joined.terms.iter().find(|(index, _)| self.parts.get(index) == Some(&wanted)).filter(
                    |(_, found)| coefficient != 0 && coefficient.checked_mul(*divisor) == Some(*found),
                );
            let Some(&(quotient, _)) = quotient else { continue };
            let mut rest = joined.clone();
            rest.terms.retain(|&(index, _)| index != remainder && index != quotient);
            match rest.plus_checked(whole, coefficient) {
                Some(sum) => joined = sum,
                None => return joined,
            }
        }
        joined
    }

    /// The range of a form where guards hold; empty where they never do.
    pub(crate) fn guarded(&self, form: &Affine, guards: &[(Affine, i64, i64)]) -> Interval {
        let guards: Vec<_> =
            guards.iter().map(|(guard, low, high)| (self.expanded(guard), low, high)).collect();
        let mut narrowed = self.clone();
        for (guard, low, high) in &guards {
            let allowed = Interval { low: i128::from(**low), high: i128::from(**high) - 1 };
            if self.of(guard).meet(allowed).is_empty() {
                return Interval::below(0);
            }
            narrowed.narrow(guard, allowed);
        }
        let mut rest = self.expanded(form);
        let mut sum = Interval { low: 0, high: 0 };
        for (guard, low, high) in &guards {
            let allowed = Interval { low: i128::from(**low), high: i128::from(**high) - 1 };
            let Some((share, without)) = share_of(&rest, guard) else { continue };
            sum = sum.plus(narrowed.of(guard).meet(allowed).times(i128::from(share)));
            rest = without;
        }
        narrowed.of(form).meet(sum.plus(narrowed.of(&rest)))
    }

    /// Narrows the variable of a guard that has only one.
    fn narrow(&mut self, guard: &Affine, allowed: Interval) {
        let [(index, factor)] = guard.terms[..] else { return };
        let fixed = self.plain(&Affine { terms: Vec::new(), ..guard.clone() }).low;
        let factor = i128::from(factor);
        let (a, b) = (allowed.low.saturating_sub(fixed), allowed.high.saturating_sub(fixed));
        let (low, high) = if factor > 0 { (a, b) } else { (b.saturating_neg(), a.saturating_neg()) };
        let magnitude = factor.abs();
        let range = Interval {
            low: low.saturating_neg().div_euclid(magnitude).saturating_neg(),
            high: high.div_euclid(magnitude),
        };
        if let Some(known) = self.ranges.get_mut(&index) {
            *known = known.meet(range);
        }
    }
}

/// `(k, rest)` such that `form = k * part + rest` and the first possible variable of the part is gone.
fn share_of(form: &Affine, part: &Affine) -> Option<(i64, Affine)> {
    part.terms.iter().find_map(|&(index, coefficient)| {
        let found = form.coefficient(index);
        if found == 0 || found.checked_rem(coefficient)? != 0 {
            return None;
        }
        let share = found / coefficient;
        Some((share, form.plus_checked(part, share.checked_neg()?)?))
    })
}
