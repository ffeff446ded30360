//! The syntax tree of a module.

use crate::types::Type;

/// A value written in the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Literal {
    Integer(i128),
    Single(f32),
    Double(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// A register, special register, symbol or label.
    Name(String),
    Literal(Literal),
    /// `[base + offset]`; no base is an absolute address.
    Address {
        base: Option<String>,
        offset: i64,
    },
    /// `{a, b, …}`.
    Vector(Vec<Operand>),
    /// `d|p`.
    Pair(String, String),
    /// `!p`.
    Not(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) name: String,
    pub(crate) negated: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct RawInstruction {
    pub(crate) line: u32,
    pub(crate) guard: Option<Guard>,
    pub(crate) opcode: String,
    pub(crate) operands: Vec<Operand>,
}

/// A variable of a state space other than `.reg` and `.param`.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) line: u32,
    pub(crate) space: Space,
    pub(crate) name: String,
    pub(crate) align: usize,
    pub(crate) bytes: usize,
    /// Declared without a size: dynamic shared memory.
    pub(crate) dynamic: bool,
    /// Little-endian initial bytes, of `.const`.
    pub(crate) initial: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Shared,
    Constant,
    Local,
}

#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) align: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Open,
    Close,
    Label {
        name: String,
        line: u32,
    },
    /// `%r<4>` has a count, `%r` none.
    Registers {
        ty: Type,
        names: Vec<(String, Option<u32>)>,
    },
    Variable(Variable),
    Instruction(RawInstruction),
}

#[derive(Debug, Clone)]
pub(crate) struct RawEntry {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) parameters: Vec<Parameter>,
    /// `.reqntid`.
    pub(crate) required: Option<[u32; 3]>,
    /// `.maxntid`.
    pub(crate) most: Option<[u32; 3]>,
    pub(crate) body: Vec<Statement>,
}

#[derive(Debug, Clone)]
pub(crate) struct RawModule {
    pub(crate) target: String,
    pub(crate) variables: Vec<Variable>,
    pub(crate) entries: Vec<RawEntry>,
}
