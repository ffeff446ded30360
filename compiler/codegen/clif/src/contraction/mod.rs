//! Contractions: loops around register tiles.
//!
//! From the outside: `ReduceOuter` dimensions, `Sequential` dimensions, tiles of lanes, tiles of rows; inside
//! a tile ([`tile`]) the reduction ([`reduce`]). Pointers advance by constant steps; inside a tile every
//! element is at a constant displacement from them.
//!
//! Where the lanes dimension is not contiguous in the lanes operand and in the result, or where an operand
//! moves along the other's dimension, lanes are scalars: right, and slow. So they are where the target has no vectors.

mod reduce;
mod shape;
mod sums;
mod taps;
mod tile;
mod words;

pub use shape::preferred_tile;
pub(crate) use shape::{Pieces, Unit};

use crate::ClifError;
use crate::emitter::{Emitter, IndexForm, vector_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, StackSlot, Value};
use dlc_kernel::{Affine, Contraction, ContractionDim, Epilogue, IndexVar, Parts, Role};
use dlc_types::DType;

/// The part of a dimension that one point of the parallel space covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: Value,
    pub(crate) end: Value,
    /// The extent where it is known; the start then is 0.
    pub(crate) known: Option<i64>,
    /// Both ends are multiples of it.
    pub(crate) align: i64,
}

/// What does not change while a point is computed.
pub(crate) struct Plan<'c> {
    pub(crate) contraction: &'c Contraction,
    /// Type of the sums.
    pub(crate) dtype: DType,
    /// Bytes of one element: of a word, where factors are small integers.
    pub(crate) size: i64,
    pub(crate) parts: Parts,
    /// Lanes of a vector; 1 where lanes are scalars.
    pub(crate) width: usize,
    /// One per dimension.
    pub(crate) spans: Vec<Span>,
    /// `ReduceOuter`, then `Sequential` dimensions.
    outer: Vec<usize>,
    pub(crate) lanes: usize,
    pub(crate) rows: usize,
    /// Bytes of taps that follow no grid.
    pub(crate) table: Option<StackSlot>,
}

impl Plan<'_> {
    /// A dimension.
    pub(crate) fn dim(&self, number: usize) -> &ContractionDim {
        &self.contraction.dims[number]
    }

    /// The index that an epilogue knows a dimension's coordinate by.
    pub(crate) fn coordinate(&self, epilogue: &Epilogue, number: usize) -> Result<IndexVar, ClifError> {
        epilogue.coordinates.get(number).copied().ok_or_else(|| ClifError::Malformed {
            kernel: "contraction".to_owned(),
            reason: "an epilogue has a coordinate for each dimension".to_owned(),
        })
    }

    /// Byte strides of a dimension.
    pub(crate) fn strides(&self, number: usize) -> [i64; 3] {
        self.dim(number).strides.map(|stride| stride.wrapping_mul(self.size))
    }
}

/// Where in the loops a tile is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Pointers into lanes operand, rows operand, result.
    pub(crate) pointers: [Value; 3],
    /// One per dimension; 0 for reduced ones.
    pub(crate) coordinates: Vec<IndexForm>,
    /// Whether this is the first, the last step of the outer reduction; nothing for always.
    pub(crate) first: Option<Value>,
    pub(crate) last: Option<Value>,
    /// Whether the outer reduction has a step at all; nothing for always.
    pub(crate) active: Option<Value>,
}

