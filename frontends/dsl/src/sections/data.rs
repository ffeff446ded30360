//! The `data` section.

use super::configuration::{Form, called_form, check_keys, find, form, single, texts, whole};
use crate::ast::{Entry, Expr, ExprKind, Ident, Section};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_recipe::{Augment, Source, Split, Transform};
use dlc_types::{Diagnostic, Span, TensorType, diagnostic::nearest};

const KEYS: [&str; 6] = ["source", "transform", "augment", "batch", "shuffle", "split"];

const SOURCES: &[Form] = &[
    ("csv", &[("path", true), ("target", true), ("drop", false), ("features", false)]),
    ("cifar10", &[("path", true)]),
    ("image_folder", &[("path", true)]),
    ("synthetic", &[("samples", false), ("classes", false)]),
];

const TRANSFORMS: &[Form] = &[
    ("normalize", &[("mean", true), ("std", true)]),
    ("scale", &[("divisor", true)]),
    ("min_max", &[]),
    ("standardize", &[]),
    ("resize", &[("height", true), ("width", false)]),
];

const AUGMENTS: &[Form] =
    &[("random_crop", &[("size", true), ("padding", false)]), ("random_flip", &[("p", false)])];

const SPLIT: &[Form] =
    &[("split", &[("validation", false), ("test", false), ("stratified", false), ("seed", false)])];

/// A field's name, and its type where the section says it.
pub(super) type NamedField = (Ident, Option<TensorType>);

/// The section before its fields are matched with the model.
pub(super) struct DataSection {
    pub(super) source: Source,
    pub(super) source_span: Span,
    pub(super) fields: Vec<NamedField>,
    pub(super) transform: Vec<(String, Transform)>,
    pub(super) augment: Vec<(String, Augment)>,
    pub(super) split: Split,
    pub(super) batch: usize,
    pub(super) shuffle: bool,
}

/// Reads the section; all its faults are told.
pub(super) fn read(el: &mut Elaborator<'_>, section: &Section) -> Eval<DataSection> {
    check_keys(el, "data", &section.entries, &KEYS, &["transform", "augment"]);
    let entries = &section.entries;
    let source = read_source(el, section);
    let fields = source.as_ref().map(|(_, _, fields)| fields.clone()).unwrap_or_default();
    let names: Vec<String> = fields.iter().map(|(name, _)| name.text.clone()).collect();
    let known = source.is_ok().then_some(names.as_slice());
    let transform = read_steps(el, entries, "transform", TRANSFORMS, known, transform_step);
    let augment = read_steps(el, entries, "augment", AUGMENTS, known, augment_step);
    let batch = find(entries, "batch").map_or(Ok(32), |entry| whole(el, entry, 1..=1 << 24));
    let shuffle = find(entries, "shuffle").map_or(Ok(true), |entry| {
        let expr = single(el, entry)?;
        match el.expr(expr)? {
            Value::Bool(value) => Ok(value),
            _ => el.fail_at(codes::KIND, "`shuffle` is true or false", expr.span, "neither"),
        }
    });
    let split = read_split(el, entries);
    let (source, source_span, fields) = source?;
    let split = split?;
    if split.test > 0.0 && matches!(source, Source::Cifar10 { .. }) {
        let span = find(entries, "split").map_or(source_span, |entry| entry.key.span);
        return el.fail(
            Diagnostic::error(codes::RANGE, "CIFAR-10 has a test split of its own")
                .at(span, "takes another one")
                .help("write only `validation = …` in `split`"),
        );
    }
    Ok(DataSection {
        source,
        source_span,
        fields,
        transform: transform?,
        augment: augment?,
        split,
        batch: usize::try_from(batch?).map_err(|_| Poison)?,
        shuffle: shuffle?,
    })
}

type SourceWithFields = (Source, Span, Vec<NamedField>);

