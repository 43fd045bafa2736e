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
    /// A relocation of the kernel needs a symbol without an address.
    #[error("`kernel.img` needs the symbol `{0}`, which has no address")]
    Symbol(String),
    /// A relocation of a type that kernels of this machine do not have.
    #[error("`kernel.img` has a relocation of type {0}, which is not supported")]
    RelocationType(u32),
    /// A relocation that changes nothing of its section, or whose value does not fit.
    #[error("`kernel.img` has a relocation at {0:#x} that does not fit")]
    Relocation(u64),
}
