//! Tables of numbers in CSV files with a header.
//!
//! A cell that is no finite number, a missing cell and a row of another length are errors that name row
//! and column. Rows count from 1 without the header.

use super::{Column, Dataset, read_file, sample_elements};
use crate::{Result, TrainError};
use dlc_recipe::Data;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the message names each field")]
pub enum CsvFault {
    /// No header, or no row.
    #[error("the table has no {0}")]
    Empty(&'static str),
    /// Not CSV at all.
    #[error("this is not a readable table: {0}")]
    Unreadable(String),
    /// A column that the recipe names.
    #[error("there is no column `{name}`; the columns are: {available}")]
    NoColumn { name: String, available: String },
    /// Two columns of one name.
    #[error("two columns are named `{0}`")]
    TwoColumns(String),
    /// Nothing to learn from.
    #[error("no feature column is left")]
    NoFeatures,
    /// A row of another length than the header.
    #[error("row {row} (line {line}) has {found} cells, the header has {expected}")]
    RowLength { row: usize, line: u64, expected: usize, found: usize },
    /// A cell that is not what its column needs.
    #[error("row {row} (line {line}), column `{column}`: `{cell}` is not {needed}")]
    Cell { row: usize, line: u64, column: String, cell: String, needed: &'static str },
}

/// What the target column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Numbers.
    Number,
    /// Whole numbers from 0, or names of classes when no cell is a number.
    Class,
}

/// Which columns are read.
#[derive(Clone, Copy, Debug)]
pub struct CsvColumns<'a> {
    /// The target column and its kind; `None` to read features alone.
    pub target: Option<(&'a str, TargetKind)>,
    /// Feature columns in this order of the file; `None` for all but the target and the excluded.
    pub features: Option<&'a [String]>,
    /// Columns that are no features; they need not exist when `features` are read alone.
    pub drop: &'a [String],
}

/// Values of the target column.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Not read.
    None,
    /// Numbers.
    Numbers(Vec<f32>),
    /// Labels, with names where the cells are names, numbered in their order.
    Labels(Vec<i64>, Vec<String>),
}

/// A table as numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct CsvTable {
    /// Rows without the header.
    pub rows: usize,
    /// Names of the feature columns.
    pub features: Vec<String>,
    /// Feature values, row after row.
    pub values: Vec<f32>,
    /// Values of the target column.
    pub targets: Targets,
}

/// The positions of the columns that are read.
struct Selection<'a> {
    bytes: &'a [u8],
    header: Vec<String>,
    features: Vec<usize>,
    target: Option<usize>,
}

fn select<'a>(
    bytes: &'a [u8],
    header: &csv::ByteRecord,
    columns: &CsvColumns<'_>,
) -> std::result::Result<Selection<'a>, CsvFault> {
    let header: Vec<String> = header.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
    if header.is_empty() || header.iter().all(String::is_empty) {
        return Err(CsvFault::Empty("header"));
    }
    let mut positions = BTreeMap::new();
    for (position, name) in header.iter().enumerate() {
        if positions.insert(name.as_str(), position).is_some() {
            return Err(CsvFault::TwoColumns(name.clone()));
        }
    }
    let find = |name: &str| {
        positions
            .get(name)
            .copied()
            .ok_or_else(|| CsvFault::NoColumn { name: name.to_owned(), available: header.join(", ") })
    };
    let target = columns.target.map(|(name, _)| find(name)).transpose()?;
    let mut excluded = BTreeSet::from_iter(target);
    for name in columns.drop {
        match positions.get(name.as_str()) {
            Some(&position) => {
                excluded.insert(position);
            }
            None if columns.target.is_none() => {}
            None => return Err(find(name).err().unwrap_or(CsvFault::NoFeatures)),
        }
    }
    let mut features = match columns.features {
        Some(names) => names.iter().map(|name| find(name)).collect::<std::result::Result<Vec<_>, _>>()?,
        None => (0..header.len()).filter(|position| !excluded.contains(position)).collect(),
    };
    features.sort_unstable();
    features.dedup();
    if features.is_empty() {
        return Err(CsvFault::NoFeatures);
    }
    Ok(Selection { bytes, header, features, target })
}

fn number(cell: &[u8]) -> Option<f32> {
    std::str::from_utf8(cell).ok()?.parse::<f32>().ok().filter(|value| value.is_finite())
}

