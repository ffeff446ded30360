//! What a kernel stores: its index arithmetic run over its whole space, without values.
//!
//! Indices that depend on data (clamped values, and what is computed from them) are unknown; stores to
//! them and loops bounded by them are skipped and counted.

use super::CoverageError;
use crate::{
    Affine, Body, Contraction, ContractionDim, Epilogue, IndexExpr, IndexVar, Kernel, LoopBody, Role,
    Statement,
};
use dlc_types::Dim;
use std::collections::BTreeMap;
use std::ops::Range;

/// More statements than this are not run.
const MOST_STEPS: usize = 1 << 26;

/// How often the elements of an operand are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreCounts {
    /// For each element the number of stores.
    pub counts: Vec<u32>,
    /// Elements that two points of the parallel space store, so that two threads might at once.
    pub shared: Vec<usize>,
    /// How many stores or loops were skipped, since data decides where or whether they are.
    pub unknown: usize,
}

/// Counts the stores of a verified kernel to one operand of `elements` elements.
///
/// A contraction without an epilogue stores each result element once for each kept coordinate, however
/// often it comes back to it on the way.
///
/// # Errors
///
/// A store outside of the operand, or more work than a check is worth.
pub fn store_counts(
    kernel: &Kernel,
    operand: usize,
    elements: usize,
    batch: usize,
) -> Result<StoreCounts, CoverageError> {
    if elements > MOST_STEPS {
        return Err(CoverageError::TooLarge);
    }
    let mut walk = Walk {
        operand,
        batch: batch as i128,
        known: BTreeMap::new(),
        counts: vec![0; elements],
        owners: vec![None; elements],
        shared: Vec::new(),
        unknown: 0,
        point: 0,
        steps: MOST_STEPS,
    };
    let space = kernel.space.iter().map(|&dim| size(dim, batch)).collect::<Result<Vec<_>, _>>()?;
    for_each_coordinate(&space, |coordinates| {
        match &kernel.body {
            Body::Loop(body) => walk.loop_point(body, coordinates)?,
            Body::Contraction(contraction) => walk.contraction_point(contraction, coordinates, batch)?,
        }
        walk.point += 1;
        Ok(())
    })?;
    walk.shared.sort_unstable();
    walk.shared.dedup();
    Ok(StoreCounts { counts: walk.counts, shared: walk.shared, unknown: walk.unknown })
}

/// The extent for a batch.
fn size(dim: Dim, batch: usize) -> Result<usize, CoverageError> {
    match dim {
        Dim::Fixed(size) => Ok(size),
        Dim::Batch(scale) => scale.checked_mul(batch).ok_or(CoverageError::TooLarge),
    }
}

type Walked = Result<(), CoverageError>;

/// Visits all coordinates of a space, row-major.
fn for_each_coordinate(space: &[usize], mut visit: impl FnMut(&[usize]) -> Walked) -> Walked {
    if space.contains(&0) {
        return Ok(());
    }
    let mut coordinates = vec![0; space.len()];
    loop {
        visit(&coordinates)?;
        let Some(axis) = (0..space.len()).rev().find(|&axis| coordinates[axis] + 1 < space[axis]) else {
            return Ok(());
        };
        coordinates[axis] += 1;
        coordinates[axis + 1..].fill(0);
    }
}

struct Walk {
    operand: usize,
    batch: i128,
    /// Indices at this place; `None` where data decides.
    known: BTreeMap<IndexVar, Option<i128>>,
    counts: Vec<u32>,
    /// The point that stored an element last.
    owners: Vec<Option<usize>>,
    shared: Vec<usize>,
    unknown: usize,
    point: usize,
    /// How much work is left.
    steps: usize,
}

impl Walk {
    fn step(&mut self) -> Walked {
        self.steps = self.steps.checked_sub(1).ok_or(CoverageError::TooLarge)?;
        Ok(())
    }

    fn form(&self, form: &Affine) -> Option<i128> {
        let fixed = i128::from(form.batch).checked_mul(self.batch)?.checked_add(i128::from(form.constant))?;
        form.terms.iter().try_fold(fixed, |sum, (index, coefficient)| {
            let value = (*self.known.get(index)?)?;
            sum.checked_add(value.checked_mul(i128::from(*coefficient))?)
        })
    }

    fn loop_point(&mut self, body: &LoopBody, coordinates: &[usize]) -> Walked {
        for (&index, &coordinate) in body.coordinates.iter().zip(coordinates) {
            self.known.insert(index, Some(coordinate as i128));
        }
        self.block(&body.statements)
    }

