//! The `source` of a `data` section.

use super::configuration::{Form, find, form, single, texts};
use super::data::{NamedField, read_fields};
use crate::ast::Section;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::layers::initializer::InitializerRule;
use crate::report::Eval;
use crate::value::Value;
use dlc_recipe::{Arrays, Duplicates, IdxFiles, Missing, Source, Table, WordRules};
use dlc_types::{Diagnostic, Span};

const SOURCES: &[Form] = &[
    (
        "csv",
        &[
            ("path", true),
            ("target", false),
            ("drop", false),
            ("features", false),
            ("one_hot", false),
            ("index", false),
            ("text", false),
            ("tokens", false),
            ("vocabulary", false),
            ("min_count", false),
            ("padding", false),
            ("unknown", false),
            ("missing", false),
            ("duplicates", false),
            ("delimiter", false),
            ("quote", false),
            ("header", false),
            ("validation", false),
            ("test", false),
        ],
    ),
    ("cifar10", &[("path", true)]),
    ("cifar100", &[("path", true), ("labels", false)]),
    (
        "idx",
        &[
            ("path", true),
            ("images", false),
            ("labels", false),
            ("test_images", false),
            ("test_labels", false),
        ],
    ),
    ("image_folder", &[("path", true)]),
    ("segmentation", &[("path", true), ("ignore", false)]),
    ("numpy", &[("path", true), ("arrays", false), ("validation", false), ("test", false)]),
    ("synthetic", &[("samples", false), ("classes", false)]),
];

pub(super) type SourceWithFields = (Source, Span, Vec<NamedField>);

/// Reads the source and the fields that it is bound to.
pub(super) fn read_source(el: &mut Elaborator<'_>, section: &Section) -> Eval<SourceWithFields> {
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
    let source = source(el, name, &arguments);
    let fields = read_fields(el, entry);
    let (source, fields) = (source?, fields?);
    check_field_number(el, name, &source, fields.len(), expr.span)?;
    Ok((source, expr.span, fields))
}

fn source(el: &mut Elaborator<'_>, name: &str, arguments: &Arguments) -> Eval<Source> {
    let path = |el: &mut Elaborator<'_>| arguments.text(el, "path");
    Ok(match name {
        "csv" => Source::Csv(Box::new(table(el, arguments)?)),
        "cifar10" => Source::Cifar10 { path: path(el)? },
        "cifar100" => {
            let coarse = choice(el, arguments, "labels", &[("fine", false), ("coarse", true)])?;
            Source::Cifar100 { path: path(el)?, coarse: coarse.unwrap_or(false) }
        }
        "idx" => Source::Idx(Box::new(idx(el, arguments)?)),
        "image_folder" => Source::ImageFolder { path: path(el)? },
        "segmentation" => {
            let ignore = match arguments.get("ignore") {
                None => None,
                Some(_) => u8::try_from(arguments.whole(el, "ignore", 0, 255)?).ok(),
            };
            Source::Segmentation { path: path(el)?, ignore }
        }
        "numpy" => Source::Numpy(Box::new(Arrays {
            path: path(el)?,
            training: names(el, arguments, "arrays")?.unwrap_or_default(),
            validation: names(el, arguments, "validation")?.unwrap_or_default(),
            test: names(el, arguments, "test")?.unwrap_or_default(),
        })),
        _ => Source::Synthetic {
            samples: optional_size(el, arguments, "samples", 512)?,
            classes: optional_size(el, arguments, "classes", 10)?,
        },
    })
}

