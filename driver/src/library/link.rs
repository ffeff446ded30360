//! Libraries made of an object file: an archive by code of our own, a shared library by the system's C compiler.

use crate::{DriverError, Result};
use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
use dlc_compiler::emit::{ObjectFormat, Platform};
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

/// A static library with one object file; its bytes depend on nothing else.
pub(super) fn archive(name: &str, platform: Option<Platform>, object: &[u8]) -> Result<Vec<u8>> {
    let (kind, extension) = match platform.map(|one| (one.format, one.triple)) {
        Some((ObjectFormat::MachO, _)) => (ArchiveKind::Darwin, "o"),
        Some((ObjectFormat::Coff, triple)) if triple.ends_with("-msvc") => (ArchiveKind::Coff, "obj"),
        _ => (ArchiveKind::Gnu, "o"),
    };
    let member = NewArchiveMember::new(object, &DEFAULT_OBJECT_READER, format!("{name}.{extension}"));
    let mut bytes = Cursor::new(Vec::new());
    write_archive_to_stream(&mut bytes, &[member], kind, false, None)
        .map_err(|error| DriverError::Bug(format!("the archive cannot be written: {error}")))?;
    Ok(bytes.into_inner())
}

/// The file name of a shared library.
pub(super) fn shared_name(name: &str, platform: Option<Platform>) -> String {
    platform.map_or_else(|| format!("lib{name}.so"), |one| one.shared_library(name))
}

/// What links for a platform: the command, and the environment variable that names another one. `$CC` is this
/// machine's; other platforms' have the triple in the variable, as Rust's build scripts have it.
fn linker(platform: Option<Platform>) -> Result<(String, String)> {
    let (variable, found) = match platform {
        Some(platform) if !platform.loads_libraries() => {
            let fault = format!(
                "{platform} has no system that loads shared libraries; `--emit staticlib` makes a static one"
            );
            return Err(DriverError::User(fault));
        }
        Some(platform) if Some(platform) != Platform::host() => {
            (format!("CC_{}", platform.triple.replace('-', "_")), platform.c_compiler())
        }
        _ => ("CC".to_owned(), Some("cc")),
    };
    let named = std::env::var(&variable).ok().filter(|text| !text.trim().is_empty());
    match named.or_else(|| found.map(str::to_owned)) {
        Some(command) => Ok((command, variable)),
        None => Err(DriverError::User(format!(
            "the environment variable {variable} has to name the C compiler that links shared libraries for this \
             target; `--emit staticlib,header,c` needs none"
        ))),
    }
}

/// Flags of a C compiler that makes a shared library.
fn flags(library: &str, platform: Option<Platform>) -> Vec<String> {
    let format = platform.map_or(ObjectFormat::Elf, |one| one.format);
    let linux = platform.map_or(cfg!(target_os = "linux"), |one| one.triple.contains("-linux-"));
    let mut flags = vec!["-std=c99", "-O2", "-fPIC", "-fvisibility=hidden", "-pthread", "-DDLC_SHARED"];
    let mut named = Vec::new();
    match format {
        ObjectFormat::MachO => {
            flags.push("-dynamiclib");
            named.push(format!("-Wl,-install_name,@rpath/{library}"));
        }
        _ => flags.push("-shared"),
    }
    if linux {
        // Without what would tell one build from another.
        flags.extend(["-Wl,--build-id=none", "-Wl,--no-undefined", "-Wl,-s"]);
        named.push(format!("-Wl,-soname,{library}"));
    }
    flags.into_iter().map(str::to_owned).chain(named).collect()
}

/// A shared library of the files in a folder: NAME.o, NAME.c and the runtime.
pub(super) fn shared(name: &str, platform: Option<Platform>, folder: &Path) -> Result<Vec<u8>> {
    let (compiler, variable) = linker(platform)?;
    let (source, object, library) = (format!("{name}.c"), format!("{name}.o"), shared_name(name, platform));
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words).current_dir(folder).args(flags(&library, platform));
    command.args(["-o", &library, &source, "dlc_runtime.c", &object]);
    let output = command.output().map_err(|cause| {
        DriverError::User(format!(
            "`{compiler}`, which links shared libraries, cannot be run: {cause}; `--emit staticlib,header,c` needs no \
             C compiler, and the environment variable {variable} names another one"
        ))
    })?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(DriverError::User(format!("`{compiler}` cannot link {library}: {}", told.trim_end())));
    }
    let path = folder.join(&library);
    std::fs::read(&path).map_err(|cause| DriverError::File { path, cause })
}
