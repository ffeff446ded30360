//! Pictures of what an image model sees: the filters of its first convolution, and samples with its decisions.

use crate::evaluate::{Feed, function_of};
use crate::loader::{Pass, each_batch};
use crate::pictures::{Picture, Tile, Tiles};
use crate::prepare::PreparedData;
use crate::{Engine, Result};
use dlc_runtime::abi::{ElementType, PersistentRole, Port};

/// Most filters and samples that are shown.
const FILTERS: usize = 64;
const SAMPLES: usize = 24;

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_ne_bytes(four)).collect()
}

/// The kernel of the convolution over the image, one tile per output channel. Parameters stand in the order of their
/// names, so it is known by its input channels.
pub(crate) fn filters(engine: &mut dyn Engine) -> Result<Option<Picture>> {
    let interface = engine.interface();
    let mut ports = interface.functions.iter().flat_map(|function| &function.inputs);
    let Some((_, _, channels)) = ports.find_map(image) else { return Ok(None) };
    let over_image = |dims: &[usize]| dims.len() == 4 && dims[1] == channels && dims[2] > 1 && dims[3] > 1;
    let found = interface.tensors.iter().find(|tensor| {
        tensor.role == PersistentRole::Parameter
            && tensor.element == ElementType::F32
            && over_image(&tensor.dims)
    });
    let Some(tensor) = found else { return Ok(None) };
    let (name, dims) = (tensor.name.clone(), tensor.dims.clone());
    let checkpoint = engine.checkpoint()?;
    let Some(values) = checkpoint.tensors.get(&name).map(|tensor| tensor.f32_values()).transpose()? else {
        return Ok(None);
    };
    let filter = dims[1] * dims[2] * dims[3];
    let tiles = values.chunks_exact(filter.max(1)).take(FILTERS);
    let tiles = tiles.map(|planes| Tile::of_planes(planes, dims[1], (dims[2], dims[3]))).collect();
    let tiles = Tiles { tiles, per_row: 16, width: 36 };
    Picture::of("filters", &format!("Filters of {name}"), &tiles).map(Some)
}

/// Height, width and channels of an input that is an image.
fn image(port: &Port) -> Option<(usize, usize, usize)> {
    match port.dims.as_slice() {
        [batch, rest @ ..] if batch.batch && port.element == ElementType::F32 => match rest {
            [channels, height, width]
                if matches!(channels.scale, 1 | 3) && height.scale >= 4 && width.scale >= 4 =>
            {
                Some((height.scale, width.scale, channels.scale))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Some samples of the test (or of the validation, or of training) with what the model decides.
pub(crate) fn samples(engine: &mut dyn Engine, data: &PreparedData, feed: &Feed) -> Result<Option<Picture>> {
    let Ok(predict) = function_of(engine, "predict") else { return Ok(None) };
    let ([input], Some(output)) = (predict.inputs.as_slice(), predict.outputs.first()) else {
        return Ok(None);
    };
    let Some((height, width, channels)) = image(input) else { return Ok(None) };
    let scores = match output.dims.as_slice() {
        [_, scores] if output.element == ElementType::F32 => scores.scale,
        _ => return Ok(None),
    };
    let sizes: Vec<ElementType> = predict.outputs.iter().map(|port| port.element).collect();
    let elements: Vec<usize> = predict.outputs.iter().map(|port| port.elements(1)).collect();
    let inputs = &function_of(engine, "evaluate")?.inputs;
    let number = |wanted: &str| inputs.iter().position(|port| port.name == wanted);
    let is_label = |port: &Port| port.element == ElementType::I32 && port.elements(1) == 1;
    let (Some(picture), Some(label)) = (number(&input.name), inputs.iter().position(is_label)) else {
        return Ok(None);
    };
    let parts = [&data.parts.test, &data.parts.validation, &data.parts.training];
    let Some(part) = parts.into_iter().find(|part| !part.is_empty()) else { return Ok(None) };
    let count = SAMPLES.min(part.len()).min(engine.interface().batch_max);
    let pass = Pass { order: &part[..count], batch: count, feed: &feed.fields, random: None };
    let mut tiles = Vec::new();
    each_batch(data, &pass, |batch| {
        let mut outputs: Vec<Vec<u8>> =
            sizes.iter().zip(&elements).map(|(size, n)| vec![0; size.size() * n * batch.samples]).collect();
        let mut buffers: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        engine.predict(batch.samples, &[batch.inputs[picture].as_slice()], &mut buffers)?;
        let values = floats(&outputs[0]);
        let images = floats(&batch.inputs[picture]);
        let labels = batch.inputs[label].as_chunks::<4>().0.iter().map(|&four| i32::from_ne_bytes(four));
        let rows =
            values.chunks_exact(scores.max(1)).zip(images.chunks_exact((channels * height * width).max(1)));
        for ((scores, planes), label) in rows.zip(labels) {
            let mut tile = Tile::of_planes(planes, channels, (height, width));
            tile.caption = Some(caption(scores, label, &data.dataset.class_names));
            tiles.push(tile);
        }
        Ok(true)
    })?;
    if tiles.is_empty() {
        return Ok(None);
    }
    let tiles = Tiles { tiles, per_row: 8, width: 88 };
    Picture::of("samples", "Samples: the decision, and the label where they differ", &tiles).map(Some)
}

/// What is decided, and whether that is right.
fn caption(scores: &[f32], label: i32, names: &[String]) -> (String, Option<bool>) {
    let decided = match scores {
        [logit] => i32::from(*logit > 0.0),
        _ => {
            let first = |best: usize, place: usize| if scores[place] > scores[best] { place } else { best };
            // Scores are fewer than 2^31.
            (0..scores.len()).fold(0, first) as i32
        }
    };
    let name = |class: i32| {
        let known = usize::try_from(class).ok().and_then(|class| names.get(class));
        known.cloned().unwrap_or_else(|| class.to_string())
    };
    if decided == label {
        return (name(decided), Some(true));
    }
    (format!("{} ({})", name(decided), name(label)), Some(false))
}
