//! From a raw sample to the bytes that the model is fed: augmentation and element type.

use crate::augment::{Beyond, Change, Draws, Source, render, size_after};
use crate::dataset::picture::Meaning;
use crate::dataset::{Column, sample_dims, sample_elements};
use crate::{Result, TrainError};
use dlc_recipe::{Augment, Field};
use dlc_types::DType;
use std::path::PathBuf;

/// How the samples of one field become tensors.
#[derive(Clone, Debug)]
pub(crate) struct FieldPipeline {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    /// Elements of a sample as the model takes it.
    pub(crate) elements: usize,
    /// Where the values form a picture.
    picture: Option<PicturePlan>,
    labels: Option<LabelRule>,
}

/// How a field's pictures are changed.
#[derive(Clone, Debug)]
struct PicturePlan {
    /// Height and width of the source.
    size: (usize, usize),
    /// Numbered steps of augmentation.
    steps: Vec<(usize, Augment)>,
    /// Whether values are class numbers, which cannot be blended.
    nearest: bool,
    /// What stands where there is no picture.
    beyond: Beyond,
}

/// Which numbers of a label map are classes.
#[derive(Clone, Debug)]
pub(crate) struct LabelRule {
    /// How many classes there are, where that is known.
    pub(crate) classes: Option<usize>,
    /// The number that stands for no class.
    pub(crate) ignore: Option<i64>,
    /// For messages.
    pub(crate) path: PathBuf,
    /// For messages.
    pub(crate) noun: &'static str,
}

impl LabelRule {
    /// That a number is a class or stands for none.
    pub(crate) fn check(&self, label: i64, place: impl FnOnce() -> String) -> Result<()> {
        let known = usize::try_from(label).is_ok_and(|label| self.classes.is_none_or(|most| label < most));
        if known || self.ignore == Some(label) {
            return Ok(());
        }
        Err(TrainError::Label {
            path: self.path.clone(),
            place: place(),
            label,
            classes: self.classes.unwrap_or(i32::MAX as usize),
        })
    }
}

/// Memory that is used again for every sample.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Of a file or a decoder.
    raw: Vec<u8>,
    numbers: Vec<f32>,
    rendered: Vec<[u8; 4]>,
    /// The other sample where two are mixed.
    pub(crate) other: Vec<u8>,
}

/// The value of each byte of a picture.
fn light_of_bytes() -> [f32; 256] {
    std::array::from_fn(|byte| byte as f32 / 255.0)
}

/// Height and width of a sample, if it is a picture.
fn picture_size(dims: &[usize]) -> Option<(usize, usize)> {
    match *dims {
        [_, height, width] | [height, width] => Some((height, width)),
        _ => None,
    }
}

/// Writes one value per element, converted to the field's type.
fn write(dtype: DType, values: impl Iterator<Item = f64>, out: &mut [u8]) {
    match dtype {
        DType::F64 => {
            values.zip(out.as_chunks_mut().0).for_each(|(value, out)| *out = value.to_ne_bytes());
        }
        DType::F32 => {
            values.zip(out.as_chunks_mut().0).for_each(|(value, out)| *out = (value as f32).to_ne_bytes());
        }
        _ => {
            for (value, out) in values.zip(out.chunks_exact_mut(dtype.size())) {
                write_integer(dtype, value as i64, out);
            }
        }
    }
}

fn write_integer(dtype: DType, value: i64, out: &mut [u8]) {
    match dtype {
        // Integers are checked against the type before.
        DType::I32 => out.copy_from_slice(&(value as i32).to_ne_bytes()),
        DType::I64 => out.copy_from_slice(&value.to_ne_bytes()),
        DType::F64 => out.copy_from_slice(&(value as f64).to_ne_bytes()),
        DType::Bool => out.copy_from_slice(&[u8::from(value != 0)]),
        _ => out.copy_from_slice(&(value as f32).to_ne_bytes()),
    }
}

