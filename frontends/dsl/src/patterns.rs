//! Patterns of parameter paths: `*` stands for any text, and a layer's path for all of its values.

use crate::codes;
use dlc_ir::Parameter;
use dlc_types::{Diagnostic, Span, diagnostic::nearest};

/// The fault of a pattern that fits no parameter.
pub(crate) fn unmatched(pattern: &str, span: Span, label: &str, parameters: &[Parameter]) -> Diagnostic {
    let message = format!("no parameter's path fits \"{pattern}\"");
    let near = nearest(pattern, parameters.iter().map(|parameter| parameter.name.as_str()));
    let help = match (near, parameters.first()) {
        (Some(near), _) => format!("did you mean \"{near}\"?"),
        (None, Some(first)) => format!("paths look like \"{}\"; `*` stands for any text", first.name),
        (None, None) => "the model has no parameters".to_owned(),
    };
    Diagnostic::error(codes::PATTERN, message).at(span, label).help(help)
}

/// Whether a path fits a pattern, in which `*` stands for any text. A layer's path stands for its values.
pub fn fits(pattern: &str, path: &str) -> bool {
    if path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.')) {
        return true;
    }
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_any_text() {
        assert!(fits("stem.*", "stem.weight"));
        assert!(fits("*.bias", "stage0.conv1.bias"));
        assert!(fits("stage*.conv*.weight", "stage0.block1.conv1.weight"));
        assert!(fits("stem", "stem.weight"));
        assert!(!fits("stem", "stem_bn.scale"));
        assert!(!fits("stem.*", "stem_bn.scale"));
        assert!(!fits("*.weight", "head.bias"));
    }
}
