//! The kernels of a model: parameters that contractions and convolutions multiply with, and where they are read.

use crate::flops::node_flops;
use crate::{DriverError, Result};
use dlc_compiler::narrow::Channels;
use dlc_ir::{Function, Model, NodeId, Op, Type};
use dlc_types::Dim;
use dlc_types::diagnostic::nearest;

/// A kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// The parameter.
    pub(super) parameter: String,
    /// The path of its layer.
    pub(super) layer: String,
    /// The ops of the function `predict` that read it, behind ops that only move it.
    pub(super) readers: Vec<NodeId>,
}

/// The kernels of a model, in the order of its parameters.
pub(super) fn kernels(model: &Model, channels: &Channels) -> Vec<Kernel> {
    let parameters = model.parameters.iter();
    let multiplied = parameters.filter(|one| one.ty.dtype.is_float() && channels.is_kernel(&one.name));
    multiplied
        .map(|one| {
            let layer = one.name.rsplit_once('.').map_or(one.name.as_str(), |(owner, _)| owner);
            let readers = readers(&model.predict, &one.name);
            Kernel { parameter: one.name.clone(), layer: layer.to_owned(), readers }
        })
        .collect()
}

/// The ops that read a parameter.
fn readers(function: &Function, parameter: &str) -> Vec<NodeId> {
    let users = function.users();
    let is_it = |id: NodeId| matches!(&function.nodes[id].op, Op::Parameter { name } if name == parameter);
    let mut pending: Vec<NodeId> = function.nodes.indices().filter(|&id| is_it(id)).collect();
    let mut found = Vec::new();
    while let Some(id) = pending.pop() {
        for &user in &users[id] {
            let moves = matches!(
                function.nodes[user].op,
                Op::Transpose { .. } | Op::Reshape | Op::Cast(_) | Op::Reverse { .. } | Op::Broadcast { .. }
            );
            if moves {
                pending.push(user);
            } else if !found.contains(&user) {
                found.push(user);
            }
        }
    }
    found.sort_unstable();
    found
}

impl Kernel {
    /// The value of its first reader, if it has one that the runtime can give: of a scan the first of its results.
    pub(super) fn output(&self, function: &Function) -> Option<NodeId> {
        let &reader = self.readers.first()?;
        let value = match function.nodes[reader].ty {
            Type::Tensor(_) => Some(reader),
            Type::Tuple(_) => {
                let is_part = |id: &NodeId| function.nodes[*id].operands.first() == Some(&reader);
                function.nodes.indices().find(is_part)
            }
        };
        let rows_first = |id: &NodeId| {
            let dims = function.nodes[*id].ty.tensor().map_or(&[][..], |ty| ty.shape.dims());
            dims.first() == Some(&Dim::N) && dims.iter().filter(|dim| dim.is_batch()).count() == 1
        };
        value.filter(rows_first)
    }

    /// Operations of its readers for one sample.
    pub(super) fn flops(&self, function: &Function) -> u64 {
        self.readers.iter().map(|&id| node_flops(function, id, 1)).fold(0, u64::saturating_add)
    }
}

/// Which kernels are pruned, by patterns of their paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection<'a> {
    /// Those that are; all without a pattern.
    pub(super) layers: &'a [String],
    /// Those that are not.
    pub(super) keep: &'a [String],
}

impl Selection<'_> {
    /// Whether a kernel may be pruned.
    pub(super) fn takes(&self, parameter: &str) -> bool {
        let fits = |pattern: &String| dlc_dsl::fits(pattern, parameter);
        (self.layers.is_empty() || self.layers.iter().any(fits)) && !self.keep.iter().any(fits)
    }

    /// That every pattern fits a kernel.
    pub(super) fn check(&self, kernels: &[Kernel]) -> Result<()> {
        for (flag, patterns) in [("--layers", self.layers), ("--keep", self.keep)] {
            for pattern in patterns {
                if kernels.iter().any(|kernel| dlc_dsl::fits(pattern, &kernel.parameter)) {
                    continue;
                }
                let names =
                    kernels.iter().flat_map(|kernel| [kernel.layer.as_str(), kernel.parameter.as_str()]);
                let help = match nearest(pattern, names) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => {
                        let known: Vec<&str> = kernels.iter().map(|kernel| kernel.layer.as_str()).collect();
                        format!("layers with kernels are {}; `*` stands for any text", known.join(", "))
                    }
                };
                return Err(DriverError::User(format!("`{flag} {pattern}` fits no kernel's path; {help}")));
            }
        }
        Ok(())
    }
}
