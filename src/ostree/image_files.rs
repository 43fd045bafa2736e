//! The merged tree as [`Files`], for those who look for kernels and configuration in it.

use super::error::Error;
use super::store::{Object, Store};
use crate::files::{FileKind, Files, FilesError};
use crate::tree::{Directory, Node, ObjectId};
use crate::volume::Volume;

/// Reads files of a tree out of the store.
#[derive(Debug)]
pub struct ImageFiles<'a, V> {
    store: &'a Store<V>,
    tree: &'a Directory,
}

impl<'a, V: Volume> ImageFiles<'a, V> {
    /// The files of `tree`, whose objects are in `store`.
    pub fn new(store: &'a Store<V>, tree: &'a Directory) -> Self {
        Self { store, tree }
    }

    fn content(&self, object: ObjectId) -> Result<Vec<u8>, V::Error> {
        self.store.content(object)
    }

    /// The object of the regular file at `path`.
    fn regular(&self, path: &str) -> Option<(ObjectId, Object)> {
        let Node::File(id) = self.tree.get(path)? else { return None };
        let object = self.store.object(*id);
        object.is_regular.then_some((*id, object))
    }

    fn read_error(path: &str) -> impl FnOnce(V::Error) -> FilesError {
        |source| FilesError::Read { path: path.to_owned(), source: Box::new(source) }
    }
}

impl<V: Volume> Store<V> {
    /// Gives the content of a regular file to `take`, piece by piece; `path` is for messages.
    pub(super) fn pieces(
        &self,
        path: &str,
        id: ObjectId,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let inode = self.object(id).inode;
        let mut buffer = vec![0; 256 * 1024];
        let mut offset = 0;
        loop {
            let read = self.volume.read_at(inode, offset, &mut buffer);
            match read.map_err(Error::volume(path))? {
                0 => return Ok(()),
                count => {
                    take(&buffer[..count])?;
                    offset += u64::try_from(count).unwrap_or(u64::MAX);
                }
            }
        }
    }

    /// The content of a regular file or the target of a link.
    pub fn content(&self, id: ObjectId) -> Result<Vec<u8>, V::Error> {
        self.content_start(id, usize::MAX)
    }

    /// The first bytes of that, at most `len` of them.
    fn content_start(&self, id: ObjectId, len: usize) -> Result<Vec<u8>, V::Error> {
        let object = self.object(id);
        let len = usize::try_from(object.len_bytes).map_or(len, |whole| whole.min(len));
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < bytes.len() {
            let offset = u64::try_from(done).unwrap_or(u64::MAX);
            match self.volume.read_at(object.inode, offset, &mut bytes[done..])? {
                0 => break,
                count => done += count,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }
}

impl<V: Volume> Files for ImageFiles<'_, V> {
    fn kind(&self, path: &str) -> Option<FileKind> {
        if path.is_empty() {
            return Some(FileKind::Directory);
        }
        let Node::File(id) = self.tree.get(path)? else { return Some(FileKind::Directory) };
        let object = self.store.object(*id);
        if object.is_regular {
            return Some(FileKind::Regular { len_bytes: object.len_bytes });
        }
        let target = String::from_utf8(self.content(*id).ok()?).ok()?;
        Some(FileKind::Symlink { target })
    }

    fn names(&self, path: &str) -> Vec<String> {
        let directory = self.tree.directory(path);
        directory.map_or_else(Vec::new, |found| {
            found.entries.keys().map(|name| name.to_string()).collect()
        })
    }

    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError> {
        let Some((id, object)) = self.regular(path) else { return Ok(None) };
        if object.len_bytes > limit_bytes {
            let (path, len_bytes) = (path.to_owned(), object.len_bytes);
            return Err(FilesError::TooLarge { path, len_bytes, limit_bytes });
        }
        self.content(id).map(Some).map_err(Self::read_error(path))
    }

    fn read_start(&self, path: &str, len: usize) -> Result<Option<Vec<u8>>, FilesError> {
        let Some((id, _)) = self.regular(path) else { return Ok(None) };
        self.store.content_start(id, len).map(Some).map_err(Self::read_error(path))
    }
}
