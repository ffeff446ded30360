//! From a raw sample to the bytes that the model is fed: augmentation, scaling, element type.

use crate::augment::{Planes, augment, middle, size_after};
use crate::dataset::{Column, sample_dims, sample_elements};
use crate::transform::Scaling;
use crate::{Result, TrainError};
use dlc_recipe::{Augment, Field};
use dlc_types::DType;
use dlc_types::random::Stream;

/// How the samples of one field become tensors.
#[derive(Clone, Debug)]
pub(crate) struct FieldPipeline {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    /// Elements of a sample as the model takes it.
    pub(crate) elements: usize,
    augment: Vec<Augment>,
    /// Channels, height and width where the values form a picture.
    picture: Option<(usize, usize, usize)>,
    scaling: Option<Scaling>,
    /// For pictures: the scaled value of each byte, per channel.
    table: Vec<[f32; 256]>,
}

/// Memory that is used again for every sample.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Planes<u8>,
    spare_bytes: Vec<u8>,
    numbers: Planes<f32>,
    spare_numbers: Vec<f32>,
}

/// Units of scaling and channels of a column: see [`crate::Scaling`].
pub(crate) fn units_of(column: &Column, field: &Field) -> Result<(usize, usize)> {
    Ok(match column {
        Column::Pictures(pictures) => (pictures.channels, pictures.channels),
        Column::Numbers { width, .. } | Column::Integers { width, .. } => {
            let channels = picture_dims(&sample_dims(field)?).map_or(*width, |(channels, _, _)| channels);
            (*width, channels)
        }
    })
}

fn picture_dims(dims: &[usize]) -> Option<(usize, usize, usize)> {
    match *dims {
        [channels, height, width] => Some((channels, height, width)),
        [height, width] => Some((1, height, width)),
        _ => None,
    }
}

/// Writes one value per element, converted to the field's type.
fn write(dtype: DType, values: impl Iterator<Item = f32>, out: &mut [u8]) {
    match dtype {
        DType::F64 => {
            for (value, out) in values.zip(out.as_chunks_mut::<8>().0) {
                *out = f64::from(value).to_ne_bytes();
            }
        }
        _ => {
            for (value, out) in values.zip(out.as_chunks_mut::<4>().0) {
                *out = value.to_ne_bytes();
            }
        }
    }
}

