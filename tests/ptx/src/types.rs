//! The fundamental types of PTX: their widths, and which register may stand where an instruction names a
//! type.

use std::fmt;

/// A type of PTX, as it is written after a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    B8,
    U8,
    S8,
    B16,
    U16,
    S16,
    F16,
    BF16,
    B32,
    U32,
    S32,
    F32,
    TF32,
    F16x2,
    BF16x2,
    B64,
    U64,
    S64,
    F64,
    Predicate,
}

/// Names and bits of all types.
const TYPES: &[(&str, Type, u32)] = &[
    ("b8", Type::B8, 8),
    ("u8", Type::U8, 8),
    ("s8", Type::S8, 8),
    ("b16", Type::B16, 16),
    ("u16", Type::U16, 16),
    ("s16", Type::S16, 16),
    ("f16", Type::F16, 16),
    ("bf16", Type::BF16, 16),
    ("b32", Type::B32, 32),
    ("u32", Type::U32, 32),
    ("s32", Type::S32, 32),
    ("f32", Type::F32, 32),
    ("tf32", Type::TF32, 32),
    ("f16x2", Type::F16x2, 32),
    ("bf16x2", Type::BF16x2, 32),
    ("b64", Type::B64, 64),
    ("u64", Type::U64, 64),
    ("s64", Type::S64, 64),
    ("f64", Type::F64, 64),
    ("pred", Type::Predicate, 1),
];

impl Type {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        TYPES.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    pub(crate) fn bits(self) -> u32 {
        TYPES.iter().find(|row| row.1 == self).map_or(0, |row| row.2)
    }

    pub(crate) fn bytes(self) -> usize {
        (self.bits() as usize).div_ceil(8)
    }

    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Type::S8 | Type::S16 | Type::S32 | Type::S64)
    }

    pub(crate) fn is_integer(self) -> bool {
        self.is_signed() || matches!(self, Type::U8 | Type::U16 | Type::U32 | Type::U64)
    }

    /// Bits without arithmetic.
    pub(crate) fn is_bits(self) -> bool {
        matches!(self, Type::B8 | Type::B16 | Type::B32 | Type::B64)
    }

    pub(crate) fn is_float(self) -> bool {
        !self.is_integer() && !self.is_bits() && self != Type::Predicate
    }

    /// Whether a register of type `register` may be an operand where the instruction names this type:
    /// widths are equal, and integers do not meet floats except through untyped bits.
    pub(crate) fn accepts(self, register: Type) -> bool {
        self.bits() == register.bits() && self.kind_meets(register)
    }

    /// As `accepts`, for loads, stores and conversions, whose registers may be wider than the integer.
    pub(crate) fn accepts_wider(self, register: Type) -> bool {
        self.accepts(register)
            || (!self.is_float() && self.bits() <= register.bits() && self.kind_meets(register))
    }

    fn kind_meets(self, register: Type) -> bool {
        match self {
            Type::TF32 | Type::F16x2 | Type::BF16x2 => register != Type::F32,
            Type::F16 | Type::BF16 => true,
            _ if self.is_bits() || register.is_bits() => true,
            _ => self.is_float() == register.is_float(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = TYPES.iter().find(|row| row.1 == *self).map_or("?", |row| row.0);
        write!(formatter, ".{name}")
    }
}
