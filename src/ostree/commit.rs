//! Trees become dirtree and dirmeta objects, and those a commit (ostree-contract 2.2, 2.3).

use super::error::Error;
use super::gvariant;
use super::object::{Commit, Dirtree, dirmeta};
use super::store::Store;
use crate::digest::Sha256Digest;
use crate::spec::Image;
use crate::tree::{Directory, MetaId};
use crate::volume::Volume;

/// The version of the importer whose results ours equal.
pub const IMPORTER_VERSION: &str = "0.15.3";
const IMPORTER_KEY: &str = "ostree.importer.version";

/// Commits the tree of one layer. The importer commits a layer that the manifest names `times` times
/// onto itself, of which only the last commit stays.
pub fn layer<V: Volume>(
    store: &mut Store<V>,
    tree: &Directory,
    times: usize,
    timestamp_secs: i64,
) -> Result<Sha256Digest, Error> {
    let metadata = [(IMPORTER_KEY, text(IMPORTER_VERSION))];
    let (tree, meta) = write_root(store, tree)?;
    let mut commit = Commit { metadata: &metadata, parent: None, timestamp_secs, tree, meta };
    for _ in 1..times {
        commit.parent = Some(Sha256Digest::of(&commit.encode()));
    }
    store.metadata("the commit", "commit", &commit.encode())
}

/// Commits the merged tree of an image; `parent` is the commit that the image carries.
pub fn merge<V: Volume>(
    store: &mut Store<V>,
    tree: &Directory,
    image: &Image,
    parent: Option<Sha256Digest>,
    timestamp_secs: i64,
) -> Result<Sha256Digest, Error> {
    let metadata = [
        ("ostree.container.image-config", text(&image.canonical_config)),
        (IMPORTER_KEY, text(IMPORTER_VERSION)),
        ("ostree.manifest", text(&image.canonical_manifest)),
        ("ostree.manifest-digest", text(&image.manifest_digest.to_oci())),
    ];
    let (tree, meta) = write_root(store, tree)?;
    let commit = Commit { metadata: &metadata, parent, timestamp_secs, tree, meta };
    store.metadata("the commit", "commit", &commit.encode())
}

fn text(value: &str) -> Vec<u8> {
    gvariant::variant(&gvariant::string(value), "s")
}

/// Writes the objects of a tree; returns the checksums of its dirtree and dirmeta.
fn write_root<V: Volume>(
    store: &mut Store<V>,
    root: &Directory,
) -> Result<(Sha256Digest, Sha256Digest), Error> {
    let tree = write_tree(store, "/", root)?;
    Ok((tree, write_meta(store, "/", root.meta)?))
}

fn write_tree<V: Volume>(
    store: &mut Store<V>,
    path: &str,
    directory: &Directory,
) -> Result<Sha256Digest, Error> {
    let mut dirtree = Dirtree::default();
    for (name, object) in directory.files() {
        dirtree.file(name, store.object(object).checksum);
    }
    for (name, below) in directory.directories() {
        let tree = write_tree(store, name, below)?;
        let meta = write_meta(store, name, below.meta)?;
        dirtree.directory(name, tree, meta);
    }
    store.metadata(path, "dirtree", &dirtree.finish())
}

fn write_meta<V: Volume>(
    store: &mut Store<V>,
    path: &str,
    meta: MetaId,
) -> Result<Sha256Digest, Error> {
    let bytes = dirmeta(store.meta(meta));
    store.metadata(path, "dirmeta", &bytes)
}
