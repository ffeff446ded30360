//! Loop kernels in wide vectors against the portable code.

use crate::guarded::{Guarded, Side};
use crate::machine::Machine;
use crate::results::{levels, noise};
use dlc_codegen_x86::build_kernel;
use dlc_kernel::{Kernel, parse_kernel};

/// A kernel, batches to run it with, and the elements of its operands for the greatest of them.
pub(crate) struct Case {
    pub(crate) text: &'static str,
    batches: &'static [usize],
    elements: &'static [usize],
}

pub(crate) const CASES: &[Case] = &[
    // A pass over channels: factors per channel, a border in the result, more operands than registers.
    Case {
        text: r#"kernel "normalize" (x: f32 read, mean: f32 read, scale: f32 read, shift: f32 read, y: f32 read, z: f32 write) space [N, 3] {
            at (i0, i1)
            lanes for i2 in 0 .. 21 {
              v1 = load mean[i2]
              v3 = load scale[i2]
              v5 = load shift[i2]
              for i3 in 0 .. 5 {
                v0 = load x[315*i0 + 105*i1 + i2 + 21*i3]
                v2: f32 = sub v0, v1
                v4: f32 = mul v2, v3
                v6: f32 = add v4, v5
                v7 = load y[315*i0 + 105*i1 + i2 + 21*i3]
                v8: f32 = add v6, v7
                v9: f32 = relu v8
                store z[735*i0 + 147*i1 + i2 + 21*i3 + 168] = v9
              }
            }
          }"#,
        batches: &[1, 2, 3],
        elements: &[945, 21, 21, 21, 945, 2037],
    },
    // Two sums in pieces of the batch.
    Case {
        text: r#"kernel "sums" (g: f32 read, x: f32 read, mean: f32 read, a: f32 write, b: f32 write) space [4] {
            at (i0)
            v0: f32 = const 0.0
            i2 = chunk i0 + 1 of 4 over N
            i3 = chunk i0 of 4 over N
            lanes for i1 in 0 .. 40 {
              v9 = load mean[i1]
              for i4 in i3 .. i2 carry (v1: f32 = v0, v2: f32 = v0) {
                for i6 in 0 .. 7 carry (v5: f32 = v1, v6: f32 = v2) {
                  v7 = load g[i1 + 280*i4 + 40*i6]
                  v8 = load x[i1 + 280*i4 + 40*i6]
                  v10: f32 = sub v8, v9
                  v11: f32 = mul v7, v10
                  v12: f32 = add v5, v7
                  v13: f32 = add v6, v11
                  yield v12 -> v14, v13 -> v15
                }
                yield v14 -> v22, v15 -> v23
              }
              store a[40*i0 + i1] = v22
              store b[40*i0 + i1] = v23
            }
          }"#,
        batches: &[0, 1, 3, 4, 9],
        elements: &[2520, 2520, 40, 160, 160],
    },
    // An update in place, lanes in pieces, a factor read once, the batch as a number.
    Case {
        text: r#"kernel "update" (rate: f32 read, moment: f32 read write, g: f32 read, w: f32 read) space [9] {
            at (i0)
            i1 = chunk i0 of 9 over 1000
            i2 = chunk i0 + 1 of 9 over 1000
            v0 = load rate[0]
            v5: f32 = const 0.0005
            v9: f32 = extent 64N
            v10: f32 = extent 12
            lanes for i3 in i1 .. i2 {
              v1 = load moment[i3]
              v2: f32 = mul v0, v1
              v3 = load g[i3]
              v4 = load w[i3]
              v6: f32 = fma v4, v5, v3
              v7: f32 = div v6, v9
              v8: f32 = add v2, v7
              v11: f32 = add v8, v10
              v12: f32 = neg v11
              v13: f32 = rsqrt v11
              v14: f32 = sqrt v11
              v15: f32 = mul v13, v14
              v16: f32 = add v15, v12
              store moment[i3] = v16
            }
          }"#,
        batches: &[1, 5],
        elements: &[1, 1000, 1000, 1000],
    },
    // Choices.
    Case {
        text: r#"kernel "choices" (a: f32 read, b: f32 read, c: f32 write) space [N] {
            at (i0)
            v0: f32 = const 0.0
            lanes for i1 in 0 .. 33 {
              v1 = load a[33*i0 + i1]
              v2 = load b[33*i0 + i1]
              v3: f32 = max v1, v2
              v4: f32 = min v1, v0
              v5: bool = gt v1, v2
              v6: bool = le v2, v0
              v7: f32 = select v5, v3, v4
              v8: f32 = select v6, v7, v2
              store c[33*i0 + i1] = v8
            }
          }"#,
        batches: &[1, 4],
        elements: &[132, 132, 132],
    },
    // Lanes under loops from negative numbers, and an element outside of lanes.
    Case {
        text: r#"kernel "border" (x: f32 write, y: f32 write) space [N] {
            at (i0)
            v0: f32 = const 0.25
            for i1 in -1 .. 0 {
              for i2 in -1 .. 2 {
                lanes for i3 in 0 .. 130 {
                  store x[780*i0 + 390*i1 + 130*i2 + i3 + 520] = v0
                }
              }
            }
            store y[i0] = v0
          }"#,
        batches: &[1, 2],
        elements: &[1560, 2],
    },
    // More accesses than pointers.
    Case {
        text: r#"kernel "many" (x: f32 read, y: f32 write) space [N] {
            at (i0)
            lanes for i1 in 0 .. 37 {
              for i2 in 0 .. 3 {
                v0 = load x[111*i0 + i1]
                v1 = load x[37*i0 + i1]
                v2 = load x[74*i0 + i1]
                v3 = load x[i1 + 37*i2]
                v4 = load x[i1 + 74*i2]
                v5 = load x[i1 + 111*i2]
                v6 = load x[i1 + i2]
                v7: f32 = add v0, v1
                v8: f32 = add v2, v3
                v9: f32 = add v4, v5
                v10: f32 = add v6, v7
                v11: f32 = add v8, v9
                v12: f32 = add v10, v11
                store y[111*i0 + i1 + 37*i2] = v12
              }
            }
          }"#,
        batches: &[1, 3],
        elements: &[259, 333],
    },
    // Rows chosen by numbers in memory and by parts of a coordinate.
    Case {
        text: r#"kernel "rows" (label: i32 read, table: f32 read, y: f32 write) space [N] {
            at (i0)
            v0 = load label[i0]
            i1 = clamp v0 below 5
            i2 = (7*i0 + 3) / 4
            i3 = (7*i0 + 3) % 4
            lanes for i4 in 0 .. 37 {
              v1 = load table[37*i1 + i4]
              v2 = load table[37*i3 + i4] where 0 <= i2 < 4 else 3.0
              v3: f32 = add v1, v2
              store y[37*i0 + i4] = v3
            }
          }"#,
        batches: &[1, 3, 4],
        elements: &[4, 185, 148],
    },
    // Softmax: three passes over lanes, two of them with results.
    Case {
        text: r#"kernel "softmax" (x: f32 read, y: f32 read write) space [N] {
            at (i0)
            v0: f32 = const -inf
            v1: f32 = const 0.0
            lanes for i1 in 0 .. 131 carry (v2: f32 = v0) {
              v3 = load x[131*i0 + i1]
              v4: f32 = max v2, v3
              yield v4 max -> v5
            }
            lanes for i2 in 0 .. 131 carry (v6: f32 = v1) {
              v7 = load x[131*i0 + i2]
              v8: f32 = sub v7, v5
              v9: f32 = exp v8
              store y[131*i0 + i2] = v9
              v10: f32 = add v6, v9
              yield v10 sum -> v11
            }
            lanes for i3 in 0 .. 131 {
              v12 = load y[131*i0 + i3]
              v13: f32 = div v12, v11
              store y[131*i0 + i3] = v13
            }
          }"#,
        batches: &[1, 3],
        elements: &[393, 393],
    },
    // Sums over the batch inside lanes, for groups of vectors and the rest.
    Case {
        text: r#"kernel "columns" (x: f32 read, y: f32 write) space [] {
            v0: f32 = const 0.0
            lanes for i0 in 0 .. 83 {
              for i1 in 0 .. N carry (v1: f32 = v0) {
                v2 = load x[i0 + 83*i1]
                v3: f32 = add v1, v2
                yield v3 -> v4
              }
              store y[i0] = v4
            }
          }"#,
        batches: &[0, 1, 7],
        elements: &[581, 83],
    },
];

