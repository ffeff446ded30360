//! Event files that TensorBoard reads.
//!
//! A file is a row of records: the length, its checksum, the message, its checksum. Checksums are CRC-32C, rotated
//! and shifted, as TensorFlow's record format wants them. A run that goes on writes a file of its own, which begins
//! by saying from where, so that TensorBoard drops what an earlier file has beyond.

mod message;

use crate::{Result, TrainError};
use message::{Event, Histogram, Image, SessionLog, Summary, SummaryValue};
use prost::Message;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// An open event file.
#[derive(Debug)]
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

impl EventFile {
    /// A new file in a folder, of a run that is at a step.
    pub(crate) fn create(folder: &Path, step: usize) -> Result<EventFile> {
        let seconds = now() as u64;
        let mut number = 0;
        let (path, file) = loop {
            let name = match number {
                0 => format!("events.out.tfevents.{seconds}.dlc"),
                _ => format!("events.out.tfevents.{seconds}.dlc.{number}"),
            };
            let path = folder.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(cause) => return Err(TrainError::File { path, cause }),
            }
        };
        let mut events = EventFile { path, file };
        events.write(Event { file_version: Some("brain.Event:2".to_owned()), ..Event::default() })?;
        if step > 0 {
            let start = SessionLog { status: SessionLog::START };
            // What has this step is kept; what lies beyond is done again.
            events.write(Event { step: step as i64 + 1, session_log: Some(start), ..Event::default() })?;
        }
        Ok(events)
    }

    fn write(&mut self, event: Event) -> Result<()> {
        let event = Event { wall_time: now(), ..event };
        let record = record(&event.encode_to_vec());
        self.file.write_all(&record).map_err(|cause| TrainError::File { path: self.path.clone(), cause })
    }

    fn summary(&mut self, step: usize, values: Vec<SummaryValue>) -> Result<()> {
        self.write(Event { step: step as i64, summary: Some(Summary { value: values }), ..Event::default() })
    }

    /// Numbers at a step.
    pub(crate) fn scalars(&mut self, step: usize, scalars: &[(String, f64)]) -> Result<()> {
        let value = |(tag, value): &(String, f64)| SummaryValue {
            tag: tag.clone(),
            simple_value: Some(*value as f32),
            ..SummaryValue::default()
        };
        self.summary(step, scalars.iter().map(value).collect())
    }

    /// The distribution of values at a step.
    pub(crate) fn histogram(&mut self, step: usize, tag: &str, values: &[f32]) -> Result<()> {
        let histogram = Some(Histogram::of(values));
        self.summary(step, vec![SummaryValue { tag: tag.to_owned(), histogram, ..SummaryValue::default() }])
    }

    /// A PNG picture at a step.
    pub(crate) fn picture(&mut self, step: usize, tag: &str, size: (u32, u32), png: &[u8]) -> Result<()> {
        let image = Some(Image {
            // Pictures are far smaller than 2^31.
            height: size.1 as i32,
            width: size.0 as i32,
            colorspace: 3,
            encoded_image_string: png.to_vec(),
        });
        self.summary(step, vec![SummaryValue { tag: tag.to_owned(), image, ..SummaryValue::default() }])
    }
}

/// A message as a record.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(message.len() + 16);
    bytes.extend(length);
    bytes.extend(masked(&length).to_le_bytes());
    bytes.extend(message);
    bytes.extend(masked(message).to_le_bytes());
    bytes
}

/// CRC-32C (Castagnoli), bit by bit from the least: files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg()))
    })
}

/// The checksum as records hold it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4, and the check value of CRC-32C.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn a_file_is_a_row_of_records() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), 5).unwrap();
        let second = EventFile::create(folder.path(), 0).unwrap();
        assert_ne!(events.path, second.path);
        events.scalars(7, &[("loss/train".to_owned(), 0.5)]).unwrap();
        let bytes = std::fs::read(&events.path).unwrap();
        let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(u32::from_le_bytes(rest[8..12].try_into().unwrap()), masked(&rest[..8]));
            let message = &rest[12..12 + length];
            assert_eq!(rest[12 + length..][..4], masked(message).to_le_bytes());
            found.push(Event::decode(message).unwrap());
            rest = &rest[16 + length..];
        }
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!((found[1].step, found[1].session_log.as_ref().unwrap().status), (6, 1));
        let value = &found[2].summary.as_ref().unwrap().value[0];
        assert_eq!((found[2].step, value.tag.as_str(), value.simple_value), (7, "loss/train", Some(0.5)));
        assert!(found.iter().all(|event| event.wall_time > 1e9));
    }
}
