//! How a training step updates parameters: the part of a recipe that is compiled into the step.
//!
//! The step's bookkeeping lives in three states that every training step has: [`STEP`], [`TOTAL_STEPS`]
//! and [`SEED`]. Schedules are graph expressions of the first two, so that an embedder without the
//! trainer gets them too.

/// State (`i32` scalar): number of steps done.
pub const STEP: &str = "train.step";
/// State (`i32` scalar): number of steps of the whole run, which schedules need; set by the caller.
pub const TOTAL_STEPS: &str = "train.total_steps";
/// State (`i64` scalar): seed of every random draw; set by the caller.
pub const SEED: &str = "train.seed";

/// The rule that turns gradients into updates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent in PyTorch's form: `g += decay * w; v = momentum * v + g;
    /// w -= rate * (nesterov ? g + momentum * v : v)`.
    Sgd {
        /// 0 for none, which needs no slot.
        momentum: f64,
        /// Nesterov's form of momentum.
        nesterov: bool,
        /// L2 penalty added to the gradient.
        weight_decay: f64,
    },
    /// Kingma, Ba, "Adam", ICLR 2015, with bias correction; `weight_decay` is added to the gradient.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// L2 penalty added to the gradient.
        weight_decay: f64,
    },
}

/// The learning rate as a function of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same at every step.
    Constant(f64),
    /// PyTorch's OneCycleLR with cosine annealing (Smith, Topin, "Super-Convergence", 2018): from
    /// `max / div` up to `max` over the first `warmup` of all steps, then down to
    /// `max / div / final_div`.
    OneCycle {
        /// Greatest rate.
        max: f64,
        /// Share of the steps that go up, in 0..=1.
        warmup: f64,
        /// Greatest rate over first.
        div: f64,
        /// First rate over last.
        final_div: f64,
        /// Momentum at the least and at the greatest rate (0.95, 0.85 in PyTorch); `None` leaves the
        /// optimiser's own.
        momentum: Option<(f64, f64)>,
    },
}

/// Everything that the compiled step needs to know about training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// The update rule.
    pub optimizer: Optimizer,
    /// Its learning rate.
    pub schedule: Schedule,
}
