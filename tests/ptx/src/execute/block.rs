//! A block: its warps in turn up to the next barrier, and whether all of them come there.

use super::Run;
use super::stop::{Stop, Trouble, coordinates, place};
use super::warp::{Warp, lanes};
use super::warpgroup::Begun;
use crate::fault::Fault;
use crate::memory::region::Region;
use crate::memory::shadow::Order;
use crate::program::{Instruction, Operation, Slot, Special};

pub(super) struct Block {
    /// `%ctaid`.
    pub(super) index: [u32; 3],
    pub(super) shared: Region,
    /// The block's first epoch.
    start: u32,
    epoch: u32,
    warps: Vec<Warp>,
    /// What the warps of each warpgroup have begun to multiply.
    pub(super) warpgroups: Vec<Vec<Begun>>,
    /// For each thread, the warps' instructions that were issued before its last `fence.proxy.async`.
    pub(super) proxy_fences: Vec<u64>,
}

impl Block {
    pub(super) fn new(run: &Run<'_>) -> Self {
        let threads: u32 = run.launch.block.iter().product();
        let warps = (0..threads.div_ceil(32)).map(|number| Warp::new(run.program, number, threads));
        let shared = Region::new(run.program.shared_bytes + run.launch.shared_bytes);
        let warpgroups = vec![Vec::new(); threads.div_ceil(128) as usize];
        let proxy_fences = vec![0; threads as usize];
        let warps = warps.collect();
        Self { index: [0; 3], shared, start: 0, epoch: 0, warps, warpgroups, proxy_fences }
    }

    /// Runs the block of an index from its beginning to its end.
    pub(super) fn run(&mut self, run: &mut Run<'_>, index: [u32; 3]) -> Result<(), Fault> {
        self.index = index;
        self.shared.clear();
        self.next_epoch(run);
        self.start = self.epoch;
        self.warpgroups.iter_mut().for_each(Vec::clear);
        self.proxy_fences.fill(0);
        let mut warps = std::mem::take(&mut self.warps);
        for warp in &mut warps {
            warp.restart(run.program);
            self.fill_specials(run, warp);
        }
        run.statistics.blocks += 1;
        run.statistics.threads += warps.iter().map(|warp| u64::from(warp.threads.count_ones())).sum::<u64>();
        loop {
            for warp in &mut warps {
                self.run_warp(run, warp)?;
            }
            if warps.iter().all(|warp| warp.live == 0) {
                break;
            }
            self.pass_barrier(run, &mut warps)?;
        }
        self.warps = warps;
        Ok(())
    }

    fn next_epoch(&mut self, run: &mut Run<'_>) {
        run.memory.epoch += 1;
        self.epoch = run.memory.epoch;
    }

    fn fill_specials(&self, run: &Run<'_>, warp: &mut Warp) {
        let first = warp.number * 32;
        for &(slot, special) in &run.program.specials {
            warp.registers[slot as usize] = std::array::from_fn(|lane| {
                let lane = lane as u32;
                let below = (1 << lane) - 1;
                u64::from(match special {
                    Special::Thread(axis) => coordinates(run, first + lane)[axis],
                    Special::Threads(axis) => run.launch.block[axis],
                    Special::Block(axis) => self.index[axis],
                    Special::Blocks(axis) => run.launch.grid[axis],
                    Special::Lane => lane,
                    Special::Warp => warp.number,
                    Special::Warps => run.launch.block.iter().product::<u32>().div_ceil(32),
                    Special::LanesEqual => 1 << lane,
                    Special::LanesBelow => below,
                    Special::LanesUpTo => below | 1 << lane,
                    Special::LanesAbove => !(below | 1 << lane),
                    Special::LanesFrom => !below,
                    Special::DynamicShared => run.launch.shared_bytes as u32,
                })
            });
        }
    }

