//! Tensors as the Rust compiler knows them: a sample is an array of arrays, a batch a slice of samples.
//!
//! Modules that `dlc-build` generates are made of this. `[[[f32; 8]; 8]; 1]` is a sample `f32[1, 8, 8]`; arrays have
//! neither gaps nor an order of their own, so a slice of them is the plain tensor that compiled code reads.

use crate::error::{Result, RuntimeError};

/// The bits of a 16-bit float of IEEE 754; the crate `half` computes with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct F16(pub u16);

/// The bits of a bfloat16: the upper half of an `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

/// Values whose bytes are those of a plain tensor.
///
/// # Safety
/// The type has no padding, is made of [`Plain::Scalar`] alone, and is aligned as it.
pub unsafe trait Plain: Copy {
    /// The element.
    type Scalar: Plain;
}

/// Values that any bytes are one of.
///
/// # Safety
/// Every pattern of bits is a value of the type.
pub unsafe trait Fillable: Plain {}

macro_rules! elements {
    ($($element:ty),*) => {$(
        // SAFETY: a number without padding.
        unsafe impl Plain for $element {
            type Scalar = $element;
        }
        // SAFETY: a number is any bits.
        unsafe impl Fillable for $element {}
    )*};
}

elements!(F16, Bf16, f32, f64, i8, u8, i16, u16, i32, u32, i64, u64);

// SAFETY: a byte, 0 or 1 as compiled code reads it.
unsafe impl Plain for bool {
    type Scalar = bool;
}

// SAFETY: arrays are their elements, one behind the other.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {
    type Scalar = T::Scalar;
}

// SAFETY: as are its elements.
unsafe impl<T: Fillable, const N: usize> Fillable for [T; N] {}

/// The bytes of a batch.
pub fn bytes<T: Plain>(samples: &[T]) -> &[u8] {
    // SAFETY: plain values are initialised bytes without padding.
    unsafe { std::slice::from_raw_parts(samples.as_ptr().cast(), size_of_val(samples)) }
}

/// The bytes of a batch, to write.
pub fn bytes_mut<T: Fillable>(samples: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes`, and whatever is written is a value.
    unsafe { std::slice::from_raw_parts_mut(samples.as_mut_ptr().cast(), size_of_val(samples)) }
}

/// A sample of zeros.
pub fn zeroed<T: Fillable>() -> T {
    // SAFETY: zeros are a value of the type.
    unsafe { std::mem::zeroed() }
}

fn whole<T: Plain>(values: usize) -> Result<usize> {
    let sample = size_of::<T>() / size_of::<T::Scalar>();
    match values.checked_div(sample) {
        Some(samples) if samples * sample == values => Ok(samples),
        _ => Err(RuntimeError::Samples { sample, found: values }),
    }
}

/// A flat buffer as a batch of samples.
///
/// ```
/// use dlc_runtime::typed::samples;
/// let pixels = [0.0; 12];
/// let pictures: &[[[f32; 3]; 2]] = samples(&pixels)?;
/// assert_eq!(pictures.len(), 2);
/// assert!(samples::<[f32; 5]>(&pixels).is_err());
/// # Ok::<(), dlc_runtime::RuntimeError>(())
/// ```
///
/// # Errors
/// [`RuntimeError::Samples`] if the values are not whole samples.
pub fn samples<T: Plain>(values: &[T::Scalar]) -> Result<&[T]> {
    let count = whole::<T>(values.len())?;
    // SAFETY: so many values of `T` are made of these scalars and aligned as they are.
    Ok(unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), count) })
}

/// The same, to write.
///
/// # Errors
/// As [`samples`].
pub fn samples_mut<T: Plain>(values: &mut [T::Scalar]) -> Result<&mut [T]> {
    let count = whole::<T>(values.len())?;
    // SAFETY: as in `samples`; a value of `T` is made of values of its scalar and back.
    Ok(unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), count) })
}

/// The values of a report, taken one after the other.
#[derive(Clone, Debug)]
pub struct Reported<'a>(std::slice::Iter<'a, f32>);

impl<'a> Reported<'a> {
    /// Begins with the first value.
    pub fn new(values: &'a [f32]) -> Reported<'a> {
        Reported(values.iter())
    }

    /// The next value; NaN behind the last.
    pub fn one(&mut self) -> f32 {
        self.0.next().copied().unwrap_or(f32::NAN)
    }

    /// The next values, as many as the array has.
    pub fn array<const N: usize>(&mut self) -> [f32; N] {
        std::array::from_fn(|_| self.one())
    }

    /// The next values.
    pub fn list(&mut self, count: usize) -> Vec<f32> {
        self.0.by_ref().take(count).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn arrays_are_plain_tensors() {
        let batch = [[[1u16, 2], [3, 4]], [[5, 6], [7, 8]]];
        let flat: Vec<u8> = (1..=8u16).flat_map(u16::to_ne_bytes).collect();
        assert_eq!(bytes(&batch), flat);
        let mut back = [zeroed::<[[u16; 2]; 2]>(); 2];
        bytes_mut(&mut back).copy_from_slice(&flat);
        assert_eq!(back, batch);
        assert_eq!(bytes(&[true, false]), [1, 0]);
    }

    #[test]
    fn flat_buffers_are_whole_samples_or_an_error() {
        let mut values = [1.0f64, 2.0, 3.0, 4.0];
        assert_eq!(samples::<[f64; 2]>(&values).unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(samples::<f64>(&values).unwrap(), values);
        samples_mut::<[f64; 4]>(&mut values).unwrap()[0][3] = 9.0;
        assert_eq!(values[3], 9.0);
        let error = samples::<[f64; 3]>(&values).unwrap_err().to_string();
        assert_eq!(error, "4 values are not whole samples of 3");
        // Samples without elements cannot be counted.
        assert!(samples::<[f64; 0]>(&values).is_err());
    }
}
