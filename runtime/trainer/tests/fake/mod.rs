//! An engine that computes a linear model by hand, recipes for it, and files made up on the spot.

#![allow(dead_code, reason = "not every test binary uses all of it")]

use dlc_recipe::{Augment, Data, Field, Recipe, Source, Split, Table, Transform};
use dlc_runtime::abi::{
    ElementType, Extent, FunctionInterface, Interface, PersistentRole, PersistentTensor, Port, PortRole,
    VERSION,
};
use dlc_runtime::{Checkpoint, HostTensor, LoadPolicy, RuntimeError, Samples};
use dlc_trainer::{Engine, Pass, Preparation, PreparedData, RunOptions, TrainError, each_batch};
use dlc_types::{DType, Dim, Shape, TensorType};
use std::path::Path;
use std::time::Duration;

pub(crate) fn field(name: &str, dtype: DType, dims: &[usize]) -> Field {
    let dims = std::iter::once(Dim::N).chain(dims.iter().map(|&dim| Dim::Fixed(dim))).collect();
    Field { name: name.to_owned(), ty: TensorType::new(dtype, Shape(dims)) }
}

pub(crate) fn data(source: Source, fields: Vec<Field>, batch: usize) -> Data {
    Data {
        name: "data".to_owned(),
        source,
        source_span: None,
        fields,
        transform: Vec::new(),
        augment: Vec::new(),
        split: Split { validation: 0.2, test: 0.1, ..Split::default() },
        class_weights: None,
        batch,
        shuffle: true,
    }
}

pub(crate) fn csv(path: &str, target: &str) -> Source {
    Source::Csv(Box::new(Table::new(path, target)))
}

/// Regression of `y` on two features, standardised.
pub(crate) fn regression() -> Recipe {
    let fields = vec![field("x", DType::F32, &[2]), field("y", DType::F32, &[])];
    let mut data = data(csv("table.csv", "y"), fields, 8);
    data.transform.push(("x".to_owned(), Transform::Standardize { per_channel: false }));
    Recipe {
        model: "linear".to_owned(),
        data,
        epochs: 4,
        seed: 7,
        start: None,
        monitor: None,
        metrics: Vec::new(),
        early_stop: None,
        plateau: None,
    }
}

/// A table with `y = 2 a - b + 1`.
pub(crate) fn write_table(folder: &Path, rows: usize) {
    let mut text = "a,b,y\n".to_owned();
    for row in 0..rows {
        let (a, b) = ((row * 7 % 23) as f32, (row * 5 % 11) as f32 / 4.0);
        text.push_str(&format!("{a},{b},{}\n", 2.0 * a - b + 1.0));
    }
    std::fs::write(folder.join("table.csv"), text).unwrap();
}

/// Everything is for training.
pub(crate) const ALL: Split = Split { validation: 0.0, test: 0.0, stratified: false, seed: None, fold: None };

pub(crate) fn recipe(data: Data) -> Recipe {
    Recipe {
        model: "m".to_owned(),
        data,
        epochs: 1,
        seed: 1,
        start: None,
        monitor: None,
        metrics: Vec::new(),
        early_stop: None,
        plateau: None,
    }
}

pub(crate) fn open_with(
    data: &Data,
    folder: &Path,
    options: &RunOptions,
) -> Result<PreparedData, TrainError> {
    PreparedData::open(&recipe(data.clone()), &Preparation { folder, options, seed: 1, saved: None })
}

pub(crate) fn open(data: &Data, folder: &Path) -> Result<PreparedData, TrainError> {
    open_with(data, folder, &RunOptions { threads: 2, ..RunOptions::default() })
}

/// All batches of a pass: number of samples and bytes of each input.
pub(crate) fn batches(data: &PreparedData, pass: &Pass<'_>) -> Vec<(usize, Vec<Vec<u8>>)> {
    let mut all = Vec::new();
    each_batch(data, pass, |batch| {
        all.push((batch.samples, batch.inputs.clone()));
        Ok(true)
    })
    .unwrap();
    all
}

pub(crate) fn write_picture(path: &Path, width: u32, height: u32, seed: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = |x: u32, y: u32| image::Rgb([(x * 10 + seed) as u8, (y * 10) as u8, seed as u8]);
    image::RgbImage::from_fn(width, height, pixel).save(path).unwrap();
}

