//! Folders that results are written to.

use crate::{DriverError, Result};
use std::path::Path;

/// Makes a folder, with those above it, where there is none.
///
/// # Errors
/// A file in its place, or whatever the system says.
pub fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|cause| {
        let shown = folder.display();
        match folder.ancestors().find(|above| above.exists() && !above.is_dir()) {
            Some(file) if file == folder => {
                DriverError::User(format!("{shown} is no folder, and results are written to one"))
            }
            Some(file) => DriverError::User(format!(
                "the folder {shown} cannot be made, since {} is no folder",
                file.display()
            )),
            None => DriverError::User(format!("the folder {shown} cannot be made: {cause}")),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::make_folder;

    #[test]
    fn what_is_in_the_way_is_told() {
        let place = tempfile::tempdir().unwrap();
        let (file, deep) = (place.path().join("file"), place.path().join("a/b"));
        make_folder(&deep).unwrap();
        make_folder(&deep).unwrap();
        std::fs::write(&file, "").unwrap();
        let told = make_folder(&file).unwrap_err().to_string();
        assert!(told.ends_with("file is no folder, and results are written to one"), "{told}");
        let told = make_folder(&file.join("below")).unwrap_err().to_string();
        assert!(
            told.contains("below cannot be made, since ") && told.ends_with("file is no folder"),
            "{told}"
        );
    }
}
