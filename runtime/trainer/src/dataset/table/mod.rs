//! Tables in CSV files.
//!
//! A cell that is no finite number, a missing cell and a row of another length are errors that name row
//! and column; rows count from 1 without the header. Categories are those of all rows, since which ones
//! exist is no statistic; vocabularies and the means that fill gaps are of the training split.

mod names;
mod read;
pub mod words;

pub use read::Sheet;

use super::{Column, Dataset, LabelColumn, read_file, sample_elements};
use crate::fitted::Fitted;
use crate::{Result, TrainError};
use dlc_recipe::{Data, Table};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use words::Texts;

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the message names each field")]
pub enum TableFault {
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
    /// A missing value.
    #[error("row {row} (line {line}): the value of `{column}` is missing; {help}")]
    Missing { row: usize, line: u64, column: String, help: &'static str },
    /// A row that is there already.
    #[error("row {row} (line {line}) equals row {earlier}; `duplicates = \"drop\"` leaves it out")]
    Duplicate { row: usize, line: u64, earlier: usize },
    /// A name that training did not know.
    #[error("row {row} (line {line}), column `{column}`: `{cell}` is no known category ({known}, …)")]
    UnknownName { row: usize, line: u64, column: String, cell: String, known: String },
    /// A column of too many names.
    #[error(
        "the column `{column}` has {found} categories, more than can be one-hot; `index` makes it one number"
    )]
    TooManyNames { column: String, found: usize },
    /// More numbers than fit.
    #[error("the table is too large for memory")]
    TooLarge,
}

/// What the target column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Numbers.
    Number,
    /// Whole numbers from 0, or names of classes when no cell is a number.
    Class,
}

/// What a table is read for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// Kind of the target columns; `None` where they are not read and need not exist.
    pub target: Option<TargetKind>,
    /// Whether a field takes features.
    pub features: bool,
    /// What training has learned of the data.
    pub known: Option<&'a Fitted>,
    /// Whether rows are to be predicted for: then none is left out.
    pub predicting: bool,
}

/// Values of the target column.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Targets {
    /// Not read.
    #[default]
    None,
    /// Numbers, row after row.
    Numbers(Vec<f32>),
    /// Labels, with names where the cells are names, numbered in their order.
    Labels(Vec<i64>, Vec<String>),
}

/// A table as numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableContent {
    /// Rows that were kept.
    pub rows: usize,
    /// How many of them each file has.
    pub files: Vec<usize>,
    /// The number of each row in its file, from 1.
    pub numbers: Vec<usize>,
    /// Names of the feature columns.
    pub columns: Vec<String>,
    /// What each number of a row is.
    pub features: Vec<String>,
    /// Whether it tells a category.
    pub is_category: Vec<bool>,
    /// Feature values, row after row; NaN where one is missing.
    pub values: Vec<f32>,
    /// Numbers of categories, for every column of `index`.
    pub index: Vec<Vec<i64>>,
    /// The columns of text.
    pub texts: Vec<Texts>,
    /// Values of the target.
    pub targets: Targets,
    /// Categories of every column of names.
    pub categories: BTreeMap<String, Vec<String>>,
}

/// Reads one table from its bytes.
pub fn parse_table(
    bytes: &[u8],
    table: &Table,
    purpose: Purpose<'_>,
) -> std::result::Result<TableContent, TableFault> {
    let mut sheet = Sheet::new(table, purpose);
    sheet.add(bytes)?;
    sheet.finish().map_err(|(_, fault)| fault)
}

/// Reads files into one table.
pub(crate) fn read_files(paths: &[PathBuf], table: &Table, purpose: Purpose<'_>) -> Result<TableContent> {
    let told = |file: usize, fault| TrainError::Table { path: paths[file].clone(), fault };
    let mut sheet = Sheet::new(table, purpose);
    for (file, path) in paths.iter().enumerate() {
        sheet.add(&read_file(path)?).map_err(|fault| told(file, fault))?;
    }
    sheet.finish().map_err(|(file, fault)| told(file, fault))
}

/// Whether there is a field for features, by the number of fields.
pub(crate) fn has_features(data: &Data, table: &Table) -> Result<bool> {
    let beside = table.fields_beside_features();
    match data.fields.len() {
        found if found == beside + 1 => Ok(true),
        found if found == beside && found > usize::from(!table.target.is_empty()) => Ok(false),
        found => Err(TrainError::Recipe(format!(
            "the table gives {} fields (features, `index`, `text`, target); the data section names {found}",
            beside + 1
        ))),
    }
}

/// The columns of a table's input fields, in their order.
pub(crate) fn input_columns(content: &mut TableContent, features: bool) -> Vec<Column> {
    let mut columns = Vec::new();
    if features {
        let values = std::mem::take(&mut content.values);
        columns.push(Column::Numbers { values, width: content.features.len() });
    }
    let index = std::mem::take(&mut content.index).into_iter();
    columns.extend(index.map(|values| Column::Integers { values, width: 1 }));
    columns.extend(std::mem::take(&mut content.texts).into_iter().map(Column::Texts));
    columns
}

/// Reads a recipe's table from `path`, and its further files from beside it or as they are named.
pub(crate) fn open(
    data: &Data,
    table: &Table,
    paths: [Option<PathBuf>; 3],
    known: Option<&Fitted>,
) -> Result<Dataset> {
    let features = has_features(data, table)?;
    let target = match data.fields.last().filter(|_| !table.target.is_empty()) {
        None => None,
        // A float field of several elements takes a label one-hot.
        Some(field) if field.ty.dtype.is_float() && sample_elements(field)? == table.target.len() => {
            Some(TargetKind::Number)
        }
        Some(_) => Some(TargetKind::Class),
    };
    if table.target.len() > 1 && target == Some(TargetKind::Class) {
        return Err(TrainError::Recipe("a table has one column of class labels".to_owned()));
    }
    let files: Vec<PathBuf> = paths.iter().flatten().cloned().collect();
    let mut content = read_files(&files, table, Purpose { target, features, known, predicting: false })?;
    let mut counts = content.files.iter().copied();
    let mut part = |path: &Option<PathBuf>| path.as_ref().and_then(|_| counts.next());
    let [_, own_validation, own_test] = [part(&paths[0]), part(&paths[1]), part(&paths[2])];
    let mut columns = input_columns(&mut content, features);
    let (mut class_names, mut labels) = (Vec::new(), None);
    match std::mem::take(&mut content.targets) {
        Targets::None => {}
        Targets::Numbers(values) => columns.push(Column::Numbers { values, width: table.target.len() }),
        Targets::Labels(values, names) => {
            class_names = names;
            labels = Some(LabelColumn { column: columns.len(), ignore: None });
            columns.push(Column::Integers { values, width: 1 });
        }
    }
    let fitted = Fitted {
        classes: class_names.clone(),
        features: content.columns,
        categories: content.categories,
        ..Fitted::default()
    };
    let path: &Path = files.first().map_or(Path::new(""), PathBuf::as_path);
    Ok(Dataset {
        own_validation,
        own_test,
        labels,
        class_names,
        fitted,
        sample_noun: "row",
        numbers: content.numbers,
        feature_names: content.features,
        category_units: content.is_category,
        ..Dataset::new(path, content.rows, columns)
    })
}
