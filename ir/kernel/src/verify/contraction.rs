//! Rules of contractions and their epilogues.

use super::Fault;
use super::statements::Scope;
use crate::{Contraction, ContractionDim, Epilogue, EpilogueSum, Factors, Kernel, Role};
use dlc_types::{DType, Dim, Shape};

type Checked = Result<(), Fault>;

pub(super) fn verify_contraction(kernel: &Kernel, contraction: &Contraction) -> Checked {
    let factors = operands(kernel, contraction)?;
    for (role, name) in [(Role::Lanes, "lanes"), (Role::Rows, "rows")] {
        let found = contraction.dims.iter().filter(|dim| dim.role == role).count();
        if found != 1 {
            return Err(Fault::RoleCount { role: name, found });
        }
    }
    for dim in &contraction.dims {
        strides(dim, contraction.epilogue.is_some())?;
        split(dim)?;
    }
    let (found, expected) = (Shape(kernel.space.clone()), Shape(contraction.space()));
    if found != expected {
        return Err(Fault::Space { found, expected });
    }
    if contraction.taps.is_empty() {
        return Err(Fault::NoTap);
    }
    let tile = contraction.tile;
    if tile.vectors == 0 || tile.rows == 0 {
        return Err(Fault::ZeroTile { vectors: tile.vectors, rows: tile.rows });
    }
    contraction.epilogue.as_ref().map_or(Ok(()), |tail| epilogue(kernel, contraction, tail, factors.sum))
}

fn operands(kernel: &Kernel, contraction: &Contraction) -> Result<Factors, Fault> {
    let [lanes, rows, result, ..] = kernel.operands.as_slice() else {
        return Err(Fault::TooFewOperands(kernel.operands.len()));
    };
    let types = Fault::ContractionTypes(lanes.dtype, rows.dtype, result.dtype);
    let Some(factors) = Factors::of(lanes.dtype, rows.dtype) else { return Err(types) };
    // What an epilogue stores has a type of its own.
    let stores_sums = contraction.epilogue.is_none() || contraction.accumulate;
    if stores_sums && result.dtype != factors.sum {
        return Err(types);
    }
    if contraction.turns_rows && factors.parts != 4 {
        return Err(Fault::TurnedRows(rows.dtype));
    }
    if factors.sum == DType::I32 && contraction.dims.iter().any(ContractionDim::is_paired) {
        return Err(Fault::PairedWords(rows.dtype));
    }
    let read = [(lanes, true), (rows, true), (result, contraction.accumulate)];
    if let Some((operand, _)) = read.into_iter().find(|&(operand, needed)| needed && !operand.reads) {
        return Err(Fault::NotRead(operand.name.clone()));
    }
    if contraction.epilogue.is_none() && !result.writes {
        return Err(Fault::NotWritten(result.name.clone()));
    }
    Ok(factors)
}

fn strides(dim: &ContractionDim, epilogue: bool) -> Checked {
    let [_, rows, result] = dim.strides;
    if dim.is_reduced() {
        if result != 0 {
            return Err(Fault::ReducedStride { dim: dim.name.clone(), stride: result });
        }
    } else if result == 0 && !epilogue && !matches!(dim.extent, Dim::Fixed(0 | 1)) {
        return Err(Fault::KeptStride(dim.name.clone()));
    }
    if dim.is_paired() && rows != 1 {
        return Err(Fault::RowsStride { dim: dim.name.clone(), stride: rows });
    }
    Ok(())
}

fn split(dim: &ContractionDim) -> Checked {
    let Some(split) = dim.split else { return Ok(()) };
    let name = dim.name.clone();
    if dim.role == Role::Parallel {
        return Err(Fault::ParallelSplit(name));
    }
    if split.chunks == 0 || split.align == 0 {
        return Err(Fault::ZeroSplit { dim: name, chunks: split.chunks, align: split.align });
    }
    match (dim.is_reduced(), split.result_stride) {
        (true, 0) if split.chunks > 1 => Err(Fault::ReducedSplitStride(name)),
        (false, stride) if stride != 0 => Err(Fault::KeptSplitStride { dim: name, stride }),
        _ => Ok(()),
    }
}

fn epilogue(kernel: &Kernel, contraction: &Contraction, epilogue: &Epilogue, sum: DType) -> Checked {
    let (found, expected) = (epilogue.coordinates.len(), contraction.dims.len());
    if found != expected {
        return Err(Fault::EpilogueCoordinates { found, expected });
    }
    if let Some(dim) = contraction.dims.iter().find(|dim| dim.role == Role::ReduceOuter) {
        return Err(Fault::EpilogueReduceOuter(dim.name.clone()));
    }
    if let Some(dim) = contraction.dims.iter().find(|dim| dim.is_reduced() && dim.split.is_some()) {
        return Err(Fault::EpilogueReduceSplit(dim.name.clone()));
    }
    let mut scope = Scope::new(&kernel.operands);
    let mut lanes = None;
    for (dim, &coordinate) in contraction.dims.iter().zip(&epilogue.coordinates) {
        if dim.is_reduced() {
            scope.hide(coordinate, &dim.name)?;
        } else {
            scope.define_index(coordinate)?;
        }
        if dim.role == Role::Lanes {
            lanes = Some((coordinate, matches!(dim.extent, Dim::Fixed(0 | 1))));
        }
    }
    if let Some((coordinate, single)) = lanes {
        scope.enter_epilogue(coordinate, single);
    }
    scope.define_var(epilogue.value, sum)?;
    scope.block(&epilogue.statements)?;
    if epilogue.sums.is_empty() {
        return Ok(());
    }
    let kept = [Role::Rows, Role::Sequential];
    if let Some(dim) = contraction.dims.iter().find(|dim| kept.contains(&dim.role) && dim.split.is_some()) {
        return Err(Fault::SumSplit(dim.name.clone()));
    }
    epilogue.sums.iter().try_for_each(|sum| {
        scope.sum(sum)?;
        sum_index(contraction, epilogue, sum)
    })
}

/// A sum is indexed by what is the same at all of its elements, and once along the lanes.
fn sum_index(contraction: &Contraction, epilogue: &Epilogue, sum: &EpilogueSum) -> Checked {
    for (dim, &coordinate) in contraction.dims.iter().zip(&epilogue.coordinates) {
        let coefficient = sum.index.coefficient(coordinate);
        let right = match dim.role {
            Role::Parallel => true,
            Role::Lanes => coefficient == 1 || matches!(dim.extent, Dim::Fixed(0 | 1)),
            _ => coefficient == 0,
        };
        if !right {
            return Err(Fault::SumIndex { index: sum.index.clone(), dim: dim.name.clone() });
        }
    }
    Ok(())
}
