//! An [`Interface`] as bytes that lie beside the code, for whoever links or loads it.
//!
//! `runtime/c/dlc_runtime.h` has the same records as structures of C, and `runtime/c/dlc_image.c` checks those of a device's
//! file as [`Description::decode`] does.
//!
//! Constants are not part of it: they lie beside the code under a symbol of their own.

use crate::records::{Malformed, Reader, Writer, size};
use crate::{
    ElementType, Extent, FunctionInterface, Interface, PersistentRole, PersistentTensor, Port, PortRole,
};
use alloc::string::String;
use alloc::vec::Vec;

/// The first word: `DLCMODEL`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"DLCMODEL");

/// Extensions of x86-64 that code may need; a bit of [`Description::features`] each, by Cranelift's names.
pub const FEATURES: [&str; 20] = [
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_cmpxchg16b",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
    "has_avx512f",
    "has_avx512bw",
    "has_avx512dq",
    "has_avx512vl",
    "has_avx512vbmi",
    "has_avx512bitalg",
    "has_avx512vnni",
    "has_avx_vnni",
];

/// What lies beside the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The functions and tensors; its constants are empty.
    pub interface: Interface,
    /// Bytes of constants.
    pub constant_bytes: usize,
    /// Tells models apart whose weights are not each other's.
    pub graph: u64,
    /// Extensions that all code needs, one bit each in the order of [`FEATURES`]: those of the first variant.
    pub features: u64,
    /// The code of every function, once or for several sets of instructions, the least demanding first; never none.
    /// A table of entries has those of the first variant in the order of the functions, then those of the next. Code for
    /// a device is one variant, named after its generation and arithmetic (`sm_80`, `sm_80-tf32`), which asks for no
    /// extension of x86-64: what it runs on is [`DeviceModule::capability`](crate::DeviceModule::capability).
    pub variants: Vec<Variant>,
    /// The version of dlc that made the code.
    pub compiler: String,
    /// The first bytes of the model's safetensors file, up to the tensors.
    pub weights_header: Vec<u8>,
    /// First byte of each tensor of the interface behind that header.
    pub weights_places: Vec<usize>,
}

/// The code of all functions for one set of instructions. Variants have the functions, tensors and constants in
/// common: they are made of the same programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The name that it was asked for by: `portable`, `x86-64-v3`, ….
    pub name: String,
    /// Extensions that its code needs.
    pub features: u64,
}

impl Description {
    /// The number of the most demanding variant that a machine with these extensions runs; nothing where it runs
    /// none.
    pub fn variant_for(&self, machine: u64) -> Option<usize> {
        self.variants.iter().rposition(|variant| variant.features & !machine == 0)
    }

    /// What the symbols of a variant's functions end with, behind `MODEL_bare_FUNCTION`: nothing for the first, `_` and
    /// its name for others, with `_` for what no name of C may have.
    pub fn suffix(&self, variant: usize) -> String {
        match self.variants.get(variant) {
            Some(one) if variant > 0 => {
                let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
                core::iter::once('_').chain(one.name.chars().map(letter)).collect()
            }
            _ => String::new(),
        }
    }
}

const HEAD: usize = 18;
const VARIANT: usize = 2;
const TENSOR: usize = 10;
const FUNCTION: usize = 9;
const PORT: usize = 7;

impl Writer {
    fn port(&mut self, port: &Port) -> [u64; PORT] {
        let fixed =
            port.dims.iter().fold(port.element.size(), |product, dim| product.saturating_mul(dim.scale));
        let extents: Vec<u64> =
            port.dims.iter().flat_map(|dim| [dim.scale as u64, u64::from(dim.batch)]).collect();
        [
            self.raw(port.name.as_bytes()),
            port.role as u64,
            port.element as u64,
            port.dims.len() as u64,
            self.words(&extents),
            fixed as u64,
            port.dims.iter().filter(|dim| dim.batch).count() as u64,
        ]
    }

    fn function(&mut self, function: &FunctionInterface) -> [u64; FUNCTION] {
        let ports: Vec<u64> =
            function.inputs.iter().chain(&function.outputs).flat_map(|port| self.port(port)).collect();
        let cleared: Vec<u64> =
            function.cleared.iter().flat_map(|&(start, bytes)| [start as u64, bytes as u64]).collect();
        [
            self.raw(function.name.as_bytes()),
            function.arena_bytes as u64,
            function.thread_bytes as u64,
            u64::from(function.keeps_persistent),
            self.words(&cleared),
            function.cleared.len() as u64,
            self.words(&ports),
            function.inputs.len() as u64,
            function.outputs.len() as u64,
        ]
    }

