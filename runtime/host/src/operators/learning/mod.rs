//! The domain of classical machine learning, `ai.onnx.ml`.

pub(super) mod ensemble;
pub(super) mod features;
pub(super) mod labels;
pub(super) mod models;
pub(super) mod older_ensemble;
mod scores;
