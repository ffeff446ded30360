//! Pictures through `ImageDecoder`: written here, read back, in each channel order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use dlc_host::{Attribute, Attributes, Element, OperatorName, Tensor, Value, evaluate};
use image::{ImageFormat, RgbImage};
use std::io::Cursor;

fn decode(encoded: Vec<u8>, pixel_format: &str) -> Result<Tensor, String> {
    let data = Value::Tensor(Tensor::new(Element::U8, vec![encoded.len()], encoded).unwrap());
    let name = OperatorName { domain: String::new(), op_type: "ImageDecoder".to_owned(), version: 20 };
    let attributes =
        Attributes::from([("pixel_format".to_owned(), Attribute::String(pixel_format.to_owned()))]);
    match evaluate(&name, &attributes, &[Some(&data)], 1).map_err(|error| error.to_string())?.remove(0) {
        Some(Value::Tensor(tensor)) => Ok(tensor),
        other => panic!("{other:?}"),
    }
}

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 9) as u8, (y * 11) as u8, (128 + x + y) as u8]))
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn exact_formats() {
    let picture = picture(5, 3);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Pnm, ImageFormat::WebP]
    {
        let tensor = decode(encoded(&picture, format), "RGB").unwrap();
        assert_eq!(tensor.dims(), [3, 5, 3], "{format:?}");
        assert_eq!(tensor.bytes().unwrap(), picture.as_raw(), "{format:?}");
    }
    let reversed = decode(encoded(&picture, ImageFormat::Png), "BGR").unwrap();
    let first: Vec<u8> = picture.as_raw()[..3].iter().rev().copied().collect();
    assert_eq!(reversed.bytes().unwrap()[..3], first);
    let grey = decode(encoded(&picture, ImageFormat::Png), "Grayscale").unwrap();
    // 0.114 of a blue of 128.
    assert_eq!((grey.dims(), grey.bytes().unwrap()[0]), (&[3, 5, 1][..], 15));
}

#[test]
fn jpeg_of_any_size() {
    for (width, height) in [(1, 1), (8, 8), (17, 9), (40, 33)] {
        let picture = picture(width, height);
        let tensor = decode(encoded(&picture, ImageFormat::Jpeg), "RGB").unwrap();
        assert_eq!(tensor.dims(), [height as usize, width as usize, 3]);
        let distances = tensor.bytes().unwrap().iter().zip(picture.as_raw()).map(|(&a, &b)| a.abs_diff(b));
        let sum: u32 = distances.map(u32::from).sum();
        assert!(sum < 9 * width * height, "{width} x {height}: {sum}");
    }
}

#[test]
fn damaged_files_are_errors() {
    let whole = encoded(&picture(24, 16), ImageFormat::Jpeg);
    let mut state = 3u32;
    for round in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + round % 4 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = 2 + (state >> 8) as usize % (bytes.len() - 2);
            bytes[at] = (state >> 24) as u8;
        }
        if let Err(message) = decode(bytes, "RGB") {
            assert!(message.starts_with("ImageDecoder: ") && !message.contains('\n'), "{message}");
        }
    }
    assert!(decode(whole[..whole.len() / 2].to_vec(), "RGB").is_err() || whole.len() < 100);
    assert!(decode(Vec::new(), "RGB").is_err());
}
