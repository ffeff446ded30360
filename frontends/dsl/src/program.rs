//! A program: the declarations of a file and its imports, by name.

use crate::ast::{Block, Expr, ExprKind, File, Statement};
use crate::codes;
use crate::layers;
use crate::networks::Forms;
use crate::report::Reporter;
use crate::walk;
use dlc_types::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};

/// What elaboration can refer to.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) blocks: BTreeMap<String, Block>,
    /// Blocks whose instances may own parameters, so that they need a path.
    pub(crate) owning_blocks: BTreeSet<String>,
    /// Sizes of symbolic dimensions, from settings.
    pub(crate) dims: BTreeMap<String, i64>,
    /// Networks from files of other formats, by path.
    pub(crate) networks: BTreeMap<String, Forms>,
}

impl Program {
    /// Takes the blocks of a file; two of one name, or one with a layer's name, are errors.
    pub(crate) fn declare(&mut self, file: &mut File, reporter: &mut Reporter) {
        for block in std::mem::take(&mut file.blocks) {
            let name = &block.name;
            let is_layer = layers::all().chain(crate::losses::all()).any(|spec| spec.name == name.text);
            if let Some(first) = self.blocks.get(&name.text) {
                let message = format!("two blocks are called `{}`", name.text);
                reporter.push(
                    Diagnostic::error(codes::DUPLICATE, message)
                        .at(name.span, "again")
                        .at(first.name.span, "first here"),
                );
                continue;
            }
            if is_layer {
                let message = format!("`{}` is the name of a layer or function", name.text);
                reporter.push(
                    Diagnostic::error(codes::DUPLICATE, message)
                        .at(name.span, "taken")
                        .help("choose another name"),
                );
            }
            self.blocks.insert(name.text.clone(), block);
        }
        self.find_owners();
    }

    /// Finds the blocks that own parameters, directly or through other blocks.
    fn find_owners(&mut self) {
        let calls: BTreeMap<&str, BTreeSet<&str>> =
            self.blocks.iter().map(|(name, block)| (name.as_str(), called(&block.body))).collect();
        let mut owners: BTreeSet<&str> =
            layers::all().filter(|spec| spec.owns).map(|spec| spec.name).collect();
        loop {
            let before = owners.len();
            for (name, callees) in &calls {
                if callees.iter().any(|callee| owners.contains(callee)) {
                    owners.insert(name);
                }
            }
            if owners.len() == before {
                break;
            }
        }
        self.owning_blocks =
            owners.into_iter().filter(|name| calls.contains_key(name)).map(str::to_owned).collect();
    }
}

/// The names that a body calls.
fn called(body: &[Statement]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    walk::statements(body, &mut |expr: &Expr| match &expr.kind {
        ExprKind::Call(call) | ExprKind::Layer(call) => {
            names.insert(call.callee.text.as_str());
        }
        ExprKind::Pipe(_, stages) => names.extend(stages.iter().map(|stage| stage.callee.text.as_str())),
        _ => {}
    });
    names
}
