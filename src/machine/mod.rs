//! What the first process does to a machine: a room of system calls.
//!
//! | file | what it does |
//! |---|---|
//! | [`mounts`] | mounts, of the kernel's own file systems too |
//! | [`modules`] | loads modules of the kernel, by a list |
//! | [`medium`] | finds the medium that this initramfs came from |
//! | [`consoles`] | speaks to all consoles at once, and listens to them |
//! | [`system`] | enters an installed system |
//! | [`power`] | restarts the machine, or turns it off |
//!
//! ```text
//!  kernel ─► /init ─► mounts ─► modules ─► consoles ─► medium ─► … ─► system ─► power
//!                                             └── what is decided and said: elsewhere ──┘
//! ```
//!
//! What is looked for is looked for below a folder that is `/` on a machine, so that a made-up one
//! can be tried. What a device says of itself is not trusted: texts are cut and lose what a terminal
//! would obey, and a volume is the medium only when a file of it has the digest that the initramfs
//! knows.
//!
//! Left out on purpose: the network, udev, other file systems than the medium's, loop devices.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use medium::Seen;

pub mod consoles;
pub mod medium;
pub mod modules;
pub mod mounts;
pub mod power;
pub mod system;

/// Why the machine cannot be used as it must be.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A file or folder cannot be read.
    #[error("reading `{}`", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is longer than any such.
    #[error("`{}` is longer than {limit_bytes} bytes", .path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// What it may have.
        limit_bytes: u64,
    },
    /// Something cannot be mounted.
    #[error("mounting {what} at `{}`", .at.display())]
    Mount {
        /// A device, a folder or a kind of file system.
        what: String,
        /// Where.
        at: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not told by what the medium is known.
    #[error("`{}` does not tell the installer's medium: {problem}", .path.display())]
    MediumId {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The medium is a file in a file system.
    #[error("the installer's medium is the file `{path}` of another disk, which cannot be used")]
    FileOfADisk {
        /// The file, as the kernel's command line names it.
        path: String,
    },
    /// No device is the medium.
    #[error("the installer's medium, with the label `{volume_id}`, is not there{}", told(.seen))]
    NoMedium {
        /// Its label.
        volume_id: String,
        /// What there is.
        seen: Vec<Seen>,
    },
    /// A partition that must be there is not.
    #[error("`{disk}` has no partition {number}")]
    NoPartition {
        /// The disk.
        disk: String,
        /// The partition's number.
        number: u32,
    },
    /// A process does not get into a system.
    #[error("entering `{}`", .folder.display())]
    Enter {
        /// The system.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The machine goes on.
    #[error("{doing} the machine")]
    Power {
        /// What was to be done.
        doing: &'static str,
        /// Why it is not.
        source: io::Error,
    },
}

/// The most devices that a message names.
const NAMED: usize = 12;

fn told(seen: &[Seen]) -> String {
    if seen.is_empty() {
        return ": there is no disk and no drive at all".to_owned();
    }
    let named: Vec<String> = seen.iter().take(NAMED).map(Seen::to_string).collect();
    let more = seen.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("; there are {}{more}", named.join(", "))
}

/// The whole of a file that must not be longer.
pub(crate) fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, MachineError> {
    let failed = |source| MachineError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len <= limit_bytes) {
        return Ok(bytes);
    }
    Err(MachineError::TooLong { path: path.to_owned(), limit_bytes })
}

/// A text of a device without what a terminal obeys, shortened.
fn tame(text: &str) -> String {
    const KEPT: usize = 64;
    text.chars()
        .take(KEPT)
        .map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' })
        .collect()
}
