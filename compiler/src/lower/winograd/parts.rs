//! Parts of the batch that go through all steps before the next part begins, so that what lies at the points
//! stays in a cache from the step that writes it to the one that reads it.
//!
//! A part is some images, or a strip of one, and depends on shapes alone. Where the kernel at the points stays in a
//! near cache, every thread takes parts of its own, with scratch of its own, and waits for nobody; where it is
//! large, all threads share each part, so that every thread reads some of its points only. Kernels see the
//! images of a part as their whole batch ([`dlc_kernel::Sequence`]), which holds where they use the coordinates
//! of images and strips as places of elements and for nothing else.

use super::{Pass, Plan, points::strips};
use crate::lower::Lowering;
use dlc_kernel::{
    Affine, Body, BufferId, IndexVar, Kernel, Part, ScalarOp, Sequence, Statement, Steps, Turns,
};
use dlc_types::Dim;
use std::collections::BTreeMap;

/// Bytes at the points that a thread's own part writes: some of a second-level cache.
const NEAR: usize = 512 << 10;
/// Bytes at the points of a part that threads share: a few second-level caches, a fraction of a last one. Smaller
/// parts gain little and meet at more barriers.
const SHARED: usize = 6 << 20;
/// Bytes of a kernel at the points beyond which it is not read anew for every small part.
const SMALL_KERNEL: usize = 1 << 20;
/// Parts from which threads are busy with their own.
const ENOUGH: usize = 8;
/// Runs of parts that each have a sum of their own, at most, and the bytes that all these sums take.
const RUNS: usize = 16;
const BYTES_OF_SUMS: usize = 1 << 20;

/// How the batch is divided; nothing where it is not.
pub(super) fn division_of(lowering: &Lowering<'_>, plan: &Plan) -> Option<Sequence> {
    if plan.images != Dim::N {
        return None;
    }
    let whole = lowering.options.batch_max;
    let [inputs, outputs] = plan.channels;
    let kernel = plan.points() * inputs * outputs * size_of::<f32>();
    let image = plan.points() * plan.tiles_per_image() * (inputs + outputs) * size_of::<f32>();
    let own = Some(own_parts(plan, whole, image))
        .filter(|own| kernel <= SMALL_KERNEL && own.parts(whole) >= ENOUGH);
    match (plan.pass, own) {
        (Pass::Forward, Some(own)) => Some(own),
        (Pass::KernelGradient, Some(own)) if kernel * ENOUGH <= BYTES_OF_SUMS => {
            let runs = RUNS.min(BYTES_OF_SUMS / kernel.max(1));
            Some(Sequence { turns: Turns::Alone { parts: own.parts(whole).div_ceil(runs) }, ..own })
        }
        // Sums are read and written once more for every part.
        (Pass::KernelGradient, _) if 2 * kernel > image.saturating_mul(whole) => None,
        _ => {
            let images = even(whole, SHARED / image.max(1));
            (images < whole).then_some(Sequence { images, strips: 1, turns: Turns::Together })
        }
    }
}

/// Parts of a size that stays near.
fn own_parts(plan: &Plan, whole: usize, image: usize) -> Sequence {
    let turns = Turns::Alone { parts: 1 };
    let images = even(whole, (NEAR / image.max(1)).min(whole / ENOUGH));
    if images > 1 {
        return Sequence { images, strips: 1, turns };
    }
    // The coordinate behind the image is the one that strips divide.
    let lengths = [plan.dilation[0], plan.dilation[1], plan.tiles[0]];
    let (axis, length) = lengths.into_iter().enumerate().find(|&(_, length)| length > 1).unwrap_or((2, 1));
    let divides = axis < 2 || plan.ranges(0).len() == 1 && strips(plan).len() == 1;
    let fits = |strips: usize| image / strips <= NEAR && whole.saturating_mul(strips) >= ENOUGH;
    let counts = (1..=if divides { length } else { 1 }).filter(|&count| length.is_multiple_of(count));
    let strips = counts.clone().find(|&count| fits(count)).or_else(|| counts.max()).unwrap_or(1);
    Sequence { images: 1, strips, turns }
}