impl<'e, 'f> Emitter<'e, 'f> {
    /// One point of a contraction.
    pub(crate) fn contraction(
        &mut self,
        contraction: &'e Contraction,
        point: &[IndexForm],
    ) -> Result<(), ClifError> {
        let mut pieces = point.iter();
        let mut coordinates = vec![IndexForm::Constant(0); contraction.dims.len()];
        for (dim, coordinate) in contraction.dims.iter().zip(&mut coordinates) {
            if dim.role == Role::Parallel {
                *coordinate =
                    pieces.next().cloned().ok_or_else(|| self.malformed("the space is too small"))?;
            }
        }
        let mut spans = Vec::with_capacity(contraction.dims.len());
        let mut shift = self.int(0);
        for dim in &contraction.dims {
            let chunk = match dim.split {
                None => None,
                Some(_) => Some(pieces.next().ok_or_else(|| self.malformed("the space is too small"))?),
            };
            spans.push(self.span(dim, chunk)?);
            if let (Some(split), Some(chunk)) = (dim.split, chunk) {
                let chunk = self.form_value(chunk);
                let term = self.scaled(chunk, split.result_stride);
                shift = self.builder.ins().iadd(shift, term);
            }
        }
        let plan = self.plan(contraction, spans)?;
        let mut pointers = self.origin(&plan, &coordinates)?;
        let shift = self.scaled(shift, plan.size);
        pointers[2] = self.builder.ins().iadd(pointers[2], shift);
        if let Some(epilogue) = &contraction.epilogue {
            for (number, dim) in contraction.dims.iter().enumerate() {
                if dim.role == Role::Parallel {
                    self.define_index(plan.coordinate(epilogue, number)?, coordinates[number].clone());
                }
            }
            self.prepare(&epilogue.statements)?;
            self.zero_sums(&plan, epilogue)?;
        }
        let place = Place { pointers, coordinates, first: None, last: None, active: None };
        self.outer_loops(&plan, 0, place)
    }

