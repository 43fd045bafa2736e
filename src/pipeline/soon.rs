//! What is begun while layers are still coming.
//!
//! Some work takes longer than everything that is left to do after the last layer, and needs one
//! directory of the image only. Archives have directories as a whole: when something comes that is
//! not in the directory, it is complete, but for hard links, and unless a later layer changes it. So
//! the work is begun on that chance, once; whoever wants its result must look whether it is of the
//! right files.

use super::likely::View;
use crate::files::Files;
use crate::ostree::{self, LayerTree, Store};
use crate::tree::Directory;
use crate::volume::Volume;

/// Work that is to be begun.
pub struct Soon<'a> {
    directories: Vec<String>,
    state: State,
    begin: Begin<'a>,
}

type Begin<'a> = Box<dyn FnMut(&dyn Files) + 'a>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// Files of the directory are coming.
    Coming,
    Begun,
}

impl std::fmt::Debug for Soon<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Soon").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<'a> Soon<'a> {
    /// Work on the files of one of these `directories`, paths without a slash in front.
    pub fn new(directories: Vec<String>, begin: impl FnMut(&dyn Files) + 'a) -> Self {
        Self { directories, state: State::Waiting, begin: Box::new(begin) }
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self { state: State::Begun, ..Self::new(Vec::new(), |_| ()) }
    }

    /// Looks at the `path` of an entry that a layer is about to bring.
    pub(super) fn look<V: Volume>(
        &mut self,
        path: &[u8],
        store: &mut Store<V>,
        tree: &LayerTree,
        below: Option<&Directory>,
    ) -> Result<(), ostree::Error> {
        if self.state == State::Waiting && self.is_of(path) {
            self.state = State::Coming;
        } else if self.state == State::Coming && !self.is_of(path) {
            store.settle()?;
            self.begin(&View::new(store, tree.so_far(), below));
        }
        Ok(())
    }

    /// These `files` have come all at once.
    pub(super) fn arrived(&mut self, files: &dyn Files) {
        if self.directories.iter().any(|directory| files.kind(directory).is_some()) {
            self.begin(files);
        }
    }

    fn begin(&mut self, files: &dyn Files) {
        if self.state != State::Begun {
            self.state = State::Begun;
            (self.begin)(files);
        }
    }

    fn is_of(&self, path: &[u8]) -> bool {
        let path = path.strip_prefix(b".").unwrap_or(path);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let mut rests = self.directories.iter().filter_map(|at| path.strip_prefix(at.as_bytes()));
        rests.any(|rest| rest.starts_with(b"/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;
    use crate::ostree::{Merge, Sysroot};
    use crate::volume::memory::MemoryVolume;
    use crate::volume::{Meta, Timestamp};

    /// The files that the work was begun with, after layers with entries at these paths: files that
    /// hold their path, hard links where a target follows.
    fn begun(layers: &[&[&str]]) -> Option<Vec<String>> {
        let time = Timestamp { secs: 5, nanos: 0 };
        let mut sysroot = Sysroot::create(MemoryVolume::default(), time).unwrap();
        let store = &mut sysroot.store;
        let mut found = Vec::new();
        let mut soon = Soon::new(vec!["usr/lib/it".to_owned()], |files| {
            let read = |name: String| {
                let content = files.read(&format!("usr/lib/it/{name}"), 99).unwrap().unwrap();
                String::from_utf8(content).unwrap()
            };
            found.push(files.names("usr/lib/it").into_iter().map(read).collect::<Vec<String>>());
        });
        let mut merge = Merge::new();
        for layer in layers {
            let mut tree = LayerTree::new(store).unwrap();
            for entry in *layer {
                let (path, target) = entry.split_once(' ').unzip();
                let path = path.unwrap_or(entry).as_bytes();
                soon.look(path, store, &tree, merge.so_far()).unwrap();
                if let Some(target) = target {
                    tree.hardlink(store, path, &Meta::default(), target.as_bytes()).unwrap();
                    continue;
                }
                let file = tree.begin_file(store, path, &Meta::default()).unwrap();
                let mut file = file.unwrap();
                file.feed(store, path).unwrap();
                tree.finish_file(store, file).unwrap();
            }
            let (tree, _) = tree.finish(store).unwrap();
            merge.add(store, tree).unwrap();
        }
        drop(soon);
        assert!(found.len() < 2);
        found.pop()
    }

    const PATHS: [&str; 4] = ["usr/lib/i", "./usr/lib/it/a", "/usr/lib/it/b", "usr/lib/it/c"];

    #[test]
    fn a_directory_is_complete_when_something_else_comes() {
        assert_eq!(begun(&[&PATHS]), None);
        let with = |more: &[&str]| begun(&[&[&PATHS[..], more].concat()]).unwrap();
        assert_eq!(with(&["usr/lib/items"]), PATHS[1..]);
        // once, whatever comes
        assert_eq!(with(&["usr/lib/items", "usr/lib/it/d", "usr/z"]), PATHS[1..]);
    }

    #[test]
    fn a_directory_may_end_with_its_layer() {
        assert_eq!(begun(&[&PATHS, &["usr/z"]]).unwrap(), PATHS[1..]);
        // and may go on in the next one, or begin again
        assert_eq!(begun(&[&PATHS, &["usr/lib/it/b", "usr/lib/it/d"]]), None);
        let all = ["./usr/lib/it/a", "usr/lib/it/b", "usr/lib/it/c", "usr/lib/it/d"];
        assert_eq!(begun(&[&PATHS, &["usr/lib/it/b", "usr/lib/it/d", "usr/z"]]).unwrap(), all);
    }

    #[test]
    fn hard_links_are_seen_from_the_next_layer_on() {
        let link = ["usr/lib/it/a", "usr/lib/it/link usr/lib/it/a"];
        assert_eq!(begun(&[&link, &["usr/z"]]).unwrap(), ["usr/lib/it/a", "usr/lib/it/a"]);
        let both = [&link[..], &["usr/z"]].concat();
        assert_eq!(begun(&[&both]).unwrap(), ["usr/lib/it/a"]);
    }

    #[test]
    fn what_comes_at_once_is_looked_at() {
        let mut times = 0;
        let mut soon = Soon::new(vec!["usr/lib/it".to_owned()], |_| times += 1);
        let files = MemoryFiles::default().with("usr/lib/items", "");
        soon.arrived(&files);
        assert_eq!(soon.state, State::Waiting);
        let files = files.with("usr/lib/it/a", "");
        soon.arrived(&files);
        soon.arrived(&files);
        drop(soon);
        assert_eq!(times, 1);
    }
}
