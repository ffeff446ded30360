//! Shapes that tell a narrow model, and shapes that do not.

use crate::classes::{CONCAT, RESIDUAL};
use crate::subject::model;
use dlc_compiler::narrow::Channels;
use std::collections::BTreeMap;

fn extents(text: &str, shapes: &[(&str, &[usize])]) -> Option<Vec<usize>> {
    let channels = Channels::of(&model(text));
    let shapes: BTreeMap<String, Vec<usize>> =
        shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
    let extents = channels.extents(&shapes)?;
    Some(channels.groups().iter().map(|group| extents.get(group.class, group.size)).collect())
}

#[test]
fn every_tensor_must_agree() {
    let narrow: &[(&str, &[usize])] = &[("stem", &[5, 3, 3, 3]), ("a", &[2, 5, 3, 3]), ("scale", &[5])];
    assert_eq!(extents(RESIDUAL, narrow), Some(vec![5, 2]));
    // One that disagrees, a class that is blocked, more than there were, none at all, another rank.
    for wrong in [
        ("b", &[6, 2, 1, 1][..]),
        ("head", &[5, 3]),
        ("stem", &[9, 3, 3, 3]),
        ("stem", &[0, 3, 3, 3]),
        ("scale", &[5, 1]),
    ] {
        let shapes: Vec<(&str, &[usize])> =
            narrow.iter().filter(|(name, _)| *name != wrong.0).copied().chain([wrong]).collect();
        assert_eq!(extents(RESIDUAL, &shapes), None, "{wrong:?}");
    }
}

#[test]
fn a_sum_is_told_by_what_else_is_known() {
    assert_eq!(extents(CONCAT, &[("a", &[3, 2, 1]), ("bias", &[8])]), Some(vec![3, 5]));
    assert_eq!(extents(CONCAT, &[("head", &[32, 3]), ("b", &[6, 2, 1])]), Some(vec![2, 6]));
    // Two unknowns in one sum.
    assert_eq!(extents(CONCAT, &[("bias", &[8])]), None);
    assert_eq!(extents(CONCAT, &[("bias", &[10])]), Some(vec![4, 6]));
}
