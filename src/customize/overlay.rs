//! The deployment as it will be: the image with what has been added so far.
//!
//! Every step looks at the result of those before it through [`Files`], so that a file may be owned by
//! a user made a moment ago, in a directory made a moment ago. Additions are kept by their real paths:
//! [`Overlay::place`] follows the links of every parent, as a program in a chroot would, and refuses
//! what does not end up in `/etc` or `/var`.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use crate::additions::{Addition, AdditionKind};
use crate::files::{Deployed, FileKind, Files, FilesError};

/// Directories that an installed system has though images may not: what links of the image lead to.
const STATE: [(&str, u16); 11] = [
    ("var/home", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/mnt", 0o755),
    ("var/opt", 0o755),
    ("var/roothome", 0o700),
    ("var/srv", 0o755),
    ("var/usrlocal", 0o755),
    ("var/usrlocal/bin", 0o755),
    ("var/usrlocal/etc", 0o755),
    ("var/usrlocal/sbin", 0o755),
];

/// The image and what is added.
pub(super) struct Overlay<'a> {
    image: Deployed<'a>,
    added: BTreeMap<String, Addition>,
}

impl<'a> Overlay<'a> {
    /// Over the files of the merged image.
    pub(super) fn new(image: &'a dyn Files) -> Self {
        Self { image: Deployed(image), added: BTreeMap::new() }
    }

    /// All additions, parents before what is in them.
    pub(super) fn into_additions(self) -> Vec<Addition> {
        self.added.into_values().collect()
    }

    /// Adds something at its path, which must be real: from [`Overlay::place`], or known to be.
    pub(super) fn put(&mut self, addition: Addition) {
        self.added.insert(addition.path.clone(), addition);
    }

    /// What was added at a path.
    pub(super) fn added(&self, path: &str) -> Option<&Addition> {
        self.added.get(path)
    }

    /// The real path of `path` (absolute or from the root): all links but a last one followed, missing
    /// components kept. An error outside of `/etc` and `/var`.
    pub(super) fn place(&self, path: &str) -> Result<String, Error> {
        let outside = |real: String| Error::ReadOnly { path: path.to_owned(), real };
        let trimmed = path.trim_matches('/');
        let (parent, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
        if matches!(name, "" | "." | "..") {
            return Err(outside(format!("/{trimmed}")));
        }
        let parent = self.real_directory(parent).ok_or_else(|| Error::NoDirectory {
            path: path.to_owned(),
            parent: parent.to_owned(),
        })?;
        let real = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        match real.split_once('/') {
            Some(("etc" | "var", _)) => Ok(real),
            _ => Err(outside(format!("/{real}"))),
        }
    }

    /// As [`Overlay::place`], a last link followed too: where a directory goes that `path` leads to.
    pub(super) fn place_following(&self, path: &str) -> Result<String, Error> {
        let real = self.real_directory(path).ok_or_else(|| Error::NoDirectory {
            path: path.to_owned(),
            parent: path.trim_matches('/').to_owned(),
        })?;
        match real.split_once('/') {
            Some(("etc" | "var", _)) => Ok(real),
            _ => Err(Error::ReadOnly { path: path.to_owned(), real: format!("/{real}") }),
        }
    }

    /// Where a path leads when its components are directories, links to such, or missing; `None` when
    /// one is a file, or links go round in circles.
    fn real_directory(&self, path: &str) -> Option<String> {
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
            match self.kind(&done.join("/")) {
                Some(FileKind::Symlink { target }) => {
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
                Some(FileKind::Regular { .. }) => return None,
                Some(FileKind::Directory) | None => {}
            }
        }
        Some(done.join("/"))
    }

    /// Makes sure that the directory a real path is in exists; missing ones are made, root's with
    /// 0755, when `makes_all`, and otherwise only those that an installed system has anyway.
    pub(super) fn ensure_parent(
        &mut self,
        path: &str,
        real: &str,
        makes_all: bool,
    ) -> Result<(), Error> {
        for (at, _) in real.match_indices('/').skip(1) {
            self.ensure_directory(path, &real[..at], makes_all)?;
        }
        Ok(())
    }

    fn ensure_directory(&mut self, path: &str, real: &str, makes: bool) -> Result<(), Error> {
        if self.kind(real) == Some(FileKind::Directory) {
            return Ok(());
        }
        let known = STATE.iter().find(|(state, _)| *state == real).map(|(_, mode)| *mode);
        match known.or_else(|| makes.then_some(0o755)) {
            Some(mode) => self.put(Addition::directory(real, mode)),
            None => {
                let (path, parent) = (path.to_owned(), real.to_owned());
                return Err(Error::NoDirectory { path, parent });
            }
        }
        Ok(())
    }

    /// The text of a small file, links followed; `None` when there is none.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>, Error> {
        let Some(bytes) = self.read_following(path, super::LIMIT_BYTES)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| Error::NotUtf8(path.to_owned()))
    }

    /// Whether an addition hides whatever the image has below it.
    fn hides(&self, path: &str) -> bool {
        path.match_indices('/').any(|(at, _)| {
            let above = self.added.get(&path[..at]);
            above.is_some_and(|above| above.kind != AdditionKind::Directory)
        })
    }

    fn has_added_below(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        let mut below = self.added.range(prefix.clone()..);
        let mut below = below.by_ref().take_while(|(added, _)| added.starts_with(&prefix));
        below.any(|(_, addition)| addition.kind != AdditionKind::Removed)
    }
}

