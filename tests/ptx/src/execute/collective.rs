//! Shuffles, votes and reductions over the lanes that take part.

use super::atomics::combine;
use super::stop::{Stop, Trouble};
use super::warp::{Warp, lanes};
use crate::program::{Combine, Condition, Shuffle, Slot, Vote};

/// The lane that a lane reads from, and whether it lies within the segment: else it is the lane itself.
fn source_lane(mode: Shuffle, lane: u32, b: u64, c: u64) -> (u32, bool) {
    let (lane, b, clamp, segment) = (lane as i32, (b & 31) as i32, (c & 31) as i32, (c >> 8 & 31) as i32);
    let most = (lane & segment) | (clamp & !segment);
    let least = lane & segment;
    let (from, inside) = match mode {
        Shuffle::Up => (lane - b, lane - b >= most),
        Shuffle::Down => (lane + b, lane + b <= most),
        Shuffle::Butterfly => (lane ^ b, lane ^ b <= most),
        Shuffle::Index => {
            let from = least | (b & !segment);
            (from, from <= most)
        }
    };
    (if inside { from } else { lane } as u32, inside)
}

impl Warp {
    pub(super) fn shuffle(
        &mut self,
        group: u32,
        mode: Shuffle,
        d: Slot,
        p: Option<Slot>,
        abc: [Slot; 3],
    ) -> Result<(), Stop> {
        let [a, b, c] = abc.map(|slot| *self.get(slot));
        let mut within = 0;
        for lane in lanes(group) {
            let (from, inside) = source_lane(mode, lane, b[lane as usize], c[lane as usize]);
            if group >> from & 1 == 0 {
                let message = format!("lane {lane} reads from lane {from}, which takes no part");
                return Err(Stop::new(lane, Trouble::Mask { mask: group, lanes: group, message }));
            }
            self.set(d, lane, a[from as usize]);
            within |= u32::from(inside) << lane;
        }
        if let Some(p) = p {
            self.set_predicate(p, group, within);
        }
        Ok(())
    }

    pub(super) fn vote(&mut self, group: u32, vote: Vote, d: Slot, a: Condition) {
        let truth = self.holds(a) & group;
        let all = |holds: bool| if holds { u32::MAX } else { 0 };
        match vote {
            Vote::All => self.set_predicate(d, group, all(truth == group)),
            Vote::Any => self.set_predicate(d, group, all(truth != 0)),
            Vote::Uniform => self.set_predicate(d, group, all(truth == group || truth == 0)),
            Vote::Ballot => lanes(group).for_each(|lane| self.set(d, lane, u64::from(truth))),
        }
    }

    pub(super) fn reduce(&mut self, group: u32, how: Combine, d: Slot, a: Slot) {
        let a = self.get(a);
        let values = lanes(group).map(|lane| a[lane as usize]);
        let whole = values.reduce(|x, y| combine(how, 4, false, x, y, 0)).unwrap_or_default();
        lanes(group).for_each(|lane| self.set(d, lane, whole));
    }
}
