//! Curves over epochs, steps, rates or shares.

use super::{COLOURS, Drawing, FONT, told};
use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, DrawingArea, DrawingBackend, IntoFont, LineSeries, PathElement,
    RGBColor, SeriesLabelPosition, WHITE,
};

/// One curve.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) label: String,
    /// `(x, y)`; those that are not finite are left out.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Curves in one frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    /// Names of the axes.
    pub(crate) x: String,
    pub(crate) y: String,
    /// Both axes are shares.
    pub(crate) shares: bool,
    /// The line of pure chance is drawn, too.
    pub(crate) chance: bool,
    /// The x axis counts whole things.
    pub(crate) whole: bool,
    /// x is the decimal logarithm of what the axis tells.
    pub(crate) logarithmic: bool,
    /// A point to mark.
    pub(crate) mark: Option<(f64, f64)>,
}

/// Smallest and largest number with a margin; something to draw in where there is no extent.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> std::ops::Range<f64> {
    let finite = values.filter(|value| value.is_finite() && value.abs() < 1e100);
    let (low, high) = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return 0.0..1.0;
    }
    let extent = high - low;
    if extent <= low.abs().max(high.abs()) * 1e-9 || extent == 0.0 {
        let pad = low.abs().max(1e-6) * 0.1;
        return low - pad..high + pad;
    }
    low - extent * margin..high + extent * margin
}

/// A short decimal.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        _ => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

impl Drawing for Lines {
    fn size(&self) -> (u32, u32) {
        if self.shares { (460, 420) } else { (640, 360) }
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(told)?;
        let points = || self.lines.iter().flat_map(|line| line.points.iter().copied());
        let (x, y) = if self.shares {
            (-0.02..1.02, -0.02..1.02)
        } else {
            (range(points().map(|point| point.0), 0.02), range(points().map(|point| point.1), 0.06))
        };
        let within = |(a, b): &(f64, f64)| x.contains(a) && y.contains(b);
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(x.clone(), y.clone())
            .map_err(told)?;
        let x_number = |value: &f64| match (self.whole, self.logarithmic) {
            (true, _) if (value - value.round()).abs() > 1e-9 => String::new(),
            (_, true) => format!("{:.0e}", 10f64.powf(*value)),
            _ => number(*value),
        };
        let text = (FONT, 14).into_font();
        chart
            .configure_mesh()
            .x_desc(self.x.as_str())
            .y_desc(self.y.as_str())
            .x_labels(if self.whole { 9 } else { 7 })
            .y_labels(7)
            .x_label_formatter(&x_number)
            .y_label_formatter(&|value| number(*value))
            .label_style(text.clone())
            .axis_desc_style(text.clone())
            .bold_line_style(RGBColor(225, 225, 225))
            .light_line_style(WHITE)
            .axis_style(RGBColor(130, 130, 130))
            .draw()
            .map_err(told)?;
        if self.chance {
            let diagonal = LineSeries::new([(0.0, 0.0), (1.0, 1.0)], RGBColor(200, 200, 200));
            chart.draw_series(diagonal).map_err(told)?;
        }
        for (position, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[position % COLOURS.len()];
            let style = colour.stroke_width(2);
            let points: Vec<(f64, f64)> = line.points.iter().copied().filter(within).collect();
            if let [only] = points.as_slice() {
                chart.draw_series([Circle::new(*only, 3, colour.filled())]).map_err(told)?;
            }
            let series = chart.draw_series(LineSeries::new(points, style)).map_err(told)?;
            if !line.label.is_empty() {
                series
                    .label(line.label.as_str())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            }
        }
        if let Some(mark) = self.mark.filter(within) {
            chart.draw_series([Circle::new(mark, 5, COLOURS[1].filled())]).map_err(told)?;
        }
        if self.lines.iter().any(|line| !line.label.is_empty()) {
            // Curves end at the right: high ones leave the lower corner free.
            let middle = (y.start + y.end) / 2.0;
            let ends =
                self.lines.iter().filter_map(|line| line.points.iter().rev().find(|point| within(point)));
            let high = ends.clone().filter(|end| end.1 > middle).count();
            let corner = if self.shares || 2 * high > ends.count() {
                SeriesLabelPosition::LowerRight
            } else {
                SeriesLabelPosition::UpperRight
            };
            chart
                .configure_series_labels()
                .position(corner)
                .background_style(WHITE.mix(0.85))
                .border_style(RGBColor(200, 200, 200))
                .label_font(text.color(&BLACK))
                .draw()
                .map_err(told)?;
        }
        area.present().map_err(told)
    }
}
