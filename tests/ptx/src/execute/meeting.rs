//! Operations of several lanes of a warp: a lane that comes waits until all that its mask names have come.

use super::Run;
use super::block::Block;
use super::stop::{Stop, Trouble};
use super::warp::{Warp, lanes};
use crate::program::{Operation, Slot};

impl Block {
    /// Executes the operation for every group of lanes that is complete, and leaves the others waiting.
    pub(super) fn meet(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        exec: u32,
        operation: &Operation,
        line: u32,
    ) -> Result<(), Stop> {
        let counter = warp.counter;
        let mask = match operation {
            Operation::Shuffle { mask, .. }
            | Operation::Vote { mask, .. }
            | Operation::Reduce { mask, .. }
            | Operation::WarpBarrier { mask } => Some(*mask),
            _ => None,
        };
        let here = lanes(warp.waiting)
            .filter(|lane| warp.counters[*lane as usize] == counter)
            .fold(exec, |mask, lane| mask | 1 << lane);
        let mut open = here;
        let mut done = 0;
        while open != 0 {
            let (named, group) = named_by_first(warp, mask, open);
            open &= !group;
            check_named(group, named)?;
            // Lanes that have returned take no part, except where the whole warp has to.
            let needed = if mask.is_some() { named & warp.live } else { named };
            if mask.is_none() && warp.live != u32::MAX {
                let message = "all 32 lanes of the warp have to take part".to_owned();
                let trouble = Trouble::Mask { mask: named, lanes: group, message };
                return Err(Stop::new(group.trailing_zeros(), trouble));
            }
            if group == needed {
                self.together(run, warp, group, operation, line)?;
                done |= group;
            }
        }
        warp.waiting = (warp.waiting & !done) | (here & !done);
        if done == warp.active && here == exec {
            warp.counter += 1;
            return Ok(());
        }
        warp.leave(done | (warp.active & !exec), counter + 1);
        warp.leave(here & !done, counter);
        // Chosen anew among all.
        (warp.active, warp.next) = (0, 0);
        Ok(())
    }

    fn together(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        group: u32,
        operation: &Operation,
        line: u32,
    ) -> Result<(), Stop> {
        match operation {
            Operation::Shuffle { mode, d, p, a, b, c, .. } => {
                warp.shuffle(group, *mode, *d, *p, [*a, *b, *c])
            }
            Operation::Vote { vote, d, a, .. } => {
                warp.vote(group, *vote, *d, *a);
                Ok(())
            }
            Operation::Reduce { combine, d, a, .. } => {
                warp.reduce(group, *combine, *d, *a);
                Ok(())
            }
            Operation::WarpBarrier { .. } => {
                warp.synchronise(group);
                Ok(())
            }
            Operation::Multiply(multiply) => {
                run.statistics.matrix_products += 1;
                warp.multiply(multiply);
                Ok(())
            }
            Operation::WarpgroupMultiply(multiply) => {
                run.statistics.matrix_products += 1;
                self.warpgroup_multiply(run, warp, multiply, line)
            }
            Operation::WarpgroupFence => {
                Self::warpgroup_fence(warp);
                Ok(())
            }
            Operation::WarpgroupCommit => {
                Self::warpgroup_commit(warp);
                Ok(())
            }
            Operation::WarpgroupWait { pending } => {
                self.warpgroup_wait(warp, *pending);
                Ok(())
            }
            Operation::LoadMatrix { address, d, count, transposed } => {
                self.load_matrix(run, warp, *address, &d[..*count], *transposed, line)
            }
            other => Err(Stop::new(group.trailing_zeros(), Trouble::NotExecuted(format!("{other:?}")))),
        }
    }
}

/// The mask of the first of these lanes, and which of them name the same.
fn named_by_first(warp: &Warp, mask: Option<Slot>, open: u32) -> (u32, u32) {
    let Some(slot) = mask else { return (u32::MAX, open) };
    let masks = warp.get(slot);
    let named = masks[open.trailing_zeros() as usize];
    let same = lanes(open).filter(|lane| masks[*lane as usize] == named);
    (named as u32, same.fold(0, |group, lane| group | 1 << lane))
}

fn check_named(group: u32, named: u32) -> Result<(), Stop> {
    match group & !named {
        0 => Ok(()),
        strangers => {
            let message = "a lane takes part that the mask does not name".to_owned();
            let trouble = Trouble::Mask { mask: named, lanes: group, message };
            Err(Stop::new(strangers.trailing_zeros(), trouble))
        }
    }
}
