//! The file by which Linux's `perf` names code that no object file tells of: `/tmp/perf-PID.map`, one line
//! `START SIZE NAME` per function, both numbers hexadecimal. The path is `perf`'s own.
//!
//! Written only where the environment variable `DLC_PERF_MAP` is `1`; a process that compiles several models
//! appends.

use crate::CompileError;
use dlc_abi::CodeRange;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// The variable that asks for the file.
const VARIABLE: &str = "DLC_PERF_MAP";

/// The file, open since the first compilation that wrote to it: what another process of this number left is
/// dropped, what this one wrote stays.
static FILE: Mutex<Option<File>> = Mutex::new(None);

/// Writes the lines of these ranges, where the user asks for it.
pub(super) fn write_if_asked(ranges: &[CodeRange]) -> Result<(), CompileError> {
    if std::env::var_os(VARIABLE).is_none_or(|value| value != "1") {
        return Ok(());
    }
    let path = format!("/tmp/perf-{}.map", std::process::id());
    append(&path, &lines(ranges)).map_err(|cause| CompileError::PerfMap { path, cause })
}

fn append(path: &str, text: &str) -> std::io::Result<()> {
    let mut file = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut open = match file.take() {
        Some(open) => open,
        None => File::create(path)?,
    };
    let written = open.write_all(text.as_bytes());
    *file = Some(open);
    written
}

fn lines(ranges: &[CodeRange]) -> String {
    let mut text = String::new();
    for range in ranges {
        // A name ends with its line.
        let name = range.symbol.replace(char::is_control, "?");
        let _ = writeln!(text, "{:x} {:x} {name}", range.start, range.bytes);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_perf_reads_them() {
        let range = |start, bytes, symbol: &str| CodeRange {
            start,
            bytes,
            symbol: symbol.to_owned(),
            function: "train".to_owned(),
            kernel: None,
        };
        let text = lines(&[range(0x7f00_1000, 0x40, "net_train.add 1"), range(16, 255, "a\nb")]);
        assert_eq!(text, "7f001000 40 net_train.add 1\n10 ff a?b\n");
    }
}
