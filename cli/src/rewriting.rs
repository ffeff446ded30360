//! The flags about rewriting, which every command that compiles takes.

use clap::{Args, ValueEnum};
use dlc_driver::{DriverError, RewriteOptions, RuleSelection, rule_selection};

/// Which rewrite rules a compilation uses.
#[derive(Debug, Args)]
pub(crate) struct RewriteArguments {
    /// Whether the graph is rewritten into a cheaper one; off still merges equal values and drops unused
    /// ones.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Switch::On)]
    rewrite: Switch,
    /// Rewrite rules to use, by name or by theme, separated by commas; a wrong name lists them all
    /// [default: all].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    rewrite_rules: Option<Vec<String>>,
    /// Also allow rewrites that may create or hide NaN and infinity [default: none of them].
    #[arg(long)]
    fast_math: bool,
}

impl RewriteArguments {
    /// What the compiler is told.
    pub(crate) fn options(&self) -> Result<RewriteOptions, DriverError> {
        let rules = match (self.rewrite, &self.rewrite_rules) {
            (Switch::Off, None) => RuleSelection::Off,
            (Switch::Off, Some(_)) => {
                let both = "`--rewrite off` uses no rule, so `--rewrite-rules` has nothing to choose";
                return Err(DriverError::User(both.to_owned()));
            }
            (Switch::On, None) => RuleSelection::All,
            (Switch::On, Some(names)) => rule_selection(names)?,
        };
        Ok(RewriteOptions { fast_math: self.fast_math, rules, ..RewriteOptions::default() })
    }
}

/// Whether rules are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// All rules, or those of --rewrite-rules.
    On,
    /// No rule.
    Off,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;

    fn rewriting(flags: &[&str]) -> Result<RewriteOptions, DriverError> {
        let arguments = ["dlc", "compile", "m.dsl"].iter().chain(flags);
        match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Compile(flags) => flags.rewrite.options(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rewriting_is_chosen_by_flags() {
        let default = rewriting(&[]).unwrap();
        assert_eq!((default.rules, default.fast_math), (RuleSelection::All, false));
        assert_eq!(rewriting(&["--rewrite", "off"]).unwrap().rules, RuleSelection::Off);
        let some = rewriting(&["--rewrite-rules", "sliding,normalization", "--fast-math"]).unwrap();
        assert!(some.fast_math && matches!(some.rules, RuleSelection::Only(names) if names.len() > 2));
        for wrong in [&["--rewrite-rules", "slidin"][..], &["--rewrite=off", "--rewrite-rules=sliding"]] {
            assert_eq!(rewriting(wrong).unwrap_err().exit_code(), 1);
        }
    }
}
