//! `TreeEnsemble`: trees of comparisons, whose leaves' weights are joined per target.

use super::models::rows;
use super::scores::PostTransform;
use crate::attribute::Given;
use crate::call::{Call, Outcome, one, unknown_choice};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::index::{count, dim};
use crate::operator::{Operator, ml};
use crate::tensor::Tensor;

pub(in crate::operators) const ROWS: &[Operator] = &[ml("TreeEnsemble", 5, ensemble)];

/// How leaves join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Average,
    Sum,
    Min,
    Max,
}

impl Aggregate {
    pub(super) fn named(name: &str) -> Result<Aggregate> {
        Ok(match name {
            "AVERAGE" => Aggregate::Average,
            "SUM" => Aggregate::Sum,
            "MIN" => Aggregate::Min,
            "MAX" => Aggregate::Max,
            other => return Err(unknown_choice("aggregate_function", other)),
        })
    }

    /// Adds a weight to what a target has so far.
    pub(super) fn join(self, so_far: &mut Option<f64>, weight: f64) {
        *so_far = Some(match (self, *so_far) {
            (_, None) => weight,
            (Aggregate::Average | Aggregate::Sum, Some(sum)) => sum + weight,
            (Aggregate::Min, Some(least)) => least.min(weight),
            (Aggregate::Max, Some(greatest)) => greatest.max(weight),
        });
    }

    /// The result of a target over so many trees.
    pub(super) fn finish(self, joined: Option<f64>, trees: usize) -> f64 {
        let joined = joined.unwrap_or(0.0);
        if self == Aggregate::Average { joined / trees.max(1) as f64 } else { joined }
    }
}

/// How a node compares its feature.
#[derive(Clone, Debug)]
pub(super) enum Test {
    LessOrEqual(f64),
    Less(f64),
    GreaterOrEqual(f64),
    Greater(f64),
    Equal(f64),
    NotEqual(f64),
    Member(Vec<f64>),
}

impl Test {
    pub(super) fn holds(&self, feature: f64) -> bool {
        match self {
            Test::LessOrEqual(value) => feature <= *value,
            Test::Less(value) => feature < *value,
            Test::GreaterOrEqual(value) => feature >= *value,
            Test::Greater(value) => feature > *value,
            Test::Equal(value) => feature == *value,
            Test::NotEqual(value) => feature != *value,
            Test::Member(values) => values.contains(&feature),
        }
    }
}

/// The tests of all nodes. Members of sets stand in one list, in the order of the nodes that ask for them, with NaN behind each set.
fn tests(call: &Call<'_>) -> Result<Vec<Test>> {
    let missing = |name: &str| invalid(format!("attribute {name} is missing"));
    let splits = call.tensor("nodes_splits")?.ok_or_else(|| missing("nodes_splits"))?.floats()?;
    let modes = call.tensor("nodes_modes")?.ok_or_else(|| missing("nodes_modes"))?.integers()?;
    let members = call.tensor("membership_values")?.map(Tensor::floats).transpose()?.unwrap_or_default();
    let mut sets = members.split(|value| value.is_nan());
    let test = |(mode, split): (i64, f64)| {
        Ok(match mode {
            0 => Test::LessOrEqual(split),
            1 => Test::Less(split),
            2 => Test::GreaterOrEqual(split),
            3 => Test::Greater(split),
            4 => Test::Equal(split),
            5 => Test::NotEqual(split),
            6 => Test::Member(sets.next().ok_or_else(|| missing("membership_values"))?.to_vec()),
            other => return Err(unknown_choice("nodes_modes", &other.to_string())),
        })
    };
    if splits.len() != modes.len() {
        return Err(invalid(format!("{} splits do not fit {} modes", splits.len(), modes.len())));
    }
    modes.into_iter().zip(splits).map(test).collect()
}

