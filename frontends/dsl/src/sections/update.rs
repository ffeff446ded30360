//! What else a training step does: groups of parameters, bounds for gradients, averages of weights.

use super::configuration::{Form, find, form, single, texts};
use super::optimizer::share;
use super::schedule::rate;
use super::train::Plan;
use crate::ast::{Entry, Expr, ExprKind};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::patterns::{fits, unmatched};
use crate::report::{Eval, Poison, Reporter};
use dlc_ir::{Average, Clip, Group, Optimizer, Parameter};
use dlc_types::{Diagnostic, Span};

/// The greatest number of steps of one update.
pub(super) const MAX_ACCUMULATED: i64 = 1 << 20;

const GROUPS: &[Form] = &[("group", &[("paths", true), ("lr", false), ("weight_decay", false)])];
const CLIPS: &[Form] = &[("norm", &[("max", true)]), ("value", &[("max", true)])];
const AVERAGES: &[Form] = &[("ema", &[("decay", false)]), ("swa", &[("start", true)])];

/// A group before its patterns are matched.
pub(super) struct GroupSpec {
    patterns: Vec<String>,
    span: Span,
    rate: Option<f64>,
    weight_decay: Option<f64>,
}

/// The values of a key, whether they are a list or not.
fn values<'a>(entries: &'a [Entry], key: &str) -> impl Iterator<Item = &'a Expr> {
    let values = find(entries, key).map_or(&[][..], |entry| entry.values.as_slice());
    values.iter().flat_map(|expr| match &expr.kind {
        ExprKind::List(items) => items.iter(),
        _ => std::slice::from_ref(expr).iter(),
    })
}

/// `groups = group("head.*", lr = 0.1, weight_decay = 0), …`
pub(super) fn groups(el: &mut Elaborator<'_>, entries: &[Entry]) -> Eval<Vec<GroupSpec>> {
    let read = |expr: &Expr| {
        let (_, arguments) = form(el, "a group", expr, GROUPS)?;
        let Some((value, span)) = arguments.get("paths").cloned() else {
            return arguments.mismatch(el, "paths", "a pattern of paths");
        };
        let patterns = texts(el, "`paths`", &value, span)?;
        let rate = match arguments.get("lr") {
            None => None,
            Some(_) => Some(rate(el, &arguments, "lr")?),
        };
        let weight_decay = match arguments.get("weight_decay") {
            None => None,
            Some(_) => Some(arguments.float_within(el, "weight_decay", 0.0, 0.0..=1e6)?),
        };
        if rate.is_none() && weight_decay.is_none() {
            return el.fail(
                Diagnostic::error(codes::ARGUMENT, "this group differs in nothing")
                    .at(expr.span, "neither `lr` nor `weight_decay`")
                    .help("write such as `group(\"head.*\", lr = 0.1)`"),
            );
        }
        Ok(GroupSpec { patterns, span, rate, weight_decay })
    };
    all(values(entries, "groups").map(read))
}

/// `clip = norm(1.0), value(0.5)`
pub(super) fn clip(el: &mut Elaborator<'_>, entries: &[Entry]) -> Eval<Vec<Clip>> {
    let read = |expr: &Expr| {
        let (name, arguments) = form(el, "a bound for gradients", expr, CLIPS)?;
        let max = arguments.float_within(el, "max", 1.0, 1e-6..=1e12)?;
        Ok(if name == "norm" { Clip::Norm(max) } else { Clip::Value(max) })
    };
    all(values(entries, "clip").map(read))
}

/// `average = ema(decay = 0.999)` or `average = swa(start = 15)`
pub(super) fn average(el: &mut Elaborator<'_>, entries: &[Entry]) -> Eval<Option<Average>> {
    let Some(entry) = find(entries, "average") else { return Ok(None) };
    let expr = single(el, entry)?;
    let (name, arguments) = form(el, "an average of weights", expr, AVERAGES)?;
    if name == "ema" {
        return Ok(Some(Average::Exponential { decay: share(el, &arguments, "decay", 0.999)? }));
    }
    let start = arguments.whole(el, "start", 0, 1 << 30)?;
    Ok(Some(Average::Stochastic { start: u32::try_from(start).map_err(|_| Poison)? }))
}

/// All results; all faults are told before the first stops anything.
fn all<T>(results: impl Iterator<Item = Eval<T>>) -> Eval<Vec<T>> {
    let results: Vec<Eval<T>> = results.collect();
    results.into_iter().collect()
}

/// Gives groups and exceptions their parameters. Patterns that fit nothing are told.
pub(super) fn resolve(plan: &mut Plan, parameters: &[Parameter], reporter: &mut Reporter) {
    let mut taken: Vec<String> = Vec::new();
    for spec in &plan.groups {
        let mut members = Vec::new();
        for pattern in &spec.patterns {
            let fitting = parameters.iter().filter(|parameter| fits(pattern, &parameter.name));
            let fitting: Vec<&str> = fitting.map(|parameter| parameter.name.as_str()).collect();
            if fitting.is_empty() {
                reporter.push(unmatched(pattern, spec.span, "groups nothing", parameters));
            } else if fitting.iter().all(|name| taken.iter().any(|other| other == name)) {
                let message = format!("all parameters that fit \"{pattern}\" are in groups before this one");
                reporter.push(
                    Diagnostic::error(codes::PATTERN, message)
                        .at(spec.span, "groups nothing")
                        .note("a parameter belongs to the first group that it fits")
                        .help("put the narrower group first"),
                );
            }
            for name in fitting {
                if !taken.iter().any(|other| other == name) {
                    taken.push(name.to_owned());
                    members.push(name.to_owned());
                }
            }
        }
        plan.training.groups.push(Group {
            parameters: members,
            rate: spec.rate,
            weight_decay: spec.weight_decay,
        });
    }
    if let Optimizer::Muon { except, .. } = &mut plan.training.optimizer {
        for (pattern, span) in &plan.except {
            let fitting = parameters.iter().filter(|parameter| fits(pattern, &parameter.name));
            let before = except.len();
            except.extend(fitting.map(|parameter| parameter.name.clone()));
            if except.len() == before {
                reporter.push(unmatched(pattern, *span, "excepts nothing", parameters));
            }
        }
    }
}
