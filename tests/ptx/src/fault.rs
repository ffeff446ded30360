//! What can be wrong with a module, a launch or a thread that runs: one enum, each case with the line of the
//! PTX text.

use std::fmt;

/// Where in a running launch a fault was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The entry that runs.
    pub entry: String,
    /// Line of the module's text, from 1.
    pub line: u32,
    /// That line, trimmed.
    pub text: String,
    /// `%ctaid` of the block.
    pub block: [u32; 3],
    /// `%tid` of the thread.
    pub thread: [u32; 3],
}

/// What a thread did to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It read.
    Read,
    /// It wrote, an asynchronous copy's write included.
    Write,
    /// It read and wrote in one atomic step.
    Atomic,
}

/// The other side of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// What it did.
    pub access: Access,
    /// Line of the instruction that did it.
    pub line: u32,
    /// Whether it was a thread of another block, so that no barrier could help.
    pub another_block: bool,
    /// The thread's number in its block, where one thread is known.
    pub thread: Option<u32>,
}

/// Why a module is refused or a launch stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The text is no PTX of the subset.
    Malformed {
        /// Line of the text, from 1.
        line: u32,
        /// That line, trimmed.
        text: String,
        /// What is wrong with it.
        message: String,
    },
    /// The launch does not fit the entry.
    Launch {
        /// The entry asked for.
        entry: String,
        /// What does not fit.
        message: String,
    },
    /// A host access to no allocation.
    Host {
        /// The address.
        address: u64,
        /// Bytes from there on.
        bytes: usize,
    },
    /// An access outside of what its space holds.
    OutOfBounds {
        /// Where.
        place: Box<Place>,
        /// The state space.
        space: &'static str,
        /// The address in that space.
        address: u64,
        /// Bytes accessed.
        bytes: usize,
        /// What lies nearest, for the reader.
        nearest: String,
    },
    /// An address that is no multiple of the access's size.
    Misaligned {
        /// Where.
        place: Box<Place>,
        /// The state space.
        space: &'static str,
        /// The address in that space.
        address: u64,
        /// Bytes accessed.
        bytes: usize,
    },
    /// A read of bytes that nobody wrote.
    Uninitialised {
        /// Where.
        place: Box<Place>,
        /// The state space.
        space: &'static str,
        /// The address in that space.
        address: u64,
    },
    /// Two threads touch the same byte, one of them writing, and nothing orders them.
    Race {
        /// Where the later access is.
        place: Box<Place>,
        /// The state space.
        space: &'static str,
        /// The address in that space.
        address: u64,
        /// What the later access does.
        access: Access,
        /// The earlier access.
        other: Other,
    },
    /// An access to the destination of an asynchronous copy that nobody waited for.
    InFlight {
        /// Where.
        place: Box<Place>,
        /// The address in shared memory.
        address: u64,
        /// Line of the copy.
        copy: u32,
    },
    /// A write of shared memory that a matrix product of a warpgroup reads which nobody waited for.
    Multiplied {
        /// Where.
        place: Box<Place>,
        /// The address in shared memory.
        address: u64,
        /// Line of the product.
        product: u32,
    },
    /// A matrix product of a warpgroup that reads what was written by another proxy, with no fence behind the write.
    Unfenced {
        /// Where.
        place: Box<Place>,
        /// The address in shared memory.
        address: u64,
        /// Line of the write.
        written: u32,
    },
    /// Registers of a warpgroup's matrix product that are touched before the wait, or without a fence.
    Fragment {
        /// Where.
        place: Box<Place>,
        /// Line of the product.
        product: u32,
        /// What is wrong.
        message: String,
    },
    /// Bytes that `ld.global.nc` reads, which the launch may not write, and a write of them.
    Unchanging {
        /// Where the later of the two is.
        place: Box<Place>,
        /// The address in global memory.
        address: u64,
        /// Line of the read.
        read: u32,
        /// Line of the write.
        written: u32,
    },
    /// A barrier that some threads of the block never reach.
    Deadlock {
        /// Where the first waiting thread waits.
        place: Box<Place>,
        /// How many threads wait there.
        waiting: u32,
        /// Threads of the block.
        threads: u32,
        /// Where a thread that does not come is.
        missing: String,
    },
    /// A warp's operation whose mask names lanes that do not take part, or leaves out one that does.
    Mask {
        /// Where.
        place: Box<Place>,
        /// The mask.
        mask: u32,
        /// Lanes that execute it together.
        lanes: u32,
        /// What is wrong.
        message: String,
    },
    /// An integer division by zero, whose value PTX leaves open.
    DivisionByZero {
        /// Where.
        place: Box<Place>,
    },
    /// `trap` was executed.
    Trap {
        /// Where.
        place: Box<Place>,
    },
    /// An instruction that this machine knows and does not execute.
    NotExecuted {
        /// Where.
        place: Box<Place>,
        /// The instruction.
        instruction: String,
    },
    /// The launch executed more instructions than it was given.
    Endless {
        /// Where it was stopped.
        place: Box<Place>,
        /// The limit.
        instructions: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { entry, line, text, block: [bx, by, bz], thread: [x, y, z] } = self;
        write!(
            formatter,
            "{entry}, line {line}, block ({bx}, {by}, {bz}), thread ({x}, {y}, {z}), at `{text}`"
        )
    }
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Atomic => "atomic update",
        })
    }
}

