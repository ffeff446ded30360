//! The `train` section: optimiser, schedule, and what is minimised and reported.

use super::configuration::{Form, check_keys, find, form, single, texts, whole, word};
use super::early_stop;
use crate::ast::{Expr, ExprKind, Ident, TrainSection};
use crate::codes;
use crate::elaborate::arguments::Arguments;
use crate::elaborate::{Elaborator, Mode};
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{NodeId, Optimizer, OutputRole, Schedule, Training};
use dlc_recipe::{EarlyStop, Measure, Metric};
use dlc_types::{Diagnostic, Span, diagnostic::nearest};

const KEYS: [&str; 8] = ["loss", "metrics", "optimizer", "epochs", "seed", "freeze", "monitor", "early_stop"];

const OPTIMIZERS: &[Form] = &[
    ("sgd", &[("lr", true), ("momentum", false), ("nesterov", false), ("weight_decay", false)]),
    (
        "adam",
        &[("lr", true), ("beta1", false), ("beta2", false), ("epsilon", false), ("weight_decay", false)],
    ),
];

const SCHEDULES: &[Form] = &[
    (
        "one_cycle",
        &[("max", true), ("warmup", false), ("div", false), ("final_div", false), ("momentum", false)],
    ),
    ("constant", &[("lr", true)]),
];

/// The section without loss and metrics.
pub(super) struct Plan {
    pub(super) training: Training,
    pub(super) epochs: usize,
    pub(super) seed: u64,
    pub(super) monitor: Option<Ident>,
    pub(super) freeze: Vec<(String, Span)>,
    pub(super) early_stop: Option<EarlyStop>,
}

/// Reads everything but loss and metrics; all faults are told.
pub(super) fn read(el: &mut Elaborator<'_>, section: &TrainSection) -> Eval<Plan> {
    let entries = &section.entries;
    check_keys(el, "train", entries, &KEYS, &[]);
    let training = match find(entries, "optimizer") {
        Some(entry) => single(el, entry).and_then(|expr| optimizer(el, expr)),
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
    let stopping = early_stop::read(el, entries, &monitor)?;
    Ok(Plan {
        training: training?,
        epochs: usize::try_from(epochs?).map_err(|_| Poison)?,
        seed: seed?.unsigned_abs(),
        monitor: stopping.monitor,
        freeze: freeze?,
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

fn optimizer(el: &mut Elaborator<'_>, expr: &Expr) -> Eval<Training> {
    let (name, schedule, arguments) = {
        // The rate may be a call of a schedule, which is no value; it is taken out before.
        let ExprKind::Call(call) = &expr.kind else {
            return form(el, "an optimizer", expr, OPTIMIZERS).and(Err(Poison));
        };
        let mut call = call.clone();
        let mut schedule = None;
        let position = call
            .arguments
            .iter()
            .position(|argument| argument.name.as_ref().is_some_and(|name| name.text == "lr"))
            .or_else(|| call.arguments.iter().position(|argument| argument.name.is_none()));
        if let Some(argument) = position.and_then(|position| call.arguments.get_mut(position))
            && matches!(argument.value.kind, ExprKind::Call(_))
        {
            schedule = Some(argument.value.clone());
            argument.value.kind = ExprKind::Float(1.0);
        }
        let (name, arguments) = super::configuration::called_form(el, "an optimizer", &call, OPTIMIZERS)?;
        (name, schedule, arguments)
    };
    let schedule = match schedule {
        Some(expr) => read_schedule(el, &expr),
        None => rate(el, &arguments, "lr").map(Schedule::Constant),
    };
    let weight_decay = arguments.float_within(el, "weight_decay", 0.0, 0.0..=1e6)?;
    let optimizer = if name == "sgd" {
        let momentum = share(el, &arguments, "momentum", 0.0)?;
        let nesterov = arguments.bool_or(el, "nesterov", false)?;
        if nesterov && momentum == 0.0 {
            let message = "`nesterov` is a form of momentum, but there is none";
            return el.fail(
                Diagnostic::error(codes::RANGE, message)
                    .at(arguments.span_of("nesterov"), "without momentum")
                    .help("write `momentum = 0.9` too"),
            );
        }
        Optimizer::Sgd { momentum, nesterov, weight_decay }
    } else {
        Optimizer::Adam {
            beta1: share(el, &arguments, "beta1", 0.9)?,
            beta2: share(el, &arguments, "beta2", 0.999)?,
            epsilon: arguments.float_within(el, "epsilon", 1e-8, 1e-30..=1.0)?,
            weight_decay,
        }
    };
    Ok(Training { optimizer, schedule: schedule? })
}

fn rate(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str) -> Eval<f64> {
    let value = arguments.float_or(el, key, 0.0)?;
    if value > 0.0 {
        return Ok(value);
    }
    let message = format!("`{key}` of `{}` is {value}; a rate is above 0", arguments.callee);
    el.fail_at(codes::RANGE, message, arguments.span_of(key), "not a rate")
}

/// A number of at least 0 and below 1.
fn share(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str, default: f64) -> Eval<f64> {
    let value = arguments.float_or(el, key, default)?;
    if (0.0..1.0).contains(&value) {
        return Ok(value);
    }
    let message = format!("`{key}` of `{}` is {value}; it is at least 0 and below 1", arguments.callee);
    el.fail_at(codes::RANGE, message, arguments.span_of(key), "out of range")
}

fn read_schedule(el: &mut Elaborator<'_>, expr: &Expr) -> Eval<Schedule> {
    let (name, arguments) = form(el, "a learning rate", expr, SCHEDULES)?;
    if name == "constant" {
        return rate(el, &arguments, "lr").map(Schedule::Constant);
    }
    let momentum = match arguments.values.get("momentum") {
        None => Some((0.95, 0.85)),
        Some((Value::None, _)) => None,
        Some((Value::List(list), _)) => match list.items() {
            [first, second] => match (first.as_float(), second.as_float()) {
                (Some(a), Some(b)) if (0.0..1.0).contains(&a) && (0.0..1.0).contains(&b) => Some((a, b)),
                _ => return arguments.mismatch(el, "momentum", "a pair of numbers from 0 to below 1"),
            },
            _ => return arguments.mismatch(el, "momentum", "a pair of numbers or `none`"),
        },
        Some(_) => return arguments.mismatch(el, "momentum", "a pair of numbers or `none`"),
    };
    Ok(Schedule::OneCycle {
        max: rate(el, &arguments, "max")?,
        warmup: arguments.float_within(el, "warmup", 0.3, 0.0..=1.0)?,
        div: arguments.float_within(el, "div", 25.0, 1.0..=1e12)?,
        final_div: arguments.float_within(el, "final_div", 1e4, 1.0..=1e12)?,
        momentum,
    })
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
