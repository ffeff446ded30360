//! Batches prepared on a second thread while the engine computes.
//!
//! A few buffers go round between the two threads, so that after the first batches nothing is
//! allocated. The order of samples and every random change follow from seed and epoch alone.

use crate::augment::draws;
use crate::field::Scratch;
use crate::prepare::PreparedData;
use crate::{Result, TrainError};
use dlc_types::random::Stream;
use std::sync::mpsc::{channel, sync_channel};

/// Buffers that go round.
const BUFFERS: usize = 3;
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
        let pipeline = &data.pipelines[field];
        let column = &data.dataset.columns[field];
        let length = pipeline.sample_bytes();
        bytes.resize(length * samples.len(), 0);
        for (&sample, out) in samples.iter().zip(bytes.chunks_exact_mut(length.max(1))) {
            let mut random = pass.random.map(|(seed, epoch)| draws(seed, epoch, sample));
            pipeline.fill(column, sample, random.as_mut(), scratch, out)?;
        }
    }
    Ok(())
}

/// Makes the batches of a pass on a second thread and hands each to `consume` on this one; `Ok(false)`
/// from it ends the pass.
pub fn each_batch(
    data: &PreparedData,
    pass: &Pass<'_>,
    mut consume: impl FnMut(&Batch) -> Result<bool>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (full_sender, full) = sync_channel::<Result<Batch>>(BUFFERS);
        let (empty_sender, empty) = channel::<Batch>();
        for _ in 0..BUFFERS {
            // The other end is alive in this scope.
            let _ = empty_sender.send(Batch::default());
        }
        let prepare = move || {
            let mut scratch = Scratch::default();
            for samples in pass.order.chunks(pass.batch.max(1)) {
                let Ok(mut batch) = empty.recv() else { return };
                let made = fill(data, pass, samples, &mut scratch, &mut batch).map(|()| batch);
                let failed = made.is_err();
                if full_sender.send(made).is_err() || failed {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("dlc-loader".to_owned())
            .spawn_scoped(scope, prepare)
            .map_err(|cause| TrainError::Runtime(dlc_runtime::RuntimeError::Thread(cause)))?;
        for batch in full {
            let batch = batch?;
            if !consume(&batch)? {
                return Ok(());
            }
            // The loader may have ended already; then nobody needs the buffer.
            let _ = empty_sender.send(batch);
        }
        Ok(())
    })
}
