//! `import "file.dsl"`: the blocks of another file in the model's folder.

use crate::ast::File;
use crate::codes;
use crate::parser;
use dlc_types::{Diagnostic, Diagnostics, SourceMap};
use std::path::{Component, Path, PathBuf};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// How many files are imported at most.
const MAX_IMPORTS: usize = 64;

/// The text of a file, or why it cannot be had.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    if metadata.len() > MAX_FILE {
        return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// Adds the blocks of all imports, direct and indirect. What was imported before is left out.
pub(crate) fn resolve(
    file: &mut File,
    folder: Option<&Path>,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) {
    let mut pending = std::mem::take(&mut file.imports);
    let mut seen: Vec<PathBuf> = Vec::new();
    while let Some(import) = pending.pop() {
        let found = locate(&import.path, folder).and_then(|path| {
            if seen.contains(&path) {
                return Ok(None);
            }
            if seen.len() >= MAX_IMPORTS {
                return Err((codes::IMPORT, format!("there are {MAX_IMPORTS} imports at most")));
            }
            let text = read(&path).map_err(|reason| (codes::FILE, reason))?;
            seen.push(path);
            Ok(Some(text))
        });
        match found {
            Ok(None) => {}
            Ok(Some(text)) => {
                let id = sources.add(import.path.clone(), text);
                let imported = parser::parse(sources, id, diagnostics);
                file.blocks.extend(imported.blocks);
                pending.extend(imported.imports);
                for section in &imported.train {
                    let message = format!("\"{}\" is imported, so it cannot train", import.path);
                    diagnostics.push(
                        Diagnostic::error(codes::IMPORT, message).at(section.model.span, "a `train` section"),
                    );
                }
            }
            Err((code, reason)) => {
                let message = format!("\"{}\" cannot be imported: {reason}", import.path);
                diagnostics.push(Diagnostic::error(code, message).at(import.span, "this import"));
            }
        }
    }
}

/// The file that an import means, if it lies in the model's folder.
pub(crate) fn locate(path: &str, folder: Option<&Path>) -> Result<PathBuf, (&'static str, String)> {
    let Some(folder) = folder else {
        return Err((codes::IMPORT, "this text has no folder".to_owned()));
    };
    let outside = || (codes::IMPORT, "it lies outside of the model's folder".to_owned());
    let relative = Path::new(path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(outside());
    }
    let root = folder.canonicalize().map_err(|error| (codes::FILE, error.to_string()))?;
    let full = root.join(relative).canonicalize().map_err(|error| (codes::FILE, error.to_string()))?;
    if full.starts_with(&root) { Ok(full) } else { Err(outside()) }
}
