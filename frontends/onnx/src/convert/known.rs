//! Values of a region that are known without running it: evaluated, if little is needed for that.

use super::cone::Cone;
use super::region::{Region, Slot};
use super::{AtHand, Measure};
use crate::Array;
use dlc_ir::{NodeId, Op};

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
        // Sizes without common divisors, so that quotients and remainders of the batch are told apart.
        let batches = [7_i64, 11, 13];
        let [Some(first), Some(second), Some(third)] =
            batches.map(|batch| self.hand.evaluate(&cone.function, batch as usize)?.ints())
        else {
            return None;
        };
        let measures = first.iter().zip(&second).zip(&third).map(|((&a, &b), &c)| {
            let scale = a / batches[0];
            if a == b && b == c {
                Some(Measure::Number(a))
            } else if scale > 0 && [a, b, c].iter().zip(batches).all(|(&value, batch)| value == scale * batch)
            {
                usize::try_from(scale).ok().map(Measure::Batch)
            } else {
                None
            }
        });
        measures.collect()
    }
}
