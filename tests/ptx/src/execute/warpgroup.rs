//! `wgmma`: products that a warpgroup begins and waits for later.
//!
//! A product is computed when it begins, for the 16 rows of a warp at a time; what makes it asynchronous is what nobody
//! may do until its group is waited for: touch a register of its accumulator or of A's fragment, or write what it
//! reads of shared memory. It reads by the async proxy, so whoever wrote there has to have fenced (`fence.proxy.async`)
//! before the barrier that orders the write. Registers that other instructions touch need a `wgmma.fence` before a product does.
//! All four warps begin the same products. Sums round as those of [`super::matrix`].

use super::Run;
use super::block::Block;
use super::descriptor::Descriptor;
use super::global::refused;
use super::matrix::place;
use super::stop::{Stop, Trouble};
use super::warp::{Lanes, Warp};
use crate::program::{Accumulation, Left, Matrix, Slot, WarpgroupMultiply};
use std::collections::BTreeSet;

/// A product under way.
#[derive(Debug, Clone)]
struct Pending {
    group: usize,
    d: Vec<Slot>,
    a: Vec<Slot>,
    /// Where units of 16 bytes lie that are read.
    units: Vec<usize>,
    line: u32,
}

/// The products of a warp.
#[derive(Debug, Clone, Default)]
pub(super) struct Products {
    committed: usize,
    pending: Vec<Pending>,
    /// Whether a fence was there at all, and registers that were touched since the last.
    fenced: bool,
    touched: BTreeSet<Slot>,
    /// How many have begun.
    begun: usize,
}

/// What all warps of a group say alike: the line of a product and its descriptors.
pub(super) type Begun = (u32, [u64; 2]);

fn fragment(product: u32, message: &str) -> Stop {
    Stop::new(0, Trouble::Fragment { product, message: message.to_owned() })
}

impl Products {
    /// Another instruction touches registers that some product's fragments have.
    pub(super) fn touch(&mut self, slots: &[Slot]) -> Result<(), Stop> {
        let held = |pending: &&Pending| slots.iter().any(|s| pending.d.contains(s) || pending.a.contains(s));
        if let Some(pending) = self.pending.iter().find(held) {
            return Err(fragment(pending.line, "touches a register of a product that was not waited for"));
        }
        self.touched.extend(slots);
        Ok(())
    }

    /// A product is about to touch its own registers.
    fn check(&self, multiply: &WarpgroupMultiply, line: u32) -> Result<(), Stop> {
        let own: Vec<Slot> = multiply.d.iter().chain(multiply.left()).copied().collect();
        if !self.fenced || own.iter().any(|slot| self.touched.contains(slot)) {
            return Err(fragment(line, "no wgmma.fence is between its registers' last use and a product"));
        }
        for pending in &self.pending {
            let shared = own.iter().any(|slot| pending.d.contains(slot));
            let overwritten = multiply.d.iter().any(|slot| pending.a.contains(slot));
            if overwritten || (shared && pending.d != multiply.d) {
                return Err(fragment(pending.line, "another product has a part of its registers"));
            }
        }
        Ok(())
    }
}

impl Block {
    pub(super) fn warpgroup_fence(warp: &mut Warp) {
        warp.products.fenced = true;
        warp.products.touched.clear();
    }

    pub(super) fn warpgroup_commit(warp: &mut Warp) {
        warp.products.committed += 1;
    }

    /// Ends all groups of products but the latest `most` ones.
    pub(super) fn warpgroup_wait(&mut self, warp: &mut Warp, most: usize) {
        let bound = warp.products.committed.saturating_sub(most);
        for done in warp.products.pending.extract_if(.., |pending| pending.group < bound) {
            done.units.into_iter().for_each(|offset| self.shared.release(offset, 16));
        }
    }

