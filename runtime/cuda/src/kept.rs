//! Graphs that were recorded, for the batches that a function was last called with.

use crate::owned::Graph;

/// Batches of a function whose graphs are kept. A training run has two, that of most steps and that of an epoch's last.
const BATCHES: usize = 8;

/// What a graph was recorded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) batch: usize,
    /// Whether the prologue is part of it.
    pub(crate) prepare: bool,
}

/// The graphs of all functions, each function's with the one used last at the end.
pub(crate) struct KeptGraphs<G = Graph> {
    functions: Vec<Vec<(Recorded, G)>>,
}

impl<G> KeptGraphs<G> {
    pub(crate) fn new(functions: usize) -> KeptGraphs<G> {
        KeptGraphs { functions: std::iter::repeat_with(Vec::new).take(functions).collect() }
    }

    /// The graph of a function, which becomes the one used last.
    pub(crate) fn find(&mut self, function: usize, recorded: Recorded) -> Option<&G> {
        let graphs = self.functions.get_mut(function)?;
        let at = graphs.iter().position(|(kept, _)| *kept == recorded)?;
        graphs[at..].rotate_left(1);
        graphs.last().map(|(_, graph)| graph)
    }

    /// Keeps a graph; gives back those of the batch that was not used for longest, where there are too many.
    pub(crate) fn keep(&mut self, function: usize, recorded: Recorded, graph: G) -> Vec<G> {
        let Some(graphs) = self.functions.get_mut(function) else { return vec![graph] };
        graphs.push((recorded, graph));
        let mut batches: Vec<usize> = Vec::new();
        for (kept, _) in graphs.iter().rev() {
            if !batches.contains(&kept.batch) {
                batches.push(kept.batch);
            }
        }
        let Some(&oldest) = batches.get(BATCHES) else { return Vec::new() };
        graphs.extract_if(.., |(kept, _)| kept.batch == oldest).map(|(_, graph)| graph).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batches_used_last_are_kept() {
        let recorded = |batch, prepare| Recorded { batch, prepare };
        let mut graphs = KeptGraphs::new(2);
        for batch in 1..=BATCHES {
            assert!(graphs.keep(0, recorded(batch, false), batch).is_empty());
            assert!(graphs.keep(0, recorded(batch, true), 100 + batch).is_empty());
        }
        assert_eq!(graphs.find(0, recorded(1, true)), Some(&101));
        assert_eq!(graphs.keep(0, recorded(50, false), 50), [2, 102]);
        assert_eq!(graphs.find(0, recorded(2, true)), None);
        assert_eq!(graphs.find(0, recorded(1, false)), Some(&1));
        assert_eq!(graphs.find(0, recorded(50, false)), Some(&50));
        assert_eq!(graphs.find(0, recorded(50, true)), None);
        assert_eq!(graphs.find(1, recorded(1, false)), None);
        assert_eq!(graphs.find(2, recorded(1, false)), None);
    }
}
