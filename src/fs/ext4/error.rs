//! What can be wrong with a file system to be.

use crate::units::ByteLen;

/// Why an ext4 could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The canvas failed.
    #[error("writing the file system: {0}")]
    Io(#[from] std::io::Error),
    /// What was written does not fit into the size asked for.
    #[error("the file system needs {needed}, more than its size of {size}")]
    TooSmall {
        /// The smallest size that fits.
        needed: ByteLen,
        /// The size asked for.
        size: ByteLen,
    },
    /// The size is beyond what the descriptor reserve was made for.
    #[error("the file system can have at most {limit}")]
    TooLarge {
        /// The largest size.
        limit: ByteLen,
    },
    /// A file is longer than 2^32 - 1 blocks.
    #[error("a file of {size} is beyond the largest of {limit}")]
    FileTooLarge {
        /// Its length so far.
        size: ByteLen,
        /// The largest length.
        limit: ByteLen,
    },
    /// A label has more than 16 bytes.
    #[error("the label `{label}` is longer than 16 bytes")]
    LabelTooLong {
        /// The label.
        label: String,
    },
    /// An extended attribute is in no namespace ext4 stores, or its name is empty or too long.
    #[error("ext4 cannot store an extended attribute named `{name}`")]
    XattrName {
        /// The full name.
        name: String,
    },
    /// An access control list is malformed.
    #[error("`{name}` is no valid access control list")]
    BadAcl {
        /// The full name.
        name: String,
    },
    /// Extended attributes do not fit into inode and block.
    #[error("extended attributes need {needed} bytes in a block where {available} fit")]
    XattrsTooLarge {
        /// Bytes of entries and values beyond those in the inode.
        needed: usize,
        /// Bytes a block has for them.
        available: usize,
    },
    /// An inode has as many names as the format allows.
    #[error("inode {inode} has 65000 names, as many as ext4 allows")]
    TooManyLinks {
        /// The handle.
        inode: u32,
    },
    /// A directory is beyond an index of two levels.
    #[error("a directory of {entries} entries is beyond what an index of two levels holds")]
    DirectoryTooLarge {
        /// Its entries.
        entries: usize,
    },
    /// There are more inodes, extents or names than 32 bits count.
    #[error("more {what} than a file system holds")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// A device number does not fit its 12 or 20 bits.
    #[error("device number {major}:{minor} is beyond 4095:1048575")]
    DeviceNumber {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A name is empty, longer than 255 bytes, `.` or `..`, or has `/` or NUL in it.
    #[error("`{name}` cannot be a name in a directory")]
    BadName {
        /// The name.
        name: String,
    },
    /// A name was linked twice in a directory.
    #[error("the name `{name}` is twice in one directory")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A symbolic link's target is empty, longer than 4095 bytes, or has NUL in it.
    #[error("a target of {len_bytes} bytes cannot be that of a symbolic link")]
    BadTarget {
        /// Its length.
        len_bytes: usize,
    },
    /// A file was begun, or the writer finished, while another file was open.
    #[error("a file is still open")]
    FileOpen,
    /// The rules of [`Volume`](crate::volume::Volume) were broken.
    #[error("inode {inode} {what}")]
    Misuse {
        /// The handle.
        inode: u32,
        /// What is wrong with it.
        what: &'static str,
    },
}
