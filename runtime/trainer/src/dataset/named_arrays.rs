//! NumPy's arrays: one per field, samples along the first axis, of a `.npz` file or a folder of `.npy` files.
//!
//! Large `.npy` files stay where they are; an archive is read into memory.

use super::array::Array;
use super::records::{MEMORY_LIMIT, Records};
use super::{Column, Dataset, LabelColumn, read_file, sample_dims, sample_elements};
use crate::numpy::{ArrayFault, Header, read_header, unpack_npz};
use crate::{Result, TrainError};
use dlc_recipe::{Arrays, Data, Field};
use std::io::Read;
use std::path::Path;

/// Bytes that a header may take, with room for what comes before it.
const HEADER: u64 = (1 << 16) + 12;

fn damaged(path: &Path, name: &str, fault: ArrayFault) -> TrainError {
    TrainError::Format { path: path.to_owned(), place: format!("array `{name}`"), problem: fault.to_string() }
}

fn array_of(header: Header, records: impl FnOnce(usize) -> Result<Records>) -> Result<Option<Array>> {
    let Some((&samples, dims)) = header.dims.split_first() else { return Ok(None) };
    let size = header.length.checked_div(samples).unwrap_or(0);
    Ok(Some(Array { encoding: header.encoding, dims: dims.to_vec(), records: records(size)? }))
}

/// Reads a `.npy` file, or opens it where it is large.
pub(crate) fn open_npy(path: &Path, name: &str) -> Result<Array> {
    let fault = |fault| damaged(path, name, fault);
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => TrainError::MissingData { what: "file", path: path.to_owned() },
        _ => TrainError::File { path: path.to_owned(), cause },
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(HEADER).read_to_end(&mut bytes).map_err(failed)?;
    let header = read_header(&bytes).map_err(fault)?;
    if size < (header.start as u64).saturating_add(header.length as u64) {
        return Err(fault(header.cut_short(size)));
    }
    let (start, length) = (header.start, header.length);
    let samples = header.dims.first().copied().unwrap_or(0);
    let array = if length > MEMORY_LIMIT {
        array_of(header, |size| Records::in_file(path, start as u64, size, samples))?
    } else {
        let rest = (start + length).saturating_sub(bytes.len());
        file.take(rest as u64).read_to_end(&mut bytes).map_err(failed)?;
        bytes.truncate(start + length);
        array_of(header, |size| Ok(Records::in_memory(bytes, start, size)))?
    };
    array.ok_or_else(|| fault(ArrayFault::Unsupported("a single number, which has no samples,".to_owned())))
}

/// Reads one array of an archive.
fn array_in(archive: &[u8], path: &Path, name: &str) -> Result<Array> {
    let fault = |fault| damaged(path, name, fault);
    let mut bytes = unpack_npz(archive, name).map_err(fault)?;
    let header = read_header(&bytes).map_err(fault)?;
    header.elements(&bytes).map_err(fault)?;
    let (start, length) = (header.start, header.length);
    bytes.truncate(start + length);
    let array = array_of(header, |size| Ok(Records::in_memory(bytes, start, size)))?;
    array.ok_or_else(|| fault(ArrayFault::Unsupported("a single number, which has no samples,".to_owned())))
}

/// That a sample has the field's extents, extents of 1 aside.
pub(crate) fn check_dims(field: &Field, array: &Array, path: &Path, name: &str) -> Result<()> {
    let wanted = sample_dims(field)?;
    let real = |dims: &[usize]| dims.iter().copied().filter(|&dim| dim != 1).collect::<Vec<_>>();
    let one_hot = field.ty.dtype.is_float() && array.width() == 1 && !array.encoding.is_float();
    if real(&wanted) == real(&array.dims) || one_hot {
        return Ok(());
    }
    let problem = format!("a sample is {:?}, but the field `{}` is {}", array.dims, field.name, field.ty);
    Err(TrainError::Format { path: path.to_owned(), place: format!("array `{name}`"), problem })
}

/// The arrays of one part.
fn part(data: &Data, path: &Path, archive: Option<&[u8]>, names: &[String]) -> Result<Vec<Array>> {
    if names.len() != data.fields.len() {
        return Err(TrainError::Recipe(format!(
            "{} arrays are named for {} fields",
            names.len(),
            data.fields.len()
        )));
    }
    let mut arrays: Vec<Array> = Vec::new();
    for (field, name) in data.fields.iter().zip(names) {
        let file = path.join(format!("{name}.npy"));
        let (array, place) = match archive {
            Some(archive) => (array_in(archive, path, name)?, path),
            None => (open_npy(&file, name)?, file.as_path()),
        };
        check_dims(field, &array, place, name)?;
        if let Some(first) = arrays.first().filter(|first| first.records.len() != array.records.len()) {
            let problem =
                format!("it has {} samples, `{}` has {}", array.records.len(), names[0], first.records.len());
            let place_in = format!("array `{name}`");
            return Err(TrainError::Format { path: place.to_owned(), place: place_in, problem });
        }
        arrays.push(array);
    }
    Ok(arrays)
}

/// Class numbers are kept as such: they are looked at for every split.
fn column_of(array: Array, is_label: bool) -> Result<Column> {
    if !is_label || array.width() != 1 {
        return Ok(Column::Array(array));
    }
    let (mut values, mut scratch) = (Vec::with_capacity(array.records.len()), Vec::new());
    for sample in 0..array.records.len() {
        array.each_integer(sample, &mut scratch, |value| values.push(value.unwrap_or(i64::MAX)))?;
    }
    Ok(Column::Integers { values, width: 1 })
}

/// Reads a file or folder.
pub(crate) fn open(data: &Data, arrays: &Arrays, path: &Path) -> Result<Dataset> {
    let archive = if path.is_dir() { None } else { Some(read_file(path)?) };
    let own: Vec<String> = data.fields.iter().map(|field| field.name.clone()).collect();
    let training = if arrays.training.is_empty() { &own } else { &arrays.training };
    let mut all = part(data, path, archive.as_deref(), training)?;
    let count = |arrays: &[Array]| arrays.first().map_or(0, |array| array.records.len());
    let mut samples = count(&all);
    let mut counts = [None; 2];
    for (names, own) in [&arrays.validation, &arrays.test].into_iter().zip(&mut counts) {
        if names.is_empty() {
            continue;
        }
        let more = part(data, path, archive.as_deref(), names)?;
        *own = Some(count(&more));
        samples += count(&more);
        for ((array, more), name) in all.iter_mut().zip(more).zip(names) {
            if array.encoding != more.encoding {
                let fault = ArrayFault::Unsupported("another element type than in training".to_owned());
                return Err(damaged(path, name, fault));
            }
            array.records = array.records.clone().followed_by(more.records);
        }
    }
    let last = data.fields.len().saturating_sub(1);
    let one_hot = |field: &Field| sample_elements(field).is_ok_and(|elements| elements > 1);
    let is_label = data.fields.len() > 1
        && all[last].encoding.is_integer()
        && (!data.fields[last].ty.dtype.is_float() || one_hot(&data.fields[last]));
    let columns = all.into_iter().enumerate();
    let columns = columns.map(|(number, array)| column_of(array, is_label && number == last));
    Ok(Dataset {
        own_validation: counts[0],
        own_test: counts[1],
        labels: is_label.then_some(LabelColumn { column: last, ignore: None }),
        ..Dataset::new(path, samples, columns.collect::<Result<_>>()?)
    })
}