fn table(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Table> {
    let rules = WordRules::default();
    let table = Table {
        path: arguments.text(el, "path")?,
        validation: optional_text(el, arguments, "validation")?,
        test: optional_text(el, arguments, "test")?,
        target: names(el, arguments, "target")?.unwrap_or_default(),
        features: names(el, arguments, "features")?,
        drop: names(el, arguments, "drop")?.unwrap_or_default(),
        one_hot: names(el, arguments, "one_hot")?.unwrap_or_default(),
        index: names(el, arguments, "index")?.unwrap_or_default(),
        text: names(el, arguments, "text")?.unwrap_or_default(),
        words: WordRules {
            vocabulary: optional_size(el, arguments, "vocabulary", rules.vocabulary)?,
            least_count: optional_size(el, arguments, "min_count", rules.least_count)?,
            characters: choice(el, arguments, "tokens", &[("words", false), ("characters", true)])?
                .unwrap_or(rules.characters),
            padding_before: choice(el, arguments, "padding", &[("behind", false), ("front", true)])?
                .unwrap_or(rules.padding_before),
        },
        delimiter: character(el, arguments, "delimiter", b',')?,
        quote: character(el, arguments, "quote", b'"')?,
        header: arguments.bool_or(el, "header", true)?,
        missing: missing(el, arguments)?,
        duplicates: {
            let known =
                [("keep", Duplicates::Keep), ("drop", Duplicates::Drop), ("error", Duplicates::Error)];
            choice(el, arguments, "duplicates", &known)?.unwrap_or(Duplicates::Keep)
        },
        unknown_allowed: choice(el, arguments, "unknown", &[("error", false), ("other", true)])?
            .unwrap_or(false),
    };
    check_uses(el, arguments, &table)?;
    Ok(table)
}

/// That no column has two uses.
fn check_uses(el: &mut Elaborator<'_>, arguments: &Arguments, table: &Table) -> Eval<()> {
    let uses: [(&str, &[String]); 6] = [
        ("target", &table.target),
        ("features", table.features.as_deref().unwrap_or_default()),
        ("drop", &table.drop),
        ("one_hot", &table.one_hot),
        ("index", &table.index),
        ("text", &table.text),
    ];
    for (position, (key, columns)) in uses.iter().enumerate() {
        for (number, column) in columns.iter().enumerate() {
            let again = columns[..number].contains(column).then_some(*key);
            // A one-hot column is a feature.
            let others =
                uses[..position].iter().filter(|(other, _)| (*other, *key) != ("features", "one_hot"));
            let other =
                others.filter(|(_, columns)| columns.contains(column)).map(|(other, _)| *other).next();
            if let Some(other) = again.or(other) {
                let message = format!("the column \"{column}\" stands in `{other}` and in `{key}`");
                let span = arguments.span_of(key);
                return el.fail_at(codes::DUPLICATE, message, span, "a column has one use");
            }
        }
    }
    Ok(())
}

fn missing(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<Missing> {
    let number = match arguments.get("missing") {
        Some((Value::Initializer(InitializerRule::Constant(value)), _)) => Some(*value),
        Some((value, _)) => value.as_float(),
        None => None,
    };
    if let Some(value) = number {
        return Ok(Missing::Constant(value));
    }
    let known = [("error", Missing::Error), ("drop", Missing::Drop), ("mean", Missing::Mean)];
    Ok(choice(el, arguments, "missing", &known)?.unwrap_or(Missing::Error))
}

fn idx(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<IdxFiles> {
    let usual = IdxFiles::usual(arguments.text(el, "path")?);
    let images = optional_text(el, arguments, "images")?.unwrap_or(usual.images);
    let labels = optional_text(el, arguments, "labels")?.unwrap_or(usual.labels);
    let test = (optional_text(el, arguments, "test_images")?, optional_text(el, arguments, "test_labels")?);
    let test = match test {
        (Some(images), Some(labels)) => Some((images, labels)),
        (None, None) => None,
        _ => {
            let message = "`test_images` and `test_labels` are given together";
            return el.fail_at(codes::ARGUMENT, message, arguments.span, "one of them is missing");
        }
    };
    Ok(IdxFiles { images, labels, test, path: usual.path })
}

/// That the fields are as many as the source yields.
fn check_field_number(
    el: &mut Elaborator<'_>,
    name: &str,
    source: &Source,
    found: usize,
    span: Span,
) -> Eval<()> {
    let (message, help) = match source {
        Source::Synthetic { .. } => return Ok(()),
        Source::Numpy(arrays) => {
            let lists = [&arrays.training, &arrays.validation, &arrays.test];
            match lists.into_iter().find(|list| !list.is_empty() && list.len() != found) {
                None if found > 0 => return Ok(()),
                _ => {
                    let message = format!("`numpy` yields one field per array, not {found}");
                    (
                        message,
                        "write `source = numpy(\"file.npz\", arrays = [\"a\", \"b\"]) -> (x, y)`".to_owned(),
                    )
                }
            }
        }
        Source::Csv(table)
            if !(table.index.is_empty() && table.text.is_empty()) || table.target.is_empty() =>
        {
            let beside = table.fields_beside_features();
            if found == beside + 1 || found == beside && found > usize::from(!table.target.is_empty()) {
                return Ok(());
            }
            let message = format!("`csv` yields {} fields with the features, not {found}", beside + 1);
            let order =
                "in order: the features, each column of `index`, each of `text`, the target".to_owned();
            (message, order)
        }
        _ if found == 2 => return Ok(()),
        _ => (
            format!("`{name}` yields two fields, the input and the target, not {found}"),
            format!("write `source = {name}(…) -> (x, y)`"),
        ),
    };
    el.fail(Diagnostic::error(codes::FIELD, message).at(span, "the fields are named behind `->`").help(help))
}

fn names(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str) -> Eval<Option<Vec<String>>> {
    match arguments.get(key).cloned() {
        None => Ok(None),
        // Columns without a header are called by their numbers.
        Some((Value::Int(number), _)) => Ok(Some(vec![number.to_string()])),
        Some((value, span)) => texts(el, &format!("`{key}`"), &value, span).map(Some),
    }
}

fn optional_text(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str) -> Eval<Option<String>> {
    if arguments.get(key).is_none() { Ok(None) } else { arguments.text(el, key).map(Some) }
}

fn optional_size(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str, default: usize) -> Eval<usize> {
    if arguments.get(key).is_none() { Ok(default) } else { arguments.whole(el, key, 1, 1 << 30) }
}

/// One of several words, as a string.
fn choice<T: Copy>(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    key: &str,
    known: &[(&str, T)],
) -> Eval<Option<T>> {
    let found = match arguments.get(key) {
        None => return Ok(None),
        Some((Value::Text(text), _)) => known.iter().find(|(word, _)| *word == &**text),
        Some(_) => None,
    };
    match found {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let words: Vec<String> = known.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            arguments.mismatch(el, key, &words.join(" or "))
        }
    }
}

/// A string of one ASCII character.
fn character(el: &mut Elaborator<'_>, arguments: &Arguments, key: &str, default: u8) -> Eval<u8> {
    let found = match arguments.get(key) {
        None => return Ok(default),
        Some((Value::Text(text), _)) => match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
            _ => None,
        },
        Some(_) => None,
    };
    match found {
        Some(byte) => Ok(byte),
        None => arguments.mismatch(el, key, "a string of one character such as \";\""),
    }
}
