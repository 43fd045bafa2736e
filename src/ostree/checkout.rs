//! Trees become directories: hard links to objects, or copies (ostree-contract 1.5).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use super::deploy::{MountPoint, copied};
use super::error::Error;
use super::relabel::with_label;
use super::store::Store;
use crate::additions::{Addition, AdditionKind};
use crate::labels::{FileType, Labels};
use crate::tree::{Directory, Node, ObjectId};
use crate::volume::{Inode, Meta, Timestamp, Volume, Xattrs};

/// An inode gets no more names than this; ext4 allows 65,000, and the next upgrade's importer needs
/// as many again for a while (ostree-contract 8.2, row 2).
const MAX_LINKS: u32 = 32_000;
/// A regular file of this name becomes a character device 0:0 in the deployment.
const PASSED_WHITEOUT: &str = ".ostree-wh.";

/// Which inode takes the next name of an object that has reached [`MAX_LINKS`].
#[derive(Debug, Default)]
pub struct Links {
    copies: HashMap<ObjectId, Inode>,
}

impl Links {
    /// The inode to link for `object`: the object itself, or a copy when it has too many names.
    pub fn name<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        path: &str,
        id: ObjectId,
    ) -> Result<Inode, Error> {
        let object = store.object(id);
        let current = self.copies.get(&id).copied().unwrap_or(object.inode);
        if store.volume.link_count(current) < MAX_LINKS {
            return Ok(current);
        }
        let meta = store.meta(store.object(id).meta).clone();
        let copy = copy_object(store, path, id, &meta)?;
        self.copies.insert(id, copy);
        Ok(copy)
    }
}

/// Checks `tree` out as hard links; returns its directory, which has no name yet.
pub fn farm<V: Volume>(
    store: &mut Store<V>,
    tree: &Directory,
    links: &mut Links,
) -> Result<Inode, Error> {
    let meta = store.meta(tree.meta).clone();
    let directory = store.volume.directory(&meta).map_err(Error::volume("a directory"))?;
    for (name, node) in &tree.entries {
        let (name, inode) = match node {
            Node::Directory(below) => (&**name, farm(store, below, links)?),
            Node::File(id) => farm_file(store, name, *id, links)?,
        };
        store.volume.link(directory, name.as_bytes(), inode).map_err(Error::volume(name))?;
    }
    Ok(directory)
}

fn farm_file<'n, V: Volume>(
    store: &mut Store<V>,
    name: &'n str,
    id: ObjectId,
    links: &mut Links,
) -> Result<(&'n str, Inode), Error> {
    let object = store.object(id);
    if object.is_regular
        && let Some(hidden) = name.strip_prefix(PASSED_WHITEOUT)
        && !hidden.is_empty()
    {
        let meta = store.meta(object.meta).clone();
        let device = store.volume.char_device(&meta, 0, 0).map_err(Error::volume(name))?;
        return Ok((hidden, device));
    }
    if object.is_regular && object.len_bytes == 0 {
        let meta = copied(store.meta(object.meta), store.time());
        return Ok((name, copy_object(store, name, id, &meta)?));
    }
    Ok((name, links.name(store, name, id)?))
}

/// A new inode with the content of an object.
pub fn copy_object<V: Volume>(
    store: &mut Store<V>,
    path: &str,
    id: ObjectId,
    meta: &Meta,
) -> Result<Inode, Error> {
    let object = store.object(id);
    if object.is_regular {
        return store.volume.copy_file(object.inode, meta).map_err(Error::volume(path));
    }
    let target = store.content(id).map_err(Error::volume(path))?;
    store.volume.symlink(meta, &target).map_err(Error::volume(path))
}

/// Copies trees so that every inode is new, and has the label of its new path.
#[derive(Debug)]
pub struct Copy<'s, 'e, V> {
    store: &'s mut Store<V>,
    time: Timestamp,
    labels: Option<&'e dyn Labels>,
    skipped: BTreeSet<&'static str>,
    added: BTreeMap<&'e str, &'e Addition>,
    /// Mount points; what belongs below one goes to that file system of the volume.
    mount_points: BTreeMap<&'e str, Option<usize>>,
}

impl<'s, 'e, V: Volume> Copy<'s, 'e, V> {
    /// Copies made at `time`.
    pub fn new(store: &'s mut Store<V>, time: Timestamp, labels: Option<&'e dyn Labels>) -> Self {
        let (added, mount_points) = (BTreeMap::new(), BTreeMap::new());
        Self { store, time, labels, skipped: BTreeSet::new(), added, mount_points }
    }

    /// `meta` with the label of `path`, which counts from the running system's root.
    fn labelled(&self, path: &str, file_type: FileType, meta: Meta) -> Meta {
        let label = self.labels.and_then(|labels| labels.label(&format!("/{path}"), file_type));
        label.map_or_else(|| meta.clone(), |context| with_label(&meta, &context))
    }

    /// Leaves an entry of the top directory out.
    pub fn skip(&mut self, name: &'static str) {
        self.skipped.insert(name);
    }

    /// Adds something, in place of what the tree has at that path. Paths count from the same root as
    /// those given to [`Copy::directory`].
    pub fn add(&mut self, addition: &'e Addition) {
        self.added.insert(&addition.path, addition);
    }

    /// Makes sure of a mount point. The content of the tree that is below it goes to the file system
    /// that will be mounted there, if the volume has it.
    pub fn add_mount_point(&mut self, point: &'e MountPoint) {
        self.mount_points.insert(&point.path, point.file_system);
    }

    /// Chooses the file system that gets the copies; returns the one chosen before.
    pub fn select(&mut self, number: usize) -> usize {
        self.store.volume.select(number)
    }

