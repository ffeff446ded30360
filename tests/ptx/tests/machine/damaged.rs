//! Damaged text: whatever is wrong with a module, it is told, or the module runs to an end or a fault.

use dlc_ptx_machine::{Argument, Checks, Launch, Memory, Module};

/// A fixed sequence of numbers (a linear congruential generator's upper bits).
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Words, numbers and single marks, with the space before each.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = |character: char| character.is_ascii_alphanumeric() || "_%.".contains(character);
        let space = rest.find(|character: char| !character.is_whitespace()).unwrap_or(rest.len());
        let length = rest[space..].find(|character| !word(character)).unwrap_or(rest.len() - space).max(1);
        let end = (space + length).min(rest.len());
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    pieces
}

#[test]
fn damaged_modules_are_told_or_run() {
    let mut sequence = Sequence(1);
    let (mut refused, mut faults, mut finished) = (0, 0, 0);
    for text in [
        include_str!("../kernels/sum.ptx"),
        include_str!("../kernels/matmul.ptx"),
        include_str!("../kernels/tensor.ptx"),
    ] {
        let pieces = pieces(text);
        assert_eq!(pieces.concat(), text);
        for _ in 0..400 {
            let mut damaged = pieces.clone();
            for _ in 0..=sequence.below(2) {
                let (at, from) = (sequence.below(damaged.len()), sequence.below(damaged.len()));
                match sequence.below(12) {
                    0 => drop(damaged.remove(at)),
                    1 => damaged.insert(at, damaged[from]),
                    2 => damaged[at] = damaged[from],
                    // Mostly another one of its kind, so that much of it still parses.
                    _ => {
                        let kind = |piece: &str| piece.trim().chars().take(2).collect::<String>();
                        let alike = damaged.iter().filter(|piece| kind(piece) == kind(damaged[at]));
                        let alike: Vec<&str> = alike.copied().collect();
                        damaged[at] = alike[sequence.below(alike.len())];
                    }
                }
            }
            let Ok(module) = Module::parse(&damaged.concat()) else {
                refused += 1;
                continue;
            };
            let entry = module.entries().next().unwrap_or_default().to_owned();
            let mut memory = Memory::new();
            let addresses = [0; 3].map(|_| memory.store_f32(&[1.0; 256]));
            let mut parameters: Vec<Argument> = addresses.into_iter().map(Argument::U64).collect();
            parameters.extend([16, 16, 16].map(Argument::U32));
            let (block, used) = match entry.as_str() {
                "sum" => ([64, 1, 1], vec![0, 1, 3]),
                "matmul" => ([16, 16, 1], (0..6).collect()),
                _ => ([32, 1, 1], vec![0, 1, 2, 3]),
            };
            let parameters: Vec<Argument> =
                used.into_iter().map(|at: usize| parameters[at].clone()).collect();
            let checks = Checks { instructions: 200_000, ..Checks::default() };
            let launch = Launch { block, parameters: &parameters, checks, ..Launch::default() };
            match module.launch(&entry, &launch, &mut memory) {
                Ok(_) => finished += 1,
                Err(fault) => {
                    assert!(!fault.to_string().is_empty());
                    faults += 1;
                }
            }
        }
    }
    // All three happen, or the damage is not what it was meant to be.
    assert!(
        refused > 200 && faults > 50 && finished > 200,
        "{refused} refused, {faults} faults, {finished} finished"
    );
}
