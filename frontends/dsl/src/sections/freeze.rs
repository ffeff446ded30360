//! Parameters that are not trained.

use crate::codes;
use crate::patterns::{fits, unmatched};
use crate::report::Reporter;
use dlc_ir::Parameter;
use dlc_types::{Diagnostic, Span};

/// Marks the parameters that the patterns fit; a pattern that fits none is an error.
pub(super) fn freeze(parameters: &mut [Parameter], patterns: &[(String, Span)], reporter: &mut Reporter) {
    for (pattern, span) in patterns {
        let mut found = false;
        for parameter in parameters.iter_mut().filter(|parameter| fits(pattern, &parameter.name)) {
            parameter.trainable = false;
            found = true;
        }
        if !found {
            reporter.push(unmatched(pattern, *span, "freezes nothing", parameters));
        }
    }
    if !patterns.is_empty() && parameters.iter().all(|parameter| !parameter.trainable) {
        let span = patterns[0].1;
        let message = "every parameter is frozen, so nothing is trained";
        reporter.push(Diagnostic::error(codes::PATTERN, message).at(span, "freezes everything"));
    }
}
