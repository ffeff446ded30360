//! Regions: a function is rewritten window by window in the order of its nodes.
//!
//! A region is a window of consecutive nodes. What it reads from before is a leaf, except for cheap
//! things that rules look through (constants, parameters, movements of them), which are terms again. Its
//! roots are the nodes that later nodes or outputs read. After saturation and extraction the chosen terms
//! are appended to the new function, where equal nodes exist once. A second sweep with windows moved by
//! half lets rules match across the borders of the first.

use super::extract::{Extraction, extract};
use super::facts::Kept;
use super::saturate::{Application, RuleIndex, Saturation, saturate};
use super::term::Term;
use super::terms::{Class, Terms};
use super::{RegionReport, RewriteError, RewriteOptions, RewriteReport};
use dlc_ir::{Function, Node, NodeId, Op, Origin, Output, Type};
use dlc_types::IndexVec;
use dlc_types::index::EntityIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// How far a region looks through movements of earlier values.
const DEPTH: usize = 3;

/// The new function while it grows; equal nodes are made once.
pub(super) struct Emitter {
    nodes: IndexVec<NodeId, Node>,
    known: IndexVec<NodeId, Kept>,
    by_term: BTreeMap<(u32, Vec<NodeId>), NodeId>,
}

impl Emitter {
    pub(super) fn new() -> Emitter {
        Emitter { nodes: IndexVec::new(), known: IndexVec::new(), by_term: BTreeMap::new() }
    }

    /// The node of that op and operands, made if there is none; whether it was there.
    fn emit(&mut self, number: u32, node: Node, known: Kept) -> (NodeId, bool) {
        let term = (number, node.operands.clone());
        if let Some(&id) = self.by_term.get(&term) {
            return (id, true);
        }
        let id = self.nodes.push(node);
        self.known.push(known);
        self.by_term.insert(term, id);
        (id, false)
    }

    fn finish(self, function: &Function, moved: &IndexVec<NodeId, Option<NodeId>>) -> Function {
        let outputs = function
            .outputs
            .iter()
            .filter_map(|output| moved[output.value].map(|value| Output { value, ..output.clone() }));
        Function { name: function.name.clone(), outputs: outputs.collect(), nodes: self.nodes }
            .without_dead_nodes()
    }
}

/// The function with equal nodes made one; how many went.
pub(super) fn merge_equal_nodes(terms: &mut Terms, function: &Function) -> (Function, usize) {
    let mut emitter = Emitter::new();
    let mut moved: IndexVec<NodeId, Option<NodeId>> = IndexVec::new();
    let mut merged = 0;
    for node in function.nodes.values() {
        let operands = node.operands.iter().filter_map(|&operand| moved[operand]).collect();
        let number = terms.text_number(&node.op, &node.ty);
        let node = Node { operands, ..node.clone() };
        let (id, known) = emitter.emit(number, node, Kept::NOTHING);
        merged += usize::from(known);
        moved.push(Some(id));
    }
    (emitter.finish(function, &moved), merged)
}

/// Windows of `size` nodes; the first is shorter by `offset`. Scans and their projections have windows of their own:
/// no rule knows them.
pub(super) fn windows(function: &Function, size: usize, offset: usize) -> Vec<Range<usize>> {
    let count = function.nodes.len();
    let mut windows = Vec::new();
    let mut start = 0;
    let mut limit = if offset > 0 { offset } else { size };
    while start < count {
        if limit <= start {
            limit += size;
        }
        let opaque = is_opaque(function, start);
        let end = (start..limit.min(count)).find(|&node| is_opaque(function, node) != opaque);
        let end = end.unwrap_or(limit.min(count));
        windows.push(start..end);
        start = end;
    }
    windows
}

/// Whether a node is a scan or one of its results.
fn is_opaque(function: &Function, node: usize) -> bool {
    matches!(function.nodes[NodeId::from_usize(node)].op, Op::Scan(_) | Op::Project(_))
}

