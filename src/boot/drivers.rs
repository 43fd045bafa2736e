//! Which drivers a kernel has, built in or as modules.
//!
//! | file in `usr/lib/modules/<version>` | lines |
//! |---|---|
//! | `modules.builtin` | `kernel/drivers/nvme/host/nvme.ko` |
//! | `modules.dep` | `kernel/drivers/nvme/host/nvme.ko.xz: kernel/drivers/nvme/host/nvme-core.ko.xz` |
//!
//! In names `-` and `_` are the same.

use std::collections::BTreeSet;

use crate::files::{Deployed, Files, FilesError};

const LISTS: [&str; 2] = ["modules.builtin", "modules.dep"];
/// Larger lists are no lists of modules: Debian's largest has 1 MiB.
const LIMIT_BYTES: u64 = 16 << 20;

/// The drivers of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drivers(BTreeSet<String>);

impl Drivers {
    /// Reads the lists beside the kernel at the path `vmlinuz`; a list that is not there is empty.
    pub fn load(files: &dyn Files, vmlinuz: &str) -> Result<Self, FilesError> {
        let folder = vmlinuz.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut names = BTreeSet::new();
        for list in LISTS {
            let path = format!("{folder}/{list}");
            let bytes = Deployed(files).read_following(&path, LIMIT_BYTES)?.unwrap_or_default();
            names.extend(String::from_utf8_lossy(&bytes).lines().filter_map(driver));
        }
        Ok(Self(names))
    }

    /// Whether one is among them.
    pub fn have(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

fn driver(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let (name, _) = path.rsplit('/').next()?.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn built_in_and_loadable_drivers_are_found() {
        let files = MemoryFiles::default()
            .with("usr/lib/modules/6.1/modules.builtin", "kernel/drivers/nvme/host/nvme.ko\n")
            .with(
                "usr/lib/modules/6.1/modules.dep",
                "kernel/net/ena/ena.ko.xz:\nkernel/a/virtio-gpu.ko: kernel/b/virtio.ko\n\nodd\n",
            );
        let drivers = Drivers::load(&files, "usr/lib/modules/6.1/vmlinuz").unwrap();
        assert!(["nvme", "ena", "virtio_gpu"].iter().all(|name| drivers.have(name)));
        assert!(["virtio", "odd", ""].iter().all(|name| !drivers.have(name)));
        let none = Drivers::load(&files, "usr/lib/modules/7/vmlinuz").unwrap();
        assert_eq!(none, Drivers::default());
    }
}
