//! The values that a graph can see: its own, and those around it.

use super::value::Value;
use std::collections::BTreeMap;

/// A value, and whether it is the same in every run.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// Whether it is an initializer.
    pub(super) fixed: bool,
}

/// Values by name.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) values: BTreeMap<String, Entry>,
    pub(super) outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.values.get(name).or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }

    pub(super) fn insert(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), Entry { value, fixed: false });
    }
}
