//! Diagnostics for people (drawn by miette, with the source under a caret) and for scripts (JSON).

use dlc_types::{Diagnostic, Diagnostics, FileId, Severity, SourceMap, Span};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report, SourceSpan,
};
use serde_json::{Value, json};

/// Columns that a drawing may take.
const WIDTH: usize = 110;

/// All diagnostics, drawn one after the other.
pub fn draw_diagnostics(sources: &SourceMap, diagnostics: &Diagnostics, colour: bool) -> String {
    diagnostics.all.iter().map(|one| draw(sources, one, colour)).collect::<Vec<_>>().join("\n")
}

fn draw(sources: &SourceMap, diagnostic: &Diagnostic, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
    let main = diagnostic.labels.first().map(|label| label.span.file);
    let notes = notes(sources, diagnostic, main);
    if !notes.is_empty() {
        handler = handler.with_footer(notes.join("\n"));
    }
    let report = report(sources, diagnostic, main);
    let mut text = String::new();
    match handler.render_report(&mut text, report.as_ref()) {
        Ok(()) => text,
        // Drawing into a string fails only for a span outside of its text.
        Err(_) => format!("{diagnostic}\n"),
    }
}

fn report(sources: &SourceMap, diagnostic: &Diagnostic, main: Option<FileId>) -> Report {
    let labels = diagnostic.labels.iter().filter(|label| Some(label.span.file) == main);
    let labels = labels.map(|label| {
        let (start, length) = (label.span.start as usize, label.span.end.saturating_sub(label.span.start));
        LabeledSpan::new_with_span(Some(label.text.clone()), SourceSpan::new(start.into(), length as usize))
    });
    let mut drawn = MietteDiagnostic::new(diagnostic.message.clone())
        .with_code(diagnostic.code)
        .with_severity(match diagnostic.severity {
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
        .with_labels(labels);
    drawn.help.clone_from(&diagnostic.help);
    let report = Report::new(drawn);
    match main.and_then(|file| sources.files.get(file)) {
        Some(file) => report.with_source_code(NamedSource::new(&file.name, file.text.clone())),
        None => report,
    }
}

/// Notes, and the places in other files than the first one's.
fn notes(sources: &SourceMap, diagnostic: &Diagnostic, main: Option<FileId>) -> Vec<String> {
    let elsewhere = diagnostic.labels.iter().filter(|label| Some(label.span.file) != main);
    let elsewhere = elsewhere.map(|label| format!("{}: {}", place(sources, label.span), label.text));
    let notes = diagnostic.notes.iter().map(|note| format!("note: {note}"));
    notes.chain(elsewhere).collect()
}

fn place(sources: &SourceMap, span: Span) -> String {
    match sources.files.get(span.file) {
        Some(file) => {
            let (line, column) = file.line_column(span.start);
            format!("{}:{line}:{column}", file.name)
        }
        None => "unknown place".to_owned(),
    }
}

/// One diagnostic as an object: `severity`, `code`, `message`, `labels` (each with `file`, `line`,
/// `column`, `end_line`, `end_column`, all counted from one, and `text`), `notes`, `help`.
pub fn diagnostic_json(sources: &SourceMap, diagnostic: &Diagnostic) -> Value {
    let labels = diagnostic.labels.iter().map(|label| {
        let file = sources.files.get(label.span.file);
        let (line, column) = file.map_or((1, 1), |file| file.line_column(label.span.start));
        let (end_line, end_column) = file.map_or((1, 1), |file| file.line_column(label.span.end));
        json!({
            "file": file.map_or("", |file| file.name.as_str()),
            "line": line, "column": column, "end_line": end_line, "end_column": end_column,
            "text": label.text,
        })
    });
    json!({
        "severity": match diagnostic.severity { Severity::Warning => "warning", Severity::Error => "error" },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "labels": labels.collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (SourceMap, Diagnostics) {
        let mut sources = SourceMap::default();
        let file = sources.add("a.dsl", "dlc 1\nmodel é(x)\n");
        let other = sources.add("b.dsl", "block b\n");
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(
            Diagnostic::error("DLC0301", "5 against 4")
                .at(Span::new(file, 15, 16), "here")
                .at(Span::new(other, 6, 7), "declared here")
                .note("a rule")
                .help("a way out"),
        );
        (sources, diagnostics)
    }

    #[test]
    fn drawings_name_place_rule_and_way_out_and_are_plain_without_colour() {
        let (sources, diagnostics) = example();
        let text = draw_diagnostics(&sources, &diagnostics, false);
        for part in ["DLC0301", "5 against 4", "a.dsl:2:", "here", "note: a rule", "a way out", "b.dsl:1:7"] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(draw_diagnostics(&sources, &diagnostics, true).contains('\u{1b}'));
    }

    #[test]
    fn json_counts_lines_and_characters_from_one() {
        let (sources, diagnostics) = example();
        let value = diagnostic_json(&sources, &diagnostics.all[0]);
        assert_eq!(value["labels"][0]["line"], 2);
        assert_eq!(value["labels"][0]["column"], 9);
        assert_eq!(value["labels"][1]["file"], "b.dsl");
        assert_eq!(value["help"], "a way out");
    }
}
