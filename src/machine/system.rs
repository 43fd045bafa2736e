//! An installed system, entered from outside: its file systems, and a process in it.
//!
//! ```text
//!  root partition ─► /run/system                                    mounted
//!                      └ ostree/deploy/NAME/deploy/COMMIT.0         the system's root: chroot
//!                          ├ dev proc sys run ◄── those of here     bound
//!                          └ var ◄── ostree/deploy/NAME/var         bound
//! ```

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{chdir, chroot, ioctl_tiocsctty, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::mounts::Mounted;
use super::{MachineError, read};

const OF_HERE: [&str; 4] = ["dev", "proc", "sys", "run"];
/// Files of sysfs are a page at most.
const ATTRIBUTE_LIMIT: u64 = 4096;

/// A system whose file systems are mounted, until this is dropped.
#[derive(Debug)]
pub struct System {
    /// Dropped in their order: what is on top comes first.
    mounts: Vec<Mounted>,
    folder: PathBuf,
}

impl System {
    /// Mounts the root partition at a folder, and gives the deployment on it what a system needs.
    pub fn mount(partition: &Path, deployment: &str, at: &Path) -> Result<Self, MachineError> {
        let failed = |what: &Path, at: &Path, source| MachineError::Mount {
            what: format!("`{}`", what.display()),
            at: at.to_owned(),
            source,
        };
        let root = Mounted::to_use(partition, "ext4", at);
        let mut mounts = vec![root.map_err(|error| failed(partition, at, error))?];
        let folder = at.join(deployment.trim_start_matches('/'));
        let here = OF_HERE.map(|name| (Path::new("/").join(name), folder.join(name)));
        // as the system has it when it runs: beside all its deployments
        let var = folder.ancestors().nth(2).map(|state| (state.join("var"), folder.join("var")));
        for (from, to) in here.into_iter().chain(var) {
            let bound = Mounted::bind(&from, &to);
            mounts.insert(0, bound.map_err(|error| failed(&from, &to, error))?);
        }
        Ok(Self { mounts, folder })
    }

    /// The system's root.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many mounts make it up.
    pub fn mounts(&self) -> usize {
        self.mounts.len()
    }
}

/// The device file of a disk's partition, by its number in the table.
pub fn partition(root: &Path, disk: &str, number: u32) -> Result<PathBuf, MachineError> {
    let missing = || MachineError::NoPartition { disk: disk.to_owned(), number };
    let name = disk.strip_prefix("/dev/").ok_or_else(missing)?.replace('/', "!");
    let folder = root.join("sys/block").join(&name);
    let entries = fs::read_dir(&folder)
        .map_err(|source| MachineError::Read { path: folder.clone(), source })?;
    for entry in entries.flatten() {
        let Ok(found) = read(&entry.path().join("partition"), ATTRIBUTE_LIMIT) else { continue };
        if String::from_utf8_lossy(&found).trim().parse() == Ok(number) {
            let name = entry.file_name().to_string_lossy().replace('!', "/");
            return Ok(root.join("dev").join(name));
        }
    }
    Err(missing())
}

/// Makes this process one of a system, at a terminal of its own. For a process that does nothing else
/// any more: there is no way back.
pub fn enter(folder: &Path, terminal: &Path) -> Result<(), MachineError> {
    let failed = |source: io::Error| MachineError::Enter { folder: folder.to_owned(), source };
    setsid().map_err(|error| failed(error.into()))?;
    let terminal = OpenOptions::new().read(true).write(true).open(terminal).map_err(failed)?;
    let inside = || {
        // without it there are no jobs to control, and still a shell
        let _ = ioctl_tiocsctty(&terminal);
        dup2_stdin(&terminal)?;
        dup2_stdout(&terminal)?;
        dup2_stderr(&terminal)?;
        chroot(folder)?;
        chdir("/")
    };
    inside().map_err(|error| failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_by_their_number() {
        let root = tempfile::tempdir().unwrap();
        for (file, content) in [
            ("nvme0n1/nvme0n1p10/partition", "10\n"),
            ("nvme0n1/nvme0n1p3/partition", "3\n"),
            ("nvme0n1/queue/rotational", "0\n"),
            ("cciss!c0d0/cciss!c0d0p1/partition", "1\n"),
        ] {
            let path = root.path().join("sys/block").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let found = |disk, number| partition(root.path(), disk, number);
        assert_eq!(found("/dev/nvme0n1", 3).unwrap(), root.path().join("dev/nvme0n1p3"));
        assert_eq!(found("/dev/cciss/c0d0", 1).unwrap(), root.path().join("dev/cciss/c0d0p1"));
        let error = found("/dev/nvme0n1", 1).unwrap_err();
        assert_eq!(error.to_string(), "`/dev/nvme0n1` has no partition 1");
        assert!(matches!(found("/dev/sda", 1), Err(MachineError::Read { .. })));
        assert!(matches!(found("sda", 1), Err(MachineError::NoPartition { .. })));
    }
}
