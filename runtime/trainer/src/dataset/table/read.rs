//! Reading the cells of a table, file by file.

use super::names::{MOST_ONE_HOT, NameColumn, Place};
use super::words::Texts;
use super::{Purpose, TableContent, TableFault, TargetKind, Targets};
use dlc_recipe::{Duplicates, Missing, Table};
use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type Fallible<T> = std::result::Result<T, TableFault>;

/// A feature column.
enum Feature {
    Numbers(String, Vec<f32>),
    Names(NameColumn),
}

/// The target's cells.
enum TargetCells {
    None,
    Numbers(Vec<f32>),
    Labels(Labels),
}

/// Class labels as they come in: numbers, names, or the first fault of each reading.
#[derive(Default)]
struct Labels {
    numbers: Vec<i64>,
    names: Vec<String>,
    first_not_number: Option<(usize, TableFault)>,
}

/// Where the columns stand in one file.
struct Positions {
    header: Vec<String>,
    features: Vec<usize>,
    index: Vec<usize>,
    text: Vec<usize>,
    target: Vec<usize>,
}

/// A table while it is read.
pub struct Sheet<'a> {
    table: &'a Table,
    purpose: Purpose<'a>,
    files: Vec<usize>,
    numbers: Vec<usize>,
    features: Option<Vec<Feature>>,
    index: Vec<NameColumn>,
    texts: Vec<Texts>,
    target: TargetCells,
    /// Rows that were read, by their cells.
    seen: HashMap<Vec<u8>, usize>,
}

/// Cells that stand for no value.
const MISSING: [&str; 8] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?"];

fn is_missing(cell: &[u8]) -> bool {
    MISSING.iter().any(|mark| mark.as_bytes() == cell)
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

/// The line a record stands in. The reader's own count stops before blank lines. `counted` has how many lines end before
/// a place where an earlier record began, so that no byte is looked at for every row.
fn line_of(bytes: &[u8], record: &csv::ByteRecord, counted: &Cell<(usize, u64)>) -> u64 {
    let start = record.position().map_or(0, csv::Position::byte);
    let start = usize::try_from(start).unwrap_or(bytes.len()).min(bytes.len());
    let blank = bytes[start..].iter().take_while(|&&byte| byte == b'\n' || byte == b'\r').count();
    let (from, before) = Some(counted.get()).filter(|&(from, _)| from <= start + blank).unwrap_or_default();
    let ends = before + bytes[from..start + blank].iter().filter(|&&byte| byte == b'\n').count() as u64;
    counted.set((start + blank, ends));
    1 + ends
}

/// A row that is being read.
struct Row<'r> {
    bytes: &'r [u8],
    record: &'r csv::ByteRecord,
    header: &'r [String],
    number: usize,
    /// A place, and how many lines end before it.
    counted: &'r Cell<(usize, u64)>,
}

impl Row<'_> {
    fn cell(&self, position: usize) -> &[u8] {
        self.record.get(position).unwrap_or_default()
    }

    fn line(&self) -> u64 {
        line_of(self.bytes, self.record, self.counted)
    }

    fn fault(&self, position: usize, needed: &'static str) -> TableFault {
        TableFault::Cell {
            row: self.number,
            line: self.line(),
            column: self.header[position].clone(),
            cell: String::from_utf8_lossy(self.cell(position)).chars().take(60).collect(),
            needed,
        }
    }

    fn missing(&self, position: usize, dropped_in_training: bool) -> TableFault {
        TableFault::Missing {
            row: self.number,
            line: self.line(),
            column: self.header[position].clone(),
            help: if dropped_in_training {
                "training left such rows out"
            } else {
                "`missing = \"mean\"`, `\"drop\"` or a number says what becomes of it"
            },
        }
    }
}

