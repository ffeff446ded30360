//! A model's code for a device as one file: the module, what a session has to know, and the constants.
//!
//! The text is inside, so that the file is all that a runtime loads; a text beside it is for people. A checksum tells
//! damage, which in a text of numbers nobody else would, and decoding leaves nothing for a runtime to be afraid of:
//! numbers of kernels, of operands and of bindings are in range, operands begin in their blocks in every round, and
//! kernels have blocks that a device could have.

use super::{Capability, DeviceKernel, DeviceModule, Tiles};
use crate::records::{Malformed, Reader, Writer, size};
use crate::{Description, Extent};
use alloc::string::String;
use alloc::vec::Vec;

/// The first word of a file: `DLCDEVIC`.
pub const DEVICE_MAGIC: u64 = u64::from_le_bytes(*b"DLCDEVIC");

/// All that a runtime needs of a model on a device, but weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceImage {
    /// The functions and tensors, as a library has them; its one variant names the generation and the arithmetic.
    pub description: Description,
    /// [`Interface::constants`](crate::Interface::constants).
    pub constants: Vec<u8>,
    /// The code.
    pub module: DeviceModule,
}

const HEAD: usize = 17;
const KERNEL: usize = 6;
const TILES: usize = 3;
/// Bytes of the head before those that the checksum is of.
const UNCHECKED: usize = 32;
/// Most threads of a block, and most bytes of its shared memory, of any device.
const MOST_THREADS: u32 = 1024;
const MOST_SHARED: u32 = 1 << 20;

impl DeviceImage {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.words(&[0; HEAD]);
        let module = &self.module;
        let description = self.description.encode();
        let parts = [&description[..], &self.constants, module.text.as_bytes()];
        let [description, constants, text] = parts.map(|bytes| [writer.raw(bytes), bytes.len() as u64]);
        let kernels: Vec<u64> = module.kernels.iter().flat_map(|kernel| writer.kernel(kernel)).collect();
        let functions: Vec<u64> =
            module.functions.iter().flat_map(|function| writer.device_function(function)).collect();
        let Capability { major, minor, exact } = module.capability;
        let mut head = [0; HEAD];
        head[..2].copy_from_slice(&[DEVICE_MAGIC, u64::from(crate::VERSION)]);
        head[4..10].copy_from_slice([description, constants, text].as_flattened());
        head[10..13].copy_from_slice(&[major.into(), minor.into(), exact.into()]);
        head[13..15].copy_from_slice(&[writer.words(&kernels), module.kernels.len() as u64]);
        head[15..].copy_from_slice(&[writer.words(&functions), module.functions.len() as u64]);
        head[2] = writer.bytes.len() as u64;
        let mut bytes = writer.with_head(&head);
        let sum = checksum(&bytes[UNCHECKED..]);
        bytes[UNCHECKED - 8..UNCHECKED].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The version of the contract that bytes follow; nothing where they begin no file of this kind.
    pub fn version(bytes: &[u8]) -> Option<u64> {
        let [magic, version] = Reader { bytes }.record::<2>(0).ok()?;
        (magic == DEVICE_MAGIC).then_some(version)
    }

    /// What the bytes hold.
    ///
    /// # Errors
    /// [`Malformed`] for anything that [`DeviceImage::encode`] of this version did not write.
    pub fn decode(bytes: &[u8]) -> Result<DeviceImage, Malformed> {
        let reader = Reader { bytes };
        let head = reader.record::<HEAD>(0)?;
        let known = DeviceImage::version(bytes) == Some(crate::VERSION.into());
        let whole = head[2] == bytes.len() as u64 && head[3] == checksum(&bytes[UNCHECKED..]);
        if !known || !whole {
            return Err(Malformed);
        }
        let part = |at: usize| reader.slice(head[at], size(head[at + 1])?);
        let description = Description::decode(part(4)?)?;
        let constants = part(6)?.to_vec();
        let interface = &description.interface;
        if constants.len() != description.constant_bytes || head[16] != interface.functions.len() as u64 {
            return Err(Malformed);
        }
        let kernels = reader.table::<KERNEL>(head[13], head[14])?;
        let kernels = kernels.iter().map(|record| reader.kernel(record)).collect::<Result<Vec<_>, _>>()?;
        let functions = reader.table(head[15], head[16])?;
        let functions = functions.iter().zip(&interface.functions);
        let functions = functions
            .map(|(record, function)| reader.device_function(record, &kernels, &description, function));
        let module = DeviceModule {
            capability: Capability {
                major: narrow(head[10])?,
                minor: narrow(head[11])?,
                exact: head[12] != 0,
            },
            text: core::str::from_utf8(part(8)?).map_err(|_| Malformed).map(String::from)?,
            functions: functions.collect::<Result<_, _>>()?,
            kernels,
        };
        Ok(DeviceImage { description, constants, module })
    }
}

fn narrow(word: u64) -> Result<u32, Malformed> {
    u32::try_from(word).map_err(|_| Malformed)
}

/// Fowler, Noll and Vo's hash of 64 bits (FNV-1a), word by word, then byte by byte: each step is one to one, so that no
/// change of one word goes unseen.
fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x100_0000_01b3);
    let sum = words.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| step(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, &byte| step(sum, byte.into()))
}

impl Writer {
    fn kernel(&mut self, kernel: &DeviceKernel) -> [u64; KERNEL] {
        let tiles: Vec<u64> = kernel.grid.iter().flat_map(|tiles| self.tiles(tiles)).collect();
        [
            self.raw(kernel.name.as_bytes()),
            kernel.threads.into(),
            kernel.shared_bytes.into(),
            self.words(&tiles),
            kernel.grid.len() as u64,
            kernel.operands as u64,
        ]
    }

    fn tiles(&mut self, tiles: &Tiles) -> [u64; TILES] {
        let extents: Vec<u64> =
            tiles.extents.iter().flat_map(|extent| [extent.scale as u64, extent.batch.into()]).collect();
        [self.words(&extents), tiles.extents.len() as u64, tiles.per_block as u64]
    }
}

impl Reader<'_> {
    fn kernel(&self, record: &[u64; KERNEL]) -> Result<DeviceKernel, Malformed> {
        let grid = self.table::<TILES>(record[3], record[4])?;
        let kernel = DeviceKernel {
            name: self.text(record[0])?,
            threads: narrow(record[1])?,
            shared_bytes: narrow(record[2])?,
            grid: grid.iter().map(|record| self.tiles(record)).collect::<Result<_, _>>()?,
            operands: size(record[5])?,
        };
        let possible = (1..=MOST_THREADS).contains(&kernel.threads) && kernel.shared_bytes <= MOST_SHARED;
        if possible { Ok(kernel) } else { Err(Malformed) }
    }

    fn tiles(&self, record: &[u64; TILES]) -> Result<Tiles, Malformed> {
        let extents = self.table::<2>(record[0], record[1])?;
        let extents =
            extents.iter().map(|&[scale, batch]| Ok(Extent { scale: size(scale)?, batch: batch != 0 }));
        let tiles = Tiles { extents: extents.collect::<Result<_, _>>()?, per_block: size(record[2])? };
        if tiles.per_block > 0 { Ok(tiles) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests;
