//! `mma` and `ldmatrix`, with the fragments as the PTX manual lays them out over the lanes.
//!
//! A lane's group is `lane / 4` and its place in the group `lane % 4`. Products of floats are exact, and their
//! sum with the accumulator is taken in `f64` and rounded once; the hardware rounds in between, in an order
//! that is not specified. Of tf32 operands the low 13 bits take no part.

use super::Run;
use super::block::Block;
use super::copies::aligned;
use super::stop::Stop;
use super::warp::{Lanes, Warp};
use crate::program::{Address, Element, Multiply, Slot, Space};
use crate::types::Type;
use crate::value::convert::number;
use crate::value::float::Style;

impl Element {
    /// Elements in a register.
    pub(super) fn per_register(self) -> usize {
        match self {
            Element::Half | Element::Brain => 2,
            Element::Tensor => 1,
            Element::Byte { .. } => 4,
        }
    }

    /// One of the elements of a register.
    pub(super) fn value(self, register: u64, at: usize) -> f64 {
        let bits = 32 / self.per_register();
        let piece = register >> (bits * at) & (u64::MAX >> (64 - bits));
        match self {
            Element::Half => number(piece, Type::F16),
            Element::Brain => number(piece, Type::BF16),
            Element::Tensor => number(piece, Type::TF32),
            Element::Byte { signed: true } => f64::from(piece as u8 as i8),
            Element::Byte { signed: false } => f64::from(piece as u8),
        }
    }
}

/// Which register and element of which lane holds column `k` of a row's eight (A), or row `k` of a column (B),
/// beside the half of A's rows: `(block of k, lane in the group, element)`.
pub(super) fn place(element: Element, k: usize) -> (usize, usize, usize) {
    let per = element.per_register();
    (k / (4 * per), k / per % 4, k % per)
}

impl Warp {
    pub(super) fn multiply(&mut self, multiply: &Multiply) {
        let Multiply { depth, a_element, b_element, saturate, .. } = *multiply;
        let registers = |slots: &[Slot]| slots.iter().map(|slot| *self.get(*slot)).collect::<Vec<Lanes>>();
        let (a, b, c) = (registers(&multiply.a), registers(&multiply.b), registers(&multiply.c));
        // Row-major 16 by k, and column-major k by 8.
        let (mut rows, mut columns) = ([[0f64; 32]; 16], [[0f64; 32]; 8]);
        for k in 0..depth {
            let (block, lane, at) = place(a_element, k);
            for (row, values) in rows.iter_mut().enumerate() {
                // The registers of a block of k are those of the upper eight rows, then of the lower.
                let register = &a[2 * block + row / 8];
                values[k] = a_element.value(register[row % 8 * 4 + lane], at);
            }
            let (block, lane, at) = place(b_element, k);
            for (column, values) in columns.iter_mut().enumerate() {
                values[k] = b_element.value(b[block][column * 4 + lane], at);
            }
        }
        for (at, slot) in multiply.d.iter().enumerate() {
            for (lane, accumulator) in c[at].iter().enumerate() {
                let row = lane / 4 + 8 * (at / 2);
                let column = lane % 4 * 2 + at % 2;
                let products = rows[row].iter().zip(&columns[column]).take(depth);
                let sum: f64 = products.map(|(x, y)| x * y).sum();
                self.registers[*slot as usize][lane] = match a_element {
                    Element::Byte { .. } => integer_sum(sum, *accumulator, saturate),
                    _ => {
                        let accumulator = f64::from(f32::from_bits(*accumulator as u32));
                        Style::default().result((accumulator + sum) as f32)
                    }
                };
            }
        }
    }
}

/// Products of bytes sum exactly in a double.
fn integer_sum(sum: f64, accumulator: u64, saturate: bool) -> u64 {
    let (sum, accumulator) = (sum as i32, accumulator as u32 as i32);
    let whole = if saturate { accumulator.saturating_add(sum) } else { accumulator.wrapping_add(sum) };
    u64::from(whole as u32)
}

impl Block {
    /// Each eight lanes in turn give the addresses of a matrix's rows of 16 bytes; lane `l` gets elements
    /// `2 (l % 4)` and the next of row `l / 4`, or of column `l / 4` where the matrix is transposed.
    /// For races, a row is read by the lane that gives its address.
    pub(super) fn load_matrix(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        address: Address,
        d: &[Slot],
        transposed: bool,
        line: u32,
    ) -> Result<(), Stop> {
        let mut matrices = [[[0u16; 8]; 8]; 4];
        let rows = u32::MAX >> (32 - 8 * d.len());
        run.statistics.count_access(warp, rows, Space::Shared, address, 16);
        for (number, rows) in matrices[..d.len()].iter_mut().enumerate() {
            for (row, values) in rows.iter_mut().enumerate() {
                let lane = (number * 8 + row) as u32;
                let address = warp.address(address, lane);
                aligned("shared", address, 16, lane)?;
                let bytes = self.read_shared(run, warp, lane, address, 16, line)?;
                for (at, value) in values.iter_mut().enumerate() {
                    *value = (bytes >> (16 * at)) as u16;
                }
            }
        }
        for (slot, rows) in d.iter().zip(&matrices) {
            for lane in 0..32 {
                let (row, first) = (lane / 4, lane % 4 * 2);
                let [low, high] = match transposed {
                    false => [rows[row][first], rows[row][first + 1]],
                    true => [rows[first][row], rows[first + 1][row]],
                };
                warp.registers[*slot as usize][lane] = u64::from(low) | u64::from(high) << 16;
            }
        }
        Ok(())
    }
}
