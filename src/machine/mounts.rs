//! Mounts: what the kernel offers of itself, and volumes for as long as somebody holds them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

use super::MachineError;

/// What every program expects of a running kernel, in order.
const OF_THE_KERNEL: [(&str, &str); 4] =
    [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run")];

/// Mounts the kernel's own file systems; those that are there stay.
pub fn of_the_kernel() -> Result<(), MachineError> {
    for (kind, at) in OF_THE_KERNEL {
        let failed =
            |source| MachineError::Mount { what: kind.to_owned(), at: PathBuf::from(at), source };
        fs::create_dir_all(at).map_err(failed)?;
        let flags = match kind {
            "devtmpfs" => MountFlags::NOSUID,
            _ => MountFlags::NOSUID | MountFlags::NODEV,
        };
        match mount(kind, at, kind, flags, None) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    Ok(())
}

/// Something mounted, until this is dropped.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts a device to be read only: nothing of it is run, and no device file of it works.
    pub fn to_read(device: &Path, kind: &str, at: &Path) -> io::Result<Self> {
        let flags =
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        Self::with(device, kind, at, flags)
    }

    /// Mounts a device as a system does that it belongs to.
    pub fn to_use(device: &Path, kind: &str, at: &Path) -> io::Result<Self> {
        Self::with(device, kind, at, MountFlags::empty())
    }

    /// Shows a folder at another, which is there, as well.
    pub fn bind(folder: &Path, at: &Path) -> io::Result<Self> {
        mount_bind(folder, at)?;
        Ok(Self(at.to_owned()))
    }

    fn with(device: &Path, kind: &str, at: &Path, flags: MountFlags) -> io::Result<Self> {
        fs::create_dir_all(at)?;
        mount(device, at, kind, flags, None)?;
        Ok(Self(at.to_owned()))
    }
}

impl AsRef<Path> for Mounted {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    /// Takes it out of sight at once, and lets the device go when the last file is closed.
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    }
}
