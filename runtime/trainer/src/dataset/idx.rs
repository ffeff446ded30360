//! IDX files, plain or gzipped: MNIST and its kin.
//!
//! Two zero bytes, a type byte, the number of axes, then the extents as big-endian 32-bit numbers and the
//! elements. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST Database", description of the format.

use super::array::Array;
use super::fit::Fit;
use super::picture::Pictures;
use super::records::{MEMORY_LIMIT, Records};
use super::{Column, Dataset, LabelColumn, picture_and_label};
use crate::encoding::Encoding;
use crate::{Result, TrainError};
use dlc_abi::ElementType;
use dlc_recipe::{Data, IdxFiles};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// What stands before the elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxHeader {
    /// Type of the elements, greatest byte first.
    pub encoding: Encoding,
    /// All extents, samples first.
    pub dims: Vec<usize>,
    /// Bytes before the first element.
    pub start: usize,
    /// Bytes of all elements.
    pub length: usize,
}

/// Longest header: four bytes and 255 extents.
const LONGEST_HEADER: usize = 4 + 4 * 255;

/// Reads a header; `Err` tells the byte and what is wrong there.
pub fn parse_idx_header(bytes: &[u8]) -> std::result::Result<IdxHeader, (usize, String)> {
    let cut = || (bytes.len(), "the header ends here".to_owned());
    let &[zero, other_zero, kind, axes] = bytes.first_chunk::<4>().ok_or_else(cut)?;
    if (zero, other_zero) != (0, 0) {
        return Err((0, "this is not an IDX file, which begins with two zero bytes".to_owned()));
    }
    let element = match kind {
        0x08 => ElementType::U8,
        0x09 => ElementType::I8,
        0x0b => ElementType::I16,
        0x0c => ElementType::I32,
        0x0d => ElementType::F32,
        0x0e => ElementType::F64,
        other => return Err((2, format!("{other:#04x} is no element type"))),
    };
    if axes == 0 {
        return Err((3, "it has no axis".to_owned()));
    }
    let start = 4 + 4 * usize::from(axes);
    let extents = bytes.get(4..start).ok_or_else(cut)?;
    let dims: Vec<usize> =
        extents.as_chunks().0.iter().map(|&extent| u32::from_be_bytes(extent) as usize).collect();
    let length = dims.iter().try_fold(element.size(), |product, &dim| product.checked_mul(dim));
    let length = length.ok_or((4, format!("the extents {dims:?} are too large")))?;
    Ok(IdxHeader { encoding: Encoding { element, big_endian: true }, dims, start, length })
}

/// The file of that name, with or without `.gz`.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = folder.join(name);
    let zipped = folder.join(format!("{name}.gz"));
    [plain, zipped].into_iter().find(|path| path.is_file())
}

fn damaged(path: &Path, at: usize, problem: impl Into<String>) -> TrainError {
    TrainError::Format { path: path.to_owned(), place: format!("byte {at}"), problem: problem.into() }
}

/// Reads a file from its bytes; `path` is for messages.
pub fn parse_idx(bytes: &[u8], zipped: bool, path: &Path) -> Result<Array> {
    read_from(bytes, bytes.len() as u64, zipped, path)
}

/// Reads a file: into memory where it is gzipped or small, else record by record.
fn read(path: &Path) -> Result<Array> {
    let failed = |cause| TrainError::File { path: path.to_owned(), cause };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    read_from(file, size, zipped, path)
}

