//! Element types of ONNX tensors, by their numbers in `TensorProto.DataType`.

use dlc_types::DType;

macro_rules! elements {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $bits:literal, $name:literal;)*) => {
        /// An element type. The numbers are those of `TensorProto.DataType`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each variant is its own name")]
        pub enum Element { $($(#[$doc])* $variant = $number,)* }

        impl Element {
            /// Every element type.
            pub const ALL: &'static [Element] = &[$(Element::$variant),*];

            /// The type of that number.
            pub fn from_number(number: i32) -> Option<Element> {
                match number { $($number => Some(Element::$variant),)* _ => None }
            }

            /// Bits that one element takes; strings are no fixed number of bits and give 0.
            pub const fn bits(self) -> usize {
                match self { $(Element::$variant => $bits,)* }
            }

            /// The name in messages.
            pub const fn name(self) -> &'static str {
                match self { $(Element::$variant => $name,)* }
            }
        }
    };
}

elements! {
    F32 = 1, 32, "f32";
    U8 = 2, 8, "u8";
    I8 = 3, 8, "i8";
    U16 = 4, 16, "u16";
    I16 = 5, 16, "i16";
    I32 = 6, 32, "i32";
    I64 = 7, 64, "i64";
    Text = 8, 0, "string";
    Bool = 9, 8, "bool";
    F16 = 10, 16, "f16";
    F64 = 11, 64, "f64";
    U32 = 12, 32, "u32";
    U64 = 13, 64, "u64";
    Complex64 = 14, 64, "complex64";
    Complex128 = 15, 128, "complex128";
    BF16 = 16, 16, "bf16";
    F8E4M3FN = 17, 8, "float8e4m3fn";
    F8E4M3FNUZ = 18, 8, "float8e4m3fnuz";
    F8E5M2 = 19, 8, "float8e5m2";
    F8E5M2FNUZ = 20, 8, "float8e5m2fnuz";
    U4 = 21, 4, "uint4";
    I4 = 22, 4, "int4";
    F4E2M1 = 23, 4, "float4e2m1";
    F8E8M0 = 24, 8, "float8e8m0";
    U2 = 25, 2, "uint2";
    I2 = 26, 2, "int2";
}

impl Element {
    /// The number in `TensorProto.DataType`.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The type in the graph; `None` for those that only the host computes with.
    pub const fn dtype(self) -> Option<DType> {
        Some(match self {
            Element::F16 => DType::F16,
            Element::BF16 => DType::BF16,
            Element::F32 => DType::F32,
            Element::F64 => DType::F64,
            Element::I8 => DType::I8,
            Element::U8 => DType::U8,
            Element::I16 => DType::I16,
            Element::U16 => DType::U16,
            Element::I32 => DType::I32,
            Element::U32 => DType::U32,
            Element::I64 => DType::I64,
            Element::U64 => DType::U64,
            Element::Bool => DType::Bool,
            _ => return None,
        })
    }

    /// The element type of a graph type.
    pub const fn of(dtype: DType) -> Element {
        match dtype {
            DType::F16 => Element::F16,
            DType::BF16 => Element::BF16,
            DType::F32 => Element::F32,
            DType::F64 => Element::F64,
            DType::I8 => Element::I8,
            DType::U8 => Element::U8,
            DType::I16 => Element::I16,
            DType::U16 => Element::U16,
            DType::I32 => Element::I32,
            DType::U32 => Element::U32,
            DType::I64 => Element::I64,
            DType::U64 => Element::U64,
            DType::Bool => Element::Bool,
        }
    }

    /// Bytes of so many elements, packed as `raw_data` packs them; `None` on overflow.
    pub fn bytes(self, count: usize) -> Option<usize> {
        Some(count.checked_mul(self.bits())?.div_ceil(8))
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
