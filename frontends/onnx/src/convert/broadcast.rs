//! Broadcasting as NumPy does it: shapes are aligned at their ends, and an extent of 1 stretches.

use super::Stop;
use dlc_types::{Dim, Shape};

/// The shape that all of these broadcast to.
pub(super) fn shape<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Result<Shape, Stop> {
    let mut result: Vec<Dim> = Vec::new();
    for shape in shapes {
        let dims = shape.dims();
        if dims.len() > result.len() {
            let mut longer = dims[..dims.len() - result.len()].to_vec();
            longer.append(&mut result);
            result = longer;
        }
        let offset = result.len() - dims.len();
        for (axis, &dim) in dims.iter().enumerate() {
            let current = result[offset + axis];
            result[offset + axis] = match (current, dim) {
                (current, dim) if current == dim => dim,
                (Dim::Fixed(1), dim) => dim,
                (current, Dim::Fixed(1)) => current,
                _ => {
                    let so_far = Shape(result.clone());
                    return Err(Stop::Invalid(format!("{so_far} and {shape} do not broadcast")));
                }
            };
        }
    }
    Ok(Shape(result))
}
