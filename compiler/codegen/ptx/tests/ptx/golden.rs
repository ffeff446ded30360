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
    let (_, text) = CASES.iter().find(|(name, _)| *name == "convolution").unwrap();
    for (math, file) in [(Math::Tf32, "convolution_tf32"), (Math::Bf16, "convolution_bf16")] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ptx/golden/{file}.ptx"));
        let module = module_with("convolution", text, Architecture::Sm80, math);
        expect_file![file].assert_eq(&module.text);
    }
    for (name, text) in CASES.iter().chain(LARGE) {
        for math in [Math::Tf32, Math::Bf16] {
            let with = |architecture, math| module_with(name, text, architecture, math).text;
            let plain = with(Architecture::Sm75, Math::F32);
            assert_eq!(with(Architecture::Sm75, math), plain);
            let warps = with(Architecture::Sm80, math).contains("mma.sync");
            let tiles = plain.contains("st.shared") && plain.contains("fma.rn.f32");
            assert_eq!(warps, tiles && name != &"layer_norm", "{name} {math:?}");
        }
    }
}

/// Copies that nobody waits for fill tiles where there are such copies, but where factors change on the way.
#[test]
fn tiles_are_filled_by_copies() {
    for (name, text) in CASES.iter().chain(LARGE) {
        let with = |architecture, math| module_with(name, text, architecture, math).text;
        let tiles = with(Architecture::Sm75, Math::F32).contains("st.shared") && name != &"layer_norm";
        let copies = |architecture, math| with(architecture, math).contains("cp.async");
        assert!(!copies(Architecture::Sm75, Math::Tf32));
        assert_eq!(copies(Architecture::Sm80, Math::F32), tiles, "{name}");
        assert_eq!(copies(Architecture::Sm90a, Math::Tf32), tiles, "{name}");
        let unchanged = text.contains("i8 read");
        assert_eq!(copies(Architecture::Sm80, Math::Bf16), tiles && unchanged, "{name}");
    }
}

#[test]
fn equal_kernels_give_equal_bytes() {
    for (name, text) in CASES.iter().chain(LARGE) {
        let [one, other] = [(); 2].map(|()| module(name, text, Architecture::Sm90a));
        assert_eq!(one, other);
    }
}
