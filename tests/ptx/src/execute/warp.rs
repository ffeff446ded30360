//! The state of a warp, and which of its lanes run next.

use super::copies::Copies;
use super::warpgroup::Products;
use crate::program::{Program, Slot};

/// One value for each lane.
pub(super) type Lanes = [u64; 32];

/// What a register holds that nothing wrote: no address, and no number as single or as double.
const POISON: u64 = 0x7ff7_dead_7fba_dbad;

/// For each lane, up to which clock of each lane its warp's accesses come before its own.
#[derive(Debug, Clone)]
pub(super) struct Clocks(pub(super) [[u32; 32]; 32]);

pub(super) struct Warp {
    pub(super) number: u32,
    /// Lanes that exist.
    pub(super) threads: u32,
    pub(super) registers: Vec<Lanes>,
    /// A mask of lanes for each predicate.
    pub(super) predicates: Vec<u32>,
    /// The instruction at which the running lanes are.
    pub(super) counter: u32,
    /// The running lanes.
    pub(super) active: u32,
    /// Where the lanes are that do not run now.
    pub(super) counters: [u32; 32],
    /// Least counter of the lanes that could run and do not.
    pub(super) next: u32,
    /// Lanes that have not returned.
    pub(super) live: u32,
    /// Lanes that wait for others of the warp.
    pub(super) waiting: u32,
    /// Lanes that wait at a block's barrier.
    pub(super) held: u32,
    /// The barrier's number, for held lanes.
    pub(super) barrier: [u32; 32],
    pub(super) clocks: Option<Box<Clocks>>,
    pub(super) copies: Copies,
    pub(super) products: Products,
    /// Local memory of all lanes, one after the other.
    pub(super) local: Vec<u8>,
}

/// The lanes of a mask.
pub(super) fn lanes(mut mask: u32) -> impl Iterator<Item = u32> + Clone {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (lane < 32).then_some(lane)
    })
}

impl Warp {
    pub(super) fn new(program: &Program, number: u32, threads: u32) -> Self {
        let here = (threads - number * 32).min(32);
        let mut registers = vec![[POISON; 32]; program.registers];
        for (slot, value) in &program.constants {
            registers[*slot as usize] = [*value; 32];
        }
        Self {
            number,
            threads: u32::MAX >> (32 - here),
            registers,
            predicates: vec![0; program.predicates],
            counter: 0,
            active: 0,
            counters: [0; 32],
            next: u32::MAX,
            live: 0,
            waiting: 0,
            held: 0,
            barrier: [0; 32],
            clocks: None,
            copies: Copies::default(),
            products: Products::default(),
            local: vec![0; program.local_bytes * 32],
        }
    }

    /// To the entry's first instruction.
    pub(super) fn restart(&mut self, program: &Program) {
        // Constants and special registers are filled again over this.
        self.registers.fill([POISON; 32]);
        for (slot, value) in &program.constants {
            self.registers[*slot as usize] = [*value; 32];
        }
        self.predicates.fill(0);
        (self.counter, self.active, self.counters, self.next) = (0, 0, [0; 32], u32::MAX);
        (self.live, self.waiting, self.held) = (self.threads, 0, 0);
        self.clocks = None;
        self.copies = Copies::default();
        self.products = Products::default();
    }

    /// Chooses the lanes that stand furthest back; false where none can run.
    pub(super) fn choose(&mut self) -> bool {
        let ready = self.live & !self.waiting & !self.held;
        let Some(least) = lanes(ready).map(|lane| self.counters[lane as usize]).min() else {
            (self.active, self.next) = (0, u32::MAX);
            return false;
        };
        let at = |lane: &u32| self.counters[*lane as usize] == least;
        self.counter = least;
        self.active = lanes(ready).filter(at).fold(0, |mask, lane| mask | 1 << lane);
        let others = lanes(ready & !self.active).map(|lane| self.counters[lane as usize]);
        self.next = others.min().unwrap_or(u32::MAX);
        true
    }

    /// Notes where lanes are, before others are chosen.
    pub(super) fn leave(&mut self, mask: u32, counter: u32) {
        lanes(mask).for_each(|lane| self.counters[lane as usize] = counter);
    }

    pub(super) fn get(&self, slot: Slot) -> &Lanes {
        &self.registers[slot as usize]
    }

    pub(super) fn set(&mut self, slot: Slot, lane: u32, value: u64) {
        self.registers[slot as usize][lane as usize] = value;
    }

    /// A predicate's lanes among these become those of the truth.
    pub(super) fn set_predicate(&mut self, slot: Slot, among: u32, truth: u32) {
        let predicate = &mut self.predicates[slot as usize];
        *predicate = (*predicate & !among) | (truth & among);
    }

    /// The lanes of a mask are ordered: what any of them did comes before what each does next.
    pub(super) fn synchronise(&mut self, mask: u32) {
        let clocks = &mut self.clocks.get_or_insert_with(|| Box::new(Clocks([[0; 32]; 32]))).0;
        let mut joined = [0; 32];
        for lane in lanes(mask) {
            clocks[lane as usize][lane as usize] += 1;
            for (joined, known) in joined.iter_mut().zip(clocks[lane as usize]) {
                *joined = known.max(*joined);
            }
        }
        lanes(mask).for_each(|lane| clocks[lane as usize] = joined);
    }
}
