//! Libraries made of an object file: an archive by code of our own, a shared library by the system's C compiler.

use crate::{DriverError, Result};
use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

/// A static library with one object file; its bytes depend on nothing else.
pub(super) fn archive(name: &str, object: &[u8]) -> Result<Vec<u8>> {
    let member = NewArchiveMember::new(object, &DEFAULT_OBJECT_READER, format!("{name}.o"));
    let mut bytes = Cursor::new(Vec::new());
    write_archive_to_stream(&mut bytes, &[member], ArchiveKind::Gnu, false, None)
        .map_err(|error| DriverError::Bug(format!("the archive cannot be written: {error}")))?;
    Ok(bytes.into_inner())
}

/// A shared library of the files in a folder: NAME.o, NAME.c and the runtime. `$CC` names the compiler.
pub(super) fn shared(name: &str, folder: &Path) -> Result<Vec<u8>> {
    let compiler = std::env::var("CC").ok().filter(|text| !text.trim().is_empty()).unwrap_or("cc".to_owned());
    let (source, object, library) = (format!("{name}.c"), format!("{name}.o"), format!("lib{name}.so"));
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words).current_dir(folder);
    command.args(["-std=c99", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-pthread", "-DDLC_SHARED"]);
    command.args(["-o", &library]);
    command.args([&source, "dlc_runtime.c", &object]);
    if cfg!(target_os = "linux") {
        // Without what would tell one build from another.
        command.args(["-Wl,--build-id=none", "-Wl,--no-undefined", "-Wl,-s"]);
        command.arg(format!("-Wl,-soname,{library}"));
    }
    let output = command.output().map_err(|cause| {
        DriverError::User(format!(
            "`{compiler}`, which links shared libraries, cannot be run: {cause}; `--emit staticlib,header,c` needs no \
             C compiler, and the environment variable CC names another one"
        ))
    })?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(DriverError::User(format!("`{compiler}` cannot link {library}: {}", told.trim_end())));
    }
    let path = folder.join(&library);
    std::fs::read(&path).map_err(|cause| DriverError::File { path, cause })
}
