//! Why a wish does not make a disk.

/// Why a wish for partitions cannot be fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Sectors of another size than the disk has.
    #[error(
        "the partition table is for sectors of {wished_bytes} bytes, but the disk has sectors of \
         {asked_bytes}"
    )]
    SectorSize {
        /// What the table says.
        wished_bytes: u64,
        /// What `--sector-size` says.
        asked_bytes: u64,
    },
    /// A file system that must be of another type.
    #[error("the file system for `{mountpoint}` must be {wanted}")]
    Kind {
        /// Where it is to be mounted.
        mountpoint: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A place where nothing can be mounted.
    #[error("no file system can be mounted at {mountpoint:?}: {problem}")]
    Mountpoint {
        /// The place.
        mountpoint: String,
        /// Why not.
        problem: &'static str,
    },
    /// Two file systems for one place.
    #[error("two file systems are to be mounted at `{mountpoint}`")]
    MountedTwice {
        /// The place.
        mountpoint: String,
    },
    /// A label that the file system cannot have.
    #[error("a {kind} cannot have the label {label:?}: {problem}")]
    Label {
        /// The type of file system.
        kind: &'static str,
        /// The label.
        label: String,
        /// Why not.
        problem: &'static str,
    },
    /// Mount options that would be read as something else.
    #[error("mount options {options:?} have a blank or a control character")]
    Options {
        /// The options.
        options: String,
    },
    /// A name that does not fit into the partition table.
    #[error(
        "a partition cannot have the name {name:?}: at most 36 characters, no control characters"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// More partitions than a partition table has entries.
    #[error("{count} partitions, but the table has 128 entries")]
    TooManyPartitions {
        /// How many there would be.
        count: usize,
    },
    /// More ext4 than can be written together.
    #[error("{count} ext4 file systems, but at most 16 are possible")]
    TooManyFileSystems {
        /// How many there would be.
        count: usize,
    },
    /// A system that boots from a network has one file system.
    #[error(
        "the file system or swap space `{name}` would not be there after a boot from a network: \
         `pxe` has the root file system only"
    )]
    NotFromNetwork {
        /// Where it is mounted, else the partition's name.
        name: String,
    },
    /// The file for a partition is not in the image.
    #[error("the image has no regular file `{path}`, which a partition is to hold")]
    NoSource {
        /// Its path.
        path: String,
    },
    /// What BIOS starts is bound to a place that it did not get.
    #[error(
        "the BIOS boot partition comes after a partition that grows with its content, which moves it"
    )]
    BiosBootMoved,
    /// Sizes beyond what a disk can have.
    #[error("the partitions would be larger than any disk can be")]
    TooLarge,
}
