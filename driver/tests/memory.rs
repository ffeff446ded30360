//! Scratch memory: what is told of it, and limits.

#![allow(clippy::panic, clippy::unwrap_used, missing_docs, reason = "tests")]

use dlc_driver::{CompileReport, CompileSettings, Cpu, DriverError, Loaded, compile, load};
use std::path::Path;

fn digits() -> Loaded {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits.dsl"), &[]).unwrap()
}

fn with(batch: usize, max_arena: Option<usize>) -> Result<CompileReport, DriverError> {
    let settings =
        CompileSettings { cpu: Cpu::Portable, batch: Some(batch), max_arena, ..CompileSettings::default() };
    compile(&digits(), &settings)
}

#[test]
fn the_report_accounts_for_the_arena() {
    let report = with(8, None).unwrap();
    for function in report.functions.iter().filter(|function| function.arena_bytes > 0) {
        let arena = &function.arena;
        let sum: usize = arena.values.iter().map(|value| value.bytes).sum();
        assert_eq!(sum, arena.live_bytes, "{}", function.name);
        // No plan can do with less than is alive at once, and this one is near it.
        assert!(arena.live_bytes <= function.arena_bytes, "{function:?}");
        assert!(arena.live_bytes * 2 >= function.arena_bytes, "{function:?}");
        assert!(arena.values.windows(2).all(|pair| pair[0].bytes >= pair[1].bytes));
    }
    // The first convolution's activations are used again by its gradient.
    let train = report.functions.iter().find(|function| function.name == "train").unwrap();
    assert!(train.arena.values.iter().any(|value| value.from != train.arena.kernel));
}

#[test]
fn a_limit_is_kept_or_told_with_what_would_do() {
    let needed = |report: &CompileReport| report.functions.iter().map(|one| one.arena_bytes).max().unwrap();
    let (all, one) = (needed(&with(32, None).unwrap()), needed(&with(1, None).unwrap()));
    assert_eq!(needed(&with(32, Some(all)).unwrap()), all);
    assert!(needed(&with(32, Some(all - 1)).unwrap()) < all, "nothing is computed again");
    let number = |text: &str, behind: &str| -> usize {
        let rest = text.split_once(behind).unwrap_or_else(|| panic!("{text}")).1;
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let error = with(32, Some(1)).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    let (least, floor) = (number(&text, "needs an arena of "), number(&text, "the floor is "));
    assert!(least < all && floor <= one && floor <= least, "{text}");
    assert!(text.ends_with(" bytes, at a batch of 1"), "{text}");
    let limit = (least + floor) / 2;
    let text = with(32, Some(limit)).unwrap_err().to_string();
    assert!(
        text.contains(&format!("needs an arena of {least} bytes at batch 32, with values computed again")),
        "{text}"
    );
    assert!(text.ends_with(", at a batch of 1"), "{text}");
    let batch = number(&text, "a --batch of ");
    assert!(needed(&with(batch, Some(limit)).unwrap()) <= limit, "{text}");
}