/// Rewrites every window of a function in turn.
pub(super) fn sweep(
    terms: &mut Terms,
    index: &RuleIndex,
    function: &Function,
    windows: &[Range<usize>],
    options: &RewriteOptions,
    report: &mut RewriteReport,
) -> Result<Function, RewriteError> {
    let last_use = last_uses(function);
    let mut emitter = Emitter::new();
    let mut moved: IndexVec<NodeId, Option<NodeId>> = function.nodes.indices().map(|_| None).collect();
    for window in windows {
        if is_opaque(function, window.start) {
            pass_over(terms, function, window, &mut emitter, &mut moved);
            continue;
        }
        let mut region = Region { terms, function, classes: BTreeMap::new(), imported: BTreeMap::new() };
        region.enter(window, &emitter, &moved)?;
        let roots: Vec<NodeId> =
            window.clone().map(NodeId::from_usize).filter(|&node| last_use[node] >= window.end).collect();
        let classes: Vec<Class> = roots.iter().map(|node| region.classes[node]).collect();
        let saturation = saturate(region.terms, index, options.node_limit, options.iteration_limit)?;
        let Some(extraction) = extract(region.terms, &classes) else {
            return Err(RewriteError::NoChoice { function: function.name.clone() });
        };
        let places = region.leave(&extraction, &mut emitter);
        for (node, class) in roots.iter().zip(&classes) {
            moved[*node] = places.get(&region.terms.graph.find(*class)).copied();
        }
        credit(region.terms, index, function, &saturation, &extraction, report);
        report.regions.push(RegionReport {
            nodes: window.len(),
            terms: region.terms.graph.total_size(),
            iterations: saturation.iterations,
            stop: saturation.stop,
            cost_before: extraction.cost_before,
            cost_after: extraction.cost_after,
        });
    }
    Ok(emitter.finish(function, &moved))
}

/// Takes the nodes of a window as they are.
fn pass_over(
    terms: &mut Terms,
    function: &Function,
    window: &Range<usize>,
    emitter: &mut Emitter,
    moved: &mut IndexVec<NodeId, Option<NodeId>>,
) {
    for id in window.clone().map(NodeId::from_usize) {
        let node = &function.nodes[id];
        let operands = node.operands.iter().filter_map(|&operand| moved[operand]).collect();
        let number = terms.text_number(&node.op, &node.ty);
        moved[id] = Some(emitter.emit(number, Node { operands, ..node.clone() }, Kept::NOTHING).0);
    }
}

/// For every node the place of its last user; outputs are read behind the end.
fn last_uses(function: &Function) -> IndexVec<NodeId, usize> {
    let mut last: IndexVec<NodeId, usize> = function.nodes.indices().map(|_| 0).collect();
    for (id, node) in function.nodes.iter() {
        for &operand in &node.operands {
            last[operand] = id.as_usize();
        }
    }
    for output in &function.outputs {
        last[output.value] = usize::MAX;
    }
    last
}

struct Region<'a> {
    terms: &'a mut Terms,
    function: &'a Function,
    /// Classes of the window's nodes.
    classes: BTreeMap<NodeId, Class>,
    /// Classes of nodes that were emitted before.
    imported: BTreeMap<NodeId, Class>,
}

