//! `.ostree.cfs`: the merged tree as a composefs image, written into the volume.

use super::error::Error;
use crate::fs::erofs::Image;
use crate::fs::erofs::composefs::{Inode, Kind, Overlay, Tree, ostree as convention};
use crate::ostree::{self, Store};
use crate::tree::{Directory, MetaId, Node, ObjectId};
use crate::volume::{self, Meta, Timestamp, Volume};

/// A commit's tree as composefs looks at it.
struct Commit<'s, 't, V> {
    store: &'s Store<V>,
    tree: &'t Directory,
}

/// A node of the tree.
#[derive(Clone, Copy)]
enum Place<'a> {
    Directory(&'a Directory),
    File(ObjectId),
}

impl<'a> Place<'a> {
    fn of(node: &'a Node) -> Self {
        match node {
            Node::Directory(directory) => Self::Directory(directory),
            Node::File(id) => Self::File(*id),
        }
    }
}

impl<'t, V: Volume> Tree for Commit<'_, 't, V> {
    type Node = Place<'t>;
    type Error = V::Error;

    fn root(&self) -> Place<'t> {
        Place::Directory(self.tree)
    }

    fn children(&self, directory: Place<'t>) -> impl Iterator<Item = (&[u8], Place<'t>)> {
        let entries = match directory {
            Place::Directory(directory) => Some(directory.entries.iter()),
            Place::File(_) => None,
        };
        entries.into_iter().flatten().map(|(name, node)| (name.as_bytes(), Place::of(node)))
    }

    fn inode(&self, node: Place<'t>) -> Inode<'_> {
        let (kind, meta) = match node {
            Place::Directory(directory) => (Kind::Directory, directory.meta),
            Place::File(id) => self.file(id),
        };
        let Meta { mode, uid, gid, xattrs, .. } = self.store.meta(meta);
        let (mode, uid, gid) = (*mode, *uid, *gid);
        Inode { kind, mode, uid, gid, mtime: Timestamp::default(), xattrs }
    }

    fn content(&self, node: Place<'t>, into: &mut Vec<u8>) -> Result<(), V::Error> {
        if let Place::File(id) = node {
            into.extend(self.store.content(id)?);
        }
        Ok(())
    }
}

impl<V: Volume> Commit<'_, '_, V> {
    fn file(&self, id: ObjectId) -> (Kind, MetaId) {
        let object = self.store.object(id);
        let len_bytes = object.len_bytes;
        let kind = if object.is_regular {
            Kind::Object { len_bytes, name: object.checksum, verity: None }
        } else {
            Kind::Symlink { len_bytes }
        };
        (kind, object.meta)
    }
}

/// Writes the image of a commit's tree; it has no name yet.
pub(super) fn write<V: Volume>(
    store: &mut Store<V>,
    tree: &Directory,
) -> Result<volume::Inode, Error> {
    let commit = Commit { store, tree };
    let deployment = convention::Deployment::new(&commit);
    let overlay = Overlay::new(&deployment);
    let facts = overlay.facts();
    let planned = Image::plan(&overlay, &overlay.header());
    let image = planned.map_err(|error| Error::Composefs(Box::new(error)))?;
    let mut stream = image.stream();
    let mut piece = Vec::new();
    let mut open = store.volume.begin().map_err(failed)?;
    loop {
        piece.clear();
        let commit = Commit { store, tree };
        let deployment = convention::Deployment::new(&commit);
        let next = stream.next(&Overlay::again(&deployment, facts), &mut piece);
        if !next.map_err(|error| Error::Composefs(Box::new(error)))? {
            break;
        }
        store.volume.append(&mut open, &piece).map_err(failed)?;
    }
    let meta = Meta { mtime: store.time(), ..Meta::root_owned(0o644) };
    store.volume.commit(open, &meta).map_err(failed)
}

fn failed<E: std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    Error::Ostree(ostree::Error::volume(".ostree.cfs")(error))
}
