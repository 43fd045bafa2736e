//! The object store: `objects/XX/…` in a volume, every object once (ostree-contract 1.3, 1.4).
//!
//! A file's name is the checksum of its owner, mode, xattrs and content, so it is known only after
//! the last byte. Files up to [`WINDOW_BYTES`] wait in memory until then; larger ones go to their
//! final place while they are hashed, and are given back when they turn out to be duplicates.
//!
//! The label among the xattrs may be known only when the last layer has been read. So objects have no
//! name in the volume until [`Store::seal`]: before it, [`relabel`](super::relabel) gives them the
//! identity that the merged image's policy asks for, reading content back where it must.

use std::collections::{HashMap, HashSet};

use super::error::Error;
use super::made::Made;
use super::object::{self, Header};
use super::relabel::Guesses;
use crate::digest::{Sha256, Sha256Digest};
use crate::labels::FileType;
use crate::tree::{Directory, MetaId, Node, ObjectId};
use crate::volume::{Inode, Meta, Timestamp, Volume};

/// Files up to this length are hashed before they are placed.
pub const WINDOW_BYTES: usize = 1 << 20;
/// ostree refuses larger metadata objects.
const MAX_METADATA_BYTES: usize = 128 << 20;

/// A file object.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Its name.
    pub checksum: Sha256Digest,
    /// The inode that is the object.
    pub inode: Inode,
    /// Owner, mode and xattrs.
    pub meta: MetaId,
    /// Whether it is a regular file; else it is a symbolic link.
    pub is_regular: bool,
    /// Length of the content, or of the link's target.
    pub len_bytes: u64,
}

/// Which objects are worth a name.
#[derive(Debug)]
pub struct Used(Vec<bool>);

/// A regular file whose content is arriving.
#[derive(Debug)]
pub struct Incoming<O> {
    path: String,
    meta: MetaId,
    hasher: Sha256,
    waiting: Vec<u8>,
    open: Option<O>,
    len_bytes: u64,
}

/// Objects in a volume.
#[derive(Debug)]
pub struct Store<V> {
    /// The volume that holds the objects.
    pub volume: V,
    time: Timestamp,
    objects_directory: Inode,
    fan_out: Vec<Option<Inode>>,
    objects: Vec<Object>,
    by_checksum: HashMap<Sha256Digest, ObjectId>,
    /// How many objects from the first on came with their checksums and keep them.
    pinned: usize,
    metadata: HashSet<Sha256Digest>,
    /// Metadata objects and directories of objects.
    own: Vec<Made>,
    metas: Vec<Meta>,
    meta_ids: HashMap<Meta, MetaId>,
    spare: Vec<u8>,
    /// Labels given before the policy was certain.
    pub(super) guesses: Guesses,
}

impl Object {
    /// Its type, for those who label it.
    pub(super) fn file_type(&self) -> FileType {
        if self.is_regular { FileType::Regular } else { FileType::Symlink }
    }
}

impl<V: Volume> Store<V> {
    /// An empty store below the directory `repo`; `time` stamps what the contract leaves free.
    pub fn create(mut volume: V, repo: Inode, time: Timestamp) -> Result<Self, Error> {
        let meta = Meta { mtime: time, ..Meta::root_owned(0o755) };
        let objects = volume.directory(&meta).map_err(Error::volume("objects"))?;
        volume.link(repo, b"objects", objects).map_err(Error::volume("objects"))?;
        Ok(Self {
            volume,
            time,
            objects_directory: objects,
            fan_out: vec![None; 256],
            objects: Vec::new(),
            by_checksum: HashMap::new(),
            pinned: 0,
            metadata: HashSet::new(),
            own: vec![Made::directory("ostree/repo/objects", objects, meta)],
            metas: Vec::new(),
            meta_ids: HashMap::new(),
            spare: Vec::new(),
            guesses: Guesses::default(),
        })
    }

    /// The time of everything whose time is free.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The object with this number.
    pub fn object(&self, id: ObjectId) -> Object {
        self.objects[index(id.0)]
    }

    /// The owner, mode and xattrs with this number.
    pub fn meta(&self, id: MetaId) -> &Meta {
        &self.metas[index(id.0)]
    }

    /// Keeps the names of all objects so far, whatever the policy says of their paths: they came with
    /// their checksums.
    pub fn pin(&mut self) {
        self.pinned = self.objects.len();
    }

    /// Whether the object keeps its name whatever the policy says.
    pub(super) fn is_pinned(&self, id: ObjectId) -> bool {
        index(id.0) < self.pinned
    }

    /// The number of `meta`; its time is not looked at.
    pub fn intern(&mut self, meta: &Meta) -> Result<MetaId, Error> {
        let meta = Meta { mtime: Timestamp::default(), ..meta.clone() };
        if let Some(id) = self.meta_ids.get(&meta) {
            return Ok(*id);
        }
        let id = MetaId(u32::try_from(self.metas.len()).map_err(|_| Error::TooManyObjects)?);
        self.metas.push(meta.clone());
        self.meta_ids.insert(meta, id);
        Ok(id)
    }

