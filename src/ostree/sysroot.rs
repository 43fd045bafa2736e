//! The directories and small files around a deployment: what is neither object nor image content.

use std::collections::BTreeMap;

use super::error::Error;
use super::made::{Made, labelled_path};
use super::refs;
use super::relabel::with_bare_label;
use super::store::Store;
use crate::digest::Sha256Digest;
use crate::labels::{FileType, Labels};
use crate::volume::{Inode, Meta, Timestamp, Volume};

/// A volume with the skeleton of an ostree sysroot and an object store in it.
#[derive(Debug)]
pub struct Sysroot<V> {
    /// The objects.
    pub store: Store<V>,
    tree: Places,
}

/// Directories made by us, by path from the physical root.
#[derive(Debug)]
struct Places {
    directories: BTreeMap<String, Inode>,
    made: Vec<Made>,
    mounted: Vec<Mounted>,
    time: Timestamp,
}

/// A further file system of the volume, and the path of its root.
#[derive(Debug)]
struct Mounted {
    path: String,
    number: usize,
}

impl<V: Volume> Sysroot<V> {
    /// Lays out an empty sysroot with a repository (ostree-contract 1.1, 4.1). `time` stamps
    /// everything whose time the contract leaves free.
    pub fn create(mut volume: V, time: Timestamp) -> Result<Self, Error> {
        let (directories, made, mounted) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut tree = Places { directories, made, mounted, time };
        tree.directories.insert(String::new(), volume.root());
        let root = Meta { mtime: time, ..Meta::root_owned(0o755) };
        volume.set_meta(volume.root(), &root).map_err(Error::volume("/"))?;
        tree.made.push(Made::directory("", volume.root(), root));
        for path in ["boot", "boot/efi", "ostree/bootc", "ostree/deploy"] {
            tree.directory(&mut volume, path, 0o755)?;
        }
        let repo = tree.directory(&mut volume, "ostree/repo", 0o755)?;
        for path in ["tmp/cache", "extensions", "state", "refs/heads", "refs/mirrors"] {
            tree.directory(&mut volume, &format!("ostree/repo/{path}"), 0o755)?;
        }
        tree.directory(&mut volume, "ostree/repo/refs/remotes", 0o755)?;
        let store = Store::create(volume, repo, time)?;
        let mut sysroot = Self { store, tree };
        sysroot.file("ostree/repo/.lock", 0o640, b"")?;
        Ok(sysroot)
    }

    /// The directory at `path`, made with `mode` when missing; missing parents get 0755.
    pub fn directory(&mut self, path: &str, mode: u16) -> Result<Inode, Error> {
        self.tree.directory(&mut self.store.volume, path, mode)
    }

    /// Makes a file owned by root.
    pub fn file(&mut self, path: &str, mode: u16, bytes: &[u8]) -> Result<(), Error> {
        let meta = Meta { mtime: self.tree.time, ..Meta::root_owned(mode) };
        let inode = self.create_at(path, |volume| volume.file(&meta, bytes))?;
        self.adopt(path, inode, meta, FileType::Regular)
    }

