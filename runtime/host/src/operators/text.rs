//! Strings: `StringNormalizer`, `StringSplit`, `StringConcat`, `RegexFullMatch`.
//!
//! Changes of case follow Unicode and no locale: the attribute `locale` is read over.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one, unknown_choice};
use crate::error::invalid;
use crate::index::{broadcast, broadcast_strides};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;
use std::collections::BTreeSet;

pub(super) const ROWS: &[Operator] = &[
    onnx("StringNormalizer", 10, normalize),
    onnx("StringSplit", 20, split),
    onnx("StringConcat", 20, concat),
    onnx("RegexFullMatch", 20, full_match),
];

fn normalize(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rows = match *data.dims() {
        [_] => false,
        [1, _] => true,
        ref dims => return Err(invalid(format!("dims {dims:?} are neither [C] nor [1, C]"))),
    };
    let change = match call.string_or("case_change_action", "NONE")? {
        "NONE" => str::to_owned,
        "LOWER" => str::to_lowercase,
        "UPPER" => str::to_uppercase,
        other => return Err(unknown_choice("case_change_action", other)),
    };
    let exact = call.flag("is_case_sensitive", false)?;
    let key = |text: &str| if exact { text.to_owned() } else { text.to_lowercase() };
    let stop: BTreeSet<String> = call
        .strings("stopwords")?
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|word| key(word))
        .collect();
    let kept = data.strings()?.iter().filter(|word| !stop.contains(&key(word)));
    let mut words: Vec<String> = kept.map(|word| change(word)).collect();
    if words.is_empty() {
        words.push(String::new());
    }
    let dims = if rows { vec![1, words.len()] } else { vec![words.len()] };
    one(Tensor::of_strings(dims, words)?)
}

/// The parts of a text: cut at a delimiter, or at white space of any length where there is none; at most `cuts` times.
fn pieces(text: &str, delimiter: &str, cuts: Option<usize>) -> Vec<String> {
    if !delimiter.is_empty() {
        let limit = cuts.map_or(usize::MAX, |cuts| cuts.saturating_add(1));
        return text.splitn(limit, delimiter).map(str::to_owned).collect();
    }
    let mut rest = text.trim_start();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).filter(|_| cuts.is_none_or(|cuts| parts.len() < cuts));
        let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(part.to_owned());
        rest = behind.trim_start();
    }
    parts
}

fn split(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let delimiter = call.string_or("delimiter", "")?;
    let cuts = call.int("maxsplit")?.and_then(|&cuts| usize::try_from(cuts).ok());
    let all: Vec<Vec<String>> = data.strings()?.iter().map(|text| pieces(text, delimiter, cuts)).collect();
    let widest = all.iter().map(Vec::len).max().unwrap_or(0);
    let counts = Tensor::of_integers(data.dims().to_vec(), all.iter().map(|parts| parts.len() as i64))?;
    let dims = [data.dims(), &[widest]].concat();
    crate::index::count(&dims)?;
    let padded = all.into_iter().flat_map(|mut parts| {
        parts.resize(widest, String::new());
        parts
    });
    Ok(vec![Tensor::of_strings(dims, padded.collect())?.into(), counts.into()])
}

fn concat(call: &Call<'_>) -> Outcome {
    let (left, right) = (call.input(0)?, call.input(1)?);
    let dims = broadcast(left.dims(), right.dims())?;
    let wide = |tensor: &Tensor| tensor.view(dims.clone(), &broadcast_strides(tensor.dims(), &dims)?, 0);
    let (left, right) = (wide(left)?, wide(right)?);
    let texts = left.strings()?.iter().zip(right.strings()?).map(|(left, right)| format!("{left}{right}"));
    let texts = texts.collect();
    one(Tensor::of_strings(dims, texts)?)
}

fn full_match(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let pattern = call.string_or("pattern", "")?;
    let anchored = format!(r"\A(?:{pattern})\z");
    let regex = regex::Regex::new(&anchored)
        .map_err(|_| invalid(format!("the pattern {pattern:?} is none, or too large")))?;
    let matches: Vec<bool> = data.strings()?.iter().map(|text| regex.is_match(text)).collect();
    one(Tensor::of_bools(data.dims().to_vec(), matches)?)
}
