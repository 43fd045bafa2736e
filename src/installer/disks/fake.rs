//! Machines made up for tests: a folder with what `/sys` and `/proc` would have.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// A machine.
#[derive(Debug)]
pub(in super::super) struct Machine(TempDir);

impl Machine {
    /// Without disks, with the mounts that all have.
    pub(in super::super) fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.root().join("sys/block")).unwrap();
        machine.put("proc/swaps", "Filename\t\tType\t\tSize\tUsed\tPriority\n");
        machine.put("proc/self/mountinfo", "");
        machine.mount("0:21", "/proc", "proc proc")
    }

    pub(in super::super) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file below the root.
    pub(in super::super) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn append(&self, path: &str, line: &str) {
        let before = fs::read_to_string(self.root().join(path)).unwrap();
        self.put(path, before + line);
    }

    /// Adds a block device of a number of mebibytes.
    pub(in super::super) fn disk(self, name: &str, dev: &str, mib: u64) -> Self {
        let files = [
            ("dev", dev.to_owned()),
            ("size", (mib * 2048).to_string()),
            ("queue/logical_block_size", "512".to_owned()),
            ("ro", "0".to_owned()),
            ("removable", "0".to_owned()),
        ];
        files.iter().fold(self, |machine, (file, content)| machine.with(name, file, content))
    }

    /// Sets a file of a block device.
    pub(in super::super) fn with(self, name: &str, file: &str, content: impl AsRef<[u8]>) -> Self {
        let content = [content.as_ref(), b"\n"].concat();
        self.put(&format!("sys/block/{name}/{file}"), content);
        self
    }

    /// Adds a partition: where it starts and how long it is, in sectors of 512 bytes.
    pub(in super::super) fn partition(
        self,
        name: &str,
        index: u32,
        dev: &str,
        (start, len): (u64, u64),
    ) -> Self {
        let ends_in_digit = name.ends_with(|c: char| c.is_ascii_digit());
        let part = format!("{name}{}{index}", if ends_in_digit { "p" } else { "" });
        let files = [
            ("partition", index.to_string()),
            ("dev", dev.to_owned()),
            ("start", start.to_string()),
            ("size", len.to_string()),
        ];
        files.iter().fold(self, |machine, (file, content)| {
            machine.with(name, &format!("{part}/{file}"), content)
        })
    }

    /// Adds a mount; `source` is the type and the source.
    pub(in super::super) fn mount(self, dev: &str, at: &str, source: &str) -> Self {
        let line = format!("30 22 {dev} / {at} rw,relatime shared:1 - {source} rw\n");
        self.append("proc/self/mountinfo", &line);
        self
    }

    /// Uses a device as swap.
    pub(in super::super) fn swap(self, path: &str) -> Self {
        self.append("proc/swaps", &format!("{path}   partition\t8388604\t0\t-2\n"));
        self
    }
}
