//! Saturation: every rule is applied to every term until nothing new comes, or a bound is reached.
//!
//! The bounds are numbers of terms and of rounds, never a time, so the result depends on the input alone.

use super::rules::Rule;
use super::term::Term;
use super::terms::{Class, Terms};
use super::{RewriteError, StopReason};
use dlc_ir::Type;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rules by the name of the op that they look at.
pub(super) struct RuleIndex {
    pub(super) rules: Vec<&'static Rule>,
    by_op: BTreeMap<&'static str, Vec<u16>>,
}

impl RuleIndex {
    pub(super) fn new(rules: Vec<&'static Rule>) -> RuleIndex {
        let mut by_op: BTreeMap<&'static str, Vec<u16>> = BTreeMap::new();
        for (number, rule) in rules.iter().enumerate() {
            for &op in rule.ops {
                by_op.entry(op).or_default().push(number as u16);
            }
        }
        RuleIndex { rules, by_op }
    }

    fn of(&self, term: &Term) -> &[u16] {
        match term.leaf {
            Some(_) => &[],
            None => self.by_op.get(term.op.name()).map_or(&[], Vec::as_slice),
        }
    }
}

/// A rule made two classes equal.
pub(super) struct Application {
    pub(super) rule: u16,
    /// The term that the rule matched.
    pub(super) term: Term,
    /// Its class at that time.
    pub(super) class: Class,
}

/// How a saturation went.
pub(super) struct Saturation {
    pub(super) iterations: usize,
    pub(super) stop: StopReason,
    pub(super) applications: Vec<Application>,
}

/// Applies the rules until one of the bounds.
pub(super) fn saturate(
    terms: &mut Terms,
    index: &RuleIndex,
    node_limit: usize,
    iteration_limit: usize,
) -> Result<Saturation, RewriteError> {
    let mut applications = Vec::new();
    terms.graph.rebuild();
    for iteration in 0..iteration_limit {
        let before = terms.graph.total_size();
        let known = applications.len();
        let candidates: Vec<(Class, Term)> = terms
            .graph
            .classes()
            .flat_map(|class| class.nodes.iter().map(move |term| (class.id, term)))
            .filter(|(_, term)| !index.of(term).is_empty())
            .map(|(class, term)| (class, term.clone()))
            .collect();
        for (class, term) in candidates {
            for &number in index.of(&term) {
                if terms.graph.total_size() > node_limit {
                    terms.graph.rebuild();
                    terms.rule = None;
                    let stop = StopReason::NodeLimit;
                    return Ok(Saturation { iterations: iteration + 1, stop, applications });
                }
                if apply(terms, index.rules[usize::from(number)], number, class, &term)? {
                    applications.push(Application { rule: number, term: term.clone(), class });
                }
            }
        }
        terms.rule = None;
        terms.graph.rebuild();
        if applications.len() == known && terms.graph.total_size() == before {
            let stop = StopReason::Saturated;
            return Ok(Saturation { iterations: iteration + 1, stop, applications });
        }
    }
    Ok(Saturation { iterations: iteration_limit, stop: StopReason::IterationLimit, applications })
}

/// Applies one rule to one term; whether it made two classes equal.
fn apply(
    terms: &mut Terms,
    rule: &Rule,
    number: u16,
    class: Class,
    term: &Term,
) -> Result<bool, RewriteError> {
    terms.rule = Some(number);
    terms.graph.analysis.origin = terms.facts(class).origin;
    let Some(result) = (rule.apply)(terms, &term.op, &term.operands, class) else { return Ok(false) };
    if terms.same(class, result) {
        return Ok(false);
    }
    let (before, after): (&Arc<Type>, &Arc<Type>) = (&terms.facts(class).ty, &terms.facts(result).ty);
    if before != after {
        return Err(RewriteError::RuleChangesType {
            rule: rule.name,
            before: before.to_string(),
            after: after.to_string(),
        });
    }
    Ok(terms.graph.union(class, result))
}

#[cfg(test)]
mod tests;
