//! Whether what a source yields fits the types of the model, as far as the text alone can tell. What
//! files hold is checked when they are opened.

use super::data::DataSection;
use crate::codes;
use crate::report::Reporter;
use dlc_recipe::{Field, Source, Transform};
use dlc_types::{Diagnostic, Dim};

/// Height, width and channels of CIFAR-10's images.
const CIFAR: [usize; 3] = [3, 32, 32];

/// Checks the fields' types against the source and the transforms.
pub(super) fn check(data: &DataSection, fields: &[Field], reporter: &mut Reporter) {
    let Some(input) =
        data.fields.first().and_then(|(name, _)| fields.iter().find(|field| field.name == name.text))
    else {
        return;
    };
    let sample: Vec<Option<usize>> = input.ty.shape.0.iter().skip(1).map(|dim| dim.fixed()).collect();
    let count = match input.ty.shape.elements() {
        Some(Dim::Batch(count)) => count,
        _ => {
            let message =
                format!("the field `{}` is {}, which has not one part per sample", input.name, input.ty);
            reporter.push(Diagnostic::error(codes::FIELD, message).at(data.source_span, "yields samples"));
            return;
        }
    };
    let resized = data.transform.iter().any(|(name, step)| *name == input.name && step.is_spatial());
    let wrong = match &data.source {
        Source::Csv(table) if takes_features(data) && table.one_hot.is_empty() => {
            let features = table.features.as_ref().map(Vec::len);
            features.filter(|&found| found != count).map(|found| format!("{found} feature columns"))
        }
        Source::Cifar10 { .. } | Source::Cifar100 { .. } if !resized && sample != CIFAR.map(Some) => {
            Some(format!("images {CIFAR:?}"))
        }
        _ => None,
    };
    if let Some(found) = wrong {
        let message = format!("the source yields {found}, but the model's `{}` is {}", input.name, input.ty);
        reporter.push(
            Diagnostic::error(codes::FIELD, message).at(data.source_span, format!("{found} per sample")),
        );
    }
    for (name, step) in &data.transform {
        let Transform::Normalize { mean, .. } = step else { continue };
        let channels =
            fields.iter().find(|field| field.name == *name).and_then(|field| field.ty.shape.0.get(1));
        if let Some(channels) =
            channels.and_then(|dim| dim.fixed()).filter(|&channels| mean.len() != 1 && mean.len() != channels)
        {
            let message =
                format!("`normalize` has {} means, but `{name}` has {channels} channels", mean.len());
            reporter.push(
                Diagnostic::error(codes::SHAPE, message)
                    .at(data.source_span, "the source of that field")
                    .note("`normalize` takes one value, or one per channel"),
            );
        }
    }
}

/// Whether the first field of a table is made of its features.
fn takes_features(data: &DataSection) -> bool {
    match &data.source {
        Source::Csv(table) => data.fields.len() > table.fields_beside_features(),
        _ => true,
    }
}
