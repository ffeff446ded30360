//! Label maps as images: palette PNGs whose palette numbers are the classes, as `segmentation(…)` reads them.

use crate::decision::LabelMap;
use crate::pictures::{COLOURS, Tile};

/// The colour of a class: black, those that most eyes tell apart, then hues at the golden angle.
fn colour(class: usize) -> [u8; 3] {
    match class.checked_sub(1) {
        None => [0, 0, 0],
        Some(place) => match COLOURS.get(place) {
            Some(colour) => [colour.0, colour.1, colour.2],
            None => hue((place * 137) % 360),
        },
    }
}

/// A bright colour of a hue in degrees.
fn hue(degrees: usize) -> [u8; 3] {
    // At most 255 each.
    let part = |shift: usize| {
        let distance = (degrees + shift) % 360;
        let distance = distance.min(360 - distance);
        255 - (distance.min(120) * 255 / 120) as u8
    };
    [part(0), part(240), part(120)]
}

/// The map as a tile of a picture.
pub(crate) fn tile(map: &LabelMap) -> Tile {
    let pixels = map.pixels.iter().map(|&class| colour(usize::from(class))).collect();
    Tile { size: map.size, pixels, caption: None }
}

/// The map as a PNG file.
pub(crate) fn png(map: &LabelMap) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let side = |pixels: usize| u32::try_from(pixels).map_err(|_| "the map is too large".to_owned());
    let mut encoder = png::Encoder::new(&mut bytes, side(map.size.1)?, side(map.size.0)?);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette((0..map.classes.clamp(1, 256)).flat_map(colour).collect::<Vec<u8>>());
    let told = |error: png::EncodingError| error.to_string();
    let mut writer = encoder.write_header().map_err(told)?;
    writer.write_image_data(&map.pixels).map_err(told)?;
    writer.finish().map_err(told)?;
    Ok(bytes)
}
