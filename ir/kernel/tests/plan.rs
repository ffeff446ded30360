//! The checker of memory plans and barriers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_kernel::{check_plan, parse_program};
use expect_test::{Expect, expect};

/// x -> a -> b -> c -> y, where c takes the place of a.
const CHAIN: &str = r#"
program "p" arena 512 {
  buffer b0 "x" f32 256 bytes binding 0
  buffer b1 "a" f32 256 bytes arena 0
  buffer b2 "b" f32 256 bytes arena 256
  buffer b3 "c" f32 256 bytes arena 0
  buffer b4 "y" f32 256 bytes binding 1
  buffer b5 "w" f32 256 bytes persistent 0
  buffer b6 "v" f32 256 bytes persistent 256
  buffer b7 "k" f32 256 bytes constants 0
  kernel "f" (x: f32 read, y: f32 write) space [2] { at (i0) }
  kernel "g" (x: f32 read, y: f32 read write) space [2] { at (i0) }
  launch k0 (b0, b1)
  barrier
  launch k0 (b1, b2)
  barrier
  launch k0 (b2, b3)
  barrier
  launch k0 (b3, b4)
  launch k1 (b7, b5)
}
"#;

fn verdicts(changes: &[(&str, &str)], expected: Expect) {
    let mut found = String::new();
    for (from, to) in [("", "")].iter().chain(changes) {
        assert!(CHAIN.contains(from), "{from}");
        let program = parse_program(&CHAIN.replacen(from, to, 1)).unwrap();
        found += &check_plan(&program).map_or_else(|error| error.to_string(), |()| "right".to_owned());
        found += "\n";
    }
    expected.assert_eq(&found);
}

#[test]
fn a_prologue_is_kept() {
    const PREPARED: &str = r#"
program "p" arena 768 prologue 1 {
  buffer b0 "x" f32 256 bytes binding 0
  buffer b1 "folded" f32 256 bytes arena 0
  buffer b2 "a" f32 256 bytes arena 256
  buffer b3 "y" f32 256 bytes binding 1
  buffer b4 "w" f32 256 bytes persistent 0
  buffer b5 "late" f32 256 bytes arena 512
  kernel "f" (x: f32 read, y: f32 write) space [2] { at (i0) }
  kernel "g" (w: f32 read, x: f32 read, y: f32 write) space [2] { at (i0) }
  launch k0 (b4, b1)
  launch k0 (b0, b2)
  barrier
  launch k1 (b1, b2, b5)
  barrier
  launch k0 (b5, b3)
}
"#;
    let verdict =
        |from: &str, to: &str| match check_plan(&parse_program(&PREPARED.replacen(from, to, 1)).unwrap()) {
            Ok(()) => "right".to_owned(),
            Err(error) => error.to_string(),
        };
    assert_eq!(verdict("", ""), "right");
    expect!["bug in dlc: launch 0 of the prologue touches b0 `x` (256 bytes at binding 0), or the prologue is too long"].assert_eq(&verdict("(b4, b1)", "(b0, b1)"));
    expect!["bug in dlc: two operands of launch 2, b1 `folded` (256 bytes at arena 0) and b5 `late` (256 bytes at arena 0), share bytes"].assert_eq(&verdict("arena 512", "arena 0"));
    expect!["bug in dlc: launch 2 writes b1 `folded` (256 bytes at arena 0), which the prologue computed"]
        .assert_eq(&verdict("(b1, b2, b5)", "(b4, b2, b1)"));
    expect!["bug in dlc: launch 5 names a kernel or buffer that is none, or too few buffers"]
        .assert_eq(&verdict("prologue 1", "prologue 5"));
    assert_eq!(verdict("prologue 1", "prologue 0"), "right");
}

