//! A shell in the installed system, for those who want to change it before its first start.
//!
//! ```text
//!  /init ─► mounts ─► a child: /init again, by another name ─► terminal, chroot ─► bash
//!    └── waits for it, then restarts the machine
//! ```
//!
//! What a child does between its start and the program it becomes cannot be told it safely; so it is
//! this program first, which then does so by itself.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::error::InitError;
use super::show::Show;
use crate::cli::report::Report;
use crate::machine::MachineError;
use crate::machine::system::{self, System};

/// What the child is called.
const NAME: &str = "bootc-image-shell";
/// Where this program is.
const SELF: &str = "/proc/self/exe";
/// Where the new root partition is mounted.
const AT: &str = "/run/system";
const SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts a shell in the deployment on a disk's partition of that number, and waits for its end.
pub(super) fn run(
    show: &Show,
    disk: &str,
    root_number: u32,
    deployment: &str,
) -> Result<(), InitError> {
    let root = Path::new("/");
    let partition = system::partition(root, disk, root_number)?;
    let system = System::mount(&partition, deployment, Path::new(AT))?;
    let terminal = show.consoles().favourite().unwrap_or(Path::new("/dev/console"));
    show.say(&format!("a shell in the installed system, on {}:", terminal.display()));
    let mut child = program(OsStr::new(SELF));
    child.arg0(NAME).arg(system.folder()).arg(terminal);
    let status = child.status();
    show.consoles().reopen();
    let status = status.map_err(|source| enter(system.folder(), source))?;
    show.say(&format!("the shell ended: {status}"));
    Ok(())
}

/// Becomes the shell, if this process was started for that.
pub(super) fn run_inside(words: &[OsString]) -> Option<ExitCode> {
    let [name, folder, terminal] = words else { return None };
    let is_ours = name == NAME && rustix::process::getppid().is_some_and(|pid| pid.is_init());
    if !is_ours {
        return None;
    }
    let error = become_shell(Path::new(folder), Path::new(terminal));
    crate::cli::progress::print(&Report::of(&error).to_text(false));
    Some(ExitCode::FAILURE)
}

/// Returns only when there is no shell.
fn become_shell(folder: &Path, terminal: &Path) -> MachineError {
    if let Err(error) = system::enter(folder, terminal) {
        return error;
    }
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for shell in SHELLS {
        let mut shell = program(OsStr::new(shell));
        shell.arg("-l").env_clear().env("HOME", "/root").env("PATH", PATH).env("TERM", "linux");
        last = shell.exec();
    }
    enter(folder, last)
}

fn enter(folder: &Path, source: io::Error) -> MachineError {
    MachineError::Enter { folder: folder.to_owned(), source }
}

#[expect(clippy::disallowed_methods, reason = "the owner asked for the installed system's shell")]
fn program(path: &OsStr) -> Command {
    Command::new(path)
}
