//! What every form of a contraction's code works from.

use crate::PtxError;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::{Affine, Contraction, ContractionDim, Epilogue, IndexVar, Parts, Role};
use dlc_types::{DType, Dim};

/// What does not change while a contraction is emitted.
pub(crate) struct Plan<'c> {
    pub(crate) contraction: &'c Contraction,
    /// Type of the sums.
    pub(crate) dtype: DType,
    /// Bytes of one element: of a word, where factors are small integers.
    pub(crate) size: i64,
    pub(crate) parts: Parts,
    /// Reduced dimensions, outermost first.
    pub(crate) reduced: Vec<usize>,
    /// Kept dimensions, outermost first: parallel and sequential ones, rows, lanes.
    pub(crate) kept: Vec<usize>,
}

impl<'c> Plan<'c> {
    /// Of a verified contraction.
    pub(crate) fn new(emitter: &Emitter<'_>, contraction: &'c Contraction) -> Result<Plan<'c>, PtxError> {
        let operands = &emitter.kernel.operands;
        let first = operands.first().map_or(DType::F32, |operand| operand.dtype);
        let sum = Contraction::factors(operands).map(|factors| factors.sum);
        let Some(dtype) = sum.filter(|sum| matches!(sum, DType::F32 | DType::F64 | DType::I32)) else {
            return Err(PtxError::UnsupportedType(first));
        };
        if contraction.taps.is_empty() || operands.len() < 3 {
            return Err(emitter.malformed("a contraction has three operands and a tap"));
        }
        let of_roles = |roles: &[Role]| -> Vec<usize> {
            let numbers = |role: &Role| {
                let role = *role;
                (0..contraction.dims.len()).filter(move |&number| contraction.dims[number].role == role)
            };
            roles.iter().flat_map(numbers).collect()
        };
        Ok(Plan {
            contraction,
            dtype,
            size: dtype.size() as i64,
            parts: contraction.parts(operands),
            reduced: of_roles(&[Role::ReduceOuter, Role::Reduce]),
            kept: of_roles(&[Role::Parallel, Role::Sequential, Role::Rows, Role::Lanes]),
        })
    }

    /// A dimension.
    pub(crate) fn dim(&self, number: usize) -> &'c ContractionDim {
        &self.contraction.dims[number]
    }

    /// How many results of their own a reduced dimension has.
    pub(crate) fn pieces(&self, number: usize) -> usize {
        self.dim(number).split.map_or(1, |split| split.chunks.max(1))
    }

    /// How many coordinates a kept dimension has, or pieces a reduced one.
    pub(crate) fn size(&self, number: usize) -> Dim {
        match self.dim(number).is_reduced() {
            true => Dim::Fixed(self.pieces(number)),
            false => self.dim(number).extent,
        }
    }

    /// The index that an epilogue knows a dimension's coordinate by.
    pub(crate) fn coordinate(&self, epilogue: &Epilogue, number: usize) -> Result<IndexVar, PtxError> {
        epilogue.coordinates.get(number).copied().ok_or_else(|| PtxError::Malformed {
            kernel: "contraction".to_owned(),
            reason: "an epilogue has a coordinate for each dimension".to_owned(),
        })
    }
}

impl Emitter<'_> {
    /// Coordinates, 0 where none is given, and the element offsets of the three operands there.
    pub(super) fn located(
        &mut self,
        plan: &Plan<'_>,
        numbers: &[usize],
        values: &[Value],
    ) -> (Vec<Value>, [Value; 3]) {
        let mut coordinates = vec![Value::Integer(0); plan.contraction.dims.len()];
        let mut offsets = plan.contraction.offsets.map(Value::Integer);
        for (&number, &value) in numbers.iter().zip(values) {
            coordinates[number] = value;
            let dim = plan.dim(number);
            if dim.is_reduced() {
                let stride = dim.split.map_or(0, |split| split.result_stride);
                offsets[2] = self.index_mad(value, stride, offsets[2]);
            } else {
                offsets = self.moved(offsets, dim.strides, value);
            }
        }
        (coordinates, offsets)
    }

    /// Element offsets further along a dimension.
    pub(super) fn moved(&mut self, offsets: [Value; 3], strides: [i64; 3], value: Value) -> [Value; 3] {
        [0, 1, 2].map(|operand| self.index_mad(value, strides[operand], offsets[operand]))
    }

    /// The part of a reduced dimension that a piece covers.
    pub(super) fn span(&mut self, dim: &ContractionDim, piece: Value) -> (Value, Value) {
        let extent = match self.form(&Affine::extent(dim.extent)) {
            Ok(extent) => extent,
            Err(_) => Value::Integer(0),
        };
        let Some(split) = dim.split.filter(|split| split.chunks > 1) else {
            return (Value::Integer(0), extent);
        };
        let (chunks, align) = (split.chunks as i64, split.align.max(1) as i64);
        let begin = self.border(extent, piece, chunks, align);
        let following = self.index_sum(piece, Value::Integer(1));
        let end = self.border(extent, following, chunks, align);
        let last = self.index_test("eq.s", following, Value::Integer(chunks));
        let name = if self.wide { "selp.b64" } else { "selp.b32" };
        let end = self.ins(self.index_class(), name, &[extent, end, last]);
        (begin, end)
    }

    fn border(&mut self, extent: Value, piece: Value, chunks: i64, align: i64) -> Value {
        let product = self.index_product(extent, piece);
        let border = self.index_quotient(product, Value::Integer(chunks));
        let units = self.index_quotient(border, Value::Integer(align));
        self.index_product(units, Value::Integer(align))
    }

    /// What a sum begins with: zero, or what the result holds.
    pub(super) fn start(&mut self, plan: &Plan<'_>, result: Value) -> Value {
        let class = Class::of(plan.dtype);
        if !plan.contraction.accumulate {
            let zero = self.number(plan.dtype, 0.0);
            return self.copy(class, zero);
        }
        let place = self.element(self.pointers[2], result, plan.size);
        let sum = self.fresh(class);
        self.put(format!("ld.global.{} {sum}, [{place}];", class.kind()));
        sum
    }
}
