//! Why no GRUB image can be composed of an image's files.

/// Why no GRUB image can be composed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A file is not the part of GRUB that its name says.
    #[error("`{file}` is not the one of GRUB: {problem}")]
    NotGrub {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A kernel that cannot be read.
    #[error("`kernel.img` is no ELF file of GRUB")]
    Kernel(#[from] object::read::Error),
    /// Something is larger than what loads it can take.
    #[error("{what} has {len} bytes, and may have {limit}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The most that it may have.
        limit: usize,
    },
}
