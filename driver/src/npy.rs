//! NumPy's `.npy` files, read with every number checked and written in version 1.0.
//!
//! Format: `\x93NUMPY`, version, length of a header, the header (a Python dict with `descr`,
//! `fortran_order`, `shape`), then the elements. Source: NumPy's documentation of `numpy.lib.format`.
//! A file is data from elsewhere: nothing is allocated that its own length does not warrant.

use dlc_abi::ElementType;
use dlc_runtime::HostTensor;
use thiserror::Error;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header that is read.
const HEADER_LIMIT: usize = 1 << 16;

/// Why a file is no array that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArrayFault {
    /// It does not begin as its kind does.
    #[error("this is not a {0} file")]
    Kind(&'static str),
    /// It ends early, or its parts contradict each other.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// An element type or form that is not supported.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// No array of that name.
    #[error("there is no array `{name}` in the file; it holds: {available}")]
    Missing {
        /// What was asked for.
        name: String,
        /// What there is.
        available: String,
    },
}

fn damaged(what: impl Into<String>) -> ArrayFault {
    ArrayFault::Damaged(what.into())
}

/// Reads a `.npy` file. `f4`, `f8`, `i4`, `i8` and `b1` come as they are; narrower integers come as
/// `i32`, `u4` as `i64`.
pub fn read_npy(bytes: &[u8]) -> Result<HostTensor, ArrayFault> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(ArrayFault::Kind(".npy"))?;
    let (&version, rest) = rest.split_first_chunk::<2>().ok_or_else(|| damaged("no version"))?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(|| damaged("no header"))?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("no header"))?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(ArrayFault::Unsupported(format!("version {other} of the format"))),
    };
    if length > HEADER_LIMIT || length > rest.len() {
        return Err(damaged("the header is longer than the file"));
    }
    let (header, data) = rest.split_at(length);
    let header = std::str::from_utf8(header).map_err(|_| damaged("the header is no text"))?;
    if entry(header, "fortran_order")?.starts_with("True") {
        return Err(ArrayFault::Unsupported("Fortran order (use `numpy.ascontiguousarray`)".to_owned()));
    }
    let dims = shape(entry(header, "shape")?)?;
    decode(&descr(entry(header, "descr")?)?, dims, data)
}

/// What stands behind a key of the header.
fn entry<'a>(header: &'a str, key: &str) -> Result<&'a str, ArrayFault> {
    let missing = || damaged(format!("the header has no `{key}`"));
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let found = quoted.iter().find_map(|quoted| header.find(quoted.as_str()).map(|at| at + quoted.len()));
    let rest = header.get(found.ok_or_else(missing)?..).ok_or_else(missing)?;
    Ok(rest.trim_start().strip_prefix(':').ok_or_else(missing)?.trim_start())
}

fn shape(text: &str) -> Result<Vec<usize>, ArrayFault> {
    let fault = || damaged("the shape is unreadable");
    let inner = text.strip_prefix('(').and_then(|text| text.split(')').next()).ok_or_else(fault)?;
    let parts = inner.split(',').map(str::trim).filter(|part| !part.is_empty());
    let dims: Vec<usize> = parts.map(str::parse).collect::<Result<_, _>>().map_err(|_| fault())?;
    if dims.len() > 32 {
        return Err(ArrayFault::Unsupported("more than 32 axes".to_owned()));
    }
    Ok(dims)
}

fn descr(text: &str) -> Result<String, ArrayFault> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
    let quote = quote.ok_or_else(|| ArrayFault::Unsupported("a structured element type".to_owned()))?;
    text[1..].split(quote).next().map(str::to_owned).ok_or_else(|| damaged("the type is unreadable"))
}

