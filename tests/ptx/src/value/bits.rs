//! Logic, shifts and bit fields.

use super::{One, Three, Two};
use crate::types::Type;

pub(crate) fn one(name: &str, ty: Type) -> Option<One> {
    Some(match (name, ty) {
        ("not", Type::B16) => |a| u64::from(!(a as u16)),
        ("not", Type::B32) => |a| u64::from(!(a as u32)),
        ("not", Type::B64) => |a| !a,
        ("cnot", Type::B16 | Type::B32 | Type::B64) => |a| u64::from(a == 0),
        ("popc", Type::B32 | Type::B64) => |a| u64::from(a.count_ones()),
        ("clz", Type::B32) => |a| u64::from((a as u32).leading_zeros()),
        ("clz", Type::B64) => |a| u64::from(a.leading_zeros()),
        ("brev", Type::B32) => |a| u64::from((a as u32).reverse_bits()),
        ("brev", Type::B64) => |a| a.reverse_bits(),
        _ => return None,
    })
}

pub(crate) fn two(name: &str, ty: Type) -> Option<Two> {
    let word = matches!(ty, Type::B16 | Type::B32 | Type::B64);
    Some(match (name, ty) {
        ("and", _) if word => |a, b| a & b,
        ("or", _) if word => |a, b| a | b,
        ("xor", _) if word => |a, b| a ^ b,
        // A count of at least the width shifts everything out.
        ("shl", Type::B16) => |a, b| if b < 16 { u64::from((a << b) as u16) } else { 0 },
        ("shl", Type::B32) => |a, b| if b < 32 { u64::from((a << b) as u32) } else { 0 },
        ("shl", Type::B64) => |a, b| if b < 64 { a << b } else { 0 },
        ("shr", Type::B16 | Type::U16 | Type::B32 | Type::U32 | Type::B64 | Type::U64) => {
            |a, b| if b < 64 { a >> b } else { 0 }
        }
        ("shr", Type::S16) => |a, b| u64::from(((a as i16) >> b.min(15)) as u16),
        ("shr", Type::S32) => |a, b| u64::from(((a as i32) >> b.min(31)) as u32),
        ("shr", Type::S64) => |a, b| ((a as i64) >> b.min(63)) as u64,
        _ => return None,
    })
}

pub(crate) fn three(name: &str, ty: Type) -> Option<Three> {
    Some(match (name, ty) {
        ("bfe", Type::U32) => |a, b, c| extract(a, b, c, 32, false),
        ("bfe", Type::S32) => |a, b, c| extract(a, b, c, 32, true),
        ("bfe", Type::U64) => |a, b, c| extract(a, b, c, 64, false),
        ("bfe", Type::S64) => |a, b, c| extract(a, b, c, 64, true),
        ("prmt", Type::B32) => permute,
        ("shf.l.clamp", Type::B32) => |a, b, c| (((b << 32 | a) << c.min(32)) >> 32) & 0xffff_ffff,
        ("shf.l.wrap", Type::B32) => |a, b, c| (((b << 32 | a) << (c & 31)) >> 32) & 0xffff_ffff,
        ("shf.r.clamp", Type::B32) => |a, b, c| ((b << 32 | a) >> c.min(32)) & 0xffff_ffff,
        ("shf.r.wrap", Type::B32) => |a, b, c| ((b << 32 | a) >> (c & 31)) & 0xffff_ffff,
        _ => return None,
    })
}

/// `bfe`: `length` bits of `a` from `position` on; a signed field extends with its last bit within `a`.
fn extract(a: u64, position: u64, length: u64, width: u64, signed: bool) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    let fill = signed && length != 0 && (a >> (position + length - 1).min(width - 1)) & 1 == 1;
    (0..width).fold(0, |field, bit| {
        let inside = bit < length && position + bit < width;
        let set = if inside { (a >> (position + bit)) & 1 == 1 } else { fill };
        field | u64::from(set) << bit
    })
}

/// `bfi`: the low `length` bits of `a` over those of `b` from `position` on.
pub(crate) fn insert(a: u64, b: u64, position: u64, length: u64, width: u64) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    (0..length.min(width)).filter(|bit| position + bit < width).fold(b, |word, bit| {
        let place = position + bit;
        (word & !(1 << place)) | ((a >> bit) & 1) << place
    })
}

/// `prmt`: each nibble of `c` picks one of the eight bytes of `b:a`, or with its high bit that byte's sign.
fn permute(a: u64, b: u64, c: u64) -> u64 {
    let bytes = (b << 32 | a).to_le_bytes();
    (0..4).fold(0, |word, at| {
        let selector = c >> (4 * at);
        let byte = bytes[(selector & 7) as usize];
        let byte = if selector & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 };
        word | u64::from(byte) << (8 * at)
    })
}

/// `lop3`: bit `4a + 2b + c` of the table, for each bit.
pub(crate) fn lookup(table: u8, a: u64, b: u64, c: u64) -> u64 {
    let word = (0..8u8).filter(|row| table >> row & 1 == 1).fold(0, |word, row| {
        let term = |set: bool, value: u64| if set { value } else { !value };
        word | (term(row & 4 != 0, a) & term(row & 2 != 0, b) & term(row & 1 != 0, c))
    });
    word & 0xffff_ffff
}
