//! NumPy's `.npy` files, read with every number checked and written in version 1.0.
//!
//! Format: `\x93NUMPY`, version, length of a header, the header (a Python dict with `descr`,
//! `fortran_order`, `shape`), then the elements. Source: NumPy's documentation of `numpy.lib.format`.
//! A file is data from elsewhere: nothing is allocated that its own length does not warrant.

use crate::encoding::Encoding;
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

/// What stands before the elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type and byte order of the elements.
    pub encoding: Encoding,
    /// The array's extents.
    pub dims: Vec<usize>,
    /// Bytes before the first element.
    pub start: usize,
    /// Bytes of all elements.
    pub length: usize,
}

/// Reads a `.npy` file of floats, integers or bools.
pub fn read_npy(bytes: &[u8]) -> Result<HostTensor, ArrayFault> {
    let header = read_header(bytes)?;
    let data = header.elements(bytes)?;
    let native = header.encoding.native(data);
    HostTensor::new(header.encoding.element, header.dims, native).map_err(|error| damaged(error.to_string()))
}

/// Reads what stands before the elements; `bytes` may end behind it.
pub fn read_header(bytes: &[u8]) -> Result<Header, ArrayFault> {
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
    let encoding = encoding(&descr(entry(header, "descr")?)?)?;
    let count = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
    let length = count.and_then(|count| count.checked_mul(encoding.size()));
    let length = length.ok_or_else(|| damaged("it is too large"))?;
    Ok(Header { encoding, dims, start: bytes.len() - data.len(), length })
}

impl Header {
    /// The elements' bytes in a whole file.
    pub fn elements<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], ArrayFault> {
        let data = file.get(self.start..).unwrap_or_default();
        data.get(..self.length).ok_or_else(|| self.cut_short(file.len() as u64))
    }

    /// The fault of a file that ends before its elements do.
    pub fn cut_short(&self, found: u64) -> ArrayFault {
        damaged(format!(
            "{:?} of {} takes {} bytes behind byte {}, the file has {}",
            self.dims,
            self.encoding.element.name(),
            self.length,
            self.start,
            found.saturating_sub(self.start as u64)
        ))
    }
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

fn encoding(descr: &str) -> Result<Encoding, ArrayFault> {
    let kind = descr.trim_start_matches(['<', '>', '=', '|']);
    let element = match kind {
        "f2" => ElementType::F16,
        "f4" => ElementType::F32,
        "f8" => ElementType::F64,
        "i1" => ElementType::I8,
        "u1" => ElementType::U8,
        "i2" => ElementType::I16,
        "u2" => ElementType::U16,
        "i4" => ElementType::I32,
        "u4" => ElementType::U32,
        "i8" => ElementType::I64,
        "u8" => ElementType::U64,
        "b1" => ElementType::Bool,
        _ => return Err(ArrayFault::Unsupported(format!("the element type `{descr}`"))),
    };
    Ok(Encoding { element, big_endian: descr.starts_with('>') })
}

/// The bytes of a `.npy` file.
///
/// # Errors
/// The format has no name for `bf16`.
pub fn write_npy(tensor: &HostTensor) -> Result<Vec<u8>, ArrayFault> {
    let order = if cfg!(target_endian = "big") { '>' } else { '<' };
    let descr = match tensor.element {
        ElementType::BF16 => {
            return Err(ArrayFault::Unsupported("writing bf16, which `.npy` has no form for,".to_owned()));
        }
        ElementType::F16 => format!("{order}f2"),
        ElementType::F32 => format!("{order}f4"),
        ElementType::F64 => format!("{order}f8"),
        ElementType::I8 => "|i1".to_owned(),
        ElementType::U8 => "|u1".to_owned(),
        ElementType::I16 => format!("{order}i2"),
        ElementType::U16 => format!("{order}u2"),
        ElementType::I32 => format!("{order}i4"),
        ElementType::U32 => format!("{order}u4"),
        ElementType::I64 => format!("{order}i8"),
        ElementType::U64 => format!("{order}u8"),
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
    Ok(bytes)
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
            HostTensor::new(ElementType::F16, vec![1], vec![0, 0x3c]).unwrap(),
            HostTensor::from_i8(&[2], &[-1, 5]).unwrap(),
            HostTensor::from_u8(&[2], &[255, 5]).unwrap(),
            HostTensor::from_i16(&[1], &[-300]).unwrap(),
            HostTensor::from_u16(&[1], &[60_000]).unwrap(),
            HostTensor::from_u32(&[1], &[u32::MAX]).unwrap(),
            HostTensor::from_u64(&[1], &[u64::MAX]).unwrap(),
        ] {
            let bytes = write_npy(&tensor).unwrap();
            assert_eq!((bytes.len() - tensor.bytes.len()) % 64, 0);
            assert_eq!(read_npy(&bytes).unwrap(), tensor);
        }
    }

    #[test]
    fn foreign_forms_are_read() {
        let narrow = read_npy(&file("|u1", "(3,)", &[0, 7, 255])).unwrap();
        assert_eq!(narrow.u8_values().unwrap(), [0, 7, 255]);
        let big = read_npy(&file(">f4", "(1,)", &1.5f32.to_be_bytes())).unwrap();
        assert_eq!(big.f32_values().unwrap(), [1.5]);
        let short = read_npy(&file("<i2", "(2,)", &[0xff, 0xff, 1, 0])).unwrap();
        assert_eq!(short.i16_values().unwrap(), [-1, 1]);
    }

    #[test]
    fn bf16_has_no_form() {
        let tensor = HostTensor::new(ElementType::BF16, vec![1], vec![0x80, 0x3f]).unwrap();
        let error = write_npy(&tensor).unwrap_err().to_string();
        assert_eq!(error, "writing bf16, which `.npy` has no form for, is not supported");
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
