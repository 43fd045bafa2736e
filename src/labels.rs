//! SELinux labels as those see them who name objects: a path and a type in, a context out.

/// The type of the inode a label is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
}

/// What knows the label of every path: a policy.
pub trait Labels: std::fmt::Debug {
    /// The context (`system_u:object_r:usr_t:s0`, without NUL) of the inode at `path`, which is
    /// absolute (`/usr/bin/sh`, `/` for the root); `None` when the policy gives it none.
    fn label(&self, path: &str, file_type: FileType) -> Option<String>;
}