impl Region<'_> {
    /// Makes terms of the window's nodes.
    fn enter(
        &mut self,
        window: &Range<usize>,
        emitter: &Emitter,
        moved: &IndexVec<NodeId, Option<NodeId>>,
    ) -> Result<(), RewriteError> {
        let known = emitter.known.iter().map(|(id, &facts)| (id, facts)).collect();
        self.terms.clear(known);
        for id in window.clone().map(NodeId::from_usize) {
            let node = &self.function.nodes[id];
            let mut operands = Vec::with_capacity(node.operands.len());
            for operand in &node.operands {
                let class = match (self.classes.get(operand), moved[*operand]) {
                    (Some(&class), _) => Some(class),
                    (None, Some(before)) => self.import(before, emitter, DEPTH),
                    (None, None) => None,
                };
                operands.push(class.ok_or_else(|| self.broken(id))?);
            }
            self.terms.graph.analysis.origin = id.as_usize() as u32;
            let ty = Arc::new(node.ty.clone());
            let class = self.terms.insert(node.op.clone(), &operands, Some(ty));
            self.classes.insert(id, class.ok_or_else(|| self.broken(id))?);
        }
        Ok(())
    }

    fn broken(&self, id: NodeId) -> RewriteError {
        RewriteError::Unverified { node: id.to_string(), function: self.function.name.clone() }
    }

    /// The class of a value that was emitted before.
    fn import(&mut self, id: NodeId, emitter: &Emitter, depth: usize) -> Option<Class> {
        if let Some(&class) = self.imported.get(&id) {
            return Some(class);
        }
        let node = &emitter.nodes[id];
        self.terms.graph.analysis.origin = u32::MAX;
        let transparent = match &node.op {
            Op::Parameter { .. } | Op::State { .. } | Op::Constant(_) | Op::Extent(_) => true,
            Op::Broadcast { .. } | Op::Reshape | Op::Transpose { .. } | Op::Slice { .. } => depth > 0,
            _ => false,
        };
        let ty = Arc::new(node.ty.clone());
        let class = if transparent {
            let mut operands = Vec::new();
            for &operand in &node.operands {
                operands.push(self.import(operand, emitter, depth - 1)?);
            }
            self.terms.insert(node.op.clone(), &operands, Some(ty))?
        } else {
            self.terms.insert_leaf(id, ty)
        };
        self.imported.insert(id, class);
        Some(class)
    }

    /// Appends the chosen terms to the new function; the node of every class in use.
    fn leave(&self, extraction: &Extraction, emitter: &mut Emitter) -> BTreeMap<Class, NodeId> {
        let mut places: BTreeMap<Class, NodeId> = BTreeMap::new();
        for (class, term) in &extraction.terms {
            let place = match term.leaf {
                Some(leaf) => leaf,
                None => {
                    let operand = |operand: &Class| places.get(&self.terms.graph.find(*operand)).copied();
                    let operands: Vec<NodeId> = term.operands.iter().filter_map(operand).collect();
                    let facts = self.terms.facts(*class);
                    let node = Node {
                        op: (*term.op).clone(),
                        operands,
                        ty: Type::clone(&facts.ty),
                        origin: self.origin(facts.origin),
                    };
                    let kept = Kept { splat: facts.splat, range: facts.range, persistent: facts.persistent };
                    emitter.emit(term.number(), node, kept).0
                }
            };
            places.insert(*class, place);
        }
        places
    }

    fn origin(&self, number: u32) -> Origin {
        let node = self.function.nodes.get(NodeId::from_usize(number as usize));
        node.map_or_else(Origin::default, |node| node.origin.clone())
    }
}

/// Counts the rules whose results are in use.
fn credit(
    terms: &Terms,
    index: &RuleIndex,
    function: &Function,
    saturation: &Saturation,
    extraction: &Extraction,
    report: &mut RewriteReport,
) {
    let mut by_class: BTreeMap<Class, Vec<&Application>> = BTreeMap::new();
    for application in &saturation.applications {
        let name = index.rules[usize::from(application.rule)].name.to_owned();
        *report.applied.entry(name).or_default() += 1;
        by_class.entry(terms.graph.find(application.class)).or_default().push(application);
    }
    for (class, chosen) in &extraction.terms {
        let Some(applications) = by_class.get(class) else { continue };
        let path = function
            .nodes
            .get(NodeId::from_usize(terms.facts(*class).origin as usize))
            .map_or("", |node| node.origin.path.as_str());
        for rule in rules_behind(terms, applications, chosen) {
            let name = index.rules[usize::from(rule)].name.to_owned();
            *report.fired.entry(name.clone()).or_default() += 1;
            *report.by_origin.entry(path.to_owned()).or_default().entry(name).or_default() += 1;
        }
    }
}

/// The rule that made the chosen term and those that led to the term it was made from.
fn rules_behind(terms: &Terms, applications: &[&Application], chosen: &Term) -> BTreeSet<u16> {
    let mut rules = BTreeSet::new();
    let mut next = match chosen.rule {
        Some(rule) => Some(rule),
        // An old term took the place of another: the first rule that made the two equal.
        None => applications
            .iter()
            .find(|application| {
                let term = egg::Language::map_children(application.term.clone(), |id| terms.graph.find(id));
                application.term.rule.is_none() && term != *chosen
            })
            .map(|application| application.rule),
    };
    while let Some(rule) = next {
        if !rules.insert(rule) {
            break;
        }
        next = applications
            .iter()
            .find(|application| application.rule == rule)
            .and_then(|application| application.term.rule);
    }
    rules
}