impl<'a> Sheet<'a> {
    /// Nothing read yet.
    pub fn new(table: &'a Table, purpose: Purpose<'a>) -> Sheet<'a> {
        let target = match purpose.target {
            None => TargetCells::None,
            Some(TargetKind::Number) => TargetCells::Numbers(Vec::new()),
            Some(TargetKind::Class) => TargetCells::Labels(Labels::default()),
        };
        Sheet {
            table,
            purpose,
            files: Vec::new(),
            numbers: Vec::new(),
            features: None,
            index: table.index.iter().map(|name| NameColumn::new(name)).collect(),
            texts: table.text.iter().map(|name| Texts::new(name)).collect(),
            target,
            seen: HashMap::new(),
        }
    }

    /// Reads a file's bytes; gives the number of rows that are kept.
    pub fn add(&mut self, bytes: &[u8]) -> Fallible<usize> {
        let unreadable = |fault: csv::Error| TableFault::Unreadable(fault.to_string());
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(self.table.delimiter)
            .quote(self.table.quote)
            .has_headers(self.table.header)
            .from_reader(bytes);
        let positions = self.positions(reader.byte_headers().map_err(unreadable)?)?;
        let before = self.numbers.len();
        let mut record = csv::ByteRecord::new();
        let mut row = 0;
        let counted = Cell::default();
        while reader.read_byte_record(&mut record).map_err(unreadable)? {
            row += 1;
            let row =
                Row { bytes, record: &record, header: &positions.header, number: row, counted: &counted };
            self.row(&row, &positions)?;
        }
        if row == 0 {
            return Err(TableFault::Empty("row"));
        }
        let kept = self.numbers.len() - before;
        self.files.push(kept);
        Ok(kept)
    }

    /// Finds the columns of a file by its header.
    fn positions(&mut self, header: &csv::ByteRecord) -> Fallible<Positions> {
        let header: Vec<String> = if self.table.header {
            header.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
        } else {
            (1..=header.len()).map(|number| number.to_string()).collect()
        };
        if header.is_empty() || header.iter().all(String::is_empty) {
            return Err(TableFault::Empty("header"));
        }
        let mut places = BTreeMap::new();
        for (position, name) in header.iter().enumerate() {
            if places.insert(name.as_str(), position).is_some() {
                return Err(TableFault::TwoColumns(name.clone()));
            }
        }
        let find = |name: &String| {
            let available = || {
                let more = if header.len() > 20 { ", …" } else { "" };
                header.iter().take(20).cloned().collect::<Vec<_>>().join(", ") + more
            };
            places
                .get(name.as_str())
                .copied()
                .ok_or_else(|| TableFault::NoColumn { name: name.clone(), available: available() })
        };
        let all = |names: &[String]| names.iter().map(find).collect::<Fallible<Vec<usize>>>();
        let table = self.table;
        let target = if self.purpose.target.is_some() { all(&table.target)? } else { Vec::new() };
        let (index, text) = (all(&table.index)?, all(&table.text)?);
        if self.purpose.target.is_some() {
            all(&table.drop)?;
        }
        if let Some(features) = &self.features {
            let names: Vec<String> = features.iter().map(|feature| feature.name().to_owned()).collect();
            let features = all(&names)?;
            return Ok(Positions { header, features, index, text, target });
        }
        let features = self.choose_features(&header, &find)?;
        let one = |&position: &usize| {
            let name = &header[position];
            if table.one_hot.contains(name) {
                Feature::Names(NameColumn::new(name))
            } else {
                Feature::Numbers(name.clone(), Vec::new())
            }
        };
        self.features = Some(features.iter().map(one).collect());
        Ok(Positions { header, features, index, text, target })
    }

    fn choose_features(
        &self,
        header: &[String],
        find: &dyn Fn(&String) -> Fallible<usize>,
    ) -> Fallible<Vec<usize>> {
        let table = self.table;
        if !self.purpose.features {
            return Ok(Vec::new());
        }
        if let Some(known) = self.purpose.known.filter(|known| !known.features.is_empty()) {
            return known.features.iter().map(find).collect();
        }
        let mut features: Vec<usize> = match &table.features {
            Some(names) => names.iter().chain(&table.one_hot).map(find).collect::<Fallible<_>>()?,
            None => {
                table.one_hot.iter().map(find).collect::<Fallible<Vec<_>>>()?;
                let other = [&table.target, &table.drop, &table.index, &table.text];
                let other: BTreeSet<&String> = other.into_iter().flatten().collect();
                (0..header.len()).filter(|&position| !other.contains(&header[position])).collect()
            }
        };
        features.sort_unstable();
        features.dedup();
        if features.is_empty() {
            return Err(TableFault::NoFeatures);
        }
        Ok(features)
    }

    /// Whether a row is left out because something is missing in it, or the fault.
    fn lacks(&self, row: &Row<'_>, positions: &Positions) -> Fallible<bool> {
        let named = positions.features.iter().chain(&positions.index);
        let given = named.copied().find(|&position| is_missing(row.cell(position)));
        let target = positions.target.iter().copied().find(|&position| is_missing(row.cell(position)));
        match (self.table.missing, given, target) {
            (_, None, None) => Ok(false),
            (Missing::Drop, Some(position), _) if self.purpose.predicting => Err(row.missing(position, true)),
            (Missing::Drop, ..) => Ok(true),
            (Missing::Error, Some(position), _) | (_, _, Some(position)) => Err(row.missing(position, false)),
            (Missing::Mean | Missing::Constant(_), Some(_), None) => Ok(false),
        }
    }

    /// Whether a row equals an earlier one and is left out, or the fault.
    fn repeats(&mut self, row: &Row<'_>, positions: &Positions) -> Fallible<bool> {
        if self.table.duplicates == Duplicates::Keep || self.purpose.predicting {
            return Ok(false);
        }
        let all = [&positions.features, &positions.index, &positions.text, &positions.target];
        let mut key = Vec::new();
        for &position in all.into_iter().flatten() {
            let cell = row.cell(position);
            key.extend(cell.len().to_le_bytes());
            key.extend(cell);
        }
        let earlier = match self.seen.entry(key) {
            Entry::Vacant(place) => {
                place.insert(row.number);
                return Ok(false);
            }
            Entry::Occupied(earlier) => *earlier.get(),
        };
        if self.table.duplicates == Duplicates::Drop {
            return Ok(true);
        }
        Err(TableFault::Duplicate { row: row.number, line: row.line(), earlier })
    }

    fn row(&mut self, row: &Row<'_>, positions: &Positions) -> Fallible<()> {
        if row.record.len() != positions.header.len() {
            return Err(TableFault::RowLength {
                row: row.number,
                line: row.line(),
                expected: positions.header.len(),
                found: row.record.len(),
            });
        }
        if self.lacks(row, positions)? || self.repeats(row, positions)? {
            return Ok(());
        }
        let file = self.files.len();
        let place = || Place { file, row: row.number, line: row.line() };
        for (feature, &position) in self.features.iter_mut().flatten().zip(&positions.features) {
            match feature {
                Feature::Numbers(_, values) if is_missing(row.cell(position)) => values.push(f32::NAN),
                Feature::Numbers(_, values) => {
                    let value = number(row.cell(position));
                    values.push(value.ok_or_else(|| row.fault(position, "a number"))?);
                }
                Feature::Names(column) => push_name(column, row.cell(position), place),
            }
        }
        for (column, &position) in self.index.iter_mut().zip(&positions.index) {
            push_name(column, row.cell(position), place);
        }
        for (texts, &position) in self.texts.iter_mut().zip(&positions.text) {
            texts.push(&String::from_utf8_lossy(row.cell(position)), &self.table.words);
        }
        match &mut self.target {
            TargetCells::None => {}
            TargetCells::Numbers(values) => {
                for &position in &positions.target {
                    let value = number(row.cell(position));
                    values.push(value.ok_or_else(|| row.fault(position, "a number"))?);
                }
            }
            TargetCells::Labels(labels) => {
                positions.target.iter().take(1).for_each(|&position| labels.push(row, position, file));
            }
        }
        self.numbers.push(row.number);
        Ok(())
    }

    /// What was read, as numbers. A fault comes with the number of its file.
    pub fn finish(self) -> std::result::Result<TableContent, (usize, TableFault)> {
        let rows = self.numbers.len();
        if rows == 0 {
            return Err((0, TableFault::Empty("row without missing values")));
        }
        let mut content =
            TableContent { rows, files: self.files, numbers: self.numbers, ..Default::default() };
        let unknown_allowed = self.table.unknown_allowed;
        let known = |column: &str| {
            self.purpose.known.and_then(|known| known.categories.get(column)).map(Vec::as_slice)
        };
        let mut parts: Vec<(usize, Part)> = Vec::new();
        for feature in self.features.into_iter().flatten() {
            content.columns.push(feature.name().to_owned());
            match feature {
                Feature::Numbers(name, values) => {
                    content.features.push(name);
                    content.is_category.push(false);
                    parts.push((1, Part::Numbers(values)));
                }
                Feature::Names(column) => {
                    let name = column.name.clone();
                    let numbered = column.numbered(known(&name), unknown_allowed)?;
                    let width = numbered.categories.len();
                    if width > MOST_ONE_HOT {
                        return Err((0, TableFault::TooManyNames { column: name, found: width }));
                    }
                    content.features.extend(numbered.categories.iter().map(|one| format!("{name} = {one}")));
                    content.is_category.extend(std::iter::repeat_n(true, width));
                    content.categories.insert(name, numbered.categories);
                    parts.push((width, Part::Names(numbered.numbers)));
                }
            }
        }
        content.values = interleaved(&parts, rows).ok_or((0, TableFault::TooLarge))?;
        for column in self.index {
            let name = column.name.clone();
            let numbered = column.numbered(known(&name), unknown_allowed)?;
            // 0 stands for a name that is not known, where that is allowed.
            let first = i64::from(unknown_allowed);
            let number = |number: Option<usize>| number.map_or(0, |number| number as i64 + first);
            content.index.push(numbered.numbers.into_iter().map(number).collect());
            content.categories.insert(name, numbered.categories);
        }
        content.texts = self.texts;
        content.targets = match self.target {
            TargetCells::None => Targets::None,
            TargetCells::Numbers(values) => Targets::Numbers(values),
            TargetCells::Labels(labels) => {
                let classes = self.purpose.known.map_or(&[][..], |known| &known.classes);
                labels.finish(rows, classes)?
            }
        };
        Ok(content)
    }
}

