//! A decoded entry: instructions with register slots in place of names, ready to run.
//!
//! Every source is a slot: immediates, symbols' addresses and special registers have slots of their own,
//! filled before a block runs. Predicates are counted apart, since a warp holds each as one mask of lanes.

mod warpgroup;

pub(crate) use warpgroup::{Accumulation, Left, Matrix, WarpgroupMultiply};

use crate::parse::syntax::Parameter;
use crate::value::convert::Conversion;
use crate::value::float::Style;
use crate::value::integer::Dot;
use crate::value::{One, Three, Truth, Two};

/// A register of 64 bits for each lane.
pub(crate) type Slot = u32;

/// Generic addresses of shared memory start here.
pub(crate) const SHARED_WINDOW: u64 = 0x0100_0000_0000;
/// Generic addresses of a thread's local memory start here.
pub(crate) const LOCAL_WINDOW: u64 = 0x0200_0000_0000;
/// Generic addresses of constant memory start here.
pub(crate) const CONSTANT_WINDOW: u64 = 0x0300_0000_0000;
/// Bytes of each of these windows.
pub(crate) const WINDOW: u64 = 1 << 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Special {
    Thread(usize),
    Threads(usize),
    Block(usize),
    Blocks(usize),
    Lane,
    Warp,
    Warps,
    LanesEqual,
    LanesBelow,
    LanesUpTo,
    LanesAbove,
    LanesFrom,
    DynamicShared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Global,
    /// Global memory read by `.nc`, of bytes that the whole launch leaves as they are.
    Unchanging,
    Shared,
    Constant,
    Local,
    Parameter,
    Generic,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) base: Slot,
    pub(crate) offset: i64,
}

/// Registers of a vector access, all of one element size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elements {
    pub(crate) slots: [Slot; 4],
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    /// Bits of the registers to which a signed element is extended; 0 where it is not.
    pub(crate) sign_extended: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

/// A predicate that may be negated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    pub(crate) slot: Slot,
    pub(crate) negated: bool,
}

/// `setp`'s predicates: `p = t <logic> c`, `q = !t <logic> c`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) p: Slot,
    pub(crate) q: Option<Slot>,
    pub(crate) combine: Option<(Logic, Condition)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

/// What an atomic or a warp's reduction combines with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combine {
    Add,
    AddSingle,
    Least { signed: bool },
    Most { signed: bool },
    And,
    Or,
    Xor,
    Exchange,
    CompareAndSwap,
}

/// Element formats of `mma`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Half,
    Brain,
    Tensor,
    Byte { signed: bool },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Multiply {
    pub(crate) depth: usize,
    pub(crate) a_element: Element,
    pub(crate) b_element: Element,
    /// `.satfinite` of integers.
    pub(crate) saturate: bool,
    pub(crate) d: [Slot; 4],
    pub(crate) a: [Slot; 4],
    pub(crate) b: [Slot; 2],
    pub(crate) c: [Slot; 4],
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CopyAsync {
    pub(crate) to: Address,
    pub(crate) from: Address,
    pub(crate) bytes: usize,
    /// Bytes read; the rest is zero. `None` is all.
    pub(crate) source: Option<Slot>,
}

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    One {
        f: One,
        d: Slot,
        a: Slot,
    },
    Two {
        f: Two,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Three {
        f: Three,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    SingleOne {
        f: fn(f32) -> f32,
        style: Style,
        d: Slot,
        a: Slot,
    },
    SingleTwo {
        f: fn(f32, f32) -> f32,
        style: Style,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    SingleThree {
        f: fn(f32, f32, f32) -> f32,
        style: Style,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Divide {
        f: Two,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Dot {
        style: Dot,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Lookup {
        table: u8,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Insert {
        width: u64,
        d: Slot,
        a: Slot,
        b: Slot,
        position: Slot,
        length: Slot,
    },
    Convert {
        conversion: Conversion,
        d: Slot,
        a: Slot,
    },
    /// `d = upper << 16 | lower`, both converted.
    ConvertPair {
        conversion: Conversion,
        d: Slot,
        upper: Slot,
        lower: Slot,
    },
    Pack {
        d: Slot,
        parts: [Slot; 4],
        count: usize,
        bits: u32,
    },
    Unpack {
        parts: [Slot; 4],
        count: usize,
        bits: u32,
        a: Slot,
    },
    Compare {
        truth: Truth,
        verdict: Verdict,
        a: Slot,
        b: Slot,
    },
    Set {
        truth: Truth,
        yes: u64,
        combine: Option<(Logic, Condition)>,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Property {
        f: fn(u64) -> bool,
        d: Slot,
        a: Slot,
    },
    Select {
        d: Slot,
        a: Slot,
        b: Slot,
        condition: Condition,
    },
    PredicateLogic {
        logic: Logic,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    PredicateMove {
        d: Slot,
        a: Condition,
    },
    PredicateConstant {
        d: Slot,
        value: bool,
    },
    Load {
        space: Space,
        address: Address,
        elements: Elements,
    },
    Store {
        space: Space,
        address: Address,
        elements: Elements,
    },
    Atomic {
        space: Space,
        address: Address,
        combine: Combine,
        bytes: usize,
        d: Option<Slot>,
        b: Slot,
        c: Slot,
    },
    CopyAsync(CopyAsync),
    CommitGroup,
    WaitGroup {
        pending: usize,
    },
    WaitAll,
    LoadMatrix {
        address: Address,
        d: [Slot; 4],
        count: usize,
        transposed: bool,
    },
    Multiply(Box<Multiply>),
    WarpgroupMultiply(Box<WarpgroupMultiply>),
    WarpgroupFence,
    WarpgroupCommit,
    WarpgroupWait {
        pending: usize,
    },
    Shuffle {
        mode: Shuffle,
        d: Slot,
        p: Option<Slot>,
        a: Slot,
        b: Slot,
        c: Slot,
        mask: Slot,
    },
    Vote {
        vote: Vote,
        d: Slot,
        a: Condition,
        mask: Slot,
    },
    Reduce {
        combine: Combine,
        d: Slot,
        a: Slot,
        mask: Slot,
    },
    ActiveMask {
        d: Slot,
    },
    WarpBarrier {
        mask: Slot,
    },
    Barrier {
        number: Slot,
        threads: Option<Slot>,
        aligned: bool,
    },
    Fence,
    /// `fence.proxy.async` of shared memory.
    ProxyFence,
    Branch {
        target: u32,
    },
    Exit,
    Trap,
    NotExecuted {
        name: String,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Instruction {
    pub(crate) guard: Option<Condition>,
    pub(crate) operation: Operation,
    pub(crate) line: u32,
    /// Registers that it touches and that some `wgmma` has in a fragment.
    pub(crate) fragments: Vec<Slot>,
}

/// A parameter and where it lies in the parameter space.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) parameter: Parameter,
    pub(crate) offset: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) registers: usize,
    pub(crate) predicates: usize,
    pub(crate) constants: Vec<(Slot, u64)>,
    pub(crate) specials: Vec<(Slot, Special)>,
    pub(crate) parameters: Vec<Placed>,
    pub(crate) parameter_bytes: usize,
    /// Bytes of shared memory that the entry declares.
    pub(crate) shared_bytes: usize,
    /// Bytes of local memory of a thread.
    pub(crate) local_bytes: usize,
    pub(crate) required: Option<[u32; 3]>,
    pub(crate) most: Option<[u32; 3]>,
}
