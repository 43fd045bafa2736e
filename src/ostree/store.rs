//! The object store: `objects/XX/…` in a volume, every object once (ostree-contract 1.3, 1.4).
//!
//! A file's name is the checksum of its owner, mode, xattrs and content, so it is known only after
//! the last byte. Files up to [`WINDOW_BYTES`](super::WINDOW_BYTES) wait in memory until then, and for
//! others to be hashed with; they are promised a number at once ([`Store::finish`]), which means
//! something from [`Store::settle`] on. Larger ones go to their final place while they are hashed, and
//! are given back when they turn out to be duplicates.
//!
//! The label among the xattrs may be known only when the last layer has been read. So objects have no
//! name in the volume until [`Store::seal`]: before it, [`relabel`](super::relabel) gives them the
//! identity that the merged image's policy asks for, reading content back where it must.

use std::collections::{HashMap, HashSet};

use super::encapsulated;
use super::error::Error;
use super::made::Made;
use super::object::{self, Header};
use super::relabel::Guesses;
use super::window::{Checked, Item, Window};
use crate::digest::{Sha256, Sha256Digest};
use crate::labels::FileType;
use crate::tree::{Directory, MetaId, Node, ObjectId};
use crate::volume::{Inode, Meta, Timestamp, Volume};

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
    expected: Option<Sha256Digest>,
    /// Where its content begins in the window.
    start: usize,
    /// Once it has outgrown that.
    open: Option<Streamed<O>>,
}

/// A file that goes to its place while it arrives.
#[derive(Debug)]
struct Streamed<O> {
    open: O,
    hasher: Sha256,
    len_bytes: u64,
}

/// What a number stands for.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Object(Object),
    /// What was promised the number turned out to be another object.
    Same(ObjectId),
    /// It waits in the window.
    Promised,
}

