//! Conversions between the forms of a scalar: uniform, vectors, lanes.

use crate::ClifError;
use crate::emitter::{Emitter, Form, Known, scalar_type, vector_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use dlc_kernel::Var;
use dlc_types::DType;

impl Emitter<'_, '_> {
    /// The value that all lanes share, if they do.
    pub(crate) fn uniform(&mut self, var: Var) -> Result<Option<Value>, ClifError> {
        let scalar = self.scalar(var)?.clone();
        match scalar.form {
            Form::Constant(number) => Ok(Some(self.constant(scalar.dtype, number)?)),
            Form::Uniform(value) => Ok(Some(value)),
            Form::Vectors(_) | Form::Lanes(_) => Ok(None),
        }
    }

    /// The value that all lanes must share.
    pub(crate) fn expect_uniform(&mut self, var: Var) -> Result<Value, ClifError> {
        self.uniform(var)?.ok_or_else(|| self.malformed(format!("{var} varies by lane where it must not")))
    }

    /// One vector per unrolled vector; `None` where the type does not fit the lanes.
    pub(crate) fn vectors(&mut self, var: Var) -> Result<Option<Vec<Value>>, ClifError> {
        let Some(lane) = self.lane else { return Ok(None) };
        let scalar = self.scalar(var)?.clone();
        let Some(ty) = vector_type(scalar.dtype, lane.width) else { return Ok(None) };
        let values = match scalar.form {
            Form::Vectors(vectors) => vectors,
            Form::Constant(number) => {
                let vector = self.constant_vector(scalar.dtype, ty, number);
                vec![vector; lane.vectors]
            }
            Form::Uniform(value) => {
                let vector = self.splat(var, scalar.dtype, ty, value);
                vec![vector; lane.vectors]
            }
            Form::Lanes(values) => {
                values.chunks(lane.width).map(|lanes| self.pack(scalar.dtype, ty, lanes)).collect()
            }
        };
        Ok(Some(values))
    }

    /// One scalar per lane.
    pub(crate) fn lanes(&mut self, var: Var) -> Result<Vec<Value>, ClifError> {
        let count = self.lane.map_or(1, |lane| lane.lanes());
        let width = self.lane.map_or(1, |lane| lane.width);
        let scalar = self.scalar(var)?.clone();
        Ok(match scalar.form {
            Form::Constant(number) => vec![self.constant(scalar.dtype, number)?; count],
            Form::Uniform(value) => vec![value; count],
            Form::Lanes(values) => values,
            Form::Vectors(vectors) => {
                let mut lanes = Vec::with_capacity(count);
                for vector in vectors {
                    for lane in 0..width {
                        lanes.push(self.extract(scalar.dtype, vector, lane));
                    }
                }
                lanes
            }
        })
    }

    /// A uniform scalar in all lanes, computed once per scope.
    pub(crate) fn splat(&mut self, var: Var, dtype: DType, ty: Type, value: Value) -> Value {
        let key = Known::Splat(var);
        if let Some(vector) = self.recall(&key) {
            return vector;
        }
        let vector = self.splat_value(dtype, ty, value);
        self.remember(key, vector);
        vector
    }

    /// A scalar in all lanes; a mask for `bool`.
    pub(crate) fn splat_value(&mut self, dtype: DType, ty: Type, value: Value) -> Value {
        let value = if dtype == DType::Bool { self.lane_mask(ty, value) } else { value };
        self.builder.ins().splat(ty, value)
    }

    /// A `bool` as one lane of a mask.
    fn lane_mask(&mut self, ty: Type, value: Value) -> Value {
        let wide = self.builder.ins().uextend(ty.lane_type(), value);
        self.builder.ins().ineg(wide)
    }

    /// Scalars side by side in a vector.
    pub(crate) fn pack(&mut self, dtype: DType, ty: Type, lanes: &[Value]) -> Value {
        let mut vector = None;
        for (lane, &value) in lanes.iter().enumerate() {
            let value = if dtype == DType::Bool { self.lane_mask(ty, value) } else { value };
            vector = Some(match vector {
                None => self.builder.ins().scalar_to_vector(ty, value),
                Some(vector) => self.builder.ins().insertlane(vector, value, lane as u8),
            });
        }
        match vector {
            Some(vector) => vector,
            None => self.constant_vector(dtype, ty, 0.0),
        }
    }

    /// One lane of a vector as a scalar.
    pub(crate) fn extract(&mut self, dtype: DType, vector: Value, lane: usize) -> Value {
        let value = self.builder.ins().extractlane(vector, lane as u8);
        if dtype == DType::Bool { self.builder.ins().icmp_imm_s(IntCC::NotEqual, value, 0) } else { value }
    }

    /// The register type of a varying scalar and how many registers it takes.
    pub(crate) fn varying_type(&self, dtype: DType) -> Result<(Type, usize, bool), ClifError> {
        match self.lane {
            None => Ok((scalar_type(dtype)?, 1, false)),
            Some(lane) => match vector_type(dtype, lane.width) {
                Some(ty) => Ok((ty, lane.vectors, true)),
                None => Ok((scalar_type(dtype)?, lane.lanes(), false)),
            },
        }
    }

    /// A mask's lanes as bytes of 0 or 1 in the lowest bytes of an integer.
    pub(crate) fn mask_bytes(&mut self, mask: Value, width: usize) -> Value {
        if width == 2 {
            let low = self.builder.ins().extractlane(mask, 0);
            let high = self.builder.ins().extractlane(mask, 1);
            let low = self.builder.ins().band_imm_s(low, 1);
            let high = self.builder.ins().band_imm_s(high, 0x100);
            let both = self.builder.ins().bor(low, high);
            return self.builder.ins().ireduce(types::I16, both);
        }
        let words = self.builder.ins().snarrow(mask, mask);
        let bytes = self.builder.ins().snarrow(words, words);
        let quads = crate::float::bits_as(self.builder, types::I32X4, bytes);
        let quad = self.builder.ins().extractlane(quads, 0);
        self.builder.ins().band_imm_s(quad, 0x0101_0101)
    }

    /// The inverse of [`Self::mask_bytes`].
    pub(crate) fn mask_from_bytes(&mut self, bytes: Value, ty: Type, width: usize) -> Value {
        if width == 2 {
            let low = self.builder.ins().band_imm_s(bytes, 0xFF);
            let high = self.builder.ins().ushr_imm_s(bytes, 8);
            let low = self.builder.ins().icmp_imm_s(IntCC::NotEqual, low, 0);
            let high = self.builder.ins().icmp_imm_s(IntCC::NotEqual, high, 0);
            return self.pack(DType::Bool, ty, &[low, high]);
        }
        let vector = self.builder.ins().scalar_to_vector(types::I32X4, bytes);
        let vector = crate::float::bits_as(self.builder, types::I8X16, vector);
        let words = self.builder.ins().uwiden_low(vector);
        let quads = self.builder.ins().uwiden_low(words);
        let zero = self.constant_vector(DType::I32, types::I32X4, 0.0);
        self.builder.ins().icmp(IntCC::NotEqual, quads, zero)
    }
}
