//! What is reported beside the loss.
//!
//! The compiled function does what grows with the batch and leaves the rest to the trainer: means over samples are
//! scalars; everything that follows from right and wrong decisions is a confusion matrix, which adds up over
//! batches; what follows from the order of all scores are the scores themselves.

mod counted;
mod decided;
mod scored;
mod squared;

use super::PAIR;
use crate::layers::LayerSpec;

/// The two tensors, and how classes are averaged.
const AVERAGED: &[(&str, bool)] =
    &[("prediction", true), ("target", true), ("average", false), ("ignore", false)];

/// The two tensors, and the label of positions that do not count.
const COUNTED: &[(&str, bool)] = &[("prediction", true), ("target", true), ("ignore", false)];

/// The metrics.
pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("accuracy", COUNTED, decided::accuracy),
    LayerSpec::new(
        "top_k",
        &[("prediction", true), ("target", true), ("k", false), ("ignore", false)],
        decided::top_k,
    ),
    LayerSpec::new("confusion_matrix", COUNTED, counted::confusion_matrix),
    LayerSpec::new("precision", AVERAGED, counted::precision),
    LayerSpec::new("recall", AVERAGED, counted::recall),
    LayerSpec::new("f1", AVERAGED, counted::f1),
    LayerSpec::new("mean_iou", AVERAGED, counted::mean_iou),
    LayerSpec::new("auc", PAIR, scored::auc),
    LayerSpec::new("average_precision", PAIR, scored::average_precision),
    LayerSpec::new("rmse", PAIR, squared::rmse),
    LayerSpec::new("r2", PAIR, squared::r2),
];
