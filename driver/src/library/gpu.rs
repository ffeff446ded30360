//! C programs with a model on a GPU: the part of the header and of the C file that makes instances there, and both files for
//! a model that runs nowhere else.
//!
//! A library's C file has that part, too, where it is compiled with `DLC_GPU` defined, so that one program can compute on
//! either machine by the same functions.

use super::glue::gpu_glue;
use super::header::{Header, Runs};
use super::surface::offered;
use super::{RUNTIME, folder, put};
use crate::{ArtifactKind, CompileSettings, Result};
use dlc_runtime::abi::{Description, Interface};
use std::path::PathBuf;

/// How an instance on a GPU is made.
const CREATE: &str = include_str!("text/gpu.h");

/// The part of the runtime that knows GPUs.
const GPU_RUNTIME: [(&str, &str); 5] = [
    ("dlc_cuda.h", include_str!("../../../runtime/c/dlc_cuda.h")),
    ("dlc_cuda.c", include_str!("../../../runtime/c/dlc_cuda.c")),
    ("dlc_cuda_driver.h", include_str!("../../../runtime/c/dlc_cuda_driver.h")),
    ("dlc_image.h", include_str!("../../../runtime/c/dlc_image.h")),
    ("dlc_image.c", include_str!("../../../runtime/c/dlc_image.c")),
];

/// Whether there is such a part for GPUs.
pub(crate) fn is_for_gpu(kind: ArtifactKind) -> bool {
    matches!(kind, ArtifactKind::Ptx | ArtifactKind::Header | ArtifactKind::C)
}

/// Writes the header and the C file of a model on GPUs, as far as they are asked for.
pub(crate) fn write_for_gpu(
    description: &Description,
    settings: &CompileSettings,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    let (folder, name) = (folder(settings), &description.interface.model);
    let functions = offered(&description.interface);
    let [header, source] = RUNTIME;
    if settings.emit.contains(&ArtifactKind::Header) {
        let text = Header { name, functions: &functions, description, runs: Runs::Gpu }.text();
        put(folder, &format!("{name}.h"), text.as_bytes(), files)?;
        put(folder, header.0, header.1.as_bytes(), files)?;
    }
    if settings.emit.contains(&ArtifactKind::C) {
        put(folder, &format!("{name}.c"), gpu_glue(name, &functions).as_bytes(), files)?;
        for (file, text) in [source].into_iter().chain(GPU_RUNTIME) {
            put(folder, file, text.as_bytes(), files)?;
        }
    }
    Ok(())
}

/// What a header says of it; the model's name is still to be filled in.
pub(super) fn declaration(description: &Description) -> String {
    CREATE.replace("@functions@", &format!("{:016x}", functions_hash(&description.interface)))
}

/// What a C file does.
pub(super) fn definition(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    format!(
        "#include \"dlc_cuda.h\"\n\ndlc_status {name}_create_on_gpu({name} **model, const char *path, unsigned ordinal, char \
         *message, size_t bytes)\n{{\n    dlc_gpu_options options = {{0, 0, {upper}_GRAPH, {upper}_FUNCTIONS, 0, 0}};\n    \
         dlc_session *made = 0;\n    dlc_status status;\n    if (model == 0) return DLC_NULL_POINTER;\n    options.path = \
         path;\n    options.ordinal = ordinal;\n    options.message = message;\n    options.message_bytes = bytes;\n    status \
         = dlc_create_on_gpu(&made, &compiled, &options);\n    *model = ({name} *)made;\n    return status;\n}}\n"
    )
}

/// Tells functions apart that are called in another way; `dlc_image_functions` computes the same of a file.
///
/// It is Fowler, Noll and Vo's hash (FNV-1a) a word at a time: of each function its name, its number of inputs and of
/// outputs, then of each of them name, element type and extents.
fn functions_hash(interface: &Interface) -> u64 {
    fn word(sum: u64, word: u64) -> u64 {
        (sum ^ word).wrapping_mul(0x100_0000_01b3)
    }
    fn text(sum: u64, text: &str) -> u64 {
        text.bytes().chain([0]).fold(sum, |sum, byte| word(sum, byte.into()))
    }
    interface.functions.iter().fold(0xcbf2_9ce4_8422_2325, |sum, function| {
        let counts = [function.inputs.len() as u64, function.outputs.len() as u64];
        let sum = counts.into_iter().fold(text(sum, &function.name), word);
        function.inputs.iter().chain(&function.outputs).fold(sum, |sum, port| {
            let extents = port.dims.iter().flat_map(|dim| [dim.scale as u64, u64::from(dim.batch)]);
            let words = [port.element as u64, port.dims.len() as u64].into_iter().chain(extents);
            words.fold(text(sum, &port.name), word)
        })
    })
}
