//! NumPy's `.npz` files: zip archives of `.npy` files, stored or deflated.
//!
//! Only what `numpy.savez` and `numpy.savez_compressed` write is read: one volume, no encryption. Entries
//! are found by the central directory. Source: PKWARE, "APPNOTE.TXT", sections 4.3.7, 4.3.12, 4.3.16.
//! A file is data from elsewhere: an entry is inflated to at most what deflate can make of its bytes.

use super::npy::{ArrayFault, read_npy};
use dlc_runtime::HostTensor;
use std::io::Read;

const END_OF_DIRECTORY: [u8; 4] = *b"PK\x05\x06";
const DIRECTORY_ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";

/// Deflate makes at most this many bytes of one.
const GREATEST_RATIO: usize = 1032;

/// One file of the archive.
struct Entry<'a> {
    name: &'a [u8],
    method: u16,
    compressed: usize,
    header: usize,
}

fn damaged(what: &str) -> ArrayFault {
    ArrayFault::Damaged(what.to_owned())
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ArrayFault> {
    let rest = bytes.get(at..).ok_or_else(|| damaged("it ends early"))?;
    rest.first_chunk::<N>().copied().ok_or_else(|| damaged("it ends early"))
}

fn short(bytes: &[u8], at: usize) -> Result<usize, ArrayFault> {
    Ok(usize::from(u16::from_le_bytes(field(bytes, at)?)))
}

fn long(bytes: &[u8], at: usize) -> Result<usize, ArrayFault> {
    Ok(u32::from_le_bytes(field(bytes, at)?) as usize)
}

fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, ArrayFault> {
    if !bytes.starts_with(&LOCAL_HEADER) {
        return Err(ArrayFault::Kind(".npz"));
    }
    let end = bytes.windows(4).rposition(|window| window == END_OF_DIRECTORY);
    let end = end.ok_or_else(|| damaged("it has no directory"))?;
    let (count, mut at) = (short(bytes, end + 10)?, long(bytes, end + 16)?);
    let mut entries = Vec::new();
    for _ in 0..count {
        if field::<4>(bytes, at)? != DIRECTORY_ENTRY {
            return Err(damaged("its directory is unreadable"));
        }
        if [long(bytes, at + 20)?, long(bytes, at + 42)?].contains(&(u32::MAX as usize)) {
            let what = "an archive beyond 4 GiB (zip64); a folder of `.npy` files does instead";
            return Err(ArrayFault::Unsupported(what.to_owned()));
        }
        let (name, extra, comment) = (short(bytes, at + 28)?, short(bytes, at + 30)?, short(bytes, at + 32)?);
        entries.push(Entry {
            name: bytes.get(at + 46..at + 46 + name).ok_or_else(|| damaged("it ends early"))?,
            method: u16::from_le_bytes(field(bytes, at + 10)?),
            compressed: long(bytes, at + 20)?,
            header: long(bytes, at + 42)?,
        });
        at += 46 + name + extra + comment;
    }
    Ok(entries)
}

fn contents(bytes: &[u8], entry: &Entry<'_>) -> Result<Vec<u8>, ArrayFault> {
    if field::<4>(bytes, entry.header)? != LOCAL_HEADER {
        return Err(damaged("an entry has no header"));
    }
    let start = entry.header + 30 + short(bytes, entry.header + 26)? + short(bytes, entry.header + 28)?;
    let data = start.checked_add(entry.compressed).and_then(|end| bytes.get(start..end));
    let data = data.ok_or_else(|| damaged("an entry ends early"))?;
    match entry.method {
        0 => Ok(data.to_vec()),
        8 => {
            let limit = data.len().saturating_mul(GREATEST_RATIO) as u64;
            let mut inflated = Vec::new();
            flate2::read::DeflateDecoder::new(data)
                .take(limit)
                .read_to_end(&mut inflated)
                .map_err(|error| ArrayFault::Damaged(error.to_string()))?;
            Ok(inflated)
        }
        other => Err(ArrayFault::Unsupported(format!("compression method {other}"))),
    }
}

/// Reads one array of a `.npz` file: the one of that name, or the only one.
pub fn read_npz(bytes: &[u8], name: &str) -> Result<HostTensor, ArrayFault> {
    let entries = entries(bytes)?;
    let only = if let [only] = entries.as_slice() { Some(only) } else { None };
    read_npy(&contents(bytes, named(&entries, name).or_else(|missing| only.ok_or(missing))?)?)
}

/// The `.npy` file of that name in a `.npz` file.
pub fn unpack_npz(bytes: &[u8], name: &str) -> Result<Vec<u8>, ArrayFault> {
    contents(bytes, named(&entries(bytes)?, name)?)
}

fn named<'e, 'b>(entries: &'e [Entry<'b>], name: &str) -> Result<&'e Entry<'b>, ArrayFault> {
    let named =
        |entry: &&Entry<'_>| entry.name == format!("{name}.npy").as_bytes() || entry.name == name.as_bytes();
    entries.iter().find(named).ok_or_else(|| ArrayFault::Missing {
        name: name.to_owned(),
        available: entries
            .iter()
            .map(|entry| String::from_utf8_lossy(entry.name).trim_end_matches(".npy").to_owned())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::numpy::write_npy;
    use std::io::Write;

    /// An archive of `.npy` files; the sizes and offsets that the reader uses are right, sums are zero.
    fn archive(files: &[(&str, &HostTensor)], deflate: bool) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, tensor) in files {
            let name = format!("{name}.npy");
            let plain = write_npy(tensor).unwrap();
            let data = if deflate {
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            } else {
                plain.clone()
            };
            let method: [u8; 2] = if deflate { [8, 0] } else { [0, 0] };
            let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
            let length = u16::try_from(name.len()).unwrap().to_le_bytes();
            let header = bytes.len();
            let shared =
                [&[20, 0, 0, 0][..], &method, &[0; 8], &number(data.len()), &number(plain.len()), &length];
            bytes.extend([&LOCAL_HEADER[..], &shared.concat(), &[0, 0], name.as_bytes(), &data].concat());
            directory.extend([&DIRECTORY_ENTRY[..], &[20, 0], &shared.concat(), &[0; 12]].concat());
            directory.extend([&number(header)[..], name.as_bytes()].concat());
        }
        let start = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let (size, count) = (u32::try_from(directory.len()).unwrap().to_le_bytes(), [files.len() as u8, 0]);
        bytes.extend(directory);
        bytes.extend([&END_OF_DIRECTORY[..], &[0; 4], &count, &count, &size, &start, &[0; 2]].concat());
        bytes
    }

    #[test]
    fn stored_and_deflated_arrays_are_found_by_name() {
        let x = HostTensor::from_f32(&[2, 50], &[0.5; 100]).unwrap();
        let y = HostTensor::from_i32(&[3], &[1, 2, 3]).unwrap();
        for deflate in [false, true] {
            let bytes = archive(&[("x", &x), ("y", &y)], deflate);
            assert_eq!(read_npz(&bytes, "x").unwrap(), x);
            assert_eq!(read_npz(&bytes, "y").unwrap(), y);
            let missing = read_npz(&bytes, "z").unwrap_err();
            assert_eq!(missing.to_string(), "there is no array `z` in the file; it holds: x, y");
            // Who asks for one array may have the only one; who asks for several must not.
            let alone = archive(&[("arr_0", &y)], deflate);
            assert_eq!(read_npz(&alone, "anything").unwrap(), y);
            assert_eq!(unpack_npz(&alone, "arr_0").unwrap(), write_npy(&y).unwrap());
            let missing = unpack_npz(&alone, "x").unwrap_err();
            assert_eq!(missing.to_string(), "there is no array `x` in the file; it holds: arr_0");
        }
    }

    #[test]
    fn damaged_archives_are_errors() {
        let x = HostTensor::from_f32(&[4], &[0.5; 4]).unwrap();
        for deflate in [false, true] {
            let good = archive(&[("x", &x)], deflate);
            for end in 0..good.len() - 4 {
                assert!(read_npz(&good[..end], "x").is_err(), "{end}");
            }
            for place in 0..good.len() {
                let mut bad = good.clone();
                bad[place] ^= 0xff;
                // Some bytes mean nothing to the reader; none may make it panic.
                let _ = read_npz(&bad, "x");
            }
        }
    }
}
