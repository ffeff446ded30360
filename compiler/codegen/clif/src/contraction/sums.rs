//! Sums of an epilogue over the elements of a point: zeros at the point's start, and at the end of each tile
//! the sum of its rows, first to last, added to what is there.

use super::Plan;
use crate::ClifError;
use crate::emitter::{Emitter, IndexForm, scalar_type};
use crate::scalar_op::Typing;
use crate::statement::access;
use cranelift_codegen::ir::{InstBuilder, Value};
use dlc_kernel::{Binary, Epilogue, EpilogueSum, ScalarOp};
use dlc_types::DType;

/// What one sum has gathered in a tile: one value per register of the lanes.
pub(super) type Gathered = Vec<Value>;

impl<'e, 'f> Emitter<'e, 'f> {
    fn summed_type(&self, sum: &EpilogueSum) -> Result<DType, ClifError> {
        let operand = self.kernel.operands.get(sum.operand);
        operand.map(|operand| operand.dtype).ok_or_else(|| self.malformed("a sum has no operand"))
    }

    /// Zeros along the point's lanes.
    pub(super) fn zero_sums(&mut self, plan: &Plan<'_>, epilogue: &Epilogue) -> Result<(), ClifError> {
        let span = plan.spans[plan.lanes];
        let lane = plan.coordinate(epilogue, plan.lanes)?;
        for sum in &epilogue.sums {
            let dtype = self.summed_type(sum)?;
            scalar_type(dtype)?;
            self.counted(span.start, span.end, 1, false, Vec::new(), &mut |emitter, index, _| {
                let scope = emitter.open();
                emitter.define_index(lane, IndexForm::Uniform(index));
                let zero = emitter.constant(dtype, 0.0)?;
                let parts = emitter.parts(&sum.index)?;
                let (address, displacement) = emitter.address(sum.operand, &parts, 0)?;
                emitter.builder.ins().store(access(), zero, address, displacement);
                emitter.close(scope);
                Ok(Vec::new())
            })?;
        }
        Ok(())
    }

    /// Adds the values of the current row to what each sum has gathered; `None` before the first row.
    pub(super) fn gather_sums(
        &mut self,
        epilogue: &Epilogue,
        before: Option<Vec<Gathered>>,
    ) -> Result<Vec<Gathered>, ClifError> {
        let mut gathered = Vec::with_capacity(epilogue.sums.len());
        for (number, sum) in epilogue.sums.iter().enumerate() {
            let values = match self.lane {
                None => vec![self.expect_uniform(sum.value)?],
                Some(_) => match self.vectors(sum.value)? {
                    Some(vectors) => vectors,
                    None => self.lanes(sum.value)?,
                },
            };
            let Some(before) = before.as_ref().and_then(|before| before.get(number)) else {
                gathered.push(values);
                continue;
            };
            let mut added = Vec::with_capacity(values.len());
            for (&before, value) in before.iter().zip(values) {
                added.push(self.plus_numbers(sum, before, value)?);
            }
            gathered.push(added);
        }
        Ok(gathered)
    }

    fn plus_numbers(&mut self, sum: &EpilogueSum, a: Value, b: Value) -> Result<Value, ClifError> {
        let dtype = self.summed_type(sum)?;
        let width = self.builder.func.dfg.value_type(a).lane_count() as usize;
        self.operate(&ScalarOp::Binary(Binary::Add), &Typing { dtype, from: dtype, width }, &[a, b])
    }

    /// Adds what a tile has gathered to memory, at the lanes of the current scope.
    pub(super) fn write_sums(
        &mut self,
        epilogue: &Epilogue,
        gathered: Vec<Gathered>,
    ) -> Result<(), ClifError> {
        for (sum, values) in epilogue.sums.iter().zip(gathered) {
            let parts = self.parts(&sum.index)?;
            for (position, value) in values.into_iter().enumerate() {
                let ty = self.builder.func.dfg.value_type(value);
                let lane = position * ty.lane_count() as usize;
                let (address, displacement) = self.address(sum.operand, &parts, lane)?;
                let before = self.builder.ins().load(ty, access(), address, displacement);
                let after = self.plus_numbers(sum, before, value)?;
                self.builder.ins().store(access(), after, address, displacement);
            }
        }
        Ok(())
    }
}
