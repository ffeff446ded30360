//! Values of a region that are known without running it: evaluated, if little is needed for that.

use super::cone::Cone;
use super::region::{Region, Slot};
use super::{AtHand, Measure};
use crate::Array;
use dlc_ir::{NodeId, Op};

/// Batches that a size is computed for: with other remainders each, so that quotients and remainders of the batch are told
/// apart, and as small and as large as batches are, so that bounds of it are.
const BATCHES: [i64; 6] = [1, 6, 7, 11, 13, 10_007];

/// What a size is that has these values for [`BATCHES`].
fn measure(values: &[i64]) -> Option<Measure> {
    let first = *values.first()?;
    if values.iter().all(|&value| value == first) {
        return Some(Measure::Number(first));
    }
    let scale = first / BATCHES[0];
    let grows = scale > 0
        && values.iter().zip(BATCHES).all(|(&value, batch)| scale.checked_mul(batch) == Some(value));
    usize::try_from(scale).ok().filter(|_| grows).map(Measure::Batch)
}

impl Region<'_> {
    /// The value, if it is known without running the region.
    pub fn known_value(&self, name: &str) -> Option<Array> {
        match self.slots.get(name) {
            Some(Slot::Known(array, _)) => Some(array.clone()),
            Some(Slot::Node(id)) => self.fold(*id),
            None => match self.hand.value(name) {
                Some(AtHand::Tensor { array, .. }) => array,
                _ => None,
            },
        }
    }

    /// The value, if it is known already: nothing is evaluated for it.
    pub fn told_value(&self, name: &str) -> Option<Array> {
        match self.slots.get(name)? {
            Slot::Known(array, _) => Some(array.clone()),
            Slot::Node(id) => self.folded.borrow().get(id).cloned().flatten(),
        }
    }

    /// What a node depends on, if that is little and all of it is known.
    fn cone(&self, id: NodeId) -> Option<Cone> {
        let leaf = |op: &Op| match op {
            Op::Input { name } | Op::Parameter { name } => match self.hand.value(name)? {
                AtHand::Tensor { array, .. } => array,
                AtHand::Other => None,
            },
            _ => None,
        };
        Cone::new(self.builder.function(), id, &leaf)
    }

    /// The value of a node, if little is needed to compute it and all of that is known.
    fn fold(&self, id: NodeId) -> Option<Array> {
        if let Some(found) = self.folded.borrow().get(&id) {
            return found.clone();
        }
        let cone = self.cone(id).filter(|cone| !cone.depends_on_batch);
        let value = cone.and_then(|cone| self.hand.evaluate(&cone.function, 1));
        self.folded.borrow_mut().insert(id, value.clone());
        value
    }

    /// The integers of a value that is known, or known but for the batch. Such a value is computed for some
    /// batches: what grows in step with the batch is a multiple of it.
    pub(super) fn measures(&self, name: &str) -> Option<Vec<Measure>> {
        if let Some(known) = self.known_value(name) {
            return Some(known.ints()?.into_iter().map(Measure::Number).collect());
        }
        let Some(Slot::Node(id)) = self.slots.get(name) else { return None };
        let cone = self.cone(*id)?;
        let mut found = Vec::new();
        for batch in BATCHES {
            found.push(self.hand.evaluate(&cone.function, batch as usize)?.ints()?);
        }
        (0..found.first()?.len())
            .map(|place| {
                let values: Option<Vec<i64>> = found.iter().map(|one| one.get(place).copied()).collect();
                measure(&values?)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_the_batch_are_no_multiples_of_it() {
        let of = |value: &dyn Fn(i64) -> i64| measure(&BATCHES.map(value));
        assert!(matches!(of(&|batch| 3 * batch), Some(Measure::Batch(3))));
        assert!(matches!(of(&|_| 5), Some(Measure::Number(5))));
        let bounds: [&dyn Fn(i64) -> i64; 5] =
            [&|n| n.min(100), &|n| n.max(16), &|n| n.max(2), &|n| n / 2, &|n| n % 2];
        assert!(bounds.iter().all(|bound| of(bound).is_none()));
    }
}
