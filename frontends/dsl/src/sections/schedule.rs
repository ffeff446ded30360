//! The learning rate of a `train` section: a number or a schedule. Schedules stand in one another
//! (`warmup(cosine(0.1), over = 5)`), and times are epochs unless `per = "step"` stands beside them.

use super::configuration::{Form, called_form};
use crate::ast::{Call, Expr, ExprKind};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{Clock, Schedule, Time, Warmup};
use dlc_recipe::Plateau;
use dlc_types::Diagnostic;

const SCHEDULES: &[Form] = &[
    ("constant", &[("lr", true)]),
    ("step", &[("lr", true), ("every", false), ("at", false), ("factor", false), ("per", false)]),
    ("exponential", &[("lr", true), ("factor", true), ("every", false), ("per", false)]),
    ("cosine", &[("lr", true), ("least", false), ("period", false), ("growth", false), ("per", false)]),
    ("polynomial", &[("lr", true), ("power", false), ("last", false), ("over", false), ("per", false)]),
    (
        "one_cycle",
        &[("max", true), ("warmup", false), ("div", false), ("final_div", false), ("momentum", false)],
    ),
    ("warmup", &[("lr", true), ("over", true), ("start", false), ("per", false)]),
    (
        "plateau",
        &[
            ("lr", true),
            ("factor", false),
            ("patience", false),
            ("threshold", false),
            ("cooldown", false),
            ("least", false),
        ],
    ),
];

/// The longest time of a schedule.
const MAX_TIME: f64 = 1e9;

/// A learning rate as it is written.
pub(super) struct Rate {
    pub(super) schedule: Schedule,
    pub(super) plateau: Option<Plateau>,
    /// Whether the text itself asks for a cycle of the momentum.
    pub(super) momentum_is_written: bool,
}

impl Rate {
    pub(super) fn constant(rate: f64) -> Rate {
        Rate::of(Schedule::Constant { rate })
    }

    fn of(schedule: Schedule) -> Rate {
        Rate { schedule, plateau: None, momentum_is_written: false }
    }
}

/// The call with a number in the place of an argument that is a call itself, and that one: schedules are
/// no values.
pub(super) fn taken(call: &Call, key: &str) -> (Call, Option<Expr>) {
    let mut call = call.clone();
    let named = |name: &crate::ast::Argument| name.name.as_ref().is_some_and(|name| name.text == key);
    let position = call.arguments.iter().position(named);
    let position = position.or_else(|| call.arguments.iter().position(|argument| argument.name.is_none()));
    let argument = position.and_then(|position| call.arguments.get_mut(position));
    let schedule = argument.filter(|argument| matches!(argument.value.kind, ExprKind::Call(_)));
    let schedule = schedule.map(|argument| {
        let placed = Expr { kind: ExprKind::Float(1.0), span: argument.value.span };
        std::mem::replace(&mut argument.value, placed)
    });
    (call, schedule)
}

/// A number above 0.
pub(super) fn rate(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str) -> Eval<f64> {
    let value = arguments.float_or(el, key, 0.0)?;
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    let message = format!("`{key}` of `{}` is {value}; a rate is above 0", arguments.callee);
    el.fail_at(codes::RANGE, message, arguments.span_of(key), "not a rate")
}

/// Reads a call of a schedule.
pub(super) fn read(el: &mut Elaborator<'_>, expr: &Expr) -> Eval<Rate> {
    let ExprKind::Call(call) = &expr.kind else { return Err(Poison) };
    let wraps = matches!(call.callee.text.as_str(), "warmup" | "plateau");
    let (call, inner) = if wraps { taken(call, "lr") } else { (call.clone(), None) };
    let (name, arguments) = called_form(el, "a learning rate", &call, SCHEDULES)?;
    if wraps {
        let inner = match inner {
            Some(expr) => el.deeper(expr.span, |el| read(el, &expr))?,
            None => Rate::constant(rate(el, &arguments, "lr")?),
        };
        if inner.plateau.is_some() {
            let message = "`plateau` is the outermost part of a learning rate";
            return el.fail(
                Diagnostic::error(codes::RANGE, message)
                    .at(arguments.span, format!("inside of `{name}`"))
                    .help("write `plateau(warmup(0.1, over = 5))`"),
            );
        }
        return if name == "warmup" { warmup(el, &arguments, inner) } else { plateau(el, &arguments, inner) };
    }
    if name == "one_cycle" {
        return one_cycle(el, &arguments);
    }
    let rate = rate(el, &arguments, "lr")?;
    let clock = clock(el, &arguments)?;
    let schedule = match name {
        "step" => step(el, &arguments, rate, clock)?,
        "exponential" => {
            let factor = factor(el, &arguments, 1.0)?;
            let every = time(el, &arguments, "every", clock)?.unwrap_or(Time { amount: 1.0, clock });
            Schedule::Step { rate, every, factor }
        }
        "cosine" => Schedule::Cosine {
            rate,
            least: arguments.float_within(el, "least", 0.0, 0.0..=rate)?,
            period: time(el, &arguments, "period", clock)?,
            growth: arguments.float_within(el, "growth", 1.0, 1.0..=1e6)?,
        },
        "polynomial" => Schedule::Polynomial {
            rate,
            last: arguments.float_within(el, "last", 0.0, 0.0..=rate)?,
            power: arguments.float_within(el, "power", 1.0, 1e-3..=100.0)?,
            over: time(el, &arguments, "over", clock)?,
        },
        _ => Schedule::Constant { rate },
    };
    Ok(Rate::of(schedule))
}

