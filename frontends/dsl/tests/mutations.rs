//! No text makes the language panic or run on: random mutations of the example programs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_dsl::{LoadOptions, format, load_text};
use dlc_types::random::Stream;

const PROGRAMS: [&str; 3] = [
    include_str!("programs/dense.dsl"),
    include_str!("programs/resnet.dsl"),
    include_str!("programs/features.dsl"),
];

const FRAGMENTS: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|>",
    "->",
    "..",
    "=",
    ",",
    ":",
    ".",
    "\"",
    "\\",
    "#",
    "\n",
    "é",
    "-",
    "^",
    "@",
    "0",
    "9223372036854775807",
    "1e308",
    "N",
    "layer ",
    "for i in 0..1000000000 {",
    "if true {",
    "else",
    "return x",
    "as x",
    "parameter(f32[N, 3], init = he)",
    "import \"x\"",
    "-1",
    "reshape([-1])",
    "enumerate(0..99999999)",
    "x[:, -1]",
    "dense(4294967296)",
    "same",
    "option ",
];

/// Replaces, deletes, doubles and inserts pieces.
fn mutate(text: &str, stream: &mut Stream) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=stream.below(4) {
        let length = characters.len() as u32;
        let at = stream.below(length + 1) as usize;
        let end = (at + stream.below(12) as usize).min(characters.len());
        match stream.below(4) {
            0 => drop(characters.drain(at..end)),
            1 => {
                let copy: Vec<char> = characters[at..end].to_vec();
                let to = stream.below(length + 1) as usize;
                characters.splice(to..to, copy);
            }
            2 => {
                let fragment = FRAGMENTS[stream.below(FRAGMENTS.len() as u32) as usize];
                characters.splice(at..at, fragment.chars());
            }
            _ => {
                let fragment = FRAGMENTS[stream.below(FRAGMENTS.len() as u32) as usize];
                characters.splice(at..end, fragment.chars());
            }
        }
    }
    characters.into_iter().collect()
}

#[test]
fn mutated_programs() {
    let count = std::env::var("DLC_FUZZ_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(3000);
    let mut stream = Stream::new(1, 2, 3);
    let (mut accepted, mut laid_out) = (0, 0);
    for case in 0..count {
        let text = mutate(PROGRAMS[case % 3], &mut stream);
        let (loaded, _, diagnostics) = load_text("mutated", &text, &LoadOptions::default());
        assert_eq!(loaded.is_none(), diagnostics.has_errors(), "{text}");
        if let Some(loaded) = loaded {
            dlc_ir::verify::verify_model(&loaded.model).unwrap_or_else(|error| panic!("{error}\n{text}"));
            accepted += 1;
        }
        if let Ok(once) = format(&text, "mutated") {
            assert_eq!(format(&once, "mutated").ok().as_ref(), Some(&once), "{text}");
            laid_out += 1;
        }
    }
    assert!(accepted > 0 && laid_out > accepted, "{accepted} accepted, {laid_out} laid out");
}

#[test]
fn deep_and_long_texts() {
    let long = 20_000;
    let body =
        |expression: String| format!("dlc 1\nmodel m(x: f32[N, 2]) -> (y) {{\n  y = {expression}\n}}\n");
    for text in [
        body("(".repeat(long)),
        body(format!("{}x{}", "(".repeat(long), ")".repeat(long))),
        body("-".repeat(long)),
        body(format!("x{}", "^2".repeat(long))),
        body(format!("x{}", " + x".repeat(long))),
        body(format!("x{}", ".a".repeat(long))),
        body(format!("x{}", "[0]".repeat(long))),
        body("if true { ".repeat(long)),
        body(format!("if true {{ x }}{}", " else if true { x }".repeat(long))),
        body(format!("x{}", " |> relu()".repeat(long))),
        body("relu(".repeat(long)),
        body("[".repeat(long)),
        body(format!("{}x{}", "if true { for i in 0..2 { z = ".repeat(20), " } }".repeat(20))),
        format!(
            "dlc 1\nmodel m(x: f32[N, 2]) -> (y) {{\n  y = x\n{}{}}}\n",
            "for i in 0..9 {\n".repeat(60),
            "}\n".repeat(60)
        ),
        "dlc 1\nmodel m(x: f32[N, 2]) -> (y) {\n  y = x\n  for i in 0..1000000 {\n    _ = enumerate(0..9999)\n  }\n}\n".to_owned(),
        "{".repeat(long),
        format!("dlc 1\n{}", "model ".repeat(long)),
    ] {
        let (loaded, _, diagnostics) = load_text("deep", &text, &LoadOptions::default());
        assert_eq!(loaded.is_none(), diagnostics.has_errors());
        let _ = format(&text, "deep");
    }
}
