//! Pictures of a run: the same drawing as SVG and as PNG.
//!
//! Text is set in a font that is part of the program (DejaVu Sans, `fonts/`), so that pictures need nothing of the
//! machine and are the same everywhere.

mod lines;
mod matrix;
mod tiles;

pub(crate) use lines::{Line, Lines};
pub(crate) use matrix::Matrix;
pub(crate) use tiles::{Tile, Tiles};

use crate::{Result, TrainError};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, DrawingBackend, IntoDrawingArea, RGBColor, SVGBackend};
use plotters::style::{FontStyle, register_font};
use std::path::Path;
use std::sync::Once;

/// The family that pictures use; viewers of SVG take their own of that kind.
const FONT: &str = "sans-serif";
static FONT_BYTES: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");

/// Colours that most eyes can tell apart. Okabe, Ito, "Color Universal Design", 2008.
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// Something that can be drawn.
pub(crate) trait Drawing {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);
    /// Whether it is an image rather than strokes, so that the SVG form holds its pixels.
    fn is_image(&self) -> bool {
        false
    }
    /// Draws it; a failure is told in words.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> std::result::Result<(), String>;
}

/// A finished picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// What it is called: its files' name and its place in the report.
    pub(crate) name: String,
    /// What it shows.
    pub(crate) title: String,
    pub(crate) size: (u32, u32),
    /// Whether it is pixels rather than strokes.
    pub(crate) is_image: bool,
    pub(crate) svg: String,
    pub(crate) png: Vec<u8>,
}

/// The message of a failure, whatever it is of.
fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// An SVG picture that holds pixels.
fn framed(png: &[u8], (width, height): (u32, u32)) -> String {
    format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n<image width=\"{width}\" height=\"{height}\" \
         href=\"data:image/png;base64,{}\"/>\n</svg>\n",
        base64(png)
    )
}

/// RGB bytes as a PNG file.
fn png(rgb: &[u8], (width, height): (u32, u32)) -> std::result::Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(rgb, width, height, ExtendedColorType::Rgb8).map_err(told)?;
    Ok(bytes)
}

impl Picture {
    /// Draws in both forms.
    pub(crate) fn of(name: &str, title: &str, drawing: &impl Drawing) -> Result<Picture> {
        static FONT_KNOWN: Once = Once::new();
        FONT_KNOWN.call_once(|| {
            // The font is part of the program; drawing without it fails with a message.
            let _ = register_font(FONT, FontStyle::Normal, FONT_BYTES);
        });
        let size = drawing.size();
        let mut svg = String::new();
        let mut rgb = vec![0; size.0 as usize * size.1 as usize * 3];
        let mut draw = || -> std::result::Result<Vec<u8>, String> {
            drawing.draw(&BitMapBackend::with_buffer(&mut rgb, size).into_drawing_area())?;
            let png = png(&rgb, size)?;
            if drawing.is_image() {
                svg = framed(&png, size);
            } else {
                drawing.draw(&SVGBackend::with_string(&mut svg, size).into_drawing_area())?;
            }
            Ok(png)
        };
        let png = draw().map_err(|problem| TrainError::Picture { name: name.to_owned(), problem })?;
        let (name, title, is_image) = (name.to_owned(), title.to_owned(), drawing.is_image());
        Ok(Picture { name, title, size, is_image, svg, png })
    }

    /// Writes `NAME.svg` and `NAME.png`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        dlc_runtime::write_atomically(&folder.join(format!("{}.svg", self.name)), self.svg.as_bytes())?;
        dlc_runtime::write_atomically(&folder.join(format!("{}.png", self.name)), &self.png)?;
        Ok(())
    }
}

/// Bytes as text in a page. RFC 4648.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let sextet = word >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() { char::from(DIGITS[sextet as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn pictures_are_the_same_every_time_and_can_be_decoded() {
        let line = Line { label: "train".to_owned(), points: vec![(1.0, 2.0), (2.0, 1.0), (3.0, f64::NAN)] };
        let lines =
            Lines { lines: vec![line], x: "epoch".to_owned(), y: "loss".to_owned(), ..Lines::default() };
        let picture = Picture::of("loss", "Loss", &lines).unwrap();
        let again = Picture::of("loss", "Loss", &lines).unwrap();
        assert_eq!((&picture.svg, &picture.png), (&again.svg, &again.png));
        assert!(picture.svg.starts_with("<svg") && picture.svg.contains("train"));
        let decoded = image::load_from_memory(&picture.png).unwrap().to_rgb8();
        assert_eq!(decoded.dimensions(), picture.size);
        let coloured = decoded.pixels().filter(|pixel| pixel.0 == [0, 114, 178]).count();
        assert!(coloured > 100, "the line is drawn: {coloured}");
        // Text is drawn by the font of the program: dark pixels left of the axis.
        let dark = |x: u32, y: u32| decoded.get_pixel(x, y).0.iter().all(|&value| value < 130);
        let text = (0..78).flat_map(|x| (0..picture.size.1).map(move |y| (x, y)));
        assert!(text.filter(|&(x, y)| dark(x, y)).count() > 50);
    }

    #[test]
    fn empty_and_odd_numbers_are_drawn_too() {
        let points =
            [vec![], vec![(1.0, 5.0)], vec![(1.0, f64::INFINITY)], vec![(0.0, 1e300), (1.0, -1e300)]];
        for points in points {
            let lines = Lines { lines: vec![Line { label: "x".to_owned(), points }], ..Lines::default() };
            Picture::of("x", "X", &lines).unwrap();
        }
    }
}