pub(crate) fn flip() -> Augment {
    Augment::RandomFlip { probability: 0.5, vertical: false }
}

/// Fits `y = w . x + w2` on scaled `x` by gradient descent; diverges at step `poison`.
pub(crate) struct Linear {
    interface: Interface,
    weights: [f32; 3],
    offset: [f32; 2],
    factor: [f32; 2],
    steps: i32,
    pub(crate) total_steps: usize,
    pub(crate) poison: Option<i32>,
    /// Step after which a weight is infinite.
    pub(crate) infinite: Option<i32>,
    /// Samples seen by `train_step`, as (x0 bits).
    pub(crate) seen: Vec<u32>,
    /// What the next step was said to be given: its number and inputs.
    told: Option<(u64, Vec<Vec<u8>>)>,
    /// Steps that were told ahead and came as they were told.
    pub(crate) as_told: usize,
    /// What a step takes, in milliseconds.
    pub(crate) slowness: u64,
}

fn port(name: &str, role: PortRole, dims: &[Extent]) -> Port {
    Port { name: name.to_owned(), role, element: ElementType::F32, dims: dims.to_vec() }
}

impl Linear {
    pub(crate) fn new() -> Linear {
        let n = Extent { scale: 1, batch: true };
        let inputs = || {
            // The other order than the recipe's.
            vec![
                port("y", PortRole::Input, &[n]),
                port("x", PortRole::Input, &[n, Extent { scale: 2, batch: false }]),
            ]
        };
        let function = |name: &str, inputs, outputs| FunctionInterface {
            name: name.to_owned(),
            arena_bytes: 0,
            thread_bytes: 0,
            cleared: Vec::new(),
            keeps_persistent: false,
            inputs,
            outputs,
        };
        let report = || vec![port("mae", PortRole::Metric, &[]), port("loss", PortRole::Loss, &[])];
        let predict_inputs = vec![inputs().remove(1)];
        let tensor = |name: &str, element, dims: Vec<usize>| PersistentTensor {
            name: name.to_owned(),
            role: PersistentRole::Parameter,
            element,
            strides: vec![1; dims.len()],
            dims,
            offset: 0,
            bytes: 12,
        };
        let interface = Interface {
            version: VERSION,
            model: "linear".to_owned(),
            batch_max: 8,
            persistent_bytes: 0,
            tensors: vec![
                tensor("weights", ElementType::F32, vec![3]),
                tensor("train.step", ElementType::I32, vec![]),
                tensor("data.scaling.x.offset", ElementType::F32, vec![2]),
                tensor("data.scaling.x.factor", ElementType::F32, vec![2]),
            ],
            constants: Vec::new(),
            functions: vec![
                function("train", inputs(), report()),
                function("evaluate", inputs(), report()),
                function("predict", predict_inputs, vec![port("y_hat", PortRole::Output, &[n])]),
            ],
        };
        Linear {
            interface,
            weights: [0.0; 3],
            offset: [0.0; 2],
            factor: [1.0; 2],
            steps: 0,
            total_steps: 0,
            poison: None,
            infinite: None,
            seen: Vec::new(),
            told: None,
            as_told: 0,
            slowness: 0,
        }
    }

    fn output(&self, x: &[f32]) -> f32 {
        let [a, b] = self.scaled(x);
        self.weights[0] * a + self.weights[1] * b + self.weights[2]
    }

    fn scaled(&self, x: &[f32]) -> [f32; 2] {
        std::array::from_fn(|unit| (x[unit] - self.offset[unit]) * self.factor[unit])
    }

    fn pass(&self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> [f32; 3] {
        let (y, x) = (floats(inputs[0]), floats(inputs[1]));
        assert_eq!((y.len(), x.len(), report.len()), (batch, 2 * batch, 2));
        report.fill(0.0);
        let mut gradient = [0.0; 3];
        for (x, y) in x.chunks(2).zip(&y) {
            let error = self.output(x) - y;
            report[0] += error * error / batch as f32;
            report[1] += error.abs() / batch as f32;
            let [a, b] = self.scaled(x);
            for (slot, value) in gradient.iter_mut().zip([a, b, 1.0]) {
                *slot += error * value / batch as f32;
            }
        }
        gradient
    }
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|chunk| f32::from_ne_bytes(chunk.try_into().unwrap())).collect()
}

