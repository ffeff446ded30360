//! What stops a lane, before its place is put to it.

use super::Run;
use super::block::Block;
use super::warp::Warp;
use crate::fault::{Fault, Place};
use crate::memory::region::Refusal;
use crate::memory::shadow::Clash;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    OutOfBounds {
        space: &'static str,
        address: u64,
        bytes: usize,
        nearest: String,
    },
    Misaligned {
        space: &'static str,
        address: u64,
        bytes: usize,
    },
    /// A refusal of a region that starts at this address.
    Refused {
        space: &'static str,
        start: u64,
        refusal: Refusal,
    },
    Mask {
        mask: u32,
        lanes: u32,
        message: String,
    },
    /// The line of a `wgmma` and what is wrong with its registers.
    Fragment {
        product: u32,
        message: String,
    },
    DivisionByZero,
    Trap,
    NotExecuted(String),
    Endless(u64),
}

/// The first lane that cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) lane: u32,
    pub(super) trouble: Box<Trouble>,
}

impl Stop {
    pub(super) fn new(lane: u32, trouble: Trouble) -> Self {
        Self { lane, trouble: Box::new(trouble) }
    }

    /// The fault at the instruction that the warp is at.
    pub(super) fn fault(self, run: &Run<'_>, block: &Block, warp: &Warp, counter: u32) -> Fault {
        let place = place(run, block, warp.number * 32 + self.lane, counter);
        match *self.trouble {
            Trouble::OutOfBounds { space, address, bytes, nearest } => {
                Fault::OutOfBounds { place, space, address, bytes, nearest }
            }
            Trouble::Misaligned { space, address, bytes } => {
                Fault::Misaligned { place, space, address, bytes }
            }
            Trouble::Refused { space, start, refusal } => match refusal {
                Refusal::Uninitialised(offset) => {
                    Fault::Uninitialised { place, space, address: start + offset as u64 }
                }
                Refusal::Clash(offset, Clash::InFlight(copy)) => {
                    Fault::InFlight { place, address: start + offset as u64, copy }
                }
                Refusal::Clash(offset, Clash::Multiplied(product)) => {
                    Fault::Multiplied { place, address: start + offset as u64, product }
                }
                Refusal::Clash(offset, Clash::Unfenced(written)) => {
                    Fault::Unfenced { place, address: start + offset as u64, written }
                }
                Refusal::Clash(offset, Clash::Unchanging { read, written }) => {
                    Fault::Unchanging { place, address: start + offset as u64, read, written }
                }
                Refusal::Clash(offset, Clash::Race { access, other }) => {
                    Fault::Race { place, space, address: start + offset as u64, access, other }
                }
            },
            Trouble::Mask { mask, lanes, message } => Fault::Mask { place, mask, lanes, message },
            Trouble::Fragment { product, message } => Fault::Fragment { place, product, message },
            Trouble::DivisionByZero => Fault::DivisionByZero { place },
            Trouble::Trap => Fault::Trap { place },
            Trouble::NotExecuted(instruction) => Fault::NotExecuted { place, instruction },
            Trouble::Endless(instructions) => Fault::Endless { place, instructions },
        }
    }
}

/// Where a thread of a block stands.
pub(super) fn place(run: &Run<'_>, block: &Block, thread: u32, counter: u32) -> Box<Place> {
    let line = run.program.instructions.get(counter as usize).map_or(0, |instruction| instruction.line);
    let text = run.source.lines().nth((line as usize).saturating_sub(1)).unwrap_or_default();
    Box::new(Place {
        entry: run.program.name.clone(),
        line,
        text: text.trim().to_owned(),
        block: block.index,
        thread: coordinates(run, thread),
    })
}

/// `%tid` of a thread's number in its block.
pub(super) fn coordinates(run: &Run<'_>, thread: u32) -> [u32; 3] {
    let [x, y, _] = run.launch.block;
    [thread % x, thread / x % y, thread / (x * y)]
}
