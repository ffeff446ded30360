//! The steps of `transform`, `augment` and `views`: `field |> step(…) |> step(…)`.

use super::configuration::{Form, called_form, find, single};
use super::views::{View, Views};
use crate::ast::{Entry, Expr, ExprKind};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_recipe::{Augment, Surround, Transform};
use dlc_types::{Diagnostic, diagnostic::nearest};

const TRANSFORMS: &[Form] = &[
    ("normalize", &[("mean", true), ("std", true)]),
    ("scale", &[("divisor", true)]),
    ("min_max", &[("per_channel", false)]),
    ("standardize", &[("per_channel", false)]),
    ("resize", &[("height", true), ("width", false)]),
    ("resize_shorter", &[("side", true)]),
    ("center_crop", &[("height", true), ("width", false)]),
];

const AUGMENTS: &[Form] = &[
    ("surround", &[("with", true)]),
    ("random_crop", &[("size", true), ("padding", false)]),
    ("random_flip", &[("p", false)]),
    ("random_vertical_flip", &[("p", false)]),
    ("random_rotation", &[("degrees", true)]),
    ("random_zoom", &[("least", true), ("most", true)]),
    ("random_shift", &[("height", true), ("width", false)]),
    ("random_brightness", &[("by", true)]),
    ("random_contrast", &[("by", true)]),
    ("random_erasing", &[("p", false), ("area", false), ("ratio", false)]),
    ("mixup", &[("alpha", false)]),
];

const VIEWS: &[Form] = &[("flip", &[]), ("shift", &[("by", true)])];

/// The steps of every split, by field.
pub(super) fn read_transform(
    el: &mut Elaborator<'_>,
    entries: &[Entry],
    fields: Option<&[String]>,
) -> Eval<Vec<(String, Transform)>> {
    read_steps(el, entries, "transform", TRANSFORMS, fields, transform_step)
}

/// The random steps of training, by field.
pub(super) fn read_augment(
    el: &mut Elaborator<'_>,
    entries: &[Entry],
    fields: Option<&[String]>,
) -> Eval<Vec<(String, Augment)>> {
    read_steps(el, entries, "augment", AUGMENTS, fields, augment_step)
}

/// The views that evaluation and prediction take the mean of; `none` is as good as no line.
pub(super) fn read_views(
    el: &mut Elaborator<'_>,
    entries: &[Entry],
    fields: Option<&[String]>,
) -> Eval<Option<Views>> {
    let Some(entry) = find(entries, "views") else { return Ok(None) };
    if matches!(single(el, entry)?.kind, ExprKind::None) {
        return Ok(None);
    }
    let found = read_steps(el, entries, "views", VIEWS, fields, |el, name, arguments| {
        Ok(match name {
            "shift" => View::Shift(arguments.whole(el, "by", 1, 1 << 14)?),
            _ => View::Flip,
        })
    })?;
    let field = found.first().map(|(field, _)| field.clone());
    let steps = found.into_iter().map(|(_, step)| step).collect();
    Ok(field.map(|field| Views { field, steps, span: entry.key.span }))
}

