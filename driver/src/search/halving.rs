//! Successive halving: all candidates train for a few epochs, the better ones go on.
//!
//! Source: Jamieson, Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016.
//!
//! A *rung* is a number of epochs with how many candidates reach it. The last rung is the whole run, and every
//! rung before it has `factor` times the candidates for a `factor`-th of the epochs. A candidate that goes on is
//! resumed, so that its run is that of a candidate which nobody stopped, schedules included.

/// How far so many candidates get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    /// Epochs that are done when it is reached.
    pub epochs: usize,
    /// How many candidates train that far.
    pub candidates: usize,
}

/// The rungs, first to last; one alone without a factor.
pub(super) fn rungs(candidates: usize, epochs: usize, factor: Option<usize>) -> Vec<Rung> {
    let mut rungs = vec![Rung { epochs, candidates }];
    let Some(factor) = factor.filter(|&factor| factor > 1) else { return rungs };
    // From the first rung on, as long as candidates can be told apart and epochs are left to grow.
    while let Some(last) = rungs.last_mut() {
        let fewer = last.candidates / factor;
        let shorter = last.epochs.div_ceil(factor);
        if fewer == 0 || shorter == last.epochs {
            break;
        }
        rungs.push(Rung { epochs: shorter, candidates: fewer });
    }
    let lengths: Vec<usize> = rungs.iter().rev().map(|rung| rung.epochs).collect();
    rungs.iter().zip(lengths).map(|(rung, epochs)| Rung { epochs, candidates: rung.candidates }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(candidates: usize, epochs: usize, factor: Option<usize>) -> Vec<(usize, usize)> {
        rungs(candidates, epochs, factor).iter().map(|rung| (rung.epochs, rung.candidates)).collect()
    }

    #[test]
    fn every_rung_has_a_share_of_the_candidates_and_a_multiple_of_the_epochs() {
        assert_eq!(pairs(27, 27, Some(3)), [(1, 27), (3, 9), (9, 3), (27, 1)]);
        assert_eq!(pairs(10, 20, Some(2)), [(3, 10), (5, 5), (10, 2), (20, 1)]);
        // No rung of fewer epochs than one, no rung without candidates.
        assert_eq!(pairs(100, 2, Some(2)), [(1, 100), (2, 50)]);
        assert_eq!(pairs(2, 8, Some(3)), [(8, 2)]);
        assert_eq!(pairs(5, 8, None), [(8, 5)]);
        assert_eq!(pairs(5, 8, Some(1)), [(8, 5)]);
    }
}
