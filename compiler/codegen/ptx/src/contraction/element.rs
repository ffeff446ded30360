//! The form that every contraction has: a thread computes an element of the result by itself, or, where an epilogue
//! sums, all elements of a point that share their lanes coordinate.

use super::plan::Plan;
use super::reduce::Level;
use crate::PtxError;
use crate::emitter::Emitter;
use crate::kernel::{Layout, extent};
use crate::register::{Class, Value};
use dlc_abi::Tiles;
use dlc_kernel::{Binary, Epilogue, Role};
use dlc_types::Dim;

const THREADS: u32 = 256;

/// Where a thread is: coordinates of kept dimensions, pieces of reduced ones.
struct Place<'l> {
    coordinates: Vec<Value>,
    levels: &'l [Level],
    /// Element offsets into the three operands.
    offsets: [Value; 3],
}

impl Emitter<'_> {
    pub(super) fn by_element(&mut self, plan: &Plan<'_>) -> Result<Layout, PtxError> {
        let sums = plan.contraction.epilogue.as_ref().is_some_and(|epilogue| !epilogue.sums.is_empty());
        let walked = |number: usize| sums && matches!(plan.dim(number).role, Role::Sequential | Role::Rows);
        let (inner, outer): (Vec<usize>, Vec<usize>) =
            plan.kept.iter().copied().partition(|&number| walked(number));
        let pieces: Vec<usize> =
            plan.reduced.iter().copied().filter(|&number| plan.pieces(number) > 1).collect();
        let spread: Vec<usize> = pieces.into_iter().chain(outer).collect();
        let dims: Vec<Dim> = spread.iter().map(|&number| plan.size(number)).collect();

        let thread = self.special("%tid.x");
        let block = self.special("%ctaid.x");
        let number = self.index_mad(block, i64::from(THREADS), thread);
        let extents = self.extents(&dims)?;
        let total = self.product(&extents);
        self.leave_beyond(number, total);
        let found = self.divided_up(number, &extents);

        let (mut coordinates, mut offsets) = self.located(plan, &spread, &found);
        let (levels, origin) = self.levels(plan, &coordinates);
        for (offset, tap) in offsets.iter_mut().zip(origin) {
            *offset = self.index_sum(*offset, Value::Integer(tap));
        }
        for &number in &plan.reduced {
            coordinates[number] = Value::Integer(0);
        }
        self.in_lanes = true;
        let place = Place { coordinates, levels: &levels, offsets };
        match plan.contraction.epilogue.as_ref().filter(|_| sums) {
            Some(epilogue) => self.summing(plan, epilogue, &inner, place)?,
            None => self.one_element(plan, &place)?,
        }
        let grid =
            vec![Tiles { extents: dims.into_iter().map(extent).collect(), per_block: THREADS as usize }];
        Ok(Layout { threads: THREADS, shared_bytes: 0, grid })
    }

    /// The sum of one element, and what is done with it.
    fn one_element(&mut self, plan: &Plan<'_>, place: &Place<'_>) -> Result<(), PtxError> {
        let [lanes, rows, result] = place.offsets;
        let sum = self.start(plan, result);
        self.reduce(plan, place.levels, [lanes, rows], sum)?;
        let Some(epilogue) = &plan.contraction.epilogue else {
            let base = self.element(self.pointers[2], result, plan.size);
            self.store_element(plan.dtype, sum, base, 0, None);
            return Ok(());
        };
        self.epilogue(plan, epilogue, &place.coordinates, sum)
    }

    /// The statements of an epilogue at one element.
    pub(super) fn epilogue(
        &mut self,
        plan: &Plan<'_>,
        epilogue: &Epilogue,
        coordinates: &[Value],
        sum: Value,
    ) -> Result<(), PtxError> {
        for (number, &value) in coordinates.iter().enumerate() {
            self.define_index(plan.coordinate(epilogue, number)?, value);
        }
        self.define(epilogue.value, plan.dtype, sum);
        self.statements(&epilogue.statements)
    }

    /// All elements of the walked dimensions, one after the other, with what the epilogue sums over them.
    fn summing(
        &mut self,
        plan: &Plan<'_>,
        epilogue: &Epilogue,
        walked: &[usize],
        place: Place<'_>,
    ) -> Result<(), PtxError> {
        let mut sums = Vec::with_capacity(epilogue.sums.len());
        for sum in &epilogue.sums {
            let dtype = self.operand_type(sum.operand)?;
            let zero = self.number(dtype, 0.0);
            sums.push((dtype, self.copy(Class::of(dtype), zero)));
        }
        let coordinates = place.coordinates.clone();
        self.walk(plan, walked, place, &mut |emitter, place| {
            emitter.one_element(plan, place)?;
            for (sum, &(dtype, register)) in epilogue.sums.iter().zip(&sums) {
                let (_, value) = emitter.var(sum.value)?;
                let next = emitter.binary(Binary::Add, dtype, register, value)?;
                emitter.set(register, next);
            }
            Ok(())
        })?;
        for (number, &value) in coordinates.iter().enumerate() {
            self.define_index(plan.coordinate(epilogue, number)?, value);
        }
        for (sum, (dtype, register)) in epilogue.sums.iter().zip(sums) {
            let (base, displacement) = self.address(sum.operand, &sum.index)?;
            self.store_element(dtype, register, base, displacement, None);
        }
        Ok(())
    }

    fn walk(
        &mut self,
        plan: &Plan<'_>,
        walked: &[usize],
        place: Place<'_>,
        body: &mut dyn FnMut(&mut Self, &Place<'_>) -> Result<(), PtxError>,
    ) -> Result<(), PtxError> {
        let Some((&number, rest)) = walked.split_first() else { return body(self, &place) };
        let dim = plan.dim(number);
        let end = self.extents(&[dim.extent])?[0];
        self.counted(Value::Integer(0), end, &mut |emitter, index| {
            let mut inner = Place {
                coordinates: place.coordinates.clone(),
                levels: place.levels,
                offsets: emitter.moved(place.offsets, dim.strides, index),
            };
            inner.coordinates[number] = index;
            emitter.walk(plan, rest, inner, body)
        })
    }
}