impl fmt::Display for Other {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Other { access, line, another_block, thread } = self;
        write!(formatter, "the {access} in line {line} by ")?;
        match thread {
            Some(thread) => write!(formatter, "thread {thread}")?,
            None => write!(formatter, "several threads")?,
        }
        match another_block {
            true => write!(formatter, " of another block, which nothing orders within a launch"),
            false => write!(formatter, " of the block, with no barrier in between"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed { line, text, message } => {
                write!(formatter, "line {line}: {message}, at `{text}`")
            }
            Fault::Launch { entry, message } => write!(formatter, "launch of {entry}: {message}"),
            Fault::Host { address, bytes } => {
                write!(formatter, "host access to {bytes} bytes at {address:#x}, which no allocation holds")
            }
            Fault::OutOfBounds { place, space, address, bytes, nearest } => {
                write!(formatter, "{place}: {bytes} bytes at {space} address {address:#x} are {nearest}")
            }
            Fault::Misaligned { place, space, address, bytes } => write!(
                formatter,
                "{place}: {space} address {address:#x} is no multiple of the {bytes} bytes accessed"
            ),
            Fault::Uninitialised { place, space, address } => {
                write!(formatter, "{place}: reads {space} address {address:#x}, which nobody has written yet")
            }
            Fault::Race { place, space, address, access, other } => {
                write!(formatter, "{place}: race of a {access} of {space} address {address:#x} with {other}")
            }
            Fault::InFlight { place, address, copy } => write!(
                formatter,
                "{place}: touches shared address {address:#x}, to which the copy of line {copy} is in flight: \
                 its thread has not waited for it"
            ),
            Fault::Multiplied { place, address, product } => write!(
                formatter,
                "{place}: writes shared address {address:#x}, which the product of line {product} reads: its \
                 warpgroup has not waited for it"
            ),
            Fault::Unfenced { place, address, written } => write!(
                formatter,
                "{place}: reads shared address {address:#x} by the async proxy, which line {written} wrote, \
                 with no fence.proxy.async behind it"
            ),
            Fault::Fragment { place, product, message } => {
                write!(formatter, "{place}: {message}, of the product of line {product}")
            }
            Fault::Unchanging { place, address, read, written } => write!(
                formatter,
                "{place}: global address {address:#x} is read by .nc in line {read} and written in line \
                 {written}: .nc is for what a launch leaves as it is"
            ),
            Fault::Deadlock { place, waiting, threads, missing } => write!(
                formatter,
                "{place}: {waiting} of {threads} threads wait at the barrier for ever: {missing}"
            ),
            Fault::Mask { place, mask, lanes, message } => write!(
                formatter,
                "{place}: {message} (mask {mask:#010x}, lanes that take part {lanes:#010x})"
            ),
            Fault::DivisionByZero { place } => write!(formatter, "{place}: integer division by zero"),
            Fault::Trap { place } => write!(formatter, "{place}: trap"),
            Fault::NotExecuted { place, instruction } => {
                write!(formatter, "{place}: {instruction} is not executed by this machine")
            }
            Fault::Endless { place, instructions } => {
                write!(formatter, "{place}: more than {instructions} instructions executed")
            }
        }
    }
}

impl std::error::Error for Fault {}