fn decode(descr: &str, dims: Vec<usize>, data: &[u8]) -> Result<HostTensor, ArrayFault> {
    let unsupported = || ArrayFault::Unsupported(format!("the element type `{descr}`"));
    let kind = descr.trim_start_matches(['<', '>', '=', '|']);
    let big = descr.starts_with('>');
    let size: usize = kind.get(1..).and_then(|size| size.parse().ok()).ok_or_else(unsupported)?;
    let count = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
    let expected =
        count.and_then(|count| count.checked_mul(size)).ok_or_else(|| damaged("it is too large"))?;
    if data.len() < expected || size == 0 {
        return Err(damaged(format!(
            "{dims:?} of `{descr}` takes {expected} bytes, the file has {}",
            data.len()
        )));
    }
    let items = data[..expected].chunks_exact(size);
    // Every element as eight little-endian bytes, or fewer, of its own size.
    let ordered = items.map(|item| {
        let mut bytes = [0u8; 8];
        for (place, &byte) in item.iter().enumerate().take(8) {
            bytes[if big { size - 1 - place } else { place }] = byte;
        }
        bytes
    });
    let low = |bytes: [u8; 8]| [bytes[0], bytes[1], bytes[2], bytes[3]];
    let (element, bytes): (ElementType, Vec<u8>) = match kind {
        "f4" => (ElementType::F32, ordered.flat_map(|b| f32::from_le_bytes(low(b)).to_ne_bytes()).collect()),
        "f8" => (ElementType::F64, ordered.flat_map(|b| f64::from_le_bytes(b).to_ne_bytes()).collect()),
        "i4" => (ElementType::I32, ordered.flat_map(|b| i32::from_le_bytes(low(b)).to_ne_bytes()).collect()),
        "i8" => (ElementType::I64, ordered.flat_map(|b| i64::from_le_bytes(b).to_ne_bytes()).collect()),
        "u4" => (
            ElementType::I64,
            ordered.flat_map(|b| i64::from(u32::from_le_bytes(low(b))).to_ne_bytes()).collect(),
        ),
        "i2" => (
            ElementType::I32,
            ordered.flat_map(|b| i32::from(i16::from_le_bytes([b[0], b[1]])).to_ne_bytes()).collect(),
        ),
        "u2" => (
            ElementType::I32,
            ordered.flat_map(|b| i32::from(u16::from_le_bytes([b[0], b[1]])).to_ne_bytes()).collect(),
        ),
        "i1" => {
            (ElementType::I32, ordered.flat_map(|b| i32::from(b[0].cast_signed()).to_ne_bytes()).collect())
        }
        "u1" => (ElementType::I32, ordered.flat_map(|b| i32::from(b[0]).to_ne_bytes()).collect()),
        "b1" => (ElementType::Bool, ordered.map(|b| u8::from(b[0] != 0)).collect()),
        _ => return Err(unsupported()),
    };
    HostTensor::new(element, dims, bytes).map_err(|error| damaged(error.to_string()))
}

/// The bytes of a `.npy` file.
pub fn write_npy(tensor: &HostTensor) -> Vec<u8> {
    let order = if cfg!(target_endian = "big") { '>' } else { '<' };
    let descr = match tensor.element {
        ElementType::F32 => format!("{order}f4"),
        ElementType::F64 => format!("{order}f8"),
        ElementType::I32 => format!("{order}i4"),
        ElementType::I64 => format!("{order}i8"),
        ElementType::Bool => "|b1".to_owned(),
    };
    let dims: String = tensor.dims.iter().map(|dim| format!("{dim},")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}), }}");
    // Magic, version, length and header together end at a multiple of 64, with a newline.
    let before = MAGIC.len() + 4;
    let padding = (before + header.len() + 1).next_multiple_of(64) - before - header.len() - 1;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(&tensor.bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn arrays_go_out_and_back() {
        for tensor in [
            HostTensor::from_f32(&[2, 3], &[1.0, -2.0, 3.5, 0.0, f32::MAX, 1e-9]).unwrap(),
            HostTensor::from_i64(&[3], &[i64::MIN, 0, i64::MAX]).unwrap(),
            HostTensor::scalar_f64(0.25),
            HostTensor::new(ElementType::Bool, vec![2, 0], vec![]).unwrap(),
        ] {
            let bytes = write_npy(&tensor);
            assert_eq!((bytes.len() - tensor.bytes.len()) % 64, 0);
            assert_eq!(read_npy(&bytes).unwrap(), tensor);
        }
    }

    #[test]
    fn foreign_forms_are_read() {
        let narrow = read_npy(&file("|u1", "(3,)", &[0, 7, 255])).unwrap();
        assert_eq!(narrow.i32_values().unwrap(), [0, 7, 255]);
        let big = read_npy(&file(">f4", "(1,)", &1.5f32.to_be_bytes())).unwrap();
        assert_eq!(big.f32_values().unwrap(), [1.5]);
        let short = read_npy(&file("<i2", "(2,)", &[0xff, 0xff, 1, 0])).unwrap();
        assert_eq!(short.i32_values().unwrap(), [-1, 1]);
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = file("<f4", "(2, 2)", &[0; 16]);
        for end in 0..good.len() {
            assert!(read_npy(&good[..end]).is_err(), "{end}");
        }
        for (descr, shape) in [
            ("<f4", "(18446744073709551615, 2)"),
            ("<f4", "(99999999999,)"),
            ("<f4", "(-1,)"),
            ("<c8", "(1,)"),
            ("<f0", "(1,)"),
            (">f99", "(0,)"),
            ("", "(0,)"),
        ] {
            assert!(read_npy(&file(descr, shape, &[0; 16])).is_err(), "{descr} {shape}");
        }
        let fortran = String::from_utf8_lossy(&good[10..]).into_owned().replace("False", "True ");
        let mut bytes = good[..10].to_vec();
        bytes.extend(fortran.as_bytes());
        assert!(matches!(read_npy(&bytes), Err(ArrayFault::Unsupported(_))));
    }
}
