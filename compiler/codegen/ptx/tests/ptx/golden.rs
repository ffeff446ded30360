//! The text of each case, for the architecture in the middle.

use crate::cases::{CASES, LARGE, module};
use dlc_codegen_ptx::Architecture;
use expect_test::expect_file;
use std::path::Path;

#[test]
fn texts_are_those_that_were_read() {
    for (name, text) in CASES {
        let module = module(name, text, Architecture::Sm80);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ptx/golden/{name}.ptx"));
        expect_file![file].assert_eq(&module.text);
    }
}

#[test]
fn equal_kernels_give_equal_bytes() {
    for (name, text) in CASES.iter().chain(LARGE) {
        let [one, other] = [(); 2].map(|()| module(name, text, Architecture::Sm90a));
        assert_eq!(one, other);
    }
}
