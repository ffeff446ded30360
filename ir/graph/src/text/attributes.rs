//! Attributes of an op in the text form: `key=value`, each taken once by the op that knows it.

use std::collections::BTreeMap;
use std::str::FromStr;

/// A value as written.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Word(&'a str),
    List(Vec<Item<'a>>),
}

/// An item of a list.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    Word(&'a str),
    Pair(&'a str, &'a str),
}

/// Attributes that no op has taken yet.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    values: BTreeMap<&'a str, Value<'a>>,
}

type Result<T> = std::result::Result<T, String>;

impl<'a> Attributes<'a> {
    pub(super) fn insert(&mut self, key: &'a str, value: Value<'a>) -> Result<()> {
        match self.values.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(format!("attribute {key} stands twice")),
        }
    }

    /// All attributes must have been taken.
    pub(super) fn finish(self, op: &str) -> Result<()> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("{op} has no attribute {key}")),
        }
    }

    fn take(&mut self, key: &str) -> Result<Value<'a>> {
        self.values.remove(key).ok_or_else(|| format!("attribute {key} is missing"))
    }

    fn take_list(&mut self, key: &str) -> Result<Vec<Item<'a>>> {
        match self.take(key)? {
            Value::List(items) => Ok(items),
            Value::Word(word) => Err(format!("attribute {key} needs a list, not {word}")),
        }
    }

    pub(super) fn word(&mut self, key: &str) -> Result<&'a str> {
        match self.take(key)? {
            Value::Word(word) => Ok(word),
            Value::List(_) => Err(format!("attribute {key} needs one value, not a list")),
        }
    }

    /// A number or a truth value.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str) -> Result<T> {
        number(self.word(key)?)
    }

    /// The variant of that name.
    pub(super) fn named<T>(&mut self, key: &str, from_name: fn(&str) -> Option<T>) -> Result<T> {
        let name = self.word(key)?;
        from_name(name).ok_or_else(|| format!("{key} cannot be {name}"))
    }

    pub(super) fn list(&mut self, key: &str) -> Result<Vec<usize>> {
        self.words(key)?.into_iter().map(number).collect()
    }

    /// A list of limits, where `end` stands for the whole axis.
    pub(super) fn limits(&mut self, key: &str) -> Result<Vec<usize>> {
        let limit = |word| if word == "end" { Ok(usize::MAX) } else { number(word) };
        self.words(key)?.into_iter().map(limit).collect()
    }

    pub(super) fn pairs<T: FromStr>(&mut self, key: &str) -> Result<Vec<(T, T)>> {
        let pair = |item| match item {
            Item::Pair(first, second) => Ok((number(first)?, number(second)?)),
            Item::Word(word) => Err(format!("attribute {key} needs pairs, not {word}")),
        };
        self.take_list(key)?.into_iter().map(pair).collect()
    }

    fn words(&mut self, key: &str) -> Result<Vec<&'a str>> {
        let word = |item| match item {
            Item::Word(word) => Ok(word),
            Item::Pair(..) => Err(format!("attribute {key} needs single values, not pairs")),
        };
        self.take_list(key)?.into_iter().map(word).collect()
    }
}

/// A number of the type that is asked for.
pub(super) fn number<T: FromStr>(word: &str) -> Result<T> {
    word.parse().map_err(|_| format!("{word} is not a number that fits here"))
}

/// A float in any of its forms.
pub(super) fn float(word: &str) -> Result<f64> {
    match word.strip_prefix("nan0x") {
        Some(digits) => match u64::from_str_radix(digits, 16).map(f64::from_bits) {
            Ok(value) if value.is_nan() => Ok(value),
            _ => Err(format!("{word} is not a NaN")),
        },
        None => number(word),
    }
}
