//! The element types of ONNX tensors, with the numbers that files name them by (`TensorProto.DataType`).
//!
//! In memory an element has a whole number of bytes: types of two, four and six bits take one byte each, whose
//! upper bits are zero. Files pack them; `proto` does the packing.

use std::fmt;

macro_rules! elements {
    ($($variant:ident $code:literal $name:literal $width:literal $bits:literal $doc:literal;)*) => {
        /// What the elements of a tensor are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Element {
            $(#[doc = $doc] $variant,)*
        }

        impl Element {
            /// All element types, by number.
            pub const ALL: &[Element] = &[$(Element::$variant),*];

            /// The number that ONNX files name the type by.
            pub fn code(self) -> i32 {
                match self { $(Element::$variant => $code,)* }
            }

            /// The type of a number, if there is one.
            pub fn of_code(code: i64) -> Option<Element> {
                match code { $($code => Some(Element::$variant),)* _ => None }
            }

            /// The name, as ONNX writes types: `float`, `int64`, `float8e4m3fn`.
            pub fn name(self) -> &'static str {
                match self { $(Element::$variant => $name,)* }
            }

            /// Bytes of an element in memory; 0 for strings.
            pub fn width(self) -> usize {
                match self { $(Element::$variant => $width,)* }
            }

            /// Bits of an element in a file's raw bytes; 0 for strings.
            pub fn bits(self) -> usize {
                match self { $(Element::$variant => $bits,)* }
            }
        }
    };
}

elements! {
    F32 1 "float" 4 32 "IEEE 754 with 32 bits.";
    U8 2 "uint8" 1 8 "Unsigned, 8 bits.";
    I8 3 "int8" 1 8 "Signed, 8 bits.";
    U16 4 "uint16" 2 16 "Unsigned, 16 bits.";
    I16 5 "int16" 2 16 "Signed, 16 bits.";
    I32 6 "int32" 4 32 "Signed, 32 bits.";
    I64 7 "int64" 8 64 "Signed, 64 bits.";
    String 8 "string" 0 0 "Text of any length.";
    Bool 9 "bool" 1 8 "0 or 1.";
    F16 10 "float16" 2 16 "IEEE 754 with 16 bits.";
    F64 11 "double" 8 64 "IEEE 754 with 64 bits.";
    U32 12 "uint32" 4 32 "Unsigned, 32 bits.";
    U64 13 "uint64" 8 64 "Unsigned, 64 bits.";
    Complex64 14 "complex64" 8 64 "Two `F32`: real and imaginary part.";
    Complex128 15 "complex128" 16 128 "Two `F64`: real and imaginary part.";
    Bf16 16 "bfloat16" 2 16 "The upper half of an `F32`.";
    F8E4M3Fn 17 "float8e4m3fn" 1 8 "4 bits of exponent, 3 of mantissa; one NaN, no infinity.";
    F8E4M3FnUz 18 "float8e4m3fnuz" 1 8 "As `F8E4M3Fn`, without a negative zero.";
    F8E5M2 19 "float8e5m2" 1 8 "5 bits of exponent, 2 of mantissa, as IEEE 754 would have it.";
    F8E5M2FnUz 20 "float8e5m2fnuz" 1 8 "As `F8E5M2`, without infinities and negative zero.";
    U4 21 "uint4" 1 4 "Unsigned, 4 bits.";
    I4 22 "int4" 1 4 "Signed, 4 bits.";
    F4E2M1 23 "float4e2m1" 1 4 "2 bits of exponent, 1 of mantissa; finite only.";
    E8M0 24 "float8e8m0" 1 8 "A power of two; one NaN, no sign.";
    U2 25 "uint2" 1 2 "Unsigned, 2 bits.";
    I2 26 "int2" 1 2 "Signed, 2 bits.";
    F6E2M3 27 "float6e2m3" 1 6 "2 bits of exponent, 3 of mantissa; finite only.";
    F6E3M2 28 "float6e3m2" 1 6 "3 bits of exponent, 2 of mantissa; finite only.";
}

impl Element {
    /// Whether values may be fractions.
    pub fn is_float(self) -> bool {
        use Element as E;
        matches!(self, E::F16 | E::Bf16 | E::F32 | E::F64) || self.is_small_float()
    }

    /// Whether it is a float of eight bits or less.
    pub fn is_small_float(self) -> bool {
        use Element as E;
        matches!(
            self,
            E::F8E4M3Fn
                | E::F8E4M3FnUz
                | E::F8E5M2
                | E::F8E5M2FnUz
                | E::E8M0
                | E::F4E2M1
                | E::F6E2M3
                | E::F6E3M2
        )
    }

    /// Least and greatest value of an integer type; `Bool` has 0 and 1.
    pub fn integer_range(self) -> Option<(i128, i128)> {
        use Element as E;
        let signed = match self {
            E::Bool => return Some((0, 1)),
            E::U2 | E::U4 | E::U8 | E::U16 | E::U32 | E::U64 => false,
            E::I2 | E::I4 | E::I8 | E::I16 | E::I32 | E::I64 => true,
            _ => return None,
        };
        let count = 1i128 << self.bits();
        Some(if signed { (-count / 2, count / 2 - 1) } else { (0, count - 1) })
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
