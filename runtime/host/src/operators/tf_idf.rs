//! `TfIdfVectorizer`: how often each n-gram of a pool stands in a row, weighted.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one, unknown_choice};
use crate::element::Element;
use crate::error::{HostError, Result, invalid};
use crate::index::{count, dim};
use crate::operator::{Operator, onnx};
use crate::tensor::{Data, Tensor};
use std::collections::BTreeMap;

pub(super) const ROWS: &[Operator] = &[onnx("TfIdfVectorizer", 9, vectorize)];

/// Columns of the result by n-gram.
type Columns<T> = BTreeMap<Vec<T>, usize>;

/// Which n-grams count.
struct Lengths {
    least: usize,
    most: usize,
    skips: usize,
}

fn vectorize(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let lengths = Lengths {
        least: dim(call.required_int("min_gram_length")?)?.max(1),
        most: dim(call.required_int("max_gram_length")?)?,
        skips: dim(call.required_int("max_skip_count")?)?,
    };
    let missing = |name: &str| invalid(format!("attribute {name} is missing"));
    let columns = call.ints("ngram_indexes")?.ok_or_else(|| missing("ngram_indexes"))?;
    let columns = columns.iter().map(|&column| dim(column)).collect::<Result<Vec<usize>>>()?;
    let width = columns.iter().max().map_or(0, |&greatest| greatest.saturating_add(1));
    let (rows, length, dims) = match *data.dims() {
        [] => (1, 1, vec![width]),
        [length] => (1, length, vec![width]),
        [rows, length] => (rows, length, vec![rows, width]),
        ref dims => return Err(invalid(format!("dims {dims:?} are neither [C] nor [N, C]"))),
    };
    count(&dims)?;
    let counts = call.ints("ngram_counts")?.ok_or_else(|| missing("ngram_counts"))?;
    let starts = counts.iter().map(|&start| dim(start)).collect::<Result<Vec<usize>>>()?;
    let mut found = Tensor::zeros(Element::F64, vec![rows, width])?.floats()?;
    match data.data() {
        Data::Strings(words) => {
            let pool = call.strings("pool_strings")?.ok_or_else(|| missing("pool_strings"))?;
            let grams = grams(pool, &starts, &columns, &lengths)?;
            tally(words, length, &grams, &lengths, width, &mut found);
        }
        Data::Bytes(_) => {
            let pool = call.ints("pool_int64s")?.ok_or_else(|| missing("pool_int64s"))?;
            let grams = grams(pool, &starts, &columns, &lengths)?;
            tally(&data.integers()?, length, &grams, &lengths, width, &mut found);
        }
    }
    let values = weighted(call, found, width)?;
    one(Tensor::of_floats(Element::F32, dims, values)?)
}

/// The pool's n-grams of the lengths that count. `starts` says where those of length 1, 2, … begin.
fn grams<T: Ord + Clone>(
    pool: &[T],
    starts: &[usize],
    columns: &[usize],
    lengths: &Lengths,
) -> std::result::Result<Columns<T>, HostError> {
    let mut grams = Columns::new();
    let mut number = 0;
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(pool.len());
        let part = pool.get(start..end).ok_or_else(|| invalid("ngram_counts do not fit the pool"))?;
        for gram in part.chunks_exact(index + 1) {
            let &column = columns.get(number).ok_or_else(|| invalid("ngram_indexes do not fit the pool"))?;
            number += 1;
            if (lengths.least..=lengths.most).contains(&(index + 1)) {
                grams.insert(gram.to_vec(), column);
            }
        }
    }
    Ok(grams)
}

/// Counts in each row of `words` the n-grams whose words stand one or more places apart, always the same number.
fn tally<T: Ord + Clone>(
    words: &[T],
    length: usize,
    grams: &Columns<T>,
    lengths: &Lengths,
    width: usize,
    found: &mut [f64],
) {
    let longest = grams.keys().map(Vec::len).max().unwrap_or(0);
    for (row, words) in words.chunks_exact(length.max(1)).enumerate() {
        for apart in 1..=lengths.skips.saturating_add(1).min(length.max(1)) {
            for start in 0..length {
                let mut gram = Vec::new();
                for word in words[start..].iter().step_by(apart).take(longest) {
                    gram.push(word.clone());
                    // Single words are the same at all distances.
                    if gram.len() == 1 && apart > 1 {
                        continue;
                    }
                    if let Some(&column) = grams.get(&gram) {
                        found[row * width + column] += 1.0;
                    }
                }
            }
        }
    }
}

fn weighted(call: &Call<'_>, found: Vec<f64>, width: usize) -> Result<Vec<f64>> {
    let weights = call.floats("weights")?.filter(|weights| !weights.is_empty());
    if weights.is_some_and(|weights| weights.len() < width) {
        return Err(invalid("there are fewer weights than columns"));
    }
    let weight = |place: usize| weights.map_or(1.0, |weights| f64::from(weights[place % width]));
    let (presence, scaled) = match call.string_or("mode", "TF")? {
        "TF" => (false, false),
        "IDF" => (true, true),
        "TFIDF" => (false, true),
        other => return Err(unknown_choice("mode", other)),
    };
    let value = |(place, count): (usize, f64)| {
        let count = if presence { count.min(1.0) } else { count };
        if scaled { count * weight(place) } else { count }
    };
    Ok(found.into_iter().enumerate().map(value).collect())
}
