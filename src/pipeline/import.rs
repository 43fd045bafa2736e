//! Layers stream into the sysroot: each is read once, in the order of the manifest.
//!
//! With more than one thread the next layers are fetched and unpacked ahead, each on two threads of
//! its own into a few buffers; they are *committed* strictly in order, so the bytes of the disk do
//! not depend on the number of threads.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};

use super::error::{Error, LayerError};
use crate::digest::Sha256Digest;
use crate::layers::{self, Chunk, Entry, Kind};
use crate::ostree::{self, LayerTree, Merge, Sysroot};
use crate::progress::{Cancel, Event, Reporter};
use crate::registry::Source;
use crate::spec::Image;
use crate::stream;
use crate::tree::Directory;
use crate::volume::{Meta, Volume};

/// Layers that are unpacked ahead of the one being committed, at most.
const MAX_AHEAD: usize = 4;
/// Buffers of 256 KiB between fetching with verifying and unpacking, per layer.
const BLOB_BUFFERS: usize = 3;
/// Buffers of 256 KiB between unpacking and committing, per layer.
const BUFFERS: usize = 8;
const BUFFER_BYTES: usize = 256 * 1024;

/// The outcome of an import.
#[derive(Debug)]
pub struct Imported {
    /// The merged tree.
    pub tree: Directory,
    /// Commit of each distinct layer, by the digest of its blob.
    pub layer_commits: BTreeMap<Sha256Digest, Sha256Digest>,
}

/// What every step needs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Takes events.
    pub reporter: &'a dyn Reporter,
    /// Asked in every loop.
    pub cancel: &'a Cancel,
    /// How many threads may work.
    pub threads: usize,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// An unpacked layer on its way.
struct Unpacked {
    bytes: Box<dyn BufRead + Send>,
    warnings: layers::Warnings,
}

/// Imports all layers of the image; `timestamp_secs` stamps the layer commits.
pub fn import<V: Volume>(
    sysroot: &mut Sysroot<V>,
    source: &Source,
    timestamp_secs: i64,
    context: Context<'_>,
) -> Result<Imported, Error> {
    let image = source.image();
    let sizes_bytes = image.layers.iter().map(|layer| layer.size_bytes).collect();
    context.reporter.report(Event::Layers { sizes_bytes });
    let mut merge = Merge::new();
    let mut trees = BTreeMap::new();
    let mut ahead = VecDeque::new();
    let mut next = 0;
    for index in 0..image.layers.len() {
        let in_error = |source| layer_error(image, index, source);
        while next < image.layers.len() && ahead.len() < context.threads.clamp(1, MAX_AHEAD) {
            ahead.push_back(unpack(source, next, context)?);
            next += 1;
        }
        let Some(unpacked) = ahead.pop_front() else { break };
        let tree = read_layer(&mut sysroot.store, unpacked, index, context).map_err(in_error)?;
        merge.add(&sysroot.store, tree.clone()).map_err(|error| in_error(error.into()))?;
        trees.entry(image.layers[index].digest).or_insert(tree);
        context.reporter.report(Event::LayerDone { layer: index });
    }
    let (tree, warning) = merge.finish(&sysroot.store);
    if let Some(message) = warning {
        context.reporter.report(Event::Warning { message });
    }
    let tree = tree.ok_or(Error::NoLayers)?;
    let all: Vec<&Directory> = trees.values().chain([&tree]).collect();
    sysroot.store.seal(&all)?;
    let mut layer_commits = BTreeMap::new();
    for (digest, tree) in trees {
        let times = image.layers.iter().filter(|layer| layer.digest == digest).count();
        let commit = ostree::commit_layer(&mut sysroot.store, &tree, times, timestamp_secs)?;
        layer_commits.insert(digest, commit);
    }
    Ok(Imported { tree, layer_commits })
}

fn layer_error(image: &Image, index: usize, source: LayerError) -> Error {
    if matches!(source, LayerError::Cancelled) {
        return Error::Cancelled;
    }
    let count = image.layers.len();
    Error::Layer { number: index + 1, count, digest: image.layers[index].digest, source }
}

/// The reader stack of one layer: verified blob and unpacking, each on a thread of its own.
fn unpack(source: &Source, index: usize, context: Context<'_>) -> Result<Unpacked, Error> {
    let image = source.image();
    let in_error = |error: LayerError| layer_error(image, index, error);
    let blob = source.layer(index).map_err(|error| in_error(error.into()))?;
    let warnings = layers::Warnings::default();
    let compression = image.layers[index].compression;
    let no_thread = |error| in_error(LayerError::Io(error));
    let bytes: Box<dyn BufRead + Send> = if context.threads > 1 {
        let blob = stream::ahead(blob, BLOB_BUFFERS).map_err(no_thread)?;
        let decoder = layers::decoder(compression, blob, &warnings);
        Box::new(stream::ahead(decoder, BUFFERS).map_err(no_thread)?)
    } else {
        let decoder = layers::decoder(compression, blob, &warnings);
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    };
    Ok(Unpacked { bytes, warnings })
}

fn read_layer<V: Volume>(
    store: &mut ostree::Store<V>,
    unpacked: Unpacked,
    index: usize,
    context: Context<'_>,
) -> Result<Directory, LayerError> {
    let mut tree = LayerTree::new(store)?;
    let mut reader = layers::Reader::new(unpacked.bytes, &unpacked.warnings);
    while let Some(entry) = reader.next_entry()? {
        if context.cancel.is_cancelled() {
            return Err(LayerError::Cancelled);
        }
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        read_entry(store, &mut tree, &mut reader, entry, context.cancel)
            .map_err(|error| error.at(path))?;
    }
    let (tree, warnings) = tree.finish()?;
    let quirks = unpacked.warnings.to_vec();
    for message in warnings.into_iter().chain(quirks.iter().map(ToString::to_string)) {
        let message = format!("layer {}: {message}", index + 1);
        context.reporter.report(Event::Warning { message });
    }
    Ok(tree)
}

fn read_entry<V: Volume, R: BufRead>(
    store: &mut ostree::Store<V>,
    tree: &mut LayerTree,
    reader: &mut layers::Reader<R>,
    entry: Entry,
    cancel: &Cancel,
) -> Result<(), LayerError> {
    let Entry { path, kind, mode, uid, gid, mtime, xattrs } = entry;
    let meta = Meta { mode, uid, gid, mtime, xattrs };
    let unsupported = match kind {
        Kind::Directory => return Ok(tree.directory(store, &path, &meta)?),
        Kind::Symlink { target } => return Ok(tree.symlink(store, &path, &meta, &target)?),
        Kind::Hardlink { target } => return Ok(tree.hardlink(store, &path, &meta, &target)?),
        Kind::Regular { .. } => {
            let Some(mut file) = tree.begin_file(store, &path, &meta)? else { return Ok(()) };
            while let Some(chunk) = reader.next_chunk()? {
                if cancel.is_cancelled() {
                    return Err(LayerError::Cancelled);
                }
                match chunk {
                    Chunk::Data(bytes) => file.feed(store, bytes)?,
                    Chunk::Hole(len_bytes) => file.feed_hole(store, len_bytes)?,
                }
            }
            return Ok(tree.finish_file(store, file)?);
        }
        Kind::CharDevice => "character device",
        Kind::BlockDevice => "block device",
        Kind::Fifo => "named pipe",
    };
    Ok(tree.unsupported(&path, unsupported)?)
}
