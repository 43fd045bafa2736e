//! Every object gets the label that the policy gives to its path (ostree-contract 3.6).
//!
//! A label is part of an object's name, the policy is known for certain only when all layers are
//! read, and one file may lie at paths with different labels. So layers are read with the labels
//! that are likely ([`with_label`], remembered by [`Guesses`]), and then, once:
//!
//! 1. every path of every tree says which label its object must have;
//! 2. an object that has it everywhere stays as it is; one that has it nowhere is renamed in place,
//!    after its content is hashed again from the volume; for every further label it is copied;
//! 3. the trees get the new objects, and their directories the new owner, mode and xattrs.
//!
//! Objects that came with their checksums are never renamed, only copied.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::checkout;
use super::error::Error;
use super::object::{self, Header};
use super::store::{Object, Store};
use crate::digest::Sha256Digest;
use crate::labels::{FileType, Labels};
use crate::progress::Cancel;
use crate::tree::{Directory, MetaId, Node, ObjectId};
use crate::volume::{Meta, Volume, Xattrs};

const LABEL: &[u8] = b"security.selinux";

/// `meta` with the label `context` in place of any other, stored with a final NUL as libostree does.
pub(super) fn with_label(meta: &Meta, context: &str) -> Meta {
    with_value(meta, [context.as_bytes(), &[0]].concat())
}

/// `meta` with the label `context` in place of any other, stored without a NUL: so the installer does
/// with what is no object.
pub(super) fn with_bare_label(meta: &Meta, context: &str) -> Meta {
    with_value(meta, context.as_bytes().to_vec())
}

fn with_value(meta: &Meta, value: Vec<u8>) -> Meta {
    let others = meta.xattrs.as_slice().iter().filter(|xattr| *xattr.name != *LABEL);
    let pairs = others.map(|xattr| (xattr.name.to_vec(), xattr.value.to_vec()));
    let xattrs = Xattrs::from_pairs(pairs.chain([(LABEL.to_vec(), value)]));
    Meta { xattrs, ..meta.clone() }
}

/// What objects were like before they got a label that was only likely.
#[derive(Debug, Default)]
pub struct Guesses {
    before: HashMap<MetaId, MetaId>,
    labelled: HashMap<(MetaId, String), MetaId>,
}

impl<V: Volume> Store<V> {
    /// `meta` with the label that `labels` gives to `path`; a label that the layer brings stays.
    pub(super) fn guess(
        &mut self,
        labels: &dyn Labels,
        path: &str,
        file_type: FileType,
        meta: &Meta,
    ) -> Result<Option<Meta>, Error> {
        if meta.xattrs.as_slice().iter().any(|xattr| *xattr.name == *LABEL) {
            return Ok(None);
        }
        let Some(context) = labels.label(path, file_type) else { return Ok(None) };
        let guessed = with_label(meta, &context);
        let (plain, labelled) = (self.intern(meta)?, self.intern(&guessed)?);
        self.guesses.before.insert(labelled, plain);
        Ok(Some(guessed))
    }
}

impl Guesses {
    fn before(&self, meta: MetaId) -> MetaId {
        self.before.get(&meta).copied().unwrap_or(meta)
    }

    /// The meta that `meta` becomes with a label.
    fn labelled<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        meta: MetaId,
        context: Option<String>,
    ) -> Result<MetaId, Error> {
        let plain = self.before(meta);
        let Some(context) = context else { return Ok(plain) };
        let key = (plain, context);
        if let Some(known) = self.labelled.get(&key) {
            return Ok(*known);
        }
        let made = with_label(store.meta(plain), &key.1);
        let id = store.intern(&made)?;
        self.labelled.insert(key, id);
        Ok(id)
    }
}

/// Gives all of `trees` the labels of the policy; `None` takes back those that were only likely.
/// Returns how many objects got another name.
pub fn relabel<V: Volume>(
    store: &mut Store<V>,
    trees: &mut [&mut Directory],
    labels: Option<&dyn Labels>,
    cancel: &Cancel,
) -> Result<usize, Error> {
    let mut guesses = std::mem::take(&mut store.guesses);
    if labels.is_none() && guesses.before.is_empty() {
        return Ok(0);
    }
    let mut wishes = Vec::with_capacity(trees.len());
    for tree in trees.iter() {
        let mut wish = Wishes { store, labels, guesses: &mut guesses, metas: Vec::new() };
        wish.walk(&mut String::new(), tree)?;
        wishes.push(wish.metas);
    }
    let wanted = wanted(trees, &wishes);
    let changed = resolve(store, &wanted, cancel)?;
    for (tree, metas) in trees.iter_mut().zip(wishes) {
        rewrite(tree, &mut metas.into_iter(), &changed);
    }
    Ok(changed.len())
}

/// What one tree asks for.
struct Wishes<'a, V> {
    store: &'a mut Store<V>,
    labels: Option<&'a dyn Labels>,
    guesses: &'a mut Guesses,
    /// For each directory, then its entries in order.
    metas: Vec<MetaId>,
}

