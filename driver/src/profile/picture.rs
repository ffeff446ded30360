//! The roofline picture: operations per byte against operations per second, both axes logarithmic.
//!
//! A dot is a kernel, its area the kernel's share of the time, its colour what the kernel is for. The flat
//! roof is the peak of multiply-adds; the slanted ones are what memory and caches give. A dot above memory's roof lives
//! in a cache. The ten largest are numbered and named beside the picture;
//! a browser shows name and figures of every dot under the pointer. A kernel without arithmetic has no place
//! on such axes and stands, hollow, in the lower left corner; one that takes next to no
//! time stands on the edge if the axes, made for the others, do not reach it.

use super::{KernelRow, Limit, Profile};
use crate::drawing::escaped;
use std::fmt::Write;

/// The area of the axes: left, top, width, height.
const PLOT: (f64, f64, f64, f64) = (70.0, 50.0, 720.0, 500.0);
/// Size of the picture, with room for names on the right.
const SIZE: (f64, f64) = (1200.0, 610.0);
/// Left edge of the names.
const NAMES: f64 = 815.0;
/// Kernels that are named.
const NAMED: usize = 10;
/// Share of the time from which on a kernel's place must be on the axes.
const PLACED: f64 = 0.001;
/// Letters of a name that have room.
const SHOWN: usize = 48;
/// Radius of the least dot, and of one that takes all of the time.
const RADIUS: (f64, f64) = (2.5, 45.0);

const STYLE: &str = "text{font:11px monospace;fill:#222}.title{font:bold 15px sans-serif}\
.minor{fill:#666}.end{text-anchor:end}.mid{text-anchor:middle}.grid{stroke:#e8e8e8;fill:none}\
.name,.number,.roof{pointer-events:none}\
.name{paint-order:stroke;stroke:#fff;stroke-width:3px}.roof{stroke:#333;stroke-width:1.6;fill:none}.far{stroke-dasharray:8 3}.near{stroke-dasharray:3 3}\
circle{fill-opacity:.7;stroke:#444;stroke-width:.6}.contraction{fill:#e8923a}.transform{fill:#4d86c6}\
.elementwise{fill:#58a55c}.optimizer{fill:#9a6bb0}.none{fill-opacity:0}.number{font-weight:bold}";

/// A logarithmic axis from 10^low to 10^high over pixels.
struct Axis {
    low: i32,
    high: i32,
    start: f64,
    length: f64,
}

impl Axis {
    /// The axis for these values, in whole decades.
    fn new(values: impl Iterator<Item = f64>, start: f64, length: f64) -> Axis {
        let logarithms = values.filter(|value| *value > 0.0 && value.is_finite()).map(f64::log10);
        let (low, high) =
            logarithms.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Axis { low: 0, high: 1, start, length };
        }
        let (low, high) = (low.floor() as i32, high.ceil() as i32);
        Axis { low, high: high.max(low + 1), start, length }
    }

    fn place(&self, value: f64) -> f64 {
        let span = f64::from(self.high - self.low);
        let share = (value.max(1e-300).log10() - f64::from(self.low)) / span;
        self.start + share.clamp(0.0, 1.0) * self.length
    }

    fn least(&self) -> f64 {
        10_f64.powi(self.low)
    }

    fn greatest(&self) -> f64 {
        10_f64.powi(self.high)
    }
}

/// A power of ten as people write it.
fn decade(exponent: i32) -> String {
    match exponent {
        -3..=4 => 10_f64.powi(exponent).to_string(),
        _ => format!("1e{exponent}"),
    }
}

