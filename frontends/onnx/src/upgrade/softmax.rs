//! Softmax, LogSoftmax and Hardmax before opset 13: over all axes from `axis` on, taken as one.

use super::Site;
use crate::Attribute;

/// Flatten, the function along the last axis, and back to the shape that was.
pub(super) fn flattened(site: &mut Site<'_>) -> Result<(), String> {
    let axis = site.node.attributes.remove("axis").unwrap_or(Attribute::Int(1));
    let input = site.node.inputs.first().cloned().unwrap_or_default();
    let output = site.node.outputs.first().cloned().unwrap_or_default();
    let (shape, dims) = site.make("Shape", &[&input]);
    let (mut flatten, flat) = site.make("Flatten", &[&input]);
    flatten.attributes.insert("axis".to_owned(), axis);
    site.before.extend([shape, flatten]);
    let result = site.fresh("softmax");
    site.node.attributes.insert("axis".to_owned(), Attribute::Int(-1));
    site.set_input(0, flat);
    site.node.outputs = vec![result.clone()];
    let (mut reshape, _) = site.make("Reshape", &[&result, &dims]);
    reshape.outputs = vec![output];
    site.after.push(reshape);
    Ok(())
}
