//! The entries of a layer become objects.

use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};

use super::super::error::Error as RoomError;
use super::super::store::{Incoming, Store};
use super::super::{link, object};
use super::error::Error;
use super::layout::Part;
use super::name::{Kind, Name};
use super::parse::{self, Attributes};
use crate::digest::Sha256Digest;
use crate::tree::ObjectId;
use crate::volume::{Meta, Timestamp, Volume};

/// The importer refuses larger metadata objects.
const MAX_METADATA_BYTES: usize = 10 << 20;
/// The importer refuses larger sets of xattrs.
const MAX_XATTRS_BYTES: usize = 1 << 20;
/// All dirtrees and dirmetas together; an image of 100,000 files has 7 MB.
const MAX_ALL_METADATA_BYTES: usize = 512 << 20;
/// All xattrs of a layer that links lead to.
const MAX_ALL_XATTRS_BYTES: usize = 64 << 20;

/// The commit of an image as its layers bring it.
#[derive(Debug, Default)]
pub struct Import {
    pub(super) commit: Option<(Sha256Digest, Box<[u8]>)>,
    pub(super) detached_metadata: Option<Box<[u8]>>,
    pub(super) metadata: HashMap<Sha256Digest, (Kind, Box<[u8]>)>,
    metadata_bytes: usize,
    pub(super) files: HashMap<Sha256Digest, ObjectId>,
}

/// One layer being read; entries are given in the order of the tar.
#[derive(Debug)]
pub struct Layer<'i> {
    import: &'i mut Import,
    is_commit_layer: bool,
    is_after_commit: bool,
    object_set: BTreeSet<Sha256Digest>,
    xattrs: HashMap<Sha256Digest, Attributes>,
    xattrs_bytes: usize,
    next: Option<(Sha256Digest, Attributes)>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
}

/// A regular entry whose content is arriving.
#[derive(Debug)]
pub struct File<O> {
    name: Name,
    content: Content<O>,
}

#[derive(Debug)]
enum Content<O> {
    File(Incoming<O>),
    Held { bytes: Vec<u8>, limit_bytes: usize },
}

impl Import {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a layer, [`Part::Commit`] or another ostree layer.
    pub fn layer(&mut self, part: Part) -> Layer<'_> {
        Layer {
            import: self,
            is_commit_layer: part == Part::Commit,
            is_after_commit: false,
            object_set: BTreeSet::new(),
            xattrs: HashMap::new(),
            xattrs_bytes: 0,
            next: None,
            warnings: Vec::new(),
        }
    }

    fn keep(&mut self, name: Name, bytes: Vec<u8>) -> Result<(), Error> {
        match self.metadata.entry(name.checksum) {
            Entry::Occupied(known) if known.get().0 == name.kind => Ok(()),
            Entry::Occupied(_) => Err(Error::TwoKinds { checksum: name.checksum }),
            Entry::Vacant(vacant) => {
                self.metadata_bytes = self.metadata_bytes.saturating_add(bytes.len());
                if self.metadata_bytes > MAX_ALL_METADATA_BYTES {
                    let limit_bytes = MAX_ALL_METADATA_BYTES;
                    return Err(Error::TooLargeTogether { what: "directories", limit_bytes });
                }
                vacant.insert((name.kind, bytes.into()));
                Ok(())
            }
        }
    }
}

