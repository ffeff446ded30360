//! Rewriting rule by rule, on small graphs in text files.
//!
//! `rewrite/NAME.ir` holds one or more cases. A case is a comment with the rules that it needs (and
//! `fast-math`, if it needs that), then a function. `rewrite/NAME.after` holds what they become;
//! `UPDATE_EXPECT=1` renews it. Every case is also run before and after on random tensors: with NaN,
//! infinity and zeros among the elements unless a rule is fast-math or the comment says `finite`.
//!
//! The documentation of a file of rules may hold a case too, in a block marked `ir`, with what it becomes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "rewrite/oracle.rs"]
mod oracle;

use dlc_compiler::rewrite::{
    RewriteError, RewriteOptions, RewriteReport, RuleSelection, StopReason, Tag, rewrite, rules,
};
use dlc_ir::{Function, text};
use expect_test::expect_file;
use oracle::{Elements, agree};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

struct Case {
    /// The comment before the function.
    remark: String,
    rules: Vec<String>,
    finite: bool,
    fast_math: bool,
    function: Function,
}

fn case_files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rewrite");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "ir")).collect();
    files.sort();
    files
}

fn cases(path: &PathBuf) -> Vec<Case> {
    cases_in(&std::fs::read_to_string(path).unwrap())
}

/// Cases in the documentation of files of rules, with what each becomes.
fn documented_cases() -> Vec<(Case, Function)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rewrite/rules");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let content = std::fs::read_to_string(&path).unwrap();
        let lines = content.lines().map(|line| line.strip_prefix("//!").unwrap_or("```"));
        let lines =
            lines.skip_while(|line| *line != " ```ir").skip(1).take_while(|line| !line.contains("```"));
        let block: String =
            lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
        let Some(end) = block.find("\n}\n") else { continue };
        let (before, after) = block.split_at(end + 3);
        let after = text::parse(after).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.push((cases_in(before).remove(0), after));
    }
    found
}

fn all_cases() -> Vec<Case> {
    let documented = documented_cases().into_iter().map(|(case, _)| case);
    case_files().iter().flat_map(cases).chain(documented).collect()
}

fn cases_in(content: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut rest = content;
    while let Some(start) = rest.find("# ") {
        let after = &rest[start + 2..];
        let end = after.find("\n# ").map_or(after.len(), |end| end + 1);
        let (remark, body) = after[..end].split_once('\n').unwrap();
        let mut words: Vec<String> =
            remark.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let finite = words.iter().any(|word| word == "finite");
        let fast_math = words.iter().any(|word| word == "fast-math");
        words.retain(|word| word != "finite" && word != "fast-math");
        let function = text::parse(body).unwrap_or_else(|error| panic!("{remark}: {error}\n{body}"));
        cases.push(Case { remark: remark.to_owned(), rules: words, finite, fast_math, function });
        rest = &after[end..];
    }
    cases
}

fn run(case: &Case) -> (Function, RewriteReport) {
    let options = RewriteOptions {
        fast_math: case.fast_math,
        rules: RuleSelection::Only(case.rules.clone()),
        ..RewriteOptions::default()
    };
    rewrite(&case.function, &options).unwrap_or_else(|error| panic!("{}: {error}", case.remark))
}

#[test]
fn before_and_after() {
    for path in case_files() {
        let mut after = String::new();
        for case in cases(&path) {
            let (function, report) = run(&case);
            for rule in &case.rules {
                assert!(
                    report.applied.contains_key(rule),
                    "{rule} in `{}`: {:?}\n{function}",
                    case.remark,
                    report.applied
                );
            }
            write!(after, "# {}\n{function}", case.remark).unwrap();
        }
        expect_file![path.with_extension("after")].assert_eq(&after);
    }
}

#[test]
fn every_rule_has_a_case() {
    let covered: BTreeSet<String> = all_cases().into_iter().flat_map(|case| case.rules).collect();
    let missing: Vec<&str> =
        rules::all().iter().map(|rule| rule.name).filter(|&name| !covered.contains(name)).collect();
    assert!(missing.is_empty(), "no case in tests/rewrite/*.ir for {missing:?}");
}

#[test]
fn documented_cases_become_what_they_say() {
    let documented = documented_cases();
    assert!(!documented.is_empty());
    for (case, after) in documented {
        assert_eq!(run(&case).0.to_string(), after.to_string(), "{}", case.remark);
    }
}

