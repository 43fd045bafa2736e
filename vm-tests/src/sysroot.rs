//! The root of a disk, mounted read-only on the host (which takes root), and what ostree has in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::disk::{Partition, check_ext4, partition};
use crate::tool;

const MOST_PARTITIONS: u64 = 8;

/// A mounted root; it is unmounted when dropped.
#[derive(Debug)]
pub struct Sysroot {
    path: PathBuf,
}

impl Sysroot {
    /// Checks the root of a raw disk, which is its largest partition, and mounts it on `path`, which
    /// is created.
    pub fn mount(raw: &Path, path: &Path) -> Result<Self> {
        let root = largest_partition(raw)?;
        check_ext4(raw, root.start)?;
        fs::create_dir_all(path)?;
        let options = format!("ro,noload,loop,offset={},sizelimit={}", root.start, root.size);
        tool(Command::new("mount").args(["-t", "ext4", "-o", &options]).arg(raw).arg(path))
            .context("mounting a disk's root, which takes root")?;
        Ok(Self { path: path.into() })
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The repository.
    pub fn repo(&self) -> PathBuf {
        self.path.join("ostree/repo")
    }

    /// The commits that are deployed in a stateroot, sorted.
    pub fn deployed(&self, stateroot: &str) -> Result<Vec<String>> {
        let folder = self.path.join("ostree/deploy").join(stateroot).join("deploy");
        let mut commits = Vec::new();
        for entry in fs::read_dir(&folder).context("reading the deployments")? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let name = entry.file_name().to_string_lossy().into_owned();
                commits.push(name.split_once('.').context("no serial")?.0.into());
            }
        }
        commits.sort();
        Ok(commits)
    }

    /// The boot entries, the one that comes first in the menu first.
    pub fn boot_entries(&self) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(self.path.join("boot/loader/entries"))? {
            paths.push(entry?.path());
        }
        // their numbers have one digit
        paths.sort();
        paths.iter().rev().map(|path| Ok(fs::read_to_string(path)?)).collect()
    }

    /// Has ostree check every object of the repository.
    pub fn fsck(&self) -> Result<()> {
        let repo = format!("--repo={}", self.repo().display());
        let said = tool(Command::new("ostree").args(["fsck", "--quiet", &repo]))?;
        ensure!(!said.contains("orrupt"), "ostree fsck says: {said}");
        Ok(())
    }
}

impl Drop for Sysroot {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.path).status();
    }
}

/// The line of a boot entry that has its title.
pub fn title(entry: &str) -> &str {
    entry.lines().find(|line| line.starts_with("title ")).unwrap_or_default()
}

fn largest_partition(raw: &Path) -> Result<Partition> {
    let mut all = Vec::new();
    for number in 1..=MOST_PARTITIONS {
        all.extend(partition(raw, number)?);
    }
    all.into_iter().max_by_key(|partition| partition.size).context("no partition")
}
