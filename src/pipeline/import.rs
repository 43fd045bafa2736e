//! Layers stream into the sysroot: each is read once, in the order of the manifest.
//!
//! ```text
//!  layers of a carried commit ─► encapsulated ─► base tree ─┐
//!  ordinary layers ────────────► trees ─────────────────────┴► merge ─► relabel ─► seal ─► commits
//! ```
//!
//! Nothing is committed before the last layer is read, because the policy of the merged tree labels
//! every layer.

use std::collections::BTreeMap;

use super::ahead::{Ahead, Unpacked};
use super::composefs;
use super::entries::{self, Circumstances};
use super::error::{Error, LayerError};
use super::likely::Likely;
use super::soon::Soon;
use crate::boot::prepare_root::PrepareRoot;
use crate::digest::Sha256Digest;
use crate::labels::Labels;
use crate::ostree::encapsulated::{self, FINAL_DIFF_ID_LABEL, Part};
use crate::ostree::{self, ImageFiles, Merge, Store, Sysroot};
use crate::progress::{Cancel, Event, Reporter};
use crate::registry::Source;
use crate::selinux::Policy;
use crate::spec::Image;
use crate::tree::Directory;
use crate::volume::{Inode, Volume};

/// The outcome of an import.
#[derive(Debug)]
pub struct Imported {
    /// The merged tree.
    pub tree: Directory,
    /// The merged tree as a composefs image: a file that has no name yet.
    pub composefs: Inode,
    /// Commit of each distinct layer, by the digest of its blob.
    pub layer_commits: BTreeMap<Sha256Digest, Sha256Digest>,
    /// The commit that the image carries: the parent of the merge commit.
    pub base: Option<Sha256Digest>,
    /// The SELinux policy that the merged tree enables.
    pub policy: Option<Policy>,
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

/// Imports all layers of the image; `timestamp_secs` stamps the layer commits. What can be begun `soon` is,
/// and whoever has something to begin with the `merged` tree may do so as soon as its objects are what
/// they will stay.
pub fn import<V: Volume>(
    sysroot: &mut Sysroot<V>,
    source: &Source,
    timestamp_secs: i64,
    context: Context<'_>,
    soon: Soon<'_>,
    merged: impl FnOnce(&Store<V>, &Directory),
) -> Result<Imported, Error> {
    let image = source.image();
    let sizes_bytes = image.layers.iter().map(|layer| layer.size_bytes).collect();
    context.reporter.report(Event::Layers { sizes_bytes });
    let label = image.labels.get(FINAL_DIFF_ID_LABEL).map(String::as_str);
    let parts = encapsulated::parts(label, &image.diff_ids, &image.layers);
    let parts = parts.map_err(ostree::Error::from)?;
    let mut import = Import::new(sysroot, image, context, soon);
    let mut ahead = Ahead::new(source, context);
    for (index, part) in parts.iter().enumerate() {
        let Some(unpacked) = ahead.next()? else { break };
        let read = match part {
            Part::Derived => import.derived(index, unpacked),
            Part::Repeated => entries::drain(unpacked, context),
            Part::Commit | Part::Component => import.carried(index, *part, unpacked),
        };
        read.map_err(|error| layer_error(image, index, error))?;
        let is_last = parts.get(index + 1).is_none_or(|next| *next == Part::Derived);
        if is_last && *part != Part::Derived {
            import.base().map_err(|error| layer_error(image, index, error.into()))?;
        }
        context.reporter.report(Event::LayerDone { layer: index });
    }
    import.finish(timestamp_secs, merged)
}

/// Says which layer an error is about.
pub(super) fn layer_error(image: &Image, index: usize, source: LayerError) -> Error {
    if matches!(source, LayerError::Cancelled) {
        return Error::Cancelled;
    }
    let count = image.layers.len();
    Error::Layer { number: index + 1, count, digest: image.layers[index].digest, source }
}

/// An import under way.
pub(super) struct Import<'a, V> {
    sysroot: &'a mut Sysroot<V>,
    image: &'a Image,
    context: Context<'a>,
    carried: encapsulated::Import,
    carried_commits: BTreeMap<Sha256Digest, Sha256Digest>,
    base: Option<Sha256Digest>,
    is_usr_only: bool,
    likely: Likely,
    soon: Soon<'a>,
    trees: BTreeMap<Sha256Digest, Directory>,
    merge: Merge,
}

