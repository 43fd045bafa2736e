//! What `inspect` tells: the members of its JSON, described for users in `docs/inspect.md`.
//!
//! Members are only ever added; a change of meaning changes [`VERSION`]. What is not there is `null`.

mod disk;
mod image;

pub use disk::{
    BootEntry, BootFile, BootLoader, Bootupd, Deployment, DiskReport, EspFile, FileSystem,
    Partition, PartitionTable, Selinux,
};
pub use image::{
    BootLoaders, ImageReport, InstallConfig, Kernel, LayerRecord, Ostree, SizeEstimate,
};

/// The version of both documents.
pub const VERSION: u32 = 1;
