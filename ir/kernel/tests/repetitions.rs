//! Repetitions: the text form, the proof of bounds over all rounds, lives and barriers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_kernel::{Program, check_plan, launch_operations, launch_traffic, parse_program, verify_bounds};
use expect_test::expect;

/// Four steps over slices of two elements: `t = x + h` and `h' = t + t`, where the carry has two slots and the
/// results, in the other direction, are stacked. What lies behind takes the place of `t`.
const STEPS: &str = r#"program "p" arena 128 {
  buffer b0 "x" f32 32 bytes binding 0
  buffer b1 "h" f32 16 bytes arena 0
  buffer b2 "t" f32 8 bytes arena 64
  buffer b3 "y" f32 32 bytes binding 1
  buffer b4 "late" f32 8 bytes arena 64
  kernel "begin" (h: f32 write) space [2] {
    at (i0)
    v0: f32 = const 0.0
    store h[i0] = v0
  }
  kernel "sum" (x: f32 read, h: f32 read, t: f32 write) space [2] {
    at (i0)
    v0 = load x[i0]
    v1 = load h[i0]
    v2: f32 = add v0, v1
    store t[i0] = v2
  }
  kernel "double" (t: f32 read, h: f32 write, y: f32 write) space [2] {
    at (i0)
    v0 = load t[i0]
    v1: f32 = add v0, v0
    store h[i0] = v1
    store y[i0] = v1
  }
  repetition r0 times 4
  launch k0 (b1)  # begin
  barrier
  launch k1 (b0, b1, b2) of r0 stride [(0, 2, 4), (0, 2, 2), (0, 0, 1)]  # sum
  barrier
  launch k2 (b2, b1, b3) of r0 stride [(0, 0, 1), (2, -2, 2), (6, -2, 4)]  # double
  barrier
  launch k0 (b4)  # begin
}
"#;

fn program(changes: &[(&str, &str)]) -> Program {
    let mut text = STEPS.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    parse_program(&text).unwrap()
}

fn verdict(changes: &[(&str, &str)]) -> String {
    let program = program(changes);
    let plan = check_plan(&program).map_err(|error| error.to_string());
    plan.and_then(|()| verify_bounds(&program, 3).map_err(|error| error.to_string()))
        .map_or_else(|error| error, |()| "right".to_owned())
}

#[test]
fn they_can_be_read_again() {
    assert_eq!(parse_program(STEPS).unwrap().to_string(), STEPS);
}

#[test]
fn all_rounds_count() {
    let program = program(&[]);
    let operations: Vec<u64> =
        program.launches.iter().map(|launch| launch_operations(&program, launch, 1)).collect();
    assert_eq!(operations, [0, 8, 8, 0]);
    let traffic: Vec<u64> =
        program.launches.iter().map(|launch| launch_traffic(&program, launch, 1).total()).collect();
    assert_eq!(traffic, [8, 4 * 24, 4 * 24, 8]);
    assert_eq!(program.two_rounds(), [0, 1, 2, 1, 2, 3]);
}

#[test]
fn broken_rules_are_found() {
    let first = "  barrier\n  launch k1 (b0, b1, b2)";
    let second = "  barrier\n  launch k2 (b2, b1, b3)";
    let begun = "  launch k0 (b1)  # begin\n  barrier\n";
    let changes: [&[(&str, &str)]; 14] = [
        &[],
        &[("times 4", "times 0")],
        &[("times 4", "times 5"), ("(0, 2, 4)", "(0, 2, 5)")],
        &[("(6, -2, 4)", "(4, -2, 4)")],
        &[("(6, -2, 4)", "(8, -2, 4)")],
        &[("(0, 2, 2)", "(0, 2, 3)"), ("times 4", "times 6")],
        &[("(0, 2, 2)", "(0, 2, 0)")],
        &[("(0, 0, 1), (2", "(2")],
        &[(" of r0 stride [(0, 2, 4), (0, 2, 2), (0, 0, 1)]", "")],
        &[(
            "  barrier\n  launch k0 (b4)",
            "  barrier\n  launch k0 (b4)\n  barrier\n  launch k2 (b2, b1, b3) of r0 stride [(0, 0, 1), (2, -2, 2), (6, -2, 4)]",
        )],
        // Nobody meets between the last launch of a round and the first of the next.
        &[("arena 0\n  buffer b2", "persistent 0\n  buffer b2"), (begun, "")],
        &[(first, "  launch k1 (b0, b1, b2)")],
        &[(second, "  launch k2 (b2, b1, b3)")],
        // What moves from round to round lives through all of them.
        &[("arena 64\n  buffer b3", "arena 0\n  buffer b3")],
    ];
    let verdicts: Vec<String> = changes.iter().map(|changes| verdict(changes) + "\n").collect();
    expect![[r#"
        right
        bug in dlc: launch 1 of a repetition is done in no round
        bug in dlc: kernel `sum` of launch 1: a load of `x[i0]` may reach elements 0 to 1 of 0, for a batch of 1
        bug in dlc: launch 2 of a repetition begins before its buffer
        bug in dlc: kernel `double` of launch 2: a store of `y[i0]` may reach elements 0 to 1 of 0, for a batch of 1
        bug in dlc: kernel `sum` of launch 1: a load of `h[i0]` may reach elements 0 to 1 of 0, for a batch of 1
        bug in dlc: launch 1 of a repetition has places that come again after no round
        bug in dlc: launch 2 of a repetition has too few strides
        right
        bug in dlc: launch 4 of a repetition stands apart from its repetition
        bug in dlc: launch 0 reads b1 `h` (16 bytes at persistent 0) and launch 1 writes b1 `h` (16 bytes at persistent 0), without a barrier between
        bug in dlc: launch 1 reads b1 `h` (16 bytes at arena 0) and launch 0 writes b1 `h` (16 bytes at arena 0), without a barrier between
        bug in dlc: launch 2 reads b2 `t` (8 bytes at arena 64) and launch 1 writes b2 `t` (8 bytes at arena 64), without a barrier between
        bug in dlc: two operands of launch 1, b1 `h` (16 bytes at arena 0) and b2 `t` (8 bytes at arena 0), share bytes
    "#]].assert_eq(&verdicts.concat());
}

#[test]
fn what_a_round_begins_by_writing_lives_in_the_round() {
    // Known behind the repetition, a value lives through all rounds; else it may take the place of one that is dead.
    let third = "  launch k0 (b4) of r0 stride [(0, 0, 1)]\n  barrier\n  launch k0 (b4)";
    assert_eq!(
        verdict(&[("  launch k0 (b4)", third)]),
        "bug in dlc: b2 `t` (8 bytes at arena 64) and b4 `late` (8 bytes at arena 64) share bytes while both are live"
    );
    let third = "  launch k0 (b4) of r0 stride [(0, 0, 1)]";
    assert_eq!(verdict(&[("  launch k0 (b4)", third)]), "right");
}
