//! The deployment: a commit's tree as a farm of hard links, with its own `/etc`, the stateroot's
//! `/var`, and what boots it (ostree-contract 1.5, 4.1 to 4.7).

use super::checkout;
use super::error::Error;
use super::store::Store;
use super::sysroot::Sysroot;
use crate::additions::Addition;
use crate::digest::Sha256Digest;
use crate::labels::{FileType, Labels};
use crate::tree::{Directory, Node, ObjectId};
use crate::volume::{Inode, Meta, Timestamp, Volume, Xattrs};

const COMPOSEFS: &str = ".ostree.cfs";
/// Says that the stateroot's `/var` is labelled.
const STAMP: &str = ".ostree-selabeled";

/// A file of the merged tree that `/boot` gets under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFile {
    /// Path in the merged tree.
    pub source: String,
    /// Path below `/boot/ostree/<stateroot>-<boot checksum>/`.
    pub name: String,
    /// Whether `/boot` gets a copy without xattrs instead of another link to the file.
    pub is_copied: bool,
}

/// Where the installed system mounts a further file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// Path on the running system, without leading `/`, no link in it. Below `var` it is made where it
    /// is missing; elsewhere it must be a directory of the tree.
    pub path: String,
    /// Number of the file system in the volume; none when the volume does not have it. What the image
    /// has in `/var` there is moved onto it.
    pub file_system: Option<usize>,
}

/// Everything about a deployment that is decided elsewhere.
#[derive(Debug)]
pub struct Deployment<'a> {
    /// Name of the stateroot.
    pub stateroot: &'a str,
    /// The merge commit.
    pub commit: Sha256Digest,
    /// Its tree.
    pub tree: &'a Directory,
    /// Kernel, initramfs and what belongs to them.
    pub boot_files: &'a [BootFile],
    /// From [`BootChecksum`](super::BootChecksum).
    pub boot_checksum: Sha256Digest,
    /// Text of the BLS entry.
    pub bls_entry: &'a str,
    /// `container-image-reference` of the origin file.
    pub origin: &'a str,
    /// What `etc` of the deployment and `var` of the stateroot have besides the image's files.
    pub additions: &'a [Addition],
    /// Further file systems, `/boot` aside, which is mounted ([`Sysroot::mount`]) before.
    pub mount_points: &'a [MountPoint],
    /// A file without a name yet that is the deployment's `.ostree.cfs`.
    pub composefs: Option<Inode>,
    /// The policy, for what is copied out of the image.
    pub labels: Option<&'a dyn Labels>,
}

impl<'a> Deployment<'a> {
    /// Additions whose path begins with `folder`.
    fn additions_in(&self, folder: &'static str) -> impl Iterator<Item = &'a Addition> + use<'a> {
        self.additions.iter().filter(move |addition| addition.path.starts_with(folder))
    }
}

/// The regular file that `path` of the deployed image is, or leads to through links.
pub fn find_file<V: Volume>(
    sysroot: &Sysroot<V>,
    tree: &Directory,
    path: &str,
) -> Option<super::store::Object> {
    let object = sysroot.store.object(follow(&sysroot.store, tree, path).ok()?);
    object.is_regular.then_some(object)
}

/// The regular file that `path` is, or leads to through links.
pub(super) fn follow<V: Volume>(
    store: &Store<V>,
    tree: &Directory,
    path: &str,
) -> Result<ObjectId, Error> {
    use crate::files::{Deployed, Files as _};
    let files = super::image_files::ImageFiles::new(store, tree);
    let real = Deployed(&files).resolve(path).ok_or_else(|| Error::Missing(path.to_owned()))?;
    at(tree, &real)
}

fn at(tree: &Directory, path: &str) -> Result<ObjectId, Error> {
    match tree.get(path) {
        Some(Node::File(object)) => Ok(*object),
        _ => Err(Error::Missing(path.to_owned())),
    }
}

