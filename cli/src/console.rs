//! What is printed where: data to stdout, messages to stderr, colour where it is wanted.

use crate::arguments::Colour;
use dlc_driver::{DriverError, StartReport, diagnostic_json, draw_diagnostics};
use dlc_types::{Diagnostics, SourceMap};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// What is said of a failure that is not the user's.
pub(crate) const REPORT: &str =
    "This is a bug in dlc, not a mistake of yours. Please report it with the model and the command.";

/// How messages are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    /// Whether messages on stderr have colour.
    pub(crate) colour: bool,
    /// Whether messages are JSON objects.
    pub(crate) json: bool,
}

impl Console {
    pub(crate) fn new(colour: Colour, json: bool) -> Console {
        let colour = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Console { colour, json }
    }

    /// Warnings, or errors, on stderr.
    pub(crate) fn diagnostics(&self, sources: &SourceMap, diagnostics: &Diagnostics) {
        if self.json {
            diagnostics
                .all
                .iter()
                .for_each(|diagnostic| tell(&diagnostic_json(sources, diagnostic).to_string()));
        } else if !diagnostics.all.is_empty() {
            tell(&draw_diagnostics(sources, diagnostics, self.colour).to_string());
        }
    }

    /// What became of weights to begin with, as text; as JSON it is part of the result.
    pub(crate) fn start(self, report: Option<&StartReport>) {
        if let Some(report) = report.filter(|_| !self.json) {
            report.lines().iter().for_each(|line| tell(line));
        }
    }

    /// A failed command: its message on stderr. Returns the exit code.
    pub(crate) fn failure(&self, error: &DriverError) -> u8 {
        let code = error.exit_code();
        if let DriverError::Invalid { sources, diagnostics } = error {
            self.diagnostics(sources, diagnostics);
            return code;
        }
        if self.json {
            let message = serde_json::json!({ "error": error.to_string(), "exit_code": code });
            tell(&message.to_string());
        } else {
            let (on, off) = if self.colour { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
            tell(&format!("{on}error{off}: {error}"));
        }
        if code == 101 {
            tell(REPORT);
        }
        code
    }
}

/// A line on stderr. Nothing more can be done where nobody reads it.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A line of data on stdout. A reader that went away (`dlc … | head`) ends the process without a fuss.
pub(crate) fn data(line: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

/// One JSON object on stdout.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => data(&text),
        Err(error) => eprintln!("error: the result cannot be written as JSON: {error}"),
    }
}

/// A warning on stderr, as text.
/// Something worth knowing, on stderr.
pub(crate) fn remark(text: &str) {
    tell(text);
}

pub(crate) fn warning(text: &str) {
    eprintln!("warning: {text}");
}

/// A warning on stderr, as one JSON object.
pub(crate) fn json_warning(text: &str) {
    eprintln!("{}", serde_json::json!({ "warning": text }));
}