impl<'a, V: Volume> Import<'a, V> {
    pub(super) fn new(
        sysroot: &'a mut Sysroot<V>,
        image: &'a Image,
        context: Context<'a>,
        soon: Soon<'a>,
    ) -> Self {
        Self {
            sysroot,
            image,
            context,
            carried: encapsulated::Import::new(),
            carried_commits: BTreeMap::new(),
            base: None,
            is_usr_only: false,
            likely: Likely::default(),
            soon,
            trees: BTreeMap::new(),
            merge: Merge::new(),
        }
    }

    fn carried(&mut self, index: usize, part: Part, unpacked: Unpacked) -> Result<(), LayerError> {
        let layer = self.carried.layer(part);
        let store = &mut self.sysroot.store;
        let commit = entries::read_carried(store, layer, unpacked, index, self.context)?;
        self.carried_commits.insert(self.image.layers[index].digest, commit);
        Ok(())
    }

    /// The carried commit is complete: derived layers are laid over it.
    fn base(&mut self) -> Result<(), ostree::Error> {
        let store = &mut self.sysroot.store;
        let base = std::mem::take(&mut self.carried).base(store)?;
        if let Some(bytes) = &base.detached_metadata {
            store.detached_metadata(base.commit, bytes)?;
        }
        store.pin();
        self.likely.settle(store, &base.tree);
        let prepare_root = PrepareRoot::load(&ImageFiles::new(store, &base.tree));
        self.is_usr_only = !prepare_root.is_ok_and(|file| file.allows_nonusr());
        self.soon.arrived(&ImageFiles::new(store, &base.tree));
        self.base = Some(base.commit);
        self.merge = Merge::over(base.tree);
        Ok(())
    }

    pub(super) fn derived(&mut self, index: usize, unpacked: Unpacked) -> Result<(), LayerError> {
        let circumstances =
            Circumstances { index, is_usr_only: self.is_usr_only, below: self.merge.so_far() };
        let store = &mut self.sysroot.store;
        let Self { likely, soon, context, .. } = self;
        let tree = entries::read_layer(store, unpacked, &circumstances, likely, soon, *context)?;
        self.merge.add(store, tree.clone())?;
        self.trees.entry(self.image.layers[index].digest).or_insert(tree);
        Ok(())
    }

    pub(super) fn finish(
        mut self,
        timestamp_secs: i64,
        merged: impl FnOnce(&Store<V>, &Directory),
    ) -> Result<Imported, Error> {
        let store = &mut self.sysroot.store;
        let (tree, warning) = self.merge.finish(store);
        if let Some(message) = warning {
            self.context.reporter.report(Event::Warning { message });
        }
        let mut tree = tree.ok_or(Error::NoLayers)?;
        let policy = Policy::load(&ImageFiles::new(store, &tree))?;
        let is_settled = policy.is_none() && self.likely.is_settled();
        if !self.trees.is_empty() && !is_settled {
            let mut trees: Vec<&mut Directory> = self.trees.values_mut().collect();
            trees.push(&mut tree);
            let labels = policy.as_ref().map(|policy| -> &dyn Labels { policy });
            if labels.is_some() {
                self.context.reporter.report(Event::Stage { name: "labelling".into() });
            }
            let changed = ostree::relabel(store, &mut trees, labels, self.context.cancel)?;
            let message = format!("{changed} objects got their labels after they were read");
            self.context.reporter.report(Event::Detail { message });
        }
        merged(store, &tree);
        let all: Vec<&Directory> = self.trees.values().chain([&tree]).collect();
        let used = store.used(&all);
        let mut layer_commits = self.carried_commits;
        for (digest, tree) in self.trees {
            let times = self.image.layers.iter().filter(|layer| layer.digest == digest).count();
            let commit = ostree::commit_layer(store, &tree, times, timestamp_secs)?;
            layer_commits.insert(digest, commit);
        }
        // planning the image takes memory for every file; the names of objects take as much
        let composefs = composefs::write(store, &tree)?;
        store.seal(used)?;
        Ok(Imported { tree, composefs, layer_commits, base: self.base, policy })
    }
}