fn read_source(el: &mut Elaborator<'_>, section: &Section) -> Eval<SourceWithFields> {
    let Some(entry) = find(&section.entries, "source") else {
        return el.fail(
            Diagnostic::error(
                codes::MISSING,
                format!("the data section `{}` has no `source`", section.name.text),
            )
            .at(section.name.span, "nothing is read")
            .help("write `source = csv(\"file.csv\", target = \"column\") -> (x, y)`"),
        );
    };
    let expr = single(el, entry)?;
    let (name, arguments) = form(el, "a source", expr, SOURCES)?;
    let source = match name {
        "csv" => Source::Csv {
            path: arguments.text(el, "path")?,
            target: arguments.text(el, "target")?,
            features: columns(el, &arguments, "features")?,
            drop: columns(el, &arguments, "drop")?.unwrap_or_default(),
        },
        "cifar10" => Source::Cifar10 { path: arguments.text(el, "path")? },
        "image_folder" => Source::ImageFolder { path: arguments.text(el, "path")? },
        _ => Source::Synthetic {
            samples: optional_size(el, &arguments, "samples", 512)?,
            classes: optional_size(el, &arguments, "classes", 10)?,
        },
    };
    let fields = read_fields(el, entry)?;
    let fixed_fields = !matches!(source, Source::Synthetic { .. });
    if fixed_fields && fields.len() != 2 {
        let message = format!("`{name}` yields two fields, the input and the target, not {}", fields.len());
        return el.fail(
            Diagnostic::error(codes::FIELD, message)
                .at(expr.span, "the fields are named behind `->`")
                .help(format!("write `source = {name}(…) -> (x, y)`")),
        );
    }
    Ok((source, expr.span, fields))
}

fn read_fields(el: &mut Elaborator<'_>, entry: &Entry) -> Eval<Vec<NamedField>> {
    let mut fields: Vec<NamedField> = Vec::new();
    for (name, ty) in &entry.fields {
        if fields.iter().any(|(known, _)| known.text == name.text) {
            let message = format!("two fields are called `{}`", name.text);
            return el.fail_at(codes::DUPLICATE, message, name.span, "again");
        }
        let ty = match ty {
            None => None,
            Some(expr) => match el.expr(expr)? {
                Value::Type(ty) if ty.shape.0.first() == Some(&dlc_types::Dim::N) => Some(ty),
                other => {
                    let message =
                        format!("a field's type is such as `i32[N]`, not {}", other.describe(&el.builder));
                    return el.fail_at(
                        codes::KIND,
                        message,
                        expr.span,
                        "no type with the batch as first axis",
                    );
                }
            },
        };
        fields.push((name.clone(), ty));
    }
    Ok(fields)
}

fn columns(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str) -> Eval<Option<Vec<String>>> {
    match arguments.get(key).cloned() {
        None => Ok(None),
        Some((value, span)) => texts(el, &format!("`{key}`"), &value, span).map(Some),
    }
}

fn optional_size(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str, default: usize) -> Eval<usize> {
    if arguments.get(key).is_none() { Ok(default) } else { arguments.whole(el, key, 1, 1 << 30) }
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
        "min_max" => Transform::MinMax,
        "standardize" => Transform::Standardize,
        _ => {
            let height = arguments.whole(el, "height", 1, 1 << 16)?;
            let width = match arguments.get("width") {
                None => height,
                Some(_) => arguments.whole(el, "width", 1, 1 << 16)?,
            };
            Transform::Resize { height, width }
        }
    })
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
    if name == "random_flip" {
        return Ok(Augment::RandomFlip { probability: arguments.float_within(el, "p", 0.5, 0.0..=1.0)? });
    }
    let size = arguments.per_axis(el, "size", 2, 1)?;
    let padding = match arguments.get("padding") {
        None => 0,
        Some(_) => arguments.whole(el, "padding", 0, 1 << 16)?,
    };
    match size.as_slice() {
        [height, width] => Ok(Augment::RandomCrop { size: (*height, *width), padding }),
        _ => Err(Poison),
    }
}

fn read_split(el: &mut Elaborator<'_>, entries: &[Entry]) -> Eval<Split> {
    let none = Split { validation: 0.0, test: 0.0, stratified: false, seed: None };
    let Some(entry) = find(entries, "split") else { return Ok(none) };
    let expr = single(el, entry)?;
    let (_, arguments) = form(el, "`split`", expr, SPLIT)?;
    let split = Split {
        validation: arguments.float_within(el, "validation", 0.0, 0.0..=1.0)?,
        test: arguments.float_within(el, "test", 0.0, 0.0..=1.0)?,
        stratified: arguments.bool_or(el, "stratified", false)?,
        seed: match arguments.get("seed") {
            None => None,
            Some(_) => Some(arguments.whole(el, "seed", 0, i64::MAX)? as u64),
        },
    };
    if split.validation + split.test >= 1.0 {
        let message = format!(
            "{} for validation and {} for the test leave nothing to train on",
            split.validation, split.test
        );
        return el.fail_at(codes::RANGE, message, expr.span, "their sum must be below 1");
    }
    Ok(split)
}
