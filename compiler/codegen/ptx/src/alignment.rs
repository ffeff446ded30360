//! What is known of addresses: which powers of two divide where operands begin, and indices.
//!
//! Blocks of device memory begin at multiples of [`dlc_abi::ALIGNMENT`]; where in them an operand begins follows from
//! its buffer, and from the rounds and parts that a launch is done in. Several launches may share a kernel, so that it
//! is told what holds for all of them. Within an operand an element's alignment follows from the coefficients of its
//! index. Wide accesses (`vector`, `contraction::tile`) rest on nothing else.

use dlc_abi::ALIGNMENT;
use dlc_kernel::{Affine, IndexExpr, IndexVar, KernelId, Launch, Program, Steps, Storage, Stride};
use dlc_types::{Dim, IndexVec};
use std::collections::BTreeMap;

/// For every kernel of a program, how many bytes divide the first byte of each operand in all launches: a power of
/// two, at most [`ALIGNMENT`].
pub fn alignments(program: &Program) -> IndexVec<KernelId, Vec<usize>> {
    let mut all: IndexVec<KernelId, Vec<usize>> =
        program.kernels.values().map(|kernel| vec![ALIGNMENT; kernel.operands.len()]).collect();
    for launch in &program.launches {
        for (operand, alignment) in all[launch.kernel].iter_mut().enumerate() {
            *alignment = (*alignment).min(of_argument(program, launch, operand));
        }
    }
    all
}

/// Bytes that divide the places of one launch's operand.
fn of_argument(program: &Program, launch: &Launch, operand: usize) -> usize {
    let Some(buffer) = launch.arguments.get(operand).and_then(|&id| program.buffers.get(id)) else {
        return 1;
    };
    let byte = match buffer.storage {
        Storage::Arena(byte)
        | Storage::Thread(byte)
        | Storage::Persistent(byte)
        | Storage::Constants(byte) => byte,
        Storage::Binding(_) => 0,
    };
    let mut elements = Vec::new();
    for round in &launch.rounds {
        let stride = round.strides.get(operand).copied().unwrap_or(Stride::STILL);
        elements.extend([stride.first, stride.step.unsigned_abs() as usize]);
    }
    if let (Some(part), Some(sequence)) = (&launch.part, program.sequence(launch)) {
        let Steps { image, strip, run } = part.steps.get(operand).copied().unwrap_or_default();
        elements.extend([image.wrapping_mul(sequence.images), strip, run]);
    }
    let size = buffer.dtype.size();
    elements.iter().fold(divisor(byte), |all, &step| all.min(divisor(step.wrapping_mul(size))))
}

/// The greatest power of two up to [`ALIGNMENT`] that divides a number.
fn divisor(number: usize) -> usize {
    if number == 0 { ALIGNMENT } else { ALIGNMENT.min(1 << number.trailing_zeros()) }
}

/// The greatest power of two that is looked at in indices.
const MOST: i64 = 64;

/// The greatest power of two up to [`MOST`] that divides a number.
pub(crate) fn power_of(number: i64) -> i64 {
    if number == 0 { MOST } else { MOST.min(number & number.wrapping_neg()).max(1) }
}

/// The power of two that divides an extent, whatever the batch.
pub(crate) fn power_of_extent(dim: Dim) -> i64 {
    let (Dim::Fixed(size) | Dim::Batch(size)) = dim;
    power_of(size as i64)
}

/// Powers of two that divide indices.
#[derive(Clone, Debug, Default)]
pub(crate) struct Multiples {
    of: BTreeMap<IndexVar, i64>,
}

impl Multiples {
    /// What an index is divided by, 1 where nothing is known of it.
    fn of(&self, index: IndexVar) -> i64 {
        self.of.get(&index).copied().unwrap_or(1)
    }

    /// An index of which it is known.
    pub(crate) fn set(&mut self, index: IndexVar, multiple: i64) {
        self.of.insert(index, multiple);
    }

    /// What divides a form.
    pub(crate) fn form(&self, form: &Affine) -> i64 {
        self.form_without(form, None)
    }

