//! Pictures of what an image model sees: the filters of its first convolution, and samples with its decisions.

use crate::evaluate::{Feed, function_of};
use crate::label_map;
use crate::loader::{Pass, each_batch};
use crate::pictures::{Picture, Tile, Tiles};
use crate::predict::numbers;
use crate::prepare::PreparedData;
use crate::{Decide, Decided, Engine, LabelMap, Result};
use dlc_runtime::abi::{ElementType, FunctionInterface, PersistentRole, Port};

/// Most filters and samples that are shown.
const FILTERS: usize = 64;
pub(crate) const SAMPLES: usize = 24;

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
pub(crate) fn samples(
    engine: &mut dyn Engine,
    data: &PreparedData,
    feed: &Feed,
    decide: &Decide,
) -> Result<Option<Picture>> {
    let Ok(predict) = function_of(engine, "predict") else { return Ok(None) };
    let Some((input, show)) = Show::of(predict, decide, &data.dataset.class_names) else { return Ok(None) };
    let outputs = predict.outputs.clone();
    let inputs = &function_of(engine, "evaluate")?.inputs;
    let (height, width, _) = show.size;
    let is_label = |port: &Port| {
        port.element == ElementType::I32 && (port.elements(1) == 1 || port.elements(1) == height * width)
    };
    let picture = inputs.iter().position(|port| port.name == input);
    let (Some(picture), Some(label)) = (picture, inputs.iter().position(is_label)) else { return Ok(None) };
    let labels_of_sample = inputs[label].elements(1);
    let parts = [&data.parts.test, &data.parts.validation, &data.parts.training];
    let Some(part) = parts.into_iter().find(|part| !part.is_empty()) else { return Ok(None) };
    let count = SAMPLES.min(part.len()).min(engine.interface().batch_max);
    let pass = Pass { order: &part[..count], batch: count, feed: &feed.fields, random: None };
    let mut tiles: Vec<Vec<Tile>> = Vec::new();
    each_batch(data, &pass, |batch| {
        let n = batch.samples;
        let mut made: Vec<Vec<u8>> =
            outputs.iter().map(|port| vec![0; port.element.size() * port.elements(n)]).collect();
        let mut buffers: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
        engine.predict(n, &[batch.inputs[picture].as_slice()], &mut buffers)?;
        let values = numbers(&outputs[0], std::mem::take(&mut made[0]), n)?;
        let labels: Vec<i32> =
            batch.inputs[label].as_chunks::<4>().0.iter().map(|&four| i32::from_ne_bytes(four)).collect();
        let rows = values.chunks_exact((values.len() / n.max(1)).max(1));
        let labels = labels.chunks_exact(labels_of_sample.max(1)).map(Some);
        tiles.extend(show.tiles(&batch.inputs[picture], rows, labels));
        Ok(true)
    })?;
    let Some(first) = tiles.first() else { return Ok(None) };
    let per_row = first.len() * (9 / first.len().max(1)).max(1);
    let title = if first.len() > 1 {
        "Samples: the picture, what is decided, and the label"
    } else {
        "Samples: the decision, and the label where they differ"
    };
    let tiles = Tiles { tiles: tiles.into_iter().flatten().collect(), per_row, width: 88 };
    Picture::of("samples", title, &tiles).map(Some)
}

/// How samples of an image model are shown.
pub(crate) struct Show<'a> {
    /// Height, width and channels of a picture.
    size: (usize, usize, usize),
    decide: &'a Decide,
    names: &'a [String],
}

impl<'a> Show<'a> {
    /// The name of the one input and how to show it, where it is an image.
    pub(crate) fn of(
        predict: &FunctionInterface,
        decide: &'a Decide,
        names: &'a [String],
    ) -> Option<(String, Show<'a>)> {
        let ([input], [_, ..]) = (predict.inputs.as_slice(), predict.outputs.as_slice()) else { return None };
        Some((input.name.clone(), Show { size: image(input)?, decide, names }))
    }

    /// The tiles of each sample of a batch: the bytes of its images, the values of the first output, labels.
    pub(crate) fn tiles<'b>(
        &self,
        images: &[u8],
        rows: impl Iterator<Item = &'b [f64]>,
        labels: impl Iterator<Item = Option<&'b [i32]>>,
    ) -> Vec<Vec<Tile>> {
        let (height, width, channels) = self.size;
        let images = floats(images);
        let planes = images.chunks_exact((channels * height * width).max(1));
        let shown = planes.zip(rows).zip(labels).map(|((planes, values), label)| {
            self.sample(Tile::of_planes(planes, channels, (height, width)), values, label)
        });
        shown.collect()
    }

    /// One sample: the picture with a caption, or beside the maps of what was decided and of the label.
    fn sample(&self, mut picture: Tile, values: &[f64], label: Option<&[i32]>) -> Vec<Tile> {
        match (self.decide.0)(values) {
            Decided::Class { class, .. } => {
                let right = label.and_then(|label| label.first()).map(|&label| self.compare(class, label));
                picture.caption = Some(right.unwrap_or_else(|| (self.name(class), None)));
                vec![picture]
            }
            Decided::Map(map) => {
                let mut decided = label_map::tile(&map);
                let truth = label.filter(|label| label.len() == map.pixels.len()).map(|label| {
                    // What is no class, such as pixels that count nowhere, is shown as the first one.
                    let class = |&class: &i32| u8::try_from(class).unwrap_or(0);
                    let pixels: Vec<u8> = label.iter().map(class).collect();
                    let counts =
                        label.iter().filter(|&&class| (0..map.classes as i64).contains(&i64::from(class)));
                    let right = label.iter().zip(&map.pixels).filter(|&(&a, &b)| a == i32::from(b)).count();
                    let share = 100.0 * right as f64 / counts.count().max(1) as f64;
                    decided.caption = Some((format!("{share:.1} % right"), None));
                    label_map::tile(&LabelMap { pixels, ..map.clone() })
                });
                [Some(picture), Some(decided), truth].into_iter().flatten().collect()
            }
            Decided::Values => {
                let told =
                    values.iter().take(3).map(|value| format!("{value:.3}")).collect::<Vec<_>>().join(" ");
                picture.caption = (values.len() <= 3).then_some((told, None));
                vec![picture]
            }
        }
    }

    fn name(&self, class: usize) -> String {
        self.names.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// What is decided, and whether that is right.
    fn compare(&self, decided: usize, label: i32) -> (String, Option<bool>) {
        if i32::try_from(decided) == Ok(label) {
            return (self.name(decided), Some(true));
        }
        let truth = usize::try_from(label).map_or_else(|_| label.to_string(), |label| self.name(label));
        (format!("{} ({truth})", self.name(decided)), Some(false))
    }
}
