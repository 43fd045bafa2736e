//! Pure decisions: partitions, sizes, ids, kernel arguments, and the record of it all.
//!
//! | module | what it decides |
//! |---|---|
//! | [`kargs`] | the kernel arguments and their order |
//! | [`types`] | what can be made of a disk, and where it goes |
//! | [`platform`] | what a disk gets for where it runs |
//! | [`ids`] | every UUID and serial number of the disk |
//! | [`layout`] | which partitions, where |
//! | [`mounts`] | units and lines of fstab that mount further partitions |
//! | [`size`] | how large root and disk become |
//! | [`stateroot`] | which names a stateroot may have |
//! | [`ssh`] | the tmpfiles.d line that brings root's SSH keys |
//! | [`aleph`] | `.bootc-aleph.json` |
//! | [`manifest`] | the build record |
//!
//! Nothing here reads or writes anything.

use crate::units::ByteLen;

pub mod aleph;
pub mod ids;
pub mod kargs;
pub mod layout;
pub mod manifest;
pub mod mounts;
pub mod platform;
pub mod size;
pub mod ssh;
pub mod stateroot;
pub mod types;

/// Why there is no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// `--size` is neither a word we know nor a number.
    #[error("`{0}` is no size: use `auto`, `min`, or a number with K, M, G or T (10G)")]
    Size(String),
    /// The size asked for does not do.
    #[error("{asked} is too small for this image: the smallest size that fits is {needed_mib}M")]
    TooSmall {
        /// What was asked for.
        asked: ByteLen,
        /// The smallest disk that would do, in MiB.
        needed_mib: u64,
    },
    /// An Ignition configuration that nothing would find.
    #[error(
        "an Ignition configuration cannot come with what boots from a network: give its URL \
         (`customizations.ignition.firstboot.url`)"
    )]
    EmbeddedIgnitionFromNetwork,
    /// A name that no stateroot may have: it becomes part of paths and of kernel arguments.
    #[error(
        "stateroot {0:?}: use letters, digits, `.`, `_` and `-`, \
         at most 128 of them, with a letter or digit first"
    )]
    Stateroot(String),
    /// A wish for partitions cannot be fulfilled.
    #[error(transparent)]
    Layout(#[from] layout::LayoutError),
    /// Sizes beyond what a disk can have.
    #[error("the disk would be larger than any disk can be")]
    TooLarge,
}
