//! Rewriting: equality saturation over the graph, by rules that are chosen by cost.
//!
//! Input: a verified function without composite ops, behind [`crate::composite::expand_composites`] and
//! autodiff, so that a training step is one graph. Output: a verified function with the same outputs of
//! the same types. It stands here because expanded forms show what can be merged, and because lowering
//! should see the final choice of ops.
//!
//! ```text
//! function ── equal nodes merged ──> windows ──> e-graph ── rules ──> saturated ── extraction ──> function
//!                                      │                                              │
//!                                      └────────────── second sweep, moved by half ───┘
//! ```
//!
//! [`rules`] holds the rules by theme, and its README says what a good one is and how to add one. Equal
//! terms live in the e-graph of `egg`; no type of `egg` leaves this module. Saturation is bounded by terms
//! and rounds only, and everything is deterministic: the result depends on the input and the options.

mod cost;
mod extract;
mod facts;
mod region;
pub mod rules;
mod saturate;
mod term;
mod terms;

pub use rules::{RuleSummary, Tag};

use dlc_ir::{Function, Op, Type};
use saturate::RuleIndex;
use std::collections::BTreeMap;
use std::fmt;
use terms::Terms;
use thiserror::Error;

/// Nodes that one region takes.
const WINDOW: usize = 400;

/// What rewriting may do.
#[derive(Clone, Debug)]
pub struct RewriteOptions {
    /// Whether rules are allowed that may create or hide NaN and infinity.
    pub fast_math: bool,
    /// Which rules are used.
    pub rules: RuleSelection,
    /// Terms that one region may have before it stops.
    pub node_limit: usize,
    /// Rounds over all rules that one region makes at most.
    pub iteration_limit: usize,
}

impl Default for RewriteOptions {
    fn default() -> RewriteOptions {
        RewriteOptions { fast_math: false, rules: RuleSelection::All, node_limit: 6_000, iteration_limit: 12 }
    }
}

/// Which rules are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RuleSelection {
    /// All that the options allow.
    #[default]
    All,
    /// None: equal nodes are merged and dead ones removed, that is all.
    Off,
    /// Those of these names, fast-math ones only if the options allow them.
    Only(Vec<String>),
}

/// What rewriting did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RewriteReport {
    /// How many values each rule found another term for, chosen or not.
    pub applied: BTreeMap<String, usize>,
    /// How many chosen terms each rule is behind.
    pub fired: BTreeMap<String, usize>,
    /// The same by the origin of the node that was rewritten.
    pub by_origin: BTreeMap<String, BTreeMap<String, usize>>,
    /// The regions, in order of both sweeps.
    pub regions: Vec<RegionReport>,
    /// Nodes of the function that came in.
    pub nodes_before: usize,
    /// Nodes of the function that went out.
    pub nodes_after: usize,
    /// Nodes that were equal to another before any rule was applied.
    pub common_subexpressions: usize,
    /// Nodes that no output needed.
    pub dead_nodes: usize,
}

/// What happened in one region.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionReport {
    /// Nodes of the window.
    pub nodes: usize,
    /// Terms when it stopped.
    pub terms: usize,
    /// Rounds over all rules.
    pub iterations: usize,
    /// Why it stopped.
    pub stop: StopReason,
    /// Estimated nanoseconds at batch 32 as it came in.
    pub cost_before: f64,
    /// Estimated nanoseconds of what was chosen.
    pub cost_after: f64,
}

/// Why a saturation stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// No rule finds anything new.
    Saturated,
    /// [`RewriteOptions::node_limit`].
    NodeLimit,
    /// [`RewriteOptions::iteration_limit`].
    IterationLimit,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Saturated => "saturated",
            StopReason::NodeLimit => "node limit",
            StopReason::IterationLimit => "iteration limit",
        })
    }
}

