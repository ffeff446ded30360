//! The `data` section.

use super::configuration::{Form, check_keys, find, form, single, whole};
use super::source::read_source;
use super::steps::{read_augment, read_transform, read_views};
use super::views::Views;
use crate::ast::{Entry, ExprKind, Ident, Section};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_recipe::{Augment, ClassWeights, Fold, Source, Split, Transform};
use dlc_types::{Diagnostic, Span, TensorType};

const KEYS: [&str; 8] =
    ["source", "transform", "augment", "views", "batch", "shuffle", "split", "class_weights"];

const SPLIT: &[Form] = &[(
    "split",
    &[
        ("validation", false),
        ("test", false),
        ("stratified", false),
        ("seed", false),
        ("folds", false),
        ("fold", false),
    ],
)];

/// A field's name, and its type where the section says it.
pub(super) type NamedField = (Ident, Option<TensorType>);

/// The section before its fields are matched with the model.
pub(super) struct DataSection {
    pub(super) source: Source,
    pub(super) source_span: Span,
    pub(super) fields: Vec<NamedField>,
    pub(super) transform: Vec<(String, Transform)>,
    pub(super) augment: Vec<(String, Augment)>,
    pub(super) views: Option<Views>,
    pub(super) split: Split,
    pub(super) class_weights: Option<(ClassWeights, Span)>,
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
    let transform = read_transform(el, entries, known);
    let augment = read_augment(el, entries, known);
    let views = read_views(el, entries, known);
    let batch = find(entries, "batch").map_or(Ok(32), |entry| whole(el, entry, 1..=1 << 24));
    let shuffle = find(entries, "shuffle").map_or(Ok(true), |entry| {
        let expr = single(el, entry)?;
        match el.expr(expr)? {
            Value::Bool(value) => Ok(value),
            _ => el.fail_at(codes::KIND, "`shuffle` is true or false", expr.span, "neither"),
        }
    });
    let split = read_split(el, entries);
    let class_weights = find(entries, "class_weights")
        .map(|entry| read_class_weights(el, entry).map(|weights| (weights, entry.key.span)))
        .transpose();
    let (source, source_span, fields) = source?;
    let split = split?;
    check_own_splits(el, entries, &source, source_span, &split)?;
    Ok(DataSection {
        source,
        source_span,
        fields,
        transform: transform?,
        augment: augment?,
        views: views?,
        split,
        batch: usize::try_from(batch?).map_err(|_| Poison)?,
        shuffle: shuffle?,
        class_weights: class_weights?,
    })
}

pub(super) fn read_fields(el: &mut Elaborator<'_>, entry: &Entry) -> Eval<Vec<NamedField>> {
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

fn read_split(el: &mut Elaborator<'_>, entries: &[Entry]) -> Eval<Split> {
    let Some(entry) = find(entries, "split") else { return Ok(Split::default()) };
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
        fold: read_fold(el, &arguments)?,
    };
    if split.fold.is_some() && split.validation > 0.0 {
        let message = "a split has a share for validation or `folds`, not both";
        return el.fail_at(codes::RANGE, message, expr.span, "two ways to choose samples for validation");
    }
    if split.validation + split.test >= 1.0 {
        let message = format!(
            "{} for validation and {} for the test leave nothing to train on",
            split.validation, split.test
        );
        return el.fail_at(codes::RANGE, message, expr.span, "their sum must be below 1");
    }
    Ok(split)
}

/// Cross-validation: `folds` parts, of which `fold` (from 0) is for validation.
fn read_fold(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Option<Fold>> {
    if arguments.get("folds").is_none() {
        if arguments.get("fold").is_some() {
            let span = arguments.span_of("fold");
            return el.fail_at(codes::ARGUMENT, "`fold` is one of `folds`", span, "of how many?");
        }
        return Ok(None);
    }
    let of = arguments.whole(el, "folds", 2, 1 << 20)?;
    let number = match arguments.get("fold") {
        None => 0,
        Some(_) => arguments.whole(el, "fold", 0, of as i64 - 1)?,
    };
    Ok(Some(Fold { of, number }))
}

/// `balanced`, or one number per class.
fn read_class_weights(el: &mut Elaborator<'_>, entry: &Entry) -> Eval<ClassWeights> {
    let expr = single(el, entry)?;
    if matches!(&expr.kind, ExprKind::Name(name) if name == "balanced") {
        return Ok(ClassWeights::Balanced);
    }
    let value = el.expr(expr)?;
    let weights: Option<Vec<f64>> = match &value {
        Value::Text(text) if &**text == "balanced" => return Ok(ClassWeights::Balanced),
        Value::List(list) => list.items().iter().map(Value::as_float).collect(),
        _ => None,
    };
    match weights.filter(|weights| weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0)) {
        Some(weights) if !weights.is_empty() => Ok(ClassWeights::Given(weights)),
        _ => {
            let found = value.describe(&el.builder);
            let message = format!("`class_weights` is `balanced` or a list of numbers from 0, not {found}");
            el.fail_at(codes::KIND, message, expr.span, "one number per class")
        }
    }
}

/// A source that brings a split of its own takes no other one.
fn check_own_splits(
    el: &mut Elaborator<'_>,
    entries: &[Entry],
    source: &Source,
    source_span: Span,
    split: &Split,
) -> Eval<()> {
    let (validation, test, name) = match source {
        Source::Cifar10 { .. } => (false, true, "CIFAR-10"),
        Source::Cifar100 { .. } => (false, true, "CIFAR-100"),
        Source::Csv(table) => (table.validation.is_some(), table.test.is_some(), "the table"),
        Source::Numpy(arrays) => (!arrays.validation.is_empty(), !arrays.test.is_empty(), "the source"),
        Source::Idx(files) => (false, files.test.is_some(), "the source"),
        _ => (false, false, ""),
    };
    let (part, rest) = if test && split.test > 0.0 {
        ("test", "write only `validation = …` in `split`")
    } else if validation && (split.validation > 0.0 || split.fold.is_some()) {
        ("validation", "leave `validation` and `folds` out of `split`")
    } else {
        return Ok(());
    };
    let span = find(entries, "split").map_or(source_span, |entry| entry.key.span);
    el.fail(
        Diagnostic::error(codes::RANGE, format!("{name} has a {part} split of its own"))
            .at(span, "takes another one")
            .help(rest),
    )
}