impl Layer<'_> {
    /// Starts a regular file; `None` when it is of no interest, and its content with it.
    pub fn begin_file<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        raw_path: &[u8],
        meta: &Meta,
    ) -> Result<Option<File<V::Open>>, RoomError> {
        let Some(name) = self.name(raw_path)? else { return Ok(None) };
        let limit_bytes = match name.kind {
            Kind::File => {
                let meta = self.file_meta(&name, meta)?;
                let expected = Some(name.checksum);
                let incoming = store.begin(&name.to_string(), &meta, expected)?;
                let content = Content::File(incoming);
                return Ok(Some(File { name, content }));
            }
            Kind::OldXattrsLink => return Err(kind(&name, "regular file")),
            Kind::Xattrs | Kind::XattrsLink => MAX_XATTRS_BYTES,
            _ => MAX_METADATA_BYTES,
        };
        Ok(Some(File { name, content: Content::Held { bytes: Vec::new(), limit_bytes } }))
    }

    /// Takes a file whose content is complete.
    pub fn finish_file<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        file: File<V::Open>,
    ) -> Result<(), RoomError> {
        let File { name, content } = file;
        match content {
            Content::File(incoming) => {
                let id = store.finish(incoming)?;
                Ok(self.file(&name, id)?)
            }
            Content::Held { bytes, .. } => Ok(self.held(name, bytes)?),
        }
    }

    /// Takes a symbolic link.
    pub fn symlink<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        raw_path: &[u8],
        meta: &Meta,
        target: &[u8],
    ) -> Result<(), RoomError> {
        let Some(name) = self.name(raw_path)? else { return Ok(()) };
        if name.kind != Kind::File {
            return Err(kind(&name, "symbolic link"));
        }
        let meta = self.file_meta(&name, meta)?;
        let path = name.to_string();
        let target = link::check(&path, &format!("the symbolic link {path}"), &meta, target)?;
        self.warnings.extend(target.warning);
        let id = store.symlink(&path, &meta, target.text, Some(name.checksum))?;
        Ok(self.file(&name, id)?)
    }

    /// Takes a hard link.
    pub fn hardlink(&mut self, raw_path: &[u8], raw_target: &[u8]) -> Result<(), RoomError> {
        let Some(name) = self.name(raw_path)? else { return Ok(()) };
        if !matches!(name.kind, Kind::XattrsLink | Kind::OldXattrsLink) {
            return Err(kind(&name, "hard link"));
        }
        let (object, xattrs) = (name.checksum, name.linked_xattrs(raw_target)?);
        let known = self.xattrs.get(&xattrs);
        let known = known.ok_or(Error::XattrsUnknown { object, xattrs })?.clone();
        Ok(self.expect(object, known)?)
    }

    /// Refuses an entry that no object can be, where objects are.
    pub fn unsupported(&self, raw_path: &[u8], found: &'static str) -> Result<(), RoomError> {
        match Name::parse(raw_path)? {
            Some(name) => Err(kind(&name, found)),
            None => Ok(()),
        }
    }

    /// The commit of the complete layer, and what the user should know: the carried commit, or one
    /// that names the layer's files.
    pub fn finish<V: Volume>(
        self,
        store: &mut Store<V>,
    ) -> Result<(Sha256Digest, Vec<String>), RoomError> {
        store.settle()?;
        let commit = if self.is_commit_layer {
            self.import.commit.as_ref().ok_or(Error::NoCommit)?.0
        } else {
            commit_object_set(store, &self.object_set)?
        };
        Ok((commit, self.warnings))
    }

    /// What the entry is, when it is something that may be here.
    fn name(&mut self, raw_path: &[u8]) -> Result<Option<Name>, Error> {
        let Some(name) = Name::parse(raw_path)? else { return Ok(None) };
        let is_after_commit = std::mem::replace(&mut self.is_after_commit, false);
        let object = || name.to_string();
        let has_commit = self.import.commit.is_some();
        match name.kind {
            Kind::Commit | Kind::CommitMeta | Kind::Dirtree | Kind::Dirmeta
                if !self.is_commit_layer =>
            {
                Err(Error::NotAFile { object: object() })
            }
            Kind::Commit if has_commit => Err(Error::Misplaced { object: object() }),
            Kind::CommitMeta if has_commit && !is_after_commit => {
                Err(Error::Misplaced { object: object() })
            }
            Kind::Commit => Ok(Some(name)),
            _ if self.is_commit_layer && !has_commit => {
                Err(Error::BeforeCommit { object: object() })
            }
            _ => Ok(Some(name)),
        }
    }

    /// Owner and mode from the tar, xattrs from the entry before.
    fn file_meta(&mut self, name: &Name, meta: &Meta) -> Result<Meta, Error> {
        let object = name.checksum;
        let next = self.next.take().filter(|(expected, _)| *expected == object);
        let (_, Attributes { set, empty }) = next.ok_or(Error::XattrsApart { object })?;
        if let Some(name) = empty {
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(Error::EmptyXattr { object, name });
        }
        Ok(Meta { mtime: Timestamp::default(), xattrs: set, ..meta.clone() })
    }

    fn file(&mut self, name: &Name, id: ObjectId) -> Result<(), Error> {
        if !self.is_commit_layer && !self.object_set.insert(name.checksum) {
            return Err(Error::Duplicate { object: name.to_string() });
        }
        self.import.files.insert(name.checksum, id);
        Ok(())
    }

    fn held(&mut self, name: Name, bytes: Vec<u8>) -> Result<(), Error> {
        let unreadable = |source| Error::Object { object: name.to_string(), source };
        if !matches!(name.kind, Kind::CommitMeta | Kind::XattrsLink) {
            verify(&name, Sha256Digest::of(&bytes))?;
        }
        match name.kind {
            Kind::Commit => {
                self.import.commit = Some((name.checksum, bytes.into()));
                self.is_after_commit = true;
            }
            Kind::CommitMeta => {
                let commit = self.import.commit.as_ref().map(|(checksum, _)| *checksum);
                if commit != Some(name.checksum) {
                    return Err(Error::Misplaced { object: name.to_string() });
                }
                parse::vardict(&bytes).map_err(unreadable)?;
                self.import.detached_metadata = Some(bytes.into());
            }
            Kind::Xattrs => {
                let attributes = parse::attributes(&bytes).map_err(unreadable)?;
                self.xattrs_bytes = self.xattrs_bytes.saturating_add(bytes.len());
                if self.xattrs_bytes > MAX_ALL_XATTRS_BYTES {
                    let limit_bytes = MAX_ALL_XATTRS_BYTES;
                    return Err(Error::TooLargeTogether { what: "xattrs", limit_bytes });
                }
                self.xattrs.insert(name.checksum, attributes);
            }
            Kind::XattrsLink => {
                let attributes = parse::attributes(&bytes).map_err(unreadable)?;
                self.expect(name.checksum, attributes)?;
            }
            _ => self.import.keep(name, bytes)?,
        }
        Ok(())
    }

    /// Remembers the xattrs of the next object.
    fn expect(&mut self, object: Sha256Digest, attributes: Attributes) -> Result<(), Error> {
        match self.next.replace((object, attributes)) {
            Some((object, _)) => Err(Error::XattrsApart { object }),
            None => Ok(()),
        }
    }
}

