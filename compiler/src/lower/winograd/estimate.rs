//! Whether tiles are faster than a direct convolution.
//!
//! Direct kernels run near the peak of the multiply-add units. Products at the points do as well, on a fraction
//! of the work, but everything at the points is written and read once, mostly in the last cache or in memory.
//! Both are counted in multiply-adds, a byte as the multiply-adds that a core does while it moves one.

use super::{Pass, Plan};

/// Channels below which a vector is not full or a product too short to hide what is around it.
const FEW_CHANNELS: usize = 16;
/// Results below which a tile is mostly border.
const FEW_OUTPUTS: usize = 4;
/// How many times the results the tiles may cover.
const MOST_WASTE: f64 = 1.35;
/// Elements of all points beyond which offsets do not fit the code generators' numbers.
const MOST_ELEMENTS: usize = 1 << 27;
/// Multiply-adds that a core does while it moves a byte to or from far memory, where sums at the points lie.
const PER_BYTE: f64 = 2.0;
/// Share of the peak that products at the points reach.
const SHARE: f64 = 0.85;

/// Whether kernels can address everything at the points.
pub(super) fn is_possible(plan: &Plan, batch_max: usize) -> bool {
    let [inputs, outputs] = plan.channels;
    let images = plan.images.fixed().unwrap_or_else(|| plan.images.at(1).saturating_mul(batch_max));
    let rows = images.saturating_mul(plan.tiles_per_image());
    let largest = rows.saturating_mul(inputs.max(outputs)).max(inputs.saturating_mul(outputs));
    largest.saturating_add(64).saturating_mul(plan.points()) <= MOST_ELEMENTS
}

/// Whether a convolution is better computed by tiles.
pub(super) fn pays(plan: &Plan, batch_max: usize) -> bool {
    let [inputs, outputs] = plan.channels;
    let results = plan.dilation[0] * plan.dilation[1] * plan.outputs[0] * plan.outputs[1];
    let covered = plan.tiles_per_image() * plan.size.outputs() * plan.size.outputs();
    let fits = inputs.min(outputs) >= FEW_CHANNELS
        && plan.outputs.into_iter().min() >= Some(FEW_OUTPUTS)
        && covered as f64 <= MOST_WASTE * results as f64;
    let images = plan.images.at(batch_max) as f64;
    let (points, tiles) = (plan.points() as f64, images * plan.tiles_per_image() as f64);
    let (inputs, outputs) = (inputs as f64, outputs as f64);
    let direct = 9.0 * images * results as f64 * inputs * outputs;
    let products = points * tiles * inputs * outputs / SHARE;
    let moved = match plan.pass {
        // Written and read.
        Pass::Forward | Pass::KernelGradient => {
            2.0 * 4.0 * points * (tiles * (inputs + outputs) + inputs * outputs)
        }
    };
    fits && products + PER_BYTE * moved < direct
}
