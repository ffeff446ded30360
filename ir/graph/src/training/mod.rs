//! How a training step updates parameters: the part of a recipe that is compiled into the step.
//!
//! The step's bookkeeping lives in states: [`STEP`], [`TOTAL_STEPS`] and [`SEED`], which every training step
//! has, and those that only some need. All that depends on the step alone is a graph expression of them,
//! so that an embedder without the trainer gets it too.

mod optimizer;
mod schedule;

pub use optimizer::Optimizer;
pub use schedule::{Clock, Schedule, Time, Warmup};

/// State (`i32` scalar): number of steps done.
pub const STEP: &str = "train.step";
/// State (`i32` scalar): number of steps of the whole run, which schedules need; set by the caller.
pub const TOTAL_STEPS: &str = "train.total_steps";
/// State (`i64` scalar): seed of every random draw; set by the caller.
pub const SEED: &str = "train.seed";
/// State (`i32` scalar): number of steps of an epoch, for what is told in epochs
/// ([`Training::counts_epochs`]); set by the caller, and 0 counts as 1.
pub const EPOCH_STEPS: &str = "train.epoch_steps";
/// State (`f32` scalar, 1 at first): what every learning rate is multiplied with, where
/// [`Training::plateau`] is set; the caller lowers it when the watched value stands still.
pub const RATE_FACTOR: &str = "train.rate_factor";
/// State (`f32` scalar, 1 at first): product of all of [`Optimizer::Nadam`]'s momenta so far.
pub const MOMENTUM_PRODUCT: &str = "train.momentum_product";
/// Last part of the name of the state that holds the average of a parameter or state.
pub const AVERAGE: &str = "average";
/// Last part of the name of the state that gathers a parameter's gradient over several steps.
pub const ACCUMULATED: &str = "accumulated";

/// Last part of the name of the state (`bool`, of the parameter's shape) that tells which weights of a pruned parameter
/// are left.
pub const MASK: &str = "mask";

/// Everything that the compiled step needs to know about training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The update rule.
    pub optimizer: Optimizer,
    /// Its learning rate.
    pub schedule: Schedule,
    /// Whether the caller sets [`RATE_FACTOR`].
    pub plateau: bool,
    /// Decay of the weights: added to the gradient as `weight_decay * w`, or taken from the weights by
    /// rules that say so.
    pub weight_decay: f64,
    /// Parameters with rates or decay of their own; each parameter belongs to the first group that has it.
    pub groups: Vec<Group>,
    /// What is done to gradients, in order, before the rule sees them.
    pub clip: Vec<Clip>,
    /// Steps whose gradients are averaged for one update; 1 for an update at every step. The schedule counts
    /// updates.
    pub accumulate: u32,
    /// Averages of the weights beside the weights; evaluation and prediction use them.
    pub average: Option<Average>,
    /// Trainable parameters with a mask ([`MASK`]): weights that it leaves out are zero and stay zero.
    pub masked: Vec<String>,
}

/// Parameters that differ in rate or decay.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Their paths.
    pub parameters: Vec<String>,
    /// What the schedule's rate ([`Schedule::rate`]) is for them; `None` for that of all.
    pub rate: Option<f64>,
    /// `None` for the decay of all.
    pub weight_decay: Option<f64>,
}

/// A bound for gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// All gradients are scaled by `min(1, max / (norm + 1e-6))`, with the norm over all of them: Pascanu,
    /// Mikolov, Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
    Norm(f64),
    /// Every element is brought into `-max ..= max`.
    Value(f64),
}

/// An average of the weights over the run. Running statistics of the model are averaged like weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Average {
    /// `a = decay * a + (1 - decay) * w` after every update; the first update sets it: Polyak, Juditsky,
    /// "Acceleration of Stochastic Approximation by Averaging", 1992.
    Exponential {
        /// Share that is kept.
        decay: f64,
    },
    /// The mean of the weights at the ends of all epochs behind the first `start`; until the first of them
    /// the weights themselves: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
    /// Generalization", UAI 2018.
    Stochastic {
        /// Epochs before the averaging.
        start: u32,
    },
}

impl Training {
    /// A rule with a schedule, and nothing else.
    pub fn new(optimizer: Optimizer, schedule: Schedule) -> Training {
        Training {
            optimizer,
            schedule,
            plateau: false,
            weight_decay: 0.0,
            groups: Vec::new(),
            clip: Vec::new(),
            accumulate: 1,
            average: None,
            masked: Vec::new(),
        }
    }

    /// Whether the step reads [`EPOCH_STEPS`].
    pub fn counts_epochs(&self) -> bool {
        self.schedule.counts_epochs() || matches!(self.average, Some(Average::Stochastic { .. }))
    }

    /// The same training with all learning rates multiplied by a number.
    pub fn scaled(&self, factor: f64) -> Training {
        let mut training = self.clone();
        training.schedule = self.schedule.scaled(factor);
        for group in &mut training.groups {
            group.rate = group.rate.map(|rate| rate * factor);
        }
        if let Optimizer::Muon { adam_rate, .. } = &mut training.optimizer {
            *adam_rate = adam_rate.map(|rate| rate * factor);
        }
        training
    }

    /// The group of a parameter.
    pub fn group_of(&self, parameter: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.parameters.iter().any(|name| name == parameter))
    }
}
