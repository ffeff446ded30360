//! Contractions that warpgroups multiply, executed: every way in which factors may lie, against exact sums.

use crate::assembler::report;
use crate::cases::{kernel, module_with};
use crate::executed::{Setting, operands, run};
use crate::tiles::{assert_near, contraction, tensor_bound};
use dlc_codegen_ptx::{Architecture, Math};
use dlc_kernel::Kernel;
use dlc_ptx_machine::assembler::ptxas;
use expect_test::{expect, expect_file};
use std::collections::BTreeSet;
use std::path::Path;

const MATHS: [Math; 2] = [Math::Tf32, Math::Bf16];

/// Matrix products, as many as the batch: rows, lanes and steps, the strides of the lanes and of the rows along the tile and along
/// the reduction.
fn product(
    [rows, lanes, depth]: [usize; 3],
    [lane, lane_step]: [usize; 2],
    [row, row_step]: [usize; 2],
) -> String {
    let apart = 2 * depth;
    let (lanes_all, rows_all, all) = (apart * lanes, apart * rows, rows * lanes);
    format!(
        r#"kernel "product" (lanes: f32 read, rows: f32 read, result: f32 write) space [N] contraction {{
  dim n N parallel strides [{lanes_all}, {rows_all}, {all}]
  dim o {lanes} lanes strides [{lane}, 0, 1]
  dim m {rows} rows strides [0, {row}, {lanes}]
  dim k {depth} reduce strides [{lane_step}, {row_step}, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
}}"#
    )
}

/// A convolution of 3 x 3 with a bias and a relu.
const CONVOLUTION: &str = r#"kernel "conv" (lanes: f32 read, rows: f32 read, result: f32, bias: f32 read, y: f32 write) space [N, 10] contraction {
  dim n N parallel strides [0, 2304, 4800]
  dim p 10 parallel strides [0, 192, 480]
  dim o 48 lanes strides [1, 0, 1]
  dim q 10 rows strides [0, 16, 48]
  dim c 16 reduce strides [48, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0), (768, 16), (1536, 32), (2304, 192), (3072, 208), (3840, 224), (4608, 384), (5376, 400), (6144, 416)]
  tile 2 x 4
  epilogue (i0, i1, i2, i3, i4) v0 {
    v1 = load bias[i2]
    v2: f32 = add v0, v1
    v3: f32 = relu v2
    store y[4800*i0 + 480*i1 + i2 + 48*i3] = v3
  }
}"#;

/// A convolution that sums its results and their squares over each image.
const SUMS: &str = r#"kernel "sums" (lanes: f32 read, rows: f32 read, result: f32 write, total: f32 write, squares: f32 write) space [N] contraction {
  dim n N parallel strides [0, 4624, 13720]
  dim p 14 sequential strides [0, 272, 980]
  dim o 70 lanes strides [1, 0, 1]
  dim q 14 rows strides [0, 16, 70]
  dim c 16 reduce strides [70, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0), (1120, 16), (2240, 32), (3360, 272), (4480, 288), (5600, 304)]
  tile 2 x 4
  epilogue (i0, i1, i2, i3, i4) v0 {
    store result[13720*i0 + 980*i1 + i2 + 70*i3] = v0
    v1: f32 = mul v0, v0
  }
  sum total[70*i0 + i2] = v0
  sum squares[70*i0 + i2] = v1
}"#;

/// The gradient of its data.
const DATA: &str = r#"kernel "dx" (lanes: f32 read, rows: f32 read, result: f32 write) space [N, 10] contraction {
  dim n N parallel strides [0, 6912, 1600]
  dim p 10 parallel strides [0, 576, 160]
  dim o 16 lanes strides [48, 0, 1]
  dim q 10 rows strides [0, 48, 16]
  dim c 48 reduce strides [1, 1, 0]
  offsets [0, 0, 0]
  taps [(0, 0), (768, 48), (1536, 96), (2304, 576), (3072, 624), (3840, 672), (4608, 1152), (5376, 1200), (6144, 1248)]
  tile 2 x 4
}"#;

/// The convolution with an epilogue so long that a thread has fewer results.
fn long_epilogue() -> String {
    let mut statements = String::new();
    for number in 3..20 {
        statements += &format!("    v{}: f32 = mul v{number}, v1\n", number + 1);
    }
    let stored = CONVOLUTION.replace("relu v2\n", &format!("relu v2\n{statements}"));
    stored.replace("48*i3] = v3", "48*i3] = v20")
}

