//! The update rules as data. What each computes, with its source, is in `dlc-compiler`, one file per rule.

/// The rule that turns gradients into updates. Rates come from the schedule, decay from
/// [`crate::Training::weight_decay`].
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd {
        /// 0 for none, which needs no slot.
        momentum: f64,
        /// Nesterov's form of momentum.
        nesterov: bool,
    },
    /// Adam; with decoupled decay AdamW.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Whether decay is taken from the weights rather than added to the gradient.
        decoupled: bool,
    },
    /// Adam with Nesterov's momentum.
    Nadam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// How soon the momentum nears `beta1`.
        momentum_decay: f64,
    },
    /// Adagrad.
    Adagrad {
        /// The rate at step `t` (from 0) is divided by `1 + t * rate_decay`.
        rate_decay: f64,
        /// First value of the sums of squares.
        initial: f64,
        /// Added to the root of the sum.
        epsilon: f64,
    },
    /// RMSProp.
    RmsProp {
        /// Decay of the mean square.
        alpha: f64,
        /// Momentum of the scaled gradients; 0 for none, which needs no slot.
        momentum: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
        /// Whether the mean square is taken less the square of the mean.
        centered: bool,
    },
    /// LAMB; decay is part of the direction whose norm the rate is scaled by.
    Lamb {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Muon for matrices and kernels, AdamW for all other parameters; decay is taken from the weights.
    Muon {
        /// Momentum of the gradients.
        momentum: f64,
        /// Nesterov's form of momentum.
        nesterov: bool,
        /// Newton-Schulz steps.
        iterations: u32,
        /// Matrices that AdamW updates too, by their paths.
        except: Vec<String>,
        /// The schedule's rate for AdamW's part; `None` for that of all.
        adam_rate: Option<f64>,
        /// AdamW's decay of the first moment.
        beta1: f64,
        /// AdamW's decay of the second moment.
        beta2: f64,
        /// What AdamW adds to the root of the second moment.
        epsilon: f64,
    },
}
