//! A checkpoint's tensors without what is pruned: weights set to zero, channels cut out, in parameters and in all that
//! training keeps for them.

use super::channels::Kept;
use crate::data::dtype_of;
use dlc_abi::ElementType;
use dlc_compiler::narrow::Channels;
use dlc_ir::training::MASK;
use dlc_runtime::HostTensor;
use std::collections::BTreeMap;

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, HostTensor>;

/// The elements of a float tensor.
pub(super) fn floats(tensor: &HostTensor) -> Vec<f64> {
    dtype_of(tensor.element).floats(&tensor.bytes)
}

/// The tensor with zeros where the mask says no.
pub(super) fn zeroed(tensor: &HostTensor, mask: &[bool]) -> HostTensor {
    let mut zeroed = tensor.clone();
    let elements = zeroed.bytes.chunks_exact_mut(tensor.element.size().max(1));
    elements.zip(mask).filter(|(_, stays)| !**stays).for_each(|(element, _)| element.fill(0));
    zeroed
}

/// For each element, row by row, whether it stays along all axes.
pub(super) fn mask_of_axes(axes: &[Vec<bool>]) -> Vec<bool> {
    axes.iter().fold(vec![true], |all, axis| {
        all.iter().flat_map(|&one| axis.iter().map(move |&other| one && other)).collect()
    })
}

/// Sets weights to zero, with what optimiser and average keep of them, and notes which are left.
pub(super) fn apply_masks(tensors: &mut Tensors, masks: &BTreeMap<String, Vec<bool>>) {
    for (name, mask) in masks {
        let Some(dims) = tensors.get(name).map(|tensor| tensor.dims.clone()) else { continue };
        for (other, tensor) in tensors.iter_mut() {
            let of_it = other == name || is_kept_for(other, name);
            if of_it && tensor.dims == dims && dtype_of(tensor.element).is_float() {
                *tensor = zeroed(tensor, mask);
            }
        }
        let bytes = mask.iter().map(|&stays| u8::from(stays)).collect();
        tensors.insert(format!("{name}.{MASK}"), HostTensor { element: ElementType::Bool, dims, bytes });
    }
}

/// Whether a tensor is one that training keeps for a parameter or state: `PATH.momentum` for `PATH`.
fn is_kept_for(tensor: &str, of: &str) -> bool {
    tensor.rsplit_once('.').is_some_and(|(owner, _)| owner == of)
}

/// Cuts out what stays by `after` of tensors that have what stays by `before`.
pub(super) fn cut(tensors: &mut Tensors, channels: &Channels, before: &Kept, after: &Kept) {
    for (name, tensor) in tensors.iter_mut() {
        let owner = name.rsplit_once('.').map(|(owner, _)| owner);
        for known in std::iter::once(name.as_str()).chain(owner) {
            let (Some(had), Some(has)) =
                (channels.kept_elements(known, before), channels.kept_elements(known, after))
            else {
                continue;
            };
            let count = |axis: &Vec<bool>| axis.iter().filter(|&&stays| stays).count();
            if had.iter().map(count).eq(tensor.dims.iter().copied()) {
                *tensor = sliced(tensor, &had, &has);
                break;
            }
        }
    }
}

/// The elements that stay of those that there were, along each axis.
fn sliced(tensor: &HostTensor, had: &[Vec<bool>], has: &[Vec<bool>]) -> HostTensor {
    let axes: Vec<Vec<bool>> = had
        .iter()
        .zip(has)
        .map(|(had, has)| had.iter().zip(has).filter(|(had, _)| **had).map(|(_, has)| *has).collect())
        .collect();
    let dims = axes.iter().map(|axis| axis.iter().filter(|&&stays| stays).count()).collect();
    let elements = tensor.bytes.chunks_exact(tensor.element.size().max(1));
    let stay = elements.zip(mask_of_axes(&axes)).filter(|(_, stays)| *stays);
    HostTensor {
        element: tensor.element,
        dims,
        bytes: stay.flat_map(|(element, _)| element).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn masks_reach_what_training_keeps() {
        let tensor = |values: &[f32]| HostTensor::from_f32(&[2], values).unwrap();
        let mut tensors: Tensors = [
            ("a.weight", tensor(&[1.0, 2.0])),
            ("a.weight.momentum", tensor(&[3.0, 4.0])),
            ("a.bias", tensor(&[5.0, 6.0])),
            ("a.weight.count", HostTensor::scalar_i64(7)),
        ]
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .into();
        apply_masks(&mut tensors, &[("a.weight".to_owned(), vec![false, true])].into());
        assert_eq!(floats(&tensors["a.weight"]), [0.0, 2.0]);
        assert_eq!(floats(&tensors["a.weight.momentum"]), [0.0, 4.0]);
        assert_eq!(floats(&tensors["a.bias"]), [5.0, 6.0]);
        assert_eq!(tensors["a.weight.mask"].bytes, [0, 1]);
        assert_eq!(tensors["a.weight.count"], HostTensor::scalar_i64(7));
    }

    #[test]
    fn elements_are_cut_out_along_every_axis() {
        let tensor = HostTensor::from_f32(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let had = [vec![true, true], vec![true, false, true, true]];
        let has = [vec![false, true], vec![true, false, false, true]];
        let cut = sliced(&tensor, &had, &has);
        assert_eq!((cut.dims.clone(), floats(&cut)), (vec![1, 2], vec![4.0, 6.0]));
    }
}
