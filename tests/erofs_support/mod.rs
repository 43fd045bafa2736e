//! A tree in memory, to be made an image.

#[allow(dead_code, reason = "not every test needs it")]
pub mod dump;
#[allow(dead_code, reason = "not every test needs it")]
pub mod large;
#[allow(dead_code, reason = "not every test needs it")]
pub mod random;

use std::collections::BTreeMap;
use std::convert::Infallible;

use bootc_image::fs::erofs::composefs::{Inode, Kind, Overlay, Tree, ostree};
use bootc_image::fs::erofs::{Error, Image};
use bootc_image::volume::{Timestamp, Xattrs};

/// Nodes by number; the root is 0.
#[derive(Debug)]
pub struct MemoryTree {
    pub nodes: Vec<Node>,
    pub object_suffix: &'static str,
}

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    pub xattrs: Xattrs,
    /// The target of a link, the bytes of an inline file.
    pub content: Vec<u8>,
    pub children: BTreeMap<Vec<u8>, usize>,
}

impl Node {
    pub fn new(kind: Kind, mode: u16) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            xattrs: Xattrs::default(),
            content: Vec::new(),
            children: BTreeMap::new(),
        }
    }
}

impl MemoryTree {
    pub fn new(root: Node) -> Self {
        Self { nodes: vec![root], object_suffix: "" }
    }

    pub fn add(&mut self, directory: usize, name: &[u8], node: Node) -> usize {
        let number = self.nodes.len();
        self.nodes.push(node);
        let before = self.nodes[directory].children.insert(name.to_vec(), number);
        assert_eq!(before, None, "{} comes twice", String::from_utf8_lossy(name));
        number
    }

    /// The node at `path`.
    #[allow(dead_code, reason = "not every test looks nodes up")]
    pub fn find(&self, path: &str) -> usize {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(0, |node, name| self.nodes[node].children[name.as_bytes()])
    }

    /// The image of this tree as it is.
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn composefs(&self) -> Result<Vec<u8>, Error> {
        image(&Overlay::new(self))
    }

    /// `.ostree.cfs` of this tree as a commit.
    #[allow(dead_code, reason = "not every test needs it")]
    pub fn ostree(&self) -> Result<Vec<u8>, Error> {
        image(&Overlay::new(&ostree::Deployment::new(self)))
    }
}

fn image<T: Tree<Error = Infallible>>(overlay: &Overlay<'_, T>) -> Result<Vec<u8>, Error> {
    let image = Image::plan(overlay, &overlay.header())?;
    let mut bytes = Vec::new();
    image
        .write(overlay, |piece| {
            bytes.extend_from_slice(piece);
            Ok::<(), Infallible>(())
        })
        .unwrap();
    assert_eq!(image.len_bytes(), u64::try_from(bytes.len()).unwrap());
    Ok(bytes)
}

impl Tree for MemoryTree {
    type Node = usize;
    type Error = Infallible;

    fn root(&self) -> usize {
        0
    }

    fn children(&self, directory: usize) -> impl Iterator<Item = (&[u8], usize)> {
        self.nodes[directory].children.iter().map(|(name, node)| (name.as_slice(), *node))
    }

    fn inode(&self, node: usize) -> Inode<'_> {
        let Node { kind, mode, uid, gid, mtime, ref xattrs, .. } = self.nodes[node];
        Inode { kind, mode, uid, gid, mtime, xattrs }
    }

    fn content(&self, node: usize, into: &mut Vec<u8>) -> Result<(), Infallible> {
        into.extend_from_slice(&self.nodes[node].content);
        Ok(())
    }

    fn object_suffix(&self) -> &'static str {
        self.object_suffix
    }
}