/// The gradient of weights, added to what is there, in pieces that begin at even steps.
const WEIGHTS: &str = r#"kernel "dw" (lanes: f32 read, rows: f32 read, result: f32 read write) space [3] contraction {
  dim q 40 sequential strides [0, 72, 7200]
  dim o 100 lanes strides [1, 0, 1]
  dim i 72 rows strides [0, 1, 100]
  dim n N reduce strides [4000, 4000, 0]
  dim s 40 reduce strides [100, 72, 0] split 3 align 2 result 288000
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  accumulate
}"#;

fn text(kernel: &str, math: Math) -> String {
    module_with("k", kernel, Architecture::Sm90a, math).text
}

/// Threads of a block, the products' shape and what follows the descriptors.
fn form(kernel: &str, math: Math) -> Option<String> {
    let module = module_with("k", kernel, Architecture::Sm90a, math);
    let product = module.text.lines().find(|line| line.contains("wgmma.mma_async"))?;
    let shape = product.split('.').find(|part| part.starts_with("m64"))?;
    let (_, scales) = product.rsplit("%rd").next()?.split_once(", ")?;
    Some(format!("{} threads {shape} {math:?} {scales}", module.entries[0].threads))
}

fn grouped(text: &str) -> bool {
    text.contains("wgmma.mma_async")
}

/// Fails where an epilogue makes something else of rounded factors than of exact ones: further away than 16 times what
/// rounding is off by, of the value and of the average magnitude.
fn assert_alike(kernel: &Kernel, plain: &[Vec<u32>], found: &[Vec<u32>], math: Math) {
    for (operand, (plain, found)) in plain.iter().zip(found).enumerate() {
        let values =
            |words: &[u32]| words.iter().map(|&word| f64::from(f32::from_bits(word))).collect::<Vec<_>>();
        let (plain, found) = (values(plain), values(found));
        let written = plain.iter().filter(|value| **value != 0.0).count().max(1);
        let average = plain.iter().map(|value| value.abs()).sum::<f64>() / written as f64;
        for (at, (plain, found)) in plain.iter().zip(&found).enumerate() {
            let bound = 16.0 * tensor_bound(math) * (average + plain.abs());
            assert!((plain - found).abs() <= bound, "{operand} at {at}: {found} for {plain}\n{kernel:?}");
        }
    }
}

/// Results within the bounds of rounded factors, equal however operands begin; and no access of shared memory meets another.
fn check(kernel: &Kernel, math: Math, batch: usize) {
    let setting = Setting { architecture: Architecture::Sm90a, math, batch, alignment: 64 };
    let given = operands(kernel, batch);
    let (found, statistics) = run(kernel, &given, setting);
    if contraction(kernel).epilogue.is_none() {
        assert_near(kernel, &given, &found[2], batch, tensor_bound(math));
    } else {
        let plain = Setting { math: Math::F32, ..setting };
        assert_alike(kernel, &run(kernel, &given, plain).0, &found, math);
    }
    // An epilogue's sums are added up once.
    if contraction(kernel).epilogue.as_ref().is_none_or(|epilogue| epilogue.sums.is_empty()) {
        assert_eq!(statistics.shared_wavefronts, statistics.shared_phases, "{kernel:?}");
    }
    let (narrow, _) = run(kernel, &given, Setting { alignment: 4, ..setting });
    assert!(narrow == found, "{math:?} {kernel:?}");
}

