//! Scans: the body, evaluated for one step after the other.

use crate::tensor::{Data, Tensor};
use crate::{InterpError, Result, evaluate};
use dlc_ir::{Op, OutputRole, Scan};

/// The last carries, then the stacked results.
pub(crate) fn scan(scan: &Scan, operands: &[&Tensor], batch: usize) -> Result<Vec<Tensor>> {
    let unverified = |rule| InterpError::Unverified { op: "scan".to_owned(), rule };
    let mut carries: Vec<Tensor> =
        operands.iter().take(scan.carries).map(|&operand| operand.clone()).collect();
    let mut given: Vec<Vec<Tensor>> = Vec::new();
    for count in 0..scan.steps {
        let step = if scan.reverse { scan.steps - 1 - count } else { count };
        let inputs = inputs(scan, &carries, operands, step)?;
        let feed = |op: &Op| match op {
            Op::Input { name } => inputs.iter().find(|(known, _)| known == name).map(|(_, it)| it.clone()),
            _ => None,
        };
        let mut results = evaluate(&scan.body, batch, &feed)?.into_iter();
        let mut left = vec![None; scan.carries];
        let mut of_step = Vec::new();
        for output in &scan.body.outputs {
            let value = results.next().ok_or_else(|| unverified("its body gives its outputs"))?;
            let carry = (0..scan.carries)
                .find(|&carry| output.role == OutputRole::State && output.name == Scan::carry(carry));
            match carry {
                Some(carry) => left[carry] = Some(value),
                None => of_step.push(value),
            }
        }
        let left: Option<Vec<Tensor>> = left.into_iter().collect();
        carries = left.ok_or_else(|| unverified("its body leaves every carry"))?;
        given.push(of_step);
    }
    if scan.reverse {
        given.reverse();
    }
    let count = given.first().map_or(0, Vec::len);
    for number in 0..count {
        let slices: Vec<&Tensor> = given.iter().filter_map(|of_step| of_step.get(number)).collect();
        carries.push(stacked(&slices)?);
    }
    Ok(carries)
}

/// What the body reads in a step, by name.
fn inputs(
    scan: &Scan,
    carries: &[Tensor],
    operands: &[&Tensor],
    step: usize,
) -> Result<Vec<(String, Tensor)>> {
    let mut inputs = Vec::with_capacity(operands.len());
    for (number, &operand) in operands.iter().enumerate() {
        let value = match carries.get(number) {
            Some(carry) => carry.clone(),
            None if number < scan.carries + scan.slices => slice(operand, step)?,
            None => operand.clone(),
        };
        inputs.push((scan.input(number), value));
    }
    Ok(inputs)
}

/// Slice `step` along the first axis.
fn slice(stacked: &Tensor, step: usize) -> Result<Tensor> {
    let dims = stacked.dims.get(1..).unwrap_or_default();
    let length: usize = dims.iter().product();
    let range = step * length..(step + 1) * length;
    let data = match &stacked.data {
        Data::Float(values) => values.get(range).map(|part| Data::Float(part.to_vec())),
        Data::Int(values) => values.get(range).map(|part| Data::Int(part.to_vec())),
        Data::Bool(values) => values.get(range).map(|part| Data::Bool(part.to_vec())),
    };
    let rule = "has operands with as many slices as it has steps";
    let data = data.ok_or(InterpError::Unverified { op: "scan".to_owned(), rule })?;
    Tensor::new(stacked.dtype, dims, data)
}

/// Slices behind one another along a new first axis.
fn stacked(slices: &[&Tensor]) -> Result<Tensor> {
    let rule = "gives as many slices as it has steps";
    let first = slices.first().ok_or(InterpError::Unverified { op: "scan".to_owned(), rule })?;
    let dims: Vec<usize> = std::iter::once(slices.len()).chain(first.dims.iter().copied()).collect();
    let data = match &first.data {
        Data::Float(_) => Data::Float(slices.iter().flat_map(|slice| slice.to_f64()).collect()),
        Data::Int(_) => Data::Int(join(slices, |data| match data {
            Data::Int(values) => values,
            Data::Float(_) | Data::Bool(_) => &[],
        })),
        Data::Bool(_) => Data::Bool(join(slices, |data| match data {
            Data::Bool(values) => values,
            Data::Float(_) | Data::Int(_) => &[],
        })),
    };
    Tensor::new(first.dtype, &dims, data)
}

fn join<T: Copy>(slices: &[&Tensor], elements: impl Fn(&Data) -> &[T]) -> Vec<T> {
    slices.iter().flat_map(|slice| elements(&slice.data).iter().copied()).collect()
}
