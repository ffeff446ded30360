//! Contractions: MatMul and Gemm where one of them says the same, else Einsum.

use super::scope::{Scope, Value, Written, int, summed_in, text};
use dlc_ir::{Contraction, NodeId};
use dlc_types::{DType, Shape};

/// Axes of one operand in the order (batch, free, contracted), and how many there are of each.
struct Roles {
    batch: Vec<usize>,
    free: Vec<usize>,
    contracted: Vec<usize>,
}

impl Roles {
    fn new(rank: usize, batch: Vec<usize>, contracted: Vec<usize>) -> Roles {
        let free = (0..rank).filter(|axis| !batch.contains(axis) && !contracted.contains(axis)).collect();
        Roles { batch, free, contracted }
    }

    fn pair(contraction: &Contraction, ranks: [usize; 2]) -> [Roles; 2] {
        let left = |pairs: &[(usize, usize)]| pairs.iter().map(|pair| pair.0).collect();
        let right = |pairs: &[(usize, usize)]| pairs.iter().map(|pair| pair.1).collect();
        [
            Roles::new(ranks[0], left(&contraction.batch), left(&contraction.contract)),
            Roles::new(ranks[1], right(&contraction.batch), right(&contraction.contract)),
        ]
    }
}

/// The letters of Einsum.
fn letters(count: usize) -> Written<Vec<char>> {
    let all: Vec<char> = ('a'..='z').chain('A'..='Z').take(count).collect();
    if all.len() == count { Ok(all) } else { Err("more axes than Einsum has letters".to_owned()) }
}

fn equation([left, right]: &[Roles; 2], ranks: [usize; 2]) -> Written<String> {
    let mut next = letters(ranks[0] + ranks[1])?.into_iter();
    let mut texts = [vec![' '; ranks[0]], vec![' '; ranks[1]]];
    let mut result = String::new();
    let shared = left.batch.iter().zip(&right.batch).map(|axes| (axes, true));
    for ((&a, &b), stays) in
        shared.chain(left.contracted.iter().zip(&right.contracted).map(|axes| (axes, false)))
    {
        let letter = next.next().unwrap_or(' ');
        (texts[0][a], texts[1][b]) = (letter, letter);
        if stays {
            result.push(letter);
        }
    }
    for (side, roles) in [left, right].into_iter().enumerate() {
        for &axis in &roles.free {
            let letter = next.next().unwrap_or(' ');
            texts[side][axis] = letter;
            result.push(letter);
        }
    }
    let [a, b] = texts.map(|text| text.into_iter().collect::<String>());
    Ok(format!("{a},{b}->{result}"))
}

impl Scope<'_> {
    pub(super) fn contract(
        &mut self,
        [a, b]: [NodeId; 2],
        contraction: &Contraction,
        shape: &Shape,
    ) -> Written<Value> {
        let dtype = self.ty(a)?.dtype;
        let ranks = [self.shape(a)?.rank(), self.shape(b)?.rank()];
        let names = [self.full(a)?, self.full(b)?];
        let roles = Roles::pair(contraction, ranks);
        let permutations = matrices(&roles);
        // Einsum is older than bf16.
        let old = permutations.is_none() && dtype == DType::BF16;
        let wide = if old { DType::F32 } else { summed_in(dtype) };
        let names = names.map(|name| self.widened(&name, dtype, wide));
        let name = match permutations {
            Some([left, right]) => {
                let left = self.transpose(&names[0], &left);
                let right = self.transpose(&names[1], &right);
                self.apply("MatMul", &[&left, &right], &[])
            }
            None => {
                let equation = equation(&roles, ranks)?;
                self.apply("Einsum", &[&names[0], &names[1]], &[("equation", text(&equation))])
            }
        };
        Ok(Value { name: self.widened(&name, wide, dtype), dims: shape.dims().to_vec() })
    }

    /// A product of integers of 8 bits that [`is_matrix_product`] knows.
    pub(super) fn contract_integers(
        &mut self,
        [a, b]: [NodeId; 2],
        contraction: &Contraction,
        shape: &Shape,
    ) -> Written<Value> {
        let ranks = [self.shape(a)?.rank(), self.shape(b)?.rank()];
        let permutations = matrices(&Roles::pair(contraction, ranks));
        let [left, right] = permutations.ok_or("a product of integers that is none of matrices")?;
        let names = [self.full(a)?, self.full(b)?];
        let (left, right) = (self.transpose(&names[0], &left), self.transpose(&names[1], &right));
        let name = self.apply("MatMulInteger", &[&left, &right], &[]);
        Ok(Value { name, dims: shape.dims().to_vec() })
    }

    /// `a · b + bias` of matrices, with a bias that broadcasts.
    pub(super) fn dense(
        &mut self,
        [a, b]: [NodeId; 2],
        (left, right): (usize, usize),
        bias: NodeId,
        shape: &Shape,
    ) -> Written<Value> {
        let names = [self.full(a)?, self.full(b)?];
        let bias = self.compact(bias)?.name;
        let mut attributes = Vec::new();
        if left == 0 {
            attributes.push(("transA", int(1)));
        }
        if right == 1 {
            attributes.push(("transB", int(1)));
        }
        let name = self.apply("Gemm", &[&names[0], &names[1], &bias], &attributes);
        Ok(Value { name, dims: shape.dims().to_vec() })
    }
}

/// Whether MatMul can say a contraction of operands of these ranks.
pub(super) fn is_matrix_product(contraction: &Contraction, ranks: [usize; 2]) -> bool {
    matrices(&Roles::pair(contraction, ranks)).is_some()
}

/// How both operands are permuted for MatMul, if it can say the contraction: axes of the batch in front, then
/// what is free and what is contracted of the left, and the other way about of the right.
fn matrices([left, right]: &[Roles; 2]) -> Option<[Vec<usize>; 2]> {
    let one_free = left.free.len() == 1 && right.free.len() == 1;
    // Without a batch the left may have any number of free axes, and a vector needs none.
    let plain = left.batch.is_empty() && right.free.len() <= 1;
    if left.contracted.len() != 1 || !(one_free || plain) {
        return None;
    }
    let first = [left.batch.as_slice(), &left.free, &left.contracted].concat();
    let second = [right.batch.as_slice(), &right.contracted, &right.free].concat();
    Some([first, second])
}
