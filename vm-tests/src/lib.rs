//! Boots what we built in QEMU and talks to it over the serial line.
//!
//! ```text
//!  disk ─► overlay (never written itself) ─► QEMU + UEFI ─► serial line ─► console ─► login, commands
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`accel`] | whether this machine virtualises or must emulate |
//! | [`disk`] | overlays that grow, and looking into them afterwards |
//! | [`console`] | the serial line: waiting for text, typing |
//! | [`vm`] | a virtual machine, its login and its commands |
//! | [`network`] | the network between machine and host |
//! | [`ssh`] | logging in from the host |
//! | [`served`] | an ostree repository that machines pull from |
//! | [`sysroot`] | the root of a disk, mounted on the host |
//! | [`product`] | `bootc-image` itself, built and run |
//! | [`system`] | what is asked of every system that came up |
//! | [`selinux`] | policy, labels and denials in the running system |
//! | [`versions`] | the fixture's two versions in a machine that upgrades |
//!
//! The working folder of each machine is `.cache/vm/NAME` in the repository; it holds the overlay and
//! `serial.log`, and stays until the next machine of that name.
#![allow(clippy::disallowed_methods, reason = "virtual machines are other programs and take time")]

pub mod accel;
pub mod console;
pub mod disk;
pub mod network;
pub mod product;
pub mod selinux;
pub mod served;
pub mod ssh;
pub mod sysroot;
pub mod system;
pub mod versions;
pub mod vm;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Kernel arguments that make the emulated machine talk on the serial line and boot faster.
pub const KARGS: &[&str] = &[
    "console=ttyS0",
    "systemd.show_status=0",
    "quiet",
    "loglevel=4",
    "mitigations=off",
    "cryptomgr.notests",
    "audit=0",
    "random.trust_cpu=on",
    "panic=1",
];

/// The folder for machine `name`, emptied.
pub fn working_folder(name: &str) -> Result<PathBuf> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(".cache").join("vm").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("removing the folder of an earlier machine")?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs a tool of the host to its end and returns what it printed.
pub fn tool(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {name}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{text}{errors}", output.status);
    Ok(text)
}
