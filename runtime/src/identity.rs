//! Which model a file's tensors are of, as texts in front of them: readers that do not know these keys leave them alone.

use std::collections::HashMap;

/// The metadata key of the hash.
const GRAPH: &str = "graph";
/// The metadata key of the name.
const MODEL: &str = "model";
/// Bytes of a safetensors file in front of its header.
const LENGTH: usize = size_of::<u64>();

/// A model, as far as its weights go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name, for people.
    pub model: String,
    /// A hash of its inference graph: equal where weights can be exchanged.
    pub graph: u64,
}

impl Identity {
    /// What a file says of itself; `None` where it has no hash.
    pub(crate) fn read(metadata: &HashMap<String, String>) -> Option<Identity> {
        let graph = u64::from_str_radix(metadata.get(GRAPH)?, 16).ok()?;
        Some(Identity { model: metadata.get(MODEL).cloned().unwrap_or_default(), graph })
    }

    /// What to say of tensors with this identity that do not fit a model: which one they are of.
    pub(crate) fn origin(identity: Option<&Identity>, model: &str) -> String {
        match identity {
            Some(identity) if !identity.model.is_empty() && identity.model != model => {
                format!("the model {}, not of {model}", identity.model)
            }
            _ => format!("another model than {model}"),
        }
    }

    /// Puts it in front of the metadata of a safetensors file; a file without a header stays as it is.
    ///
    /// Not by the crate that writes the file: it keeps metadata in a hash map, so that two keys would come in one order
    /// or the other.
    pub(crate) fn insert(&self, file: &mut Vec<u8>) {
        const METADATA: &[u8] = b"{\"__metadata__\":{";
        let Some((length, rest)) = file.split_first_chunk::<LENGTH>() else { return };
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some(header) = rest.get(..length) else { return };
        let told = format!("\"{GRAPH}\":\"{:016x}\",\"{MODEL}\":{}", self.graph, quoted(&self.model));
        let trimmed = header.trim_ascii_end();
        let mut new = METADATA.to_vec();
        new.extend(told.as_bytes());
        match (trimmed.strip_prefix(METADATA), trimmed.strip_prefix(b"{")) {
            (Some(entries), _) => new.extend([b",", entries].concat()),
            (None, Some(b"}")) => new.extend(b"}}"),
            (None, Some(tensors)) => new.extend([b"},", tensors].concat()),
            (None, None) => return,
        }
        new.resize(new.len().next_multiple_of(LENGTH), b' ');
        let prefix = (new.len() as u64).to_le_bytes();
        file.splice(..LENGTH + length, prefix.into_iter().chain(new));
    }
}

/// A text of JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{Checkpoint, HostTensor};

    #[test]
    fn a_file_says_what_it_is_of() {
        let identity = Identity { model: "a \"b\"\\\n".to_owned(), graph: 0x00ab_cdef_0123_4567 };
        for note in [None, Some("{\"set\":\"x\"}".to_owned())] {
            for count in 0..3 {
                let tensors = (0..count).map(|n| (format!("t{n}"), HostTensor::scalar_i64(n))).collect();
                let plain = Checkpoint { tensors, note: note.clone(), identity: None };
                let told = Checkpoint { identity: Some(identity.clone()), ..plain.clone() };
                let bytes = told.to_bytes().unwrap();
                assert_eq!(bytes, told.to_bytes().unwrap());
                assert_eq!(bytes.len() % LENGTH, 0);
                assert_eq!(Checkpoint::from_bytes(&bytes).unwrap(), told);
                assert_eq!(Checkpoint::from_bytes(&plain.to_bytes().unwrap()).unwrap(), plain);
            }
        }
    }

    #[test]
    fn what_is_no_file_stays() {
        for bytes in [&b""[..], b"1234567", &[9, 0, 0, 0, 0, 0, 0, 0, b'{']] {
            let mut file = bytes.to_vec();
            Identity { model: String::new(), graph: 0 }.insert(&mut file);
            assert_eq!(file, bytes);
        }
    }
}
