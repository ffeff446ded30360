//! Cases that other systems computed (`tests/reference`): texts of the language, and numbers.
//!
//! A file is a list of cases. A line is `key = text`, or `name: numbers`; `case NAME` begins a case.

use std::collections::BTreeMap;
use std::path::Path;

/// One case of a file.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The lines that are no numbers, as they are.
    pub lines: Vec<String>,
    /// Numbers by name.
    pub numbers: BTreeMap<String, Vec<f64>>,
}

impl Case {
    /// The text behind `key = `.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
    }

    /// Numbers of that name.
    ///
    /// # Panics
    /// If the case has none.
    pub fn of(&self, name: &str) -> &[f64] {
        self.numbers.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    /// The same, rounded to `f32`.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.of(name).iter().map(|&value| value as f32).collect()
    }
}

/// Reads a file of `tests/reference`.
///
/// # Panics
/// If it cannot be read.
pub fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("case ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{file} does not begin with a case"));
        let numbers = line.split_once(": ").and_then(|(name, rest)| {
            let numbers: Result<Vec<f64>, _> = rest.split(' ').map(str::parse).collect();
            Some((name.to_owned(), numbers.ok()?))
        });
        match numbers {
            Some((name, numbers)) => {
                case.numbers.insert(name, numbers);
            }
            None => case.lines.push(line.to_owned()),
        }
    }
    cases
}

/// Checks numbers against those of a case, to `tolerance` of each number's size, or of 1 if that is less.
///
/// # Panics
/// If they differ.
pub fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (a, b)) in found.iter().zip(expected).enumerate() {
        let off = (a - b).abs() / b.abs().max(1.0);
        assert!(off <= tolerance, "{what}: number {at} is {a} instead of {b}, off by {off:.1e}");
    }
}
