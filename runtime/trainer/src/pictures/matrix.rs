//! A confusion matrix: a cell is as dark as the share of its row.

use super::{Drawing, FONT, told};
use crate::metrics::Confusion;
use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, DrawingBackend, FontTransform, IntoFont, RGBColor, Rectangle, Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

/// The matrix to draw.
pub(crate) struct Matrix<'a>(pub(crate) &'a Confusion);

/// Above this number of classes cells have no numbers, above the second none has a name.
const MOST_NUMBERED: usize = 20;
const MOST_NAMED: usize = 60;
/// Space for the names of classes.
const MARGIN: i32 = 110;

const DARK: RGBColor = RGBColor(40, 40, 40);

/// Text of an even size: the bitmap form sets glyphs of others a pixel off their line.
fn style(size: i32, colour: &'static RGBColor) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font()).color(colour)
}

impl Matrix<'_> {
    fn cell(&self) -> i32 {
        let classes = self.0.classes.max(1) as i32;
        (480 / classes).clamp(4, 90)
    }
}

/// The beginning of a name, as long as it may be here.
fn short(name: &str) -> String {
    if name.chars().count() <= 13 { name.to_owned() } else { name.chars().take(12).chain(['…']).collect() }
}

impl Drawing for Matrix<'_> {
    fn size(&self) -> (u32, u32) {
        let side = self.cell() * self.0.classes as i32;
        ((MARGIN + side + 20).unsigned_abs(), (MARGIN + side + 20).unsigned_abs())
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(told)?;
        let (cell, classes) = (self.cell(), self.0.classes);
        let side = cell * classes as i32;
        for (label, row) in self.0.rows().enumerate() {
            let total: u64 = row.iter().sum();
            for (decided, &count) in row.iter().enumerate() {
                let share = if total == 0 { 0.0 } else { count as f64 / total as f64 };
                let fade = |full: u8| (255.0 - (255.0 - f64::from(full)) * share).round() as u8;
                let colour = RGBColor(fade(0), fade(90), fade(160));
                let (x, y) = (MARGIN + decided as i32 * cell, 10 + label as i32 * cell);
                let corner = [(x, y), (x + cell - 1, y + cell - 1)];
                area.draw(&Rectangle::new(corner, colour.filled())).map_err(told)?;
                if classes <= MOST_NUMBERED && count > 0 {
                    let ink = if share > 0.5 { &WHITE } else { &DARK };
                    let size = (cell / 3).clamp(8, 15) & !1;
                    let centre = style(size, ink).pos(Pos::new(HPos::Center, VPos::Center));
                    let place = (x + cell / 2, y + cell / 2);
                    area.draw(&Text::new(count.to_string(), place, centre)).map_err(told)?;
                }
            }
        }
        let frame = [(MARGIN - 1, 9), (MARGIN + side, 10 + side)];
        area.draw(&Rectangle::new(frame, RGBColor(150, 150, 150))).map_err(told)?;
        let size = (cell - 2).clamp(8, 12) & !1;
        for (class, name) in self.0.names.iter().enumerate().filter(|_| classes <= MOST_NAMED) {
            let middle = class as i32 * cell + cell / 2;
            let right = style(size, &DARK).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(short(name), (MARGIN - 6, 10 + middle), right)).map_err(told)?;
            if cell >= 24 && self.0.names.iter().all(|name| name.chars().count() <= 3) {
                let below = style(size, &DARK).pos(Pos::new(HPos::Center, VPos::Top));
                area.draw(&Text::new(name.clone(), (MARGIN + middle, 16 + side), below)).map_err(told)?;
                continue;
            }
            let turned =
                style(size, &DARK).transform(FontTransform::Rotate90).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(short(name), (MARGIN + middle, 16 + side), turned)).map_err(told)?;
        }
        let label =
            style(14, &DARK).transform(FontTransform::Rotate270).pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new("label".to_owned(), (18, 10 + side / 2), label)).map_err(told)?;
        let decided = style(14, &DARK).pos(Pos::new(HPos::Center, VPos::Bottom));
        area.draw(&Text::new("decision".to_owned(), (MARGIN + side / 2, MARGIN + side + 16), decided))
            .map_err(told)?;
        area.present().map_err(told)
    }
}