fn step(el: &mut Elaborator<'_>, arguments: &Arguments, rate: f64, clock: Clock) -> Eval<Schedule> {
    let factor = factor(el, arguments, 0.1)?;
    let every = time(el, arguments, "every", clock)?;
    match (every, arguments.get("at").cloned()) {
        (Some(every), None) => Ok(Schedule::Step { rate, every, factor }),
        (None, Some((Value::List(list), _))) => {
            let times = list.items().iter().map(|item| match item.as_float() {
                Some(amount) if amount > 0.0 && amount <= MAX_TIME => Some(Time { amount, clock }),
                _ => None,
            });
            match times.collect::<Option<Vec<Time>>>() {
                Some(at) if at.len() <= 1000 => Ok(Schedule::Steps { rate, at, factor }),
                _ => arguments.mismatch(el, "at", "a list of times above 0"),
            }
        }
        (None, Some(_)) => arguments.mismatch(el, "at", "a list of times such as `[30, 60]`"),
        _ => el.fail(
            Diagnostic::error(codes::ARGUMENT, "`step` needs `every` or `at`, and not both")
                .at(arguments.span, "when the rate changes")
                .help("write `every = 30`, or `at = [30, 60]`"),
        ),
    }
}

fn one_cycle(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Rate> {
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
    let schedule = Schedule::OneCycle {
        rate: rate(el, arguments, "max")?,
        warmup: arguments.float_within(el, "warmup", 0.3, 0.0..=1.0)?,
        div: arguments.float_within(el, "div", 25.0, 1.0..=1e12)?,
        final_div: arguments.float_within(el, "final_div", 1e4, 1.0..=1e12)?,
        momentum,
    };
    let momentum_is_written = arguments.get("momentum").is_some();
    Ok(Rate { momentum_is_written, ..Rate::of(schedule) })
}

fn warmup(el: &mut Elaborator<'_>, arguments: &Arguments, then: Rate) -> Eval<Rate> {
    let clock = clock(el, arguments)?;
    let Some(over) = time(el, arguments, "over", clock)? else { return Err(Poison) };
    let start = arguments.float_within(el, "start", 1.0 / 3.0, 0.0..=1.0)?;
    let schedule = Schedule::Warmup(Box::new(Warmup { over, start, then: then.schedule }));
    Ok(Rate { schedule, ..then })
}

fn plateau(el: &mut Elaborator<'_>, arguments: &Arguments, inner: Rate) -> Eval<Rate> {
    let count = |el: &mut Elaborator<'_>, key: &str, default: usize| match arguments.get(key) {
        None => Ok(default),
        Some(_) => arguments.whole(el, key, 0, 1 << 30),
    };
    let least = arguments.float_within(el, "least", 0.0, 0.0..=inner.schedule.rate())?;
    let plateau = Plateau {
        factor: factor(el, arguments, 0.1)?,
        patience: count(el, "patience", 10)?,
        threshold: arguments.float_within(el, "threshold", 1e-4, 0.0..=1.0)?,
        cooldown: count(el, "cooldown", 0)?,
        least: least / inner.schedule.rate(),
    };
    Ok(Rate { plateau: Some(plateau), ..inner })
}

/// What the rate is multiplied with: above 0, at most 1.
fn factor(el: &mut Elaborator<'_>, arguments: &Arguments, default: f64) -> Eval<f64> {
    arguments.float_within(el, "factor", default, 1e-12..=1.0)
}

/// `per = "step"` or `per = "epoch"`.
fn clock(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Clock> {
    match arguments.get("per") {
        None => Ok(Clock::Epochs),
        Some((Value::Text(text), _)) if &**text == "epoch" => Ok(Clock::Epochs),
        Some((Value::Text(text), _)) if &**text == "step" => Ok(Clock::Updates),
        Some(_) => arguments.mismatch(el, "per", "\"epoch\" or \"step\""),
    }
}

fn time(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str, clock: Clock) -> Eval<Option<Time>> {
    if arguments.get(key).is_none() {
        return Ok(None);
    }
    let amount = arguments.float_or(el, key, 0.0)?;
    if amount > 0.0 && amount <= MAX_TIME {
        return Ok(Some(Time { amount, clock }));
    }
    let message = format!("`{key}` of `{}` is {amount}; a time is above 0", arguments.callee);
    el.fail_at(codes::RANGE, message, arguments.span_of(key), "not a time")
}
