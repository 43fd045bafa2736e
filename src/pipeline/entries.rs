//! The entries of one layer go where they belong: into a tree, or into the commit that the image
//! carries.

use std::io::BufRead;

use super::ahead::Unpacked;
use super::error::LayerError;
use super::import::Context;
use super::likely::Likely;
use super::soon::Soon;
use crate::digest::Sha256Digest;
use crate::layers::{self, Chunk, Entry, Kind};
use crate::ostree::encapsulated;
use crate::ostree::{self, LayerTree, Store};
use crate::progress::{Cancel, Event};
use crate::tree::Directory;
use crate::volume::{Meta, Volume};

/// What is not yet said of a layer that becomes a tree.
pub(super) struct Circumstances<'a> {
    /// Its place in the manifest, from 0.
    pub(super) index: usize,
    /// Whether only `/usr`, `/etc` and `/var` count.
    pub(super) is_usr_only: bool,
    /// The merged tree of the layers below it.
    pub(super) below: Option<&'a Directory>,
}

/// Reads an ordinary layer.
pub(super) fn read_layer<V: Volume>(
    store: &mut Store<V>,
    unpacked: Unpacked,
    circumstances: &Circumstances<'_>,
    likely: &mut Likely,
    soon: &mut Soon<'_>,
    context: Context<'_>,
) -> Result<Directory, LayerError> {
    let mut tree = LayerTree::new(store)?;
    if circumstances.is_usr_only {
        tree.keep_usr_only();
    }
    likely.begin(&mut tree);
    let mut reader = layers::Reader::new(unpacked.bytes, &unpacked.warnings);
    while let Some(entry) = reader.next_entry()? {
        check(context.cancel)?;
        likely.look(&entry.path, store, &mut tree, circumstances.below)?;
        soon.look(&entry.path, store, &tree, circumstances.below)?;
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        read_entry(store, &mut tree, &mut reader, entry, context.cancel)
            .map_err(|error| error.at(path))?;
    }
    let (tree, warnings) = tree.finish(store)?;
    warn(circumstances.index, &warnings, &unpacked.warnings, context);
    Ok(tree)
}

fn read_entry<V: Volume, R: BufRead>(
    store: &mut Store<V>,
    tree: &mut LayerTree,
    reader: &mut layers::Reader<R>,
    entry: Entry,
    cancel: &Cancel,
) -> Result<(), LayerError> {
    let Entry { path, kind, mode, uid, gid, mtime, xattrs } = entry;
    let meta = Meta { mode, uid, gid, mtime, xattrs };
    match kind {
        Kind::Directory => Ok(tree.directory(store, &path, &meta)?),
        Kind::Symlink { target } => Ok(tree.symlink(store, &path, &meta, &target)?),
        Kind::Hardlink { target } => Ok(tree.hardlink(store, &path, &meta, &target)?),
        Kind::Regular { .. } => {
            let Some(mut file) = tree.begin_file(store, &path, &meta)? else { return Ok(()) };
            while let Some(chunk) = reader.next_chunk()? {
                check(cancel)?;
                match chunk {
                    Chunk::Data(bytes) => file.feed(store, bytes)?,
                    Chunk::Hole(len_bytes) => file.feed_hole(store, len_bytes)?,
                }
            }
            Ok(tree.finish_file(store, file)?)
        }
        other => Ok(tree.unsupported(&path, name(&other))?),
    }
}

/// Reads a layer of the commit that the image carries; returns the layer's commit.
pub(super) fn read_carried<V: Volume>(
    store: &mut Store<V>,
    mut layer: encapsulated::Layer<'_>,
    unpacked: Unpacked,
    index: usize,
    context: Context<'_>,
) -> Result<Sha256Digest, LayerError> {
    let mut reader = layers::Reader::new(unpacked.bytes, &unpacked.warnings);
    while let Some(entry) = reader.next_entry()? {
        check(context.cancel)?;
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        read_carried_entry(store, &mut layer, &mut reader, entry, context.cancel)
            .map_err(|error| error.at(path))?;
    }
    let (commit, warnings) = layer.finish(store)?;
    warn(index, &warnings, &unpacked.warnings, context);
    Ok(commit)
}

fn read_carried_entry<V: Volume, R: BufRead>(
    store: &mut Store<V>,
    layer: &mut encapsulated::Layer<'_>,
    reader: &mut layers::Reader<R>,
    entry: Entry,
    cancel: &Cancel,
) -> Result<(), LayerError> {
    let Entry { path, kind, mode, uid, gid, mtime, xattrs } = entry;
    let meta = Meta { mode, uid, gid, mtime, xattrs };
    match kind {
        Kind::Directory => Ok(()),
        Kind::Symlink { target } => Ok(layer.symlink(store, &path, &meta, &target)?),
        Kind::Hardlink { target } => Ok(layer.hardlink(&path, &target)?),
        Kind::Regular { .. } => {
            let Some(mut file) = layer.begin_file(store, &path, &meta)? else { return Ok(()) };
            while let Some(chunk) = reader.next_chunk()? {
                check(cancel)?;
                match chunk {
                    Chunk::Data(bytes) => file.feed(store, bytes)?,
                    Chunk::Hole(len_bytes) => file.feed_hole(store, len_bytes)?,
                }
            }
            Ok(layer.finish_file(store, file)?)
        }
        other => Ok(layer.unsupported(&path, name(&other))?),
    }
}

/// Reads a layer to its end for its digest alone.
pub(super) fn drain(unpacked: Unpacked, context: Context<'_>) -> Result<(), LayerError> {
    let mut reader = layers::Reader::new(unpacked.bytes, &unpacked.warnings);
    while reader.next_entry()?.is_some() {
        check(context.cancel)?;
    }
    Ok(())
}

fn check(cancel: &Cancel) -> Result<(), LayerError> {
    if cancel.is_cancelled() { Err(LayerError::Cancelled) } else { Ok(()) }
}

/// What a message calls an entry.
fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::CharDevice => "character device",
        Kind::BlockDevice => "block device",
        Kind::Fifo => "named pipe",
        Kind::Directory => "directory",
        Kind::Symlink { .. } => "symbolic link",
        Kind::Hardlink { .. } => "hard link",
        Kind::Regular { .. } => "file",
    }
}

fn warn(index: usize, own: &[String], quirks: &layers::Warnings, context: Context<'_>) {
    let quirks = quirks.to_vec();
    for message in own.iter().cloned().chain(quirks.iter().map(ToString::to_string)) {
        let message = format!("layer {}: {message}", index + 1);
        context.reporter.report(Event::Warning { message });
    }
}

impl From<encapsulated::Error> for LayerError {
    fn from(error: encapsulated::Error) -> Self {
        Self::Content(ostree::Error::from(error))
    }
}
