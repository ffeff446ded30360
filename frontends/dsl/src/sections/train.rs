//! The `train` section: its keys, and what is minimised and reported.

use super::configuration::{check_keys, find, single, texts, whole, word};
use super::early_stop;
use super::optimizer::{self, Rule};
use super::start;
use super::update::{self, GroupSpec};
use crate::ast::{Expr, ExprKind, Ident, TrainSection};
use crate::codes;
use crate::elaborate::{Elaborator, Mode};
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{NodeId, OutputRole, Training};
use dlc_recipe::{EarlyStop, Measure, Metric, Plateau, Start};
use dlc_types::{Diagnostic, Span, diagnostic::nearest};

const KEYS: [&str; 13] = [
    "loss",
    "metrics",
    "optimizer",
    "groups",
    "clip",
    "accumulate",
    "average",
    "epochs",
    "seed",
    "freeze",
    "start",
    "monitor",
    "early_stop",
];

/// The section without loss and metrics.
pub(super) struct Plan {
    /// Without groups and exceptions, whose patterns are matched when the parameters are known.
    pub(super) training: Training,
    pub(super) groups: Vec<GroupSpec>,
    /// Patterns of matrices that Muon leaves to AdamW.
    pub(super) except: Vec<(String, Span)>,
    pub(super) plateau: Option<Plateau>,
    pub(super) epochs: usize,
    pub(super) seed: u64,
    pub(super) monitor: Option<Ident>,
    pub(super) freeze: Vec<(String, Span)>,
    pub(super) start: Option<Start>,
    pub(super) early_stop: Option<EarlyStop>,
}

/// Reads everything but loss and metrics; all faults are told.
pub(super) fn read(el: &mut Elaborator<'_>, section: &TrainSection) -> Eval<Plan> {
    let entries = &section.entries;
    check_keys(el, "train", entries, &KEYS, &[]);
    let rule = match find(entries, "optimizer") {
        Some(entry) => single(el, entry).and_then(|expr| optimizer::read(el, expr)),
        None => missing(el, section, "optimizer", "optimizer = adam(lr = 0.001)"),
    };
    let epochs = match find(entries, "epochs") {
        Some(entry) => whole(el, entry, 1..=1 << 30),
        None => missing(el, section, "epochs", "epochs = 10"),
    };
    if find(entries, "loss").is_none() {
        let _ = missing::<()>(el, section, "loss", "loss = cross_entropy(logits, label)");
    }
    let seed = find(entries, "seed").map_or(Ok(0), |entry| whole(el, entry, 0..=i64::MAX));
    let monitor = match find(entries, "monitor") {
        Some(entry) => single(el, entry).and_then(|expr| word(el, expr)).map(Some),
        None => Ok(None),
    };
    let freeze = match find(entries, "freeze") {
        None => Ok(Vec::new()),
        Some(entry) => single(el, entry).and_then(|expr| {
            let value = el.expr(expr)?;
            let patterns = texts(el, "`freeze`", &value, expr.span)?;
            Ok(patterns.into_iter().map(|pattern| (pattern, expr.span)).collect())
        }),
    };
    let start = start::read(el, entries);
    let stopping = early_stop::read(el, entries, &monitor)?;
    let groups = update::groups(el, entries);
    let clip = update::clip(el, entries);
    let accumulate =
        find(entries, "accumulate").map_or(Ok(1), |entry| whole(el, entry, 1..=update::MAX_ACCUMULATED));
    let average = update::average(el, entries);
    let Rule { optimizer, schedule, weight_decay, plateau, except } = rule?;
    let training = Training {
        plateau: plateau.is_some(),
        weight_decay,
        clip: clip?,
        accumulate: u32::try_from(accumulate?).map_err(|_| Poison)?,
        average: average?,
        masked: Vec::new(),
        ..Training::new(optimizer, schedule)
    };
    Ok(Plan {
        training,
        groups: groups?,
        except,
        plateau,
        epochs: usize::try_from(epochs?).map_err(|_| Poison)?,
        seed: seed?.unsigned_abs(),
        monitor: stopping.monitor,
        freeze: freeze?,
        start: start?,
        early_stop: stopping.rule,
    })
}

fn missing<T>(el: &mut Elaborator<'_>, section: &TrainSection, key: &str, example: &str) -> Eval<T> {
    // The place is the data section's name, so that several missing keys have places of their own.
    let span = match key {
        "loss" => section.model.span,
        "optimizer" => section.data.span,
        _ => section.model.span.to(section.data.span),
    };
    el.fail(
        Diagnostic::error(codes::MISSING, format!("the `train` section has no `{key}`"))
            .at(span, "in the section of this header")
            .help(format!("write `{example}`")),
    )
}

