//! Virtual registers and numbers as operands of instructions.

use dlc_types::DType;
use std::fmt::{self, Display, Formatter};

/// The classes of registers that PTX declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A truth value.
    Predicate,
    /// 16 bits, only in conversions.
    Half,
    /// An integer of 32 bits.
    Word,
    /// An integer of 64 bits, or an address.
    Long,
    /// An `f32`.
    Single,
    /// An `f64`.
    Double,
}

impl Class {
    /// Every class, in the order of declarations.
    pub(crate) const ALL: [Class; 6] =
        [Class::Predicate, Class::Half, Class::Word, Class::Long, Class::Single, Class::Double];

    /// Of the registers that hold a value of this type.
    pub(crate) fn of(dtype: DType) -> Class {
        match dtype.computed_in() {
            DType::Bool => Class::Predicate,
            DType::F32 => Class::Single,
            DType::F64 => Class::Double,
            DType::I64 | DType::U64 => Class::Long,
            _ => Class::Word,
        }
    }

    /// The prefix of its registers' names.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Class::Predicate => "%p",
            Class::Half => "%h",
            Class::Word => "%r",
            Class::Long => "%rd",
            Class::Single => "%f",
            Class::Double => "%fd",
        }
    }

    /// The type that its registers are declared with and moved by.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Class::Predicate => "pred",
            Class::Half => "b16",
            Class::Word => "b32",
            Class::Long => "b64",
            Class::Single => "f32",
            Class::Double => "f64",
        }
    }
}

/// An operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    /// A virtual register.
    Register(Class, u32),
    /// The bits of an `f32`.
    Single(u32),
    /// The bits of an `f64`.
    Double(u64),
    /// An integer of 32 or 64 bits.
    Integer(i64),
}

impl Value {
    /// The integer, where it is known.
    pub(crate) fn known(self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Register(class, number) => write!(f, "{}{number}", class.prefix()),
            Value::Single(bits) => write!(f, "0f{bits:08X}"),
            Value::Double(bits) => write!(f, "0d{bits:016X}"),
            Value::Integer(number) => write!(f, "{number}"),
        }
    }
}

/// Registers as the operand of an access, with its suffix: one alone, or several in braces.
pub(crate) fn list(registers: &[Value]) -> (String, String) {
    match registers {
        [one] => (String::new(), one.to_string()),
        _ => (format!(".v{}", registers.len()), braces(registers)),
    }
}

/// Registers in braces.
pub(crate) fn braces(registers: &[Value]) -> String {
    let names: Vec<String> = registers.iter().map(Value::to_string).collect();
    format!("{{{}}}", names.join(", "))
}
