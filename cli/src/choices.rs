//! The flags about how a model is compiled, which every command that compiles takes.

use crate::console::{self, Console};
use clap::{Args, ValueEnum};
use dlc_driver::{
    CompileChoices, DriverError, Math, RewriteOptions, RuleSelection, TuneMode, TuneOptions, rule_selection,
};

/// How a model is compiled.
#[derive(Debug, Args)]
pub(crate) struct ChoiceArguments {
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
    /// How convolutions may be computed: default takes Winograd's tiles of 4x4 results where they are faster,
    /// strict keeps to direct sums and tiles of 2x2, which round no more than direct sums do. Code for a GPU has direct
    /// sums in any case, of products in f32, or by its tensor cores in tf32 or bf16, whose factors have 10 or 7 bits of
    /// fraction.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Arithmetic::Default)]
    math: Arithmetic,
    /// How the code of contractions is chosen, which changes no bit of a result: on also times what was not timed
    /// on this machine before and keeps that in a file, cached uses what the file has, off does neither. The
    /// file is $DLC_TUNING_CACHE, or dlc/tuning.json in the user's folder of caches.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Tune::Cached)]
    tune: Tune,
}

impl ChoiceArguments {
    /// What the driver is told; warnings go to the console.
    pub(crate) fn choices(&self, console: &Console) -> Result<CompileChoices, DriverError> {
        let math = match self.math {
            Arithmetic::Default => Math::Default,
            Arithmetic::Strict => Math::Strict,
            Arithmetic::F32 => Math::F32,
            Arithmetic::Tf32 => Math::Tf32,
            Arithmetic::Bf16 => Math::Bf16,
        };
        let mode = match self.tune {
            Tune::Off => TuneMode::Off,
            Tune::Cached => TuneMode::Cached,
            Tune::On => TuneMode::On,
        };
        let warn = if console.json { console::json_warning } else { console::warning };
        let tune = TuneOptions { mode, warn, ..TuneOptions::default() };
        Ok(CompileChoices { rewrite: self.rewriting()?, math, tune })
    }

    fn rewriting(&self) -> Result<RewriteOptions, DriverError> {
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

/// How convolutions may be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arithmetic {
    /// As is fastest.
    Default,
    /// Without tiles of 4x4.
    Strict,
    /// On a GPU, as is written.
    F32,
    /// On a GPU, by tensor cores.
    Tf32,
    /// The same, less exact.
    Bf16,
}

/// How the code of contractions is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tune {
    /// By the code generator.
    Off,
    /// By what was measured before.
    Cached,
    /// By measurement.
    On,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;

    fn choices(flags: &[&str]) -> Result<CompileChoices, DriverError> {
        let arguments = ["dlc", "compile", "m.dsl"].iter().chain(flags);
        match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Compile(flags) => flags.choices.choices(&Console { colour: false, json: false }),
            other => panic!("{other:?}"),
        }
    }

    fn rewriting(flags: &[&str]) -> Result<RewriteOptions, DriverError> {
        choices(flags).map(|choices| choices.rewrite)
    }

    #[test]
    fn math_is_chosen_by_a_flag_of_every_command_that_compiles() {
        assert_eq!(choices(&[]).unwrap().math, Math::Default);
        assert_eq!(choices(&["--math", "default"]).unwrap().math, Math::Default);
        assert_eq!(choices(&["--math", "strict"]).unwrap().math, Math::Strict);
        assert!(Arguments::try_parse_from(["dlc", "compile", "m.dsl", "--math", "loose"]).is_err());
        let commands: [&[&str]; 9] = [
            &["compile"],
            &["run"],
            &["predict", "--checkpoint", "c", "x.csv"],
            &["train"],
            &["eval", "--checkpoint", "c"],
            &["compare"],
            &["bench", "train"],
            &["profile", "run"],
            &["explain"],
        ];
        for command in commands {
            let mut arguments = vec!["dlc", command[0], "--math", "strict"];
            arguments.extend(&command[1..]);
            let file = arguments.len() - usize::from(command[0] == "predict");
            arguments.insert(file, "m.dsl");
            assert!(Arguments::try_parse_from(&arguments).is_ok(), "{arguments:?}");
        }
    }

    #[test]
    fn tuning_is_chosen_by_a_flag() {
        let mode = |flags: &[&str]| choices(flags).unwrap().tune.mode;
        assert_eq!(mode(&[]), TuneMode::Cached);
        assert_eq!(mode(&["--tune", "off"]), TuneMode::Off);
        assert_eq!(mode(&["--tune=on"]), TuneMode::On);
        assert!(Arguments::try_parse_from(["dlc", "compile", "m.dsl", "--tune", "maybe"]).is_err());
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