    fn tensor(&mut self, tensor: &PersistentTensor, place: usize) -> [u64; TENSOR] {
        let plain =
            tensor.dims.iter().fold(tensor.element.size(), |product, &dim| product.saturating_mul(dim));
        [
            self.raw(tensor.name.as_bytes()),
            tensor.role as u64,
            tensor.element as u64,
            tensor.dims.len() as u64,
            self.sizes(&tensor.dims),
            self.sizes(&tensor.strides),
            tensor.offset as u64,
            tensor.bytes as u64,
            place as u64,
            plain as u64,
        ]
    }
}

impl Description {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.words(&[0; HEAD]);
        let interface = &self.interface;
        let places = self.weights_places.iter().copied().chain(core::iter::repeat(0));
        let tensors: Vec<u64> = interface
            .tensors
            .iter()
            .zip(places)
            .flat_map(|(tensor, place)| writer.tensor(tensor, place))
            .collect();
        let functions: Vec<u64> =
            interface.functions.iter().flat_map(|function| writer.function(function)).collect();
        let variants: Vec<u64> =
            self.variants.iter().flat_map(|one| [writer.raw(one.name.as_bytes()), one.features]).collect();
        let head = [
            MAGIC,
            u64::from(interface.version),
            0,
            self.graph,
            self.features,
            writer.raw(interface.model.as_bytes()),
            writer.raw(self.compiler.as_bytes()),
            interface.batch_max as u64,
            interface.persistent_bytes as u64,
            self.constant_bytes as u64,
            writer.words(&tensors),
            interface.tensors.len() as u64,
            writer.words(&functions),
            interface.functions.len() as u64,
            writer.raw(&self.weights_header),
            self.weights_header.len() as u64,
            writer.words(&variants),
            self.variants.len() as u64,
        ];
        let mut bytes = writer.with_head(&head);
        let length = bytes.len() as u64;
        bytes[16..24].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// The version that a description follows, and its length in bytes, by its first three words.
    ///
    /// # Errors
    /// [`Malformed`] if these bytes do not begin a description of any version.
    pub fn extent(first: &[u8; 24]) -> Result<(u64, usize), Malformed> {
        let [magic, version, length] = Reader { bytes: first }.record::<3>(0)?;
        if magic == MAGIC { Ok((version, size(length)?)) } else { Err(Malformed) }
    }

    /// What the bytes describe; they may be followed by others.
    ///
    /// # Errors
    /// [`Malformed`] for anything that [`Description::encode`] of this version did not write.
    pub fn decode(bytes: &[u8]) -> Result<Description, Malformed> {
        let reader = Reader { bytes };
        let head = reader.record::<HEAD>(0)?;
        let version = u32::try_from(head[1]).map_err(|_| Malformed)?;
        if head[0] != MAGIC || version != crate::VERSION || head[2] > bytes.len() as u64 {
            return Err(Malformed);
        }
        let mut tensors = Vec::new();
        let mut weights_places = Vec::new();
        for record in reader.table::<TENSOR>(head[10], head[11])? {
            weights_places.push(size(record[8])?);
            tensors.push(reader.tensor(&record)?);
        }
        let functions = reader.table::<FUNCTION>(head[12], head[13])?;
        let variants = reader.table::<VARIANT>(head[16], head[17])?;
        let variants =
            variants.iter().map(|&[name, features]| Ok(Variant { name: reader.text(name)?, features }));
        let variants = variants.collect::<Result<Vec<_>, Malformed>>()?;
        if variants.is_empty() {
            return Err(Malformed);
        }
        Ok(Description {
            interface: Interface {
                version,
                model: reader.text(head[5])?,
                batch_max: size(head[7])?,
                persistent_bytes: size(head[8])?,
                tensors,
                constants: Vec::new(),
                functions: functions
                    .iter()
                    .map(|record| reader.function(record))
                    .collect::<Result<_, _>>()?,
            },
            constant_bytes: size(head[9])?,
            graph: head[3],
            features: head[4],
            variants,
            compiler: reader.text(head[6])?,
            weights_header: reader.slice(head[14], size(head[15])?)?.to_vec(),
            weights_places,
        })
    }
}

fn element(word: u64) -> Result<ElementType, Malformed> {
    ElementType::ALL.get(size(word)?).copied().ok_or(Malformed)
}

