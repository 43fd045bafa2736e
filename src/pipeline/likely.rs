//! The policy that the merged image will probably have, while its layers are still coming.
//!
//! A file that gets its final label at once is hashed once. So as soon as a layer has brought a whole
//! policy, what follows is labelled by it. When the policy of the merged image turns out to be
//! another, [`ostree::relabel`](crate::ostree::relabel) puts things right.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::files::{FileKind, Files, FilesError};
use crate::ostree::{self, ImageFiles, LayerTree, Store};
use crate::selinux::Policy;
use crate::tree::Directory;
use crate::volume::Volume;

/// The likely policy.
#[derive(Debug, Default)]
pub(super) struct Likely {
    policy: Option<Arc<Policy>>,
    is_settled: bool,
}

impl Likely {
    /// Labels by the policy of the commit that an image carries, as the importer does.
    pub(super) fn settle<V: Volume>(&mut self, store: &Store<V>, base: &Directory) {
        self.policy = Policy::load(&ImageFiles::new(store, base)).ok().flatten().map(Arc::new);
        self.is_settled = self.policy.is_some();
    }

    /// Whether labels given so far stay when the merged image has no policy.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// A new layer is labelled as the last one was.
    pub(super) fn begin(&self, tree: &mut LayerTree) {
        tree.guess_labels(self.policy.clone());
    }

    /// Looks at what the layer has brought, when the entry at `path` is the first after a change.
    pub(super) fn look<V: Volume>(
        &mut self,
        path: &[u8],
        store: &mut Store<V>,
        tree: &mut LayerTree,
        below: Option<&Directory>,
    ) -> Result<(), ostree::Error> {
        let is_policy = path.windows(POLICIES.len()).any(|part| part == POLICIES);
        if self.is_settled || is_policy || !tree.take_policy_change() {
            return Ok(());
        }
        store.settle()?;
        let view = View::new(store, tree.so_far(), below);
        if let Ok(policy) = Policy::load(&view) {
            self.policy = policy.map(Arc::new);
            tree.guess_labels(self.policy.clone());
        }
        Ok(())
    }
}

const POLICIES: &[u8] = b"etc/selinux/";

/// A layer over the layers below it, whiteouts aside.
pub(super) struct View<'a, V> {
    layer: ImageFiles<'a, V>,
    below: Option<ImageFiles<'a, V>>,
}

impl<'a, V: Volume> View<'a, V> {
    /// What `store` has of both.
    pub(super) fn new(
        store: &'a Store<V>,
        layer: &'a Directory,
        below: Option<&'a Directory>,
    ) -> Self {
        let layer = ImageFiles::new(store, layer);
        Self { layer, below: below.map(|below| ImageFiles::new(store, below)) }
    }
}

impl<V: Volume> Files for View<'_, V> {
    fn kind(&self, path: &str) -> Option<FileKind> {
        self.layer.kind(path).or_else(|| self.below.as_ref()?.kind(path))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let below = self.below.iter().flat_map(|below| below.names(path));
        let names: BTreeSet<String> = self.layer.names(path).into_iter().chain(below).collect();
        names.into_iter().collect()
    }

    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError> {
        match (self.layer.kind(path), &self.below) {
            (None, Some(below)) => below.read(path, limit_bytes),
            _ => self.layer.read(path, limit_bytes),
        }
    }
}