/// Objects in a volume.
#[derive(Debug)]
pub struct Store<V> {
    /// The volume that holds the objects.
    pub volume: V,
    time: Timestamp,
    objects_directory: Inode,
    fan_out: Vec<Option<Inode>>,
    objects: Vec<Slot>,
    window: Window,
    by_checksum: HashMap<Sha256Digest, ObjectId>,
    /// How many objects from the first on came with their checksums and keep them.
    pinned: usize,
    metadata: HashSet<Sha256Digest>,
    /// Metadata objects and directories of objects.
    own: Vec<Made>,
    metas: Vec<Meta>,
    meta_ids: HashMap<Meta, MetaId>,
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
            window: Window::default(),
            by_checksum: HashMap::new(),
            pinned: 0,
            metadata: HashSet::new(),
            own: vec![Made::directory("ostree/repo/objects", objects, meta)],
            metas: Vec::new(),
            meta_ids: HashMap::new(),
            guesses: Guesses::default(),
        })
    }

    /// The time of everything whose time is free.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The object with this number, which is settled.
    pub fn object(&self, id: ObjectId) -> Object {
        match self.objects[index(id.0)] {
            Slot::Object(object) => object,
            Slot::Same(other) => self.object(other),
            Slot::Promised => unreachable!("asked for what waits to be hashed"),
        }
    }

    /// The first number of the object with this number, which is settled.
    pub(super) fn canonical(&self, id: ObjectId) -> ObjectId {
        match self.objects[index(id.0)] {
            Slot::Same(other) => other,
            _ => id,
        }
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

    /// Starts a regular file; `path` is for messages. It must get the checksum that is expected of it.
    /// Until it is finished or has failed, nothing else may be asked of the store; and after an error,
    /// nothing at all.
    pub fn begin(
        &mut self,
        path: &str,
        meta: &Meta,
        expected: Option<Sha256Digest>,
    ) -> Result<Incoming<V::Open>, Error> {
        let (path, meta) = (path.to_owned(), self.intern(meta)?);
        Ok(Incoming { path, meta, expected, start: self.window.start(), open: None })
    }

    /// Takes the next bytes of a file.
    pub fn feed(&mut self, file: &mut Incoming<V::Open>, bytes: &[u8]) -> Result<(), Error> {
        if file.open.is_none() && self.window.feed(file.start, bytes) {
            return Ok(());
        }
        let (volume, streamed) = self.stream(file)?;
        streamed.take(bytes);
        volume.append(&mut streamed.open, bytes).map_err(Error::volume(&file.path))
    }

    /// Takes `len_bytes` zeros of a sparse file.
    pub fn feed_hole(&mut self, file: &mut Incoming<V::Open>, len_bytes: u64) -> Result<(), Error> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let (volume, streamed) = self.stream(file)?;
        let mut left = len_bytes;
        while left > 0 {
            let step = left.min(4096);
            streamed.hasher.update(&ZEROS[..usize::try_from(step).unwrap_or(ZEROS.len())]);
            left -= step;
        }
        streamed.len_bytes = streamed.len_bytes.saturating_add(len_bytes);
        volume.append_hole(&mut streamed.open, len_bytes).map_err(Error::volume(&file.path))
    }

    /// The volume, and a file that has outgrown the window and moved there.
    fn stream<'f>(
        &mut self,
        file: &'f mut Incoming<V::Open>,
    ) -> Result<(&mut V, &'f mut Streamed<V::Open>), Error> {
        if file.open.is_none() {
            let mut window = std::mem::take(&mut self.window);
            self.place_all(&window)?;
            let hasher = object::file_hasher(self.meta(file.meta), Header::Regular);
            let open = self.volume.begin().map_err(Error::volume(&file.path))?;
            let streamed = file.open.insert(Streamed { open, hasher, len_bytes: 0 });
            let arrived = window.arrived(file.start);
            streamed.take(arrived);
            let appended = self.volume.append(&mut streamed.open, arrived);
            appended.map_err(Error::volume(&file.path))?;
            window.clear();
            self.window = window;
        }
        Ok((&mut self.volume, file.open.as_mut().expect("opened above")))
    }

    /// Makes the file an object, or finds the one it equals, sooner or later.
    pub fn finish(&mut self, file: Incoming<V::Open>) -> Result<ObjectId, Error> {
        let Incoming { path, meta, expected, start, open } = file;
        let Some(Streamed { open, hasher, len_bytes }) = open else {
            let header = object::file_header(self.meta(meta), Header::Regular);
            let id = self.promise()?;
            return self.wait(start, Item::new(id, path, meta, header, expected, true));
        };
        let checksum = hasher.finish();
        if expected.is_some_and(|expected| expected != checksum) {
            return Err(encapsulated::Error::Checksum { object: path, actual: checksum }.into());
        }
        if let Some(known) = self.by_checksum.get(&checksum).copied() {
            self.volume.abandon(open).map_err(Error::volume(&path))?;
            return Ok(known);
        }
        let inode_meta = self.metas[index(meta.0)].clone();
        let inode = self.volume.commit(open, &inode_meta).map_err(Error::volume(&path))?;
        self.add(Object { checksum, inode, meta, is_regular: true, len_bytes })
    }

    /// The object of a symbolic link, sooner or later; as [`Store::begin`].
    pub fn symlink(
        &mut self,
        path: &str,
        meta: &Meta,
        target: &str,
        expected: Option<Sha256Digest>,
    ) -> Result<ObjectId, Error> {
        let meta = Meta { mode: 0o777, mtime: self.time, ..meta.clone() };
        let header = object::file_header(&meta, Header::Symlink { target });
        let (id, meta, start) = (self.promise()?, self.intern(&meta)?, self.window.start());
        self.window.put(target.as_bytes());
        self.wait(start, Item::new(id, path.to_owned(), meta, header, expected, false))
    }

    fn promise(&mut self) -> Result<ObjectId, Error> {
        let id = u32::try_from(self.objects.len()).map_err(|_| Error::TooManyObjects)?;
        self.objects.push(Slot::Promised);
        Ok(ObjectId(id))
    }

    fn wait(&mut self, start: usize, item: Item) -> Result<ObjectId, Error> {
        let id = item.id;
        self.window.push(start, item);
        if self.window.is_full() {
            self.settle()?;
        }
        Ok(id)
    }

    /// Makes everything that waits an object, or finds the one it equals: numbers given so far mean
    /// something now.
    pub fn settle(&mut self) -> Result<(), Error> {
        if self.window.is_empty() {
            return Ok(());
        }
        let mut window = std::mem::take(&mut self.window);
        self.place_all(&window)?;
        window.clear();
        self.window = window;
        Ok(())
    }

    fn place_all(&mut self, window: &Window) -> Result<(), Error> {
        let mut contents = Vec::new();
        for Checked { item, checksum, content } in window.checked()? {
            self.objects[index(item.id.0)] = match self.by_checksum.get(&checksum) {
                Some(known) => Slot::Same(*known),
                None => {
                    let object = self.place(item, checksum, content)?;
                    self.by_checksum.insert(checksum, item.id);
                    contents.extend(item.is_regular.then_some((object.inode, content)));
                    Slot::Object(object)
                }
            };
        }
        self.volume.fill(&contents).map_err(Error::volume("objects"))
    }

    /// Puts what is in the window into the volume, but for the content of files.
    fn place(
        &mut self,
        item: &Item,
        checksum: Sha256Digest,
        content: &[u8],
    ) -> Result<Object, Error> {
        let Item { meta, is_regular, .. } = *item;
        let len_bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let inode = if is_regular {
            let inode_meta = self.metas[index(meta.0)].clone();
            self.volume.reserve(&inode_meta, len_bytes)
        } else {
            let inode_meta = self.inode_meta(meta, false);
            self.volume.symlink(&inode_meta, content)
        };
        let inode = inode.map_err(Error::volume(&item.path))?;
        Ok(Object { checksum, inode, meta, is_regular, len_bytes })
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
        let object = Object { meta, checksum, ..self.object(id) };
        self.objects[index(id.0)] = Slot::Object(object);
        let Object { inode, is_regular, .. } = object;
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
            let Slot::Object(Object { checksum, inode, .. }) = self.objects[at] else { continue };
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
        self.objects.push(Slot::Object(object));
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

impl<O> Streamed<O> {
    fn take(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len_bytes =
            self.len_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
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
