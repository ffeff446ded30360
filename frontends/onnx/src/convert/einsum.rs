//! Einsum: sums of products over named axes.
//!
//! History: opset 12, unchanged since. Operands are multiplied from the first to the last; an axis is summed over
//! as soon as no later operand and no result has its name. A name that stands twice at an operand takes its
//! diagonal; axes under an ellipsis broadcast, counted from the last.

use super::product::{Named, arranged, product, summed};
use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("Einsum", 12, einsum)];

/// Above every letter: axes under an ellipsis, counted from the last.
const ELLIPSIS: u32 = 0x11_0000;

/// The names of one term with the axes under its ellipsis, of which there are `hidden`.
fn term(context: &Context<'_, '_>, text: &str, hidden: usize) -> Result<Vec<u32>, Stop> {
    let mut names = Vec::new();
    let (front, behind) =
        text.split_once("...").map_or((text, None), |(front, behind)| (front, Some(behind)));
    let letters = |names: &mut Vec<u32>, part: &str| {
        for letter in part.chars() {
            if !letter.is_ascii_alphabetic() {
                return Err(context.invalid(format!("`{letter}` in the term `{text}` is no letter")));
            }
            names.push(u32::from(letter));
        }
        Ok(())
    };
    letters(&mut names, front)?;
    if let Some(behind) = behind {
        names.extend((0..hidden as u32).rev().map(|place| ELLIPSIS + place));
        letters(&mut names, behind)?;
    }
    Ok(names)
}

/// The diagonal where a name stands twice.
fn diagonal(context: &mut Context<'_, '_>, value: NodeId, names: Vec<u32>) -> Result<Named, Stop> {
    let (mut value, mut names) = (value, names);
    while let Some(second) = (0..names.len()).find(|&axis| names[..axis].contains(&names[axis])) {
        let first = names.iter().position(|name| *name == names[second]).unwrap_or(second);
        let shape = context.shape(value);
        let size = context.size(shape[first])?;
        if shape[second] != Dim::Fixed(size) {
            return Err(context.invalid(format!("the axes {first} and {second} of {shape} have no diagonal")));
        }
        // Both axes as one at the end, of which every (size + 1)-th element is on the diagonal.
        let others: Vec<usize> = (0..names.len()).filter(|axis| *axis != first && *axis != second).collect();
        let permutation = [others.as_slice(), &[first, second]].concat();
        let mut dims: Vec<Dim> = others.iter().map(|&axis| shape[axis]).collect();
        let square = size.checked_mul(size).ok_or_else(|| context.invalid("its operand is too large"))?;
        dims.push(Dim::Fixed(square));
        let rank = dims.len();
        let mut strides = vec![1; rank];
        strides[rank - 1] = size + 1;
        let builder = context.builder();
        let joined = builder.transpose(value, &permutation)?;
        let joined = builder.reshape(joined, Shape(dims))?;
        let op = Op::Slice { starts: vec![0; rank], limits: vec![usize::MAX; rank], strides };
        value = builder.add_node(op, &[joined])?;
        let name = names[first];
        names = others.iter().map(|&axis| names[axis]).chain([name]).collect();
    }
    Ok(Named { value, names })
}

/// What the result has if the equation does not say: the axes under an ellipsis, then all names that stand once.
fn implied(terms: &[Vec<u32>], hidden: usize) -> Vec<u32> {
    let all: Vec<u32> = terms.concat();
    let mut once: Vec<u32> = all
        .iter()
        .copied()
        .filter(|name| *name < ELLIPSIS && all.iter().filter(|other| *other == name).count() == 1)
        .collect();
    once.sort_unstable();
    (0..hidden as u32).rev().map(|place| ELLIPSIS + place).chain(once).collect()
}

fn einsum(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let equation: String = context.text_or("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) =
        equation.split_once("->").map_or((equation.as_str(), None), |(left, right)| (left, Some(right)));
    let texts: Vec<&str> = left.split(',').collect();
    let values = context.inputs()?;
    if texts.len() != values.len() {
        return Err(context.invalid(format!("`{equation}` has {} terms, not {}", texts.len(), values.len())));
    }
    let mut hidden = 0;
    let mut terms = Vec::new();
    for (text, &value) in texts.iter().zip(&values) {
        let letters = text.chars().filter(|letter| *letter != '.').count();
        let rank = context.rank(value);
        let under = if text.contains("...") { rank.checked_sub(letters) } else { Some(0) };
        let under = under.filter(|under| letters + under == rank);
        let under = under
            .ok_or_else(|| context.invalid(format!("the term `{text}` does not name the {rank} axes")))?;
        hidden = hidden.max(under);
        terms.push(term(context, text, under)?);
    }
    let wanted = match right {
        Some(text) => term(context, text, hidden)?,
        None => implied(&terms, hidden),
    };
    if let Some(name) = wanted.iter().find(|name| !terms.iter().any(|term| term.contains(name))) {
        let letter = char::from_u32(*name).unwrap_or('.');
        return Err(context.invalid(format!("`{letter}` in the result of `{equation}` is in no term")));
    }
    let mut result: Option<Named> = None;
    for (position, &value) in values.iter().enumerate() {
        let next = diagonal(context, value, terms[position].clone())?;
        let later = &terms[position + 1..];
        let kept = |name: u32| wanted.contains(&name) || later.iter().any(|term| term.contains(&name));
        result = Some(match result {
            None => summed(context, next, &kept)?,
            Some(so_far) => product(context, so_far, next, &kept)?,
        });
    }
    let Some(result) = result else { return Err(context.invalid("it has no input")) };
    let result = arranged(context, &result, &wanted)?;
    context.set_output(0, result)
}
