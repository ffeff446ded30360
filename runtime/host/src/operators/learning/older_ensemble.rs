//! `TreeEnsembleRegressor` and `TreeEnsembleClassifier`, the forms before `TreeEnsemble`: nodes have names, the pair of tree and
//! node, and weights name the leaves that they belong to.

use super::ensemble::{Aggregate, Test};
use super::models::{Labels, rows};
use super::scores::{PostTransform, best};
use crate::attribute::Given;
use crate::call::{Call, Outcome, one, unknown_choice};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::index::{count, dim};
use crate::operator::{Operator, ml};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

pub(in crate::operators) const ROWS: &[Operator] =
    &[ml("TreeEnsembleRegressor", 1, regress), ml("TreeEnsembleClassifier", 1, classify)];

/// Tree and node.
type Name = (i64, i64);

struct Node {
    /// None for a leaf.
    test: Option<Test>,
    feature: usize,
    next: [i64; 2],
    missing_is_true: bool,
    /// Targets and weights, where it is a leaf.
    weights: Vec<(usize, f64)>,
}

struct Forest {
    nodes: BTreeMap<Name, Node>,
    roots: Vec<Name>,
}

/// Floats of an attribute, or of its newer form as a tensor.
fn floats(call: &Call<'_>, name: &str) -> Result<Option<Vec<f64>>> {
    if let Some(tensor) = call.tensor(&format!("{name}_as_tensor"))? {
        return tensor.floats().map(Some);
    }
    Ok(call.floats(name)?.map(|values| values.iter().map(|&value| f64::from(value)).collect()))
}

fn ints<'a>(call: &'a Call<'_>, name: &str) -> Result<&'a [i64]> {
    Ok(call.ints(name)?.ok_or_else(|| invalid(format!("attribute {name} is missing")))?)
}

fn test(mode: &str, value: f64) -> Result<Option<Test>> {
    Ok(Some(match mode {
        "LEAF" => return Ok(None),
        "BRANCH_LEQ" => Test::LessOrEqual(value),
        "BRANCH_LT" => Test::Less(value),
        "BRANCH_GTE" => Test::GreaterOrEqual(value),
        "BRANCH_GT" => Test::Greater(value),
        "BRANCH_EQ" => Test::Equal(value),
        "BRANCH_NEQ" => Test::NotEqual(value),
        other => return Err(unknown_choice("nodes_modes", other)),
    }))
}

impl Forest {
    /// `kind` is `target` or `class`, which the attributes about weights begin with.
    fn of(call: &Call<'_>, kind: &str) -> Result<Forest> {
        let (trees, ids) = (ints(call, "nodes_treeids")?, ints(call, "nodes_nodeids")?);
        let (yes, no) = (ints(call, "nodes_truenodeids")?, ints(call, "nodes_falsenodeids")?);
        let features = ints(call, "nodes_featureids")?;
        let modes =
            call.strings("nodes_modes")?.ok_or_else(|| invalid("attribute nodes_modes is missing"))?;
        let values = floats(call, "nodes_values")?.unwrap_or_default();
        let missing = call.ints("nodes_missing_value_tracks_true")?.map(Vec::as_slice).unwrap_or_default();
        let count = trees.len();
        let same = [ids.len(), yes.len(), no.len(), features.len(), modes.len(), values.len()];
        if same.iter().any(|&length| length != count) {
            return Err(invalid("the attributes of nodes have different lengths"));
        }
        let (mut nodes, mut roots) = (BTreeMap::new(), BTreeMap::new());
        for index in 0..count {
            let name = (trees[index], ids[index]);
            roots.entry(trees[index]).or_insert(name);
            let node = Node {
                test: test(&modes[index], values[index])?,
                feature: dim(features[index])?,
                next: [no[index], yes[index]],
                missing_is_true: missing.get(index).is_some_and(|&flag| flag != 0),
                weights: Vec::new(),
            };
            nodes.insert(name, node);
        }
        let of_weights = |part: &str| ints(call, &format!("{kind}_{part}"));
        let (trees, ids, targets) = (of_weights("treeids")?, of_weights("nodeids")?, of_weights("ids")?);
        let weights = floats(call, &format!("{kind}_weights"))?.unwrap_or_default();
        for (((tree, id), &target), &weight) in trees.iter().zip(ids).zip(targets).zip(&weights) {
            let node = nodes.get_mut(&(*tree, *id));
            let node: &mut Node = node.ok_or_else(|| invalid(format!("tree {tree} has no node {id}")))?;
            node.weights.push((dim(target)?, weight));
        }
        Ok(Forest { nodes, roots: roots.into_values().collect() })
    }

