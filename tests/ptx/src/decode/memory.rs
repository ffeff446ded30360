//! Loads, stores, atomics and asynchronous copies.

use super::Opcode;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::{Literal, Operand};
use crate::program::{Combine, CopyAsync, Elements, Operation, Space};
use crate::types::Type;

/// Modifiers of order, scope and caching, which change nothing in a machine that runs one thread at a time.
const ORDER: &[&str] = &[
    "weak", "relaxed", "volatile", "acquire", "release", "acq_rel", "cta", "gpu", "sys", "ca", "cg", "cs",
    "lu", "cv", "wb", "wt",
];

const HINTS: &[&str] = &[
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L1::evict_first",
    "L1::evict_last",
    "L1::no_allocate",
    "L2::64B",
    "L2::128B",
    "L2::256B",
];

fn space(opcode: &mut Opcode) -> Space {
    match opcode.take_any(&["global", "shared", "shared::cta", "const", "local", "param"]) {
        Some("global") => Space::Global,
        Some("shared" | "shared::cta") => Space::Shared,
        Some("const") => Space::Constant,
        Some("local") => Space::Local,
        Some(_) => Space::Parameter,
        None => Space::Generic,
    }
}

impl Decoder<'_> {
    pub(super) fn memory(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        match opcode.base.as_str() {
            "ld" | "ldu" => self.transfer(opcode, operands, true),
            "st" => self.transfer(opcode, operands, false),
            "atom" | "red" => self.atomic(opcode, operands),
            "cp" => self.copy(opcode, operands),
            _ => self.load_matrix(opcode, operands),
        }
    }

    fn transfer(
        &mut self,
        opcode: &mut Opcode,
        operands: &[Operand],
        load: bool,
    ) -> Result<Operation, Fault> {
        while opcode.take_any(ORDER).is_some() || opcode.take_any(HINTS).is_some() {}
        let unchanging = load && opcode.take("nc");
        let space = match (space(opcode), unchanging) {
            (Space::Global, true) => Space::Unchanging,
            (_, true) => return Err(self.fault(".nc reads .global memory")),
            (space, _) => space,
        };
        let count = match opcode.take_any(&["v2", "v4"]) {
            Some("v2") => 2,
            Some(_) => 4,
            None => 1,
        };
        let ty = opcode.ty().ok_or_else(|| self.fault("the access needs a type"))?;
        if count * ty.bytes() > 16 || matches!(ty, Type::Predicate) {
            return Err(self.fault(format!("{count} elements of {ty} are no access")));
        }
        if !load && matches!(space, Space::Constant | Space::Parameter) {
            return Err(self.fault("that space is only read"));
        }
        let [first, second] = self.exactly(operands)?;
        let (address, registers) = if load { (second, first) } else { (first, second) };
        let address = self.address(address, space)?;
        let mut elements = Elements { slots: [0; 4], count, bytes: ty.bytes(), sign_extended: 0 };
        for (slot, register) in elements.slots.iter_mut().zip(self.vector(registers, count)?) {
            match load {
                true => {
                    let (found, bits) = self.wide_destination(register, ty)?;
                    *slot = found;
                    if ty.is_signed() {
                        elements.sign_extended = bits;
                    }
                }
                false => *slot = self.wide_source(register, ty)?,
            }
        }
        Ok(match load {
            true => Operation::Load { space, address, elements },
            false => Operation::Store { space, address, elements },
        })
    }

    fn atomic(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let returns = opcode.base == "atom";
        while opcode.take_any(ORDER).is_some() {}
        let space = space(opcode);
        if !matches!(space, Space::Global | Space::Shared | Space::Generic) {
            return Err(self.fault("atomics are of .global or .shared memory"));
        }
        let name = opcode.take_any(&["add", "min", "max", "and", "or", "xor", "exch", "cas"]).unwrap_or("");
        let ty = opcode.ty().ok_or_else(|| self.fault("the atomic needs a type"))?;
        let signed = ty.is_signed();
        let combine = match (name, ty) {
            ("add", Type::F32) => Combine::AddSingle,
            ("add", Type::U32 | Type::S32 | Type::U64) => Combine::Add,
            ("min", Type::U32 | Type::S32 | Type::U64 | Type::S64) => Combine::Least { signed },
            ("max", Type::U32 | Type::S32 | Type::U64 | Type::S64) => Combine::Most { signed },
            ("and", Type::B32 | Type::B64) => Combine::And,
            ("or", Type::B32 | Type::B64) => Combine::Or,
            ("xor", Type::B32 | Type::B64) => Combine::Xor,
            ("exch", Type::B32 | Type::B64) if returns => Combine::Exchange,
            ("cas", Type::B32 | Type::B64) if returns => Combine::CompareAndSwap,
            _ => return Err(self.fault(format!("the atomic `{name}` is not executed at {ty}"))),
        };
        let (d, rest) = match (returns, operands) {
            (true, [d, rest @ ..]) => (Some(self.destination(d, ty)?), rest),
            (true, []) => return Err(self.fault("operands are missing")),
            (false, rest) => (None, rest),
        };
        let (address, b, c) = match (combine, rest) {
            (Combine::CompareAndSwap, [address, b, c]) => (address, b, c),
            (Combine::CompareAndSwap, _) => return Err(self.fault("cas needs a comparand and a value")),
            (_, [address, b]) => (address, b, b),
            _ => return Err(self.fault("an address and a value are needed")),
        };
        let address = self.address(address, space)?;
        let (b, c) = (self.source(b, ty)?, self.source(c, ty)?);
        Ok(Operation::Atomic { space, address, combine, bytes: ty.bytes(), d, b, c })
    }

    fn copy(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        if !opcode.take("async") {
            return Err(self.fault("only cp.async is executed"));
        }
        if opcode.take("commit_group") {
            self.exactly::<0>(operands)?;
            return Ok(Operation::CommitGroup);
        }
        if opcode.take("wait_all") {
            self.exactly::<0>(operands)?;
            return Ok(Operation::WaitAll);
        }
        if opcode.take("wait_group") {
            let [pending] = self.exactly(operands)?;
            return Ok(Operation::WaitGroup { pending: self.count(pending)? });
        }
        let caching = opcode.take_any(&["ca", "cg"]);
        let to = opcode.take_any(&["shared", "shared::cta"]).is_some();
        if caching.is_none() || !to || !opcode.take("global") {
            return Err(self.fault("a copy is cp.async.ca or .cg, .shared.global"));
        }
        opcode.take_any(HINTS);
        let ([to, from, bytes], source) = match operands {
            [to, from, bytes] => ([to, from, bytes], None),
            [to, from, bytes, source] => ([to, from, bytes], Some(source)),
            _ => return Err(self.fault("a copy needs two addresses and a size")),
        };
        let bytes = self.count(bytes)?;
        let sized = if caching == Some("cg") { bytes == 16 } else { matches!(bytes, 4 | 8 | 16) };
        if !sized {
            return Err(self.fault(format!("cp.async does not copy {bytes} bytes that way")));
        }
        let (to, from) = (self.address(to, Space::Shared)?, self.address(from, Space::Global)?);
        let source = source.map(|source| self.source(source, Type::U32)).transpose()?;
        Ok(Operation::CopyAsync(CopyAsync { to, from, bytes, source }))
    }

    pub(super) fn count(&self, operand: &Operand) -> Result<usize, Fault> {
        match operand {
            Operand::Literal(Literal::Integer(value)) => usize::try_from(*value).ok(),
            _ => None,
        }
        .ok_or_else(|| self.fault("a number is needed"))
    }

    fn load_matrix(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        for needed in ["sync", "aligned", "m8n8"] {
            if !opcode.take(needed) {
                return Err(self.fault(format!("ldmatrix needs .{needed}")));
            }
        }
        let count = match opcode.take_any(&["x1", "x2", "x4"]) {
            Some("x1") => 1,
            Some("x2") => 2,
            Some(_) => 4,
            None => return Err(self.fault("ldmatrix needs .x1, .x2 or .x4")),
        };
        let transposed = opcode.take("trans");
        let space = space(opcode);
        if space != Space::Shared || opcode.ty() != Some(Type::B16) {
            return Err(self.fault("ldmatrix is of .shared.b16"));
        }
        let [d, address] = self.exactly(operands)?;
        let d = self.fragment(d, count, Type::B32, true)?;
        Ok(Operation::LoadMatrix { address: self.address(address, space)?, d, count, transposed })
    }
}
