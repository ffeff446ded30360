//! Pictures as planes of bytes: kept in memory, or decoded from their files when asked for.
//!
//! Label maps are pictures of one channel whose bytes are class numbers: they are resized by the nearest
//! pixel, and palette PNGs give the numbers of their palette.

use super::fit::Fit;
use super::records::Records;
use crate::{Result, TrainError};
use image::{DynamicImage, GrayImage, ImageReader, Limits};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Greatest height and width that is decoded.
pub(crate) const LARGEST_SIDE: u32 = 20_000;
/// Most memory that decoding one picture may take.
const DECODING_MEMORY: u64 = 512 << 20;

/// Where the bytes are.
#[derive(Clone, Debug)]
enum Store {
    /// Planar bytes (channel, row, column), of this height and width.
    Records(Records, (usize, usize)),
    /// One file per picture.
    Files(Vec<PathBuf>),
}

/// What the bytes of pictures mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Brightness.
    Light,
    /// Numbers of classes.
    Classes,
}

/// Pictures of one size.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// 1 for grey and for label maps, 3 for red, green, blue.
    pub channels: usize,
    /// Height and width as handed out.
    pub size: (usize, usize),
    /// What their bytes mean.
    pub meaning: Meaning,
    fit: Fit,
    store: Store,
}

impl Pictures {
    /// Planar bytes of `stored` size, handed out as `fit` says.
    pub fn of_records(channels: usize, stored: (usize, usize), fit: Fit, records: Records) -> Pictures {
        let size = fit.size(stored);
        Pictures { channels, size, meaning: Meaning::Light, fit, store: Store::Records(records, stored) }
    }

    /// Pictures in files, which `fit` must bring to `size`.
    pub(crate) fn in_files(
        channels: usize,
        size: (usize, usize),
        fit: Fit,
        files: Vec<PathBuf>,
        meaning: Meaning,
    ) -> Pictures {
        Pictures { channels, size, meaning, fit, store: Store::Files(files) }
    }

    /// Planes that are there already, as label maps.
    pub(crate) fn with_meaning(self, meaning: Meaning) -> Pictures {
        Pictures { meaning, ..self }
    }

    /// Height times width, as handed out.
    pub fn plane(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// Whether every reading decodes a file.
    pub(crate) fn is_stored(&self) -> bool {
        match &self.store {
            Store::Files(_) => true,
            Store::Records(records, _) => records.is_stored(),
        }
    }

    /// The planes of one picture; `scratch` holds them where they are made on the way.
    pub fn read<'a>(&'a self, sample: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match &self.store {
            Store::Records(records, _) if self.fit.is_empty() => records.read(sample, scratch),
            Store::Records(records, stored) => {
                let mut raw = Vec::new();
                let picture = records.read(sample, &mut raw)?;
                scratch.clear();
                for plane in picture.chunks_exact((stored.0 * stored.1).max(1)) {
                    scratch.extend(self.fitted_plane(plane, *stored));
                }
                Ok(scratch)
            }
            Store::Files(files) => {
                let picture = self.decode(&files[sample])?;
                *scratch = picture.planes;
                Ok(scratch)
            }
        }
    }

    fn fitted_plane(&self, plane: &[u8], from: (usize, usize)) -> Vec<u8> {
        // Sizes were checked against `LARGEST_SIDE` when the pictures were made.
        match GrayImage::from_raw(from.1 as u32, from.0 as u32, plane.to_vec()) {
            Some(grey) => {
                let nearest = self.meaning == Meaning::Classes;
                self.fit.apply(DynamicImage::ImageLuma8(grey), nearest).into_luma8().into_raw()
            }
            None => vec![0; self.plane()],
        }
    }

    /// Decodes one of its files.
    fn decode(&self, path: &Path) -> Result<Picture> {
        let picture = decode_file(path, self.channels, &self.fit, self.meaning)?;
        if picture.size == self.size {
            return Ok(picture);
        }
        Err(TrainError::Image {
            path: path.to_owned(),
            problem: format!(
                "this picture is {}x{}, not {}x{}; `resize(height, width)` brings all to one size",
                picture.size.0, picture.size.1, self.size.0, self.size.1
            ),
        })
    }