/// The picture, the same text for the same profile.
pub(super) fn svg(profile: &Profile) -> String {
    let roofs = &profile.roofs;
    let (left, top, width, height) = PLOT;
    let slanted = roofs.slanted();
    let ridges = slanted.iter().map(|(_, roof)| roofs.peak_gflops / roof);
    let rows = || profile.kernels.iter().filter(|row| row.operations > 0 && row.share >= PLACED);
    let x = Axis::new(rows().map(KernelRow::intensity).chain(ridges), left, width);
    let rates = rows().map(|row| row.gflops).chain([roofs.peak_gflops]);
    let y = Axis::new(rates, top + height, -height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" viewBox=\"0 0 {:.0} {:.0}\">\n\
         <style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" style=\"fill:#fff\"/>\n\
         <text class=\"title\" x=\"{left}\" y=\"26\">{}</text>\n",
        SIZE.0,
        SIZE.1,
        SIZE.0,
        SIZE.1,
        escaped(&format!(
            "{}, fn {}, batch {}, {}: {:.3} ms",
            profile.model,
            profile.function,
            profile.batch,
            profile.place(),
            profile.whole_ms
        )),
    );
    grid(&mut out, &x, &y);
    for row in &profile.kernels {
        dot(&mut out, (&x, &y), row);
    }
    for (number, (limit, gbps)) in slanted.into_iter().enumerate() {
        let along = 0.2 + 0.22 * number as f64;
        roof(&mut out, (&x, &y), (roofs.peak_gflops, gbps), along, limit);
    }
    let _ = writeln!(
        out,
        "<text class=\"name end\" x=\"{:.1}\" y=\"{:.1}\">{:.0} GFLOP/s multiply-adds</text>",
        left + width,
        y.place(roofs.peak_gflops) - 5.0,
        roofs.peak_gflops
    );
    names(&mut out, (&x, &y), profile);
    out.push_str("</svg>\n");
    out
}

fn grid(out: &mut String, x: &Axis, y: &Axis) {
    let (left, top, width, height) = PLOT;
    let bottom = top + height;
    for exponent in x.low..=x.high {
        let at = x.place(10_f64.powi(exponent));
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{at:.1} {top:.1}V{bottom:.1}\"/>\
             <text class=\"minor mid\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 16.0,
            decade(exponent)
        );
    }
    for exponent in y.low..=y.high {
        let at = y.place(10_f64.powi(exponent));
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{left:.1} {at:.1}H{:.1}\"/>\
             <text class=\"minor end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + width,
            left - 6.0,
            at + 4.0,
            decade(exponent)
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"mid\" x=\"{:.1}\" y=\"{:.1}\">operations per byte</text>\
         <text class=\"mid\" transform=\"translate(18 {:.1}) rotate(-90)\">GFLOP/s</text>",
        left + width / 2.0,
        bottom + 38.0,
        top + height / 2.0
    );
}

/// The slanted roof of a bandwidth and the flat one behind it, named at a share of the way up.
fn roof(out: &mut String, (x, y): (&Axis, &Axis), (peak, gbps): (f64, f64), along: f64, limit: Limit) {
    let class = match limit {
        Limit::LastLevelCache => " far",
        Limit::SecondLevelCache => " near",
        _ => "",
    };
    // The slant enters the picture where it crosses the left or the lower edge.
    let first = x.least().max(y.least() / gbps);
    let (from, ridge) = ((x.place(first), y.place(first * gbps)), (x.place(peak / gbps), y.place(peak)));
    let end = x.place(x.greatest());
    let _ = writeln!(
        out,
        "<path class=\"roof{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}H{end:.1}\"/>",
        from.0, from.1, ridge.0, ridge.1
    );
    let angle = (ridge.1 - from.1).atan2(ridge.0 - from.0).to_degrees();
    let at = (from.0 + (ridge.0 - from.0) * along, from.1 + (ridge.1 - from.1) * along);
    let _ = writeln!(
        out,
        "<text class=\"name\" transform=\"translate({:.1} {:.1}) rotate({angle:.1}) translate(0 -5)\">{} {gbps:.0} GB/s</text>",
        at.0,
        at.1,
        limit.name()
    );
}

fn position((x, y): (&Axis, &Axis), row: &KernelRow) -> (f64, f64) {
    match row.operations {
        0 => (x.place(x.least()), y.place(y.least())),
        _ => (x.place(row.intensity()), y.place(row.gflops)),
    }
}

fn dot(out: &mut String, axes: (&Axis, &Axis), row: &KernelRow) {
    let (cx, cy) = position(axes, row);
    let radius = RADIUS.0 + (RADIUS.1 - RADIUS.0) * row.share.max(0.0).sqrt();
    let hollow = if row.operations == 0 { " none" } else { "" };
    let _ = writeln!(
        out,
        "<circle class=\"{}{hollow}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{radius:.1}\">\
         <title>{}\n{}, {} runs, {:.3} ms, {:.1} % of the time\n{:.1} GFLOP/s, {:.1} % of the peak; {:.1} GB/s, \
         {:.1} operations per byte; limit: {}</title></circle>",
        row.category.name(),
        escaped(&row.kernel),
        row.category.name(),
        row.runs,
        row.ms,
        row.share * 100.0,
        row.gflops,
        row.peak_share * 100.0,
        row.gbps,
        row.intensity(),
        row.limit.name()
    );
}

