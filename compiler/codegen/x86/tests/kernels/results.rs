//! Results agree with the portable code to rounding, do not depend on how points are divided, and nothing
//! outside the operands is touched.

use crate::cases::{self, Case};
use crate::guarded::{Guarded, Side};
use crate::machine::Machine;
use dlc_codegen_x86::{Level, build_kernel};

/// Levels that this machine can run.
pub(crate) fn levels() -> Vec<Level> {
    match Level::detect() {
        Some(Level::Avx512) => vec![Level::Avx2, Level::Avx512],
        Some(Level::Avx2) => vec![Level::Avx2],
        None => Vec::new(),
    }
}

pub(crate) fn noise(elements: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..elements).map(|_| next()).collect()
}

/// The operands from the result on after running all points, divided at the given shares of 16.
fn result(machine: &Machine, case: &Case, batch: usize, side: Side, cuts: &[usize]) -> Vec<f32> {
    let elements = case.elements(batch);
    let mut buffers: Vec<Guarded> =
        elements.iter().zip(1..).map(|(&count, seed)| Guarded::new(&noise(count, seed), side)).collect();
    let points: usize = case.kernel.space.iter().map(|dim| dim.at(batch)).product();
    let pointers: Vec<*mut f32> = buffers.iter().map(Guarded::pointer).collect();
    let mut borders = vec![0];
    borders.extend(cuts.iter().map(|cut| points * cut / 16));
    borders.push(points);
    for pair in borders.windows(2).rev() {
        machine.run(batch as i64, pair[0] as i64, pair[1] as i64, &pointers);
    }
    buffers[2..].iter_mut().flat_map(|buffer| buffer.elements_mut().to_vec()).collect()
}

fn check(case: &Case, level: Level, portable: &Machine) {
    let bytes = build_kernel(&case.kernel, level).unwrap();
    let bytes = bytes.unwrap_or_else(|| panic!("{} has no wide form", case.name));
    let wide = Machine::of_bytes(&bytes);
    for &batch in &case.batches {
        let label = format!("{}, batch {batch}, {level:?}", case.name);
        let before: Vec<f32> = case
            .elements(batch)
            .iter()
            .zip(1..)
            .skip(2)
            .flat_map(|(&count, seed)| noise(count, seed))
            .collect();
        let expected = result(portable, case, batch, Side::Back, &[]);
        let found = result(&wide, case, batch, Side::Back, &[]);
        let largest = expected.iter().fold(1e-2_f32, |most, x| most.max(x.abs()));
        for (at, ((&expected, &found), &before)) in expected.iter().zip(&found).zip(&before).enumerate() {
            let error = (expected - found).abs();
            assert!(error <= 4e-6 * largest, "{label}: element {at} is {found}, not {expected}");
            if expected.to_bits() == before.to_bits() {
                assert_eq!(found.to_bits(), before.to_bits(), "{label}: element {at} was written");
            }
        }
        for (side, cuts) in [(Side::Front, &[8][..]), (Side::Back, &[1, 5, 11, 15])] {
            let divided = result(&wide, case, batch, side, cuts);
            let same = found.iter().zip(&divided).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{label}: another division gives other bits");
        }
    }
}

#[test]
fn wide_kernels_agree_with_portable_ones() {
    let levels = levels();
    if !levels.contains(&Level::Avx512) {
        println!("skipped: {} cases for AVX-512, which this machine lacks", cases::all().len());
    }
    for case in cases::all() {
        let portable = Machine::portable(&case.kernel);
        for &level in &levels {
            check(&case, level, &portable);
        }
    }
}