fn label(cell: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(cell).ok()?;
    if let Ok(value) = text.parse::<i64>() {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    // Beyond 2^53 not every whole number can be told from its neighbour.
    (value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
}

/// The line a record stands in. The reader's own count stops before blank lines.
fn line_of(bytes: &[u8], record: &csv::ByteRecord) -> u64 {
    let start = record.position().map_or(0, csv::Position::byte);
    let start = usize::try_from(start).unwrap_or(bytes.len()).min(bytes.len());
    let blank = bytes[start..].iter().take_while(|&&byte| byte == b'\n' || byte == b'\r').count();
    1 + bytes[..start + blank].iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// A row's place and a cell of it, to be told when it turns out wrong.
fn cell_fault(
    selection: &Selection<'_>,
    position: usize,
    record: &csv::ByteRecord,
    row: usize,
    needed: &'static str,
) -> CsvFault {
    let cell = String::from_utf8_lossy(record.get(position).unwrap_or_default());
    CsvFault::Cell {
        row,
        line: line_of(selection.bytes, record),
        column: selection.header[position].clone(),
        cell: cell.chars().take(60).collect(),
        needed,
    }
}

/// Class labels as they come in: numbers, names, or the first fault of each reading.
#[derive(Default)]
struct Labels {
    numbers: Vec<i64>,
    names: Vec<String>,
    first_not_number: Option<CsvFault>,
}

impl Labels {
    fn finish(self, rows: usize) -> std::result::Result<Targets, CsvFault> {
        match self.first_not_number {
            None => Ok(Targets::Labels(self.numbers, Vec::new())),
            Some(fault) if self.names.len() < rows => Err(fault),
            Some(_) => {
                let classes: BTreeSet<&String> = self.names.iter().collect();
                let numbered: BTreeMap<&String, i64> = classes.into_iter().zip(0..).collect();
                let labels = self.names.iter().map(|name| numbered[name]).collect();
                Ok(Targets::Labels(labels, numbered.into_keys().cloned().collect()))
            }
        }
    }
}

/// Reads a table from its bytes.
pub fn parse_csv(bytes: &[u8], columns: &CsvColumns<'_>) -> std::result::Result<CsvTable, CsvFault> {
    let unreadable = |fault: csv::Error| CsvFault::Unreadable(fault.to_string());
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let selection = select(bytes, reader.byte_headers().map_err(unreadable)?, columns)?;
    let kind = columns.target.map(|(_, kind)| kind);
    let (mut rows, mut values, mut numbers) = (0usize, Vec::new(), Vec::new());
    let mut labels = Labels::default();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        rows += 1;
        if record.len() != selection.header.len() {
            let line = line_of(bytes, &record);
            let (expected, found) = (selection.header.len(), record.len());
            return Err(CsvFault::RowLength { row: rows, line, expected, found });
        }
        for &position in &selection.features {
            let value = number(&record[position]);
            let fault = || cell_fault(&selection, position, &record, rows, "a number");
            values.push(value.ok_or_else(fault)?);
        }
        let Some(position) = selection.target else { continue };
        let cell = &record[position];
        if kind == Some(TargetKind::Number) {
            let fault = || cell_fault(&selection, position, &record, rows, "a number");
            numbers.push(number(cell).ok_or_else(fault)?);
        } else if let Some(label) = label(cell) {
            labels.numbers.push(label);
        } else {
            if labels.first_not_number.is_none() {
                labels.first_not_number =
                    Some(cell_fault(&selection, position, &record, rows, "a whole number (a class label)"));
            }
            if number(cell).is_none() && !cell.is_empty() {
                labels.names.push(String::from_utf8_lossy(cell).into_owned());
            }
        }
    }
    if rows == 0 {
        return Err(CsvFault::Empty("row"));
    }
    let targets = match kind {
        None => Targets::None,
        Some(TargetKind::Number) => Targets::Numbers(numbers),
        Some(TargetKind::Class) => labels.finish(rows)?,
    };
    let features = selection.features.iter().map(|&position| selection.header[position].clone()).collect();
    Ok(CsvTable { rows, features, values, targets })
}

/// Reads a recipe's table: the first field from the features, the second from the target.
pub(crate) fn open(
    data: &Data,
    path: &Path,
    target: &str,
    features: Option<&[String]>,
    drop: &[String],
) -> Result<Dataset> {
    let bytes = read_file(path)?;
    let kind = match data.fields.as_slice() {
        [_] => None,
        // A float field of several elements takes a label one-hot.
        [_, field] if field.ty.dtype.is_float() && sample_elements(field)? == 1 => Some(TargetKind::Number),
        [_, _] => Some(TargetKind::Class),
        fields => {
            return Err(TrainError::Recipe(format!(
                "a table gives two fields, features and target; the data section names {}",
                fields.len()
            )));
        }
    };
    let columns = CsvColumns { target: Some((target, kind.unwrap_or(TargetKind::Class))), features, drop };
    let table =
        parse_csv(&bytes, &columns).map_err(|fault| TrainError::Table { path: path.to_owned(), fault })?;
    let mut columns = vec![Column::Numbers { values: table.values, width: table.features.len() }];
    let mut class_names = Vec::new();
    if kind.is_some() {
        columns.push(match table.targets {
            Targets::Labels(values, names) => {
                class_names = names;
                Column::Integers { values, width: 1 }
            }
            Targets::Numbers(values) => Column::Numbers { values, width: 1 },
            Targets::None => Column::Numbers { values: Vec::new(), width: 1 },
        });
    }
    Ok(Dataset {
        samples: table.rows,
        columns,
        own_test: None,
        class_names,
        path: path.to_owned(),
        sample_noun: "row",
    })
}
