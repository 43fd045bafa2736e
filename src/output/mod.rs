//! Nothing half-made: a file or folder gets its name when it is complete, and not before.
//!
//! A [`Pending`] is a file beside its target with a hidden name, `.disk.raw.0.partial`.
//! [`Pending::commit`] gives it the target's name, replacing what was there; dropping it removes it,
//! and the directories made for it as far as they are empty. After a kill the hidden file remains,
//! and the next run takes the next number. A [`PendingDirectory`] is the same for a folder.
//!
//! A [`Scratch`] is a folder in the same style, `.NAME.0.partial`, which only its owner may enter, and
//! which never gets another name.
//!
//! Nothing is synced: a rename orders names and content against other processes, not against a power
//! cut, and an artifact can be made again. Who installs onto a device syncs the device.

mod directory;

pub use directory::PendingDirectory;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, chown, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is not complete yet.
#[derive(Debug)]
pub struct Pending {
    file: Arc<File>,
    target: PathBuf,
    partial: PathBuf,
    /// Directories made for it, the outermost first.
    made: Vec<PathBuf>,
    committed: bool,
}

/// Who is to own what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's; unchanged when not given.
    pub gid: Option<u32>,
}

/// Why an artifact did not get to its place.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// No space or quota is left.
    #[error("no space left for `{}`", path.display())]
    DiskFull {
        /// The file that did not fit.
        path: PathBuf,
    },
    /// The path names no file.
    #[error("`{}` is no name for a file", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// Something is in the way that no earlier run made.
    #[error("`{}` is in the way: it holds `{found}`, which is not from here", path.display())]
    InTheWay {
        /// The folder that would be replaced.
        path: PathBuf,
        /// What it has in it.
        found: String,
    },
    /// Anything else.
    #[error("writing `{}`", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

impl OutputError {
    /// The error for `source`, met while writing `path`.
    pub fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }
}

impl Pending {
    /// Makes an empty file that may become `target`, and the directories above it.
    pub fn create(target: &Path) -> Result<Self, OutputError> {
        let named = || OutputError::Name { path: target.to_owned() };
        let name = target.file_name().ok_or_else(named)?.to_string_lossy().into_owned();
        if target.is_dir() {
            return Err(named());
        }
        let folder = target.parent().ok_or_else(named)?;
        let made = make_directories(folder)?;
        match create_partial(folder, &name) {
            Ok((file, partial)) => {
                let (file, target) = (Arc::new(file), target.to_owned());
                Ok(Self { file, target, partial, made, committed: false })
            }
            Err(error) => {
                remove_directories(&made);
                Err(error)
            }
        }
    }

    /// The file, open for reading and writing.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// What it is to be called.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The error for `source`, met while writing this file.
    pub fn error(&self, source: io::Error) -> OutputError {
        OutputError::new(&self.target, source)
    }

    /// Gives the file, and the directories made for it, to somebody.
    pub fn give_to(&self, owner: Owner) -> Result<(), OutputError> {
        let Owner { uid, gid } = owner;
        fchown(&self.file, Some(uid), gid).map_err(|source| self.error(source))?;
        self.made.iter().try_for_each(|path| {
            chown(path, Some(uid), gid).map_err(|source| OutputError::new(path, source))
        })
    }

    /// Gives the file its name.
    pub fn commit(mut self) -> Result<PathBuf, OutputError> {
        fs::rename(&self.partial, &self.target).map_err(|source| self.error(source))?;
        self.committed = true;
        Ok(self.target.clone())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to tell when it fails.
            let _ = fs::remove_file(&self.partial);
            remove_directories(&self.made);
        }
    }
}

/// A folder for what nobody wants to keep; it goes away with all that is in it when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// Directories made for it, the outermost first.
    made: Vec<PathBuf>,
}

impl Scratch {
    /// Makes a folder in `parent`, and the directories above it; `name` says what it is for.
    pub fn create(parent: &Path, name: &str) -> Result<Self, OutputError> {
        let made = make_directories(parent)?;
        for number in 0..1000 {
            let path = parent.join(format!(".{name}.{number}.partial"));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path, made }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    remove_directories(&made);
                    return Err(OutputError::new(&path, source));
                }
            }
        }
        Err(OutputError::new(&parent.join(name), io::ErrorKind::AlreadyExists.into()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to tell when it fails.
        let _ = fs::remove_dir_all(&self.path);
        remove_directories(&self.made);
    }
}