impl Files for Overlay<'_> {
    fn kind(&self, path: &str) -> Option<FileKind> {
        let Some(addition) = self.added.get(path) else {
            if self.hides(path) {
                return None;
            }
            let implied = || self.has_added_below(path).then_some(FileKind::Directory);
            return self.image.kind(path).or_else(implied);
        };
        match &addition.kind {
            AdditionKind::File(bytes) => {
                let len_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                Some(FileKind::Regular { len_bytes })
            }
            AdditionKind::Symlink(target) => Some(FileKind::Symlink { target: target.clone() }),
            AdditionKind::Directory => Some(FileKind::Directory),
            AdditionKind::Removed => None,
        }
    }

    fn names(&self, path: &str) -> Vec<String> {
        let prefix = format!("{path}/");
        let mut names: BTreeSet<String> = if self.hides(&prefix) {
            BTreeSet::new()
        } else {
            self.image.names(path).into_iter().collect()
        };
        for (added, addition) in self.added.range(prefix.clone()..) {
            let Some(rest) = added.strip_prefix(&prefix) else { break };
            match rest.split_once('/') {
                Some((name, _)) if addition.kind != AdditionKind::Removed => {
                    names.insert(name.to_owned());
                }
                Some(_) => {}
                None if addition.kind == AdditionKind::Removed => {
                    names.remove(rest);
                }
                None => {
                    names.insert(rest.to_owned());
                }
            }
        }
        names.into_iter().collect()
    }

    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError> {
        match self.added.get(path).map(|addition| &addition.kind) {
            Some(AdditionKind::File(bytes)) => Ok(Some(bytes.clone())),
            Some(_) => Ok(None),
            None if self.hides(path) => Ok(None),
            None => self.image.read(path, limit_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn image() -> MemoryFiles {
        MemoryFiles::default()
            .with("usr/etc/conf.d/a", "1")
            .with("usr/lib/x", "")
            .with("var/lib/y", "")
            .with_link("home", "var/home")
            .with_link("usr/local", "../var/usrlocal")
            .with_link("usr/etc/out", "../usr/lib")
            .with_link("usr/etc/round", "round")
            .with_link("usr/etc/deep", "/home/../../opt")
    }

    #[test]
    fn paths_are_placed_where_links_lead() {
        let image = image();
        let overlay = Overlay::new(&image);
        for (path, real) in [
            ("/etc/new", "etc/new"),
            ("etc/conf.d/b", "etc/conf.d/b"),
            ("/home/ops", "var/home/ops"),
            ("/usr/local/bin/tool", "var/usrlocal/bin/tool"),
            ("/etc/out", "etc/out"),
        ] {
            assert_eq!(overlay.place(path).unwrap(), real, "{path}");
        }
        for path in ["/usr/lib/z", "/etc/out/z", "/etc/deep/z", "/boot", "/etc", "/", "/etc/.."] {
            let error = overlay.place(path).unwrap_err();
            assert!(matches!(error, Error::ReadOnly { .. }), "{path}: {error}");
        }
        for path in ["/etc/round/z", "/etc/conf.d/a/z"] {
            let error = overlay.place(path).unwrap_err();
            assert!(matches!(error, Error::NoDirectory { .. }), "{path}: {error}");
        }
    }

    #[test]
    fn additions_are_seen_and_removals_are_not() {
        let image = image();
        let mut overlay = Overlay::new(&image);
        overlay.put(Addition::file("etc/conf.d/b", 0o644, "2"));
        overlay.put(Addition::removed("etc/conf.d/a"));
        overlay.put(Addition::symlink("etc/new", "conf.d"));
        assert_eq!(overlay.names("etc/conf.d"), ["b"]);
        assert_eq!(overlay.kind("etc/conf.d/a"), None);
        assert_eq!(overlay.text("etc/new/b").unwrap().as_deref(), Some("2"));
        overlay.put(Addition::removed("var/lib"));
        assert_eq!(overlay.kind("var/lib/y"), None);
        assert!(overlay.names("var/lib").is_empty());
    }

    #[test]
    fn only_known_directories_are_made_unasked() {
        let image = image();
        let mut overlay = Overlay::new(&image);
        overlay.ensure_parent("/home/ops", "var/home/ops", false).unwrap();
        assert_eq!(overlay.kind("var/home"), Some(FileKind::Directory));
        assert!(overlay.ensure_parent("/etc/a/b", "etc/a/b", false).is_err());
        overlay.ensure_parent("/etc/a/b/c", "etc/a/b/c", true).unwrap();
        let paths: Vec<String> = overlay.into_additions().into_iter().map(|a| a.path).collect();
        assert_eq!(paths, ["etc/a", "etc/a/b", "var/home"]);
    }
}