    /// Copies a directory, which has no name yet; `path` is where the running system has it.
    pub fn directory(&mut self, path: &str, tree: &Directory) -> Result<Inode, Error> {
        let meta = copied(self.store.meta(tree.meta), self.time);
        let meta = self.added.get(path).map_or(meta.clone(), |added| owned(added, meta));
        self.make_directory(path, meta, |copy, directory| copy.fill(path, directory, tree))
    }

    /// Makes a directory and fills it; when it is a mount point, the root of the file system that will
    /// be mounted there is like it, and is filled in its place.
    fn make_directory(
        &mut self,
        path: &str,
        meta: Meta,
        fill: impl FnOnce(&mut Self, Inode) -> Result<(), Error>,
    ) -> Result<Inode, Error> {
        let meta = self.labelled(path, FileType::Directory, meta);
        let directory = self.store.volume.directory(&meta).map_err(Error::volume(path))?;
        let Some(number) = self.mount_points.get(path).copied().flatten() else {
            fill(self, directory)?;
            return Ok(directory);
        };
        let before = self.store.volume.select(number);
        let root = self.store.volume.root();
        self.store.volume.set_meta(root, &meta).map_err(Error::volume(path))?;
        fill(self, root)?;
        self.store.volume.select(before);
        Ok(directory)
    }

    /// Copies the entries of `tree` into an existing directory.
    pub fn fill(&mut self, path: &str, directory: Inode, tree: &Directory) -> Result<(), Error> {
        let skipped = std::mem::take(&mut self.skipped);
        let added = self.added_names(path);
        for (name, node) in &tree.entries {
            let below = format!("{path}/{name}");
            if skipped.contains(&**name) || self.is_removed(&below) {
                continue;
            }
            let inode = match node {
                Node::Directory(tree) => self.directory(&below, tree)?,
                Node::File(_) if added.contains(&**name) => continue,
                Node::File(id) => {
                    let object = self.store.object(*id);
                    let meta = copied(self.store.meta(object.meta), self.time);
                    let meta = self.labelled(&below, object.file_type(), meta);
                    copy_object(self.store, &below, *id, &meta)?
                }
            };
            self.link(directory, name, inode)?;
        }
        for name in added {
            let before = tree.entries.get(name.as_str());
            let below = format!("{path}/{name}");
            if !matches!(before, Some(Node::Directory(_))) && !self.is_removed(&below) {
                let inode = self.addition(&below, before)?;
                self.link(directory, &name, inode)?;
            }
        }
        Ok(())
    }

    fn is_removed(&self, path: &str) -> bool {
        self.added.get(path).is_some_and(|added| added.kind == AdditionKind::Removed)
    }

    /// First components of what is added below `path`.
    fn added_names(&self, path: &str) -> BTreeSet<String> {
        let prefix = format!("{path}/");
        let from = (Bound::Included(&*prefix), Bound::Unbounded);
        let below = self.added.range::<str, _>(from).map(|(added, _)| added);
        let rest = below.map_while(|added| added.strip_prefix(&prefix));
        let points = self.mount_points.keys().filter_map(|point| point.strip_prefix(&prefix));
        rest.chain(points).filter_map(|rest| rest.split('/').next()).map(str::to_owned).collect()
    }

    /// Something added, or the directory that something added needs; `before` is what the tree has
    /// there.
    fn addition(&mut self, path: &str, before: Option<&Node>) -> Result<Inode, Error> {
        let added = self.added.get(path).copied();
        let usual = |mode| Meta { mtime: self.time, ..Meta::root_owned(mode) };
        let meta = match (before, added) {
            (Some(Node::File(id)), Some(added)) if added.mode.is_none() => {
                copied(self.store.meta(self.store.object(*id).meta), self.time)
            }
            (_, Some(Addition { kind: AdditionKind::File(_), .. })) => usual(0o644),
            (_, Some(Addition { kind: AdditionKind::Symlink(_), .. })) => usual(0o777),
            _ => usual(0o755),
        };
        let meta = added.map_or(meta.clone(), |added| owned(added, meta));
        match added.map(|added| &added.kind) {
            Some(AdditionKind::File(bytes)) => {
                let meta = self.labelled(path, FileType::Regular, meta);
                self.store.volume.file(&meta, bytes).map_err(Error::volume(path))
            }
            Some(AdditionKind::Symlink(target)) => {
                let meta = Meta { mode: 0o777, xattrs: Xattrs::default(), ..meta };
                let meta = self.labelled(path, FileType::Symlink, meta);
                self.store.volume.symlink(&meta, target.as_bytes()).map_err(Error::volume(path))
            }
            Some(AdditionKind::Directory | AdditionKind::Removed) | None => {
                self.make_directory(path, meta, |copy, directory| {
                    for name in copy.added_names(path) {
                        let below = format!("{path}/{name}");
                        if !copy.is_removed(&below) {
                            let inode = copy.addition(&below, None)?;
                            copy.link(directory, &name, inode)?;
                        }
                    }
                    Ok(())
                })
            }
        }
    }

    fn link(&mut self, directory: Inode, name: &str, inode: Inode) -> Result<(), Error> {
        self.store.volume.link(directory, name.as_bytes(), inode).map_err(Error::volume(name))
    }
}

/// `meta` with what an addition says of it.
fn owned(added: &Addition, meta: Meta) -> Meta {
    Meta {
        mode: added.mode.unwrap_or(meta.mode),
        uid: added.uid.unwrap_or(meta.uid),
        gid: added.gid.unwrap_or(meta.gid),
        ..meta
    }
}
