//! The node of the e-graph: an op with operands, whatever the op.
//!
//! Two terms are the same if their ops have the same text (attributes and, where it is a free choice,
//! the type are part of it) and their operands are the same classes. The text is replaced by a number as
//! soon as a term is made, so comparing and hashing terms is cheap.

use dlc_ir::infer::needs_declared_type;
use dlc_ir::{NodeId, Op, Type};
use egg::{Id, Language};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One way to compute a value.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    key: u32,
    /// What is computed; for a leaf an input whose name is the node's.
    pub(crate) op: Arc<Op>,
    /// From which classes.
    pub(crate) operands: Vec<Id>,
    /// The type of the result, which follows from the op and the operands' types.
    pub(crate) ty: Arc<Type>,
    /// A value that was computed before the region.
    pub(crate) leaf: Option<NodeId>,
    /// Number of the rule that made the term; terms of the function have none.
    pub(crate) rule: Option<u16>,
    /// Place in the order in which terms were made; operands come before.
    pub(crate) serial: u32,
}

impl Term {
    /// Number of the op's text.
    pub(crate) fn number(&self) -> u32 {
        self.key
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Term) -> bool {
        self.key == other.key && self.operands == other.operands
    }
}

impl Eq for Term {}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Term) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Term {
    fn cmp(&self, other: &Term) -> std::cmp::Ordering {
        (self.key, &self.operands).cmp(&(other.key, &other.operands))
    }
}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.operands.hash(state);
    }
}

impl Language for Term {
    type Discriminant = u32;

    fn discriminant(&self) -> u32 {
        self.key
    }

    fn matches(&self, other: &Term) -> bool {
        self.key == other.key && self.operands.len() == other.operands.len()
    }

    fn children(&self) -> &[Id] {
        &self.operands
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.operands
    }
}

/// Numbers for the texts of ops, in the order in which they are first seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpTexts {
    numbers: BTreeMap<String, u32>,
}

impl OpTexts {
    /// The number of an op; `declared` is the type of the node, which counts where it does not follow
    /// from the operands.
    pub(crate) fn number(&mut self, op: &Op, declared: Option<&Type>) -> u32 {
        let mut text = op.to_string();
        match declared {
            Some(ty) if needs_declared_type(op) => text.push_str(&format!(" : {ty}")),
            _ => {}
        }
        if let Op::Constant(literal) = op {
            text.push_str(&format!(" : {}", literal.ty));
        }
        self.of(text)
    }

    fn of(&mut self, text: String) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(text).or_insert(next)
    }

    /// A term; its type is a placeholder until it is inferred.
    pub(crate) fn term(&mut self, op: Op, operands: &[Id], declared: Option<Arc<Type>>) -> Term {
        let key = self.number(&op, declared.as_deref());
        let ty = declared.unwrap_or_else(|| Arc::new(Type::Tuple(Vec::new())));
        Term { key, op: Arc::new(op), operands: operands.to_vec(), ty, leaf: None, rule: None, serial: 0 }
    }

    /// The term of a value that was computed before.
    pub(crate) fn leaf(&mut self, node: NodeId, ty: Arc<Type>) -> Term {
        let key = self.of(format!("leaf {node}"));
        let op = Arc::new(Op::Input { name: node.to_string() });
        Term { key, op, operands: Vec::new(), ty, leaf: Some(node), rule: None, serial: 0 }
    }
}
