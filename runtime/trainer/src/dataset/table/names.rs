//! Columns of names: categories and their numbers.

use super::TableFault;
use std::collections::BTreeMap;

/// Most categories that become one number each.
pub(super) const MOST_ONE_HOT: usize = 4096;

/// A place in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) row: usize,
    pub(super) line: u64,
}

/// A column of names as it is read.
#[derive(Clone, Debug)]
pub(super) struct NameColumn {
    pub(super) name: String,
    known: BTreeMap<String, u32>,
    names: Vec<String>,
    /// Where each name was first seen.
    first: Vec<Place>,
    ids: Vec<u32>,
}

/// A column as numbers of categories.
pub(super) struct Numbered {
    pub(super) categories: Vec<String>,
    /// `None` for a name that is not among the categories.
    pub(super) numbers: Vec<Option<usize>>,
}

impl NameColumn {
    pub(super) fn new(name: &str) -> NameColumn {
        NameColumn {
            name: name.to_owned(),
            known: BTreeMap::new(),
            names: Vec::new(),
            first: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// Appends a cell; a missing one is the empty name.
    pub(super) fn push(&mut self, cell: &[u8], place: impl FnOnce() -> Place) {
        let cell = String::from_utf8_lossy(cell);
        let id = match self.known.get(cell.as_ref()) {
            Some(&id) => id,
            None => {
                let id = self.names.len() as u32;
                self.known.insert(cell.clone().into_owned(), id);
                self.names.push(cell.into_owned());
                self.first.push(place());
                id
            }
        };
        self.ids.push(id);
    }

    /// Numbers the names: in their order, or as `categories` says. A name that is not there is a fault
    /// unless it is allowed.
    pub(super) fn numbered(
        self,
        categories: Option<&[String]>,
        unknown_allowed: bool,
    ) -> Result<Numbered, (usize, TableFault)> {
        let categories = match categories {
            Some(categories) => categories.to_vec(),
            None => self.known.keys().cloned().collect(),
        };
        let by_name: BTreeMap<&str, usize> =
            categories.iter().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
        let mut of_id = Vec::with_capacity(self.names.len());
        for (name, place) in self.names.iter().zip(&self.first) {
            let number = by_name.get(name.as_str()).copied();
            if number.is_none() && !unknown_allowed {
                let fault = TableFault::UnknownName {
                    row: place.row,
                    line: place.line,
                    column: self.name.clone(),
                    cell: name.chars().take(60).collect(),
                    known: categories.iter().take(10).cloned().collect::<Vec<_>>().join(", "),
                };
                return Err((place.file, fault));
            }
            of_id.push(number);
        }
        let numbers = self.ids.iter().map(|&id| of_id[id as usize]).collect();
        Ok(Numbered { categories, numbers })
    }
}
