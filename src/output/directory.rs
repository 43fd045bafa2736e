//! A folder of artifacts that appears whole.
//!
//! While it is filled it stands beside its target, as `.containerdisk.0.partial`. At the end the two
//! change places in one step of the kernel, so that at any time there is the folder of before or the
//! new one under the target's name; then the older one is removed. Only a folder that holds nothing
//! but what an earlier run of ours could have put there is ever replaced.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{OutputError, Owner, make_directories, remove_directories};

/// A folder that is not complete yet.
#[derive(Debug)]
pub struct PendingDirectory {
    target: PathBuf,
    partial: PathBuf,
    /// What may be at the top of a folder that is replaced.
    ours: &'static [&'static str],
    /// Directories made for it, the outermost first.
    made: Vec<PathBuf>,
    committed: bool,
}

impl PendingDirectory {
    /// Makes an empty folder that may become `target`, and the directories above it. A folder that is
    /// there already may have at its top only the names of `ours`.
    pub fn create(target: &Path, ours: &'static [&'static str]) -> Result<Self, OutputError> {
        let named = || OutputError::Name { path: target.to_owned() };
        let name = target.file_name().ok_or_else(named)?.to_string_lossy().into_owned();
        let folder = target.parent().ok_or_else(named)?;
        check_replaceable(target, ours)?;
        let made = make_directories(folder)?;
        match create_partial(folder, &name) {
            Ok(partial) => {
                let target = target.to_owned();
                Ok(Self { target, partial, ours, made, committed: false })
            }
            Err(error) => {
                remove_directories(&made);
                Err(error)
            }
        }
    }

    /// Whether a folder could be made that becomes `target`, as far as that is known now.
    pub fn check(target: &Path, ours: &[&str]) -> Result<(), OutputError> {
        check_replaceable(target, ours)
    }

    /// Where to put files for now.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// What it is to be called.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The error for `source`, met while writing in this folder.
    pub fn error(&self, source: io::Error) -> OutputError {
        OutputError::new(&self.target, source)
    }

    /// Gives the folder with all that is in it, and the directories made for it, to somebody.
    pub fn give_to(&self, owner: Owner) -> Result<(), OutputError> {
        let mut paths = self.made.clone();
        list(&self.partial, &mut paths).map_err(|source| self.error(source))?;
        paths.iter().try_for_each(|path| {
            let given = chown(path, Some(owner.uid), owner.gid);
            given.map_err(|source| OutputError::new(path, source))
        })
    }

    /// Gives the folder its name; one that had it is removed.
    pub fn commit(mut self) -> Result<PathBuf, OutputError> {
        // Somebody may have put something there meanwhile.
        check_replaceable(&self.target, self.ours)?;
        let is_replaced = self.take_place().map_err(|source| self.error(source))?;
        self.committed = true;
        if is_replaced {
            fs::remove_dir_all(&self.partial).map_err(|source| self.error(source))?;
        }
        Ok(self.target.clone())
    }

    /// Whether an older folder now stands in the hidden place.
    fn take_place(&self) -> io::Result<bool> {
        if !self.target.try_exists()? {
            return fs::rename(&self.partial, &self.target).map(|()| false);
        }
        match renameat_with(CWD, &self.partial, CWD, &self.target, RenameFlags::EXCHANGE) {
            // Some file systems cannot exchange: there the name is free for a moment.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.step_aside().map(|()| true),
            result => Ok(result.map(|()| true)?),
        }
    }

    fn step_aside(&self) -> io::Result<()> {
        let aside = self.partial.with_extension("replaced");
        fs::rename(&self.target, &aside)?;
        if let Err(error) = fs::rename(&self.partial, &self.target) {
            fs::rename(&aside, &self.target)?;
            return Err(error);
        }
        fs::rename(&aside, &self.partial)
    }
}

impl Drop for PendingDirectory {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to tell when it fails.
            let _ = fs::remove_dir_all(&self.partial);
            remove_directories(&self.made);
        }
    }
}

/// A folder and everything below it.
fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    paths.push(folder.to_owned());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}

