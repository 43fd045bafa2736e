//! The ostree repository and deployment, written natively.
//!
//! What libostree, bootc and rpm-ostree would find after `bootc install`: a *bare* repository whose
//! objects are inodes of the root file system, one commit per layer, one merge commit, and a
//! deployment made of hard links to the objects. The contract, with its sources, is
//! `ostree-contract`; sections are named where they apply.
//!
//! ```text
//!  entries of a layer ─► layer ─► trees ─► merge ─► relabel ─► commits, refs ─► deploy
//!  file content ─► window ─► store ──────────────────► seal: objects/XX/….file
//! ```
//!
//! Vocabulary: an *object* is a file named by the checksum of its metadata and content; *dirtree*
//! and *dirmeta* are the two objects of a directory; a *stateroot* is a set of deployments with one
//! `/var`; the *boot checksum* names a kernel with its initramfs.
//!
//! A label is part of an object's identity and may be known late: objects get their names in the
//! volume only by [`Store::seal`], after [`relabel`]. Images that carry a commit themselves are read by
//! [`encapsulated`].

mod boot_checksum;
mod checkout;
mod commit;
mod deploy;
pub mod encapsulated;
mod error;
mod facts;
mod gvariant;
mod gvariant_reader;
mod image_files;
mod layer;
mod link;
mod made;
mod merge;
mod object;
mod path;
mod refs;
mod relabel;
mod store;
mod sysroot;
mod window;

pub use boot_checksum::BootChecksum;
pub use commit::{IMPORTER_VERSION, layer as commit_layer, merge as commit_merge};
pub use deploy::{BootFile, Deployment, MountPoint, deploy, find_file};
pub use error::Error;
pub use facts::{CommitFacts, fuzz_commit};
pub use gvariant_reader::FormError;
pub use image_files::ImageFiles;
pub use layer::{LayerFile, LayerTree};
pub use merge::Merge;
pub use path::PathError;
pub use relabel::relabel;
pub use store::{Object, Store, Used};
pub use sysroot::Sysroot;
pub use window::WINDOW_BYTES;

#[cfg(test)]
mod mount_tests;
#[cfg(test)]
mod relabel_tests;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