    /// Until every lane has returned or waits.
    fn run_warp(&mut self, run: &mut Run<'_>, warp: &mut Warp) -> Result<(), Fault> {
        let program = run.program;
        while warp.choose() {
            while warp.active != 0 && warp.counter < warp.next {
                let instruction = &program.instructions[warp.counter as usize];
                let counter = warp.counter;
                if let Err(stop) = self.issue(run, warp, instruction) {
                    return Err(stop.fault(run, self, warp, counter));
                }
            }
            warp.leave(warp.active, warp.counter);
        }
        match warp.waiting {
            0 => Ok(()),
            waiting => Err(self.stranded(run, warp, waiting)),
        }
    }

    /// Lanes wait for others of their warp that never come.
    fn stranded(&self, run: &Run<'_>, warp: &Warp, waiting: u32) -> Fault {
        let lane = waiting.trailing_zeros();
        let counter = warp.counters[lane as usize];
        let (mask, message) = match run.program.instructions[counter as usize].operation {
            Operation::Shuffle { mask, .. }
            | Operation::Vote { mask, .. }
            | Operation::Reduce { mask, .. }
            | Operation::WarpBarrier { mask } => {
                (warp.get(mask)[lane as usize] as u32, "lanes that the mask names never come here")
            }
            _ => (u32::MAX, "all lanes of the warp have to come here together"),
        };
        let lanes = lanes(waiting)
            .filter(|other| warp.counters[*other as usize] == counter)
            .fold(0, |mask, lane| mask | 1 << lane);
        let trouble = Trouble::Mask { mask, lanes, message: message.to_owned() };
        Stop::new(lane, trouble).fault(run, self, warp, counter)
    }

    fn issue(&mut self, run: &mut Run<'_>, warp: &mut Warp, instruction: &Instruction) -> Result<(), Stop> {
        let exec = warp.active & instruction.guard.map_or(u32::MAX, |guard| warp.holds(guard));
        run.statistics.issued += 1;
        run.statistics.instructions += u64::from(exec.count_ones());
        if run.statistics.issued.is_multiple_of(1024) {
            let limit = run.launch.checks.instructions;
            if run.statistics.instructions > limit || run.statistics.issued > limit {
                return Err(Stop::new(warp.active.trailing_zeros(), Trouble::Endless(limit)));
            }
        }
        if exec != 0
            && !instruction.fragments.is_empty()
            && !matches!(instruction.operation, Operation::WarpgroupMultiply(_))
        {
            warp.products.touch(&instruction.fragments)?;
        }
        if exec == 0 || warp.registers_only(exec, &instruction.operation)? {
            warp.counter += 1;
            return Ok(());
        }
        match &instruction.operation {
            Operation::Branch { target } => {
                let rest = warp.active & !exec;
                if rest == 0 {
                    warp.counter = *target;
                } else {
                    run.statistics.divergent_branches += 1;
                    warp.leave(rest, warp.counter + 1);
                    warp.leave(exec, *target);
                    // Chosen anew among all.
                    (warp.active, warp.next) = (0, 0);
                }
            }
            Operation::Exit => {
                warp.live &= !exec;
                warp.active &= !exec;
                warp.counter += 1;
            }
            Operation::Trap => return Err(Stop::new(exec.trailing_zeros(), Trouble::Trap)),
            Operation::NotExecuted { name } => {
                return Err(Stop::new(exec.trailing_zeros(), Trouble::NotExecuted(name.clone())));
            }
            Operation::Barrier { number, threads, .. } => {
                self.hold(run, warp, exec, *number, *threads)?;
            }
            operation => {
                if !self.access(run, warp, exec, operation, instruction.line)? {
                    self.meet(run, warp, exec, operation, instruction.line)?;
                    return Ok(());
                }
                warp.counter += 1;
            }
        }
        Ok(())
    }

