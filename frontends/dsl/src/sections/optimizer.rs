//! The optimiser of a `train` section: a table of forms, and how each is read.

use super::configuration::{Form, called_form, form, texts};
use super::schedule;
use crate::ast::Expr;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::{Eval, Poison};
use dlc_ir::{Optimizer, Schedule};
use dlc_recipe::Plateau;
use dlc_types::{Diagnostic, Span};

const OPTIMIZERS: &[Form] = &[
    ("sgd", &[("lr", true), ("momentum", false), ("nesterov", false), ("weight_decay", false)]),
    ("adam", ADAM),
    ("adamw", ADAM),
    ("lamb", ADAM),
    (
        "nadam",
        &[
            ("lr", true),
            ("beta1", false),
            ("beta2", false),
            ("epsilon", false),
            ("momentum_decay", false),
            ("weight_decay", false),
        ],
    ),
    (
        "adagrad",
        &[
            ("lr", true),
            ("rate_decay", false),
            ("initial", false),
            ("epsilon", false),
            ("weight_decay", false),
        ],
    ),
    (
        "rmsprop",
        &[
            ("lr", true),
            ("alpha", false),
            ("momentum", false),
            ("epsilon", false),
            ("centered", false),
            ("weight_decay", false),
        ],
    ),
    (
        "muon",
        &[
            ("lr", true),
            ("momentum", false),
            ("nesterov", false),
            ("iterations", false),
            ("weight_decay", false),
            ("except", false),
            ("adam_lr", false),
            ("beta1", false),
            ("beta2", false),
            ("epsilon", false),
        ],
    ),
];

const ADAM: &[(&str, bool)] =
    &[("lr", true), ("beta1", false), ("beta2", false), ("epsilon", false), ("weight_decay", false)];

/// An optimiser as it is written.
pub(super) struct Rule {
    pub(super) optimizer: Optimizer,
    pub(super) schedule: Schedule,
    pub(super) weight_decay: f64,
    pub(super) plateau: Option<Plateau>,
    /// Patterns of matrices that Muon leaves to AdamW.
    pub(super) except: Vec<(String, Span)>,
}

/// Reads a call of an optimiser.
pub(super) fn read(el: &mut Elaborator<'_>, expr: &Expr) -> Eval<Rule> {
    let crate::ast::ExprKind::Call(call) = &expr.kind else {
        return form(el, "an optimizer", expr, OPTIMIZERS).and(Err(Poison));
    };
    let (call, schedule) = schedule::taken(call, "lr");
    let (name, arguments) = called_form(el, "an optimizer", &call, OPTIMIZERS)?;
    let rate = match schedule {
        Some(expr) => schedule::read(el, &expr),
        None => schedule::rate(el, &arguments, "lr").map(schedule::Rate::constant),
    };
    let optimizer = optimizer(el, name, &arguments)?;
    let decay = match name {
        "adamw" | "lamb" => 0.01,
        "muon" => 0.1,
        _ => 0.0,
    };
    let weight_decay = arguments.float_within(el, "weight_decay", decay, 0.0..=1e6)?;
    let except = match arguments.get("except") {
        None => Vec::new(),
        Some((value, span)) => {
            let patterns = texts(el, "`except`", &value.clone(), *span)?;
            patterns.into_iter().map(|pattern| (pattern, *span)).collect()
        }
    };
    let mut rate = rate?;
    if name == "adagrad" && rate.schedule.momentum().is_some() {
        if rate.momentum_is_written {
            return el.fail(
                Diagnostic::error(codes::RANGE, "`adagrad` has no momentum that a schedule could set")
                    .at(expr.span, "without momentum")
                    .help("write `momentum = none` in the schedule"),
            );
        }
        rate.schedule = rate.schedule.without_momentum();
    }
    Ok(Rule { optimizer, schedule: rate.schedule, weight_decay, plateau: rate.plateau, except })
}

fn optimizer(el: &mut Elaborator<'_>, name: &str, arguments: &Arguments) -> Eval<Optimizer> {
    let epsilon =
        |el: &mut Elaborator<'_>, default: f64| arguments.float_within(el, "epsilon", default, 1e-30..=1.0);
    Ok(match name {
        "sgd" => {
            let momentum = share(el, arguments, "momentum", 0.0)?;
            let nesterov = arguments.bool_or(el, "nesterov", false)?;
            if nesterov && momentum == 0.0 {
                let message = "`nesterov` is a form of momentum, but there is none";
                return el.fail(
                    Diagnostic::error(codes::RANGE, message)
                        .at(arguments.span_of("nesterov"), "without momentum")
                        .help("write `momentum = 0.9` too"),
                );
            }
            Optimizer::Sgd { momentum, nesterov }
        }
        "adam" | "adamw" => Optimizer::Adam {
            beta1: share(el, arguments, "beta1", 0.9)?,
            beta2: share(el, arguments, "beta2", 0.999)?,
            epsilon: epsilon(el, 1e-8)?,
            decoupled: name == "adamw",
        },
        "lamb" => Optimizer::Lamb {
            beta1: share(el, arguments, "beta1", 0.9)?,
            beta2: share(el, arguments, "beta2", 0.999)?,
            epsilon: epsilon(el, 1e-6)?,
        },
        "nadam" => Optimizer::Nadam {
            beta1: share(el, arguments, "beta1", 0.9)?,
            beta2: share(el, arguments, "beta2", 0.999)?,
            epsilon: epsilon(el, 1e-8)?,
            momentum_decay: arguments.float_within(el, "momentum_decay", 4e-3, 0.0..=1.0)?,
        },
        "adagrad" => Optimizer::Adagrad {
            rate_decay: arguments.float_within(el, "rate_decay", 0.0, 0.0..=1e6)?,
            initial: arguments.float_within(el, "initial", 0.0, 0.0..=1e6)?,
            epsilon: epsilon(el, 1e-10)?,
        },
        "rmsprop" => Optimizer::RmsProp {
            alpha: share(el, arguments, "alpha", 0.99)?,
            momentum: share(el, arguments, "momentum", 0.0)?,
            epsilon: epsilon(el, 1e-8)?,
            centered: arguments.bool_or(el, "centered", false)?,
        },
        _ => Optimizer::Muon {
            momentum: share(el, arguments, "momentum", 0.95)?,
            nesterov: arguments.bool_or(el, "nesterov", true)?,
            iterations: match arguments.get("iterations") {
                None => 5,
                Some(_) => u32::try_from(arguments.whole(el, "iterations", 1, 50)?).map_err(|_| Poison)?,
            },
            except: Vec::new(),
            adam_rate: match arguments.get("adam_lr") {
                None => None,
                Some(_) => Some(schedule::rate(el, arguments, "adam_lr")?),
            },
            beta1: share(el, arguments, "beta1", 0.9)?,
            beta2: share(el, arguments, "beta2", 0.95)?,
            epsilon: epsilon(el, 1e-10)?,
        },
    })
}

/// A number of at least 0 and below 1.
pub(super) fn share(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str, default: f64) -> Eval<f64> {
    let value = arguments.float_or(el, key, default)?;
    if (0.0..1.0).contains(&value) {
        return Ok(value);
    }
    let message = format!("`{key}` of `{}` is {value}; it is at least 0 and below 1", arguments.callee);
    el.fail_at(codes::RANGE, message, arguments.span_of(key), "out of range")
}