/// The cells of a feature, to be put beside each other.
enum Part {
    Numbers(Vec<f32>),
    Names(Vec<Option<usize>>),
}

/// All features, row after row; `None` if that is too much.
fn interleaved(parts: &[(usize, Part)], rows: usize) -> Option<Vec<f32>> {
    let width = parts.iter().try_fold(0usize, |sum, (width, _)| sum.checked_add(*width))?;
    let total = rows.checked_mul(width).filter(|&total| total <= 1 << 32)?;
    let mut values = Vec::new();
    values.try_reserve_exact(total).ok()?;
    values.resize(total, 0.0);
    let mut start = 0;
    for (part_width, part) in parts {
        for (row, out) in values.chunks_exact_mut(width.max(1)).enumerate() {
            match part {
                Part::Numbers(values) => out[start] = values[row],
                Part::Names(numbers) => {
                    if let Some(number) = numbers[row] {
                        out[start + number] = 1.0;
                    }
                }
            }
        }
        start += part_width;
    }
    Some(values)
}

fn push_name(column: &mut NameColumn, cell: &[u8], place: impl FnOnce() -> Place) {
    column.push(if is_missing(cell) { b"" } else { cell }, place);
}

impl Feature {
    fn name(&self) -> &str {
        match self {
            Feature::Numbers(name, _) => name,
            Feature::Names(column) => &column.name,
        }
    }
}