/// Writes the deployment, its boot files, links, refs and origin.
pub fn deploy<V: Volume>(
    sysroot: &mut Sysroot<V>,
    deployment: &Deployment<'_>,
) -> Result<(), Error> {
    let Deployment { stateroot, commit, tree, boot_checksum, .. } = deployment;
    let state = format!("ostree/deploy/{stateroot}");
    let name = format!("{commit}.0");

    let mut links = checkout::Links::default();
    let root = checkout::farm(&mut sysroot.store, tree, &mut links)?;
    etc(sysroot, deployment, root)?;
    sysroot.link(&format!("{state}/deploy/{name}"), root)?;
    if let Some(image) = deployment.composefs {
        sysroot
            .store
            .volume
            .link(root, COMPOSEFS.as_bytes(), image)
            .map_err(Error::volume(COMPOSEFS))?;
        let meta = Meta { mtime: sysroot.time(), ..Meta::root_owned(0o644) };
        let path = format!("{state}/deploy/{name}/{COMPOSEFS}");
        sysroot.record(&path, image, meta, FileType::Regular);
    }
    sysroot.store.volume.set_immutable(root).map_err(Error::volume("the deployment"))?;
    var(sysroot, &format!("{state}/var"), deployment)?;
    for point in deployment.mount_points {
        mount_root(sysroot, &state, point, tree)?;
    }

    let backing = format!("{state}/backing/{name}/root-transient");
    for path in [format!("{state}/backing"), format!("{state}/backing/{name}"), backing.clone()] {
        sysroot.directory(&path, 0o700)?;
    }
    sysroot.directory(&format!("{backing}/work"), 0o700)?;
    let mode = sysroot.store.meta(tree.meta).mode;
    sysroot.directory(&format!("{backing}/upper"), mode)?;

    let origin = format!("[origin]\ncontainer-image-reference={}\n", deployment.origin);
    sysroot.file(&format!("{state}/deploy/{name}.origin"), 0o644, origin.as_bytes())?;

    sysroot.symlink("ostree/boot.1", "boot.1.1")?;
    sysroot.symlink(
        &format!("ostree/boot.1.1/{stateroot}/{boot_checksum}/0"),
        &format!("../../../deploy/{stateroot}/deploy/{name}"),
    )?;
    sysroot.reference("ostree/1/1/0", *commit)?;
    boot(sysroot, deployment, &mut links)
}

/// The deployment's own `/etc`: a copy of `/usr/etc`, every inode its own.
fn etc<V: Volume>(
    sysroot: &mut Sysroot<V>,
    deployment: &Deployment<'_>,
    root: Inode,
) -> Result<(), Error> {
    let Some(usr_etc) = deployment.tree.directory("usr/etc") else { return Ok(()) };
    let time = sysroot.time();
    let mut copy = checkout::Copy::new(&mut sysroot.store, time, deployment.labels);
    copy.skip(".updated");
    deployment.additions_in("etc/").for_each(|addition| copy.add(addition));
    let etc = copy.directory("etc", usr_etc)?;
    sysroot.store.volume.link(root, b"etc", etc).map_err(Error::volume("etc"))
}

