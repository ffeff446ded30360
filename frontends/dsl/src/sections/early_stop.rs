//! The key `early_stop` of the `train` section.

use super::configuration::{find, form, single, word};
use crate::ast::{Entry, ExprKind, Ident};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::report::Eval;
use dlc_recipe::EarlyStop;
use dlc_types::Diagnostic;

/// When a run ends early, and what decides that and the best checkpoint.
pub(super) struct Stopping {
    pub(super) rule: Option<EarlyStop>,
    pub(super) monitor: Option<Ident>,
}

/// Reads the key; a metric named there is what is monitored.
pub(super) fn read(
    el: &mut Elaborator<'_>,
    entries: &[Entry],
    monitor: &Eval<Option<Ident>>,
) -> Eval<Stopping> {
    let monitor = monitor.clone()?;
    let Some(entry) = find(entries, "early_stop") else { return Ok(Stopping { rule: None, monitor }) };
    let mut expr = single(el, entry)?.clone();
    // The metric is a name, which is no value; it is taken out before.
    let mut named = None;
    if let ExprKind::Call(call) = &mut expr.kind {
        let is_metric = |argument: &crate::ast::Argument| {
            argument.name.as_ref().is_some_and(|name| name.text == "metric")
        };
        if let Some(position) = call.arguments.iter().position(is_metric) {
            named = Some(word(el, &call.arguments.remove(position).value)?);
        }
    }
    let parameters: &[_] = &[("patience", true), ("metric", false), ("min_delta", false)];
    let (_, arguments) = form(el, "early stopping", &expr, &[("early_stop", parameters)])?;
    let patience = arguments.whole(el, "patience", 1, 1 << 30)?;
    let min_delta = arguments.float_within(el, "min_delta", 0.0, 0.0..=f64::MAX)?;
    if let (Some(named), Some(monitor)) = (&named, &monitor)
        && named.text != monitor.text
    {
        let message = "`early_stop` and `monitor` name different metrics; one decides what is best";
        return el.fail(
            Diagnostic::error(codes::DUPLICATE, message)
                .at(named.span, format!("`{}`", named.text))
                .at(monitor.span, format!("`{}`", monitor.text))
                .help("drop one of the two"),
        );
    }
    Ok(Stopping { rule: Some(EarlyStop { patience, min_delta }), monitor: named.or(monitor) })
}
