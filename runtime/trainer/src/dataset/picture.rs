//! Pictures as planes of bytes: kept in memory, or decoded from their files when asked for.

use crate::{Result, TrainError};
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageReader, Limits};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Decoded pictures of a folder are kept in memory up to this size, else decoded for each batch.
pub(crate) const MEMORY_LIMIT: usize = 1 << 30;
/// Greatest height and width that is decoded.
const LARGEST_SIDE: u32 = 20_000;
/// Most memory that decoding one picture may take.
const DECODING_MEMORY: u64 = 512 << 20;

/// Where the bytes are.
#[derive(Clone, Debug)]
enum Store {
    /// Planar bytes (channel, row, column), picture after picture.
    Bytes(Vec<u8>),
    /// One file per picture; where `fit` is not set they must have the right size already.
    Files { files: Vec<PathBuf>, fit: bool },
}

/// Pictures of one size.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Height and width as handed out.
    pub size: (usize, usize),
    /// Height and width as stored.
    stored: (usize, usize),
    store: Store,
}

impl Pictures {
    /// Pictures in memory: planar bytes of `stored` size, handed out resized to `size`.
    pub fn in_memory(
        channels: usize,
        stored: (usize, usize),
        size: Option<(usize, usize)>,
        bytes: Vec<u8>,
    ) -> Pictures {
        Pictures { channels, size: size.unwrap_or(stored), stored, store: Store::Bytes(bytes) }
    }

    /// Pictures in files; `fit` brings them to `size`, without it they must have that size.
    pub(crate) fn in_files(
        channels: usize,
        size: (usize, usize),
        files: Vec<PathBuf>,
        fit: bool,
    ) -> Pictures {
        Pictures { channels, size, stored: size, store: Store::Files { files, fit } }
    }

    /// Height times width, as handed out.
    pub fn plane(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// Puts the planes of one picture into `out`, whose former content is dropped.
    pub fn read(&self, sample: usize, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        match &self.store {
            Store::Bytes(bytes) => {
                let length = self.channels * self.stored.0 * self.stored.1;
                let picture = &bytes[sample * length..][..length];
                if self.stored == self.size {
                    out.extend_from_slice(picture);
                } else {
                    for plane in picture.chunks_exact(self.stored.0 * self.stored.1) {
                        out.extend(resized_plane(plane, self.stored, self.size));
                    }
                }
                Ok(())
            }
            Store::Files { files, fit } => {
                let picture = decode_fitting(&files[sample], self.channels, self.size, *fit)?;
                out.extend_from_slice(&picture.planes);
                Ok(())
            }
        }
    }
}

fn resized_plane(plane: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    // Sizes were checked against `LARGEST_SIDE` when the pictures were made.
    let (height, width) = (from.0 as u32, from.1 as u32);
    match GrayImage::from_raw(width, height, plane.to_vec()) {
        Some(grey) => imageops::resize(&grey, to.1 as u32, to.0 as u32, FilterType::Triangle).into_raw(),
        None => vec![0; to.0 * to.1],
    }
}

/// That a size can be resized to.
pub(crate) fn check_size(size: (usize, usize)) -> Result<()> {
    let fits = |side: usize| side > 0 && side <= LARGEST_SIDE as usize;
    if fits(size.0) && fits(size.1) {
        return Ok(());
    }
    Err(TrainError::Recipe(format!("pictures cannot be resized to {}x{}", size.0, size.1)))
}

/// One decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Height and width.
    pub size: (usize, usize),
    /// Planar bytes (channel, row, column).
    pub planes: Vec<u8>,
}

fn planes_of(image: &DynamicImage, channels: usize) -> Vec<u8> {
    if channels == 1 {
        return image.to_luma8().into_raw();
    }
    let pixels = image.to_rgb8().into_raw();
    let mut planes = Vec::with_capacity(pixels.len());
    for channel in 0..3 {
        planes.extend(pixels.iter().skip(channel).step_by(3));
    }
    planes
}

/// Decodes a JPEG or PNG with bounds on size and memory, to 1 or 3 channels.
pub fn decode(
    bytes: &[u8],
    channels: usize,
    size: Option<(usize, usize)>,
) -> std::result::Result<Picture, String> {
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(DECODING_MEMORY);
    reader.limits(limits);
    let mut image = reader.decode().map_err(|error| error.to_string())?;
    if let Some((height, width)) = size
        && (image.height() as usize, image.width() as usize) != (height, width)
    {
        image = image.resize_exact(width as u32, height as u32, FilterType::Triangle);
    }
    let size = (image.height() as usize, image.width() as usize);
    Ok(Picture { size, planes: planes_of(&image, channels) })
}

/// Decodes a file, as [`decode`] does.
pub fn decode_file(path: &Path, channels: usize, size: Option<(usize, usize)>) -> Result<Picture> {
    let bytes = super::read_file(path)?;
    decode(&bytes, channels, size).map_err(|problem| TrainError::Image { path: path.to_owned(), problem })
}

/// Decodes a file that is brought to a size, or must have it.
pub(crate) fn decode_fitting(
    path: &Path,
    channels: usize,
    size: (usize, usize),
    fit: bool,
) -> Result<Picture> {
    let picture = decode_file(path, channels, fit.then_some(size))?;
    if picture.size == size {
        return Ok(picture);
    }
    Err(TrainError::Image {
        path: path.to_owned(),
        problem: format!(
            "this picture is {}x{}, not {}x{}; `resize(height, width)` brings all to one size",
            picture.size.0, picture.size.1, size.0, size.1
        ),
    })
}