    /// Starts a regular file; `path` is for messages.
    pub fn begin(&mut self, path: &str, meta: &Meta) -> Result<Incoming<V::Open>, Error> {
        let mut waiting = std::mem::take(&mut self.spare);
        waiting.clear();
        Ok(Incoming {
            path: path.to_owned(),
            meta: self.intern(meta)?,
            hasher: object::file_hasher(meta, Header::Regular),
            waiting,
            open: None,
            len_bytes: 0,
        })
    }

    /// Takes the next bytes of a file.
    pub fn feed(&mut self, file: &mut Incoming<V::Open>, bytes: &[u8]) -> Result<(), Error> {
        file.hasher.update(bytes);
        file.len_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if file.open.is_none() && file.waiting.len() + bytes.len() <= WINDOW_BYTES {
            file.waiting.extend_from_slice(bytes);
            return Ok(());
        }
        let open = self.stream(file)?;
        self.volume.append(open, bytes).map_err(Error::volume(&file.path))
    }

    /// Takes `len_bytes` zeros of a sparse file.
    pub fn feed_hole(&mut self, file: &mut Incoming<V::Open>, len_bytes: u64) -> Result<(), Error> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut left = len_bytes;
        while left > 0 {
            let step = left.min(4096);
            file.hasher.update(&ZEROS[..usize::try_from(step).unwrap_or(ZEROS.len())]);
            left -= step;
        }
        file.len_bytes = file.len_bytes.saturating_add(len_bytes);
        let open = self.stream(file)?;
        self.volume.append_hole(open, len_bytes).map_err(Error::volume(&file.path))
    }

    /// Moves a file that has outgrown the window to the volume.
    fn stream<'f>(&mut self, file: &'f mut Incoming<V::Open>) -> Result<&'f mut V::Open, Error> {
        if file.open.is_none() {
            let mut open = self.volume.begin().map_err(Error::volume(&file.path))?;
            self.volume.append(&mut open, &file.waiting).map_err(Error::volume(&file.path))?;
            file.waiting.clear();
            file.open = Some(open);
        }
        Ok(file.open.as_mut().expect("opened above"))
    }

    /// Makes the file an object, or finds the one it equals.
    pub fn finish(&mut self, file: Incoming<V::Open>) -> Result<ObjectId, Error> {
        let Incoming { path, meta, hasher, waiting, open, len_bytes } = file;
        let checksum = hasher.finish();
        if let Some(known) = self.by_checksum.get(&checksum).copied() {
            if let Some(open) = open {
                self.volume.abandon(open).map_err(Error::volume(&path))?;
            }
            self.spare = waiting;
            return Ok(known);
        }
        let inode_meta = self.metas[index(meta.0)].clone();
        let inode = match open {
            Some(open) => self.volume.commit(open, &inode_meta),
            None => self.volume.file(&inode_meta, &waiting),
        };
        self.spare = waiting;
        let inode = inode.map_err(Error::volume(&path))?;
        self.add(Object { checksum, inode, meta, is_regular: true, len_bytes })
    }

    /// The object of a symbolic link.
    pub fn symlink(&mut self, path: &str, meta: &Meta, target: &str) -> Result<ObjectId, Error> {
        let meta = Meta { mode: 0o777, mtime: self.time, ..meta.clone() };
        let checksum = object::file_hasher(&meta, Header::Symlink { target }).finish();
        if let Some(known) = self.by_checksum.get(&checksum) {
            return Ok(*known);
        }
        let id = self.intern(&meta)?;
        let inode = self.volume.symlink(&meta, target.as_bytes()).map_err(Error::volume(path))?;
        let len_bytes = u64::try_from(target.len()).unwrap_or(u64::MAX);
        self.add(Object { checksum, inode, meta: id, is_regular: false, len_bytes })
    }

    /// Writes a metadata object (`dirtree`, `dirmeta`, `commit`); `path` is for messages.
    pub fn metadata(
        &mut self,
        path: &str,
        extension: &str,
        bytes: &[u8],
    ) -> Result<Sha256Digest, Error> {
        if bytes.len() > MAX_METADATA_BYTES {
            let len_bytes = bytes.len();
            return Err(Error::MetadataTooLarge { path: path.to_owned(), len_bytes });
        }
        let checksum = Sha256Digest::of(bytes);
        if self.metadata.insert(checksum) {
            self.own_file(path, checksum, extension, bytes)?;
        }
        Ok(checksum)
    }

    /// Writes what belongs beside a commit without being part of it.
    pub fn detached_metadata(&mut self, commit: Sha256Digest, bytes: &[u8]) -> Result<(), Error> {
        self.own_file("the commit's detached metadata", commit, "commitmeta", bytes)
    }

    /// Writes a file of the repository that is no file object; `path` is for messages.
    fn own_file(
        &mut self,
        path: &str,
        checksum: Sha256Digest,
        extension: &str,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let meta = Meta { mtime: self.time, ..Meta::root_owned(0o644) };
        let inode = self.volume.file(&meta, bytes).map_err(Error::volume(path))?;
        let path = self.name(checksum, extension, inode)?;
        self.own.push(Made { path, inode, meta, file_type: FileType::Regular });
        Ok(())
    }

    /// The object with this checksum.
    pub(super) fn find(&self, checksum: Sha256Digest) -> Option<ObjectId> {
        self.by_checksum.get(&checksum).copied()
    }

    /// Takes an object's name from it: it will get another, or be forgotten.
    pub(super) fn disown(&mut self, id: ObjectId) {
        self.by_checksum.remove(&self.object(id).checksum);
    }

    /// Gives an object without a name its new one.
    pub(super) fn rename(
        &mut self,
        id: ObjectId,
        meta: MetaId,
        checksum: Sha256Digest,
    ) -> Result<(), Error> {
        let object = &mut self.objects[index(id.0)];
        (object.meta, object.checksum) = (meta, checksum);
        let Object { inode, is_regular, .. } = *object;
        self.by_checksum.insert(checksum, id);
        let inode_meta = self.inode_meta(meta, is_regular);
        self.volume.set_meta(inode, &inode_meta).map_err(Error::volume(&checksum.to_hex()))
    }

    /// What the inode of an object has: the time of a symbolic link is free, that of a file 0.
    pub(super) fn inode_meta(&self, meta: MetaId, is_regular: bool) -> Meta {
        let mtime = if is_regular { Timestamp::default() } else { self.time };
        Meta { mtime, ..self.meta(meta).clone() }
    }

    /// The objects that are part of a tree or came with their checksums. No file comes after it.
    pub fn used(&mut self, trees: &[&Directory]) -> Used {
        self.by_checksum = HashMap::new();
        let mut used = vec![false; self.objects.len()];
        used[..self.pinned].fill(true);
        trees.iter().for_each(|tree| mark(tree, &mut used));
        Used(used)
    }

    /// Names the objects that are used, and forgets the others: those whose path came again in the
    /// same layer, or whose label was not the last word.
    pub fn seal(&mut self, used: Used) -> Result<(), Error> {
        for (at, used) in used.0.into_iter().enumerate() {
            let Object { checksum, inode, .. } = self.objects[at];
            if used {
                self.name(checksum, "file", inode)?;
            } else {
                self.volume.forget(inode).map_err(Error::volume(&checksum.to_hex()))?;
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, object: Object) -> Result<ObjectId, Error> {
        let id = u32::try_from(self.objects.len()).map_err(|_| Error::TooManyObjects)?;
        self.objects.push(object);
        self.by_checksum.insert(object.checksum, ObjectId(id));
        Ok(ObjectId(id))
    }

    /// What the store made besides file objects, to be labelled once.
    pub(super) fn take_own(&mut self) -> Vec<Made> {
        std::mem::take(&mut self.own)
    }

    /// Puts an object into its directory; returns its path.
    fn name(
        &mut self,
        checksum: Sha256Digest,
        extension: &str,
        inode: Inode,
    ) -> Result<String, Error> {
        let hex = checksum.to_hex();
        let (first, rest) = hex.split_at(2);
        let slot = usize::from(checksum.0[0]);
        let directory = match self.fan_out[slot] {
            Some(directory) => directory,
            None => {
                let meta = Meta { mtime: self.time, ..Meta::root_owned(0o755) };
                let made = self.volume.directory(&meta).map_err(Error::volume(first))?;
                self.volume
                    .link(self.objects_directory, first.as_bytes(), made)
                    .map_err(Error::volume(first))?;
                self.fan_out[slot] = Some(made);
                let path = format!("ostree/repo/objects/{first}");
                self.own.push(Made::directory(&path, made, meta));
                made
            }
        };
        let name = format!("{rest}.{extension}");
        self.volume.link(directory, name.as_bytes(), inode).map_err(Error::volume(&hex))?;
        Ok(format!("ostree/repo/objects/{first}/{name}"))
    }
}

/// Marks the objects of a tree as used.
fn mark(tree: &Directory, used: &mut [bool]) {
    for node in tree.entries.values() {
        match node {
            Node::File(id) => used[index(id.0)] = true,
            Node::Directory(below) => mark(below, used),
        }
    }
}

/// A table index; every platform we run on has at least 32-bit addresses.
fn index(number: u32) -> usize {
    usize::try_from(number).expect("32 bits fit a usize")
}
