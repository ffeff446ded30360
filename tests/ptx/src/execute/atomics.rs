//! Atomics, and what they and reductions make of two values.

use super::Run;
use super::block::Block;
use super::copies::aligned;
use super::global::{far, name, refused, resolve};
use super::stop::Stop;
use super::warp::Warp;
use crate::program::{Address, Combine, Slot, Space};
use crate::value::float::Style;

/// The fields of an atomic but its address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    pub(super) combine: Combine,
    pub(super) bytes: usize,
    pub(super) d: Option<Slot>,
    pub(super) b: Slot,
    pub(super) c: Slot,
}

/// The new value from the old one and the operands, of 4 or 8 bytes. `ftz` is for sums of singles.
pub(super) fn combine(how: Combine, bytes: usize, ftz: bool, old: u64, b: u64, c: u64) -> u64 {
    // Against the sign bit, signed order is unsigned order.
    let order = |signed: bool, value: u64| match signed {
        true => value ^ 1 << (bytes * 8 - 1),
        false => value,
    };
    let value = match how {
        Combine::Add => old.wrapping_add(b),
        Combine::AddSingle => {
            let style = Style { ftz, sat: false };
            style.result(style.source(old) + style.source(b))
        }
        Combine::Least { signed } if order(signed, b) < order(signed, old) => b,
        Combine::Most { signed } if order(signed, b) > order(signed, old) => b,
        Combine::Least { .. } | Combine::Most { .. } => old,
        Combine::And => old & b,
        Combine::Or => old | b,
        Combine::Xor => old ^ b,
        Combine::Exchange => b,
        Combine::CompareAndSwap if old == b => c,
        Combine::CompareAndSwap => old,
    };
    value & (u64::MAX >> (64 - bytes * 8))
}

impl Block {
    #[expect(clippy::too_many_arguments, reason = "the machine's state and the fields of one instruction")]
    pub(super) fn atomic(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        lane: u32,
        space: Space,
        address: Address,
        update: Update,
        line: u32,
    ) -> Result<(), Stop> {
        let Update { combine: how, bytes, d, b, c } = update;
        let (space, address) = resolve(space, warp.address(address, lane));
        aligned(name(space), address, bytes, lane)?;
        let [b, c] = [b, c].map(|slot| warp.get(slot)[lane as usize]);
        let shared = space == Space::Shared;
        let order = self.order(run, warp, lane, line, !shared);
        let (region, offset, start) = match shared {
            true => {
                let offset = self.shared_offset(address, bytes, lane)?;
                (&mut self.shared, offset, 0)
            }
            false => match run.memory.region(address, bytes) {
                Some(found) => found,
                None => return Err(far(run, address, bytes, lane)),
            },
        };
        // The manual: sums of singles flush subnormals in global memory and keep them in shared memory.
        let updated = |old| combine(how, bytes, !shared, old, b, c);
        let old = region
            .atomic(offset, bytes, &order, &run.launch.checks, updated)
            .map_err(|refusal| refused(lane, name(space), start, refusal))?;
        if !shared {
            run.statistics.global_read_bytes += bytes as u64;
            run.statistics.global_written_bytes += bytes as u64;
        }
        if let Some(d) = d {
            warp.set(d, lane, old);
        }
        Ok(())
    }
}
