//! The model language: from text to a tensor graph and a recipe.
//!
//! The way of a file: `lexer` and `parser` make a syntax tree and recover from faults; `imports` adds the
//! blocks of other files; `sections::settings` replaces what the command line sets; `networks` asks for models
//! in files of other formats; `liveness` finds
//! values that nobody reads; `elaborate` runs the model's body at compile time, once for inference, once
//! for evaluation and once for training; `sections` joins the results. Every fault is a
//! [`Diagnostic`] with its place, and all of them are told at once. No text makes
//! this crate panic, run for long, or read outside of the model's folder.
//!
//! The language itself is described in `docs/language.md`.

mod ast;
mod codes;
mod elaborate;
mod format;
mod imports;
mod layers;
mod lexer;
mod liveness;
mod losses;
mod networks;
mod parser;
mod patterns;
mod program;
mod report;
mod sections;
mod value;
mod walk;

pub use format::{format, format_with};
pub use networks::{ImportedNetwork, Importer, NetworkRequest};
pub use parser::is_reserved;
pub use patterns::fits;

use dlc_types::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use program::Program;
use report::Reporter;
use std::path::{Path, PathBuf};

/// What a file says.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The model, with the functions that its sections ask for.
    pub model: dlc_ir::Model,
    /// Data and training; `None` for a file without `train` section.
    pub recipe: Option<dlc_recipe::Recipe>,
    /// The folder that paths in the recipe are relative to.
    pub folder: PathBuf,
}

/// How a file is loaded.
#[derive(Clone, Default)]
pub struct LoadOptions<'a> {
    /// Settings as the command line gives them: (`train.epochs`, `3`), (`data.batch`, `64`),
    /// (`resnet.width`, `32`), (`dim.L`, `128`). They replace what the file says.
    pub settings: Vec<(String, String)>,
    /// Who reads the files of `onnx("…")`; nobody by default.
    pub importer: Option<&'a dyn Importer>,
}

/// Loads a file and its imports. The model is `None` if and only if a diagnostic is an error.
pub fn load(path: &Path, options: &LoadOptions<'_>) -> (Option<Loaded>, SourceMap, Diagnostics) {
    let name = path.display().to_string();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    match imports::read(path) {
        Ok(text) => load_from(&name, &text, Some(&folder), options),
        Err(reason) => {
            let mut sources = SourceMap::default();
            sources.add(&name, "");
            let mut diagnostics = Diagnostics::default();
            diagnostics.push(Diagnostic::error(codes::FILE, format!("{name} cannot be read: {reason}")));
            (None, sources, diagnostics)
        }
    }
}

/// Loads a text as if it stood in a folder.
pub fn load_text_in(
    name: &str,
    text: &str,
    folder: &Path,
    options: &LoadOptions<'_>,
) -> (Option<Loaded>, SourceMap, Diagnostics) {
    load_from(name, text, Some(folder), options)
}

/// Loads a text without a folder: it cannot import.
pub fn load_text(
    name: &str,
    text: &str,
    options: &LoadOptions<'_>,
) -> (Option<Loaded>, SourceMap, Diagnostics) {
    load_from(name, text, None, options)
}

fn load_from(
    name: &str,
    text: &str,
    folder: Option<&Path>,
    options: &LoadOptions<'_>,
) -> (Option<Loaded>, SourceMap, Diagnostics) {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let main = sources.add(name, text);
    let mut file = parser::parse(&sources, main, &mut diagnostics);
    imports::resolve(&mut file, folder, &mut sources, &mut diagnostics);
    let mut program = Program::default();
    sections::apply_settings(&mut file, &mut program, &options.settings, &mut sources, &mut diagnostics);
    let parsed = !diagnostics.has_errors();
    if parsed {
        program.networks =
            networks::import_all(&file, folder, options.importer, &program.dims, &mut diagnostics);
    }
    let mut reporter = Reporter::new(diagnostics);
    program.declare(&mut file, &mut reporter);
    if !parsed {
        // Half a tree would only yield faults that follow from the first ones.
        return (None, sources, reporter.finish());
    }
    liveness::check(&file, &program, &mut reporter);
    let assembled = sections::assemble(&file, &program, start_of(main), &mut reporter);
    let diagnostics = reporter.finish();
    let folder = folder.unwrap_or(Path::new(".")).to_path_buf();
    let loaded = assembled.filter(|_| !diagnostics.has_errors()).map(|(model, recipe)| Loaded {
        model,
        recipe,
        folder,
    });
    (loaded, sources, diagnostics)
}

fn start_of(file: FileId) -> Span {
    Span::new(file, 0, 0)
}
