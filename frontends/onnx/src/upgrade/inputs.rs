//! Attributes that became inputs.

use super::Site;
use crate::Attribute;

type Result = std::result::Result<(), String>;

/// `axes` of reductions, Squeeze and Unsqueeze.
pub(super) fn axes(site: &mut Site<'_>) -> Result {
    site.attribute_to_input("axes", "value_ints", 1);
    Ok(())
}

/// `min` and `max` of Clip.
pub(super) fn clip(site: &mut Site<'_>) -> Result {
    site.attribute_to_input_like("min", "value_float", 1, 0);
    site.attribute_to_input_like("max", "value_float", 2, 0);
    Ok(())
}

/// `ratio` of Dropout.
pub(super) fn dropout(site: &mut Site<'_>) -> Result {
    site.attribute_to_input("ratio", "value_float", 1);
    Ok(())
}

/// `pads` (`paddings` in opset 1) and `value` of Pad.
pub(super) fn pad(site: &mut Site<'_>) -> Result {
    site.attribute_to_input("paddings", "value_ints", 1);
    site.attribute_to_input("pads", "value_ints", 1);
    site.attribute_to_input_like("value", "value_float", 2, 0);
    Ok(())
}

/// `shape` of Reshape.
pub(super) fn reshape(site: &mut Site<'_>) -> Result {
    site.attribute_to_input("shape", "value_ints", 1);
    Ok(())
}

/// `starts`, `ends` and `axes` of Slice.
pub(super) fn slice(site: &mut Site<'_>) -> Result {
    site.attribute_to_input("starts", "value_ints", 1);
    site.attribute_to_input("ends", "value_ints", 2);
    site.attribute_to_input("axes", "value_ints", 3);
    Ok(())
}

/// `split` of Split.
pub(super) fn split(site: &mut Site<'_>) -> Result {
    site.attribute_to_input("split", "value_ints", 1);
    Ok(())
}

/// `k` of TopK, which was a number and is a vector of one.
pub(super) fn top_k(site: &mut Site<'_>) -> Result {
    if let Some(Attribute::Int(k)) = site.node.attributes.remove("k") {
        let k = site.constant("value_ints", Attribute::Ints(vec![k]));
        site.set_input(1, k);
    }
    Ok(())
}