impl FieldPipeline {
    /// Checks that the column can feed the field, and prepares it.
    pub(crate) fn new(
        field: &Field,
        column: &Column,
        steps: Vec<(usize, Augment)>,
        labels: Option<LabelRule>,
    ) -> Result<FieldPipeline> {
        let (dtype, elements) = (field.ty.dtype, sample_elements(field)?);
        let mut pipeline = FieldPipeline { name: field.name.clone(), dtype, elements, picture: None, labels };
        pipeline.check_column(field, column)?;
        let dims = sample_dims(field)?;
        let no_class = pipeline.labels.as_ref().and_then(|rule| rule.ignore).unwrap_or(0) as f32;
        let plan = |size, nearest: bool| {
            let beyond = Beyond::of(&steps, nearest.then_some(no_class));
            PicturePlan { size, steps: steps.clone(), nearest, beyond }
        };
        pipeline.picture = match column {
            Column::Pictures(pictures) => Some(match pictures.meaning {
                Meaning::Light => plan(pictures.size, false),
                Meaning::Classes => plan(pictures.size, true),
            }),
            Column::Numbers { .. } | Column::Array(_) if !steps.is_empty() => {
                picture_size(&dims).map(|size| plan(size, !dtype.is_float()))
            }
            _ => None,
        };
        if pipeline.picture.is_none() && !steps.is_empty() {
            return Err(TrainError::Recipe(format!(
                "augmentation applies to pictures; the field `{}` is {}",
                field.name, field.ty
            )));
        }
        pipeline.check_sizes(field, column)?;
        Ok(pipeline)
    }

    /// That the column's values are of the field's kind.
    fn check_column(&self, field: &Field, column: &Column) -> Result<()> {
        let misfit = |what: String| {
            Err(TrainError::Recipe(format!("the field `{}` is {}, but {what}", field.name, field.ty)))
        };
        let (dtype, elements) = (self.dtype, self.elements);
        if !matches!(dtype, DType::F32 | DType::F64 | DType::I32 | DType::I64 | DType::Bool) {
            return misfit(format!("data cannot be fed as {dtype} yet"));
        }
        match column {
            Column::Pictures(pictures) if pictures.meaning == Meaning::Light => {
                if !dtype.is_float() {
                    return misfit("pictures are fed as floating-point numbers".to_owned());
                }
            }
            Column::Pictures(_) => {
                if !dtype.is_integer() {
                    return misfit("label maps are fed as integers".to_owned());
                }
            }
            Column::Numbers { width, .. } => {
                if !dtype.is_float() {
                    return misfit("its column holds fractional numbers".to_owned());
                }
                if *width != elements {
                    return misfit(format!("the data gives {width} numbers per sample, not {elements}"));
                }
            }
            Column::Array(array) => {
                if array.encoding.is_float() && !dtype.is_float() {
                    return misfit("its array holds fractional numbers".to_owned());
                }
                if array.width() != elements {
                    let width = array.width();
                    return misfit(format!("the data gives {width} numbers per sample, not {elements}"));
                }
            }
            Column::Integers { width, values } => {
                let one_hot = *width == 1 && dtype.is_float();
                if *width != elements && !one_hot {
                    return misfit(format!("the data gives {width} integers per sample, not {elements}"));
                }
                let beyond = |&&value: &&i64| value >= elements as i64 && !self.stands_for_none(value);
                if let Some(value) =
                    values.iter().find(|value| one_hot && *width != elements && beyond(value))
                {
                    return misfit(format!(
                        "its column holds {value}, which is none of {elements} numbers from 0"
                    ));
                }
                if dtype == DType::I32 && values.iter().any(|&value| i32::try_from(value).is_err()) {
                    return misfit("its column holds an integer beyond 32 bits".to_owned());
                }
            }
            Column::Texts(_) => return misfit("its text has no vocabulary; this is a bug in dlc".to_owned()),
        }
        Ok(())
    }

