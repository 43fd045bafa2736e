//! One layer's tar entries become one layer commit (ostree-contract 3.4).
//!
//! Entries are given in the order of the tar. What is peculiar, because the importer does it so and
//! the machine's next upgrade would make the same tree:
//!
//! * An entry whose parent directory is missing creates it, and rewrites owner and mode of *every*
//!   directory above, listed or not: 0755, the entry's owner, no xattrs.
//! * Hard links are resolved after all other entries, to the final content of their target, and
//!   win over a file of the same name.
//! * A regular file below `sysroot/ostree/repo` with a time after 1970 is a store for hard links:
//!   the first link to it is the file, the others are links to that one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::Error;
use super::link;
use super::path::{PathError, Placement, place};
use super::store::{Incoming, Store};
use crate::labels::{FileType, Labels};
use crate::tree::{Directory, MetaId, Node, ObjectId};
use crate::volume::{Meta, Volume};

const POLICIES: &str = "usr/etc/selinux/";
const HARDLINK_STORE: &str = "sysroot/ostree/repo/";

/// A layer being read.
#[derive(Debug)]
pub struct LayerTree {
    root: Directory,
    links: BTreeMap<String, String>,
    held: BTreeMap<String, ObjectId>,
    first_names: BTreeMap<String, String>,
    likely: Option<Arc<dyn Labels + Send + Sync>>,
    policy_changed: bool,
    is_usr_only: bool,
    /// How many entries were dropped, by first component.
    dropped: BTreeMap<String, u64>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
}

/// A regular file of the layer whose content is arriving.
#[derive(Debug)]
pub struct LayerFile<O> {
    path: String,
    is_store: bool,
    incoming: Incoming<O>,
}

impl LayerTree {
    /// The tree of a layer without entries.
    pub fn new<V: Volume>(store: &mut Store<V>) -> Result<Self, Error> {
        let meta = store.intern(&Meta::root_owned(0o755))?;
        Ok(Self {
            root: Directory::new(meta),
            links: BTreeMap::new(),
            held: BTreeMap::new(),
            first_names: BTreeMap::new(),
            likely: None,
            policy_changed: false,
            is_usr_only: false,
            dropped: BTreeMap::new(),
            warnings: Vec::new(),
        })
    }

    /// Drops what is neither in `/usr`, `/etc` nor `/var`, nor a directory that every system mounts
    /// something on: so the importer does over a carried commit without a writable root.
    pub fn keep_usr_only(&mut self) {
        self.is_usr_only = true;
    }

    fn place(&mut self, raw: &[u8]) -> Result<Placement, PathError> {
        const KEPT: [&str; 8] = ["", "usr", "var", "run", "tmp", "proc", "sys", "dev"];
        let placement = place(raw)?;
        if let (true, Placement::At(path)) = (self.is_usr_only, &placement) {
            let first = path.split('/').next().unwrap_or_default();
            if !KEPT.contains(&first) {
                *self.dropped.entry(first.to_owned()).or_default() += 1;
                return Ok(Placement::Dropped);
            }
        }
        Ok(placement)
    }