    /// Makes a symbolic link owned by root.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), Error> {
        let meta = Meta { mtime: self.tree.time, ..Meta::root_owned(0o777) };
        let inode = self.create_at(path, |volume| volume.symlink(&meta, target.as_bytes()))?;
        self.adopt(path, inode, meta, FileType::Symlink)
    }

    /// Makes what will be at `path`, on the file system that is there.
    pub(super) fn create_at<T>(
        &mut self,
        path: &str,
        create: impl FnOnce(&mut V) -> Result<T, V::Error>,
    ) -> Result<T, Error> {
        let before = self.select_for(path);
        let created = create(&mut self.store.volume).map_err(Error::volume(path))?;
        self.store.volume.select(before);
        Ok(created)
    }

    /// Chooses the file system that has what is at `path`; returns the one chosen before.
    pub(super) fn select_for(&mut self, path: &str) -> usize {
        self.store.volume.select(self.tree.number(path))
    }

    /// From now on, what is made below `path` goes to file system `number` of the volume. What was
    /// made there before stays where it is, hidden below the mount point.
    pub fn mount(&mut self, path: &str, number: usize) -> Result<(), Error> {
        self.directory(path, 0o755)?;
        let below = format!("{path}/");
        self.tree.directories.retain(|directory, _| !directory.starts_with(&below));
        let root = self.mount_root(path, number, Meta::root_owned(0o755))?;
        self.tree.directories.insert(path.to_owned(), root);
        Ok(())
    }

    /// Says that file system `number` will be mounted at `path`, where a deployment has its mount
    /// point, and what its root is like. Nothing is made there.
    pub(super) fn mount_root(
        &mut self,
        path: &str,
        number: usize,
        meta: Meta,
    ) -> Result<Inode, Error> {
        let meta = Meta { mtime: self.tree.time, ..meta };
        self.is_mounted(path, number);
        let before = self.store.volume.select(number);
        let root = self.store.volume.root();
        self.store.volume.set_meta(root, &meta).map_err(Error::volume(path))?;
        self.store.volume.select(before);
        self.tree.made.push(Made::directory(path, root, meta));
        Ok(root)
    }

    /// Says that file system `number`, whose root is complete, will be mounted at `path`.
    pub(super) fn is_mounted(&mut self, path: &str, number: usize) {
        self.tree.mounted.push(Mounted { path: path.to_owned(), number });
    }

    /// Whether `path` is where a further file system is mounted.
    pub(super) fn is_mount_point(&self, path: &str) -> bool {
        self.tree.mounted.iter().any(|mounted| mounted.path == path)
    }

    /// Gives an inode that is not part of the image its only name.
    pub(super) fn adopt(
        &mut self,
        path: &str,
        inode: Inode,
        meta: Meta,
        file_type: FileType,
    ) -> Result<(), Error> {
        self.record(path, inode, meta, file_type);
        self.link(path, inode)
    }

    /// Remembers an inode that is not part of the image, to be labelled by its path.
    pub(super) fn record(&mut self, path: &str, inode: Inode, meta: Meta, file_type: FileType) {
        self.tree.made.push(Made { path: path.to_owned(), inode, meta, file_type });
    }

    /// Labels everything around the deployment as the policy says; objects and copies of the image's
    /// files have their labels already.
    pub fn label(&mut self, labels: &dyn Labels) -> Result<(), Error> {
        let Self { store, tree } = self;
        for made in tree.made.iter().chain(&store.take_own()) {
            made.label(&mut store.volume, labels)?;
        }
        let root = Mounted { path: String::new(), number: 0 };
        for Mounted { path, number } in [&root].into_iter().chain(&tree.mounted) {
            let path = format!("{}/lost+found", labelled_path(path));
            let Some(context) = labels.label(&path, FileType::Directory) else { continue };
            let xattrs = with_bare_label(&Meta::default(), &context).xattrs;
            let before = store.volume.select(*number);
            store.volume.set_lost_found_xattrs(&xattrs).map_err(Error::volume("lost+found"))?;
            store.volume.select(before);
        }
        Ok(())
    }

    /// Gives an inode a name; missing parent directories are made.
    pub fn link(&mut self, path: &str, inode: Inode) -> Result<(), Error> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directory(parent, 0o755)?;
        self.store.volume.link(parent, name.as_bytes(), inode).map_err(Error::volume(path))
    }

    /// Makes a ref; `name` is below `refs/heads`.
    pub fn reference(&mut self, name: &str, commit: Sha256Digest) -> Result<(), Error> {
        self.file(
            &format!("ostree/repo/refs/heads/{name}"),
            0o644,
            format!("{commit}\n").as_bytes(),
        )
    }

    /// The ref of a layer's commit, by the digest of its blob.
    pub fn layer_reference(
        &mut self,
        blob: Sha256Digest,
        commit: Sha256Digest,
    ) -> Result<(), Error> {
        let name = refs::escape(&blob.to_oci()).unwrap_or_default();
        self.reference(&format!("ostree/container/blob/{name}"), commit)
    }

    /// The ref of the image; `image` is transport and name (`docker://host/name:tag`).
    pub fn image_reference(&mut self, image: &str, commit: Sha256Digest) -> Result<(), Error> {
        let name = refs::escape(image).ok_or_else(|| Error::RefName(image.to_owned()))?;
        self.reference(&format!("ostree/container/image/{name}"), commit)
    }

    /// The time of everything whose time is free.
    pub fn time(&self) -> Timestamp {
        self.tree.time
    }

    /// The volume, complete but for its own metadata.
    pub fn into_volume(self) -> V {
        self.store.volume
    }
}

impl Places {
    fn directory<V: Volume>(
        &mut self,
        volume: &mut V,
        path: &str,
        mode: u16,
    ) -> Result<Inode, Error> {
        if let Some(known) = self.directories.get(path) {
            return Ok(*known);
        }
        let (parent_path, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.directory(volume, parent_path, 0o755)?;
        let meta = Meta { mtime: self.time, ..Meta::root_owned(mode) };
        let before = volume.select(self.number(path));
        let made = volume.directory(&meta).map_err(Error::volume(path))?;
        volume.select(before);
        volume.link(parent, name.as_bytes(), made).map_err(Error::volume(path))?;
        self.made.push(Made::directory(path, made, meta));
        self.directories.insert(path.to_owned(), made);
        Ok(made)
    }

    /// Number of the file system that has what is at `path`.
    fn number(&self, path: &str) -> usize {
        let is_below = |mounted: &&Mounted| {
            path.strip_prefix(&mounted.path).is_some_and(|rest| rest.starts_with('/'))
        };
        let all = self.mounted.iter().filter(is_below);
        all.max_by_key(|mounted| mounted.path.len()).map_or(0, |mounted| mounted.number)
    }
}