    /// That training and evaluation both give the field's number of elements.
    fn check_sizes(&self, field: &Field, column: &Column) -> Result<()> {
        let Some(plan) = &self.picture else { return Ok(()) };
        let channels = match column {
            Column::Pictures(pictures) => pictures.channels,
            _ => self.elements.checked_div(plan.size.0 * plan.size.1).unwrap_or(0),
        };
        if !plan.beyond.fits(channels) {
            return Err(TrainError::Recipe(format!(
                "`surround` of the field `{}` has not one value, nor one for each of its {channels} channels",
                field.name
            )));
        }
        for training in [true, false] {
            let size = size_after(&plan.steps, plan.size, training)?;
            if channels.checked_mul(size.0).and_then(|n| n.checked_mul(size.1)) != Some(self.elements) {
                return Err(TrainError::Recipe(format!(
                    "the field `{}` is {}, but the data gives pictures of [{channels}, {}, {}] in {}; \
                     `resize(height, width)` brings them to another size",
                    field.name,
                    field.ty,
                    size.0,
                    size.1,
                    if training { "training" } else { "evaluation" }
                )));
            }
        }
        Ok(())
    }

    /// Bytes of a sample.
    pub(crate) fn sample_bytes(&self) -> usize {
        self.elements * self.dtype.size()
    }

