//! A layer's tree is laid over the layers below it (ostree-contract 3.5).
//!
//! These are the importer's rules, not those of overlayfs, because the machine's next upgrade would
//! make the same tree:
//!
//! * a directory that exists keeps its owner, mode and xattrs: the first layer that made it wins;
//! * the files of a directory come in byte order, whiteouts among them, then its subdirectories; so
//!   a name that sorts before `.` is lost when its own whiteout is in the same layer;
//! * an opaque marker empties the directory and gives it the new layer's metadata;
//! * whiteouts are matched in the commit's names, so `.wh.etc` at the top does not touch `usr/etc`.

use super::error::Error;
use super::store::Store;
use crate::tree::{Directory, Node, ObjectId};
use crate::volume::Volume;

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// How many directories a warning names.
const NAMED_IN_WARNING: usize = 5;

/// The merged tree as it grows layer by layer.
#[derive(Debug)]
pub struct Merge {
    root: Option<Directory>,
    ignored: Vec<String>,
    ignored_count: usize,
}

impl Merge {
    /// Before the first layer.
    pub fn new() -> Self {
        Self { root: None, ignored: Vec::new(), ignored_count: 0 }
    }

    /// Over the tree of a carried commit, in which nothing is a whiteout.
    pub fn over(base: Directory) -> Self {
        Self { root: Some(base), ..Self::new() }
    }

    /// The merged tree as it is now.
    pub fn so_far(&self) -> Option<&Directory> {
        self.root.as_ref()
    }

    /// Lays a layer over those before it.
    pub fn add<V: Volume>(&mut self, store: &Store<V>, layer: Directory) -> Result<(), Error> {
        let is_first = self.root.is_none();
        let mut root = self.root.take().unwrap_or_else(|| Directory::new(layer.meta));
        if layer.entries.contains_key(OPAQUE) {
            root = Directory::new(layer.meta);
        } else if !is_first {
            self.note_ignored("", &root, &layer);
        }
        self.overlay(store, "", &mut root, layer)?;
        self.root = Some(root);
        Ok(())
    }

    /// The merged tree, without the empty files that container builders leave behind, and a warning
    /// when a later layer's owner or mode of a directory was ignored.
    pub fn finish<V: Volume>(mut self, store: &Store<V>) -> (Option<Directory>, Option<String>) {
        if let Some(etc) = self
            .root
            .as_mut()
            .and_then(|root| root.subdirectory_mut("usr"))
            .and_then(|usr| usr.subdirectory_mut("etc"))
        {
            for name in ["hostname", "resolv.conf"] {
                if let Some(Node::File(object)) = etc.entries.get(name)
                    && is_empty_file(store, *object)
                {
                    etc.entries.remove(name);
                }
            }
        }
        let warning = (self.ignored_count > 0).then(|| {
            let more = self.ignored_count - self.ignored.len();
            let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!(
                "a later layer changes owner, mode or xattrs of existing directories, which the \
                 importer ignores: {}{tail}",
                self.ignored.join(", ")
            )
        });
        (self.root, warning)
    }

    fn overlay<V: Volume>(
        &mut self,
        store: &Store<V>,
        path: &str,
        lower: &mut Directory,
        upper: Directory,
    ) -> Result<(), Error> {
        let mut directories = Vec::new();
        for (name, node) in upper.entries {
            match node {
                Node::Directory(directory) => directories.push((name, directory)),
                Node::File(_) if &*name == OPAQUE => {}
                Node::File(object) => match hidden(store, &name, object) {
                    Some("") => {
                        return Err(Error::EmptyWhiteout { directory: format!("/{path}") });
                    }
                    Some(hidden) => {
                        lower.entries.remove(hidden);
                    }
                    None => {
                        lower.entries.insert(name, Node::File(object));
                    }
                },
            }
        }
        for (name, directory) in directories {
            let below = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
            let is_opaque = directory.entries.contains_key(OPAQUE);
            match lower.entries.get_mut(&name) {
                Some(Node::Directory(existing)) if !is_opaque => {
                    self.note_ignored(&below, existing, &directory);
                    self.overlay(store, &below, existing, *directory)?;
                }
                _ => {
                    let mut made = Directory::new(directory.meta);
                    self.overlay(store, &below, &mut made, *directory)?;
                    lower.entries.insert(name, Node::Directory(Box::new(made)));
                }
            }
        }
        Ok(())
    }

    fn note_ignored(&mut self, path: &str, lower: &Directory, upper: &Directory) {
        if lower.meta != upper.meta {
            self.ignored_count += 1;
            if self.ignored.len() < NAMED_IN_WARNING {
                self.ignored.push(format!("`/{path}`"));
            }
        }
    }
}

impl Default for Merge {
    fn default() -> Self {
        Self::new()
    }
}

/// The name that a whiteout hides; only regular files are whiteouts.
fn hidden<'n, V: Volume>(store: &Store<V>, name: &'n str, object: ObjectId) -> Option<&'n str> {
    name.strip_prefix(WHITEOUT).filter(|_| store.object(object).is_regular)
}

fn is_empty_file<V: Volume>(store: &Store<V>, object: ObjectId) -> bool {
    let object = store.object(object);
    object.is_regular && object.len_bytes == 0
}
