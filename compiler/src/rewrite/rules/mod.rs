//! The rules, by theme. What a good rule is, and how to add one, stands in `README.md` beside this file.

mod activations;
mod axis_map;
mod chains;
mod constants;
mod contraction;
mod identities;
mod joining;
mod moved_reductions;
mod movement;
mod normalization;
mod prescaling;
mod reduction;
mod root_of_square;
mod shared_operands;
mod single_axes;
mod sinking;
mod slices;
mod sliding;
mod space_to_batch;
mod strength;

use super::terms::{Class, Terms};
use super::{RewriteError, RewriteOptions, RuleSelection};
use dlc_ir::Op;

/// How far the two sides of a rule may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// Equal values for every operand, NaN and infinity included; the sign of a zero is no value.
    Exact,
    /// Equal in exact arithmetic for every operand, NaN and infinity included; an intermediate value may
    /// round, overflow or underflow in one form and not in the other.
    Rounding,
    /// Equal for finite operands in exact arithmetic; may create or hide NaN and infinity.
    FastMath,
}

impl Tag {
    /// The name in tables and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Tag::Exact => "exact",
            Tag::Rounding => "rounding",
            Tag::FastMath => "fast-math",
        }
    }
}

/// One rule: a value that a term computes is also computed by another.
pub(crate) struct Rule {
    /// Its name, in reports and in selections.
    pub(crate) name: &'static str,
    /// How far the sides may differ.
    pub(crate) tag: Tag,
    /// One line of mathematics, side conditions included.
    pub(crate) law: &'static str,
    /// Names of the ops that it matches.
    pub(crate) ops: &'static [&'static str],
    /// The class that is equal to the matched one, if the rule applies: of the op, its operands, and
    /// the class that it stands in.
    pub(crate) apply: fn(&mut Terms, &Op, &[Class], Class) -> Option<Class>,
}

/// What can be told of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleSummary {
    /// Its name.
    pub name: &'static str,
    /// The theme that it belongs to: the name of its file.
    pub theme: &'static str,
    /// How far its sides may differ.
    pub tag: Tag,
    /// One line of mathematics, side conditions included.
    pub law: &'static str,
}

/// The rules of each file, under its name.
const THEMES: &[(&str, &[Rule])] = &[
    ("identities", identities::RULES),
    ("constants", constants::RULES),
    ("strength", strength::RULES),
    ("activations", activations::RULES),
    ("root_of_square", root_of_square::RULES),
    ("movement", movement::RULES),
    ("single_axes", single_axes::RULES),
    ("slices", slices::RULES),
    ("joining", joining::RULES),
    ("sinking", sinking::RULES),
    ("reduction", reduction::RULES),
    ("moved_reductions", moved_reductions::RULES),
    ("contraction", contraction::RULES),
    ("chains", chains::RULES),
    ("shared_operands", shared_operands::RULES),
    ("sliding", sliding::RULES),
    ("space_to_batch", space_to_batch::RULES),
    ("normalization", normalization::RULES),
    ("prescaling", prescaling::RULES),
];

/// All rules, by theme.
pub fn all() -> Vec<RuleSummary> {
    let of_theme = |&(theme, rules): &(&'static str, &'static [Rule])| {
        rules.iter().map(move |rule| RuleSummary { name: rule.name, theme, tag: rule.tag, law: rule.law })
    };
    THEMES.iter().flat_map(of_theme).collect()
}

fn every() -> impl Iterator<Item = &'static Rule> {
    THEMES.iter().flat_map(|(_, rules)| rules.iter())
}

/// The rules that the options ask for and allow.
pub(super) fn selected(options: &RewriteOptions) -> Result<Vec<&'static Rule>, RewriteError> {
    let allowed = |rule: &&Rule| options.fast_math || rule.tag != Tag::FastMath;
    match &options.rules {
        RuleSelection::All => Ok(every().filter(allowed).collect()),
        RuleSelection::Off => Ok(Vec::new()),
        RuleSelection::Only(names) => {
            if let Some(name) = names.iter().find(|name| every().all(|rule| rule.name != name.as_str())) {
                let mut known: Vec<&'static str> = every().map(|rule| rule.name).collect();
                known.sort_unstable();
                return Err(RewriteError::UnknownRule { name: name.clone(), known });
            }
            Ok(every().filter(|rule| names.iter().any(|name| name == rule.name)).filter(allowed).collect())
        }
    }
}