    /// Labels what comes from now on as `labels` say, which may turn out otherwise in the end.
    pub fn guess_labels<L: Labels + Send + Sync + 'static>(&mut self, labels: Option<Arc<L>>) {
        self.likely = labels.map(|labels| -> Arc<dyn Labels + Send + Sync> { labels });
    }

    /// Whether entries below `/etc/selinux` have come since the last time this was asked.
    pub fn take_policy_change(&mut self) -> bool {
        std::mem::take(&mut self.policy_changed)
    }

    /// The tree so far, hard links not among it.
    pub fn so_far(&self) -> &Directory {
        &self.root
    }

    /// `meta` with the label that is likely for a placed path.
    fn labelled<'m, V: Volume>(
        &self,
        store: &mut Store<V>,
        path: &str,
        file_type: FileType,
        meta: &'m Meta,
    ) -> Result<Cow<'m, Meta>, Error> {
        let Some(labels) = &self.likely else { return Ok(Cow::Borrowed(meta)) };
        let guess = store.guess(&**labels, &format!("/{path}"), file_type, meta)?;
        Ok(guess.map_or(Cow::Borrowed(meta), Cow::Owned))
    }

    /// Adds a directory.
    pub fn directory<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        raw_path: &[u8],
        meta: &Meta,
    ) -> Result<(), Error> {
        let Placement::At(path) = self.place(raw_path)? else { return Ok(()) };
        let labelled = self.labelled(store, &path, FileType::Directory, meta)?;
        let id = store.intern(&labelled)?;
        if path.is_empty() {
            self.root.meta = id;
            return Ok(());
        }
        let (parent, name) = self.parent(store, &path, meta)?;
        match parent.entries.get_mut(name) {
            Some(Node::Directory(existing)) => existing.meta = id,
            Some(node @ Node::File(_)) => {
                *node = Node::Directory(Box::new(Directory::new(id)));
                self.warn_type_change(&path);
            }
            None => {
                let made = Node::Directory(Box::new(Directory::new(id)));
                parent.entries.insert(name.into(), made);
            }
        }
        Ok(())
    }

    /// Starts a regular file; `None` when its path is dropped, and its content with it.
    pub fn begin_file<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        raw_path: &[u8],
        meta: &Meta,
    ) -> Result<Option<LayerFile<V::Open>>, Error> {
        let Placement::At(path) = self.place(raw_path)? else { return Ok(None) };
        let is_store = path.starts_with(HARDLINK_STORE) && meta.mtime.secs > 0;
        let labelled = self.labelled(store, &path, FileType::Regular, meta)?;
        let incoming = store.begin(&path, &labelled, None)?;
        self.policy_changed |= path.starts_with(POLICIES);
        if !is_store {
            self.parent(store, &path, meta)?;
        }
        Ok(Some(LayerFile { path, is_store, incoming }))
    }

    /// Puts a file whose content is complete into the tree.
    pub fn finish_file<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        file: LayerFile<V::Open>,
    ) -> Result<(), Error> {
        let object = store.finish(file.incoming)?;
        if file.is_store {
            self.held.insert(file.path, object);
            return Ok(());
        }
        self.put(&file.path, object)
    }

    /// Adds a symbolic link.
    pub fn symlink<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        raw_path: &[u8],
        meta: &Meta,
        target: &[u8],
    ) -> Result<(), Error> {
        let Placement::At(path) = self.place(raw_path)? else { return Ok(()) };
        let target = link::check(&path, &format!("`{path}`"), meta, target)?;
        self.warnings.extend(target.warning);
        self.parent(store, &path, meta)?;
        let labelled = self.labelled(store, &path, FileType::Symlink, meta)?;
        let object = store.symlink(&path, &labelled, &stored_target(target.text), None)?;
        self.put(&path, object)
    }

    /// Adds a hard link; its target is looked up when the layer is complete.
    pub fn hardlink<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        raw_path: &[u8],
        meta: &Meta,
        raw_target: &[u8],
    ) -> Result<(), Error> {
        let Placement::At(path) = self.place(raw_path)? else { return Ok(()) };
        let Placement::At(mut target) = self.place(raw_target)? else {
            let target = String::from_utf8_lossy(raw_target).into_owned();
            return Err(Error::HardlinkTarget { path, target });
        };
        self.parent(store, &path, meta)?;
        if let Some(object) = self.held.remove(&target) {
            self.first_names.insert(target, path.clone());
            return self.put(&path, object);
        }
        if let Some(first) = self.first_names.get(&target) {
            target.clone_from(first);
        }
        self.links.insert(path, target);
        Ok(())
    }

    /// Refuses an entry that commits cannot hold, unless its path is dropped anyway.
    pub fn unsupported(&mut self, raw_path: &[u8], kind: &'static str) -> Result<(), Error> {
        match self.place(raw_path)? {
            Placement::At(path) => Err(Error::UnsupportedType { path, kind }),
            Placement::Dropped => Ok(()),
        }
    }

    /// The complete tree, whose objects are settled.
    pub fn finish<V: Volume>(
        mut self,
        store: &mut Store<V>,
    ) -> Result<(Directory, Vec<String>), Error> {
        store.settle()?;
        let links = std::mem::take(&mut self.links);
        let mut resolved = Vec::with_capacity(links.len());
        for (path, target) in &links {
            let last = follow(&links, path, target)?;
            match self.root.get(last) {
                Some(Node::File(object)) => resolved.push((path, *object)),
                _ => {
                    let (path, target) = (path.clone(), target.clone());
                    return Err(Error::HardlinkTarget { path, target });
                }
            }
        }
        for (path, object) in resolved {
            self.put(path, object)?;
        }
        if !self.dropped.is_empty() {
            let named: Vec<String> =
                self.dropped.iter().map(|(name, count)| format!("/{name} ({count})")).collect();
            self.warnings.push(format!(
                "paths outside of /usr, /etc and /var are dropped, because the image's base has \
                 neither composefs nor a transient root: {}",
                named.join(", ")
            ));
        }
        canonical(&mut self.root, store);
        Ok((self.root, self.warnings))
    }

    /// Puts a file where its parent directory is known to exist.
    fn put(&mut self, path: &str, object: ObjectId) -> Result<(), Error> {
        if path.is_empty() || path == "usr/etc" {
            return Err(Error::MustBeDirectory { path: format!("/{path}") });
        }
        let (parent_path, name) = split(path);
        let missing =
            || Error::ParentNotDirectory { path: path.to_owned(), parent: parent_path.to_owned() };
        let parent = walk(&mut self.root, parent_path).ok_or_else(missing)?;
        if let Some(Node::Directory(_)) = parent.entries.insert(name.into(), Node::File(object)) {
            self.warn_type_change(path);
        }
        Ok(())
    }

    fn warn_type_change(&mut self, path: &str) {
        self.warnings.push(format!(
            "`{path}` is a file and a directory in one layer: the later entry wins, but the \
             installed system's own updater fails on such a layer"
        ));
    }

    /// The parent directory of `path` and the last component, after creating what is missing.
    fn parent<'t, 'p, V: Volume>(
        &'t mut self,
        store: &mut Store<V>,
        path: &'p str,
        meta: &Meta,
    ) -> Result<(&'t mut Directory, &'p str), Error> {
        let (parent_path, name) = split(path);
        if self.root.directory(parent_path).is_none() {
            let owner = Meta { mode: 0o755, uid: meta.uid, gid: meta.gid, ..Meta::default() };
            self.create_chain(store, path, parent_path, &owner)?;
        }
        let parent = walk(&mut self.root, parent_path).expect("created above when missing");
        Ok((parent, name))
    }

    fn create_chain<V: Volume>(
        &mut self,
        store: &mut Store<V>,
        path: &str,
        parent: &str,
        owner: &Meta,
    ) -> Result<(), Error> {
        let ends = parent.match_indices('/').map(|(at, _)| at).chain([parent.len()]);
        let metas = [0].into_iter().chain(ends).map(|end| {
            let labelled = self.labelled(store, &parent[..end], FileType::Directory, owner)?;
            store.intern(&labelled)
        });
        let metas = metas.collect::<Result<Vec<MetaId>, Error>>()?;
        let mut directory = &mut self.root;
        directory.meta = metas[0];
        let mut done = 0;
        for (component, meta) in parent.split('/').zip(metas.into_iter().skip(1)) {
            done += component.len() + 1;
            let node = directory
                .entries
                .entry(component.into())
                .or_insert_with(|| Node::Directory(Box::new(Directory::new(meta))));
            match node {
                Node::Directory(below) => {
                    below.meta = meta;
                    directory = below;
                }
                Node::File(_) => {
                    let parent = parent[..done - 1].to_owned();
                    return Err(Error::ParentNotDirectory { path: path.to_owned(), parent });
                }
            }
        }
        Ok(())
    }
}

