//! A stand-in for NVIDIA's driver that executes PTX on this machine's processor.
//!
//! As a shared library it exports the driver's functions that `dlc-cuda` uses; `DLC_CUDA_DRIVER` names it in place of the
//! real one ([`library`] says where it lies, [`alone`] runs a test with it). Behind them is the machine of `dlc-ptx-machine`, so a kernel that touches
//! what it must not is a fault with its line.
//!
//! It is as late and as strict as the interface allows. Work that is put into a stream is done when somebody waits for
//! it and not before, so what is read or overwritten too early shows. Handles, addresses and lengths are checked; wrong
//! uses are refused with the error that the real driver gives, and [`counters`] tells how many there were. A fault stays,
//! and every later call answers with it. The words of an error carry the machine's report.
//!
//! What kind of device it is, environment variables say when it starts:
//!
//! | variable | default | |
//! |---|---|---|
//! | `DLC_STAND_IN_DEVICES` | 1 | number of devices |
//! | `DLC_STAND_IN_CAPABILITY` | 8.0 | their generation |
//! | `DLC_STAND_IN_MEMORY` | 8589934592 | bytes of memory of each |
//! | `DLC_STAND_IN_GRAPHS` | any number | graphs that there is memory for in the life of the process |
//! | `DLC_STAND_IN_VERSION` | 12.8 | the version of CUDA that the driver says it is for |
//! | `DLC_STAND_IN_CHECKS` | all | `none` leaves out the machine's checks for races and unwritten bytes, for speed |

mod alone;
mod counters;
mod event;
mod graph;
mod host;
mod launch;
mod memory;
mod module;
mod settings;
mod start;
mod state;
mod status;
mod stream;

pub use alone::{alone, counted, driver};
pub use counters::{Counters, counters, library};
