//! Index arithmetic: integer-linear forms over loop variables and the batch size.

use dlc_types::{Dim, define_index};

define_index!(
    /// An integer known while a kernel runs: a coordinate of the parallel space, a loop variable or the
    /// result of an index statement.
    IndexVar,
    "i"
);

/// `constant + batch * n + sum of coefficient * variable`. Terms are sorted by variable, without zero
/// coefficients and without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Affine {
    /// The constant part.
    pub constant: i64,
    /// Coefficient of the run-time batch size.
    pub batch: i64,
    /// Variables with their coefficients.
    pub terms: Vec<(IndexVar, i64)>,
}

impl Affine {
    /// A number.
    pub fn constant(constant: i64) -> Affine {
        Affine { constant, ..Affine::default() }
    }

    /// A variable.
    pub fn var(var: IndexVar) -> Affine {
        Affine { terms: vec![(var, 1)], ..Affine::default() }
    }

    /// An extent.
    pub fn extent(dim: Dim) -> Affine {
        match dim {
            Dim::Fixed(size) => Affine::constant(size as i64),
            Dim::Batch(scale) => Affine { batch: scale as i64, ..Affine::default() },
        }
    }

    /// The sum of two forms.
    #[must_use]
    pub fn plus(&self, other: &Affine) -> Affine {
        let mut sum = self.clone();
        sum.constant += other.constant;
        sum.batch += other.batch;
        for &(var, coefficient) in &other.terms {
            sum.add_term(var, coefficient);
        }
        sum
    }

    /// The form times a number.
    #[must_use]
    pub fn times(&self, factor: i64) -> Affine {
        if factor == 0 {
            return Affine::default();
        }
        Affine {
            constant: self.constant * factor,
            batch: self.batch * factor,
            terms: self.terms.iter().map(|&(var, coefficient)| (var, coefficient * factor)).collect(),
        }
    }

    /// The form plus a number.
    #[must_use]
    pub fn offset(mut self, constant: i64) -> Affine {
        self.constant += constant;
        self
    }

    /// Adds `coefficient * var` in place.
    pub fn add_term(&mut self, var: IndexVar, coefficient: i64) {
        match self.terms.binary_search_by_key(&var, |&(term, _)| term) {
            Ok(position) => {
                self.terms[position].1 += coefficient;
                if self.terms[position].1 == 0 {
                    self.terms.remove(position);
                }
            }
            Err(position) if coefficient != 0 => self.terms.insert(position, (var, coefficient)),
            Err(_) => {}
        }
    }

    /// The coefficient of a variable; 0 where it does not occur.
    pub fn coefficient(&self, var: IndexVar) -> i64 {
        self.terms.binary_search_by_key(&var, |&(term, _)| term).map_or(0, |position| self.terms[position].1)
    }

    /// The number, if no variable and no batch occurs.
    pub fn as_constant(&self) -> Option<i64> {
        (self.batch == 0 && self.terms.is_empty()).then_some(self.constant)
    }

    /// Whether terms are sorted, without repetition and without zero coefficients.
    pub fn is_canonical(&self) -> bool {
        self.terms.iter().all(|&(_, coefficient)| coefficient != 0)
            && self.terms.windows(2).all(|pair| pair[0].0 < pair[1].0)
    }

    /// `self + factor * other`, unless a number overflows.
    pub fn plus_checked(&self, other: &Affine, factor: i64) -> Option<Affine> {
        let scaled = |value: i64| value.checked_mul(factor);
        let mut sum = self.clone();
        sum.constant = sum.constant.checked_add(scaled(other.constant)?)?;
        sum.batch = sum.batch.checked_add(scaled(other.batch)?)?;
        for &(var, coefficient) in &other.terms {
            let added = scaled(coefficient)?;
            sum.coefficient(var).checked_add(added)?;
            sum.add_term(var, added);
        }
        Some(sum)
    }
}
