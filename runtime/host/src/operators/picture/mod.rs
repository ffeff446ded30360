//! `ImageDecoder`: encoded pictures (JPEG, JPEG 2000, PNG, BMP, TIFF, PNM, WebP) as bytes, channels last.
//!
//! Which bytes a JPEG file has is not defined to the last bit. The conformance suite compares exactly with what libjpeg gives, so
//! that the common kind is decoded here, with its arithmetic; all others are left to the `image` crate.

mod jpeg;
mod jpeg_samples;

use crate::call::{Call, Outcome, one, unknown_choice};
use crate::element::Element;
use crate::error::{HostError, Result, invalid, unsupported};
use crate::index::count;
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;
use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext};
use image::{ImageReader, Limits};
use std::io::Cursor;

pub(super) const ROWS: &[Operator] = &[onnx("ImageDecoder", 20, decode)];

/// Width, height and the colours, three bytes each.
type Picture = (usize, usize, Vec<u8>);

/// Bytes that decoding may take.
const MEMORY: u64 = 1 << 30;

/// Pixels of a picture in JPEG 2000, which costs more to decode than others.
const PIXELS: usize = 1 << 26;

/// First bytes of the two forms of JPEG 2000: a file and a bare stream.
const JPEG_2000: [&[u8]; 2] = [b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"];

fn decode(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    if data.element() != Element::U8 {
        return Err(invalid(format!("{} stands where bytes should", data.element())));
    }
    let (width, height, colours) = read(data.bytes()?)?;
    let (channels, bytes) = match call.string_or("pixel_format", "RGB")? {
        "RGB" => (3, colours),
        "BGR" => (3, colours.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect()),
        "Grayscale" => (1, colours.chunks_exact(3).map(luminance).collect()),
        other => return Err(unknown_choice("pixel_format", other)),
    };
    one(Tensor::new(Element::U8, vec![height, width, channels], bytes)?)
}

fn read(bytes: &[u8]) -> Result<Picture> {
    if JPEG_2000.iter().any(|start| bytes.starts_with(start)) {
        return read_jpeg_2000(bytes);
    }
    if let Some(picture) = jpeg::read(bytes, MEMORY) {
        return Ok(picture);
    }
    let fault = |error: image::ImageError| {
        let what = error.to_string().replace('\n', " ");
        match error {
            image::ImageError::Unsupported(_) => unsupported(format!("a picture ({what})")),
            _ => invalid(format!("the picture cannot be read: {what}")),
        }
    };
    let guessed = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = guessed.map_err(|error| invalid(format!("the picture cannot be read: {error}")))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(fault)?.into_rgb8();
    Ok((picture.width() as usize, picture.height() as usize, picture.into_raw()))
}

fn read_jpeg_2000(bytes: &[u8]) -> Result<Picture> {
    let fault = |error| invalid(format!("the picture cannot be read: {error}"));
    let picture = hayro_jpeg2000::Image::new(bytes, &DecodeSettings::default()).map_err(fault)?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if count(&[height, width])? > PIXELS {
        return Err(HostError::TooLarge { dims: vec![height, width] });
    }
    let alpha = usize::from(picture.has_alpha());
    let channels = match picture.color_space() {
        ColorSpace::Gray => 1,
        ColorSpace::RGB => 3,
        other => {
            return Err(unsupported(format!("a picture in JPEG 2000 of {} channels", other.num_channels())));
        }
    };
    let mut context = DecoderContext::default();
    let samples = picture.decode(&mut context).map_err(fault)?.data_u8();
    let colour = |pixel: &[u8]| match channels {
        1 => [pixel[0]; 3],
        _ => [pixel[0], pixel[1], pixel[2]],
    };
    Ok((width, height, samples.chunks_exact(channels + alpha).flat_map(colour).collect()))
}

/// Luminance by ITU-R 601, in the fixed point of the reference implementation's library.
fn luminance(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}
