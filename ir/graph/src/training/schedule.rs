//! The learning rate as a function of the number of updates done.

/// What times of a schedule are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Updates.
    Updates,
    /// Epochs, of [`super::EPOCH_STEPS`] steps each.
    Epochs,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// How many; above 0.
    pub amount: f64,
    /// Of what.
    pub clock: Clock,
}

/// The learning rate as a function of the number `t` of updates done, of `T` in all. `rate` is the first
/// rate, except for one-cycle, where it is the greatest.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// The same at every step.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// `rate * factor ^ floor(t / every)`. PyTorch's StepLR and ExponentialLR.
    Step {
        /// First rate.
        rate: f64,
        /// Time between changes.
        every: Time,
        /// What the rate is multiplied with.
        factor: f64,
    },
    /// `rate * factor ^ (number of ends up to t)`. PyTorch's MultiStepLR.
    Steps {
        /// First rate.
        rate: f64,
        /// When the rate changes.
        at: Vec<Time>,
        /// What the rate is multiplied with.
        factor: f64,
    },
    /// `least + (rate - least) / 2 * (1 + cos(pi * t / T))`, within each period: Loshchilov, Hutter, "SGDR:
    /// Stochastic Gradient Descent with Warm Restarts", ICLR 2017. PyTorch's CosineAnnealingLR and
    /// CosineAnnealingWarmRestarts.
    Cosine {
        /// First rate.
        rate: f64,
        /// Last rate of a period.
        least: f64,
        /// Length of the first period; `None` for the whole run, which has no restart.
        period: Option<Time>,
        /// Length of a period over that of the one before; at least 1.
        growth: f64,
    },
    /// `last + (rate - last) * (1 - t / T) ^ power`, and `last` behind the end. PyTorch's PolynomialLR has
    /// `last = 0`.
    Polynomial {
        /// First rate.
        rate: f64,
        /// Last rate.
        last: f64,
        /// 1 for a straight line.
        power: f64,
        /// `None` for the whole run.
        over: Option<Time>,
    },
    /// PyTorch's OneCycleLR with cosine annealing (Smith, Topin, "Super-Convergence", 2018): from
    /// `rate / div` up to `rate` over the first `warmup` of all steps, then down to
    /// `rate / div / final_div`.
    OneCycle {
        /// Greatest rate.
        rate: f64,
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
    /// A straight line up to the first rate of a schedule, which follows as if its time began there.
    Warmup(Box<Warmup>),
}

/// `start * rate` at first, and on a straight line to `rate`. PyTorch's LinearLR in front of another
/// schedule in a SequentialLR.
#[derive(Clone, Debug, PartialEq)]
pub struct Warmup {
    /// Length of the line.
    pub over: Time,
    /// Share of the rate to begin with, in 0..=1.
    pub start: f64,
    /// What follows.
    pub then: Schedule,
}

impl Schedule {
    /// The number that scales the schedule.
    pub fn rate(&self) -> f64 {
        match self {
            Schedule::Constant { rate }
            | Schedule::Step { rate, .. }
            | Schedule::Steps { rate, .. }
            | Schedule::Cosine { rate, .. }
            | Schedule::Polynomial { rate, .. }
            | Schedule::OneCycle { rate, .. } => *rate,
            Schedule::Warmup(warmup) => warmup.then.rate(),
        }
    }

    /// The same schedule of another rate.
    pub fn with_rate(&self, new: f64) -> Schedule {
        let mut schedule = self.clone();
        match &mut schedule {
            Schedule::Constant { rate }
            | Schedule::Step { rate, .. }
            | Schedule::Steps { rate, .. }
            | Schedule::Cosine { rate, .. }
            | Schedule::Polynomial { rate, .. }
            | Schedule::OneCycle { rate, .. } => *rate = new,
            Schedule::Warmup(warmup) => warmup.then = warmup.then.with_rate(new),
        }
        schedule
    }

    /// The same schedule with every rate multiplied by a number.
    pub fn scaled(&self, factor: f64) -> Schedule {
        self.with_rate(self.rate() * factor).with_last_scaled(factor)
    }

    /// The last rate alone, where the schedule has one of its own.
    fn with_last_scaled(mut self, factor: f64) -> Schedule {
        match &mut self {
            Schedule::Cosine { least, .. } => *least *= factor,
            Schedule::Polynomial { last, .. } => *last *= factor,
            Schedule::Warmup(warmup) => warmup.then = warmup.then.clone().with_last_scaled(factor),
            _ => {}
        }
        self
    }

    /// The same schedule of the rate alone.
    pub fn without_momentum(mut self) -> Schedule {
        match &mut self {
            Schedule::OneCycle { momentum, .. } => *momentum = None,
            Schedule::Warmup(warmup) => warmup.then = warmup.then.clone().without_momentum(),
            _ => {}
        }
        self
    }

    /// Momentum at the least and the greatest rate, where the schedule sets it.
    pub fn momentum(&self) -> Option<(f64, f64)> {
        match self {
            Schedule::OneCycle { momentum, .. } => *momentum,
            Schedule::Warmup(warmup) => warmup.then.momentum(),
            _ => None,
        }
    }

    /// Whether anything is counted in epochs.
    pub fn counts_epochs(&self) -> bool {
        let epochs = |time: &Time| time.clock == Clock::Epochs;
        match self {
            Schedule::Constant { .. } | Schedule::OneCycle { .. } => false,
            Schedule::Step { every, .. } => epochs(every),
            Schedule::Steps { at, .. } => at.iter().any(epochs),
            Schedule::Cosine { period: time, .. } | Schedule::Polynomial { over: time, .. } => {
                time.as_ref().is_some_and(epochs)
            }
            Schedule::Warmup(warmup) => epochs(&warmup.over) || warmup.then.counts_epochs(),
        }
    }
}
