//! Where layers stand in a graph: a layer `fc` is what the nodes do that read initializers whose names begin with
//! `fc.`.

use crate::uses::needed;
use crate::{Document, Node};
use std::collections::{BTreeMap, BTreeSet};

/// What each layer reads and gives.
pub(super) fn values(
    document: &Document,
    layers: &[String],
) -> Result<BTreeMap<String, (String, String)>, Vec<String>> {
    let initializers = &document.graph.initializers;
    let of_layer = |name: &str, layer: &str| {
        initializers.contains_key(name) && name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.'))
    };
    let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
    for layer in layers {
        let nodes: Vec<&Node> = needed(&document.graph)
            .into_iter()
            .map(|position| &document.graph.nodes[position])
            .filter(|node| node.inputs.iter().any(|name| of_layer(name, layer)))
            .collect();
        let input = nodes.first().and_then(|node| {
            node.inputs.iter().find(|name| !name.is_empty() && !initializers.contains_key(*name))
        });
        match (input, nodes.last().and_then(|node| node.outputs.first())) {
            (Some(input), Some(output)) => {
                found.insert(layer.clone(), (input.clone(), output.clone()));
            }
            _ => {
                let names: BTreeSet<&str> = initializers
                    .keys()
                    .filter_map(|name| name.rsplit_once('.').map(|(path, _)| path))
                    .collect();
                let near = dlc_types::diagnostic::nearest(layer, names.iter().copied());
                let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                faults.push(format!("{}: no initializer's name begins with `{layer}.`{help}", document.file));
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}
