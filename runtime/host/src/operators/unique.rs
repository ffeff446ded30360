//! `Unique`: the different elements, or slices along an axis, with where they stand and how often.

use crate::attribute::Given;
use crate::call::{Call, Outcome};
use crate::error::Result;
use crate::index::axis;
use crate::number::Number;
use crate::operator::{Operator, onnx};
use crate::operators::layout::permuted;
use crate::tensor::{Data, Tensor};
use std::cmp::Ordering;

pub(super) const ROWS: &[Operator] = &[onnx("Unique", 11, unique)];

/// Rows of equal length that can be ordered.
struct Rows<'a> {
    length: usize,
    numbers: Vec<Number>,
    strings: &'a [String],
}

impl Rows<'_> {
    fn of(table: &Tensor, length: usize) -> Result<Rows<'_>> {
        Ok(match table.data() {
            Data::Strings(strings) => Rows { length, numbers: Vec::new(), strings },
            Data::Bytes(_) => Rows { length, numbers: table.numbers()?, strings: &[] },
        })
    }

    fn compare(&self, left: usize, right: usize) -> Ordering {
        let elements = (0..self.length).map(|at| (left * self.length + at, right * self.length + at));
        let compared = elements.map(|(left, right)| match self.strings {
            [] => self.numbers[left].order(self.numbers[right]),
            strings => strings[left].cmp(&strings[right]),
        });
        compared.fold(Ordering::Equal, Ordering::then)
    }
}

fn unique(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rank = data.dims().len();
    let (table, along) = match call.int("axis")? {
        None => (data.reshaped(vec![data.len()])?, 0),
        Some(&along) => {
            let along = axis(along, rank)?;
            let order: Vec<usize> =
                std::iter::once(along).chain((0..rank).filter(|&at| at != along)).collect();
            (permuted(data, &order)?, along)
        }
    };
    let count = table.dims()[0];
    let length = table.dims()[1..].iter().product();
    let rows = Rows::of(&table, length)?;
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&left, &right| rows.compare(left, right));
    // Groups of equal rows, each in the order of the data.
    let mut groups: Vec<Vec<usize>> =
        order.chunk_by(|&a, &b| rows.compare(a, b).is_eq()).map(<[usize]>::to_vec).collect();
    if !call.flag("sorted", true)? {
        groups.sort_by_key(|group| group[0]);
    }
    let mut inverse = vec![0i64; count];
    for (index, group) in groups.iter().enumerate() {
        group.iter().for_each(|&row| inverse[row] = index as i64);
    }
    let mut dims = table.dims().to_vec();
    dims[0] = groups.len();
    let places = groups.iter().flat_map(|group| (0..length).map(move |at| group[0] * length + at));
    let mut different = table.pick(dims, places)?;
    if table.dims().len() > 1 {
        let back: Vec<usize> = (1..=along).chain([0]).chain(along + 1..rank).collect();
        different = permuted(&different, &back)?;
    }
    let many = groups.len();
    Ok(vec![
        different.into(),
        Tensor::of_integers(vec![many], groups.iter().map(|group| group[0] as i64))?.into(),
        Tensor::of_integers(vec![count], inverse)?.into(),
        Tensor::of_integers(vec![many], groups.iter().map(|group| group.len() as i64))?.into(),
    ])
}
