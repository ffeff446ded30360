//! One register tile: where its sums start, and what becomes of them.

use super::reduce::Micro;
use super::{Place, Plan, Unit};
use crate::ClifError;
use crate::emitter::{Emitter, Form, IndexForm, LaneContext, scalar_type, vector_type};
use crate::float::repeated;
use crate::nest::arguments;
use crate::statement::access;
use cranelift_codegen::ir::{Block, InstBuilder, Type, Value, types};
use dlc_kernel::approximation::Arithmetic;
use dlc_kernel::{Epilogue, Role};

impl<'f> Emitter<'_, 'f> {
    /// A tile of `unit` lanes times `rows` rows.
    pub(super) fn tile(
        &mut self,
        plan: &Plan<'_>,
        unit: Unit,
        rows: usize,
        place: &Place,
    ) -> Result<(), ClifError> {
        let scalar = scalar_type(plan.dtype)?;
        let ty = match unit {
            Unit::Vectors(_) => vector_type(plan.dtype, plan.width).unwrap_or(scalar),
            Unit::Scalars(_) => scalar,
        };
        let micro = Micro {
            unit,
            rows,
            ty,
            parts: plan.parts,
            highest: self.highest_bits(plan.parts, ty.is_vector()),
            lane_step: match unit {
                Unit::Vectors(_) => plan.width as i64 * plan.size,
                Unit::Scalars(_) => plan.strides(plan.lanes)[0],
            },
            row_step: plan.strides(plan.rows)[1],
            paired_step: match unit {
                Unit::Vectors(_) if plan.strides(plan.lanes)[1] != 0 => plan.width as i64 * plan.size,
                _ => plan.strides(plan.lanes)[1],
            },
        };
        let accumulators = self.start(plan, &micro, place)?;
        let pointers = [place.pointers[0], place.pointers[1]];
        let sums = match place.active {
            None => self.reduction(plan, &micro, pointers, accumulators)?,
            Some(active) => {
                let work = self.builder.create_block();
                let (join, sums) = self.joint(ty, accumulators.len());
                self.builder.ins().brif(active, work, &[], join, &arguments(accumulators.iter().copied()));
                self.builder.switch_to_block(work);
                let reduced = self.reduction(plan, &micro, pointers, accumulators)?;
                self.builder.ins().jump(join, &arguments(reduced));
                self.builder.switch_to_block(join);
                sums
            }
        };
        self.finish(plan, &micro, place, &sums)
    }

    /// A block with so many parameters of one type.
    fn joint(&mut self, ty: Type, count: usize) -> (Block, Vec<Value>) {
        let block = self.builder.create_block();
        let values = (0..count).map(|_| self.builder.append_block_param(block, ty)).collect();
        (block, values)
    }

    /// Zeros, or what the result holds.
    fn start(&mut self, plan: &Plan<'_>, micro: &Micro, place: &Place) -> Result<Vec<Value>, ClifError> {
        if plan.contraction.accumulate {
            return self.held(plan, micro, place);
        }
        let Some(first) = place.first else { return Ok(self.zeros(micro)) };
        let fresh = self.builder.create_block();
        let again = self.builder.create_block();
        let (join, accumulators) = self.joint(micro.ty, micro.unit.registers() * micro.rows);
        self.builder.ins().brif(first, fresh, &[], again, &[]);
        self.builder.switch_to_block(fresh);
        let zeros = self.zeros(micro);
        self.builder.ins().jump(join, &arguments(zeros));
        self.builder.switch_to_block(again);
        let held = self.held(plan, micro, place)?;
        self.builder.ins().jump(join, &arguments(held));
        self.builder.switch_to_block(join);
        Ok(accumulators)
    }

    fn zeros(&mut self, micro: &Micro) -> Vec<Value> {
        let count = micro.unit.registers() * micro.rows;
        let zero = |emitter: &mut Self| match micro.ty {
            types::I32 => emitter.builder.ins().iconst(types::I32, 0),
            types::I32X4 => repeated(emitter.builder, micro.ty, &[0; 4]),
            _ => emitter.float(micro.ty).constant(0.0),
        };
        (0..count).map(|_| zero(self)).collect()
    }

    fn held(&mut self, plan: &Plan<'_>, micro: &Micro, place: &Place) -> Result<Vec<Value>, ClifError> {
        let mut values = Vec::new();
        for offset in result_offsets(plan, micro) {
            let (pointer, offset) = self.reachable(place.pointers[2], offset);
            values.push(self.builder.ins().load(micro.ty, access(), pointer, offset));
        }
        Ok(values)
    }

    fn finish(
        &mut self,
        plan: &Plan<'_>,
        micro: &Micro,
        place: &Place,
        sums: &[Value],
    ) -> Result<(), ClifError> {
        let Some(epilogue) = &plan.contraction.epilogue else {
            self.keep(plan, micro, place, sums);
            return Ok(());
        };
        let Some(last) = place.last else {
            return self.epilogue(plan, micro, place, sums, epilogue);
        };
        let complete = self.builder.create_block();
        let partial = self.builder.create_block();
        let join = self.builder.create_block();
        self.builder.ins().brif(last, complete, &[], partial, &[]);
        self.builder.switch_to_block(partial);
        self.keep(plan, micro, place, sums);
        self.builder.ins().jump(join, &[]);
        self.builder.switch_to_block(complete);
        self.epilogue(plan, micro, place, sums, epilogue)?;
        self.builder.ins().jump(join, &[]);
        self.builder.switch_to_block(join);
        Ok(())
    }

    fn keep(&mut self, plan: &Plan<'_>, micro: &Micro, place: &Place, sums: &[Value]) {
        for (offset, &sum) in result_offsets(plan, micro).into_iter().zip(sums) {
            let (pointer, offset) = self.reachable(place.pointers[2], offset);
            self.builder.ins().store(access(), sum, pointer, offset);
        }
    }

    fn epilogue(
        &mut self,
        plan: &Plan<'_>,
        micro: &Micro,
        place: &Place,
        sums: &[Value],
        epilogue: &Epilogue,
    ) -> Result<(), ClifError> {
        let vectors = matches!(micro.unit, Unit::Vectors(_));
        let registers = micro.unit.registers();
        let lane_var = plan.coordinate(epilogue, plan.lanes)?;
        let row_var = plan.coordinate(epilogue, plan.rows)?;
        let form = |dim: usize| place.coordinates.get(dim).cloned().unwrap_or(IndexForm::Constant(0));
        let tile = self.open();
        for (number, dim) in plan.contraction.dims.iter().enumerate() {
            if !matches!(dim.role, Role::Parallel | Role::Lanes | Role::Rows) {
                self.define_index(plan.coordinate(epilogue, number)?, form(number));
            }
        }
        if vectors {
            self.lane = Some(LaneContext { var: lane_var, width: plan.width, vectors: registers });
            self.define_index(lane_var, form(plan.lanes));
        }
        // What does not depend on the row is computed once for the tile.
        self.prepare(&epilogue.statements)?;
        let group = if vectors { registers } else { 1 };
        // One for each group of registers.
        let mut gathered = vec![None; registers / group.max(1)];
        for (row, mine) in sums.chunks(registers).enumerate() {
            for (lane, group) in mine.chunks(group).enumerate() {
                let scope = self.open();
                let at = self.shifted(form(plan.rows), row as i64);
                self.define_index(row_var, at);
                if vectors {
                    self.define(epilogue.value, plan.dtype, Form::Vectors(group.to_vec()));
                } else {
                    let at = self.shifted(form(plan.lanes), lane as i64);
                    self.define_index(lane_var, at);
                    self.define(epilogue.value, plan.dtype, Form::Uniform(group[0]));
                }
                self.statements(&epilogue.statements)?;
                if let Some(gathered) = gathered.get_mut(lane) {
                    *gathered = Some(self.gather_sums(epilogue, gathered.take())?);
                }
                self.close(scope);
            }
        }
        for (lane, gathered) in gathered.into_iter().enumerate() {
            let scope = self.open();
            if !vectors {
                let at = self.shifted(form(plan.lanes), lane as i64);
                self.define_index(lane_var, at);
            }
            self.write_sums(epilogue, gathered.unwrap_or_default())?;
            self.close(scope);
        }
        self.lane = None;
        self.close(tile);
        Ok(())
    }

    fn shifted(&mut self, form: IndexForm, shift: i64) -> IndexForm {
        match form {
            IndexForm::Constant(number) => IndexForm::Constant(number + shift),
            IndexForm::Uniform(value) => IndexForm::Uniform(self.plus(value, shift)),
            other => other,
        }
    }
}

/// Byte offsets of a tile's elements in the result, row by row.
fn result_offsets(plan: &Plan<'_>, micro: &Micro) -> Vec<i64> {
    let lane_step = match micro.unit {
        Unit::Vectors(_) => plan.width as i64 * plan.size,
        Unit::Scalars(_) => plan.strides(plan.lanes)[2],
    };
    let row_step = plan.strides(plan.rows)[2];
    let registers = micro.unit.registers() as i64;
    (0..micro.rows as i64)
        .flat_map(|row| (0..registers).map(move |lane| row * row_step + lane * lane_step))
        .collect()
}
