//! Which machine a measurement is of.

use dlc_compiler::emit::Target;
use std::collections::BTreeMap;

/// What tells processors apart in `/proc/cpuinfo`.
const MODEL: [&str; 4] = ["model name", "cpu family", "model", "stepping"];

/// Version, processor, instructions and threads: measurements are worth something where all of them are equal.
pub(super) fn describe(target: &Target, threads: usize) -> String {
    let instructions = target.wide.map_or_else(
        || "portable".to_owned(),
        |wide| format!("{:?}{}", wide.level, if wide.vnni { " vnni" } else { "" }),
    );
    let processor = std::fs::read_to_string("/proc/cpuinfo").map(|text| processor(&text)).unwrap_or_default();
    let threads = format!("{threads} thread{}", if threads == 1 { "" } else { "s" });
    format!("{}; {processor}; {}; {threads}", version(), instructions.to_lowercase())
}

/// The part of a description that changes with dlc.
pub(super) fn version() -> String {
    format!("dlc {}", env!("CARGO_PKG_VERSION"))
}

/// The first processor of a text like `/proc/cpuinfo`; the architecture where it says nothing.
fn processor(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines = first.lines().filter_map(|line| line.split_once(':'));
    let values: BTreeMap<&str, &str> = lines.map(|(name, value)| (name.trim(), value.trim())).collect();
    let known: Vec<&str> = MODEL.iter().filter_map(|name| values.get(name).copied()).collect();
    if known.is_empty() { std::env::consts::ARCH.to_owned() } else { known.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_told_by_name_and_numbers() {
        let text = "processor\t: 0\nmodel\t\t: 2\nmodel name\t: Some CPU\nstepping: 1\ncpu family\t: 26\n\nmodel name: x\n";
        assert_eq!(processor(text), "Some CPU 26 2 1");
        assert_eq!(processor("nothing"), std::env::consts::ARCH);
    }
}