    /// What divides a form without its term of an index.
    pub(crate) fn form_without(&self, form: &Affine, without: Option<IndexVar>) -> i64 {
        let still = power_of(form.constant).min(power_of(form.batch));
        let terms = form.terms.iter().filter(|(index, _)| Some(*index) != without);
        terms.fold(still, |all, &(index, coefficient)| {
            all.min(power_of(coefficient).saturating_mul(self.of(index)).min(MOST))
        })
    }

    /// What divides an index that a body computes.
    pub(crate) fn expression(&self, expr: &IndexExpr) -> i64 {
        match expr {
            IndexExpr::Form(form) => self.form(form),
            // Where pieces are of one length, they begin at multiples of it.
            IndexExpr::ChunkStart { form, chunk, chunks } if form.terms.is_empty() && *chunks > 0 => {
                let whole = form.constant % chunks == 0 && form.batch % chunks == 0;
                let length = power_of(form.constant / chunks).min(power_of(form.batch / chunks));
                if whole { length.saturating_mul(self.form(chunk)).min(MOST) } else { 1 }
            }
            _ => 1,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use dlc_kernel::parse_program;
    use dlc_types::index::EntityIndex;

    fn index(number: usize) -> IndexVar {
        IndexVar::from_usize(number)
    }

    #[test]
    fn forms_are_divided_by_what_divides_all_terms() {
        let mut multiples = Multiples::default();
        multiples.set(index(1), 4);
        let form =
            |constant, batch, terms: &[(IndexVar, i64)]| Affine { constant, batch, terms: terms.to_vec() };
        assert_eq!(multiples.form(&form(0, 0, &[])), 64);
        assert_eq!(multiples.form(&form(24, 0, &[(index(0), 40), (index(1), 2)])), 8);
        assert_eq!(multiples.form(&form(0, 6, &[(index(1), 16)])), 2);
        assert_eq!(multiples.form_without(&form(0, 0, &[(index(0), 1), (index(1), 4)]), Some(index(0))), 16);
        assert_eq!((power_of(-12), power_of(1 << 40), power_of(7)), (4, 64, 1));
    }

    #[test]
    fn pieces_of_one_length_begin_at_multiples_of_it() {
        let multiples = Multiples::default();
        let piece = |constant, batch, chunks| IndexExpr::ChunkStart {
            form: Affine { constant, batch, terms: vec![] },
            chunk: Affine::var(index(0)),
            chunks,
        };
        assert_eq!(multiples.expression(&piece(0, 768, 16)), 16);
        assert_eq!(multiples.expression(&piece(100, 0, 16)), 1);
        assert_eq!(multiples.expression(&piece(96, 0, 16)), 2);
    }

    const COPY: &str = "kernel \"f\" (x: f32 read, y: f32 write) space [N] {
    at (i0)
    v0 = load x[i0]
    store y[i0] = v0
  }";

    /// Launches that share a kernel, rounds and parts: each may begin further on.
    #[test]
    fn operands_are_as_aligned_as_in_the_worst_launch() {
        let known = |launches: &str| {
            let text = format!(
                "program \"p\" arena 256 thread 64 {{
  buffer b0 \"x\" f32 1024 bytes binding 0
  buffer b1 \"y\" f32 64 bytes arena 48
  buffer b2 \"z\" f32 64 bytes arena 128
  {COPY}
  {launches}
}}
"
            );
            let program = parse_program(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            alignments(&program)[KernelId::from_usize(0)].clone()
        };
        assert_eq!(known("launch k0 (b0, b2)"), [64, 64]);
        assert_eq!(known("launch k0 (b0, b2)\n  launch k0 (b0, b1)"), [64, 16]);
        let rounds = "repetition r0 times 4\n  launch k0 (b0, b2) of r0 stride [(2, -6, 4), (0, 8, 2)]";
        assert_eq!(known(rounds), [8, 32]);
        let parts =
            "sequence s0 images 4 strips 1 alone 1\n  launch k0 (b0, b2) in s0 step [(3, 0, 0), (0, 0, 16)]";
        assert_eq!(known(parts), [16, 64]);
    }
}
