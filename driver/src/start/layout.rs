//! How a file's tensor becomes a value of the model: shape, order of a matrix, element type.

use super::conventions::{is_of_dlc, is_of_pytorch};
use super::places::Place;
use crate::data::{dtype_of, element_of};
use dlc_recipe::WeightLayout;
use dlc_runtime::HostTensor;

/// How matrices lie in a file, as far as its names and shapes tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    dlc: bool,
    pytorch: bool,
}

impl Evidence {
    /// Takes a name of the file into account.
    pub(super) fn name(&mut self, name: &str) {
        self.dlc |= is_of_dlc(name);
        self.pytorch |= is_of_pytorch(name);
    }

    /// Takes a matrix into account that is to become a dense layer's.
    pub(super) fn matrix(&mut self, place: &Place, found: &HostTensor) {
        if let ([inputs, units], [rows, columns]) = (place.dims.as_slice(), found.dims.as_slice())
            && inputs != units
            && place.dense
        {
            self.dlc |= (rows, columns) == (inputs, units);
            self.pytorch |= (rows, columns) == (units, inputs);
        }
    }

    /// The layout, if everything speaks for one.
    fn layout(self) -> Option<WeightLayout> {
        match (self.dlc, self.pytorch) {
            (true, false) => Some(WeightLayout::Dlc),
            (false, true) => Some(WeightLayout::PyTorch),
            _ => None,
        }
    }
}

/// A file's tensor as the model's value.
#[derive(Clone, Debug)]
pub(super) struct Laid {
    pub tensor: HostTensor,
    /// Whether rows became columns.
    pub turned: bool,
    /// The element type that it had, if that was another.
    pub converted: Option<&'static str>,
}

/// The value of a place by a tensor called `name`, or why it cannot be.
pub(super) fn value(
    place: &Place,
    name: &str,
    found: HostTensor,
    told: Option<WeightLayout>,
    evidence: Evidence,
) -> Result<Laid, String> {
    let misfit = |found: &HostTensor, why: &str| {
        format!("`{}` is {} in the model, but `{name}` is {}{why}", place.name, place.ty, found.type_text())
    };
    let reversed = || found.dims.iter().rev().eq(&place.dims);
    let turned = if place.dense {
        let square = found.dims == place.dims && reversed();
        match told.or(if square { evidence.layout() } else { None }) {
            Some(layout) => layout == WeightLayout::PyTorch,
            None if square => {
                return Err(format!(
                    "`{}` is square, and nothing tells whether the file holds it as [inputs, units] or as \
                     [units, inputs]: write `layout = \"dlc\"` or `layout = \"pytorch\"`",
                    place.name
                ));
            }
            None => reversed(),
        }
    } else {
        false
    };
    let fits = if turned { reversed() } else { found.dims == place.dims };
    if !fits {
        let why = match (place.dense && told.is_some(), turned) {
            (true, true) => ", which `layout = \"pytorch\"` turns round",
            (true, false) => ", which `layout = \"dlc\"` takes as it is",
            _ => "",
        };
        return Err(misfit(&found, why));
    }
    let found = if turned { transposed(found) } else { found };
    let (wanted, dtype) = (place.ty.dtype, dtype_of(found.element));
    if dtype == wanted {
        return Ok(Laid { tensor: found, turned, converted: None });
    }
    if !(dtype.is_float() && wanted.is_float()) {
        return Err(misfit(&found, ""));
    }
    let mut bytes = Vec::with_capacity(place.dims.iter().product::<usize>() * wanted.size());
    dtype.floats(&found.bytes).into_iter().for_each(|number| wanted.push_float(number, &mut bytes));
    let tensor = HostTensor::new(element_of(wanted), place.dims.clone(), bytes);
    let tensor = tensor.map_err(|fault| fault.to_string())?;
    Ok(Laid { tensor, turned, converted: Some(dtype.name()) })
}

/// A matrix with rows as columns.
fn transposed(matrix: HostTensor) -> HostTensor {
    let &[rows, columns] = matrix.dims.as_slice() else { return matrix };
    let size = matrix.element.size();
    let mut bytes = Vec::with_capacity(matrix.bytes.len());
    for column in 0..columns {
        for row in 0..rows {
            let at = (row * columns + column) * size;
            bytes.extend_from_slice(&matrix.bytes[at..at + size]);
        }
    }
    HostTensor { dims: vec![columns, rows], bytes, ..matrix }
}