impl<O> LayerFile<O> {
    /// Takes the next bytes.
    pub fn feed<V: Volume<Open = O>>(
        &mut self,
        store: &mut Store<V>,
        bytes: &[u8],
    ) -> Result<(), Error> {
        store.feed(&mut self.incoming, bytes)
    }

    /// Takes zeros of a sparse file.
    pub fn feed_hole<V: Volume<Open = O>>(
        &mut self,
        store: &mut Store<V>,
        len_bytes: u64,
    ) -> Result<(), Error> {
        store.feed_hole(&mut self.incoming, len_bytes)
    }
}

/// A link's target as the importer stores it: its tar writer spells targets that fit the header's
/// field without doubled slashes and inner `.`, longer ones as they are.
fn stored_target(target: &str) -> Cow<'_, str> {
    const HEADER_FIELD_BYTES: usize = 100;
    let kept: Vec<&str> =
        target.split('/').filter(|component| !matches!(*component, "" | ".")).collect();
    let root = if target.starts_with('/') { "/" } else { "" };
    let slash = if target.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    let spelt = format!("{root}{}{slash}", kept.join("/"));
    match spelt.as_str() {
        "" => ".".into(),
        text if text.len() > HEADER_FIELD_BYTES => target.into(),
        _ => spelt.into(),
    }
}

/// Follows links to links; a link to itself is the file of that name.
fn follow<'l>(
    links: &'l BTreeMap<String, String>,
    path: &'l str,
    target: &'l str,
) -> Result<&'l str, Error> {
    let mut seen = BTreeSet::from([path]);
    let mut last = target;
    while let Some(next) = links.get(last) {
        if next == last {
            break;
        }
        if !seen.insert(last) {
            let (path, target) = (path.to_owned(), target.to_owned());
            return Err(Error::HardlinkTarget { path, target });
        }
        last = next;
    }
    Ok(last)
}

/// Gives every file the one number of its object.
fn canonical<V: Volume>(directory: &mut Directory, store: &Store<V>) {
    for node in directory.entries.values_mut() {
        match node {
            Node::Directory(below) => canonical(below, store),
            Node::File(id) => *id = store.canonical(*id),
        }
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn walk<'t>(root: &'t mut Directory, path: &str) -> Option<&'t mut Directory> {
    if path.is_empty() {
        return Some(root);
    }
    path.split('/').try_fold(root, |directory, name| directory.subdirectory_mut(name))
}
