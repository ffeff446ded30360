//! Names into slots and opcodes into operations. Whatever is not understood to the last modifier is a fault
//! here, before anything runs.

mod arithmetic;
mod collective;
mod compare;
mod control;
mod logic;
mod memory;
mod moves;
mod names;
mod opcode;
mod operands;
mod warpgroup;

pub(crate) use names::decode;
use opcode::Opcode;
pub(crate) use operands::literal_bits;

use crate::fault::Fault;
use crate::parse::syntax::{Operand, RawInstruction};
use crate::program::{Instruction, Operation};
use names::Decoder;

/// Instructions that are known and never executed: their operands are not even read.
const NOT_EXECUTED: &[&str] = &[
    "mbarrier",
    "tensormap",
    "setmaxnreg",
    "elect",
    "griddepcontrol",
    "cp.async.bulk",
    "cp.async.mbarrier",
    "cp.reduce",
    "prefetch.tensormap",
    "barrier.cluster",
    "fence.proxy.alias",
    "fence.proxy.tensormap::generic",
    "fence.mbarrier_init",
    "mapa",
];

pub(crate) fn is_not_executed(opcode: &str) -> bool {
    NOT_EXECUTED.iter().any(|prefix| {
        opcode.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

impl Decoder<'_> {
    pub(super) fn instruction(&mut self, raw: &RawInstruction) -> Result<Instruction, Fault> {
        self.line = raw.line;
        self.touched.clear();
        let guard = match &raw.guard {
            Some(guard) => Some(self.condition_of(&guard.name, guard.negated)?),
            None => None,
        };
        let operation = match is_not_executed(&raw.opcode) {
            true => Operation::NotExecuted { name: raw.opcode.clone() },
            false => self.operation(&raw.opcode, &raw.operands)?,
        };
        let fragments = std::mem::take(&mut self.touched);
        Ok(Instruction { guard, operation, line: raw.line, fragments })
    }

    fn operation(&mut self, text: &str, operands: &[Operand]) -> Result<Operation, Fault> {
        let mut opcode = Opcode::new(text);
        let base = opcode.base.clone();
        let operation = match base.as_str() {
            "add" | "sub" | "mul" | "mad" | "fma" | "div" | "rem" | "min" | "max" | "neg" | "abs" | "sad"
            | "rcp" | "sqrt" | "rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh" | "copysign" | "dp4a"
            | "dp2a" => self.arithmetic(&mut opcode, operands),
            "and" | "or" | "xor" | "not" | "cnot" | "shl" | "shr" | "bfe" | "bfi" | "popc" | "clz"
            | "brev" | "prmt" | "shf" | "lop3" => self.logic(&mut opcode, operands),
            "setp" | "set" | "selp" | "slct" | "testp" => self.compare(&mut opcode, operands),
            "mov" | "cvt" | "cvta" => self.moves(&mut opcode, operands),
            "ld" | "ldu" | "st" | "atom" | "red" | "cp" | "ldmatrix" => self.memory(&mut opcode, operands),
            "shfl" | "vote" | "redux" | "activemask" | "mma" => self.collective(&mut opcode, operands),
            "wgmma" => self.warpgroup(&mut opcode, operands),
            "bra" | "ret" | "exit" | "trap" | "bar" | "barrier" | "membar" | "fence" => {
                self.control(&mut opcode, operands)
            }
            _ => Err(self.fault(format!("`{text}` is no instruction of the subset"))),
        }?;
        match opcode.rest() {
            Some(modifier) => Err(self.fault(format!("`.{modifier}` is not understood in `{text}`"))),
            None => Ok(operation),
        }
    }
}
