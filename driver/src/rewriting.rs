//! What a user may say about rewriting: on or off, which rules, fast-math.
//!
//! Names are those of rules or of themes (the files that rules stand in); a theme stands for all of its
//! rules. The compiler is told rules only.

use crate::{DriverError, Result};
use dlc_compiler::CompileOptions;
use dlc_compiler::rewrite::{RewriteOptions, RuleSelection, RuleSummary, rules};
use dlc_types::diagnostic::nearest;
use std::collections::BTreeSet;

/// The selection that names of rules and themes, as `--rewrite-rules` takes them, stand for.
///
/// # Errors
/// A name that neither a rule nor a theme has, or no name at all.
pub fn rule_selection(names: &[String]) -> Result<RuleSelection> {
    let rules = rules::all();
    let mut selected: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        let meant = rules.iter().filter(|rule| rule.name == name || rule.theme == name);
        let before = selected.len();
        selected.extend(meant.clone().map(|rule| rule.name));
        if selected.len() == before && meant.count() == 0 {
            return Err(DriverError::User(unknown_rule(name, &rules)));
        }
    }
    if selected.is_empty() {
        return Err(DriverError::User(format!(
            "no rewrite rule is named; `--rewrite off` uses none\n{}",
            listed(&rules)
        )));
    }
    Ok(RuleSelection::Only(selected.into_iter().map(str::to_owned).collect()))
}

fn unknown_rule(name: &str, rules: &[RuleSummary]) -> String {
    let themes: BTreeSet<&str> = rules.iter().map(|rule| rule.theme).collect();
    let meant = nearest(name, themes.into_iter().chain(rules.iter().map(|rule| rule.name)));
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    format!("there is no rewrite rule and no theme of rules `{name}`{meant}\n{}", listed(rules))
}

/// All themes with their rules.
fn listed(rules: &[RuleSummary]) -> String {
    let mut text = "the rules by theme:".to_owned();
    let mut theme = "";
    for rule in rules {
        if rule.theme != theme {
            theme = rule.theme;
            text.push_str(&format!("\n  {theme}: {}", rule.name));
        } else {
            text.push_str(&format!(", {}", rule.name));
        }
    }
    text
}

/// The same compilation without rewriting and without the groupings that go beyond elementwise chains:
/// what the optimiser is measured against.
pub fn baseline(options: &CompileOptions) -> CompileOptions {
    CompileOptions {
        rewrite: RewriteOptions { rules: RuleSelection::Off, ..RewriteOptions::default() },
        fuse_epilogues: false,
        ..options.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn selected(names: &[&str]) -> Result<RuleSelection> {
        rule_selection(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn themes_stand_for_their_rules() {
        let all = rules::all();
        let (first, other) = (all[0], all[all.len() - 1]);
        let RuleSelection::Only(names) = selected(&[first.theme, other.name, other.name]).unwrap() else {
            unreachable!("names select rules");
        };
        let of_theme = all.iter().filter(|rule| rule.theme == first.theme).count();
        assert_eq!(names.len(), of_theme + 1);
        assert!(names.iter().any(|name| name == first.name) && names.iter().any(|name| name == other.name));
    }

    #[test]
    fn a_name_that_does_not_exist_is_an_error_with_the_list() {
        let rule = rules::all()[0];
        let misspelt: String = rule.name.chars().skip(1).collect();
        let error = selected(&["sliding", &misspelt]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains(&format!("`{misspelt}`; did you mean `{}`?", rule.name)), "{text}");
        assert!(rules::all().iter().all(|rule| text.contains(rule.name) && text.contains(rule.theme)));
        assert!(selected(&[]).is_err());
    }

    #[test]
    fn the_baseline_rewrites_nothing() {
        let options = CompileOptions { fuse_epilogues: true, ..CompileOptions::new(3) };
        let found = baseline(&options);
        assert_eq!((found.rewrite.rules, found.fuse_epilogues), (RuleSelection::Off, false));
        assert_eq!(found.batch_max, 3);
    }
}
