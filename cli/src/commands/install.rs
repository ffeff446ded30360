//! `completions` and `man`: what a shell and `man` know of dlc, made of the definitions of its flags.

use super::Outcome;
use crate::arguments::{Arguments, CompletionArguments, ManualArguments};
use crate::console;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use dlc_driver::{DriverError, make_folder};
use std::path::Path;

pub(super) fn completions(flags: &CompletionArguments) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(flags.shell, &mut Arguments::command(), "dlc", &mut text);
    console::data(String::from_utf8_lossy(&text).trim_end());
    Ok(0)
}

pub(super) fn manual(flags: &ManualArguments) -> Outcome {
    let mut command = Arguments::command();
    command.build();
    match &flags.out {
        None => console::data(String::from_utf8_lossy(&page(&command, Path::new("-"))?).trim_end()),
        Some(folder) => {
            make_folder(folder)?;
            write(&command, folder)?;
        }
    }
    Ok(0)
}

/// The page of one command.
fn page(command: &Command, path: &Path) -> Result<Vec<u8>, DriverError> {
    let mut text = Vec::new();
    let fault = |cause| DriverError::File { path: path.to_owned(), cause };
    Man::new(command.clone()).manual("dlc").render(&mut text).map_err(fault)?;
    Ok(text)
}

/// Writes the page of a command and those of the commands below it.
fn write(command: &Command, folder: &Path) -> Result<(), DriverError> {
    let path = folder.join(Man::new(command.clone()).get_filename());
    let text = page(command, &path)?;
    std::fs::write(&path, text).map_err(|cause| DriverError::File { path: path.clone(), cause })?;
    console::data(&format!("wrote {}", path.display()));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        write(below, folder)?;
    }
    Ok(())
}
