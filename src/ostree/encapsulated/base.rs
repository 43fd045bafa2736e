//! The carried commit becomes a tree.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::super::error::Error as RoomError;
use super::super::path::MAX_DEPTH;
use super::super::store::Store;
use super::error::{Error, Problem};
use super::layer::Import;
use super::name::{Kind, Name};
use super::parse;
use crate::digest::Sha256Digest;
use crate::tree::{Directory, MetaId, Node};
use crate::volume::Volume;

/// More entries than any system has; a few dirtrees could name each other so often.
const MAX_ENTRIES: usize = 1 << 22;

/// The commit that the derived layers are laid over.
#[derive(Debug)]
pub struct Base {
    /// Its checksum.
    pub commit: Sha256Digest,
    /// Its tree.
    pub tree: Directory,
    /// What belongs beside the commit, as `.commitmeta` under the commit's checksum.
    pub detached_metadata: Option<Box<[u8]>>,
}

struct Loader<'s, V> {
    import: Import,
    store: &'s mut Store<V>,
    metas: HashMap<Sha256Digest, MetaId>,
    path: String,
    depth: usize,
    entries: usize,
    max_entries: usize,
}

impl Import {
    /// Loads the commit's tree and writes the commit and the objects of its directories as they
    /// came; all its files must have been in the layers.
    pub fn base<V: Volume>(self, store: &mut Store<V>) -> Result<Base, RoomError> {
        self.base_within(store, MAX_ENTRIES)
    }

    pub(super) fn base_within<V: Volume>(
        mut self,
        store: &mut Store<V>,
        max_entries: usize,
    ) -> Result<Base, RoomError> {
        let (commit, bytes) = self.commit.take().ok_or(Error::NoCommit)?;
        let detached_metadata = self.detached_metadata.take();
        let root = parse::commit(&bytes).map_err(unreadable(Kind::Commit, commit))?;
        let mut loader = Loader {
            import: self,
            store,
            metas: HashMap::new(),
            path: String::new(),
            depth: 0,
            entries: 0,
            max_entries,
        };
        let tree = loader.directory(root.tree, root.meta)?;
        store.metadata("the commit", "commit", &bytes)?;
        Ok(Base { commit, tree, detached_metadata })
    }
}

impl<V: Volume> Loader<'_, V> {
    /// Loads the directory at the current path.
    fn directory(
        &mut self,
        tree: Sha256Digest,
        meta: Sha256Digest,
    ) -> Result<Directory, RoomError> {
        let mut directory = Directory::new(self.meta(meta)?);
        let bytes = self.take(Kind::Dirtree, tree)?;
        let result = self.fill(&mut directory, tree, &bytes);
        self.import.metadata.insert(tree, (Kind::Dirtree, bytes));
        result.map(|()| directory)
    }

    fn fill(
        &mut self,
        directory: &mut Directory,
        tree: Sha256Digest,
        bytes: &[u8],
    ) -> Result<(), RoomError> {
        let read = parse::dirtree(bytes).map_err(unreadable(Kind::Dirtree, tree))?;
        self.entries = self.entries.saturating_add(read.files.len() + read.directories.len());
        if self.entries > self.max_entries {
            return Err(Error::TooManyEntries { limit: self.max_entries }.into());
        }
        for (name, checksum) in read.files {
            let object = self.import.files.get(&checksum).copied();
            let object = object.ok_or_else(|| self.missing(Kind::File, checksum, Some(name)))?;
            let object = self.store.canonical(object);
            directory.entries.insert(name.into(), Node::File(object));
        }
        for (name, tree, meta) in read.directories {
            let len = self.path.len();
            self.descend(name)?;
            let below = self.directory(tree, meta)?;
            self.path.truncate(len);
            self.depth -= 1;
            directory.entries.insert(name.into(), Node::Directory(Box::new(below)));
        }
        self.store.metadata(&self.path, "dirtree", bytes)?;
        Ok(())
    }

    fn descend(&mut self, name: &str) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::TooDeep { path: self.path.clone(), limit: MAX_DEPTH });
        }
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
        Ok(())
    }

    /// The owner, mode and xattrs in a dirmeta, which is written when it is met first.
    fn meta(&mut self, checksum: Sha256Digest) -> Result<MetaId, RoomError> {
        if let Some(known) = self.metas.get(&checksum) {
            return Ok(*known);
        }
        let bytes = self.take(Kind::Dirmeta, checksum)?;
        let meta = parse::dirmeta(&bytes).map_err(unreadable(Kind::Dirmeta, checksum))?;
        self.store.metadata(&self.path, "dirmeta", &bytes)?;
        let id = self.store.intern(&meta)?;
        self.metas.insert(checksum, id);
        Ok(id)
    }

    /// A dirtree is put back after use, because others may name it too.
    fn take(&mut self, kind: Kind, checksum: Sha256Digest) -> Result<Box<[u8]>, Error> {
        match self.import.metadata.entry(checksum) {
            Entry::Occupied(known) if known.get().0 == kind => Ok(known.remove().1),
            _ => Err(self.missing(kind, checksum, None)),
        }
    }

    fn missing(&self, kind: Kind, checksum: Sha256Digest, name: Option<&str>) -> Error {
        let slash = if self.path.is_empty() || name.is_none() { "" } else { "/" };
        let path = format!("{}{slash}{}", self.path, name.unwrap_or_default());
        Error::Missing { object: Name { kind, checksum }.to_string(), path }
    }
}

fn unreadable(kind: Kind, checksum: Sha256Digest) -> impl FnOnce(Problem) -> Error {
    move |source| Error::Object { object: Name { kind, checksum }.to_string(), source }
}