    /// Writes one sample. `draws` gives the random steps of training; `None` is evaluation.
    pub(crate) fn fill(
        &self,
        column: &Column,
        sample: usize,
        draws: Option<Draws>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<()> {
        let Scratch { raw, numbers, rendered, .. } = scratch;
        match column {
            Column::Pictures(pictures) => {
                let planes = pictures.read(sample, raw)?;
                if pictures.meaning == Meaning::Classes {
                    self.check_map(planes.iter().map(|&byte| i64::from(byte)), sample)?;
                }
                self.picture_of_bytes(planes, pictures.meaning, sample, draws, rendered, out);
            }
            Column::Numbers { values, width } => {
                let values = &values[sample * width..][..*width];
                match &self.picture {
                    Some(plan) => self.picture_of_numbers(plan, values, sample, draws, rendered, out),
                    None => write(self.dtype, values.iter().map(|&value| f64::from(value)), out),
                }
            }
            Column::Array(array) => match &self.picture {
                Some(plan) => {
                    numbers.clear();
                    array.each_float(sample, raw, |value| numbers.push(value as f32))?;
                    if self.labels.is_some() {
                        self.check_map(numbers.iter().map(|&value| value as i64), sample)?;
                    }
                    self.picture_of_numbers(plan, numbers, sample, draws, rendered, out);
                }
                None => self.array(array, sample, raw, out)?,
            },
            Column::Integers { values, width } => {
                self.integers(&values[sample * width..][..*width], out);
            }
            Column::Texts(_) => {
                return Err(TrainError::Recipe(format!("`{}` is text; this is a bug in dlc", self.name)));
            }
        }
        Ok(())
    }

    fn check_map(&self, values: impl Iterator<Item = i64>, sample: usize) -> Result<()> {
        let Some(rule) = &self.labels else { return Ok(()) };
        for (pixel, value) in values.enumerate() {
            rule.check(value, || format!("{} {}, value {pixel}", rule.noun, sample + 1))?;
        }
        Ok(())
    }

    /// Numbers without augmentation.
    fn array(
        &self,
        array: &crate::dataset::array::Array,
        sample: usize,
        raw: &mut Vec<u8>,
        out: &mut [u8],
    ) -> Result<()> {
        let size = self.dtype.size();
        let mut places = out.chunks_exact_mut(size);
        if self.dtype.is_float() {
            return array.each_float(sample, raw, |value| {
                if let Some(out) = places.next() {
                    write(self.dtype, std::iter::once(value), out);
                }
            });
        }
        let mut fault = Ok(());
        array.each_integer(sample, raw, |value| {
            let fits = value.filter(|&value| self.dtype != DType::I32 || i32::try_from(value).is_ok());
            let checked = match (fits, &self.labels) {
                (None, _) => Err(TrainError::Recipe(format!(
                    "sample {} of `{}` holds an integer beyond {}",
                    sample + 1,
                    self.name,
                    self.dtype
                ))),
                (Some(value), Some(rule)) => {
                    rule.check(value, || format!("{} {}", rule.noun, sample + 1)).map(|()| value)
                }
                (Some(value), None) => Ok(value),
            };
            match (checked, places.next()) {
                (Ok(value), Some(out)) => write_integer(self.dtype, value, out),
                (Err(error), _) if fault.is_ok() => fault = Err(error),
                _ => {}
            }
        })?;
        fault
    }

    /// Whether a label means that there is none.
    fn stands_for_none(&self, value: i64) -> bool {
        self.labels.as_ref().is_some_and(|rule| rule.ignore == Some(value))
    }

    /// Labels: as they are, or one-hot.
    fn integers(&self, values: &[i64], out: &mut [u8]) {
        let size = self.dtype.size();
        if self.elements != values.len() {
            out.fill(0);
            let class = usize::try_from(values[0]).ok().filter(|&class| class < self.elements);
            if let Some(class) = class {
                write_integer(self.dtype, 1, &mut out[class * size..][..size]);
            }
            return;
        }
        for (&value, out) in values.iter().zip(out.chunks_exact_mut(size)) {
            write_integer(self.dtype, value, out);
        }
    }

    fn change(plan: &PicturePlan, sample: usize, draws: Option<Draws>) -> Change {
        match draws {
            Some(draws) => Change::drawn(&plan.steps, plan.size, draws, sample),
            None => Change::middle(&plan.steps, plan.size),
        }
    }

    fn picture_of_bytes(
        &self,
        planes: &[u8],
        meaning: Meaning,
        sample: usize,
        draws: Option<Draws>,
        rendered: &mut Vec<[u8; 4]>,
        out: &mut [u8],
    ) {
        let Some(plan) = &self.picture else { return };
        let change = Self::change(plan, sample, draws);
        let source = Source { planes, size: plan.size };
        if meaning == Meaning::Classes {
            return self.rendered(rendered, out, |out| {
                render(source, &change, f32::from, &plan.beyond, true, out);
            });
        }
        let mut table = light_of_bytes();
        if !change.light.is_empty() {
            let sum: u64 =
                if change.light.needs_mean() { planes.iter().map(|&byte| u64::from(byte)).sum() } else { 0 };
            let mean = sum as f32 / (planes.len().max(1) as f32 * 255.0);
            table.iter_mut().for_each(|value| *value = change.light.apply(*value, mean, true));
        }
        self.rendered(rendered, out, |out| {
            render(source, &change, |byte| table[usize::from(byte)], &plan.beyond, plan.nearest, out);
        });
    }

    fn picture_of_numbers(
        &self,
        plan: &PicturePlan,
        values: &[f32],
        sample: usize,
        draws: Option<Draws>,
        rendered: &mut Vec<[u8; 4]>,
        out: &mut [u8],
    ) {
        let change = Self::change(plan, sample, draws);
        let sum: f64 =
            if change.light.needs_mean() { values.iter().map(|&value| f64::from(value)).sum() } else { 0.0 };
        let mean = (sum / values.len().max(1) as f64) as f32;
        let source = Source { planes: values, size: plan.size };
        self.rendered(rendered, out, |out| {
            let level = |value: f32| change.light.apply(value, mean, false);
            render(source, &change, level, &plan.beyond, plan.nearest, out);
        });
    }

    /// Lets a picture be written as `f32`: where it belongs, or aside to be converted.
    fn rendered(&self, aside: &mut Vec<[u8; 4]>, out: &mut [u8], write_to: impl FnOnce(&mut [[u8; 4]])) {
        if self.dtype == DType::F32 {
            return write_to(out.as_chunks_mut().0);
        }
        aside.resize(self.elements, [0; 4]);
        write_to(aside);
        write(self.dtype, aside.iter().map(|&one| f64::from(f32::from_ne_bytes(one))), out);
    }
}