impl Labels {
    fn push(&mut self, row: &Row<'_>, position: usize, file: usize) {
        let cell = row.cell(position);
        if let Some(label) = label(cell) {
            self.numbers.push(label);
            return;
        }
        if self.first_not_number.is_none() {
            self.first_not_number = Some((file, row.fault(position, "a whole number (a class label)")));
        }
        if number(cell).is_none() {
            self.names.push(String::from_utf8_lossy(cell).into_owned());
        }
    }

    fn finish(self, rows: usize, known: &[String]) -> std::result::Result<Targets, (usize, TableFault)> {
        match self.first_not_number {
            None => Ok(Targets::Labels(self.numbers, Vec::new())),
            Some(fault) if self.names.len() < rows => Err(fault),
            Some(fault) => {
                let names: BTreeSet<&String> = self.names.iter().collect();
                let classes =
                    if known.is_empty() { names.into_iter().cloned().collect() } else { known.to_vec() };
                let numbered: BTreeMap<&String, i64> = classes.iter().zip(0..).collect();
                let labels: Option<Vec<i64>> =
                    self.names.iter().map(|name| numbered.get(name).copied()).collect();
                // Only a checkpoint's classes can lack one.
                Ok(Targets::Labels(labels.ok_or(fault)?, classes))
            }
        }
    }
}
