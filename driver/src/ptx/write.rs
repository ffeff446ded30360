//! Writes a module as a file for runtimes and a text for people, and what C programs call it by.

use super::variant_name;
use crate::library::{self, checked_name, description, put};
use crate::{ArtifactKind, CompileSettings, Loaded, Result};
use dlc_compiler::Compilation;
use dlc_compiler::emit::DeviceOptions;
use dlc_runtime::abi::{DeviceImage, DeviceModule, Variant};
use dlc_runtime::weights_file;
use std::path::PathBuf;

/// Writes `NAME.ptx`, `NAME.launches` and, where there are weights, `NAME.safetensors`; the header and the C file, too, as
/// far as they are asked for.
pub(crate) fn write(
    loaded: &Loaded,
    compilation: &Compilation,
    module: DeviceModule,
    options: DeviceOptions,
    settings: &CompileSettings,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    let interface = &compilation.interface;
    let name = checked_name(settings, interface)?;
    let variants = vec![Variant { name: variant_name(options), features: 0 }];
    let description = description(loaded, interface, name, variants)?;
    let graph = description.graph;
    let weights = library::weights(loaded, compilation, settings)?;
    let image = DeviceImage { description, constants: interface.constants.clone(), module };
    let folder = library::folder(settings);
    library::write_for_gpu(&image.description, settings, files)?;
    if !settings.emit.contains(&ArtifactKind::Ptx) {
        return Ok(());
    }
    put(folder, &format!("{name}.ptx"), image.module.text.as_bytes(), files)?;
    put(folder, &format!("{name}.launches"), &image.encode(), files)?;
    if let Some(weights) = &weights {
        let file = weights_file(interface, graph, weights)?;
        put(folder, &format!("{name}.safetensors"), &file, files)?;
    }
    Ok(())
}
