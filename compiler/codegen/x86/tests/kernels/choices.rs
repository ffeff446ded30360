//! Every candidate gives the bits of the default, and no other choice is followed.

use crate::cases::{self, Case};
use crate::guarded::Side;
use crate::machine::Machine;
use crate::results::{levels, result};
use dlc_codegen_x86::{Choice, Level, build_kernel, build_kernel_by, candidates, shape};
use dlc_kernel::Kernel;
use std::collections::BTreeSet;

fn bits(case: &Case, bytes: &[u8], batch: usize) -> Vec<u32> {
    let found = result(&Machine::of_bytes(bytes), case, batch, Side::Back, &[5, 11]);
    found.into_iter().map(f32::to_bits).collect()
}

/// One of so many cases is enough: there are many of a kind.
const EVERY: usize = 3;

#[test]
fn candidates_agree_with_the_default_in_every_bit() {
    for level in levels() {
        let mut counts = Vec::new();
        for case in cases::all().iter().step_by(EVERY) {
            let choices = candidates(&case.kernel, level).unwrap();
            let default = build_kernel(&case.kernel, level).unwrap().unwrap();
            assert!(choices.len() <= 16, "{}: {choices:?}", case.name);
            counts.push(choices.len());
            for (number, choice) in choices.iter().enumerate() {
                let bytes = build_kernel_by(&case.kernel, level, Some(choice)).unwrap().unwrap();
                assert_eq!(bytes == default, number == 0, "{}, {level:?}: {choice:?}", case.name);
                for &batch in case.batches.iter().filter(|_| number > 0) {
                    let same = bits(case, &bytes, batch) == bits(case, &default, batch);
                    assert!(same, "{}, batch {batch}, {level:?}: {choice:?}", case.name);
                }
            }
        }
        let many = counts.iter().filter(|&&count| count >= 5).count();
        assert!(many * 8 > counts.len() && counts.iter().sum::<usize>() > 2 * counts.len(), "{counts:?}");
    }
}

/// Numbers from anywhere, such as a damaged file: all are refused or followed without harm.
#[test]
fn no_choice_changes_a_result() {
    let numbers = [0, 1, 2, 3, 5, 8, 24, 31, 500, usize::MAX];
    for level in levels() {
        for case in cases::all().iter().step_by(29) {
            let default = build_kernel(&case.kernel, level).unwrap().unwrap();
            let expected: Vec<_> = case.batches.iter().map(|&batch| bits(case, &default, batch)).collect();
            let mut seen = BTreeSet::from([default]);
            for (number, &vectors) in numbers.iter().enumerate() {
                for (other, &rows) in numbers.iter().enumerate() {
                    let straight = numbers[(number + other) % numbers.len()];
                    let (ahead, lanes_outside) = (number % 2 == 0, other % 2 == 0);
                    let choice = Choice { vectors, rows, straight, ahead, lanes_outside };
                    let bytes = build_kernel_by(&case.kernel, level, Some(&choice)).unwrap().unwrap();
                    if seen.insert(bytes.clone()) {
                        for (&batch, expected) in case.batches.iter().zip(&expected) {
                            assert!(bits(case, &bytes, batch) == *expected, "{}: {choice:?}", case.name);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn shapes_are_told_apart_by_all_but_names() {
    let all = cases::all();
    let renamed = |kernel: &Kernel| {
        let mut other = kernel.clone();
        other.name.push_str(" of another layer");
        other.operands.iter_mut().zip('a'..).for_each(|(operand, name)| operand.name = format!("{name} b"));
        other
    };
    let mut texts = BTreeSet::new();
    let mut kernels: Vec<Kernel> = Vec::new();
    for case in &all {
        let text = shape(&case.kernel, Level::Avx2).unwrap();
        assert_eq!(shape(&renamed(&case.kernel), Level::Avx2).unwrap(), text);
        let unnamed = Kernel { name: String::new(), ..case.kernel.clone() };
        if !kernels.contains(&unnamed) {
            kernels.push(unnamed);
            texts.insert(text);
        }
    }
    assert!(texts.len() * 10 > kernels.len() * 9, "{} of {}", texts.len(), kernels.len());
}
