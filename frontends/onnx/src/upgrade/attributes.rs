//! Attributes that changed or went.

use super::Site;
use crate::Attribute;

type Result = std::result::Result<(), String>;

/// Opset 6: `consumed_inputs` went.
pub(super) fn drop_consumed_inputs(site: &mut Site<'_>) -> Result {
    site.node.attributes.remove("consumed_inputs");
    Ok(())
}

/// BatchNormalization: `is_test` went with opset 7; a node in test mode had one output.
pub(super) fn batch_normalization(site: &mut Site<'_>) -> Result {
    if let Some(Attribute::Int(1)) = site.node.attributes.remove("is_test") {
        site.node.outputs.truncate(1);
    }
    Ok(())
}

/// BatchNormalization before opset 14: a node that asks for statistics is one in training.
pub(super) fn batch_normalization_outputs(site: &mut Site<'_>) -> Result {
    if site.node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        site.node.attributes.insert("training_mode".to_owned(), Attribute::Int(1));
    }
    Ok(())
}

/// Cast, opset 6: `to` was the name of a type and is its number now.
pub(super) fn cast_target(site: &mut Site<'_>) -> Result {
    const NAMES: &[&str] = &[
        "UNDEFINED",
        "FLOAT",
        "UINT8",
        "INT8",
        "UINT16",
        "INT16",
        "INT32",
        "INT64",
        "STRING",
        "BOOL",
        "FLOAT16",
        "DOUBLE",
        "UINT32",
        "UINT64",
        "COMPLEX64",
        "COMPLEX128",
    ];
    if let Some(Attribute::Text(name)) = site.node.attributes.get("to") {
        let name = String::from_utf8_lossy(name).to_uppercase();
        let number = NAMES.iter().position(|known| *known == name);
        let number = number.ok_or_else(|| format!("`{name}` is no element type"))?;
        site.node.attributes.insert("to".to_owned(), Attribute::Int(number as i64));
    }
    Ok(())
}

/// Concat, opset 4: `axis` had the default 1.
pub(super) fn concat_axis(site: &mut Site<'_>) -> Result {
    site.node.attributes.entry("axis".to_owned()).or_insert(Attribute::Int(1));
    Ok(())
}

/// DFT, opset 20: `axis` was an attribute with the default 1.
pub(super) fn dft_axis(site: &mut Site<'_>) -> Result {
    site.node.attributes.entry("axis".to_owned()).or_insert(Attribute::Int(1));
    Ok(())
}

/// Dropout, opset 7: `is_test` went; without it the node was one in training.
pub(super) fn dropout_is_test(site: &mut Site<'_>) -> Result {
    match site.node.attributes.remove("is_test") {
        Some(Attribute::Int(1)) => Ok(()),
        _ => {
            let flag = site.constant("value_int", Attribute::Int(1));
            let (mut cast, output) = site.make("Cast", &[&flag]);
            cast.attributes.insert("to".to_owned(), Attribute::Int(9));
            site.before.push(cast);
            site.set_input(2, output);
            Ok(())
        }
    }
}

/// RoiAlign, opset 16: coordinates are moved by half an element unless told otherwise; they were not before.
pub(super) fn roi_align(site: &mut Site<'_>) -> Result {
    let name = "coordinate_transformation_mode".to_owned();
    site.node.attributes.entry(name).or_insert(Attribute::Text(b"output_half_pixel".to_vec()));
    Ok(())
}

/// Scatter is ScatterElements under an old name.
pub(super) fn scatter(site: &mut Site<'_>) -> Result {
    site.node.op_type = "ScatterElements".to_owned();
    site.node.opset = super::NEWEST;
    Ok(())
}
