//! Products: MatMul, Gemm, and the product of tensors with named axes that Einsum is made of.
//!
//! History: Gemm's addend became broadcast without a flag with opset 7 and may be left out since 11; integers came
//! to MatMul and Gemm with 9.

use super::{Context, Operator, Stop};
use dlc_ir::NodeId;
use dlc_types::{Dim, Shape};

pub(super) const OPERATORS: &[Operator] =
    &[Operator::new("MatMul", 1, matmul), Operator::new("Gemm", 1, gemm)];

/// A tensor whose axes have names, no two of them the same.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub value: NodeId,
    pub names: Vec<u32>,
}

impl Named {
    fn axis(&self, name: u32) -> Option<usize> {
        self.names.iter().position(|own| *own == name)
    }
}

/// Sums over the axes whose names are not kept.
pub(super) fn summed(
    context: &mut Context<'_, '_>,
    x: Named,
    kept: &dyn Fn(u32) -> bool,
) -> Result<Named, Stop> {
    let gone: Vec<usize> = (0..x.names.len()).filter(|&axis| !kept(x.names[axis])).collect();
    let value = context.builder().sum(x.value, &gone)?;
    Ok(Named { value, names: x.names.into_iter().filter(|&name| kept(name)).collect() })
}

/// Without axes of size 1 that stretch to the other operand's.
fn without_stretched(context: &mut Context<'_, '_>, x: Named, other: &Named) -> Result<Named, Stop> {
    let (dims, others) = (context.shape(x.value), context.shape(other.value));
    let stays = |axis: &usize| {
        let across = other.axis(x.names[*axis]);
        dims[*axis] != Dim::Fixed(1) || across.is_none_or(|across| others[across] == Dim::Fixed(1))
    };
    let stay: Vec<usize> = (0..x.names.len()).filter(stays).collect();
    let shape = Shape(stay.iter().map(|&axis| dims[axis]).collect());
    let value = context.builder().reshape(x.value, shape)?;
    Ok(Named { value, names: stay.iter().map(|&axis| x.names[axis]).collect() })
}

