//! Values of flags: pairs, positive numbers, sizes in bytes.

use std::path::PathBuf;

/// `KEY=VALUE`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as train.epochs=3".to_owned()),
    }
}

/// `NAME=@FILE`.
pub(crate) fn name_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once("=@") {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("expected NAME=@FILE, such as image=@image.npy".to_owned()),
    }
}

/// A number of at least one.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// Bytes from a number with an optional unit: `4096`, `64KiB`, `8MiB`, `1GiB`, `8MB`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: usize = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        other => return Err(format!("unknown unit `{other}`; units are B, KiB, MiB, GiB, KB, MB, GB")),
    };
    let number: usize = number.parse().map_err(|_| "expected a size such as 8MiB".to_owned())?;
    number.checked_mul(scale).ok_or_else(|| "the size is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_pairs_are_read() {
        assert_eq!(size("8MiB"), Ok(8 << 20));
        assert_eq!(size("4096"), Ok(4096));
        assert!(size("8 parsecs").is_err() && size("").is_err() && size("99999999999GiB").is_err());
        assert_eq!(name_file("x=@a=b.npy"), Ok(("x".to_owned(), "a=b.npy".into())));
        assert!(name_file("x=a.npy").is_err());
        assert_eq!(key_value("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert!(key_value("=1").is_err() && positive("0").is_err());
    }
}
