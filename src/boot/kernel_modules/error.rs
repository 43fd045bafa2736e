//! Why a kernel's modules cannot be had.

use std::io;

use crate::files::FilesError;

/// Why the modules for an installer cannot be chosen or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum KernelModulesError {
    /// A file of the image could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The kernel has no list of modules.
    #[error("the kernel has no list of its modules: no `{path}`")]
    NoList {
        /// The list.
        path: String,
    },
    /// A line of a list cannot be understood.
    #[error("`{path}` line {line}: {problem}: {value:?}")]
    Line {
        /// The list.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
        /// With what; its start if it is long.
        value: String,
    },
    /// A list of more modules than any kernel has.
    #[error("`{path}` lists more than {limit} modules")]
    TooMany {
        /// The list.
        path: String,
        /// The most that is read.
        limit: usize,
    },
    /// More modules than an installer can be meant to load.
    #[error("what an installer needs leads to more than {limit} modules in `{path}`")]
    TooManyNeeded {
        /// The list.
        path: String,
        /// The most that are taken.
        limit: usize,
    },
    /// Modules that need each other: none can be the first.
    #[error("in `{path}` modules need each other in a circle: {}", .modules.join(", "))]
    Circle {
        /// The list.
        path: String,
        /// Their names, each needing the next, the last one the first; not all if they are many.
        modules: Vec<String>,
    },
    /// A module that is listed is not there.
    #[error("the kernel's module `{path}` is listed, but there is no such file")]
    Absent {
        /// Where it should be.
        path: String,
    },
    /// A module is larger than any.
    #[error("the kernel's module `{path}` has more than the {limit_bytes} bytes that any has")]
    TooLarge {
        /// The module.
        path: String,
        /// The most that a module may have, packed or not.
        limit_bytes: u64,
    },
    /// A module is none.
    #[error("the kernel's module `{path}` is no ELF file")]
    NotElf {
        /// The module.
        path: String,
    },
    /// A module could not be read or decompressed.
    #[error("unpacking the kernel's module `{path}`")]
    Unpack {
        /// The module.
        path: String,
        /// What failed.
        source: io::Error,
    },
    /// A module could not be written.
    #[error("writing the kernel's module `{path}`")]
    Write {
        /// The module.
        path: String,
        /// What failed.
        source: io::Error,
    },
}