impl<O> File<O> {
    /// Takes the next bytes.
    pub fn feed<V: Volume<Open = O>>(
        &mut self,
        store: &mut Store<V>,
        more: &[u8],
    ) -> Result<(), RoomError> {
        match &mut self.content {
            Content::File(incoming) => store.feed(incoming, more),
            Content::Held { bytes, limit_bytes } => {
                if more.len() > limit_bytes.saturating_sub(bytes.len()) {
                    return Err(too_large(&self.name, *limit_bytes).into());
                }
                bytes.extend_from_slice(more);
                Ok(())
            }
        }
    }

    /// Takes zeros of a sparse file.
    pub fn feed_hole<V: Volume<Open = O>>(
        &mut self,
        store: &mut Store<V>,
        len_bytes: u64,
    ) -> Result<(), RoomError> {
        match &mut self.content {
            Content::File(incoming) => store.feed_hole(incoming, len_bytes),
            Content::Held { bytes, limit_bytes } => {
                let room = limit_bytes.saturating_sub(bytes.len());
                let len = usize::try_from(len_bytes).ok().filter(|len| *len <= room);
                let len = len.ok_or_else(|| too_large(&self.name, *limit_bytes))?;
                bytes.resize(bytes.len() + len, 0);
                Ok(())
            }
        }
    }
}

/// Commits files under their own checksums.
fn commit_object_set<V: Volume>(
    store: &mut Store<V>,
    files: &BTreeSet<Sha256Digest>,
) -> Result<Sha256Digest, RoomError> {
    let path = "the objects of a layer";
    let mut tree = object::Dirtree::default();
    for checksum in files {
        tree.file(&checksum.to_hex(), *checksum);
    }
    let tree = store.metadata(path, "dirtree", &tree.finish())?;
    let meta = store.metadata(path, "dirmeta", &object::dirmeta(&Meta::root_owned(0o755)))?;
    let commit = object::Commit { metadata: &[], parent: None, timestamp_secs: 0, tree, meta };
    store.metadata(path, "commit", &commit.encode())
}

fn verify(name: &Name, actual: Sha256Digest) -> Result<(), Error> {
    if actual == name.checksum {
        return Ok(());
    }
    Err(Error::Checksum { object: name.to_string(), actual })
}

fn kind(name: &Name, found: &'static str) -> RoomError {
    Error::EntryKind { object: name.to_string(), found }.into()
}

fn too_large(name: &Name, limit_bytes: usize) -> Error {
    Error::TooLarge { object: name.to_string(), limit_bytes }
}
