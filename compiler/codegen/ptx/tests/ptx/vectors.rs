//! Loops whose threads take neighbouring iterations, executed: the same bits as element by element, in fewer accesses.

use crate::cases::{CASES, kernel};
use crate::executed::{Setting, operands, run};

/// Kernels of loops, and how many times fewer instructions warps issue for them with wide accesses; 1 where no access is
/// wide. `wide_indices` and gathers read further than the operands here reach.
const LOOPS: &[(&str, f64)] = &[
    ("thread_per_point", 1.0),
    ("elementwise", 1.2),
    ("chunks", 1.2),
    ("narrow_lanes", 1.0),
    ("guarded_window", 1.5),
    ("softmax_of_a_few", 1.0),
    ("layer_norm", 1.0),
    ("neighbours", 1.5),
];

#[test]
fn wide_accesses_change_no_bits() {
    for &(name, fewer) in LOOPS {
        let (_, text) = CASES.iter().find(|(case, _)| *case == name).unwrap();
        let kernel = kernel(name, text);
        let setting = Setting { batch: 48, ..Setting::PLAIN };
        let mut given = operands(&kernel, setting.batch);
        given.iter_mut().for_each(|values| values.resize(100_000, 0.5));
        let (plain, element) = run(&kernel, &given, Setting { alignment: 4, ..setting });
        for alignment in [8, 16, 64] {
            let (found, statistics) = run(&kernel, &given, Setting { alignment, ..setting });
            assert!(found == plain, "{name} with {alignment} bytes");
            if alignment >= 16 {
                let ratio = element.issued as f64 / statistics.issued as f64;
                assert!(ratio >= fewer, "{name}: {ratio} times fewer instructions");
                // Where operands begin changes how many there are, too.
                let sectors = (statistics.global_sectors, element.global_sectors);
                assert!(10 * sectors.0 <= 11 * sectors.1 + 10, "{name}: {sectors:?} sectors");
            }
        }
    }
}