fn read_steps<T>(
    el: &mut Elaborator<'_>,
    entries: &[Entry],
    key: &str,
    forms: &[Form],
    fields: Option<&[String]>,
    read: fn(&mut Elaborator<'_>, &str, &Arguments) -> Eval<T>,
) -> Eval<Vec<(String, T)>> {
    let mut steps = Vec::new();
    let mut fault = Ok(());
    for expr in entries.iter().filter(|entry| entry.key.text == key).flat_map(|entry| &entry.values) {
        match pipeline_steps(el, key, forms, fields, expr, read) {
            Ok(found) => steps.extend(found),
            Err(poison) => fault = Err(poison),
        }
    }
    fault.map(|()| steps)
}

/// `field |> step(…) |> step(…)`
fn pipeline_steps<T>(
    el: &mut Elaborator<'_>,
    key: &str,
    forms: &[Form],
    fields: Option<&[String]>,
    expr: &Expr,
    read: fn(&mut Elaborator<'_>, &str, &Arguments) -> Eval<T>,
) -> Eval<Vec<(String, T)>> {
    let ExprKind::Pipe(head, stages) = &expr.kind else {
        let message = format!("`{key}` is written as `field |> step(…)`");
        return el.fail_at(codes::KIND, message, expr.span, "not a pipeline");
    };
    let ExprKind::Name(field) = &head.kind else {
        return el.fail_at(
            codes::KIND,
            "a pipeline of data starts with a field's name",
            head.span,
            "not a name",
        );
    };
    let mut fault = Ok(());
    if let Some(fields) = fields.filter(|fields| !fields.contains(field)) {
        let near =
            nearest(field, fields.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        let mut diagnostic = Diagnostic::error(codes::FIELD, format!("the source has no field `{field}`"))
            .at(head.span, "unknown field");
        diagnostic.help = near;
        fault = el.fail(diagnostic);
    }
    let mut steps = Vec::new();
    for stage in stages {
        let step = called_form(el, &format!("a step of `{key}`"), stage, forms)
            .and_then(|(name, arguments)| read(el, name, &arguments));
        match step {
            Ok(step) => steps.push((field.clone(), step)),
            Err(poison) => fault = Err(poison),
        }
    }
    fault.map(|()| steps)
}

fn transform_step(el: &mut Elaborator<'_>, name: &str, arguments: &Arguments) -> Eval<Transform> {
    Ok(match name {
        "normalize" => {
            let mean = numbers(el, arguments, "mean")?;
            let std = numbers(el, arguments, "std")?;
            let channels = mean.len().max(std.len());
            let repeated = |values: Vec<f64>| match values.as_slice() {
                [value] => vec![*value; channels],
                _ => values,
            };
            let (mean, std) = (repeated(mean), repeated(std));
            if std.contains(&0.0) || mean.len() != std.len() {
                let message = "`normalize` takes as many means as deviations, and no deviation of 0";
                return el.fail_at(codes::RANGE, message, arguments.span, "cannot divide");
            }
            Transform::Normalize { mean, std }
        }
        "scale" => {
            let divisor = arguments.float_or(el, "divisor", 1.0)?;
            if divisor == 0.0 {
                return el.fail_at(codes::RANGE, "`scale` divides by 0", arguments.span, "not a divisor");
            }
            Transform::Scale { divisor }
        }
        "min_max" => Transform::MinMax { per_channel: arguments.bool_or(el, "per_channel", false)? },
        "standardize" => Transform::Standardize { per_channel: arguments.bool_or(el, "per_channel", false)? },
        "resize_shorter" => Transform::ResizeShorter { side: arguments.whole(el, "side", 1, 1 << 14)? },
        "center_crop" => {
            let (height, width) = height_and_width(el, arguments)?;
            Transform::CenterCrop { height, width }
        }
        _ => {
            let (height, width) = height_and_width(el, arguments)?;
            Transform::Resize { height, width }
        }
    })
}

fn height_and_width(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<(usize, usize)> {
    let height = arguments.whole(el, "height", 1, 1 << 14)?;
    let width = match arguments.get("width") {
        None => height,
        Some(_) => arguments.whole(el, "width", 1, 1 << 14)?,
    };
    Ok((height, width))
}

fn numbers(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str) -> Eval<Vec<f64>> {
    let numbers = match arguments.get(key) {
        Some((Value::List(list), _)) => list.items().iter().map(Value::as_float).collect(),
        Some((value, _)) => value.as_float().map(|value| vec![value]),
        None => None,
    };
    match numbers {
        Some(numbers) => Ok(numbers),
        None => arguments.mismatch(el, key, "a number or one number per channel"),
    }
}

fn augment_step(el: &mut Elaborator<'_>, name: &str, arguments: &Arguments) -> Eval<Augment> {
    let share = |el: &mut Elaborator<'_>, key: &str, default: f64| {
        arguments.float_within(el, key, default, 0.0..=1.0)
    };
    Ok(match name {
        "surround" => Augment::Surround(surround(el, arguments)?),
        "random_flip" => Augment::RandomFlip { probability: share(el, "p", 0.5)?, vertical: false },
        "random_vertical_flip" => Augment::RandomFlip { probability: share(el, "p", 0.5)?, vertical: true },
        "random_rotation" => {
            Augment::RandomRotation { degrees: arguments.float_within(el, "degrees", 0.0, 0.0..=180.0)? }
        }
        "random_zoom" => {
            let least = arguments.float_within(el, "least", 1.0, 0.01..=100.0)?;
            Augment::RandomZoom { least, most: arguments.float_within(el, "most", 1.0, least..=100.0)? }
        }
        "random_shift" => {
            let height = share(el, "height", 0.0)?;
            Augment::RandomShift { height, width: share(el, "width", height)? }
        }
        "random_brightness" => Augment::RandomBrightness { by: share(el, "by", 0.0)? },
        "random_contrast" => Augment::RandomContrast { by: share(el, "by", 0.0)? },
        "random_erasing" => Augment::RandomErasing {
            probability: share(el, "p", 0.5)?,
            area: bounds(el, arguments, "area", (0.02, 0.33), 1.0)?,
            ratio: bounds(el, arguments, "ratio", (0.3, 3.3), 100.0)?,
        },
        "mixup" => Augment::Mixup { alpha: arguments.float_within(el, "alpha", 0.2, 0.001..=1000.0)? },
        _ => {
            let size = arguments.per_axis(el, "size", 2, 1)?;
            let padding = match arguments.get("padding") {
                None => 0,
                Some(_) => arguments.whole(el, "padding", 0, 1 << 15)?,
            };
            match size.as_slice() {
                [height, width] => Augment::RandomCrop { size: (*height, *width), padding },
                _ => return Err(Poison),
            }
        }
    })
}

fn surround(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Surround> {
    let wanted = "\"edge\", \"reflect\", a number, or one number per channel";
    match arguments.get("with") {
        Some((Value::Text(text), _)) if &**text == "edge" => Ok(Surround::Edge),
        Some((Value::Text(text), _)) if &**text == "reflect" => Ok(Surround::Reflect),
        Some((Value::Text(_), _)) => arguments.mismatch(el, "with", wanted),
        _ => match numbers(el, arguments, "with")? {
            values if values.iter().all(|value| value.is_finite()) && !values.is_empty() => {
                Ok(Surround::Values(values))
            }
            _ => arguments.mismatch(el, "with", wanted),
        },
    }
}

/// A pair `(least, greatest)` above 0 and up to `most`.
fn bounds(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    key: &str,
    default: (f64, f64),
    most: f64,
) -> Eval<(f64, f64)> {
    let numbers: Option<Vec<f64>> = match arguments.get(key) {
        None => return Ok(default),
        Some((Value::List(list), _)) => list.items().iter().map(Value::as_float).collect(),
        Some(_) => None,
    };
    match numbers.as_deref() {
        Some(&[least, greatest]) if 0.01 <= least && least <= greatest && greatest <= most => {
            Ok((least, greatest))
        }
        _ => arguments.mismatch(el, key, &format!("a pair (least, greatest) in 0.01..={most}")),
    }
}