/// The stateroot's `/var`: a copy of the commit's, and what machines without tmpfiles.d need.
fn var<V: Volume>(
    sysroot: &mut Sysroot<V>,
    path: &str,
    deployment: &Deployment<'_>,
) -> Result<(), Error> {
    let (time, tree) = (sysroot.time(), deployment.tree);
    let mut var = sysroot.directory(path, 0o755)?;
    let own = deployment.mount_points.iter().find(|point| point.path == "var");
    let own = own.and_then(|point| point.file_system);
    if let Some(number) = own {
        // the stateroot's own directory must not look as if it still waited for the image's content
        sysroot.file(&format!("{path}/{STAMP}"), 0o644, b"")?;
        sysroot.mount(path, number)?;
        var = sysroot.directory(path, 0o755)?;
    }
    let empty = Directory::new(tree.meta);
    let content = tree.directory("var").unwrap_or(&empty);
    let mut copy = checkout::Copy::new(&mut sysroot.store, time, deployment.labels);
    copy.skip(".updated");
    copy.skip(STAMP);
    deployment.mount_points.iter().for_each(|point| copy.add_mount_point(point));
    deployment.additions_in("var/").for_each(|addition| copy.add(addition));
    let before = copy.select(own.unwrap_or(0));
    copy.fill("var", var, content)?;
    copy.select(before);
    if tree.directory("usr/lib/tmpfiles.d").is_none() {
        let is_added = |name: &str| {
            let additions = deployment.additions_in("var/").map(|addition| &addition.path);
            let points = deployment.mount_points.iter().map(|point| &point.path);
            let points = points.filter(|path| path.starts_with("var/"));
            additions.chain(points).any(|path| path.split('/').nth(1) == Some(name))
        };
        let is_missing = |name: &str| !content.entries.contains_key(name) && !is_added(name);
        for (name, mode) in [("tmp", 0o1777), ("lib", 0o755), ("log", 0o755)] {
            if is_missing(name) {
                sysroot.directory(&format!("{path}/{name}"), mode)?;
            }
        }
        for (name, target) in [("run", "../run"), ("lock", "../run/lock")] {
            if is_missing(name) {
                sysroot.symlink(&format!("{path}/{name}"), target)?;
            }
        }
    }
    sysroot.file(&format!("{path}/{STAMP}"), 0o644, b"")
}

/// The root of a further file system: below `/var` it was filled with what belongs there, elsewhere it
/// is empty.
fn mount_root<V: Volume>(
    sysroot: &mut Sysroot<V>,
    state: &str,
    point: &MountPoint,
    tree: &Directory,
) -> Result<(), Error> {
    let Some(number) = point.file_system.filter(|_| point.path != "var") else { return Ok(()) };
    if point.path.starts_with("var/") {
        sysroot.is_mounted(&format!("{state}/{}", point.path), number);
        return Ok(());
    }
    let missing = || Error::Missing(point.path.clone());
    let directory = tree.directory(&point.path).ok_or_else(missing)?;
    let meta = Meta { xattrs: Xattrs::default(), ..sysroot.store.meta(directory.meta).clone() };
    sysroot.mount_root(&point.path, number, meta).map(|_| ())
}

/// `/boot`: the kernel's files, hard-linked, and the BLS entry behind `loader`. On a file system of its
/// own it gets copies.
fn boot<V: Volume>(
    sysroot: &mut Sysroot<V>,
    deployment: &Deployment<'_>,
    links: &mut checkout::Links,
) -> Result<(), Error> {
    let Deployment { stateroot, boot_checksum, tree, .. } = deployment;
    let directory = format!("boot/ostree/{stateroot}-{boot_checksum}");
    let has_own = sysroot.is_mount_point("boot");
    for BootFile { source, name, is_copied } in deployment.boot_files {
        let object = at(tree, source)?;
        let path = format!("{directory}/{name}");
        if *is_copied || has_own {
            let meta =
                copied(sysroot.store.meta(sysroot.store.object(object).meta), sysroot.time());
            let meta = Meta { xattrs: Xattrs::default(), ..meta };
            let file_type = sysroot.store.object(object).file_type();
            let before = sysroot.select_for(&path);
            let inode = checkout::copy_object(&mut sysroot.store, source, object, &meta)?;
            sysroot.store.volume.select(before);
            sysroot.adopt(&path, inode, meta, file_type)?;
        } else {
            let inode = links.name(&mut sysroot.store, source, object)?;
            sysroot.link(&path, inode)?;
        }
    }
    sysroot.symlink("boot/boot", ".")?;
    sysroot.symlink("boot/loader", "loader.1")?;
    sysroot.file("boot/loader.1/entries/ostree-1.conf", 0o644, deployment.bls_entry.as_bytes())
}

/// Owner, mode, xattrs and time of a copied inode.
pub(super) fn copied(meta: &Meta, time: Timestamp) -> Meta {
    Meta { mtime: time, ..meta.clone() }
}
