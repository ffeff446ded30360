//! Drawing diagnostics as plain text, for golden tests.

use dlc_types::{Diagnostics, SourceMap};
use std::fmt::Write as _;

/// Every diagnostic with its places, the lines they stand in, notes and help.
pub(crate) fn render(sources: &SourceMap, diagnostics: &Diagnostics) -> String {
    let mut text = String::new();
    for diagnostic in &diagnostics.all {
        let _ = writeln!(text, "{diagnostic}");
        for label in &diagnostic.labels {
            let Some(file) = sources.files.get(label.span.file) else { continue };
            let (line, column) = file.line_column(label.span.start);
            let source = file.text.lines().nth(line - 1).unwrap_or("");
            let length = sources.slice(label.span).lines().next().unwrap_or("").chars().count().max(1);
            let _ = writeln!(text, "  --> {}:{line}:{column}", file.name);
            let _ = writeln!(text, "   | {source}");
            let _ = writeln!(text, "   | {}{} {}", " ".repeat(column - 1), "^".repeat(length), label.text);
        }
        for note in &diagnostic.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(text, "  help: {help}");
        }
    }
    text
}