#[test]
fn the_example_in_the_architecture_is_the_file() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(root.join("src/rewrite/rules/root_of_square.rs")).unwrap();
    let architecture = std::fs::read_to_string(root.join("../ARCHITECTURE.md")).unwrap();
    assert!(architecture.contains(&file));
    assert!(file.lines().count() < 30);
}

#[test]
fn rules_are_sound() {
    for case in all_cases() {
        let tags: Vec<Tag> = rules::all()
            .iter()
            .filter(|rule| case.rules.iter().any(|name| name == rule.name))
            .map(|rule| rule.tag)
            .collect();
        assert_eq!(tags.contains(&Tag::FastMath), case.fast_math, "{}", case.remark);
        let (after, _) = run(&case);
        let kinds: &[Elements] = if case.fast_math || case.finite {
            &[Elements::Normal]
        } else {
            &[Elements::Normal, Elements::Zeros, Elements::Special]
        };
        for seed in 0..6 {
            for &elements in kinds {
                for batch in [0, 1, 3] {
                    agree(&case.function, &after, batch, seed, elements).unwrap_or_else(|error| {
                        panic!("{}: batch {batch}: {error}\n{}\n{after}", case.remark, case.function)
                    });
                }
            }
        }
    }
}

#[test]
fn fast_math_rules_need_leave() {
    for case in all_cases().into_iter().filter(|case| case.fast_math) {
        let tags = rules::all();
        let strict = |name: &String| tags.iter().any(|rule| rule.name == name && rule.tag == Tag::FastMath);
        let rules = RuleSelection::Only(case.rules.iter().filter(|name| strict(name)).cloned().collect());
        let (_, report) =
            rewrite(&case.function, &RewriteOptions { rules, ..RewriteOptions::default() }).unwrap();
        assert!(report.applied.is_empty(), "{}: {:?}", case.remark, report.applied);
    }
}

#[test]
fn an_unknown_rule_is_named_with_the_list() {
    let function = text::parse("fn f {\n  %0: f32[N] = input \"x\"\n  output output \"y\" %0\n}\n").unwrap();
    let rules = RuleSelection::Only(vec!["add_zero".to_owned(), "ad_zero".to_owned()]);
    let error = rewrite(&function, &RewriteOptions { rules, ..RewriteOptions::default() }).unwrap_err();
    let RewriteError::UnknownRule { name, known } = &error else { panic!("{error}") };
    assert_eq!(name, "ad_zero");
    assert_eq!(known.len(), rules::all().len());
    assert!(error.to_string().contains("add_zero"), "{error}");
}

#[test]
fn names_of_rules_are_unique() {
    let names: BTreeSet<&str> = rules::all().iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), rules::all().len());
}

/// `x * 1 * 1 * …` in a long chain, each factor another splat.
fn chain(length: usize) -> Function {
    let mut content = "fn f {\n  %0: f32[N, 4] = input \"x\"\n".to_owned();
    let mut last = 0;
    for step in 0..length {
        let at = 1 + 3 * step;
        let factor = 1.0 + step as f32 / 1024.0;
        writeln!(content, "  %{at}: f32[] = constant [{:?}]", f64::from(factor)).unwrap();
        writeln!(content, "  %{}: f32[N, 4] = broadcast(%{at}) axes=[]", at + 1).unwrap();
        writeln!(content, "  %{}: f32[N, 4] = mul(%{last}, %{})", at + 2, at + 1).unwrap();
        last = at + 2;
    }
    writeln!(content, "  output output \"y\" %{last}\n}}").unwrap();
    text::parse(&content).unwrap()
}

#[test]
fn bounds_stop_saturation() {
    let function = chain(60);
    let few_nodes = RewriteOptions { node_limit: 200, ..RewriteOptions::default() };
    let (after, report) = rewrite(&function, &few_nodes).unwrap();
    assert_eq!(report.regions[0].stop, StopReason::NodeLimit);
    assert!(report.regions[0].terms < 220, "{:?}", report.regions);
    agree(&function, &after, 2, 1, Elements::Normal).unwrap();

    let few_rounds = RewriteOptions { iteration_limit: 2, ..RewriteOptions::default() };
    let (after, report) = rewrite(&function, &few_rounds).unwrap();
    assert_eq!((report.regions[0].stop, report.regions[0].iterations), (StopReason::IterationLimit, 2));
    agree(&function, &after, 2, 1, Elements::Normal).unwrap();
}