#[test]
fn borders_are_nobody_elses() {
    let (a, b, c) =
        ("\"a\" f32 256 bytes arena 0", "\"b\" f32 256 bytes arena 256", "\"c\" f32 256 bytes arena 0");
    let bordered = |buffer: &str| format!("{buffer} border [0 + 2 + 0, 1 + 30 + 1]");
    let both = CHAIN.replace(a, &bordered(a)).replace(c, &bordered(c));
    let verdict = |text: &str| match check_plan(&parse_program(text).unwrap()) {
        Ok(()) => "right".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(verdict(&both), "right");
    assert_eq!(verdict(&CHAIN.replace(b, &bordered(b))), "right");
    expect!["bug in dlc: b1 `a` (256 bytes at arena 0) has a border and b3 `c` (256 bytes at arena 0), of another one, shares its bytes"].assert_eq(&verdict(&CHAIN.replace(a, &bordered(a))));
    expect!["bug in dlc: b1 `a` (256 bytes at arena 0) has a border and b3 `c` (256 bytes at arena 0), of another one, shares its bytes"].assert_eq(&verdict(&both.replacen("1 + 30 + 1", "2 + 30 + 0", 1)));
    expect!["bug in dlc: the border of b1 `a` (256 bytes at arena 0) does not fit its size"]
        .assert_eq(&verdict(&both.replacen("1 + 30 + 1", "1 + 30 + 2", 1)));
}

#[test]
fn places() {
    verdicts(
        &[
            ("\"a\" f32 256 bytes arena 0", "\"a\" f32 256 bytes arena 32"),
            ("\"a\" f32 256 bytes arena 0", "\"a\" f32 256 bytes arena unplanned"),
            ("arena 512 {", "arena 511 {"),
            ("\"a\" f32 256 bytes", "\"a\" f32 18446744073709551615 bytes"),
            ("persistent 256", "persistent 258"),
            ("persistent 256", "persistent 252"),
            ("arena 256", "arena 192"),
            ("b2 \"b\" f32 256 bytes arena 256", "b2 \"b\" f32 0 bytes arena 0"),
        ],
        expect![[r#"
            right
            bug in dlc: b1 `a` (256 bytes at arena 32) is not aligned to 64 bytes
            bug in dlc: b1 `a` (256 bytes at arena unplanned) has no place in the arena yet
            bug in dlc: b2 `b` (256 bytes at arena 256) does not lie in the arena of 511 bytes
            bug in dlc: b1 `a` (18446744073709551615 bytes at arena 0) does not lie in the arena of 512 bytes
            bug in dlc: b6 `v` (256 bytes at persistent 258) is not aligned to 4 bytes
            bug in dlc: b5 `w` (256 bytes at persistent 0) and b6 `v` (256 bytes at persistent 252) share bytes while both are live
            bug in dlc: two operands of launch 1, b1 `a` (256 bytes at arena 0) and b2 `b` (256 bytes at arena 192), share bytes
            right
        "#]],
    );
}

#[test]
fn lives() {
    verdicts(
        &[
            // a is read after c has taken its place.
            ("launch k0 (b3, b4)", "launch k0 (b1, b4)"),
            ("launch k1 (b7, b5)", "launch k0 (b1, b4)"),
            ("launch k0 (b0, b1)", "launch k0 (b3, b1)"),
            ("launch k0 (b0, b1)", "launch k1 (b0, b1)"),
            ("launch k1 (b7, b5)", "launch k1 (b5, b7)"),
            // Operands of one launch.
            ("launch k0 (b0, b1)", "launch k0 (b0, b0)"),
            ("binding 1", "binding 0"),
            ("\"x\" f32 256 bytes binding 0", "\"x\" f32 256 bytes arena 0"),
            ("launch k0 (b1, b2)", "launch k0 (b3, b1)"),
        ],
        expect![[r#"
            right
            bug in dlc: b1 `a` (256 bytes at arena 0) and b3 `c` (256 bytes at arena 0) share bytes while both are live
            bug in dlc: b1 `a` (256 bytes at arena 0) and b3 `c` (256 bytes at arena 0) share bytes while both are live
            bug in dlc: two operands of launch 0, b3 `c` (256 bytes at arena 0) and b1 `a` (256 bytes at arena 0), share bytes
            bug in dlc: launch 0 reads b1 `a` (256 bytes at arena 0), which nothing has written
            bug in dlc: launch 4 writes b7 `k` (256 bytes at constants 0)
            bug in dlc: launch 1 reads b1 `a` (256 bytes at arena 0), which nothing has written
            right
            bug in dlc: two operands of launch 0, b0 `x` (256 bytes at arena 0) and b1 `a` (256 bytes at arena 0), share bytes
            bug in dlc: two operands of launch 1, b3 `c` (256 bytes at arena 0) and b1 `a` (256 bytes at arena 0), share bytes
        "#]],
    );
}

#[test]
fn equal_constants_may_lie_at_one_place() {
    let both = CHAIN.replace("\"v\" f32 256 bytes persistent 256", "\"v\" f32 64 bytes constants 0");
    assert_eq!(check_plan(&parse_program(&both).unwrap()), Ok(()));
    let operands = both
        .replace("(x: f32 read, y: f32 read write)", "(a: f32 read, x: f32 read, y: f32 read write)")
        .replace("launch k1 (b7, b5)", "launch k1 (b6, b7, b5)");
    assert_eq!(check_plan(&parse_program(&operands).unwrap()), Ok(()));
}

#[test]
fn launches_of_a_single_point_run_in_order() {
    let text = CHAIN.replace("space [2] { at (i0) }", "space [] {}").replace("  barrier\n", "");
    assert_eq!(check_plan(&parse_program(&text).unwrap()), Ok(()));
}

#[test]
fn barriers() {
    let missing = |nth: usize| {
        let mut seen = 0;
        let lines = CHAIN.lines().filter(|line| {
            seen += usize::from(line.trim() == "barrier");
            !(line.trim() == "barrier" && seen == nth)
        });
        let text: Vec<&str> = lines.collect();
        check_plan(&parse_program(&text.join("\n")).unwrap()).unwrap_err().to_string()
    };
    expect!["bug in dlc: launch 1 reads b1 `a` (256 bytes at arena 0) and launch 0 writes b1 `a` (256 bytes at arena 0), without a barrier between"].assert_eq(&missing(1));
    expect!["bug in dlc: launch 2 reads b2 `b` (256 bytes at arena 256) and launch 1 writes b2 `b` (256 bytes at arena 256), without a barrier between"].assert_eq(&missing(2));
    expect!["bug in dlc: launch 3 reads b3 `c` (256 bytes at arena 0) and launch 2 writes b3 `c` (256 bytes at arena 0), without a barrier between"].assert_eq(&missing(3));
    verdicts(
        &[
            // Two launches that write one buffer, one that writes what the last read, two that read.
            ("launch k1 (b7, b5)", "launch k0 (b0, b4)"),
            ("launch k1 (b7, b5)", "launch k0 (b0, b2) launch k0 (b0, b3)"),
            ("launch k1 (b7, b5)", "launch k0 (b3, b5) launch k0 (b3, b6)"),
            ("binding 1", "binding 0"),
            ("launch k1 (b7, b5)", "launch k7 (b7, b5)"),
            ("launch k1 (b7, b5)", "launch k1 (b7)"),
            ("launch k1 (b7, b5)", "launch k1 (b7, b99)"),
        ],
        expect![[r#"
            right
            bug in dlc: launch 4 writes b4 `y` (256 bytes at binding 1) and launch 3 writes b4 `y` (256 bytes at binding 1), without a barrier between
            bug in dlc: launch 5 writes b3 `c` (256 bytes at arena 0) and launch 3 reads b3 `c` (256 bytes at arena 0), without a barrier between
            right
            right
            bug in dlc: launch 4 names a kernel or buffer that is none, or too few buffers
            bug in dlc: launch 4 names a kernel or buffer that is none, or too few buffers
            bug in dlc: launch 4 names a kernel or buffer that is none, or too few buffers
        "#]],
    );
}

/// Two launches that every thread does part by part, with scratch of its own between them.
const PARTS: &str = r#"program "p" arena 0 thread 64 {
  buffer b0 "x" f32 1024 bytes binding 0
  buffer b1 "s" f32 32 bytes thread 0
  buffer b2 "y" f32 1024 bytes binding 1
  kernel "f" (x: f32 read, y: f32 write) space [N, 2] {
    at (i0, i1)
    v0 = load x[2*i0 + i1]
    store y[2*i0 + i1] = v0
  }
  sequence s0 images 4 strips 1 alone 1
  launch k0 (b0, b1) in s0 step [(2, 0, 0), (0, 0, 0)]  # f
  launch k0 (b1, b2) in s0 step [(0, 0, 0), (2, 0, 0)]  # f
}
"#;

#[test]
fn sequences_can_be_read_again() {
    assert_eq!(parse_program(PARTS).unwrap().to_string(), PARTS);
    let shared = PARTS.replace("alone 1", "together");
    assert_eq!(parse_program(&shared).unwrap().to_string(), shared);
}

#[test]
fn broken_rules_of_sequences_are_found() {
    let verdict = |from: &str, to: &str| {
        assert!(PARTS.contains(from), "{from}");
        let program = parse_program(&PARTS.replacen(from, to, 1)).unwrap();
        match check_plan(&program).map_err(|error| error.to_string()) {
            Ok(()) => dlc_kernel::verify_bounds(&program, 128)
                .map_or_else(|error| error.to_string(), |()| "right".to_owned()),
            Err(error) => error,
        }
    };
    let second = "  launch k0 (b1, b2) in s0 step [(0, 0, 0), (2, 0, 0)]";
    let apart = format!("  launch k0 (b0, b2)\n{second}");
    let changes = [
        ("p\"", "p\""),
        ("alone 1", "together"),
        ("alone 1", "alone 0"),
        ("images 4", "images 0"),
        ("images 4 strips 1", "images 4 strips 2"),
        ("images 4", "images 5"),
        ("thread 64", "thread 16"),
        ("(b0, b1) in s0", "(b0, b1) in s1"),
        ("step [(2, 0, 0), (0, 0, 0)]", "step [(2, 0, 0)]"),
        ("step [(2, 0, 0), (0, 0, 0)]", "step [(3, 0, 0), (0, 0, 0)]"),
        ("step [(2, 0, 0), (0, 0, 0)]", "step [(2, 0, 0), (2, 0, 0)]"),
        ("(0, 0, 0), (2, 0, 0)]", "(0, 0, 0), (0, 0, 0)]"),
        (second, &format!("  barrier\n{second}")),
        (second, &apart),
        ("(b0, b1) in s0 step [(2, 0, 0), (0, 0, 0)]", "(b1, b2) in s0 step [(0, 0, 0), (2, 0, 0)]"),
    ];
    let verdicts: Vec<String> = changes.into_iter().map(|(from, to)| verdict(from, to) + "\n").collect();
    expect![[r#"
        right
        bug in dlc: launch 0 of a sequence has no barrier before it
        bug in dlc: launch 0 of a sequence has runs without parts
        bug in dlc: launch 0 of a sequence divides images wrongly
        bug in dlc: launch 0 of a sequence divides images wrongly
        bug in dlc: kernel `f` of launch 0: a store of `y[2*i0 + i1]` may reach elements 0 to 9 of 8, for a batch of 5
        bug in dlc: b1 `s` (32 bytes at thread 0) does not lie in the arena of 16 bytes
        bug in dlc: launch 0 of a sequence belongs to no sequence
        bug in dlc: launch 0 of a sequence belongs to the prologue or has too few steps
        bug in dlc: kernel `f` of launch 0: a load of `x[2*i0 + i1]` may reach elements 0 to 7 of 0, for a batch of 4
        bug in dlc: launch 0 of a sequence shares a thread's scratch
        bug in dlc: launch 1 of a sequence writes what another part touches
        bug in dlc: launch 1 of a sequence has a barrier within a part
        bug in dlc: launch 2 of a sequence stands apart from its sequence
        bug in dlc: launch 0 reads b1 `s` (32 bytes at thread 0), which nothing has written
    "#]].assert_eq(&verdicts.concat());
}
