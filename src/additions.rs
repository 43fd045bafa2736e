//! What a deployment gets besides the image's own files, in its `/etc` and in the stateroot's `/var`.

/// Something at a path that the image does not have, or has otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Path from the deployment's root, `etc/…` or `var/…`. A directory that is missing on the way is
    /// made, root's with 0755.
    pub path: String,
    /// Permission bits: as the image has them at this path when not given, else 0644 for files and
    /// 0755 for directories. Links have none.
    pub mode: Option<u16>,
    /// Owner: as the image has it at this path when not given, else root.
    pub uid: Option<u32>,
    /// Group, likewise.
    pub gid: Option<u32>,
    /// What is there.
    pub kind: AdditionKind,
}

/// What an addition is.
#[derive(Clone, PartialEq, Eq)]
pub enum AdditionKind {
    /// A regular file with this content, in place of a file or link of the image.
    File(Vec<u8>),
    /// A symbolic link to this target, in place of a file or link of the image.
    Symlink(String),
    /// A directory; what the image has in it stays.
    Directory,
    /// Nothing: what the image has there is left out, with all below it.
    Removed,
}

impl std::fmt::Debug for AdditionKind {
    /// Says of content how long it is: it may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) => write!(f, "File({} bytes)", bytes.len()),
            Self::Symlink(target) => write!(f, "Symlink({target:?})"),
            Self::Directory => f.write_str("Directory"),
            Self::Removed => f.write_str("Removed"),
        }
    }
}

impl Addition {
    /// A file of root's.
    pub fn file(path: impl Into<String>, mode: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Self::of_root(path, Some(mode), AdditionKind::File(bytes.into()))
    }

    /// New content for a file whose mode and owners stay; root's with 0644 where there is none.
    pub fn content(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let kind = AdditionKind::File(bytes.into());
        Self { path: path.into(), mode: None, uid: None, gid: None, kind }
    }

    /// A symbolic link of root's.
    pub fn symlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self::of_root(path, None, AdditionKind::Symlink(target.into()))
    }

    /// A directory of root's.
    pub fn directory(path: impl Into<String>, mode: u16) -> Self {
        Self::of_root(path, Some(mode), AdditionKind::Directory)
    }

    /// Nothing, where the image has something.
    pub fn removed(path: impl Into<String>) -> Self {
        Self::of_root(path, None, AdditionKind::Removed)
    }

    /// The same with another owner and group.
    #[must_use]
    pub fn owned_by(self, uid: u32, gid: u32) -> Self {
        Self { uid: Some(uid), gid: Some(gid), ..self }
    }

    fn of_root(path: impl Into<String>, mode: Option<u16>, kind: AdditionKind) -> Self {
        Self { path: path.into(), mode, uid: Some(0), gid: Some(0), kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_not_shown() {
        let shown = format!("{:?}", Addition::file("etc/shadow", 0, "secret"));
        assert!(shown.contains("File(6 bytes)") && !shown.contains("secret"), "{shown}");
    }
}
