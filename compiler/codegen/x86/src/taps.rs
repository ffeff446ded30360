//! Taps as loops: a list of offsets that is a grid becomes nested loops with constant steps.

use dlc_kernel::Tap;

/// The nested loops that visit the taps in order, outermost first, with the number of their steps, if
/// there are such loops.
pub(crate) fn grid(taps: &[Tap]) -> Option<Vec<(i64, Tap)>> {
    let step = |from: &Tap, to: &Tap| Tap { lanes: to.lanes - from.lanes, rows: to.rows - from.rows };
    let (first, second) = match taps {
        [] | [_] => return Some(Vec::new()),
        [first, second, ..] => (first, second),
    };
    let inner = step(first, second);
    let run = taps.windows(2).take_while(|pair| step(&pair[0], &pair[1]) == inner).count() + 1;
    let is_regular = taps.len().is_multiple_of(run)
        && taps.chunks(run).all(|chunk| chunk.windows(2).all(|pair| step(&pair[0], &pair[1]) == inner));
    if !is_regular {
        return None;
    }
    let heads: Vec<Tap> = taps.iter().step_by(run).copied().collect();
    let mut loops = grid(&heads)?;
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
        let loops = grid(&taps).unwrap_or_default();
        assert_eq!(loops, [(3, Tap { lanes: 192, rows: 1000 }), (3, Tap { lanes: 64, rows: 16 })]);
        assert_eq!(grid(&taps[..1]), Some(Vec::new()));
        taps.remove(4);
        assert_eq!(grid(&taps), None);
    }
}
