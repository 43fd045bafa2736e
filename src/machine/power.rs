//! The end of a machine's day.

use rustix::fs::sync;
use rustix::system::{RebootCommand, reboot};

use super::MachineError;

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// The machine starts again.
    Restart,
    /// It is turned off.
    Off,
}

/// Writes out what is not written yet, then ends it. Returns only when that cannot be done, or is
/// still going on.
pub fn end(power: Power) -> Result<(), MachineError> {
    let (command, doing) = match power {
        Power::Restart => (RebootCommand::Restart, "restarting"),
        Power::Off => (RebootCommand::PowerOff, "turning off"),
    };
    sync();
    reboot(command).map_err(|error| MachineError::Power { doing, source: error.into() })
}
