//! Lists the GPUs of this machine, or says in a line why there are none.

use std::process::ExitCode;

fn main() -> ExitCode {
    match dlc_cuda::devices() {
        Ok(devices) => {
            devices.iter().for_each(|device| println!("{}: {device}", device.ordinal));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
