//! `ImageDecoder`: encoded pictures (JPEG, PNG, BMP, TIFF, PNM, WebP; not JPEG 2000) as bytes, channels last.

use crate::call::{Call, Outcome, one, unknown_choice};
use crate::element::Element;
use crate::error::{Result, invalid, unsupported};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;
use image::{ImageReader, Limits};
use std::io::Cursor;

pub(super) const ROWS: &[Operator] = &[onnx("ImageDecoder", 20, decode)];

/// Bytes that decoding may take.
const MEMORY: u64 = 1 << 30;

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

/// Width, height and the colours, three bytes each.
fn read(bytes: &[u8]) -> Result<(usize, usize, Vec<u8>)> {
    if JPEG_2000.iter().any(|start| bytes.starts_with(start)) {
        return Err(unsupported("a picture in JPEG 2000"));
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

/// Luminance by ITU-R 601, in the fixed point of the reference implementation's library.
fn luminance(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
}