    /// The part of a product that belongs to a warp's 16 rows.
    pub(super) fn warpgroup_multiply(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        multiply: &WarpgroupMultiply,
        line: u32,
    ) -> Result<(), Stop> {
        let refuse = |what: &str| Err(Stop::new(0, Trouble::NotExecuted(what.to_owned())));
        let threads: u32 = run.launch.block.iter().product();
        if (warp.number / 4 + 1) * 128 > threads {
            return refuse("wgmma by fewer than four warps");
        }
        warp.products.check(multiply, line)?;
        let adds = match multiply.accumulation {
            Accumulation::Known(adds) => adds,
            Accumulation::Where(condition) => match warp.holds(condition) {
                0 => false,
                u32::MAX => true,
                _ => return refuse("wgmma with a scale that differs between lanes"),
            },
        };
        let mut units = Vec::new();
        let first = warp.number as usize % 4 * 16;
        let (a_bits, rows) = match &multiply.a {
            Left::Registers(slots) => (0, warp.left_rows(multiply, slots)),
            Left::Shared(matrix) => {
                self.matrix(run, warp, multiply, *matrix, first..first + 16, &mut units, line)?
            }
        };
        let (b_bits, columns) =
            self.matrix(run, warp, multiply, multiply.b, 0..multiply.columns, &mut units, line)?;
        self.begin_alike(warp, (line, [a_bits, b_bits]))?;
        let sign = multiply.signs[0] * multiply.signs[1];
        for (at, slot) in multiply.d.iter().enumerate() {
            for lane in 0..32 {
                let row = &rows[lane / 4 + at / 2 % 2 * 8];
                let column = &columns[at / 4 * 8 + lane % 4 * 2 + at % 2];
                let sum: f64 = row.iter().zip(column).map(|(x, y)| x * y * sign).sum();
                let held = &mut warp.registers[*slot as usize][lane];
                let before = if adds { f64::from(f32::from_bits(*held as u32)) } else { 0.0 };
                *held = u64::from(((before + sum) as f32).to_bits());
            }
        }
        let (d, a) = (multiply.d.clone(), multiply.left().to_vec());
        let group = warp.products.committed;
        warp.products.pending.push(Pending { group, d, a, units, line });
        Ok(())
    }

    /// The warps of a group begin the same products in the same order.
    fn begin_alike(&mut self, warp: &mut Warp, own: Begun) -> Result<(), Stop> {
        let begun = &mut self.warpgroups[warp.number as usize / 4];
        let number = warp.products.begun;
        warp.products.begun += 1;
        match begun.get(number) {
            Some(others) if *others != own => {
                Err(fragment(others.0, "the warps of a group begin different products"))
            }
            Some(_) => Ok(()),
            None => {
                begun.push(own);
                Ok(())
            }
        }
    }

    /// A descriptor and some rows of A, or columns of B, that it tells. The units that they lie in are held.
    #[expect(clippy::too_many_arguments, reason = "the machine's state and the fields of one instruction")]
    fn matrix(
        &mut self,
        run: &Run<'_>,
        warp: &Warp,
        multiply: &WarpgroupMultiply,
        matrix: Matrix,
        lines: std::ops::Range<usize>,
        units: &mut Vec<usize>,
        line: u32,
    ) -> Result<(u64, Vec<Vec<f64>>), Stop> {
        let all = warp.get(matrix.descriptor);
        let bits = all[0];
        if all.iter().any(|other| *other != bits) {
            let message = "wgmma with descriptors that differ between lanes".to_owned();
            return Err(Stop::new(0, Trouble::NotExecuted(message)));
        }
        let descriptor = Descriptor::new(bits, matrix.transposed)?;
        let element = multiply.element;
        let size = 32 / element.per_register();
        let per = 128 / size;
        let mut values = vec![vec![0.0; multiply.depth]; lines.len()];
        let mut unit = |block: &mut Self, address: u64| -> Result<Vec<f64>, Stop> {
            let offset = block.shared_offset(address, 16, 0)?;
            let order = block.order(run, warp, 0, line, false);
            let fences = &block.proxy_fences;
            let read = block.shared.read_for_product(offset, &order, &run.launch.checks, fences);
            let bytes = read.map_err(|refusal| refused(0, "shared", 0, refusal))?;
            units.push(offset);
            let piece = |at: usize| (bytes >> (size * at)) as u64 & (u64::MAX >> (64 - size));
            Ok((0..per).map(|at| element.value(piece(at), 0)).collect())
        };
        if matrix.transposed {
            for first in lines.clone().step_by(per) {
                for step in 0..multiply.depth {
                    let found = unit(self, descriptor.across(first / per, step))?;
                    for (row, value) in values[first - lines.start..].iter_mut().zip(found) {
                        row[step] = value;
                    }
                }
            }
        } else {
            for at in lines.clone() {
                for first in (0..multiply.depth).step_by(per) {
                    let found = unit(self, descriptor.along_depth(at, first / per))?;
                    values[at - lines.start][first..first + per].copy_from_slice(&found);
                }
            }
        }
        Ok((bits, values))
    }
}

impl Warp {
    /// The 16 rows of A that a warp's lanes hold, laid out as for `mma`.
    fn left_rows(&self, multiply: &WarpgroupMultiply, slots: &[Slot; 4]) -> Vec<Vec<f64>> {
        let registers: Vec<Lanes> = slots.iter().map(|slot| *self.get(*slot)).collect();
        let value = |row: usize, k: usize| {
            let (block, lane, at) = place(multiply.element, k);
            multiply.element.value(registers[2 * block + row / 8][row % 8 * 4 + lane], at)
        };
        (0..16).map(|row| (0..multiply.depth).map(|k| value(row, k)).collect()).collect()
    }
}