/// Numbers at the largest dots with names beside the picture, and the colours.
fn names(out: &mut String, axes: (&Axis, &Axis), profile: &Profile) {
    let top = PLOT.1;
    for (place, row) in profile.kernels.iter().take(NAMED).enumerate() {
        let (cx, cy) = position(axes, row);
        let number = place + 1;
        let line = top + 12.0 + 34.0 * place as f64;
        let name: String = match row.kernel.chars().count() {
            long if long > SHOWN => row.kernel.chars().take(SHOWN - 1).chain(['…']).collect(),
            _ => row.kernel.clone(),
        };
        let _ = writeln!(
            out,
            "<text class=\"number mid\" x=\"{cx:.1}\" y=\"{:.1}\">{number}</text>\
             <text x=\"{NAMES:.1}\" y=\"{line:.1}\">{number:>2} {}</text>\
             <text class=\"minor\" x=\"{:.1}\" y=\"{:.1}\">{:.1} %, {:.1} GFLOP/s, {:.1} GB/s, {}</text>",
            cy + 4.0,
            escaped(&name),
            NAMES + 20.0,
            line + 14.0,
            row.share * 100.0,
            row.gflops,
            row.gbps,
            row.limit.name()
        );
    }
    for (place, time) in profile.categories.iter().enumerate() {
        let line = top + 390.0 + 22.0 * place as f64;
        let _ = writeln!(
            out,
            "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"/>\
             <text x=\"{:.1}\" y=\"{line:.1}\">{}: {:.3} ms, {:.1} %</text>",
            time.category.name(),
            NAMES + 7.0,
            line - 4.0,
            NAMES + 20.0,
            time.category.name(),
            time.ms,
            time.share * 100.0
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::profile::{profile, write_roofline};
    use crate::{BenchTarget, TimedOptions, load_text};

    const TEXT: &str = "dlc 1\nmodel m(x: f32[N, 4]) -> (y) {\n  y = x |> dense(3) as a |> relu()\n}\n\
        data d {\n  source = synthetic(samples = 64, classes = 3) -> (x, t)\n  batch = 2\n}\n\
        train m on d {\n  loss = cross_entropy(y, t)\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n}\n";

    #[test]
    fn the_picture_is_well_formed_and_has_every_kernel_once() {
        let loaded = load_text("m.dsl", TEXT, &[]).unwrap();
        let options = TimedOptions { threads: Some(1), ..TimedOptions::new(BenchTarget::Train) };
        let mut profile = profile(&loaded, &options).unwrap();
        assert!(profile.kernels.len() > 3 && profile.whole_ms > 0.0);
        // Kernels without arithmetic, names that XML would misread.
        profile.kernels[0].operations = 0;
        profile.kernels[1].kernel = "less<more & \"so\"".to_owned();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roofline.svg");
        write_roofline(&profile, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for row in &profile.kernels {
            let title = format!("<title>{}\n", super::escaped(&row.kernel));
            assert_eq!(text.matches(&title).count(), 1, "{title}");
        }
        assert!(text.contains("less&lt;more &amp; &quot;so&quot;"));
        assert_eq!(text.matches("<title>").count(), profile.kernels.len());
        assert_eq!(text.matches("class=\"roof").count(), 3);
        assert!(!text.contains("NaN") && !text.contains("inf"));
        well_formed(&text);
        assert!(write_roofline(&profile, folder.path()).is_err(), "a folder is no file");
    }

    /// Tags are closed in the order in which they were opened, and no bare `&` is left.
    fn well_formed(text: &str) {
        let mut open = Vec::new();
        for piece in text.split('<').skip(1) {
            let (tag, after) = piece.split_once('>').unwrap();
            assert!(!after.contains('>'), "{after}");
            match (tag.strip_prefix('/'), tag.strip_suffix('/')) {
                (Some(closed), _) => assert_eq!(open.pop(), Some(closed)),
                (None, None) => open.push(tag.split(' ').next().unwrap()),
                (None, Some(_)) => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
        for entity in text.split('&').skip(1) {
            assert!(
                ["amp;", "lt;", "gt;", "quot;"].iter().any(|known| entity.starts_with(known)),
                "{entity}"
            );
        }
    }
}
