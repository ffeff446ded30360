//! Small images beside each other: filters, samples with what the model says of them.

use super::{Drawing, FONT, told};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, IntoFont, RGBColor, Rectangle, Text, WHITE};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

/// One image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tile {
    /// Height and width.
    pub(crate) size: (usize, usize),
    /// RGB, row by row.
    pub(crate) pixels: Vec<[u8; 3]>,
    /// Stands below it; whether it is a good message or a bad one, where it is either.
    pub(crate) caption: Option<(String, Option<bool>)>,
}

impl Tile {
    /// Planes of numbers as an image: three planes are red, green and blue, another number is their mean in grey. The
    /// least number is dark, the greatest light.
    pub(crate) fn of_planes(planes: &[f32], channels: usize, size: (usize, usize)) -> Tile {
        let finite = || planes.iter().copied().filter(|value| value.is_finite());
        let low = finite().fold(f32::INFINITY, f32::min);
        let high = finite().fold(f32::NEG_INFINITY, f32::max);
        let span = if high > low { high - low } else { 1.0 };
        let shade = |value: f32| (((value - low) / span).clamp(0.0, 1.0) * 255.0).round() as u8;
        let plane = size.0 * size.1;
        let at = |channel: usize, place: usize| planes.get(channel * plane + place).copied().unwrap_or(low);
        let pixel = |place: usize| {
            if channels == 3 {
                return [0, 1, 2].map(|channel| shade(at(channel, place)));
            }
            let sum: f32 = (0..channels).map(|channel| at(channel, place)).sum();
            [shade(sum / channels.max(1) as f32); 3]
        };
        Tile { size, pixels: (0..plane).map(pixel).collect(), caption: None }
    }
}

/// Images in rows.
pub(crate) struct Tiles {
    pub(crate) tiles: Vec<Tile>,
    pub(crate) per_row: usize,
    /// Width that a tile is enlarged or reduced to.
    pub(crate) width: u32,
}

const GAP: u32 = 8;
const CAPTION: u32 = 18;

impl Tiles {
    fn height(&self) -> u32 {
        let shape = self.tiles.first().map_or((1, 1), |tile| tile.size);
        (self.width as usize * shape.0.max(1) / shape.1.max(1)).clamp(1, 4 * self.width as usize) as u32
    }

    fn row_height(&self) -> u32 {
        let captions = self.tiles.iter().any(|tile| tile.caption.is_some());
        self.height() + GAP + if captions { CAPTION } else { 0 }
    }
}

impl Drawing for Tiles {
    fn size(&self) -> (u32, u32) {
        let per_row = self.per_row.max(1);
        let rows = self.tiles.len().div_ceil(per_row).max(1) as u32;
        let columns = self.tiles.len().clamp(1, per_row) as u32;
        (GAP + columns * (self.width + GAP), GAP + rows * self.row_height())
    }

    fn is_image(&self) -> bool {
        true
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String> {
        area.fill(&WHITE).map_err(told)?;
        let (width, height) = (self.width as usize, self.height() as usize);
        for (number, tile) in self.tiles.iter().enumerate() {
            let (row, column) = (number / self.per_row.max(1), number % self.per_row.max(1));
            let left = (GAP as usize + column * (width + GAP as usize)) as i32;
            let top = (GAP as usize + row * self.row_height() as usize) as i32;
            // A pixel is a rectangle, so that both forms show sharp edges; a large picture is thinned.
            let (rows, columns) = (tile.size.0.min(height), tile.size.1.min(width));
            for y in 0..rows {
                for x in 0..columns {
                    let source = (y * tile.size.0 / rows) * tile.size.1 + x * tile.size.1 / columns;
                    let [r, g, b] = tile.pixels.get(source).copied().unwrap_or([255; 3]);
                    let edge = |part: usize, parts: usize, whole: usize| (part * whole / parts) as i32;
                    let corner = [
                        (left + edge(x, columns, width), top + edge(y, rows, height)),
                        (left + edge(x + 1, columns, width), top + edge(y + 1, rows, height)),
                    ];
                    area.draw(&Rectangle::new(corner, RGBColor(r, g, b).filled())).map_err(told)?;
                }
            }
            if let Some((text, good)) = &tile.caption {
                let colour = match good {
                    Some(true) => RGBColor(0, 120, 80),
                    Some(false) => RGBColor(190, 60, 0),
                    None => RGBColor(40, 40, 40),
                };
                let style = TextStyle::from((FONT, 12).into_font())
                    .color(&colour)
                    .pos(Pos::new(HPos::Center, VPos::Top));
                let place = (left + width as i32 / 2, top + height as i32 + 3);
                area.draw(&Text::new(text.clone(), place, style)).map_err(told)?;
            }
        }
        area.present().map_err(told)
    }
}