/// The product, summed over the names that are not kept.
pub(super) fn product(
    context: &mut Context<'_, '_>,
    a: Named,
    b: Named,
    kept: &dyn Fn(u32) -> bool,
) -> Result<Named, Stop> {
    let (a, b) = (without_stretched(context, a.clone(), &b)?, without_stretched(context, b, &a)?);
    let shared = |name: u32| a.axis(name).is_some() && b.axis(name).is_some();
    let needed = |name: u32| kept(name) || shared(name);
    let (a, b) = (summed(context, a.clone(), &needed)?, summed(context, b.clone(), &needed)?);
    let (mut batch, mut contract, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (left, &name) in a.names.iter().enumerate() {
        let Some(right) = b.axis(name) else { continue };
        if kept(name) {
            batch.push((left, right));
            names.push(name);
        } else {
            contract.push((left, right));
        }
    }
    names.extend(a.names.iter().filter(|&&name| b.axis(name).is_none()));
    names.extend(b.names.iter().filter(|&&name| a.axis(name).is_none()));
    let value = context.builder().contract(a.value, b.value, &batch, &contract)?;
    Ok(Named { value, names })
}

/// The axes in that order; those that are not there have size 1.
pub(super) fn arranged(context: &mut Context<'_, '_>, x: &Named, names: &[u32]) -> Result<NodeId, Stop> {
    let permutation: Vec<usize> = names.iter().filter_map(|&name| x.axis(name)).collect();
    let value = context.builder().transpose(x.value, &permutation)?;
    let missing: Vec<usize> = (0..names.len()).filter(|&axis| x.axis(names[axis]).is_none()).collect();
    context.with_axes(value, &missing)
}

const ROW: u32 = 0;
const INNER: u32 = 1;
const COLUMN: u32 = 2;
const BATCH: u32 = 3;

/// Names of the axes in front of the matrix, counted from the last.
fn batch_names(count: usize) -> impl Iterator<Item = u32> {
    (0..count as u32).rev().map(|place| BATCH + place)
}

/// NumPy's rules: a vector is a row or a column that vanishes from the result; axes in front broadcast.
pub(super) fn matrix_product(context: &mut Context<'_, '_>, a: NodeId, b: NodeId) -> Result<NodeId, Stop> {
    let (left, right) = (context.rank(a), context.rank(b));
    if left == 0 || right == 0 {
        return Err(context.invalid("it multiplies vectors and matrices, not scalars"));
    }
    let (front, behind) = (left.saturating_sub(2), right.saturating_sub(2));
    let mut a_names: Vec<u32> = batch_names(front).collect();
    a_names.extend(if left == 1 { vec![INNER] } else { vec![ROW, INNER] });
    let mut b_names: Vec<u32> = batch_names(behind).collect();
    b_names.extend(if right == 1 { vec![INNER] } else { vec![INNER, COLUMN] });
    let mut names: Vec<u32> = batch_names(front.max(behind)).collect();
    names.extend((left > 1).then_some(ROW));
    names.extend((right > 1).then_some(COLUMN));
    let (inner_a, inner_b) =
        (context.shape(a)[left - 1], context.shape(b)[if right == 1 { 0 } else { right - 2 }]);
    if inner_a != inner_b {
        let (a, b) = (context.ty(a), context.ty(b));
        return Err(context.invalid(format!("{a} and {b} have no product: {inner_a} is not {inner_b}")));
    }
    let (a, b) = (Named { value: a, names: a_names }, Named { value: b, names: b_names });
    let result = product(context, a, b, &|name| name != INNER)?;
    arranged(context, &result, &names)
}

fn matmul(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (a, b) = (context.input(0)?, context.input(1)?);
    let result = matrix_product(context, a, b)?;
    context.set_output(0, result)
}

/// `x * factor`; a factor of integers must be one.
fn scaled(context: &mut Context<'_, '_>, x: NodeId, name: &str) -> Result<NodeId, Stop> {
    let factor = context.float_or(name, 1.0)?;
    if factor == 1.0 {
        return Ok(x);
    }
    if !context.dtype(x).is_float() && factor.fract() != 0.0 {
        return Err(context.not_done(format!("integers times {name}={factor}")));
    }
    Ok(context.builder().scale(x, factor)?)
}

/// `alpha * A * B + beta * C`, each matrix transposed if asked for.
fn gemm(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (a, b) = (context.input(0)?, context.input(1)?);
    if context.rank(a) != 2 || context.rank(b) != 2 {
        let (a, b) = (context.ty(a), context.ty(b));
        return Err(context.invalid(format!("it multiplies matrices, not {a} and {b}")));
    }
    let left = if context.flag("transA", false)? { vec![INNER, ROW] } else { vec![ROW, INNER] };
    let right = if context.flag("transB", false)? { vec![COLUMN, INNER] } else { vec![INNER, COLUMN] };
    let (inner_a, inner_b) =
        (left.iter().position(|&name| name == INNER), right.iter().position(|&name| name == INNER));
    let sizes = (inner_a.map(|axis| context.shape(a)[axis]), inner_b.map(|axis| context.shape(b)[axis]));
    if sizes.0 != sizes.1 {
        let (a, b) = (context.ty(a), context.ty(b));
        return Err(context.invalid(format!("{a} and {b} have no product, transposed as it says")));
    }
    let (a, b) = (Named { value: a, names: left }, Named { value: b, names: right });
    let product = product(context, a, b, &|name| name != INNER)?;
    let product = arranged(context, &product, &[ROW, COLUMN])?;
    let mut result = scaled(context, product, "alpha")?;
    if let Some(addend) = context.optional(2)?
        && context.float_or("beta", 1.0)? != 0.0
    {
        let addend = scaled(context, addend, "beta")?;
        let shape = context.shape(result);
        let addend = context.broadcast_to(addend, &shape)?;
        result = context.builder().add(result, addend)?;
    }
    context.set_output(0, result)
}
