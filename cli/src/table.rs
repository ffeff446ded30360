//! Tables as text, and numbers as people read them.

/// Columns padded to their widest cell, numbers to the right; the first row is the header.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let right: Vec<bool> = (0..columns)
        .map(|column| {
            let cells =
                || rows.iter().skip(1).filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
            cells().count() > 0
                && cells().all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            if right[column] { format!("{padding}{cell}") } else { format!("{cell}{padding}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `1.23 G` for 1 230 000 000.
pub(crate) fn count(value: u64) -> String {
    for (unit, scale) in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)] {
        if value as f64 >= scale {
            return format!("{:.2} {unit}", value as f64 / scale);
        }
    }
    value.to_string()
}

/// `1.5 MiB`.
pub(crate) fn bytes(value: usize) -> String {
    for (unit, scale) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if value as u64 >= scale {
            return format!("{:.1} {unit}", value as f64 / scale as f64);
        }
    }
    format!("{value} B")
}

/// Seconds as `1h 02m`, `3m 05s`, `4.2 s` or `12 ms`.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        v if v < 1.0 => format!("{:.0} ms", v * 1e3),
        v if v < 60.0 => format!("{v:.1} s"),
        v if v < 3600.0 => format!("{:.0}m {:02.0}s", (v / 60.0).floor(), (v % 60.0).floor()),
        v => format!("{:.0}h {:02.0}m", (v / 3600.0).floor(), (v % 3600.0 / 60.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["name", "count"], ["a", "5"], ["long", "1234"]];
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect();
        assert_eq!(table(&rows), "name  count\na         5\nlong   1234");
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!((count(999), count(1_230_000_000)), ("999".to_owned(), "1.23 G".to_owned()));
        assert_eq!((bytes(1023), bytes(3 << 19)), ("1023 B".to_owned(), "1.5 MiB".to_owned()));
        assert_eq!([0.012, 4.2, 185.0, 3725.0].map(seconds), ["12 ms", "4.2 s", "3m 05s", "1h 02m"]);
    }
}