impl<V: Volume> Wishes<'_, V> {
    fn walk(&mut self, path: &mut String, directory: &Directory) -> Result<(), Error> {
        let shown = if path.is_empty() { "/" } else { path.as_str() };
        self.wish(shown, FileType::Directory, directory.meta)?;
        for (name, node) in &directory.entries {
            let len = path.len();
            path.push('/');
            path.push_str(name);
            match node {
                Node::Directory(below) => self.walk(path, below)?,
                Node::File(id) => {
                    let object = self.store.object(*id);
                    self.wish(path, object.file_type(), object.meta)?;
                }
            }
            path.truncate(len);
        }
        Ok(())
    }

    fn wish(&mut self, path: &str, file_type: FileType, meta: MetaId) -> Result<(), Error> {
        let context = self.labels.and_then(|labels| labels.label(path, file_type));
        self.metas.push(self.guesses.labelled(self.store, meta, context)?);
        Ok(())
    }
}

/// All pairs of an object and the meta it must have somewhere.
fn wanted(trees: &[&mut Directory], wishes: &[Vec<MetaId>]) -> BTreeSet<(ObjectId, MetaId)> {
    fn walk(
        directory: &Directory,
        metas: &mut impl Iterator<Item = MetaId>,
        wanted: &mut BTreeSet<(ObjectId, MetaId)>,
    ) {
        metas.next();
        for node in directory.entries.values() {
            match node {
                Node::Directory(below) => walk(below, metas, wanted),
                Node::File(id) => wanted.extend(metas.next().map(|meta| (*id, meta))),
            }
        }
    }
    let mut wanted = BTreeSet::new();
    for (tree, metas) in trees.iter().zip(wishes) {
        walk(tree, &mut metas.iter().copied(), &mut wanted);
    }
    wanted
}

/// Makes what is wanted; returns the objects that take the place of others.
fn resolve<V: Volume>(
    store: &mut Store<V>,
    wanted: &BTreeSet<(ObjectId, MetaId)>,
    cancel: &Cancel,
) -> Result<BTreeMap<(ObjectId, MetaId), ObjectId>, Error> {
    let is_other = |store: &Store<V>, (id, meta): (ObjectId, MetaId)| store.object(id).meta != meta;
    let others: Vec<_> = wanted.iter().copied().filter(|pair| is_other(store, *pair)).collect();
    let mut homeless = BTreeSet::new();
    for (id, _) in &others {
        let stays = store.is_pinned(*id) || wanted.contains(&(*id, store.object(*id).meta));
        if !stays && homeless.insert(*id) {
            store.disown(*id);
        }
    }
    let mut changed = BTreeMap::new();
    for (id, meta) in others {
        let checksum = checksum(store, id, meta, cancel)?;
        let now = match store.find(checksum) {
            Some(known) => known,
            None if homeless.remove(&id) => {
                store.rename(id, meta, checksum)?;
                id
            }
            None => copy(store, id, meta, checksum)?,
        };
        changed.insert((id, meta), now);
    }
    Ok(changed)
}

/// The name of an object's content under another owner, mode or xattrs.
fn checksum<V: Volume>(
    store: &Store<V>,
    id: ObjectId,
    meta: MetaId,
    cancel: &Cancel,
) -> Result<Sha256Digest, Error> {
    let Object { is_regular, checksum, .. } = store.object(id);
    let (meta, name) = (store.meta(meta), checksum.to_hex());
    if !is_regular {
        let target = store.content(id).map_err(Error::volume(&name))?;
        let target = String::from_utf8_lossy(&target);
        return Ok(object::file_hasher(meta, Header::Symlink { target: &target }).finish());
    }
    let mut hasher = object::file_hasher(meta, Header::Regular);
    store.pieces(&name, id, |bytes| {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}

fn copy<V: Volume>(
    store: &mut Store<V>,
    id: ObjectId,
    meta: MetaId,
    checksum: Sha256Digest,
) -> Result<ObjectId, Error> {
    let object = store.object(id);
    let inode_meta = store.inode_meta(meta, object.is_regular);
    let inode = checkout::copy_object(store, &checksum.to_hex(), id, &inode_meta)?;
    store.add(Object { checksum, inode, meta, ..object })
}

fn rewrite(
    directory: &mut Directory,
    metas: &mut impl Iterator<Item = MetaId>,
    changed: &BTreeMap<(ObjectId, MetaId), ObjectId>,
) {
    if let Some(meta) = metas.next() {
        directory.meta = meta;
    }
    for node in directory.entries.values_mut() {
        match node {
            Node::Directory(below) => rewrite(below, metas, changed),
            Node::File(id) => {
                let now = metas.next().and_then(|meta| changed.get(&(*id, meta)));
                *id = now.copied().unwrap_or(*id);
            }
        }
    }
}