    /// Lanes come to a barrier of the block.
    fn hold(
        &self,
        run: &Run<'_>,
        warp: &mut Warp,
        exec: u32,
        number: Slot,
        threads: Option<Slot>,
    ) -> Result<(), Stop> {
        let all: u32 = run.launch.block.iter().product();
        for lane in lanes(exec) {
            let refuse = |message: String| Err(Stop::new(lane, Trouble::NotExecuted(message)));
            if threads.is_some_and(|slot| warp.get(slot)[lane as usize] != u64::from(all)) {
                return refuse("a barrier of a part of the block".to_owned());
            }
            let number = warp.get(number)[lane as usize] as u32;
            if number > 15 {
                return refuse(format!("barrier {number}, where a block has those up to 15,"));
            }
            warp.barrier[lane as usize] = number;
        }
        warp.leave(exec, warp.counter);
        warp.held |= exec;
        warp.active &= !exec;
        warp.counter += 1;
        Ok(())
    }

    /// Lets all threads pass, if all stand at one barrier.
    fn pass_barrier(&mut self, run: &mut Run<'_>, warps: &mut [Warp]) -> Result<(), Fault> {
        let held: u32 = warps.iter().map(|warp| warp.held.count_ones()).sum();
        let threads: u32 = warps.iter().map(|warp| warp.threads.count_ones()).sum();
        let all = warps.iter().flat_map(|warp| lanes(warp.threads).map(move |lane| (warp, lane)));
        let mut waiting = all.clone().filter(|(warp, lane)| warp.held >> lane & 1 == 1);
        let Some((first, lane)) = waiting.next() else { return Ok(()) };
        let (counter, number) = (first.counters[lane as usize], first.barrier[lane as usize]);
        let elsewhere = |(warp, lane): &(&Warp, u32)| {
            warp.held >> lane & 1 == 0 || warp.barrier[*lane as usize] != number
        };
        if let Some((warp, missing)) = all.clone().find(elsewhere) {
            let thread = coordinates(run, warp.number * 32 + missing);
            let missing = match warp.held >> missing & 1 {
                0 => format!("thread {thread:?} has returned"),
                _ => format!("thread {thread:?} waits at barrier {}", warp.barrier[missing as usize]),
            };
            let place = place(run, self, first.number * 32 + lane, counter);
            return Err(Fault::Deadlock { place, waiting: held, threads, missing });
        }
        for warp in warps.iter() {
            self.check_aligned(run, warp)?;
        }
        for warp in warps {
            for lane in lanes(warp.held) {
                warp.counters[lane as usize] += 1;
            }
            warp.held = 0;
        }
        run.statistics.barriers += 1;
        self.next_epoch(run);
        Ok(())
    }

    /// Lanes of a warp come to an aligned barrier at the same instruction.
    fn check_aligned(&self, run: &Run<'_>, warp: &Warp) -> Result<(), Fault> {
        let first = warp.counters[0];
        let Some(lane) = lanes(warp.held).find(|lane| warp.counters[*lane as usize] != first) else {
            return Ok(());
        };
        let at = |lane: u32| &run.program.instructions[warp.counters[lane as usize] as usize];
        if [0, lane]
            .iter()
            .all(|lane| matches!(at(*lane).operation, Operation::Barrier { aligned: false, .. }))
        {
            return Ok(());
        }
        let message = format!("lane 0 waits at the barrier of line {}, another one", at(0).line);
        let trouble = Trouble::Mask { mask: u32::MAX, lanes: 1 << lane, message };
        Err(Stop::new(lane, trouble).fault(run, self, warp, warp.counters[lane as usize]))
    }

    /// What comes before an access of a lane; the horizon is the launch's for global memory.
    pub(super) fn order<'w>(
        &self,
        run: &Run<'_>,
        warp: &'w Warp,
        lane: u32,
        line: u32,
        global: bool,
    ) -> Order<'w> {
        let knows = warp.clocks.as_ref().map(|clocks| &clocks.0[lane as usize]);
        Order {
            epoch: self.epoch,
            block_start: self.start,
            horizon: if global { run.start } else { self.start },
            thread: (warp.number * 32 + lane) as u16,
            time: knows.map_or(0, |knows| knows[lane as usize]),
            knows,
            line,
            issue: run.statistics.issued,
            unchanging: false,
        }
    }
}