    fn block(&mut self, statements: &[Statement]) -> Walked {
        for statement in statements {
            self.step()?;
            match statement {
                Statement::Let { .. } | Statement::Load { .. } => {}
                Statement::Store { operand, .. } if *operand != self.operand => {}
                Statement::Store { index, .. } => match self.form(index) {
                    Some(element) => self.store(element)?,
                    None => self.unknown += 1,
                },
                Statement::Index { result, expr } => {
                    let value = self.index_expr(expr);
                    self.known.insert(*result, value);
                }
                Statement::For(inner) => match (self.form(&inner.start), self.form(&inner.end)) {
                    (Some(start), Some(end)) => {
                        for value in start..end {
                            self.step()?;
                            self.known.insert(inner.var, Some(value));
                            self.block(&inner.body)?;
                        }
                    }
                    _ => self.unknown += 1,
                },
            }
        }
        Ok(())
    }

    fn index_expr(&self, expr: &IndexExpr) -> Option<i128> {
        match expr {
            IndexExpr::Form(form) => self.form(form),
            IndexExpr::Quotient(form, divisor) => self.form(form)?.checked_div_euclid(i128::from(*divisor)),
            IndexExpr::Remainder(form, divisor) => self.form(form)?.checked_rem_euclid(i128::from(*divisor)),
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                let product = self.form(form)?.checked_mul(self.form(chunk)?)?;
                product.checked_div_euclid(i128::from(*chunks))
            }
            IndexExpr::Clamped(..) => None,
        }
    }

    fn store(&mut self, element: i128) -> Walked {
        let elements = self.counts.len();
        let Some(place) = usize::try_from(element).ok().filter(|&place| place < elements) else {
            return Err(CoverageError::Outside { element, elements });
        };
        self.counts[place] = self.counts[place].saturating_add(1);
        match self.owners[place] {
            Some(owner) if owner != self.point => self.shared.push(place),
            _ => self.owners[place] = Some(self.point),
        }
        Ok(())
    }

    fn contraction_point(&mut self, body: &Contraction, coordinates: &[usize], batch: usize) -> Walked {
        let mut offset = i128::from(body.offsets[2]);
        let ranges = point_ranges(body, coordinates, batch, &mut offset)?;
        let kept: Vec<usize> = (0..body.dims.len()).filter(|&dim| !body.dims[dim].is_reduced()).collect();
        let lengths: Vec<usize> = kept.iter().map(|&dim| ranges[dim].len()).collect();
        for_each_coordinate(&lengths, |steps| {
            self.step()?;
            let mut element = offset;
            for (&dim, &step) in kept.iter().zip(steps) {
                let coordinate = (ranges[dim].start + step) as i128;
                element += coordinate * i128::from(body.dims[dim].strides[2]);
                if let Some(epilogue) = &body.epilogue {
                    self.known.insert(epilogue.coordinates[dim], Some(coordinate));
                }
            }
            match &body.epilogue {
                Some(epilogue) => {
                    self.block(&epilogue.statements)?;
                    let first = kept.iter().zip(steps).all(|(&dim, &step)| {
                        step == 0 || !matches!(body.dims[dim].role, Role::Rows | Role::Sequential)
                    });
                    self.sums(epilogue, first)
                }
                None if self.operand == 2 => self.store(element),
                None => Ok(()),
            }
        })
    }
}

impl Walk {
    /// The sums of a point are stored once, however many elements they add.
    fn sums(&mut self, epilogue: &Epilogue, first: bool) -> Walked {
        let operand = self.operand;
        for sum in epilogue.sums.iter().filter(|sum| first && sum.operand == operand) {
            match self.form(&sum.index) {
                Some(element) => self.store(element)?,
                None => self.unknown += 1,
            }
        }
        Ok(())
    }
}

/// The part of each dimension that a point of the parallel space has; adds the strides between results
/// of split reductions to `offset`.
fn point_ranges(
    body: &Contraction,
    coordinates: &[usize],
    batch: usize,
    offset: &mut i128,
) -> Result<Vec<Range<usize>>, CoverageError> {
    let parallel = |dim: &&ContractionDim| dim.role == Role::Parallel;
    let mut whole = coordinates.iter().copied();
    let mut pieces = coordinates.iter().copied().skip(body.dims.iter().filter(parallel).count());
    let mut range = |dim: &ContractionDim| {
        let extent = size(dim.extent, batch)?;
        if parallel(&dim) {
            let coordinate = whole.next().unwrap_or(0);
            return Ok(coordinate..coordinate + 1);
        }
        let Some(split) = dim.split else { return Ok(0..extent) };
        let chunk = pieces.next().unwrap_or(0);
        *offset += i128::from(split.result_stride) * chunk as i128;
        Ok(split.piece(extent, chunk))
    };
    body.dims.iter().map(&mut range).collect()
}