/// Why a function cannot be rewritten.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RewriteError {
    /// A name in [`RuleSelection::Only`] that no rule has.
    #[error("there is no rewrite rule `{name}`; the rules are {}", known.join(", "))]
    UnknownRule {
        /// The name.
        name: String,
        /// All names there are.
        known: Vec<&'static str>,
    },
    /// A composite op in the input.
    #[error("`{op}` at {node} of fn {function} is not expanded before rewriting; this is a bug in dlc")]
    Composite {
        /// The op.
        op: &'static str,
        /// The node.
        node: String,
        /// The function.
        function: String,
    },
    /// A node of the input that breaks a rule of the graph.
    #[error("{node} of fn {function} came unverified into rewriting; this is a bug in dlc")]
    Unverified {
        /// The node.
        node: String,
        /// The function.
        function: String,
    },
    /// A rule that replaces a value by one of another type.
    #[error("rewrite rule `{rule}` changes {before} into {after}; this is a bug in dlc")]
    RuleChangesType {
        /// The rule.
        rule: &'static str,
        /// Type of the value that it matched.
        before: String,
        /// Type of the value that it gave.
        after: String,
    },
    /// Every choice of terms runs in a circle.
    #[error("no order of evaluation is found for fn {function}; this is a bug in dlc")]
    NoChoice {
        /// The function.
        function: String,
    },
    /// The result breaks a rule of the graph.
    #[error("rewriting (rules {}) made something invalid of fn {function}: {error}; this is a bug in dlc", rules.join(", "))]
    Invalid {
        /// The function.
        function: String,
        /// The verifier's words.
        error: String,
        /// The rules that were applied.
        rules: Vec<String>,
    },
}

/// An equivalent function that is cheaper by the cost model, and what was done.
///
/// # Errors
/// A rule name that does not exist; everything else is a bug in dlc.
pub fn rewrite(
    function: &Function,
    options: &RewriteOptions,
) -> Result<(Function, RewriteReport), RewriteError> {
    let index = RuleIndex::new(rules::selected(options)?);
    for (id, node) in function.nodes.iter() {
        if node.op.is_composite() || matches!(node.ty, Type::Tuple(_)) && !matches!(node.op, Op::Scan(_)) {
            let (node, op) = (id.to_string(), node.op.name());
            return Err(RewriteError::Composite { op, node, function: function.name.clone() });
        }
    }
    let mut report = RewriteReport { nodes_before: function.nodes.len(), ..RewriteReport::default() };
    let mut terms = Terms::default();
    let live = function.without_dead_nodes();
    let live = if live.has_scan() { with_bodies_rewritten(&live, options, &mut report)? } else { live };
    report.dead_nodes = function.nodes.len() - live.nodes.len();
    let (mut current, merged) = region::merge_equal_nodes(&mut terms, &live);
    report.common_subexpressions += merged;
    if !index.rules.is_empty() {
        let offsets: &[usize] = if current.nodes.len() > WINDOW { &[0, WINDOW / 2] } else { &[0] };
        for &offset in offsets {
            let windows = region::windows(&current, WINDOW, offset);
            current = region::sweep(&mut terms, &index, &current, &windows, options, &mut report)?;
        }
    }
    report.nodes_after = current.nodes.len();
    dlc_ir::verify::verify(&current).map_err(|error| RewriteError::Invalid {
        function: function.name.clone(),
        error: error.to_string(),
        rules: report.fired.keys().cloned().collect(),
    })?;
    Ok((current, report))
}

/// The function with the bodies of its scans rewritten, and what was done there.
fn with_bodies_rewritten(
    function: &Function,
    options: &RewriteOptions,
    report: &mut RewriteReport,
) -> Result<Function, RewriteError> {
    function.with_bodies(|body| {
        let (body, inner) = rewrite(body, options)?;
        for (sum, counts) in [(&mut report.applied, inner.applied), (&mut report.fired, inner.fired)] {
            counts.into_iter().for_each(|(rule, count)| *sum.entry(rule).or_default() += count);
        }
        for (origin, counts) in inner.by_origin {
            let sum = report.by_origin.entry(origin).or_default();
            counts.into_iter().for_each(|(rule, count)| *sum.entry(rule).or_default() += count);
        }
        report.regions.extend(inner.regions);
        report.common_subexpressions += inner.common_subexpressions;
        Ok(body)
    })
}
