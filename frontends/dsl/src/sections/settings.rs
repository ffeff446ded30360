//! Settings from the command line: `train.epochs=3`, `data.batch=64`, `resnet.width=32`, `dim.L=128`.
//!
//! A setting replaces what the file says before anything is elaborated. `train.optimizer.lr=0.1` reaches
//! an argument of a call.

use crate::ast::{Argument, Entry, Expr, ExprKind, File, Ident};
use crate::codes;
use crate::parser;
use crate::program::Program;
use dlc_types::{Diagnostic, Diagnostics, SourceMap, Span, diagnostic::nearest};

/// Applies all settings.
pub(crate) fn apply(
    file: &mut File,
    program: &mut Program,
    settings: &[(String, String)],
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) {
    for (path, value) in settings {
        let text = format!("{path}={value}");
        let source = sources.add("--set", text);
        let span = Span::new(source, 0, path.len());
        let key = Ident { text: path.rsplit('.').next().unwrap_or("").to_owned(), span };
        let Some(entry) = parser::parse_entry(sources, source, key, diagnostics) else { continue };
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
) -> Result<(), Diagnostic> {
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
        return Ok(());
    }
    if let Some(data) = file.data.iter_mut().find(|data| *section == "data" || data.name.text == *section) {
        return replace(&mut data.entries, key, inner, entry, path, span);
    }
    if *section == "train" {
        let Some(train) = file.train.first_mut() else {
            return Err(unknown(path, span, "the file has no `train` section".to_owned()));
        };
        return replace(&mut train.entries, key, inner, entry, path, span);
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
            *default = value;
            Ok(())
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

/// Replaces or adds an entry, or an argument of the call that it holds.
fn replace(
    entries: &mut Vec<Entry>,
    key: &str,
    inner: &[&str],
    entry: Entry,
    path: &str,
    span: Span,
) -> Result<(), Diagnostic> {
    let found = entries.iter_mut().find(|found| found.key.text == key);
    if inner.is_empty() {
        match found {
            Some(found) => {
                found.values = entry.values;
                if !entry.fields.is_empty() {
                    found.fields = entry.fields;
                }
            }
            None => entries.push(entry),
        }
        return Ok(());
    }
    let value = found.and_then(|found| found.values.first_mut());
    let (Some(mut target), Some(new)) = (value, entry.values.into_iter().next()) else {
        return Err(unknown(path, span, format!("the section has no `{key}`")));
    };
    for (position, name) in inner.iter().enumerate() {
        let ExprKind::Call(call) = &mut target.kind else {
            return Err(unknown(path, span, format!("`{key}` is not a call, so it has no `{name}`")));
        };
        let index = call
            .arguments
            .iter()
            .position(|argument| argument.name.as_ref().is_some_and(|known| known.text == *name));
        let index = index.unwrap_or_else(|| {
            let name = Ident { text: (*name).to_owned(), span };
            call.arguments.push(Argument { name: Some(name), value: new.clone() });
            call.arguments.len() - 1
        });
        if position + 1 == inner.len() {
            call.arguments[index].value = new;
            return Ok(());
        }
        target = &mut call.arguments[index].value;
    }
    Ok(())
}
