//! The first look at a file: where the elements of each tensor lie, without reading them.
//!
//! [`strip`] walks over the wire format by ONNX's schema and writes the same message with every
//! `raw_data` replaced by a *mark*, 16 bytes that tell offset and length in the file. Packed floats in a typed
//! field lie on the wire as `raw_data` would, so many of them are marked alike. What protobuf
//! decodes afterwards is small whatever the weights weigh, but for integers in typed fields. Every length is checked against the message
//! around it; nothing is allocated that the file's own bytes do not warrant. Source: Protocol Buffers,
//! "Encoding"; field numbers from `onnx.proto`.

/// The messages of ONNX. All are walked through, those without tensors too: a group in an unknown field
/// (which nobody writes) would make the protobuf crate recurse without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Function,
    Training,
    Sequence,
    Optional,
    /// Name and type of a value.
    Info,
    Type,
    TensorType,
    Shape,
    /// The type of the elements of a sequence or optional.
    Holder,
    MapType,
    Annotation,
    /// A message without messages.
    Leaf,
}

/// Graphs within graphs that are followed.
const DEPTH_LIMIT: usize = 80;

impl Message {
    /// The message in a field, if tensors may be in it.
    fn child(self, field: u64) -> Option<Message> {
        Some(match (self, field) {
            (Message::Model, 7) | (Message::Attribute, 6 | 11) | (Message::Training, 1 | 2) => Message::Graph,
            (Message::Model, 20) => Message::Training,
            (Message::Model, 25) => Message::Function,
            (Message::Graph, 1) | (Message::Function, 7) => Message::Node,
            (Message::Graph, 5)
            | (Message::Attribute, 5 | 10)
            | (Message::Sparse, 1 | 2)
            | (Message::Sequence | Message::Optional, 3) => Message::Tensor,
            (Message::Graph, 15)
            | (Message::Attribute, 22 | 23)
            | (Message::Sequence | Message::Optional, 4) => Message::Sparse,
            (Message::Node, 5) | (Message::Function, 11) => Message::Attribute,
            (Message::Sequence | Message::Optional, 5) => Message::Sequence,
            (Message::Sequence, 7) | (Message::Optional, 7) => Message::Optional,
            (Message::Graph, 11..=13) | (Message::Function, 12) => Message::Info,
            (Message::Info, 2) | (Message::Attribute, 14 | 15) => Message::Type,
            (Message::Holder, 1) | (Message::MapType, 2) => Message::Type,
            (Message::Type, 1 | 8) => Message::TensorType,
            (Message::Type, 4 | 9) => Message::Holder,
            (Message::Type, 5) => Message::MapType,
            (Message::TensorType, 2) => Message::Shape,
            (Message::Graph, 14) => Message::Annotation,
            (Message::Model, 8 | 14)
            | (Message::Graph, 16)
            | (Message::Node, 9)
            | (Message::Tensor, 3 | 13 | 16)
            | (Message::Function, 9 | 14)
            | (Message::Training, 3 | 4)
            | (Message::Info, 4)
            | (Message::Shape, 1)
            | (Message::Annotation, 2) => Message::Leaf,
            _ => return None,
        })
    }
}

/// `raw_data` in a tensor.
const RAW_DATA: u64 = 9;

/// Bytes of packed floats from which they stay in the file.
const LARGE: usize = 4096;

/// The element types whose elements a typed field holds as `raw_data` would.
fn packed_types(field: u64) -> &'static [u64] {
    match field {
        // float_data: f32, complex64
        4 => &[1, 14],
        // double_data: f64, complex128
        10 => &[11, 15],
        _ => &[],
    }
}

/// The field of a tensor that holds its elements packed, if it is large, the only one with elements, and of the
/// tensor's element type.
fn packed_field(bytes: &[u8], (start, end): (usize, usize)) -> Option<u64> {
    let (mut at, mut element, mut holders, mut packed) = (start, 0, 0, None);
    while at < end {
        let key = varint(bytes, &mut at, end).ok()?;
        let (field, wire) = (key >> 3, key & 7);
        let holds = matches!(field, 4 | 5 | 6 | 7 | 9 | 10 | 11);
        holders += usize::from(holds);
        match wire {
            0 => {
                let value = varint(bytes, &mut at, end).ok()?;
                element = if field == 2 { value } else { element };
            }
            1 => at = at.checked_add(8)?,
            2 => {
                let length = usize::try_from(varint(bytes, &mut at, end).ok()?).ok()?;
                packed = if holds && length >= LARGE { Some(field) } else { packed };
                at = at.checked_add(length)?;
            }
            5 => at = at.checked_add(4)?,
            _ => return None,
        }
    }
    packed.filter(|&field| holders == 1 && packed_types(field).contains(&element))
}

/// What stands for `raw_data` in a stripped message.
pub(crate) fn read_mark(mark: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = mark.split_first_chunk::<8>()?;
    let number = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).ok();
    Some((number(start)?, number(length.first_chunk::<8>()?)?))
}

fn varint(bytes: &[u8], at: &mut usize, end: usize) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).filter(|_| *at < end).ok_or("the file ends early")?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(format!("it is no protobuf message (byte {at})"))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The message without its tensors' elements.
pub(crate) fn strip(bytes: &[u8], message: Message) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    walk(bytes, (0, bytes.len()), message, 0, &mut out)?;
    Ok(out)
}

fn walk(
    bytes: &[u8],
    (start, end): (usize, usize),
    message: Message,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    if depth > DEPTH_LIMIT {
        return Err("graphs are nested too deeply".to_owned());
    }
    let packed = if message == Message::Tensor { packed_field(bytes, (start, end)) } else { None };
    let mut at = start;
    while at < end {
        let first = at;
        let key = varint(bytes, &mut at, end)?;
        let (field, wire) = (key >> 3, key & 7);
        let length = match wire {
            0 => {
                varint(bytes, &mut at, end)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(bytes, &mut at, end)?).unwrap_or(usize::MAX),
            5 => 4,
            _ => return Err(format!("it is no ONNX file (byte {first} begins no field)")),
        };
        let stop = at.checked_add(length).filter(|&stop| stop <= end).ok_or_else(|| {
            format!("the file ends early, or is no ONNX file (a field at byte {first} is longer than it)")
        })?;
        if field == 0 {
            return Err(format!("it is no ONNX file (byte {first} begins no field)"));
        }
        match message.child(field) {
            Some(child) if wire == 2 => {
                let mut inner = Vec::new();
                walk(bytes, (at, stop), child, depth + 1, &mut inner)?;
                put_varint(out, key);
                put_varint(out, inner.len() as u64);
                out.extend(inner);
            }
            _ if message == Message::Tensor && wire == 2 && (field == RAW_DATA || packed == Some(field)) => {
                put_varint(out, RAW_DATA << 3 | 2);
                put_varint(out, 16);
                out.extend((at as u64).to_le_bytes());
                out.extend((length as u64).to_le_bytes());
            }
            _ => out.extend_from_slice(&bytes[first..stop]),
        }
        at = stop;
    }
    Ok(())
}