fn create_partial(folder: &Path, name: &str) -> Result<(File, PathBuf), OutputError> {
    for number in 0..1000 {
        let partial = folder.join(format!(".{name}.{number}.partial"));
        // Mode 0666 without the umask's bits, as for every file of a user.
        match File::options().read(true).write(true).create_new(true).open(&partial) {
            Ok(file) => return Ok((file, partial)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(OutputError::new(&folder.join(name), source)),
        }
    }
    Err(OutputError::new(&folder.join(name), io::ErrorKind::AlreadyExists.into()))
}

/// Makes `folder` and those above it; says which were not there, the outermost first.
fn make_directories(folder: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let mut wanted: Vec<PathBuf> =
        folder.ancestors().take_while(missing).map(Path::to_owned).collect();
    wanted.reverse();
    for (index, path) in wanted.iter().enumerate() {
        match fs::create_dir(path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                remove_directories(&wanted[..index]);
                return Err(OutputError::new(path, source));
            }
            _ => {}
        }
    }
    Ok(wanted)
}

fn remove_directories(made: &[PathBuf]) {
    for path in made.iter().rev() {
        // One that others use is not empty, and stays.
        let _ = fs::remove_dir(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_committed_file_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("qcow2/disk.qcow2");
        for content in [b"first", b"later"] {
            let pending = Pending::create(&target).unwrap();
            pending.file().write_all_at(content, 0).unwrap();
            assert_eq!(pending.commit().unwrap(), target);
            assert_eq!(fs::read(&target).unwrap(), content);
        }
        assert_eq!(names(&folder.path().join("qcow2")), ["disk.qcow2"]);
    }

    #[test]
    fn a_dropped_file_leaves_nothing_but_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        drop(Pending::create(&folder.path().join("a/b/disk")).unwrap());
        assert!(names(folder.path()).is_empty());
        fs::create_dir(folder.path().join("a")).unwrap();
        let first = Pending::create(&folder.path().join("a/b/disk")).unwrap();
        let second = Pending::create(&folder.path().join("a/b/disk")).unwrap();
        let mut partials = names(&folder.path().join("a/b"));
        partials.sort();
        assert_eq!(partials, [".disk.0.partial", ".disk.1.partial"]);
        drop(first);
        second.commit().unwrap();
        assert_eq!(names(&folder.path().join("a/b")), ["disk"]);
    }

    #[test]
    fn what_is_made_can_be_given_away() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let pending = Pending::create(&folder.path().join("new/disk")).unwrap();
        let mine = folder.path().metadata().unwrap();
        // another user only for those who may
        let uid = if mine.uid() == 0 { 4242 } else { mine.uid() };
        pending.give_to(Owner { uid, gid: None }).unwrap();
        let path = pending.commit().unwrap();
        for path in [path.as_path(), path.parent().unwrap()] {
            let found = path.metadata().unwrap();
            assert_eq!((found.uid(), found.gid()), (uid, mine.gid()), "{}", path.display());
        }
    }

    #[test]
    fn targets_that_are_no_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for target in [folder.path(), Path::new("/"), Path::new("..")] {
            assert!(matches!(Pending::create(target), Err(OutputError::Name { .. })));
        }
        fs::write(folder.path().join("file"), "").unwrap();
        let below_a_file = Pending::create(&folder.path().join("file/disk"));
        assert!(matches!(below_a_file, Err(OutputError::Io { .. })));
    }

    #[test]
    fn scratch_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        let first = Scratch::create(&below, "x").unwrap();
        let second = Scratch::create(&below, "x").unwrap();
        assert_ne!(first.path(), second.path());
        assert_eq!(first.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir(first.path().join("d")).unwrap();
        fs::write(first.path().join("d/f"), "x").unwrap();
        drop(second);
        drop(first);
        assert!(names(folder.path()).is_empty());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(Scratch::create(&folder.path().join("file"), "x").is_err());
    }
}
