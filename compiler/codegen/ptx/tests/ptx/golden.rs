//! The text of each case, for the architecture in the middle.

use crate::cases::{CASES, LARGE, module, module_with};
use dlc_codegen_ptx::{Architecture, Math};
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

/// Tensor cores multiply where they are asked for and there are some, and never words.
#[test]
fn tensor_cores_multiply_where_asked() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ptx/golden/convolution_tf32.ptx");
    let (_, text) = CASES.iter().find(|(name, _)| *name == "convolution").unwrap();
    let module = module_with("convolution", text, Architecture::Sm80, Math::Tf32);
    expect_file![file].assert_eq(&module.text);
    for (name, text) in CASES.iter().chain(LARGE) {
        let with = |architecture, math| module_with(name, text, architecture, math).text;
        let plain = with(Architecture::Sm75, Math::F32);
        assert_eq!(with(Architecture::Sm75, Math::Tf32), plain);
        let warps = with(Architecture::Sm80, Math::Tf32).contains("mma.sync");
        let tiles = plain.contains("ld.shared.v");
        assert_eq!(warps, tiles && !text.contains("i8 read"), "{name}");
    }
}

#[test]
fn equal_kernels_give_equal_bytes() {
    for (name, text) in CASES.iter().chain(LARGE) {
        let [one, other] = [(); 2].map(|()| module(name, text, Architecture::Sm90a));
        assert_eq!(one, other);
    }
}