    /// Decodes all files into memory, on several threads.
    pub(crate) fn decoded(self, threads: usize) -> Result<Pictures> {
        let Store::Files(files) = &self.store else { return Ok(self) };
        let length = self.channels * self.plane();
        let mut bytes = vec![0u8; files.len() * length];
        let share = files.len().div_ceil(threads.max(1)).max(1);
        let decode_share = |files: &[PathBuf], out: &mut [u8]| -> Result<()> {
            for (file, out) in files.iter().zip(out.chunks_exact_mut(length)) {
                out.copy_from_slice(&self.decode(file)?.planes);
            }
            Ok(())
        };
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let shares = files.chunks(share).zip(bytes.chunks_mut((share * length).max(1)));
            let workers: Vec<_> =
                shares.map(|(files, out)| scope.spawn(move || decode_share(files, out))).collect();
            // A worker that panicked passes its panic on.
            let join = |worker: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        });
        results.into_iter().collect::<Result<()>>()?;
        let records = Records::in_memory(bytes, 0, length);
        let made = Pictures::of_records(self.channels, self.size, Fit::default(), records);
        Ok(made.with_meaning(self.meaning))
    }
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
pub fn decode(bytes: &[u8], channels: usize, fit: &Fit) -> std::result::Result<Picture, String> {
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(DECODING_MEMORY);
    reader.limits(limits);
    let image = fit.apply(reader.decode().map_err(|error| error.to_string())?, false);
    let size = (image.height() as usize, image.width() as usize);
    Ok(Picture { size, planes: planes_of(&image, channels) })
}

/// Decodes a label map: the numbers of a palette PNG, or the values of a grey one of up to 8 bits.
pub fn decode_label_map(bytes: &[u8], fit: &Fit) -> std::result::Result<Picture, String> {
    let limits = png::Limits { bytes: DECODING_MEMORY as usize };
    let decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let info = reader.info();
    let (width, height, kind, depth) = (info.width, info.height, info.color_type, info.bit_depth);
    if width > LARGEST_SIDE || height > LARGEST_SIDE {
        return Err(format!("it is {height}x{width}; at most {LARGEST_SIDE} pixels a side are decoded"));
    }
    if !matches!(kind, png::ColorType::Grayscale | png::ColorType::Indexed) || depth == png::BitDepth::Sixteen
    {
        return Err(
            "a label map is a palette or grey PNG of up to 8 bits, whose values are classes".to_owned()
        );
    }
    let size = reader.output_buffer_size().ok_or("it is too large")?;
    if size as u64 > DECODING_MEMORY {
        return Err("it is too large".to_owned());
    }
    let mut packed = vec![0; size];
    let frame = reader.next_frame(&mut packed).map_err(|error| error.to_string())?;
    let (bits, columns) = (depth as usize, width as usize);
    let mut numbers = Vec::with_capacity(columns * height as usize);
    for row in packed.chunks_exact(frame.line_size.max(1)).take(height as usize) {
        let one = |column: usize| {
            let bit = column * bits;
            row[bit / 8] >> (8 - bits - bit % 8) & (u8::MAX >> (8 - bits))
        };
        numbers.extend((0..columns).map(one));
    }
    let map = GrayImage::from_raw(width, height, numbers).ok_or("its rows are incomplete")?;
    let map = fit.apply(DynamicImage::ImageLuma8(map), true);
    let size = (map.height() as usize, map.width() as usize);
    Ok(Picture { size, planes: map.into_luma8().into_raw() })
}

/// Decodes a file, as [`decode`] or [`decode_label_map`] does.
pub(crate) fn decode_file(path: &Path, channels: usize, fit: &Fit, meaning: Meaning) -> Result<Picture> {
    let bytes = super::read_file(path)?;
    let picture = match meaning {
        Meaning::Light => decode(&bytes, channels, fit),
        Meaning::Classes => decode_label_map(&bytes, fit),
    };
    picture.map_err(|problem| TrainError::Image { path: path.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn pictures_are_the_same_from_files_and_memory() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..5u8)
            .map(|number| {
                let path = folder.path().join(format!("{number}.png"));
                let pixel = |x: u32, y: u32| image::Rgb([number * 40, (x * 20) as u8, (y * 30) as u8]);
                image::RgbImage::from_fn(6, 5, pixel).save(&path).unwrap();
                path
            })
            .collect();
        let fit = Fit::to((3, 4));
        let stored = Pictures::in_files(3, (3, 4), fit, files, Meaning::Light);
        let memory = stored.clone().decoded(2).unwrap();
        assert!(stored.is_stored() && !memory.is_stored());
        for sample in [4, 0, 2] {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            let planes = stored.read(sample, &mut a).unwrap();
            assert_eq!((planes.len(), planes[0]), (3 * 12, sample as u8 * 40));
            assert_eq!(planes, memory.read(sample, &mut b).unwrap());
        }
        std::fs::remove_file(folder.path().join("3.png")).unwrap();
        assert!(stored.read(3, &mut Vec::new()).unwrap_err().to_string().contains("3.png"));
    }
}