    fn plan<'c>(&mut self, contraction: &'c Contraction, spans: Vec<Span>) -> Result<Plan<'c>, ClifError> {
        let operands = &self.kernel.operands;
        let first = operands.first().map_or(DType::F32, |operand| operand.dtype);
        let types = Contraction::factors(operands).map(|factors| factors.sum);
        let Some(dtype) = types.filter(|sum| matches!(sum, DType::F32 | DType::F64 | DType::I32)) else {
            return Err(ClifError::UnsupportedType(first));
        };
        let parts = contraction.parts(&self.kernel.operands);
        let of_role = |role: Role| -> Vec<usize> {
            contraction
                .dims
                .iter()
                .enumerate()
                .filter(|(_, dim)| dim.role == role)
                .map(|(number, _)| number)
                .collect()
        };
        let (&[lanes], &[rows]) = (of_role(Role::Lanes).as_slice(), of_role(Role::Rows).as_slice()) else {
            return Err(self.malformed("a contraction has one lanes and one rows dimension"));
        };
        let [along_lanes, along_rows] = [lanes, rows].map(|number| contraction.dims[number].strides);
        let repeated_or_paired = matches!(along_lanes[1], 0 | 1);
        let contiguous =
            along_lanes[0] == 1 && along_lanes[2] == 1 && repeated_or_paired && along_rows[0] == 0;
        let size = dtype.size() as i64;
        let width = if contiguous && self.target.vectors { 16 / dtype.size() } else { 1 };
        debug_assert!(width == 1 || vector_type(dtype, width).is_some());
        let mut outer = of_role(Role::ReduceOuter);
        outer.extend(of_role(Role::Sequential));
        let mut plan =
            Plan { contraction, dtype, size, parts, width, spans, outer, lanes, rows, table: None };
        if contraction.taps.is_empty() {
            return Err(self.malformed("a contraction has no tap"));
        }
        plan.table = self.tap_table(&plan);
        Ok(plan)
    }

    /// The value of an index that lanes share.
    pub(crate) fn form_value(&mut self, form: &IndexForm) -> Value {
        match form {
            IndexForm::Constant(number) => self.int(*number),
            IndexForm::Uniform(value) => *value,
            IndexForm::Lanes(_) => self.int(0),
        }
    }

    fn span(&mut self, dim: &ContractionDim, chunk: Option<&IndexForm>) -> Result<Span, ClifError> {
        let extent = self.uniform_sum(&Affine::extent(dim.extent))?;
        let fixed = dim.extent.fixed().map(|extent| extent as i64);
        let Some((split, chunk)) = dim.split.zip(chunk).filter(|(split, _)| split.chunks > 1) else {
            let start = self.int(0);
            return Ok(Span { start, end: extent, known: fixed, align: 1 });
        };
        let (chunks, align) = (split.chunks as i64, split.align.max(1) as i64);
        let chunk = self.form_value(chunk);
        let begin = self.chunk_border(extent, chunk, chunks, align);
        let following = self.builder.ins().iadd_imm_s(chunk, 1);
        let end = self.chunk_border(extent, following, chunks, align);
        let is_last = self.builder.ins().icmp_imm_s(IntCC::Equal, following, chunks);
        let end = self.builder.ins().select(is_last, extent, end);
        let align = if fixed.is_some_and(|extent| extent % align == 0) { align } else { 1 };
        Ok(Span { start: begin, end, known: None, align })
    }

    fn chunk_border(&mut self, extent: Value, chunk: Value, chunks: i64, align: i64) -> Value {
        let product = self.builder.ins().imul(extent, chunk);
        let border = self.divided(product, chunks);
        let units = self.divided(border, align);
        self.scaled(units, align)
    }

    /// Pointers to the first elements of this point's part of all dimensions that no loop advances.
    fn origin(&mut self, plan: &Plan<'_>, coordinates: &[IndexForm]) -> Result<[Value; 3], ClifError> {
        let mut pointers = [self.int(0); 3];
        for (operand, pointer) in pointers.iter_mut().enumerate() {
            let Some(&base) = self.pointers.get(operand) else {
                return Err(self.malformed("a contraction has three operands"));
            };
            let offset = plan.contraction.offsets[operand].wrapping_mul(plan.size);
            let mut address = self.plus(base, offset);
            for (number, dim) in plan.contraction.dims.iter().enumerate() {
                let stride = plan.strides(number)[operand];
                let index = match dim.role {
                    Role::Parallel => self.form_value(&coordinates[number]),
                    _ if plan.spans[number].known.is_none() => plan.spans[number].start,
                    _ => continue,
                };
                if stride != 0 {
                    let term = self.scaled(index, stride);
                    address = self.builder.ins().iadd(address, term);
                }
            }
            *pointer = address;
        }
        Ok(pointers)
    }

    fn outer_loops(&mut self, plan: &Plan<'_>, level: usize, place: Place) -> Result<(), ClifError> {
        let Some(&number) = plan.outer.get(level) else {
            return self.lanes_tiles(plan, &place);
        };
        let span = plan.spans[number];
        let reduced = plan.dim(number).role == Role::ReduceOuter;
        let mut outer = place;
        if reduced && span.known.is_none_or(|extent| extent <= 0) {
            let any = self.builder.ins().icmp(IntCC::SignedLessThan, span.start, span.end);
            outer.active = Some(self.both(outer.active, any));
        }
        if span.known == Some(1) {
            return self.outer_loops(plan, level + 1, outer);
        }
        if span.known.is_some_and(|extent| extent <= 0) && !reduced {
            return Ok(());
        }
        // An empty outer reduction still takes one step, which stores zeros.
        let runs = reduced || span.known.is_some();
        let initial = outer.pointers.to_vec();
        let strides = plan.strides(number);
        self.counted(span.start, span.end, 1, runs, initial, &mut |emitter, index, carried| {
            let mut inner = outer.clone();
            inner.pointers = emitter.three(carried)?;
            if reduced {
                let first = emitter.builder.ins().icmp(IntCC::Equal, index, span.start);
                inner.first = Some(emitter.both(outer.first, first));
                let following = emitter.builder.ins().iadd_imm_s(index, 1);
                let last = emitter.builder.ins().icmp(IntCC::SignedGreaterThanOrEqual, following, span.end);
                inner.last = Some(emitter.both(outer.last, last));
            } else {
                inner.coordinates[number] = IndexForm::Uniform(index);
            }
            let pointers = inner.pointers;
            emitter.outer_loops(plan, level + 1, inner)?;
            Ok(emitter.advanced(pointers, strides))
        })?;
        Ok(())
    }

    pub(crate) fn three(&self, values: &[Value]) -> Result<[Value; 3], ClifError> {
        match values {
            &[a, b, c, ..] => Ok([a, b, c]),
            _ => Err(self.malformed("a contraction's loop carries three pointers")),
        }
    }

    fn both(&mut self, a: Option<Value>, b: Value) -> Value {
        match a {
            None => b,
            Some(a) => self.builder.ins().band(a, b),
        }
    }

    fn advanced(&mut self, pointers: [Value; 3], steps: [i64; 3]) -> Vec<Value> {
        pointers.iter().zip(steps).map(|(&pointer, step)| self.plus(pointer, step)).collect()
    }

    fn lanes_tiles(&mut self, plan: &Plan<'_>, place: &Place) -> Result<(), ClifError> {
        let pieces = shape::lanes_pieces(plan);
        self.tiles(plan, plan.lanes, &pieces, place, &mut |emitter, unit, place| {
            let pieces = shape::rows_pieces(plan, unit);
            emitter.tiles(plan, plan.rows, &pieces, place, &mut |emitter, rows, place| {
                let Unit::Scalars(rows) = rows else {
                    return Err(emitter.malformed("rows are single elements"));
                };
                emitter.tile(plan, unit, rows, place)
            })
        })
    }

    /// A dimension in pieces: `body` for each with its size and place.
    fn tiles(
        &mut self,
        plan: &Plan<'_>,
        number: usize,
        pieces: &[Pieces],
        place: &Place,
        body: &mut dyn FnMut(&mut Emitter<'e, 'f>, Unit, &Place) -> Result<(), ClifError>,
    ) -> Result<(), ClifError> {
        let span = plan.spans[number];
        let mut at = place.clone();
        let mut known = span.known.map(|_| 0_i64);
        let mut index = span.start;
        for piece in pieces {
            let lanes = piece.unit.lanes(plan.width) as i64;
            let steps = plan.strides(number).map(|stride| stride.wrapping_mul(lanes));
            if let (Some(start), Some(1)) = (known, piece.count) {
                let mut inner = at.clone();
                inner.coordinates[number] = IndexForm::Constant(start);
                body(self, piece.unit, &inner)?;
                at.pointers = self.advanced_three(at.pointers, steps);
                known = Some(start + lanes);
                index = self.int(start + lanes);
                continue;
            }
            let (limit, runs) = match (known, piece.count) {
                (Some(start), Some(count)) => (self.int(start + lanes * count), true),
                _ => (self.plus(span.end, 1 - lanes), false),
            };
            let mut initial = at.pointers.to_vec();
            initial.push(index);
            let results =
                self.counted(index, limit, lanes, runs, initial, &mut |emitter, index, carried| {
                    let mut inner = at.clone();
                    inner.pointers = emitter.three(carried)?;
                    inner.coordinates[number] = IndexForm::Uniform(index);
                    body(emitter, piece.unit, &inner)?;
                    let mut next = emitter.advanced(inner.pointers, steps);
                    next.push(emitter.plus(index, lanes));
                    Ok(next)
                })?;
            at.pointers = self.three(&results)?;
            known = known.zip(piece.count).map(|(start, count)| start + lanes * count);
            index = match (known, results.get(3)) {
                (Some(start), _) => self.int(start),
                (None, Some(&index)) => index,
                (None, None) => return Err(self.malformed("a tile loop lost its index")),
            };
        }
        Ok(())
    }

    fn advanced_three(&mut self, pointers: [Value; 3], steps: [i64; 3]) -> [Value; 3] {
        let mut next = pointers;
        for (pointer, step) in next.iter_mut().zip(steps) {
            *pointer = self.plus(*pointer, step);
        }
        next
    }
}