fn write_integer(dtype: DType, value: i64, out: &mut [u8]) {
    match dtype {
        // Integers were checked against the type when the pipeline was made.
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
        augment: Vec<Augment>,
        scaling: Option<Scaling>,
    ) -> Result<FieldPipeline> {
        let misfit = |what: String| {
            TrainError::Recipe(format!("the field `{}` is {}, but {what}", field.name, field.ty))
        };
        let dtype = field.ty.dtype;
        let elements = sample_elements(field)?;
        if !matches!(dtype, DType::F32 | DType::F64 | DType::I32 | DType::I64 | DType::Bool) {
            return Err(misfit(format!("data cannot be fed as {dtype} yet")));
        }
        let mut pipeline = FieldPipeline {
            name: field.name.clone(),
            dtype,
            elements,
            augment,
            picture: None,
            scaling,
            table: Vec::new(),
        };
        match column {
            Column::Pictures(pictures) => {
                pipeline.picture = Some((pictures.channels, pictures.size.0, pictures.size.1));
                if !dtype.is_float() {
                    return Err(misfit("pictures are fed as floating-point numbers".to_owned()));
                }
                pipeline.table = (0..pictures.channels).map(|channel| pipeline.byte_table(channel)).collect();
            }
            Column::Numbers { width, .. } => {
                if !dtype.is_float() {
                    return Err(misfit("its column holds fractional numbers".to_owned()));
                }
                let dims = picture_dims(&sample_dims(field)?);
                pipeline.picture = dims.filter(|_| !pipeline.augment.is_empty());
                if *width != elements {
                    return Err(misfit(format!("the data gives {width} numbers per sample, not {elements}")));
                }
            }
            Column::Integers { width, values } => {
                let one_hot = *width == 1 && dtype.is_float();
                if *width != elements && !one_hot {
                    return Err(misfit(format!(
                        "the data gives {width} integers per sample, not {elements}"
                    )));
                }
                if dtype == DType::I32 && values.iter().any(|&value| i32::try_from(value).is_err()) {
                    return Err(misfit("its column holds an integer beyond 32 bits".to_owned()));
                }
                if pipeline.scaling.is_some() {
                    return Err(misfit("its column holds labels, which no transform applies to".to_owned()));
                }
            }
        }
        pipeline.check_sizes(field)?;
        Ok(pipeline)
    }

    /// That training and evaluation both give the field's number of elements.
    fn check_sizes(&self, field: &Field) -> Result<()> {
        let Some((channels, height, width)) = self.picture else {
            if self.augment.is_empty() {
                return Ok(());
            }
            return Err(TrainError::Recipe(format!(
                "augmentation applies to pictures; the field `{}` is {}",
                field.name, field.ty
            )));
        };
        for training in [true, false] {
            let size = size_after(&self.augment, (height, width), training)?;
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

    fn byte_table(&self, channel: usize) -> [f32; 256] {
        std::array::from_fn(|byte| {
            let value = byte as f64 / 255.0;
            self.scaling.as_ref().map_or(value as f32, |scaling| scaling.apply(channel, value))
        })
    }

    /// The scaling, to be saved.
    pub(crate) fn scaling(&self) -> Option<&Scaling> {
        self.scaling.as_ref()
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
        draws: Option<&mut Stream>,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<()> {
        match column {
            Column::Pictures(pictures) => {
                let Scratch { bytes, spare_bytes, .. } = scratch;
                pictures.read(sample, &mut bytes.values)?;
                (bytes.channels, bytes.size) = (pictures.channels, pictures.size);
                self.change(bytes, spare_bytes, draws);
                let plane = bytes.size.0 * bytes.size.1;
                let planes = bytes.values.chunks_exact(plane.max(1)).zip(&self.table);
                for ((plane, table), out) in
                    planes.zip(out.chunks_exact_mut((plane * self.dtype.size()).max(1)))
                {
                    write(self.dtype, plane.iter().map(|&byte| table[usize::from(byte)]), out);
                }
            }
            Column::Numbers { values, width } => {
                let values = &values[sample * width..][..*width];
                let Scratch { numbers, spare_numbers, .. } = scratch;
                numbers.values.clear();
                numbers.values.extend_from_slice(values);
                if let Some((channels, height, width)) = self.picture {
                    (numbers.channels, numbers.size) = (channels, (height, width));
                    self.change(numbers, spare_numbers, draws);
                }
                if let Some(scaling) = &self.scaling {
                    for (unit, value) in numbers.values.iter_mut().enumerate() {
                        *value = scaling.apply(unit, f64::from(*value));
                    }
                }
                write(self.dtype, numbers.values.iter().copied(), out);
            }
            Column::Integers { values, width } => {
                let values = &values[sample * width..][..*width];
                if self.elements != *width {
                    out.fill(0);
                    let class = usize::try_from(values[0]).ok().filter(|&class| class < self.elements);
                    if let Some(class) = class {
                        write_integer(
                            self.dtype,
                            1,
                            &mut out[class * self.dtype.size()..][..self.dtype.size()],
                        );
                    }
                    return Ok(());
                }
                for (&value, out) in values.iter().zip(out.chunks_exact_mut(self.dtype.size())) {
                    write_integer(self.dtype, value, out);
                }
            }
        }
        Ok(())
    }

    fn change<T: Copy + Default>(
        &self,
        picture: &mut Planes<T>,
        spare: &mut Vec<T>,
        draws: Option<&mut Stream>,
    ) {
        match draws {
            Some(draws) => augment(picture, spare, &self.augment, draws),
            None => middle(picture, spare, &self.augment),
        }
    }
}
