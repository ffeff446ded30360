//! Branches, ends, barriers and fences.

use super::Opcode;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::Operand;
use crate::program::Operation;
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn control(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        match opcode.base.as_str() {
            "bra" => {
                opcode.take("uni");
                let [label] = self.exactly(operands)?;
                let Operand::Name(label) = label else { return Err(self.fault("bra needs a label")) };
                match self.labels.get(label) {
                    Some(target) => Ok(Operation::Branch { target: *target }),
                    None => Err(self.fault(format!("label {label} stands nowhere"))),
                }
            }
            "ret" | "exit" => {
                opcode.take("uni");
                self.exactly::<0>(operands)?;
                Ok(Operation::Exit)
            }
            "trap" => Ok(Operation::Trap),
            "membar" | "fence" => {
                if opcode.take("proxy") {
                    return self.proxy_fence(opcode, operands);
                }
                let scopes = ["gl", "cta", "sys", "gpu", "cluster", "sc", "acq_rel"];
                while opcode.take_any(&scopes).is_some() {}
                self.exactly::<0>(operands)?;
                Ok(Operation::Fence)
            }
            _ => self.barrier(opcode, operands),
        }
    }

    /// `fence.proxy.async` of all memory or of one space.
    fn proxy_fence(&self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        self.exactly::<0>(operands)?;
        if !opcode.take("async") {
            return Err(self.fault("only fence.proxy.async is executed"));
        }
        match opcode.take("global") {
            true => Ok(Operation::Fence),
            false => {
                opcode.take_any(&["shared::cta", "shared::cluster"]);
                Ok(Operation::ProxyFence)
            }
        }
    }

    /// `bar.sync`, `barrier.sync[.aligned]` and `bar.warp.sync`.
    fn barrier(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let warp = opcode.base == "bar" && opcode.take("warp");
        opcode.take("cta");
        if !opcode.take("sync") {
            return Err(self.fault("only barriers with .sync are executed"));
        }
        if warp {
            let [mask] = self.exactly(operands)?;
            return Ok(Operation::WarpBarrier { mask: self.source(mask, Type::B32)? });
        }
        let aligned = opcode.base == "bar" || opcode.take("aligned");
        let (number, threads) = match operands {
            [number] => (number, None),
            [number, threads] => (number, Some(self.source(threads, Type::U32)?)),
            _ => return Err(self.fault("a barrier has a number, and may have a count of threads")),
        };
        Ok(Operation::Barrier { number: self.source(number, Type::U32)?, threads, aligned })
    }
}