/// Lists of one entry per node.
struct Nodes {
    tests: Vec<Test>,
    features: Vec<usize>,
    /// For each outcome of a test: where to go, and whether a leaf is there.
    next: [Vec<(usize, bool)>; 2],
    missing_is_true: Vec<bool>,
}

fn list(call: &Call<'_>, name: &str, length: Option<usize>) -> Result<Vec<usize>> {
    let values = call.ints(name)?.ok_or_else(|| invalid(format!("attribute {name} is missing")))?;
    if length.is_some_and(|length| length != values.len()) {
        return Err(invalid(format!("attribute {name} has {} entries", values.len())));
    }
    values.iter().map(|&value| dim(value)).collect()
}

impl Nodes {
    fn of(call: &Call<'_>) -> Result<Nodes> {
        let tests = tests(call)?;
        let length = Some(tests.len());
        let way = |ids: &str, leaves: &str| -> Result<Vec<(usize, bool)>> {
            let leaves = list(call, leaves, length)?.into_iter().map(|leaf| leaf != 0);
            Ok(list(call, ids, length)?.into_iter().zip(leaves).collect())
        };
        let missing_is_true = match call.given("nodes_missing_value_tracks_true") {
            Some(_) => list(call, "nodes_missing_value_tracks_true", length)?,
            None => vec![0; tests.len()],
        };
        Ok(Nodes {
            features: list(call, "nodes_featureids", length)?,
            next: [
                way("nodes_falsenodeids", "nodes_falseleafs")?,
                way("nodes_truenodeids", "nodes_trueleafs")?,
            ],
            missing_is_true: missing_is_true.into_iter().map(|flag| flag != 0).collect(),
            tests,
        })
    }

    /// The leaf that a row ends in.
    fn leaf(&self, root: usize, row: &[f64]) -> Result<usize> {
        let outside = || invalid("a node or feature of a tree does not exist");
        let mut node = root;
        for _ in 0..=self.tests.len() {
            let test = self.tests.get(node).ok_or_else(outside)?;
            let &feature = row.get(self.features[node]).ok_or_else(outside)?;
            let holds = test.holds(feature) || feature.is_nan() && self.missing_is_true[node];
            match self.next[usize::from(holds)][node] {
                (leaf, true) => return Ok(leaf),
                (next, false) => node = next,
            }
        }
        Err(invalid("the nodes of a tree form a circle"))
    }
}

fn ensemble(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let (rows, features) = rows(data)?;
    let nodes = Nodes::of(call)?;
    let roots = list(call, "tree_roots", None)?;
    let targets = dim(call.required_int("n_targets")?)?;
    let leaf_targets = list(call, "leaf_targetids", None)?;
    let weights =
        call.tensor("leaf_weights")?.ok_or_else(|| invalid("attribute leaf_weights is missing"))?.floats()?;
    let aggregate = match call.int_or("aggregate_function", 1)? {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(unknown_choice("aggregate_function", &other.to_string())),
    };
    let transform = PostTransform::numbered(call.int_or("post_transform", 0)?)?;
    let dims = vec![rows, targets];
    count(&dims)?;
    let values = data.floats()?;
    let mut results = Vec::with_capacity(rows);
    for row in 0..rows {
        let row = &values[row * features..][..features];
        let mut joined: Vec<Option<f64>> = vec![None; targets];
        for &root in &roots {
            let leaf = nodes.leaf(root, row)?;
            let (target, weight) = (leaf_targets.get(leaf), weights.get(leaf));
            let slot = target.and_then(|&target| joined.get_mut(target)).zip(weight);
            let (slot, &weight) = slot.ok_or_else(|| invalid(format!("leaf {leaf} does not exist")))?;
            aggregate.join(slot, weight);
        }
        let mut scores: Vec<f64> = joined.into_iter().map(|one| aggregate.finish(one, roots.len())).collect();
        transform.apply(&mut scores);
        results.extend(scores);
    }
    let element = if data.element() == Element::F64 { Element::F64 } else { Element::F32 };
    one(Tensor::of_floats(element, dims, results)?)
}
