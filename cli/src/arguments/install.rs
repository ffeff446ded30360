//! Flags of `completions` and `man`, which whoever installs dlc runs.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    /// The shell. What is printed goes where it looks for completions, such as
    /// ~/.local/share/bash-completion/completions/dlc, ~/.zfunc/_dlc, ~/.config/fish/completions/dlc.fish.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManualArguments {
    /// Folder that the pages are written to, dlc.1 and one for every command; made if absent [default: dlc.1 is
    /// printed to stdout].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
