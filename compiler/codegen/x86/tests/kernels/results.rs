//! Results agree with the portable code to rounding, do not depend on how points are divided, and nothing
//! outside the operands is touched.

use crate::cases::{self, Case};
use crate::guarded::{Guarded, Side};
use crate::machine::Machine;
use dlc_codegen_x86::{Level, build_kernel};
use dlc_kernel::Operand;
use dlc_types::DType;

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

/// What an operand holds at first; conditions are bytes of 0 or 1 that end or begin with the memory.
fn contents(dtype: DType, count: usize, seed: u32, side: Side) -> Vec<f32> {
    if dtype != DType::Bool {
        return noise(count, seed);
    }
    let mut bytes: Vec<u8> = noise(count, seed).iter().map(|number| u8::from(*number > 0.0)).collect();
    let rest = bytes.len().next_multiple_of(4) - bytes.len();
    bytes.splice(if side == Side::Back { 0..0 } else { count..count }, vec![0; rest]);
    bytes.chunks(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

/// The written operands after running all points, divided at the given shares of 16.
pub(crate) fn result(machine: &Machine, case: &Case, batch: usize, side: Side, cuts: &[usize]) -> Vec<f32> {
    let elements = case.elements(batch);
    let operands = || case.kernel.operands.iter().zip(&elements);
    let mut buffers: Vec<Guarded> = operands()
        .zip(1..)
        .map(|((operand, &count), seed)| Guarded::new(&contents(operand.dtype, count, seed, side), side))
        .collect();
    let points: usize = case.kernel.space.iter().map(|dim| dim.at(batch)).product();
    let pointer = |((operand, &count), buffer): ((&Operand, &usize), &Guarded)| {
        let before =
            if operand.dtype == DType::Bool && side == Side::Back { count.wrapping_neg() % 4 } else { 0 };
        buffer.pointer().wrapping_byte_add(before)
    };
    let pointers: Vec<*mut f32> = operands().zip(&buffers).map(pointer).collect();
    let mut borders = vec![0];
    borders.extend(cuts.iter().map(|cut| points * cut / 16));
    borders.push(points);
    for pair in borders.windows(2).rev() {
        machine.run(batch as i64, pair[0] as i64, pair[1] as i64, &pointers);
    }
    let written = operands().zip(&mut buffers).filter(|((operand, _), _)| operand.writes);
    written.flat_map(|(_, buffer)| buffer.elements_mut().to_vec()).collect()
}

fn check(case: &Case, level: Level, portable: &Machine) {
    let bytes = build_kernel(&case.kernel, level).unwrap();
    let bytes = bytes.unwrap_or_else(|| panic!("{} has no wide form", case.name));
    let wide = Machine::of_bytes(&bytes);
    for &batch in &case.batches {
        let label = format!("{}, batch {batch}, {level:?}", case.name);
        let operands = case.kernel.operands.iter().zip(case.elements(batch)).zip(1..);
        let before: Vec<f32> = operands
            .filter(|((operand, _), _)| operand.writes)
            .flat_map(|((_, count), seed)| noise(count, seed))
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
