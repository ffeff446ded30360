//! Broadcasting before opset 7: one-sided, by the attributes `broadcast` and `axis`.

use super::Site;
use crate::Attribute;

/// `broadcast` goes: operands that it allowed are broadcast as NumPy does. `axis`, which says where the
/// second operand's axes begin, stays for the converter.
pub(super) fn drop_flag(site: &mut Site<'_>) -> Result<(), String> {
    let broadcast = site.node.attributes.remove("broadcast");
    if !matches!(broadcast, Some(Attribute::Int(1))) {
        site.node.attributes.remove("axis");
    }
    Ok(())
}

/// The slope of PRelu was one number per channel.
pub(super) fn slope_of_channels(site: &mut Site<'_>) -> Result<(), String> {
    site.node.attributes.insert("axis".to_owned(), Attribute::Int(1));
    Ok(())
}
