//! Settings from the command line: `train.epochs=3`, `data.batch=64`, `resnet.width=32`, `dim.L=128`.
//!
//! A setting replaces what the file says before anything is elaborated. `train.optimizer.lr=0.1` reaches
//! an argument of a call. The same change can be made to the text, so that a file says what settings said.

use crate::ast::{Argument, Entry, Expr, ExprKind, File, Ident};
use crate::codes;
use crate::parser;
use crate::program::Program;
use dlc_types::{Diagnostic, Diagnostics, FileId, SourceMap, Span, diagnostic::nearest};

/// Where in a file a setting's value belongs.
struct Place {
    /// What the value replaces; empty where nothing was.
    at: Span,
    /// What stands in front of a value that was not there.
    lead: String,
    /// What stands behind it.
    trail: &'static str,
}

impl Place {
    fn of(value: &Expr) -> Place {
        Place { at: value.span, lead: String::new(), trail: "" }
    }

    fn behind(span: Span, lead: String) -> Place {
        Place { at: Span { start: span.end, ..span }, lead, trail: "" }
    }
}

/// The text of a file that says itself what a setting says.
///
/// # Errors
/// A setting that fits nothing in the file, or one that has no place in its text: a dimension, or a source with
/// its fields.
pub(crate) fn write_one(
    sources: &mut SourceMap,
    main: FileId,
    setting: &(String, String),
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let mut file = parser::parse(sources, main, diagnostics);
    let (path, value) = setting;
    let (entry, span) = parsed(path, value, sources, diagnostics)?;
    if !entry.fields.is_empty() || path.starts_with("dim.") {
        let help = "give it on the command line".to_owned();
        diagnostics.push(
            Diagnostic::error(codes::SETTING, format!("the setting `{path}` cannot be written into a file"))
                .at(span, "no place for it")
                .help(help),
        );
        return None;
    }
    match apply_one(&mut file, &mut Program::default(), path, entry, span) {
        Ok(Some(Place { at, lead, trail })) if at.file == main => {
            let text = sources.files.get(main).map_or("", |file| file.text.as_str());
            let (before, after) = (text.get(..at.start as usize)?, text.get(at.end as usize..)?);
            Some(format!("{before}{lead}{value}{trail}{after}"))
        }
        Ok(_) => None,
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            None
        }
    }
}

