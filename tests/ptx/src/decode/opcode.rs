//! An opcode whose modifiers are taken one by one, so that one that nobody took is noticed.

use crate::types::Type;

#[derive(Debug, Clone)]
pub(super) struct Opcode {
    pub(super) base: String,
    modifiers: Vec<String>,
}

impl Opcode {
    pub(super) fn new(text: &str) -> Self {
        let mut parts = text.split('.').map(str::to_owned);
        Self { base: parts.next().unwrap_or_default(), modifiers: parts.collect() }
    }

    /// Takes a modifier if it is there.
    pub(super) fn take(&mut self, name: &str) -> bool {
        let found = self.modifiers.iter().position(|modifier| modifier == name);
        found.map(|at| self.modifiers.remove(at)).is_some()
    }

    /// Takes whichever of these is there.
    pub(super) fn take_any<'n>(&mut self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.take(name))
    }

    /// Takes the first type.
    pub(super) fn ty(&mut self) -> Option<Type> {
        let at = self.modifiers.iter().position(|modifier| Type::parse(modifier).is_some())?;
        Type::parse(&self.modifiers.remove(at))
    }

    /// Takes the first modifier, whatever it is.
    pub(super) fn first(&mut self) -> Option<String> {
        (!self.modifiers.is_empty()).then(|| self.modifiers.remove(0))
    }

    /// A modifier that nobody took.
    pub(super) fn rest(&self) -> Option<&str> {
        self.modifiers.first().map(String::as_str)
    }
}