#[test]
fn a_shared_value_is_computed_once() {
    // The convolution is needed as it is and normalised: folding would compute it twice.
    let text = "fn f {
  %0: f32[N, 4, 8, 8] = input \"x\"
  %1: f32[4, 4, 3, 3] = parameter \"w\"
  %2: f32[4] = parameter \"scale\"
  %3: f32[N, 4, 6, 6] = convolve(%0, %1) strides=[1, 1] padding=[(0, 0), (0, 0)] input_dilation=[1, 1] kernel_dilation=[1, 1] groups=1
  %4: f32[N, 4, 6, 6] = broadcast(%2) axes=[1]
  %5: f32[N, 4, 6, 6] = mul(%3, %4)
  OUTPUTS
}
";
    let count = |outputs: &str| {
        let function = text::parse(&text.replace("OUTPUTS", outputs)).unwrap();
        let (after, _) = rewrite(&function, &RewriteOptions::default()).unwrap();
        let ops = |name: &str| after.nodes.values().filter(|node| node.op.name() == name).count();
        let wide = after.nodes.values().filter(|node| {
            node.op.name() == "mul" && node.ty.tensor().is_some_and(|ty| ty.shape.has_batch())
        });
        (ops("convolve"), wide.count())
    };
    assert_eq!(count("output output \"y\" %5"), (1, 0), "folded where it is read once");
    assert_eq!(count("output output \"y\" %5\n  output output \"z\" %3"), (1, 1), "kept where it is shared");
}

#[test]
fn two_runs_give_the_same() {
    for case in all_cases() {
        let options = RewriteOptions { fast_math: true, ..RewriteOptions::default() };
        let (one, first) = rewrite(&case.function, &options).unwrap();
        let (other, second) = rewrite(&case.function, &options).unwrap();
        assert_eq!(one.to_string(), other.to_string());
        assert_eq!(first, second);
    }
}

#[test]
fn a_composite_op_is_refused() {
    let function = text::parse("fn f {\n  %0: f32[N, 3] = input \"x\"\n  %1: f32[N, 3] = softmax(%0) axis=1\n  output output \"y\" %1\n}\n").unwrap();
    let error = rewrite(&function, &RewriteOptions::default()).unwrap_err();
    assert!(matches!(error, RewriteError::Composite { op: "softmax", .. }), "{error}");
}

/// `x * 1.1 + y`, `tanh` of it, and so on: a long graph of many patterns.
fn long_graph(steps: usize) -> Function {
    let mut content = "fn f {\n  %0: f32[N, 4] = input \"x\"\n  %1: f32[4] = parameter \"p\"\n".to_owned();
    writeln!(content, "  %2: f32[N, 4] = broadcast(%1) axes=[1]\n  %3: f32[N, 4] = exp(%0)").unwrap();
    let mut next = 4;
    for step in 0..steps {
        let op = ["mul", "add", "sub", "div", "max"][step % 5];
        let other = if step % 3 == 0 { 2 } else { next - 2 };
        writeln!(content, "  %{next}: f32[N, 4] = {op}(%{}, %{other})", next - 1).unwrap();
        next += 1;
    }
    writeln!(content, "  output output \"y\" %{}\n}}", next - 1).unwrap();
    text::parse(&content).unwrap()
}

#[test]
fn work_grows_with_the_graph() {
    let options = RewriteOptions::default();
    let work = |function: &Function| {
        let (_, report) = rewrite(function, &options).unwrap();
        for region in &report.regions {
            // The last rule may add a few terms before it is stopped.
            assert!(region.terms <= options.node_limit + 16, "{region:?}");
            assert!(region.iterations <= options.iteration_limit, "{region:?}");
            assert!(region.nodes <= 400 && region.cost_after <= region.cost_before, "{region:?}");
        }
        report.regions.iter().map(|region| region.terms * region.iterations).sum::<usize>()
    };
    for graph in [chain, long_graph] {
        let (small, large) = (graph(1_000), graph(4_000));
        let ratio = large.nodes.len() as f64 / small.nodes.len() as f64;
        let (one, other) = (work(&small), work(&large));
        assert!(other as f64 <= 1.5 * ratio * one as f64, "{one} for {}, {other}", small.nodes.len());
    }
}