impl Engine for Linear {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn initialize(&mut self, seed: u64) -> Result<(), RuntimeError> {
        (self.weights, self.steps) = ([seed as f32 * 0.01; 3], 0);
        (self.offset, self.factor) = ([0.0; 2], [1.0; 2]);
        Ok(())
    }

    fn set_tensor(&mut self, name: &str, value: &HostTensor) -> Result<(), RuntimeError> {
        match name {
            "data.scaling.x.offset" => self.offset.copy_from_slice(&value.f32_values()?),
            "data.scaling.x.factor" => self.factor.copy_from_slice(&value.f32_values()?),
            _ => self.weights.copy_from_slice(&value.f32_values()?),
        }
        Ok(())
    }

    fn set_total_steps(&mut self, steps: usize) -> Result<(), RuntimeError> {
        self.total_steps = steps;
        Ok(())
    }

    fn train_step_ahead(
        &mut self,
        step: Samples<'_>,
        next: Option<Samples<'_>>,
        report: &mut [f32],
    ) -> Result<(), RuntimeError> {
        if let Some((number, inputs)) = self.told.take().filter(|(number, _)| *number == step.number) {
            assert_eq!(inputs, step.inputs, "samples {number}");
            self.as_told += 1;
        }
        self.told = next.map(|next| (next.number, next.inputs.iter().map(|bytes| bytes.to_vec()).collect()));
        std::thread::sleep(Duration::from_millis(self.slowness));
        self.train_step(step.batch, step.inputs, report)
    }

    fn train_step(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<(), RuntimeError> {
        self.seen.extend(floats(inputs[1]).chunks(2).map(|x| x[0].to_bits()));
        let gradient = self.pass(batch, inputs, report);
        self.steps += 1;
        for (weight, slope) in self.weights.iter_mut().zip(gradient) {
            *weight -= 0.1 * slope;
        }
        if self.infinite == Some(self.steps) {
            self.weights[2] = f32::INFINITY;
        }
        if self.poison == Some(self.steps) {
            report[0] = f32::NAN;
        }
        Ok(())
    }

    fn evaluate(&mut self, batch: usize, inputs: &[&[u8]], report: &mut [f32]) -> Result<(), RuntimeError> {
        self.pass(batch, inputs, report);
        Ok(())
    }

    fn predict(&mut self, _: usize, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), RuntimeError> {
        for (x, out) in floats(inputs[0]).chunks(2).zip(outputs[0].chunks_exact_mut(4)) {
            out.copy_from_slice(&self.output(x).to_ne_bytes());
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<Checkpoint, RuntimeError> {
        let mut checkpoint = Checkpoint::default();
        checkpoint.tensors.insert("weights".to_owned(), HostTensor::from_f32(&[3], &self.weights)?);
        checkpoint.tensors.insert("train.step".to_owned(), HostTensor::from_i32(&[], &[self.steps])?);
        for (part, values) in [("offset", &self.offset), ("factor", &self.factor)] {
            let name = format!("data.scaling.x.{part}");
            checkpoint.tensors.insert(name, HostTensor::from_f32(&[2], values)?);
        }
        Ok(checkpoint)
    }

    fn restore(&mut self, checkpoint: &Checkpoint, policy: LoadPolicy) -> Result<(), RuntimeError> {
        if policy == LoadPolicy::Exact {
            assert_eq!(checkpoint.tensors.len(), 4);
        }
        let find = |name: &str| {
            checkpoint.tensors.get(name).ok_or_else(|| RuntimeError::OtherModel {
                origin: checkpoint.origin("linear"),
                faults: vec![name.to_owned()],
            })
        };
        self.weights = find("weights")?.f32_values()?.try_into().unwrap();
        self.steps = find("train.step")?.i32_values()?[0];
        self.offset = find("data.scaling.x.offset")?.f32_values()?.try_into().unwrap();
        self.factor = find("data.scaling.x.factor")?.f32_values()?.try_into().unwrap();
        Ok(())
    }
}
