//! Upsample and the first Resize to the Resize of opset 11.

use super::Site;
use crate::Attribute;

type Result = std::result::Result<(), String>;

/// `scales` was an attribute; in opset 1 there were `width_scale` and `height_scale`.
pub(super) fn scales(site: &mut Site<'_>) -> Result {
    let mut side = |name: &str| match site.node.attributes.remove(name) {
        Some(Attribute::Float(scale)) => Some(scale),
        _ => None,
    };
    if let (Some(height), Some(width)) = (side("height_scale"), side("width_scale")) {
        let scales = Attribute::Floats(vec![1.0, 1.0, height, width]);
        site.node.attributes.insert("scales".to_owned(), scales);
    }
    site.attribute_to_input("scales", "value_floats", 1);
    Ok(())
}

/// Upsample is Resize with scales, in the coordinates of the first Resize.
pub(super) fn upsample(site: &mut Site<'_>) -> Result {
    site.node.op_type = "Resize".to_owned();
    first_resize(site)
}

/// Resize of opset 10 had no region and knew one way to count coordinates.
pub(super) fn first_resize(site: &mut Site<'_>) -> Result {
    if site.node.inputs.len() == 2 {
        site.node.inputs.insert(1, String::new());
    }
    let mode = site.node.attributes.get("mode");
    if matches!(mode, Some(Attribute::Text(mode)) if mode.as_slice() == b"bilinear") {
        site.node.attributes.insert("mode".to_owned(), Attribute::Text(b"linear".to_vec()));
    }
    for (name, value) in [("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")] {
        site.node.attributes.insert(name.to_owned(), Attribute::Text(value.as_bytes().to_vec()));
    }
    site.node.opset = super::NEWEST;
    Ok(())
}