    fn leaf(&self, root: Name, row: &[f64]) -> Result<&Node> {
        let mut name = root;
        for _ in 0..=self.nodes.len() {
            let node = self.nodes.get(&name);
            let node = node.ok_or_else(|| invalid(format!("tree {} has no node {}", name.0, name.1)))?;
            let Some(test) = &node.test else { return Ok(node) };
            let &feature = row
                .get(node.feature)
                .ok_or_else(|| invalid(format!("there is no feature {}", node.feature)))?;
            let holds = if feature.is_nan() { node.missing_is_true } else { test.holds(feature) };
            name.1 = node.next[usize::from(holds)];
        }
        Err(invalid(format!("the nodes of tree {} form a circle", root.0)))
    }

    /// A row of joined weights per row of features, before the base values; none where no leaf names a target.
    fn scores(&self, data: &Tensor, targets: usize, aggregate: Aggregate) -> Result<Vec<Vec<f64>>> {
        let (rows, features) = rows(data)?;
        count(&[rows, targets])?;
        let values = data.floats()?;
        let row = |row: usize| {
            let mut joined = vec![None; targets];
            for &root in &self.roots {
                for &(target, weight) in &self.leaf(root, &values[row * features..][..features])?.weights {
                    let slot = joined.get_mut(target);
                    aggregate
                        .join(slot.ok_or_else(|| invalid(format!("there is no target {target}")))?, weight);
                }
            }
            Ok(joined.into_iter().map(|one| aggregate.finish(one, self.roots.len())).collect())
        };
        (0..rows).map(row).collect()
    }
}

fn add_base(call: &Call<'_>, scores: &mut [Vec<f64>]) -> Result<()> {
    let Some(base) = floats(call, "base_values")?.filter(|base| !base.is_empty()) else { return Ok(()) };
    for row in scores {
        if base.len() != row.len() && base.len() != 1 {
            return Err(invalid(format!("{} base values do not fit {} targets", base.len(), row.len())));
        }
        row.iter_mut().zip(base.iter().cycle()).for_each(|(score, base)| *score += base);
    }
    Ok(())
}

fn regress(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let forest = Forest::of(call, "target")?;
    let targets = dim(call.required_int("n_targets")?)?;
    let aggregate = Aggregate::named(call.string_or("aggregate_function", "SUM")?)?;
    let transform = PostTransform::named(call.string_or("post_transform", "NONE")?)?;
    let mut scores = forest.scores(data, targets, aggregate)?;
    add_base(call, &mut scores)?;
    scores.iter_mut().for_each(|row| transform.apply(row));
    one(Tensor::of_floats(Element::F32, vec![scores.len(), targets], scores.concat())?)
}

fn classify(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let forest = Forest::of(call, "class")?;
    let labels = Labels::of(call, "classlabels_int64s")?;
    let transform = PostTransform::named(call.string_or("post_transform", "NONE")?)?;
    let mut scores = forest.scores(data, labels.len(), Aggregate::Sum)?;
    add_base(call, &mut scores)?;
    let named = ints(call, "class_ids")?;
    let binary = named.windows(2).all(|pair| pair[0] == pair[1]);
    if binary && labels.len() <= 2 {
        for row in &mut scores {
            // One score stands for the second class.
            let score = row[0];
            let raw = matches!(transform, PostTransform::None | PostTransform::Probit);
            *row = vec![if raw { 1.0 - score } else { -score }, score];
        }
    }
    scores.iter_mut().for_each(|row| transform.apply(row));
    let width = scores.first().map_or(labels.len(), Vec::len);
    let class = |row: &Vec<f64>| match (best(row), labels.len()) {
        // A single label is that of the second class; the first has none.
        (class, 1) => class.checked_sub(1),
        (class, _) => Some(class),
    };
    let classes: Vec<Option<usize>> = scores.iter().map(class).collect();
    let rows = scores.len();
    Ok(vec![
        labels.pick(&classes)?,
        Tensor::of_floats(Element::F32, vec![rows, width], scores.concat())?.into(),
    ])
}
