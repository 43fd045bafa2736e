//! Images that carry an ostree commit in their layers (ostree-contract 3.2, 3.3).
//!
//! Such an image is an ostree repository cut into tars, followed by ordinary layers:
//!
//! | layer | [`Part`] | below `sysroot/ostree/repo/` | its commit |
//! |---|---|---|---|
//! | first | commit | the commit first, its dirtrees and dirmetas, perhaps files | the carried commit |
//! | up to the label's | component | files | an *object set*: a flat tree of the files by checksum |
//! | after it | derived | nothing of interest | as in an image without a base |
//!
//! Of the first two only the repository is read; the tree of hard links around it is for container
//! runtimes. Every object is named by its checksum and verified; it enters the store as it is,
//! labels included.
//!
//! ```text
//!  parts() ─► Import::layer ─► Layer: begin_file, symlink, hardlink, … finish ─► layer commit
//!                │  once for each commit and component layer
//!                └──► Import::base ─► Base: the commit's tree, to be merged under the derived layers
//! ```
//!
//! # Memory
//!
//! Dirtrees and dirmetas wait in memory until the tree is loaded: about 36 bytes and the name for
//! each file. A table of the file objects takes 36 bytes more each, before the slack of a hash table.
//!
//! # What is refused although the format could say it
//!
//! A file object with an empty xattr value: its name includes the value, no file system keeps it, and
//! so the installed system's own check would find the object corrupt; left out, the carried commit
//! would name an object that does not exist. Directories may have one: it is only in their dirmeta.

mod base;
mod error;
mod layer;
mod layout;
mod name;
mod parse;

pub use base::Base;
pub use error::{Error, Problem};
pub use layer::{File, Import, Layer};
pub use layout::{FINAL_DIFF_ID_LABEL, Part, parts};

#[cfg(test)]
mod tests;