fn check_replaceable(target: &Path, ours: &[&str]) -> Result<(), OutputError> {
    let error = |source| OutputError::new(target, source);
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(OutputError::Name { path: target.to_owned() }),
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(error(source)),
    }
    for entry in fs::read_dir(target).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        if !ours.iter().any(|known| OsStr::new(known) == name) {
            let found = name.to_string_lossy().into_owned();
            return Err(OutputError::InTheWay { path: target.to_owned(), found });
        }
    }
    Ok(())
}

fn create_partial(folder: &Path, name: &str) -> Result<PathBuf, OutputError> {
    for number in 0..1000 {
        let partial = folder.join(format!(".{name}.{number}.partial"));
        match fs::create_dir(&partial) {
            Ok(()) => return Ok(partial),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(OutputError::new(&folder.join(name), source)),
        }
    }
    Err(OutputError::new(&folder.join(name), io::ErrorKind::AlreadyExists.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[&str] = &["one", "sub"];

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn filled(target: &Path, content: &str) -> PendingDirectory {
        let pending = PendingDirectory::create(target, OURS).unwrap();
        fs::write(pending.path().join("one"), content).unwrap();
        fs::create_dir(pending.path().join("sub")).unwrap();
        fs::write(pending.path().join("sub/two"), content).unwrap();
        pending
    }

    #[test]
    fn a_committed_folder_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out/disk");
        for content in ["first", "later"] {
            let pending = filled(&target, content);
            assert_eq!(pending.commit().unwrap(), target);
            assert_eq!(fs::read_to_string(target.join("sub/two")).unwrap(), content);
        }
        assert_eq!(names(&folder.path().join("out")), ["disk"]);
    }

    #[test]
    fn it_is_replaced_without_exchange_too() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("disk");
        filled(&target, "first").commit().unwrap();
        let pending = filled(&target, "later");
        pending.step_aside().unwrap();
        assert_eq!(fs::read_to_string(target.join("one")).unwrap(), "later");
        assert_eq!(fs::read_to_string(pending.path().join("one")).unwrap(), "first");
        assert_eq!(names(folder.path()), [".disk.0.partial", "disk"]);
    }

    #[test]
    fn a_dropped_folder_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(&folder.path().join("a/b/disk"), "x"));
        assert!(names(folder.path()).is_empty());
        let target = folder.path().join("disk");
        filled(&target, "first").commit().unwrap();
        let (one, two) = (filled(&target, "one"), filled(&target, "two"));
        assert_ne!(one.path(), two.path());
        drop((one, two));
        assert_eq!(fs::read_to_string(target.join("one")).unwrap(), "first");
        assert_eq!(names(folder.path()), ["disk"]);
    }

    #[test]
    fn everything_in_it_can_be_given_away() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().metadata().unwrap();
        // Another user only for those who may.
        let uid = if mine.uid() == 0 { 4242 } else { mine.uid() };
        let pending = filled(&folder.path().join("new/disk"), "x");
        pending.give_to(Owner { uid, gid: None }).unwrap();
        pending.commit().unwrap();
        for name in ["new", "new/disk", "new/disk/one", "new/disk/sub", "new/disk/sub/two"] {
            let found = folder.path().join(name).metadata().unwrap();
            assert_eq!((found.uid(), found.gid()), (uid, mine.gid()), "{name}");
        }
    }

    #[test]
    fn what_others_made_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("disk");
        let pending = filled(&target, "new");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("thesis"), "years").unwrap();
        for result in
            [pending.commit(), PendingDirectory::create(&target, OURS).map(|_| target.clone())]
        {
            assert!(
                matches!(result, Err(OutputError::InTheWay { found, .. }) if found == "thesis")
            );
        }
        assert_eq!(names(folder.path()), ["disk"]);
        fs::write(folder.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(&target, folder.path().join("link")).unwrap();
        for name in ["file", "link"] {
            let result = PendingDirectory::create(&folder.path().join(name), OURS);
            assert!(matches!(result, Err(OutputError::Name { .. })), "{name}");
        }
    }
}
