//! Batches prepared on other threads while the engine computes.
//!
//! One thread makes them, or several where samples are decoded from files or costly to change. Two buffers
//! more than threads go round, so that after the first batches nothing is allocated: a run holds
//! `threads + 2` batches, and one sample per thread while it is made. The order of samples and every random
//! change follow from seed, epoch and sample alone, so batches are the same for any number of threads.

use crate::augment::{Draws, Mixing};
use crate::field::Scratch;
use crate::prepare::PreparedData;
use crate::{Result, TrainError};
use dlc_types::DType;
use dlc_types::random::Stream;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// Buffers that go round beside one per thread.
const MORE_BUFFERS: usize = 2;
/// Names the use of the seed for the order of samples.
const STREAM: u32 = 0xD1C0_0003;

/// Samples as tensors.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Number of samples.
    pub samples: usize,
    /// One plain tensor per input that is fed.
    pub inputs: Vec<Vec<u8>>,
}

/// One way through some samples.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The samples in their order.
    pub order: &'a [usize],
    /// Samples per batch.
    pub batch: usize,
    /// The number of the field that feeds each input.
    pub feed: &'a [usize],
    /// Seed and epoch of the random changes; `None` for evaluation.
    pub random: Option<(u64, usize)>,
}

/// The order of training samples in an epoch.
pub(crate) fn epoch_order(training: &[usize], shuffle: bool, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order = training.to_vec();
    if shuffle {
        Stream::new(seed, STREAM, epoch as u32).shuffle(&mut order);
    }
    order
}

/// Training steps per epoch. A last batch that is not full is left out, unless it is the only one:
/// every step then sees as many samples, and schedules can count on the number of steps.
pub(crate) fn steps_per_epoch(training: usize, batch: usize) -> usize {
    (training / batch).max(1)
}

/// Writes one sample of every input.
fn fill_sample(
    data: &PreparedData,
    pass: &Pass<'_>,
    draws: Option<Draws>,
    (sample, place): (usize, usize),
    scratch: &mut Scratch,
    inputs: &mut [Vec<u8>],
) -> Result<()> {
    let mixing = match (draws, data.mixup) {
        (Some(draws), Some((step, alpha))) => {
            Some(Mixing::drawn(alpha, draws, sample, step, data.parts.training.len()))
        }
        _ => None,
    };
    for (&field, bytes) in pass.feed.iter().zip(inputs) {
        let (pipeline, column) = (&data.pipelines[field], &data.dataset.columns[field]);
        let length = pipeline.sample_bytes();
        let out = &mut bytes[place * length..][..length];
        pipeline.fill(column, sample, draws, scratch, out)?;
        if let Some(Mixing { other, share }) = mixing {
            let mut aside = std::mem::take(&mut scratch.other);
            aside.resize(length, 0);
            let made = pipeline.fill(column, data.parts.training[other], draws, scratch, &mut aside);
            mix(pipeline.dtype, share, out, &aside);
            scratch.other = aside;
            made?;
        }
    }
    Ok(())
}

/// `share * out + (1 - share) * other`, in place.
fn mix(dtype: DType, share: f32, out: &mut [u8], other: &[u8]) {
    if dtype == DType::F64 {
        let share = f64::from(share);
        for (out, other) in out.as_chunks_mut().0.iter_mut().zip(other.as_chunks().0) {
            let (a, b) = (f64::from_ne_bytes(*out), f64::from_ne_bytes(*other));
            *out = (share * a + (1.0 - share) * b).to_ne_bytes();
        }
        return;
    }
    for (out, other) in out.as_chunks_mut().0.iter_mut().zip(other.as_chunks().0) {
        let (a, b) = (f32::from_ne_bytes(*out), f32::from_ne_bytes(*other));
        *out = (share * a + (1.0 - share) * b).to_ne_bytes();
    }
}

fn fill(
    data: &PreparedData,
    pass: &Pass<'_>,
    samples: &[usize],
    scratch: &mut Scratch,
    out: &mut Batch,
) -> Result<()> {
    out.samples = samples.len();
    out.inputs.resize_with(pass.feed.len(), Vec::new);
    for (&field, bytes) in pass.feed.iter().zip(&mut out.inputs) {
        bytes.resize(data.pipelines[field].sample_bytes() * samples.len(), 0);
    }
    let draws = PreparedData::draws(pass.random);
    for (place, &sample) in samples.iter().enumerate() {
        fill_sample(data, pass, draws, (sample, place), scratch, &mut out.inputs)?;
    }
    Ok(())
}

/// The empty buffers, and the number of the next batch.
struct Queue {
    empty: Receiver<Batch>,
    next: usize,
}

/// Makes batches until there are no more, or nobody takes them.
fn work(data: &PreparedData, pass: &Pass<'_>, queue: &Mutex<Queue>, full: &Sender<(usize, Result<Batch>)>) {
    let size = pass.batch.max(1);
    let mut scratch = Scratch::default();
    loop {
        let (number, mut batch) = {
            // The lock is held while waiting, so the lowest number that is missing has a buffer.
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.next * size >= pass.order.len() {
                return;
            }
            let Ok(batch) = queue.empty.recv() else { return };
            queue.next += 1;
            (queue.next - 1, batch)
        };
        let samples = &pass.order[number * size..];
        let samples = &samples[..size.min(samples.len())];
        let made = fill(data, pass, samples, &mut scratch, &mut batch).map(|()| batch);
        if full.send((number, made)).is_err() {
            return;
        }
    }
}

/// Makes the batches of a pass on other threads and hands each in order to `consume` on this one;
/// `Ok(false)` from it ends the pass.
pub fn each_batch(
    data: &PreparedData,
    pass: &Pass<'_>,
    mut consume: impl FnMut(&Batch) -> Result<bool>,
) -> Result<()> {
    each_batch_ahead(data, pass, |batch, _| consume(batch))
}

/// The same for one who has use for the batch behind the one at hand where it is already made.
pub(crate) fn each_batch_ahead(
    data: &PreparedData,
    pass: &Pass<'_>,
    mut consume: impl FnMut(&Batch, Option<&Batch>) -> Result<bool>,
) -> Result<()> {
    let threads = data.threads.max(1);
    let (empty_sender, empty) = channel::<Batch>();
    let queue = Mutex::new(Queue { empty, next: 0 });
    std::thread::scope(|scope| {
        // Both ends that this thread holds go when it is done, which ends the others.
        let empty_sender = empty_sender;
        let (full_sender, full) = channel::<(usize, Result<Batch>)>();
        for _ in 0..threads + MORE_BUFFERS {
            // The other end is alive.
            let _ = empty_sender.send(Batch::default());
        }
        for _ in 0..threads {
            let (queue, full) = (&queue, full_sender.clone());
            std::thread::Builder::new()
                .name("dlc-loader".to_owned())
                .spawn_scoped(scope, move || work(data, pass, queue, &full))
                .map_err(|cause| TrainError::Runtime(dlc_runtime::RuntimeError::Thread(cause)))?;
        }
        drop(full_sender);
        let mut early = BTreeMap::new();
        for number in 0.. {
            while !early.contains_key(&number) {
                let Ok((made, batch)) = full.recv() else { return Ok(()) };
                early.insert(made, batch);
            }
            let Some(batch) = early.remove(&number) else { return Ok(()) };
            let batch = batch?;
            early.extend(full.try_iter());
            let next = early.get(&(number + 1)).and_then(|next| next.as_ref().ok());
            if !consume(&batch, next)? {
                return Ok(());
            }
            // The loader may have ended already; then nobody needs the buffer.
            let _ = empty_sender.send(batch);
        }
        Ok(())
    })
}