/// Loss and metrics become outputs of the function at hand; gives the metrics. One that needs all samples at
/// once is none of a training step's.
pub(super) fn outputs(el: &mut Elaborator<'_>, section: &TrainSection) -> Eval<Vec<Metric>> {
    let mut fault = Ok(());
    if let Some(entry) = find(&section.entries, "loss") {
        let result = single(el, entry).and_then(|expr| {
            let node = scalar(el, expr)?;
            el.builder.output(OutputRole::Loss, "loss", node);
            Ok(())
        });
        fault = fault.and(result);
    }
    el.purposes.complete = true;
    let mut metrics: Vec<Metric> = Vec::new();
    for expr in metric_expressions(section) {
        let result = metric_name(el, expr).and_then(|name| {
            if metrics.iter().any(|known| known.name == name.text) || name.text == "loss" {
                let message = format!("two metrics are called `{}`", name.text);
                return el.fail(
                    Diagnostic::error(codes::DUPLICATE, message)
                        .at(expr.span, "again")
                        .help("name one of them with `as NAME`"),
                );
            }
            let position = metrics.len();
            metrics.push(Metric { name: name.text.clone(), measure: Measure::Mean });
            let node = match el.expr(expr)? {
                Value::Metric(measure, node) => {
                    metrics[position].measure = measure;
                    node
                }
                value => scalar_value(el, value, expr.span)?,
            };
            if el.mode == Mode::Inference || !metrics[position].measure.needs_scores() {
                el.builder.output(OutputRole::Metric, name.text, node);
            }
            Ok(())
        });
        fault = fault.and(result);
    }
    fault.map(|()| metrics)
}

/// The metrics, whether they are a list or not.
pub(super) fn metric_expressions(section: &TrainSection) -> impl Iterator<Item = &Expr> {
    let values = find(&section.entries, "metrics").map_or(&[][..], |entry| entry.values.as_slice());
    values.iter().flat_map(|expr| match &expr.kind {
        ExprKind::List(items) => items.iter(),
        _ => std::slice::from_ref(expr).iter(),
    })
}

/// The name of a metric: its alias or what it calls.
pub(super) fn metric_name(el: &mut Elaborator<'_>, expr: &Expr) -> Eval<Ident> {
    let call = match &expr.kind {
        ExprKind::Call(call) => Some(call),
        ExprKind::Pipe(_, stages) => stages.last(),
        _ => None,
    };
    let Some(call) = call else {
        return el.fail(
            Diagnostic::error(codes::LOSS, "a metric is a call, which gives it its name")
                .at(expr.span, "has no name")
                .help("write a call such as `accuracy(logits, label)`"),
        );
    };
    let text = match &call.alias {
        Some(alias) => match el.expr(alias)? {
            Value::Text(text) => text.to_string(),
            _ => return Err(Poison),
        },
        None => call.callee.text.clone(),
    };
    Ok(Ident { text, span: expr.span })
}

fn scalar(el: &mut Elaborator<'_>, expr: &Expr) -> Eval<NodeId> {
    let value = el.expr(expr)?;
    scalar_value(el, value, expr.span)
}

fn scalar_value(el: &mut Elaborator<'_>, value: Value, span: Span) -> Eval<NodeId> {
    match value {
        Value::Tensor(node) if el.builder.shape(node).rank() == 0 && el.dtype(node).is_float() => Ok(node),
        Value::Tensor(node) => {
            let message = format!("a loss or metric is a scalar, not {}", el.builder.ty(node));
            el.fail(
                Diagnostic::error(codes::LOSS, message).at(span, "not a scalar").help("take its `mean(…)`"),
            )
        }
        other => {
            let message =
                format!("a loss or metric is computed from tensors, not {}", other.describe(&el.builder));
            el.fail_at(codes::LOSS, message, span, "not a tensor")
        }
    }
}

/// Checks that the monitored metric exists.
pub(super) fn check_monitor(el: &mut Elaborator<'_>, section: &TrainSection, monitor: &Ident) -> Eval<()> {
    let mut names = vec!["loss".to_owned()];
    for expr in metric_expressions(section) {
        names.push(metric_name(el, expr)?.text);
    }
    if names.contains(&monitor.text) {
        return Ok(());
    }
    let help = match nearest(&monitor.text, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("loss and metrics are {}", names.join(", ")),
    };
    el.fail(
        Diagnostic::error(codes::NAME, format!("there is no metric `{}`", monitor.text))
            .at(monitor.span, "unknown metric")
            .help(help),
    )
}
