//! What a launcher is told of each case.

use crate::cases::{BATCH, CASES, LARGE, module};
use dlc_codegen_ptx::Architecture;
use expect_test::expect_file;
use std::fmt::Write;

#[test]
fn layouts_suit_the_work() {
    let mut table = String::new();
    for (name, text) in CASES.iter().chain(LARGE) {
        let module = module(name, text, Architecture::Sm80);
        let [entry] = module.entries.as_slice() else { panic!("{name} has one kernel") };
        assert_eq!(entry.name, *name);
        let blocks = [0, 1, BATCH].map(|batch| entry.blocks(batch).unwrap());
        let (threads, shared, operands) = (entry.threads, entry.shared_bytes, entry.operands);
        writeln!(
            table,
            "{name}: {threads} threads, {shared} bytes, {operands} operands, blocks for batches 0, 1, {BATCH}: {blocks:?}"
        )
        .unwrap();
    }
    expect_file!["golden/layouts.txt"].assert_eq(&table);
}
