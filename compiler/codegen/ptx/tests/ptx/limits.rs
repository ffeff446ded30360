//! What no device has room for is refused before a driver does.

use crate::cases::{BATCH, kernel};
use dlc_codegen_ptx::{Architecture, Math, Options, Source, emit_module};
use dlc_kernel::Kernel;
use std::fmt::Write;

/// What is said of kernels, or nothing where they are taken.
fn refusal(kernels: &[Kernel]) -> Option<String> {
    let sources: Vec<Source<'_>> = kernels.iter().map(|kernel| Source::from(("case", kernel))).collect();
    let options = Options { architecture: Architecture::Sm80, math: Math::F32, batch_max: BATCH };
    emit_module("limits", &sources, options).err().map(|error| error.to_string())
}

/// A kernel that adds up so many operands, the result among them.
fn summed(operands: usize) -> Kernel {
    let mut text = String::from("kernel \"sum\" (");
    (1..operands).for_each(|number| write!(text, "x{number}: f32 read, ").unwrap());
    text.push_str("y: f32 write) space [10] {\n  at (i0)\n");
    (1..operands).for_each(|number| writeln!(text, "  v{number} = load x{number}[i0]").unwrap());
    let mut sum = 1;
    for number in 2..operands {
        let next = operands + number;
        writeln!(text, "  v{next}: f32 = add v{sum}, v{number}").unwrap();
        sum = next;
    }
    writeln!(text, "  store y[i0] = v{sum}\n}}").unwrap();
    kernel("sum", &text)
}

/// A contraction over so many taps that are no grid.
fn ragged(taps: usize) -> Kernel {
    let offsets: Vec<String> = (0..taps).map(|tap| format!("({}, {})", tap * tap, 7 * tap)).collect();
    let text = format!(
        "kernel \"ragged\" (lanes: f32 read, rows: f32 read, result: f32 write) space [] contraction {{
  dim o 8 lanes strides [1, 0, 1]
  dim q 6 rows strides [0, 4, 8]
  dim c 4 reduce strides [8, 1, 0]
  offsets [0, 2, 0]
  taps [{}]
  tile 2 x 6
}}",
        offsets.join(", ")
    );
    kernel("ragged", &text)
}

#[test]
fn a_launch_passes_511_operands() {
    assert_eq!(refusal(&[summed(511)]), None);
    let told = "the kernel `case` has 512 operands; the PTX back end has room for 511";
    assert_eq!(refusal(&[summed(512)]).as_deref(), Some(told));
}

#[test]
fn tables_of_a_module_fit_into_constant_memory() {
    // Pairs of four bytes each, in all kernels together.
    let half = ragged(4096);
    assert_eq!(refusal(&[half.clone(), half.clone()]), None);
    let told = "the module has 65568 bytes of tables; the PTX back end has room for 65536";
    assert_eq!(refusal(&[half.clone(), half, ragged(4)]).as_deref(), Some(told));
}