impl Reader<'_> {
    fn tensor(&self, record: &[u64; TENSOR]) -> Result<PersistentTensor, Malformed> {
        let role = [PersistentRole::Parameter, PersistentRole::State];
        Ok(PersistentTensor {
            name: self.text(record[0])?,
            role: role.get(size(record[1])?).copied().ok_or(Malformed)?,
            element: element(record[2])?,
            dims: self.sizes(record[4], record[3])?,
            strides: self.sizes(record[5], record[3])?,
            offset: size(record[6])?,
            bytes: size(record[7])?,
        })
    }

    fn port(&self, record: &[u64; PORT]) -> Result<Port, Malformed> {
        let role = [PortRole::Input, PortRole::Output, PortRole::Loss, PortRole::Metric, PortRole::Gradient];
        let dims = self.table::<2>(record[4], record[3])?;
        let dims = dims.iter().map(|&[scale, batch]| Ok(Extent { scale: size(scale)?, batch: batch != 0 }));
        Ok(Port {
            name: self.text(record[0])?,
            role: role.get(size(record[1])?).copied().ok_or(Malformed)?,
            element: element(record[2])?,
            dims: dims.collect::<Result<_, Malformed>>()?,
        })
    }

    fn function(&self, record: &[u64; FUNCTION]) -> Result<FunctionInterface, Malformed> {
        let count = record[7].checked_add(record[8]).ok_or(Malformed)?;
        let ports = self.table::<PORT>(record[6], count)?;
        let mut ports = ports.iter().map(|port| self.port(port)).collect::<Result<Vec<_>, _>>()?;
        let outputs = ports.split_off(size(record[7])?);
        let cleared = self.table::<2>(record[4], record[5])?;
        let cleared = cleared.iter().map(|&[start, bytes]| Ok((size(start)?, size(bytes)?)));
        Ok(FunctionInterface {
            name: self.text(record[0])?,
            arena_bytes: size(record[1])?,
            thread_bytes: size(record[2])?,
            cleared: cleared.collect::<Result<_, Malformed>>()?,
            keeps_persistent: record[3] != 0,
            inputs: ports,
            outputs,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::vec;

    fn description() -> Description {
        let extent = |scale, batch| Extent { scale, batch };
        let port =
            |name: &str, role, dims| Port { name: name.to_owned(), role, element: ElementType::F32, dims };
        Description {
            interface: Interface {
                version: crate::VERSION,
                model: "net".to_owned(),
                batch_max: 32,
                persistent_bytes: 128,
                tensors: vec![PersistentTensor {
                    name: "conv.kernel".to_owned(),
                    role: PersistentRole::State,
                    element: ElementType::I64,
                    dims: vec![2, 3],
                    strides: vec![1, 2],
                    offset: 64,
                    bytes: 64,
                }],
                constants: Vec::new(),
                functions: vec![FunctionInterface {
                    name: "predict".to_owned(),
                    arena_bytes: 640,
                    thread_bytes: 64,
                    cleared: vec![(0, 64), (128, 256)],
                    keeps_persistent: true,
                    inputs: vec![port("x", PortRole::Input, vec![extent(1, true), extent(7, false)])],
                    outputs: vec![port("", PortRole::Metric, vec![]), port("y", PortRole::Output, vec![])],
                }],
            },
            constant_bytes: 12,
            graph: 0x0123_4567_89ab_cdef,
            features: 5,
            variants: vec![
                Variant { name: "portable".to_owned(), features: 5 },
                Variant { name: "x86-64-v3".to_owned(), features: 13 },
            ],
            compiler: "dlc 9".to_owned(),
            weights_header: vec![1, 2, 3],
            weights_places: vec![48],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let description = description();
        let mut bytes = description.encode();
        assert_eq!(bytes.len() % 8, 0);
        assert_eq!(Description::decode(&bytes), Ok(description.clone()));
        let extent = Description::extent(bytes.first_chunk().unwrap());
        assert_eq!(extent, Ok((u64::from(crate::VERSION), bytes.len())));
        bytes.extend([0xff; 9]);
        assert_eq!(Description::decode(&bytes), Ok(description));
    }

    #[test]
    fn the_most_demanding_variant_that_runs_is_taken() {
        let description = description();
        assert_eq!(
            [0, 5, 7, 13, u64::MAX].map(|machine| description.variant_for(machine)),
            [None, Some(0), Some(0), Some(1), Some(1)]
        );
        assert_eq!([0, 1, 2].map(|variant| description.suffix(variant)), ["", "_x86_64_v3", ""]);
    }

    #[test]
    fn damage_is_told() {
        let bytes = description().encode();
        for length in 0..bytes.len() {
            assert!(Description::decode(&bytes[..length]).is_err(), "{length}");
        }
        // No damage of a byte makes it panic or take much memory.
        for place in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                let _ = Description::decode(&damaged);
            }
        }
    }
}