#[test]
fn products_of_every_layout_keep_their_bounds() {
    let mut forms = BTreeSet::new();
    for [rows, lanes, depth] in [
        [70, 100, 20],
        [128, 128, 48],
        [130, 36, 9],
        [64, 64, 64],
        [400, 10, 40],
        [200, 17, 33],
        [500, 250, 16],
    ] {
        for lane in [[1, lanes], [depth, 1], [2 * depth, 2]] {
            for row in [[depth, 1], [1, rows]] {
                let text_of = product([rows, lanes, depth], lane, row);
                let kernel = kernel("k", &text_of);
                for math in MATHS {
                    assert!(grouped(&text(&text_of, math)), "{math:?}\n{text_of}");
                    forms.extend(form(&text_of, math));
                    check(&kernel, math, 1);
                }
            }
        }
    }
    let forms: Vec<String> = forms.into_iter().collect();
    expect![[r#"
        128 threads m64n128k8 Tf32 1, 1, 1;
        128 threads m64n32k16 Bf16 1, 1, 1, 0, 0;
        128 threads m64n32k16 Bf16 1, 1, 1, 0, 1;
        128 threads m64n32k16 Bf16 1, 1, 1, 1, 0;
        128 threads m64n32k16 Bf16 1, 1, 1, 1, 1;
        128 threads m64n32k8 Tf32 1, 1, 1;
        256 threads m64n128k16 Bf16 1, 1, 1, 0, 0;
        256 threads m64n128k16 Bf16 1, 1, 1, 0, 1;
        256 threads m64n128k16 Bf16 1, 1, 1, 1, 0;
        256 threads m64n128k16 Bf16 1, 1, 1, 1, 1;
        256 threads m64n128k8 Tf32 1, 1, 1;
        256 threads m64n16k16 Bf16 1, 1, 1, 0, 0;
        256 threads m64n16k16 Bf16 1, 1, 1, 0, 1;
        256 threads m64n16k16 Bf16 1, 1, 1, 1, 0;
        256 threads m64n16k16 Bf16 1, 1, 1, 1, 1;
        256 threads m64n16k8 Tf32 1, 1, 1;
        256 threads m64n32k16 Bf16 1, 1, 1, 0, 0;
        256 threads m64n32k16 Bf16 1, 1, 1, 0, 1;
        256 threads m64n32k16 Bf16 1, 1, 1, 1, 0;
        256 threads m64n32k16 Bf16 1, 1, 1, 1, 1;
        256 threads m64n32k8 Tf32 1, 1, 1;
        256 threads m64n64k16 Bf16 1, 1, 1, 0, 0;
        256 threads m64n64k16 Bf16 1, 1, 1, 0, 1;
        256 threads m64n64k16 Bf16 1, 1, 1, 1, 0;
        256 threads m64n64k16 Bf16 1, 1, 1, 1, 1;
        256 threads m64n64k8 Tf32 1, 1, 1;"#]]
    .assert_eq(&forms.join("\n"));
}

#[test]
fn convolutions_and_their_gradients_keep_their_bounds() {
    let long = long_epilogue();
    let few_lanes = SUMS.replace("70 lanes", "40 lanes");
    let all = [(CONVOLUTION, 3), (&long, 1), (SUMS, 2), (&few_lanes, 2), (DATA, 3), (WEIGHTS, 1)];
    for (text_of, batch) in all {
        for math in MATHS {
            assert!(grouped(&text(text_of, math)), "{math:?} {text_of}");
            check(&kernel("k", text_of), math, batch);
        }
    }
}

/// The assembler takes every form without spills, and neither adds waits nor puts products one after the other.
#[test]
fn every_form_assembles() {
    let Some(ptxas) = ptxas() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut all =
        vec![CONVOLUTION.to_owned(), long_epilogue(), SUMS.to_owned(), DATA.to_owned(), WEIGHTS.to_owned()];
    for lanes in [16, 40, 100, 1000] {
        for lane in [[1, lanes], [64, 1]] {
            for row in [[64, 1], [1, 70]] {
                all.push(product([70, lanes, 64], lane, row));
            }
        }
    }
    for kernel in &all {
        for math in MATHS {
            let text = text(kernel, math);
            let said = report(&ptxas, folder.path(), "k", &text, Architecture::Sm90a);
            assert!(said.contains(" 0 spilled"), "{math:?}: {said}\n{kernel}");
        }
    }
}

/// A text of each form that a person has read: of `tf32` the lanes on the left, the rows, and the rows beside lanes that are
/// turned; of `bf16` factors that lie in different ways and both along the tile.
#[test]
fn texts_are_those_that_were_read() {
    let product = |rows, lanes, lane, row| product([rows, lanes, 40], lane, row);
    let forms = [
        ("grouped_lanes_tf32", product(20, 128, [1, 128], [40, 1]), Math::Tf32),
        ("grouped_rows_tf32", product(2000, 32, [40, 1], [40, 1]), Math::Tf32),
        ("grouped_turned_tf32", product(2000, 32, [1, 32], [1, 2000]), Math::Tf32),
        ("grouped_bf16", product(2000, 32, [1, 32], [40, 1]), Math::Bf16),
        ("grouped_transposed_bf16", product(2000, 32, [1, 32], [1, 2000]), Math::Bf16),
    ];
    for (name, kernel, math) in forms {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/ptx/golden/{name}.ptx"));
        let text = text(&kernel, math);
        assert!(grouped(&text), "{name}");
        expect_file![file].assert_eq(&text);
    }
}
