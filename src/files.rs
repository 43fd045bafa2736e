//! Read access to the files of the merged image: what `config`, `boot` and `plan` look at.
//!
//! Paths are relative to the image's root, without leading `/`, `.` or `..`. The last component is
//! never followed when it is a symbolic link ([`Files::kind`] says so); inner ones are not either,
//! with the single exception of [`Files::read_following`].

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file of that many bytes.
    Regular {
        /// Length in bytes.
        len_bytes: u64,
    },
    /// A symbolic link to this target.
    Symlink {
        /// The target as stored.
        target: String,
    },
    /// A directory.
    Directory,
}

/// Why a file of the image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file is larger than anything of its kind may be.
    #[error("`{path}` has {len_bytes} bytes, more than the {limit_bytes} allowed for such a file")]
    TooLarge {
        /// The path in the image.
        path: String,
        /// Its length.
        len_bytes: u64,
        /// The most that is read.
        limit_bytes: u64,
    },
    /// The canvas could not be read back.
    #[error("reading `{path}` back from the disk")]
    Read {
        /// The path in the image.
        path: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The files of the merged image.
pub trait Files {
    /// What is at `path`; `None` when nothing is.
    fn kind(&self, path: &str) -> Option<FileKind>;

    /// The names in a directory in byte order; empty when `path` is no directory.
    fn names(&self, path: &str) -> Vec<String>;

    /// The bytes of the regular file at `path`; `None` when there is no regular file.
    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError>;

    /// The first bytes of the regular file at `path`, at most `len` of them, however long it is.
    fn read_start(&self, path: &str, len: usize) -> Result<Option<Vec<u8>>, FilesError> {
        let bytes = self.read(path, u64::MAX)?;
        Ok(bytes.map(|mut bytes| {
            bytes.truncate(len);
            bytes
        }))
    }

    /// As [`Files::read`], following symbolic links within the image, at most 40 of them.
    /// An absolute target and `..` above the root mean the image's root, as in a chroot.
    fn read_following(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, FilesError> {
        match self.resolve(path) {
            Some(real) => self.read(&real, limit),
            None => Ok(None),
        }
    }

    /// Whether `path` leads to a regular file, symbolic links followed.
    fn leads_to_file(&self, path: &str) -> bool {
        let kind = self.resolve(path).and_then(|real| self.kind(&real));
        matches!(kind, Some(FileKind::Regular { .. }))
    }

    /// The path of what `path` leads to when every symbolic link is followed.
    fn resolve(&self, path: &str) -> Option<String> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(component) = todo.pop() {
            match component.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(component),
            }
            match self.kind(&done.join("/"))? {
                FileKind::Symlink { target } => {
                    links += 1;
                    if links > 40 {
                        return None;
                    }
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(target.split('/').rev().map(str::to_owned));
                }
                FileKind::Directory | FileKind::Regular { .. } => {}
            }
        }
        Some(done.join("/"))
    }
}

/// The merged image as it looks once deployed: `etc/…` leads to where the merged tree keeps it,
/// `usr/etc/…`. Everything else is where it is.
#[derive(Clone, Copy)]
pub struct Deployed<'a>(pub &'a dyn Files);

impl std::fmt::Debug for Deployed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deployed")
    }
}

fn merged_path(path: &str) -> std::borrow::Cow<'_, str> {
    if path == "etc" || path.starts_with("etc/") {
        format!("usr/{path}").into()
    } else {
        path.into()
    }
}

impl Files for Deployed<'_> {
    fn kind(&self, path: &str) -> Option<FileKind> {
        self.0.kind(&merged_path(path))
    }

    fn names(&self, path: &str) -> Vec<String> {
        self.0.names(&merged_path(path))
    }

    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError> {
        self.0.read(&merged_path(path), limit_bytes)
    }

    fn read_start(&self, path: &str, len: usize) -> Result<Option<Vec<u8>>, FilesError> {
        self.0.read_start(&merged_path(path), len)
    }
}

/// Files in memory, for tests: path to content; directories are implied.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    /// Regular files by path.
    pub regular: std::collections::BTreeMap<String, Vec<u8>>,
    /// Symbolic links by path.
    pub symlinks: std::collections::BTreeMap<String, String>,
}

impl MemoryFiles {
    /// Adds a regular file.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.regular.insert(path.to_owned(), content.as_ref().to_vec());
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn with_link(mut self, path: &str, target: &str) -> Self {
        self.symlinks.insert(path.to_owned(), target.to_owned());
        self
    }
}

impl Files for MemoryFiles {
    fn kind(&self, path: &str) -> Option<FileKind> {
        if let Some(bytes) = self.regular.get(path) {
            let len_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            return Some(FileKind::Regular { len_bytes });
        }
        if let Some(target) = self.symlinks.get(path) {
            return Some(FileKind::Symlink { target: target.clone() });
        }
        (path.is_empty() || !self.names(path).is_empty()).then_some(FileKind::Directory)
    }

    fn names(&self, path: &str) -> Vec<String> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self.regular.keys().chain(self.symlinks.keys());
        let names: std::collections::BTreeSet<String> = below
            .filter_map(|full| full.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.into_iter().collect()
    }

    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError> {
        let Some(bytes) = self.regular.get(path) else { return Ok(None) };
        let len_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if len_bytes > limit_bytes {
            return Err(FilesError::TooLarge { path: path.to_owned(), len_bytes, limit_bytes });
        }
        Ok(Some(bytes.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployed_etc_is_found_under_usr() {
        let files = MemoryFiles::default()
            .with("usr/etc/os-release", "ID=x")
            .with_link("usr/lib/os-release", "../../etc/os-release");
        let deployed = Deployed(&files);
        let read = |path: &str| deployed.read_following(path, 100).unwrap();
        assert_eq!(read("etc/os-release").as_deref(), Some(&b"ID=x"[..]));
        assert_eq!(read("usr/lib/os-release").as_deref(), Some(&b"ID=x"[..]));
        assert_eq!(deployed.names("etc"), ["os-release"]);
    }

    #[test]
    fn links_are_followed_as_in_a_chroot() {
        let files = MemoryFiles::default()
            .with("usr/lib/os-release", "ID=x")
            .with_link("etc/os-release", "../usr/lib/os-release")
            .with_link("abs", "/etc/os-release")
            .with_link("up", "../../../usr/lib")
            .with_link("loop", "loop");
        let read = |path: &str| files.read_following(path, 100).unwrap();
        assert_eq!(read("etc/os-release").as_deref(), Some(&b"ID=x"[..]));
        assert_eq!(read("abs").as_deref(), Some(&b"ID=x"[..]));
        assert_eq!(read("up/os-release").as_deref(), Some(&b"ID=x"[..]));
        assert_eq!(read("loop"), None);
        assert_eq!(read("missing"), None);
        assert!(files.leads_to_file("up/os-release") && files.leads_to_file("abs"));
        assert!(["up", "loop", "missing"].iter().all(|path| !files.leads_to_file(path)));
    }
}
