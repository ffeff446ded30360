//! Contractions in tiles, executed: every way of filling and of multiplying tiles gives what it should, and no access of
//! shared memory meets another in a bank.

use crate::cases::{CASES, LARGE, kernel};
use crate::executed::{Setting, operands, run, sums};
use dlc_codegen_ptx::{Architecture, Math};
use dlc_kernel::{Body, Contraction, Kernel};
use dlc_types::Dim;

/// Contractions of `f32`, by what is contiguous where: the factors along the reduction or along the tile, of lengths
/// that accesses of 16, 8 and 4 bytes divide and that they do not.
fn kernels() -> Vec<Kernel> {
    let mut all = Vec::new();
    for (rows, lanes, depth) in
        [(40, 36, 20), (64, 64, 32), (70, 22, 18), (33, 17, 9), (16, 128, 64), (130, 100, 7)]
    {
        // Strides of the places and of the steps of either factor.
        for (lanes_way, [lane, lane_step]) in [[1, lanes], [depth, 1], [2 * depth, 2]].into_iter().enumerate()
        {
            for (rows_way, [row, row_step]) in [[depth, 1], [1, rows]].into_iter().enumerate() {
                let text = format!(
                    r#"kernel "{lanes_way}{rows_way}" (lanes: f32 read, rows: f32 read, result: f32 write) space [] contraction {{
  dim o {lanes} lanes strides [{lane}, 0, 1]
  dim m {rows} rows strides [0, {row}, {lanes}]
  dim k {depth} reduce strides [{lane_step}, {row_step}, 0]
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
}}"#
                );
                all.push(kernel("k", &text));
            }
        }
    }
    all
}

pub(crate) fn contraction(kernel: &Kernel) -> &Contraction {
    match &kernel.body {
        Body::Contraction(contraction) => contraction,
        Body::Loop(_) => panic!("{} is a contraction", kernel.name),
    }
}

/// The gradient of weights, added to what is there, in pieces that begin at even steps.
const PIECES: &str = r#"kernel "dw" (lanes: f32 read, rows: f32 read, result: f32 read write) space [3] contraction {
  dim q 2 sequential strides [0, 24, 480]
  dim o 20 lanes strides [1, 0, 1]
  dim i 24 rows strides [0, 1, 20]
  dim n N reduce strides [800, 1008, 0]
  dim s 40 reduce strides [20, 24, 0] split 3 align 2 result 960
  offsets [0, 0, 0]
  taps [(0, 0)]
  tile 2 x 4
  accumulate
}"#;

/// Contractions of `f32` among the cases that are small enough.
fn cases() -> Vec<Kernel> {
    let names = ["convolution", "dense", "epilogue_sums", "first_layer"];
    let cases = CASES.iter().chain(LARGE).filter(|(name, _)| names.contains(name));
    let cases = cases.copied().chain([("pieces", PIECES)]);
    cases.map(|(name, text)| kernel(name, text)).collect()
}

/// Fails where a result is not within `relative` of the sum of magnitudes, beside what sums of `f32` are off by.
pub(crate) fn assert_near(kernel: &Kernel, given: &[Vec<f32>], found: &[u32], batch: usize, relative: f64) {
    for (place, sum, magnitude, count) in sums(contraction(kernel), given, batch) {
        let found = f64::from(f32::from_bits(found[place]));
        let bound = (relative + count as f64 * f64::from(f32::EPSILON)) * magnitude;
        assert!((found - sum).abs() <= bound, "{} at {place}: {found} for {sum}\n{kernel:?}", kernel.name);
    }
}

/// Copies of each width fill tiles with what registers do, and sums are taken in one order.
#[test]
fn copies_and_registers_give_equal_bits() {
    for kernel in kernels().iter().chain(&cases()) {
        let setting = Setting::PLAIN;
        let given = operands(kernel, setting.batch);
        let (plain, _) = run(kernel, &given, setting);
        if contraction(kernel).epilogue.is_none() {
            assert_near(kernel, &given, &plain[2], setting.batch, 0.0);
        }
        for architecture in [Architecture::Sm75, Architecture::Sm80] {
            let alignments: &[usize] = if plain[2].len() > 1 << 14 { &[4] } else { &[4, 8, 16] };
            for &alignment in alignments {
                let (found, _) = run(kernel, &given, Setting { architecture, alignment, ..setting });
                assert!(found == plain, "{} for {architecture}, {alignment} bytes", kernel.name);
            }
        }
    }
}

/// What rounded factors leave a product off by, as `contraction::tile::warps` states it.
pub(crate) fn tensor_bound(math: Math) -> f64 {
    let unit = |bits: i32| 2_f64.powi(-bits);
    match math {
        Math::F32 => 0.0,
        Math::Tf32 => unit(10) + unit(22),
        Math::Bf16 => unit(7) + unit(16),
    }
}

/// Rounded factors leave results within these bounds.
#[test]
fn tensor_cores_keep_their_bounds() {
    for kernel in kernels().iter().chain(&cases()).filter(|kernel| contraction(kernel).epilogue.is_none()) {
        for math in [Math::Tf32, Math::Bf16] {
            let setting = Setting { math, ..Setting::PLAIN };
            let given = operands(kernel, setting.batch);
            let (wide, statistics) = run(kernel, &given, setting);
            assert_near(kernel, &given, &wide[2], setting.batch, tensor_bound(math));
            let steps = contraction(kernel).dims.last().map(|dim| dim.extent);
            // Three channels of each of three taps in a row are nine steps.
            let tensor = kernel.name == "first" || !matches!(steps, Some(Dim::Fixed(..8)));
            assert_eq!(statistics.matrix_products > 0, tensor, "{}", kernel.name);
            let (narrow, _) = run(kernel, &given, Setting { alignment: 4, ..setting });
            assert!(narrow == wide, "{} {math:?}", kernel.name);
        }
    }
}

/// Every access of shared memory takes as few wavefronts as its bytes do; those that are done once, for an epilogue's
/// sums, are left out.
#[test]
fn no_access_of_shared_memory_meets_another() {
    let sums = |kernel: &Kernel| {
        contraction(kernel).epilogue.as_ref().is_some_and(|epilogue| !epilogue.sums.is_empty())
    };
    for kernel in kernels().iter().chain(&cases()).filter(|kernel| !sums(kernel)) {
        for architecture in [Architecture::Sm75, Architecture::Sm80] {
            for math in [Math::F32, Math::Tf32, Math::Bf16] {
                let setting = Setting { architecture, math, ..Setting::PLAIN };
                let given = operands(kernel, setting.batch);
                let (_, statistics) = run(kernel, &given, setting);
                let (found, least) = (statistics.shared_wavefronts, statistics.shared_phases);
                assert!(found == least, "{} {setting:?}: {found} for {least}\n{kernel:?}", kernel.name);
            }
        }
    }
}
