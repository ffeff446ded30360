//! Taps as a grid: most lists of offsets are those of nested loops with constant steps, which code generators prefer to
//! tables.

use crate::Tap;

/// The nested loops that visit the taps in order, outermost first, if there are such: how often each goes round, and the step
/// from one round to the next. None for a single tap.
pub fn tap_grid(taps: &[Tap]) -> Option<Vec<(i64, Tap)>> {
    let step = |from: &Tap, to: &Tap| Tap {
        lanes: to.lanes.wrapping_sub(from.lanes),
        rows: to.rows.wrapping_sub(from.rows),
    };
    let (first, second) = match taps {
        [] | [_] => return Some(Vec::new()),
        [first, second, ..] => (first, second),
    };
    let inner = step(first, second);
    let run = taps.windows(2).take_while(|pair| step(&pair[0], &pair[1]) == inner).count() + 1;
    if !taps.len().is_multiple_of(run) {
        return None;
    }
    let regular =
        taps.chunks(run).all(|chunk| chunk.windows(2).all(|pair| step(&pair[0], &pair[1]) == inner));
    if !regular {
        return None;
    }
    let heads: Vec<Tap> = taps.iter().step_by(run).copied().collect();
    let mut loops = tap_grid(&heads)?;
    loops.push((run as i64, inner));
    Some(loops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_grids_and_ragged_lists_are_not() {
        let mut taps: Vec<Tap> =
            (0..9).map(|t| Tap { lanes: t * 64, rows: t / 3 * 1000 + t % 3 * 16 }).collect();
        let loops = tap_grid(&taps).unwrap_or_default();
        assert_eq!(loops, [(3, Tap { lanes: 192, rows: 1000 }), (3, Tap { lanes: 64, rows: 16 })]);
        assert_eq!(tap_grid(&taps[..1]), Some(Vec::new()));
        taps.remove(4);
        assert_eq!(tap_grid(&taps), None);
    }
}
