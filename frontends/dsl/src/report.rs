//! Collecting diagnostics while going on.
//!
//! A fault is told once per place and code, although loops and the three modes reach the place many
//! times. What failed becomes [`Poison`], which spreads silently.

use dlc_types::{Diagnostic, Diagnostics, Span};
use std::collections::BTreeSet;

/// A value that failed; the fault is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poison;

/// The result of an evaluation.
pub(crate) type Eval<T> = Result<T, Poison>;

/// How many diagnostics are told at most.
const LIMIT: usize = 100;

/// The collector.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    diagnostics: Diagnostics,
    told: BTreeSet<(&'static str, Option<Span>)>,
}

impl Reporter {
    /// Goes on after the diagnostics of the parser.
    pub(crate) fn new(diagnostics: Diagnostics) -> Reporter {
        Reporter { diagnostics, told: BTreeSet::new() }
    }

    /// Tells a diagnostic, unless the same was told about the same place.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let place = diagnostic.labels.first().map(|label| label.span);
        if self.diagnostics.all.len() < LIMIT && self.told.insert((diagnostic.code, place)) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Tells a diagnostic and fails.
    pub(crate) fn fail<T>(&mut self, diagnostic: Diagnostic) -> Eval<T> {
        self.push(diagnostic);
        Err(Poison)
    }

    /// Whether any error was told.
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.has_errors()
    }

    /// Everything told, ordered by place.
    pub(crate) fn finish(mut self) -> Diagnostics {
        self.diagnostics.all.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span));
        self.diagnostics
    }
}
