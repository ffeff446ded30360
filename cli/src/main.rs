//! The binary `dlc`: flags, progress, streams and exit codes. What the commands do is `dlc-driver`'s.
//!
//! Exit codes: 0 ok, 1 the user's mistake, 2 usage, 3 compiled and interpreted numbers differ, or a quantised or pruned
//! model lost more than it may, 4 not supported, 101 a bug in dlc. Data goes to stdout, everything for people to stderr where data goes
//! there.

mod arguments;
mod choices;
mod commands;
mod console;
mod progress;
mod table;
mod values;

use arguments::Arguments;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}\n{}", console::REPORT);
    }));
    #[cfg(unix)]
    dlc_driver::report_crashes();
    // clap ends the process with 2 on wrong usage, and with 0 after `--help`.
    let arguments = Arguments::parse();
    ExitCode::from(commands::dispatch(arguments))
}
