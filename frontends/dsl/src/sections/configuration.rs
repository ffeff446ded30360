//! Reading `key = value` entries.

use crate::ast::{Call, Entry, Expr, ExprKind, Ident};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;
use dlc_types::{Diagnostic, Span, diagnostic::nearest};

/// A function that a key takes, with its parameters.
pub(super) type Form = (&'static str, &'static [Parameter<'static>]);

/// Tells unknown and repeated keys. Keys in `several` may stand on several lines.
pub(super) fn check_keys(
    el: &mut Elaborator<'_>,
    section: &str,
    entries: &[Entry],
    keys: &[&str],
    several: &[&str],
) {
    for (position, entry) in entries.iter().enumerate() {
        let key = entry.key.text.as_str();
        if !keys.contains(&key) {
            let help = match nearest(key, keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys are {}", keys.join(", ")),
            };
            let message = format!("a `{section}` section has no key `{key}`");
            el.reporter
                .push(Diagnostic::error(codes::KEY, message).at(entry.key.span, "unknown key").help(help));
        }
        let first = entries[..position].iter().find(|first| first.key.text == key);
        if let Some(first) = first.filter(|_| keys.contains(&key) && !several.contains(&key)) {
            let message = format!("`{key}` is given twice");
            el.reporter.push(
                Diagnostic::error(codes::DUPLICATE, message)
                    .at(entry.key.span, "again")
                    .at(first.key.span, "first here"),
            );
        }
        if key != "source" && !entry.fields.is_empty() {
            let message = format!("`{key}` yields no fields");
            el.reporter.push(
                Diagnostic::error(codes::SYNTAX, message).at(entry.key.span, "only `source` has `-> (…)`"),
            );
        }
    }
}

/// The entry of that key.
pub(super) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key.text == key)
}

/// The one value of an entry.
pub(super) fn single<'a>(el: &mut Elaborator<'_>, entry: &'a Entry) -> Eval<&'a Expr> {
    match entry.values.as_slice() {
        [value] => Ok(value),
        _ => {
            let message = format!("`{}` takes one value", entry.key.text);
            el.fail_at(codes::ARGUMENT, message, entry.key.span, format!("{} values", entry.values.len()))
        }
    }
}

/// A call of one of several forms, with its arguments.
pub(super) fn form(
    el: &mut Elaborator<'_>,
    what: &str,
    expr: &Expr,
    forms: &[Form],
) -> Eval<(&'static str, Arguments)> {
    match &expr.kind {
        ExprKind::Call(call) => called_form(el, what, call, forms),
        _ => {
            let names: Vec<&str> = forms.iter().map(|(name, _)| *name).collect();
            let message = format!("{what} is written as a call of {}", names.join(", "));
            el.fail_at(codes::KIND, message, expr.span, "not a call")
        }
    }
}

/// The same for a call at hand.
pub(super) fn called_form(
    el: &mut Elaborator<'_>,
    what: &str,
    call: &Call,
    forms: &[Form],
) -> Eval<(&'static str, Arguments)> {
    let name = call.callee.text.as_str();
    let Some(&(name, parameters)) = forms.iter().find(|(known, _)| *known == name) else {
        let help = match nearest(name, forms.iter().map(|(known, _)| *known)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names: Vec<&str> = forms.iter().map(|(known, _)| *known).collect();
                format!("there are {}", names.join(", "))
            }
        };
        return el.fail(
            Diagnostic::error(codes::CALLEE, format!("{what} cannot be `{name}`"))
                .at(call.callee.span, "unknown")
                .help(help),
        );
    };
    let given = el.given(call);
    let arguments = el.match_arguments(name, parameters, false, given, call.span)?;
    Ok((name, arguments))
}

/// A whole number within bounds.
pub(super) fn whole(
    el: &mut Elaborator<'_>,
    entry: &Entry,
    bounds: std::ops::RangeInclusive<i64>,
) -> Eval<i64> {
    let expr = single(el, entry)?;
    match el.expr(expr)? {
        Value::Int(value) if bounds.contains(&value) => Ok(value),
        other => {
            let message = format!(
                "`{}` is a whole number in {}..={}, not {}",
                entry.key.text,
                bounds.start(),
                bounds.end(),
                other.describe(&el.builder)
            );
            el.fail_at(codes::RANGE, message, expr.span, "out of range")
        }
    }
}

/// A list of strings; one string is a list of one.
pub(super) fn texts(el: &mut Elaborator<'_>, what: &str, value: &Value, span: Span) -> Eval<Vec<String>> {
    let one = |value: &Value| match value {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    };
    let all = match value {
        Value::List(list) => list.items().iter().map(one).collect(),
        value => one(value).map(|text| vec![text]),
    };
    match all {
        Some(texts) => Ok(texts),
        None => {
            let message = format!("{what} is a list of strings, not {}", value.describe(&el.builder));
            el.fail_at(codes::KIND, message, span, "not strings")
        }
    }
}

/// A name or string, such as a metric's.
pub(super) fn word(el: &mut Elaborator<'_>, expr: &Expr) -> Eval<Ident> {
    if let ExprKind::Name(name) = &expr.kind {
        return Ok(Ident { text: name.clone(), span: expr.span });
    }
    match el.expr(expr)? {
        Value::Text(text) => Ok(Ident { text: text.to_string(), span: expr.span }),
        other => {
            let message = format!("a name is expected, not {}", other.describe(&el.builder));
            el.fail_at(codes::KIND, message, expr.span, "not a name")
        }
    }
}
