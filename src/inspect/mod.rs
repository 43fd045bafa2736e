//! What an image or a disk is, told without changing anything: `bootc-image inspect`.
//!
//! | module | what it is |
//! |---|---|
//! | [`reader`] | disks in any format as bytes at places |
//! | `partitions` | the GPT |
//! | `filesystem` | file systems: ext4 and FAT with their files, others by name |
//! | `system` | deployments, boot entries, boot loaders in a root file system |
//! | [`model`] | the reports; that on images is filled by the pipeline, which reads the layers |
//!
//! A disk may come from anybody: every number in it is checked before use, allocations are bounded,
//! loops end. What is damaged is told as a problem of the report wherever the rest can still be read;
//! an [`Error`] means that there is no disk at all.

mod bytes;
mod disk;
mod error;
mod filesystem;
mod knowledge;
pub mod model;
mod partitions;
pub mod reader;
mod system;

pub use disk::{disk, fuzz_raw};
pub use error::{Error, Problem};
pub use filesystem::fuzz_fat;
pub use knowledge::{CommitFacts, Knowledge};
pub use partitions::fuzz_gpt;
pub use reader::{Scratch, fuzz_disk, fuzz_tar};
pub use system::selinux_config;
