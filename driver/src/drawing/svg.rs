//! Drawings as SVG.
//!
//! An arrow over many rows is drawn as two short ends that name each other's box, since a curve through
//! the whole picture could not be followed.

use super::layout::{CHARACTER, LINE, PADDING, Place, SHOWN, layout};
use super::{Drawing, Kind, Shape};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Rows that a curve may cross.
const FAR: usize = 12;
/// Boxes that the end of a far arrow names.
const NAMED: usize = 3;
const MARGIN: f64 = 24.0;
/// Room for the title.
const TITLE: f64 = 30.0;

const STYLE: &str = "text{font:11px monospace;fill:#222}.title{font:bold 15px sans-serif}\
.head{font-weight:bold}.far{fill:#888;font-size:9px}rect{stroke:#555;rx:4}\
path{fill:none;stroke:#888}.external{fill:#fff}.op{fill:#eef3fb}\
.contraction{fill:#ffe3c2}.loop{fill:#dff2dd}.output{fill:#f3e1f5}";

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Kind::External => "external",
            Kind::Op => "op",
            Kind::Contraction => "contraction",
            Kind::Loop => "loop",
            Kind::Output => "output",
        }
    }
}

/// Text as XML admits it.
pub(crate) fn escaped(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        letter if letter.is_control() => " ".to_owned(),
        letter => letter.to_string(),
    });
    letters.collect()
}

/// What a box shows of a text.
fn cut(text: &str) -> String {
    escaped(&text.chars().take(SHOWN).collect::<String>())
}

/// The drawing, the same text for the same drawing.
pub(super) fn svg(drawing: &Drawing, title: &str) -> String {
    let places = layout(drawing);
    let right = places.iter().map(|place| place.x + place.width).fold(0.0, f64::max);
    let bottom = places.iter().map(|place| place.y + place.height).fold(0.0, f64::max);
    let width = right.max(title.chars().count() as f64 * 9.0) + 2.0 * MARGIN;
    let height = bottom + TITLE + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><polygon points=\"0,0 8,4 0,8\" fill=\"#888\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" style=\"fill:#fff;stroke:none\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"{MARGIN}\">{}</text>\n\
         <g transform=\"translate({MARGIN} {:.0})\">\n",
        cut(title),
        MARGIN + TITLE - 10.0
    );
    let mut far: BTreeMap<(usize, End), Vec<usize>> = BTreeMap::new();
    for &(from, to) in &drawing.arrows {
        if places[to].row - places[from].row <= FAR {
            curve(&mut out, &places[from], &places[to]);
        } else {
            far.entry((from, End::Begins)).or_default().push(to);
            far.entry((to, End::Arrives)).or_default().push(from);
        }
    }
    for ((number, end), others) in &far {
        stub(&mut out, drawing, &places[*number], *end, others);
    }
    for (shape, place) in drawing.shapes.iter().zip(&places) {
        boxed(&mut out, shape, place);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Which end of an arrow stands at a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Begins,
    Arrives,
}

fn curve(out: &mut String, start: &Place, end: &Place) {
    let (x, y, to_x, to_y) = (start.middle(), start.y + start.height, end.middle(), end.y);
    let middle = (y + to_y) / 2.0;
    let _ = writeln!(
        out,
        "<path d=\"M{x:.1} {y:.1}C{x:.1} {middle:.1} {to_x:.1} {middle:.1} {to_x:.1} {to_y:.1}\" \
         marker-end=\"url(#tip)\"/>"
    );
}

/// The ends of far arrows at one box, with the names of the boxes at their other ends.
fn stub(out: &mut String, drawing: &Drawing, place: &Place, end: End, others: &[usize]) {
    let name = |&other: &usize| drawing.shapes[other].lines.first().map_or("", |line| short(line));
    let mut names: Vec<&str> = others.iter().take(NAMED).map(name).collect();
    let rest = format!("+{}", others.len().saturating_sub(NAMED));
    if others.len() > NAMED {
        names.push(&rest);
    }
    let x = place.middle();
    let (top, text_y, word, tip) = match end {
        End::Begins => (place.y + place.height, place.y + place.height + 11.0, "to", ""),
        End::Arrives => (place.y - 9.0, place.y - 3.0, "from", " marker-end=\"url(#tip)\""),
    };
    let _ = writeln!(
        out,
        "<path d=\"M{x:.1} {top:.1}v9\"{tip}/><text class=\"far\" x=\"{:.1}\" y=\"{text_y:.1}\">{word} {}</text>",
        x + 4.0,
        cut(&names.join(", "))
    );
}

/// The part of a title that names the box.
fn short(title: &str) -> &str {
    title.split(':').next().unwrap_or(title)
}

fn boxed(out: &mut String, shape: &Shape, place: &Place) {
    let Place { x, y, width, height, .. } = *place;
    let class = shape.kind.class();
    let _ = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
    );
    for (number, line) in shape.lines.iter().enumerate() {
        let head = if number == 0 { " class=\"head\"" } else { "" };
        let length = line.chars().count().min(SHOWN) as f64 * CHARACTER;
        let _ = writeln!(
            out,
            "<text{head} x=\"{:.1}\" y=\"{:.1}\" textLength=\"{length:.0}\">{}</text>",
            x + PADDING,
            y + PADDING + LINE * (number as f64 + 0.8),
            cut(line)
        );
    }
}