/// A setting as an entry, and the place of its path.
fn parsed(
    path: &str,
    value: &str,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<(Entry, Span)> {
    let source = sources.add("--set", format!("{path}={value}"));
    let span = Span::new(source, 0, path.len());
    let key = Ident { text: path.rsplit('.').next().unwrap_or("").to_owned(), span };
    Some((parser::parse_entry(sources, source, key, diagnostics)?, span))
}

/// Applies all settings.
pub(crate) fn apply(
    file: &mut File,
    program: &mut Program,
    settings: &[(String, String)],
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) {
    for (path, value) in settings {
        let Some((entry, span)) = parsed(path, value, sources, diagnostics) else { continue };
        if let Err(diagnostic) = apply_one(file, program, path, entry, span) {
            diagnostics.push(diagnostic);
        }
    }
}

fn apply_one(
    file: &mut File,
    program: &mut Program,
    path: &str,
    entry: Entry,
    span: Span,
) -> Result<Option<Place>, Diagnostic> {
    let parts: Vec<&str> = path.split('.').collect();
    let [section, key, inner @ ..] = parts.as_slice() else {
        return Err(unknown(path, span, "settings are written `SECTION.KEY=VALUE`".to_owned()));
    };
    if *section == "dim" {
        let Some(Expr { kind: ExprKind::Int(size), .. }) = entry.values.first() else {
            return Err(unknown(path, span, "a dimension is a number, as in `dim.L=128`".to_owned()));
        };
        // Names of extents from files of other formats may have dots.
        program.dims.insert(path["dim.".len()..].to_owned(), *size);
        return Ok(None);
    }
    if let Some(data) = file.data.iter_mut().find(|data| *section == "data" || data.name.text == *section) {
        return replace(&mut data.entries, key, inner, entry, path, span).map(Some);
    }
    if *section == "train" {
        let Some(train) = file.train.first_mut() else {
            return Err(unknown(path, span, "the file has no `train` section".to_owned()));
        };
        return replace(&mut train.entries, key, inner, entry, path, span).map(Some);
    }
    let Some(model) = file.models.iter_mut().find(|model| *section == "model" || model.name.text == *section)
    else {
        let known = file.models.iter().map(|model| model.name.text.as_str());
        let known =
            known.chain(file.data.iter().map(|data| data.name.text.as_str())).chain(["train", "data"]);
        let help = match nearest(section, known) {
            Some(near) => format!("did you mean `{near}.{key}`?"),
            None => "sections are `train`, `data` and the model's name".to_owned(),
        };
        return Err(unknown(path, span, help));
    };
    match (model.options.iter_mut().find(|(name, _)| name.text == *key), entry.values.into_iter().next()) {
        (Some((_, default)), Some(value)) if inner.is_empty() => {
            let place = Place::of(default);
            *default = value;
            Ok(Some(place))
        }
        _ => {
            let known: Vec<&str> = model.options.iter().map(|(name, _)| name.text.as_str()).collect();
            let help = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{section}.{near}`?"),
                None if known.is_empty() => format!("the model `{}` has no options", model.name.text),
                None => format!("the model's options are {}", known.join(", ")),
            };
            Err(unknown(path, span, help))
        }
    }
}

fn unknown(path: &str, span: Span, help: String) -> Diagnostic {
    Diagnostic::error(codes::SETTING, format!("the setting `{path}` fits nothing"))
        .at(span, "unknown setting")
        .help(help)
}

/// Where a section gets a new key: behind its last one, or in front where that has fields behind it.
fn place_of_new(entries: &[Entry], key: &str, otherwise: Span) -> Place {
    let plain = entries.iter().rev().find(|entry| entry.fields.is_empty());
    if let Some(last) = plain.and_then(|entry| entry.values.last()) {
        return Place::behind(last.span, format!("\n{key} = "));
    }
    let first = entries.first().map_or(otherwise, |entry| entry.key.span);
    Place { at: Span { end: first.start, ..first }, lead: format!("{key} = "), trail: "\n" }
}

/// Replaces or adds an entry, or an argument of the call that it holds.
fn replace(
    entries: &mut Vec<Entry>,
    key: &str,
    inner: &[&str],
    entry: Entry,
    path: &str,
    span: Span,
) -> Result<Place, Diagnostic> {
    let new = place_of_new(entries, key, span);
    let near = nearest(key, entries.iter().map(|entry| entry.key.text.as_str())).map(str::to_owned);
    let found = entries.iter_mut().find(|found| found.key.text == key);
    if inner.is_empty() {
        return Ok(match found {
            Some(found) => {
                let of = |value: Option<&Expr>| value.map_or(found.key.span, |value| value.span);
                let at = of(found.values.first()).to(of(found.values.last()));
                found.values = entry.values;
                if !entry.fields.is_empty() {
                    found.fields = entry.fields;
                }
                Place { at, lead: String::new(), trail: "" }
            }
            None => {
                entries.push(entry);
                new
            }
        });
    }
    let value = found.and_then(|found| found.values.first_mut());
    let (Some(mut target), Some(new)) = (value, entry.values.into_iter().next()) else {
        let help = match near {
            Some(near) => format!("the section has no `{key}`; did you mean `{near}`?"),
            None => format!("the section has no `{key}`"),
        };
        return Err(unknown(path, span, help));
    };
    for (position, name) in inner.iter().enumerate() {
        let ExprKind::Call(call) = &mut target.kind else {
            return Err(unknown(path, span, format!("`{key}` is not a call, so it has no `{name}`")));
        };
        let known = call
            .arguments
            .iter()
            .position(|argument| argument.name.as_ref().is_some_and(|known| known.text == *name));
        let place = match (known, call.arguments.last()) {
            (Some(index), _) => Place::of(&call.arguments[index].value),
            (None, Some(last)) => Place::behind(last.value.span, format!(", {name} = ")),
            // Behind the bracket that opens.
            (None, None) => Place::behind(call.opening, format!("{name} = ")),
        };
        let index = known.unwrap_or_else(|| {
            let name = Ident { text: (*name).to_owned(), span };
            call.arguments.push(Argument { name: Some(name), value: new.clone() });
            call.arguments.len() - 1
        });
        if position + 1 == inner.len() {
            call.arguments[index].value = new;
            return Ok(place);
        }
        target = &mut call.arguments[index].value;
    }
    Err(unknown(path, span, format!("`{key}` is not all of a setting")))
}