/// As many images per part as fit, parts being of equal size.
fn even(whole: usize, fit: usize) -> usize {
    let fit = fit.clamp(1, whole.max(1));
    whole.div_ceil(whole.div_ceil(fit).max(1))
}

/// Makes the launches from a number on a sequence. All its parts use the same elements of buffers of `scratch`, and
/// runs have elements of their own, so many apart, of `sums`. False, with the launches gone, where one of them
/// cannot be done for a part.
pub(super) fn into_sequence(
    lowering: &mut Lowering<'_>,
    from: usize,
    division: &Sequence,
    scratch: &[BufferId],
    sums: Option<(BufferId, usize)>,
) -> bool {
    let of_launch = |launch: &dlc_kernel::Launch| {
        let kernel = &lowering.program.kernels[launch.kernel];
        let mut found = BTreeMap::new();
        if let Body::Loop(body) = &kernel.body {
            let image = *body.coordinates.first().filter(|_| kernel.space.first() == Some(&Dim::N))?;
            let strip = body.coordinates.get(1).copied().filter(|_| division.strips > 1);
            Walk { image, strip, found: &mut found }.block(&body.statements)?;
        }
        let block = block_of(kernel, division);
        let steps = |(operand, buffer): (usize, &BufferId)| -> Option<Steps> {
            if let Some((_, run)) = sums.filter(|(sums, _)| sums == buffer) {
                return Some(Steps { run, ..Steps::default() });
            }
            if scratch.contains(buffer) {
                return Some(Steps::default());
            }
            let &(image, strip) = found.get(&operand)?;
            let [image, strip] = [image, strip.checked_mul(block)?].map(usize::try_from);
            Some(Steps { image: image.ok()?, strip: strip.ok()?, run: 0 })
        };
        launch.arguments.iter().enumerate().map(steps).collect::<Option<Vec<Steps>>>()
    };
    let launches = &lowering.program.launches[from..];
    let steps: Option<Vec<Vec<Steps>>> = launches.iter().map(of_launch).collect();
    let Some(steps) = steps else {
        lowering.program.launches.truncate(from);
        lowering.purposes.truncate(from);
        return false;
    };
    let sequence = lowering.program.sequences.push(*division);
    for (launch, steps) in lowering.program.launches[from..].iter_mut().zip(steps) {
        launch.part = Some(Part { sequence, steps });
    }
    true
}

/// How many steps of the second coordinate a strip has.
fn block_of(kernel: &Kernel, division: &Sequence) -> i64 {
    match (division.strips, kernel.space.get(1)) {
        (2.., Some(&Dim::Fixed(length))) => length as i64,
        _ => 0,
    }
}

/// Collects elements of each operand per image and per step of the second coordinate, if these are used for
/// nothing but the place of elements.
struct Walk<'f> {
    image: IndexVar,
    strip: Option<IndexVar>,
    found: &'f mut BTreeMap<usize, (i64, i64)>,
}

impl Walk<'_> {
    fn steps(&self, form: &Affine) -> (i64, i64) {
        (form.coefficient(self.image), self.strip.map_or(0, |strip| form.coefficient(strip)))
    }

    fn block(&mut self, statements: &[Statement]) -> Option<()> {
        for statement in statements {
            match statement {
                Statement::Let { op: ScalarOp::Extent(dim), .. } if dim.is_batch() => return None,
                Statement::Let { op: ScalarOp::Index(var), .. }
                    if *var == self.image || Some(*var) == self.strip =>
                {
                    return None;
                }
                Statement::Let { .. } => {}
                Statement::Load { guard: Some(_), .. } | Statement::Index { .. } => return None,
                Statement::Load { operand, index, .. } | Statement::Store { operand, index, .. } => {
                    let steps = self.steps(index);
                    if index.batch != 0 || *self.found.entry(*operand).or_insert(steps) != steps {
                        return None;
                    }
                }
                Statement::For(inner) => {
                    let free = |form: &Affine| form.batch == 0 && self.steps(form) == (0, 0);
                    if !free(&inner.start) || !free(&inner.end) {
                        return None;
                    }
                    self.block(&inner.body)?;
                }
            }
        }
        Some(())
    }
}
