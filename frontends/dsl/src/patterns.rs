//! What is said of patterns of parameter paths that fit nothing; [`fits`] is the recipe's.

use crate::codes;
use dlc_ir::Parameter;
pub(crate) use dlc_recipe::fits;
use dlc_types::{Diagnostic, Span, diagnostic::nearest};

/// The fault of a pattern that fits no parameter.
pub(crate) fn unmatched(pattern: &str, span: Span, label: &str, parameters: &[Parameter]) -> Diagnostic {
    let message = format!("no parameter's path fits \"{pattern}\"");
    let names = parameters.iter().map(|parameter| parameter.name.as_str());
    let layers = names.clone().filter_map(|name| Some(name.rsplit_once('.')?.0));
    let near = nearest(pattern, names.chain(layers));
    let help = match (near, parameters.first()) {
        (Some(near), _) => format!("did you mean \"{near}\"?"),
        (None, Some(first)) => format!("paths look like \"{}\"; `*` stands for any text", first.name),
        (None, None) => "the model has no parameters".to_owned(),
    };
    Diagnostic::error(codes::PATTERN, message).at(span, label).help(help)
}