fn read_from<'a>(file: impl Read + 'a, size: u64, zipped: bool, path: &Path) -> Result<Array> {
    let failed = |cause| TrainError::File { path: path.to_owned(), cause };
    let mut reader: Box<dyn Read + 'a> = if zipped {
        Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut bytes = Vec::new();
    reader.by_ref().take(LONGEST_HEADER as u64).read_to_end(&mut bytes).map_err(failed)?;
    let header = parse_idx_header(&bytes).map_err(|(at, problem)| damaged(path, at, problem))?;
    let wanted = header.start.saturating_add(header.length);
    let stream = !zipped && header.length > MEMORY_LIMIT;
    let found = if stream {
        usize::try_from(size).unwrap_or(usize::MAX)
    } else {
        // One byte more tells a file that is too long; the vector grows by what is there.
        let rest = wanted.saturating_add(1).saturating_sub(bytes.len());
        reader.take(rest as u64).read_to_end(&mut bytes).map_err(failed)?;
        bytes.len()
    };
    if found != wanted {
        let than = if found < wanted { "ends here" } else { "goes on" };
        let problem = format!(
            "{:?} of {} take {wanted} bytes with the header, but the file {than}",
            header.dims,
            header.encoding.element.name()
        );
        return Err(damaged(path, found.min(wanted), problem));
    }
    let dims = header.dims[1..].to_vec();
    let size = header.length.checked_div(header.dims[0]).unwrap_or(0);
    let records = if stream {
        Records::in_file(path, header.start as u64, size, header.dims[0])?
    } else {
        Records::in_memory(bytes, header.start, size)
    };
    Ok(Array { encoding: header.encoding, dims, records })
}

/// Pictures and labels of one part.
fn pair(folder: &Path, images: &str, labels: &str) -> Result<(Array, Vec<i64>, PathBuf)> {
    let file = |name: &str| {
        find(folder, name).ok_or_else(|| TrainError::MissingData { what: "file", path: folder.join(name) })
    };
    let (image_path, label_path) = (file(images)?, file(labels)?);
    let (images, labels) = (read(&image_path)?, read(&label_path)?);
    if images.encoding.element != ElementType::U8 || images.dims.len() != 2 {
        let found = format!("{:?} of {}", images.dims, images.encoding.element.name());
        return Err(damaged(&image_path, 2, format!("pictures are bytes with two axes each, not {found}")));
    }
    if labels.encoding.is_float() || labels.width() != 1 {
        return Err(damaged(&label_path, 2, "labels are one integer each"));
    }
    if images.records.len() != labels.records.len() || labels.records.is_empty() {
        let (pictures, labels) = (images.records.len(), labels.records.len());
        return Err(damaged(&label_path, 4, format!("{labels} labels for {pictures} pictures")));
    }
    let (mut values, mut scratch) = (Vec::with_capacity(labels.records.len()), Vec::new());
    for sample in 0..labels.records.len() {
        labels.each_integer(sample, &mut scratch, |value| values.push(value.unwrap_or(i64::MAX)))?;
    }
    Ok((images, values, image_path))
}

/// Reads the training files, and those of the test where they are.
pub(crate) fn open(data: &Data, files: &IdxFiles, folder: &Path) -> Result<Dataset> {
    let (picture, _) = picture_and_label(data, "idx")?;
    if !folder.is_dir() {
        return Err(TrainError::MissingData { what: "folder", path: folder.to_owned() });
    }
    let (images, mut labels, path) = pair(folder, &files.images, &files.labels)?;
    let size = (images.dims[0], images.dims[1]);
    let (mut records, mut own_test) = (images.records, None);
    let usual = Some((IdxFiles::TEST.0.to_owned(), IdxFiles::TEST.1.to_owned()));
    let test = files.test.clone().or(usual.filter(|(images, _)| find(folder, images).is_some()));
    if let Some((test_images, test_labels)) = test {
        let (images, more, path) = pair(folder, &test_images, &test_labels)?;
        if images.dims != [size.0, size.1] {
            let problem = format!("pictures are {:?} here, but {size:?} in training", images.dims);
            return Err(damaged(&path, 8, problem));
        }
        own_test = Some(more.len());
        labels.extend(more);
        records = records.followed_by(images.records);
    }
    let fit = Fit::of(data, &picture.name)?;
    let samples = labels.len();
    Ok(Dataset {
        own_test,
        labels: Some(LabelColumn { column: 1, ignore: None }),
        sample_noun: "picture",
        ..Dataset::new(
            &path,
            samples,
            vec![
                Column::Pictures(Pictures::of_records(1, size, fit, records)),
                Column::Integers { values: labels, width: 1 },
            ],
        )
    })
}