pub(crate) fn kernel(text: &str) -> Kernel {
    parse_kernel(text).unwrap()
}

fn run(
    machine: &Machine,
    kernel: &Kernel,
    case: &Case,
    batch: usize,
    side: Side,
    pieces: usize,
) -> Vec<Vec<f32>> {
    let fill = |(&count, seed): (&usize, u32)| {
        let mut elements = noise(count, seed);
        if kernel.name == "choices" {
            elements.iter_mut().step_by(7).for_each(|x| *x = f32::NAN);
        }
        Guarded::new(&elements, side)
    };
    let mut buffers: Vec<Guarded> = case.elements.iter().zip(1..).map(fill).collect();
    let pointers: Vec<*mut f32> = buffers.iter().map(Guarded::pointer).collect();
    let points: usize = kernel.space.iter().map(|dim| dim.at(batch)).product();
    for piece in 0..pieces {
        let border = |piece: usize| (points * piece / pieces) as i64;
        machine.run(batch as i64, border(piece), border(piece + 1), &pointers);
    }
    buffers.iter_mut().map(|buffer| buffer.elements_mut().to_vec()).collect()
}

#[test]
fn wide_loops_agree_with_portable_ones() {
    for case in CASES {
        let kernel = kernel(case.text);
        let portable = Machine::portable(&kernel);
        for level in levels() {
            let bytes = build_kernel(&kernel, level).unwrap();
            let wide =
                Machine::of_bytes(&bytes.unwrap_or_else(|| panic!("{} has no wide form", kernel.name)));
            for &batch in case.batches {
                let expected = run(&portable, &kernel, case, batch, Side::Back, 1);
                for (side, pieces) in [(Side::Back, 1), (Side::Front, 3)] {
                    let found = run(&wide, &kernel, case, batch, side, pieces);
                    for (operand, (expected, found)) in expected.iter().zip(&found).enumerate() {
                        for (at, (&expected, &found)) in expected.iter().zip(found).enumerate() {
                            let same = expected.is_nan() && found.is_nan();
                            let near = (expected - found).abs() <= 1e-6 * expected.abs().max(1e-3);
                            let label = format!("{}, {level:?}, batch {batch}", kernel.name);
                            assert!(
                                same || near,
                                "{label}: {found}, not {expected}, at {at} of operand {operand}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn loops_beyond_32_bit_lanes_are_left_to_others() {
    let double = r#"kernel "d" (x: f64 read, y: f64 write) space [] {
        lanes for i0 in 0 .. 40 {
          v0 = load x[i0]
          store y[i0] = v0
        }
      }"#;
    let power = r#"kernel "p" (x: f32 read, y: f32 write) space [] {
        lanes for i0 in 0 .. 40 {
          v0 = load x[i0]
          v1: f32 = pow v0, v0
          store y[i0] = v1
        }
      }"#;
    let apart = r#"kernel "q" (x: f32 read, y: f32 write) space [] {
        lanes for i0 in 0 .. 40 {
          i1 = (i0) / 3
          v0 = load x[i1]
          store y[i0] = v0
        }
      }"#;
    for text in [double, power, apart] {
        assert_eq!(build_kernel(&kernel(text), dlc_codegen_x86::Level::Avx512).unwrap(), None);
    }
}

/// The transform of 6 x 6 elements to 6 x 6 of Winograd's F(4x4, 3x3), for each of some channels.
pub(crate) fn transform() -> String {
    let mut values = 0;
    let mut lines = Vec::new();
    let mut value = |lines: &mut Vec<String>, what: String| {
        values += 1;
        lines.push(format!("v{values}{what}"));
        values
    };
    let mut tile = [[0_usize; 6]; 6];
    for (place, element) in tile.iter_mut().flatten().enumerate() {
        *element = value(&mut lines, format!(" = load x[i1 + {}]", 33 * place));
    }
    let four = value(&mut lines, ": f32 = const 4.0".to_owned());
    let five = value(&mut lines, ": f32 = const -5.0".to_owned());
    for pass in 0..2 {
        for line in 0..6 {
            let at = |place: usize| if pass == 0 { (place, line) } else { (line, place) };
            let a = [0, 1, 2, 3, 4, 5].map(|place| tile[at(place).0][at(place).1]);
            let mut step = |what: String| value(&mut lines, format!(": f32 = {what}"));
            let low = step(format!("fma v{}, v{five}, v{}", a[2], a[4]));
            let first = step(format!("fma v{}, v{four}, v{low}", a[0]));
            let even = step(format!("mul v{}, v{four}", a[2]));
            let even = step(format!("sub v{}, v{even}", a[4]));
            let odd = step(format!("mul v{}, v{four}", a[1]));
            let odd = step(format!("sub v{}, v{odd}", a[3]));
            let (second, third) =
                (step(format!("add v{even}, v{odd}")), step(format!("sub v{even}, v{odd}")));
            let even = step(format!("sub v{}, v{}", a[4], a[2]));
            let odd = step(format!("sub v{}, v{}", a[3], a[1]));
            let (fourth, fifth) =
                (step(format!("add v{even}, v{odd}")), step(format!("sub v{even}, v{odd}")));
            let high = step(format!("fma v{}, v{five}, v{}", a[3], a[5]));
            let last = step(format!("fma v{}, v{four}, v{high}", a[1]));
            for (place, result) in [first, second, third, fourth, fifth, last].into_iter().enumerate() {
                tile[at(place).0][at(place).1] = result;
            }
        }
    }
    for (place, element) in tile.iter().flatten().enumerate() {
        lines.push(format!("store y[i1 + {}] = v{element}", 33 * place));
    }
    let body = lines.join("\n");
    format!(
        "kernel \"transform\" (x: f32 read, y: f32 write) space [] {{ lanes for i1 in 0 .. 33 {{\n{body}\n}} }}"
    )
}

#[test]
fn more_values_than_registers_go_to_the_frame() {
    let kernel = kernel(&transform());
    let noise = noise(36 * 33, 1);
    let run = |machine: &Machine| {
        let x = Guarded::new(&noise, Side::Back);
        let mut y = Guarded::new(&vec![0.0; noise.len()], Side::Front);
        machine.run(1, 0, 1, &[x.pointer(), y.pointer()]);
        y.elements_mut().to_vec()
    };
    let expected = run(&Machine::portable(&kernel));
    for level in levels() {
        let bytes = build_kernel(&kernel, level).unwrap().expect("a wide form");
        let found = run(&Machine::of_bytes(&bytes));
        for (at, (expected, found)) in expected.iter().zip(&found).enumerate() {
            let near = (expected - found).abs() <= 1e-5;
            assert!(near, "{level:?}: {found}, not {expected}, at {at}");
        }
    }
}
