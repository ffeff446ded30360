//! Parts of the batch that go through all steps before the next part begins, so that what lies at the points
//! stays in a cache from the step that writes it to the one that reads it.
//!
//! A part is a number of images that depends on shapes alone. Its kernels see it as their whole batch
//! ([`dlc_kernel::Part`]), which holds where they use images as coordinates of elements and for nothing else.

use super::Plan;
use crate::lower::Lowering;
use dlc_kernel::{Affine, Body, BufferId, IndexVar, Kernel, Launch, Part, ScalarOp, Statement};
use dlc_types::Dim;
use std::collections::BTreeMap;

/// Bytes at the points that one part writes: a few second-level caches, a fraction of a last one. Smaller parts
/// gain little and meet at more barriers.
const NEAR: usize = 6 << 20;

/// Images of a part; nothing where the batch is not cut.
pub(super) fn images_of_a_part(lowering: &Lowering<'_>, plan: &Plan) -> Option<usize> {
    let channels = plan.channels[0] + plan.channels[1];
    let image = plan.points() * plan.tiles_per_image() * channels * 4;
    let whole = lowering.options.batch_max;
    let images = (NEAR / image.max(1)).max(1);
    // Parts of equal size.
    let images = whole.div_ceil(whole.div_ceil(images));
    (plan.images == Dim::N && images < whole).then_some(images)
}

/// A launch that is done for every part.
pub(super) struct Step {
    launch: Launch,
    purpose: dlc_ir::NodeId,
    steps: Vec<usize>,
}

/// Takes the launches from a number on, to be done for every part; `shared` are buffers that all parts use.
/// Nothing, with the launches gone, where one of them cannot be done for a part.
pub(super) fn take_steps(lowering: &mut Lowering<'_>, from: usize, shared: &[BufferId]) -> Option<Vec<Step>> {
    let launches = lowering.program.launches.split_off(from);
    let purposes = lowering.purposes.split_off(from);
    let steps = launches.into_iter().zip(purposes).map(|(launch, purpose)| {
        let kernel = &lowering.program.kernels[launch.kernel];
        let steps = match &kernel.body {
            Body::Contraction(_) => vec![0; kernel.operands.len()],
            Body::Loop(_) => steps(kernel, &launch.arguments, shared)?,
        };
        Some(Step { launch, purpose, steps })
    });
    steps.collect()
}

/// Launches the steps for every part, one part after the other.
pub(super) fn launch_parts(lowering: &mut Lowering<'_>, images: usize, steps: &[Step]) {
    for first in (0..lowering.options.batch_max).step_by(images) {
        launch_part(lowering, first, images, steps);
    }
}

/// Launches the steps for one part.
pub(super) fn launch_part(lowering: &mut Lowering<'_>, first: usize, images: usize, steps: &[Step]) {
    for step in steps {
        let part = Part { first, count: images, steps: step.steps.clone() };
        lowering.program.launches.push(Launch { part: Some(part), ..step.launch.clone() });
        lowering.purposes.push(step.purpose);
    }
}

/// Elements of each operand per image, if the kernel uses its first coordinate, the image, for nothing but the
/// place of elements.
fn steps(kernel: &Kernel, arguments: &[BufferId], shared: &[BufferId]) -> Option<Vec<usize>> {
    let Body::Loop(body) = &kernel.body else { return None };
    let image = *body.coordinates.first().filter(|_| kernel.space.first() == Some(&Dim::N))?;
    let mut found = BTreeMap::new();
    walk(&body.statements, image, &mut found)?;
    let of_operand = |(operand, buffer): (usize, &BufferId)| match shared.contains(buffer) {
        true => Some(0),
        false => usize::try_from(found.get(&operand).copied().unwrap_or(0)).ok(),
    };
    arguments.iter().enumerate().map(of_operand).collect()
}

fn walk(statements: &[Statement], image: IndexVar, found: &mut BTreeMap<usize, i64>) -> Option<()> {
    let free = |form: &Affine| form.batch == 0 && form.coefficient(image) == 0;
    for statement in statements {
        match statement {
            Statement::Let { op: ScalarOp::Extent(dim), .. } if dim.is_batch() => return None,
            Statement::Let { op: ScalarOp::Index(var), .. } if *var == image => return None,
            Statement::Let { .. } => {}
            Statement::Load { guard: Some(_), .. } | Statement::Index { .. } => return None,
            Statement::Load { operand, index, .. } | Statement::Store { operand, index, .. } => {
                let step = index.coefficient(image);
                if index.batch != 0 || *found.entry(*operand).or_insert(step) != step {
                    return None;
                }
            }
            Statement::For(inner) => {
                if !free(&inner.start) || !free(&inner.end) {
                    return None;
                }
                walk(&inner.body, image, found)?;
            }
        }
    }
    Some(())
}
