//! From a layout to `.ostree.cfs`: golden images are imported, and the image of the merged tree,
//! streamed into the volume its links are read from, is the recorded one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootc_image::fs::erofs::Image;
use bootc_image::fs::erofs::composefs::ostree::Deployment;
use bootc_image::fs::erofs::composefs::{Inode, Kind, Overlay, Tree};
use bootc_image::ostree::{self, Store};
use bootc_image::pipeline::import::{Context, import};
use bootc_image::pipeline::open_source;
use bootc_image::pipeline::request::{BootLoader, DiskFormat, Ids, Qcow2Compression, Request};
use bootc_image::plan::size::SizeRequest;
use bootc_image::progress::{Cancel, Reporter, Silent};
use bootc_image::registry::{Reference, TargetRef};
use bootc_image::spec::Arch;
use bootc_image::tree::{Directory, Node, ObjectId};
use bootc_image::volume::memory::{Content, MemoryError, MemoryVolume};
use bootc_image::volume::{Meta, Timestamp, Volume};

const EPOCH: i64 = 1_735_689_600;

/// A commit in a store.
struct Commit<'s, 't> {
    store: &'s Store<MemoryVolume>,
    root: &'t Directory,
}

#[derive(Clone, Copy)]
enum CommitNode<'t> {
    Directory(&'t Directory),
    File(ObjectId),
}

impl<'t> Tree for Commit<'_, 't> {
    type Node = CommitNode<'t>;
    type Error = MemoryError;

    fn root(&self) -> CommitNode<'t> {
        CommitNode::Directory(self.root)
    }

    fn children(&self, node: CommitNode<'t>) -> impl Iterator<Item = (&[u8], CommitNode<'t>)> {
        let directory = match node {
            CommitNode::Directory(directory) => Some(directory),
            CommitNode::File(_) => None,
        };
        directory.into_iter().flat_map(|directory| &directory.entries).map(|(name, node)| {
            let node = match node {
                Node::Directory(below) => CommitNode::Directory(below),
                Node::File(id) => CommitNode::File(*id),
            };
            (name.as_bytes(), node)
        })
    }

    fn inode(&self, node: CommitNode<'t>) -> Inode<'_> {
        let (kind, meta) = match node {
            CommitNode::Directory(directory) => (Kind::Directory, directory.meta),
            CommitNode::File(id) => {
                let object = self.store.object(id);
                let len_bytes = object.len_bytes;
                let kind = if object.is_regular {
                    Kind::Object { len_bytes, name: object.checksum, verity: None }
                } else {
                    Kind::Symlink { len_bytes }
                };
                (kind, object.meta)
            }
        };
        let Meta { mode, uid, gid, mtime, xattrs } = self.store.meta(meta);
        Inode { kind, mode: *mode, uid: *uid, gid: *gid, mtime: *mtime, xattrs }
    }

    fn content(&self, node: CommitNode<'t>, into: &mut Vec<u8>) -> Result<(), MemoryError> {
        let CommitNode::File(id) = node else { return Ok(()) };
        let object = self.store.object(id);
        let start = into.len();
        into.resize(start + usize::try_from(object.len_bytes).unwrap(), 0);
        self.store.volume.read_at(object.inode, 0, &mut into[start..])?;
        Ok(())
    }
}

/// The image of `root`, as a file of the volume that holds its objects.
fn write_image(store: &mut Store<MemoryVolume>, root: &Directory) -> Vec<u8> {
    let commit = Commit { store, root };
    let deployment = Deployment::new(&commit);
    let overlay = Overlay::new(&deployment);
    let facts = overlay.facts();
    let image = Image::plan(&overlay, &overlay.header()).unwrap();
    let mut open = store.volume.begin().unwrap();
    let (mut stream, mut piece) = (image.stream(), Vec::new());
    loop {
        piece.clear();
        let commit = Commit { store, root };
        let deployment = Deployment::new(&commit);
        if !stream.next(&Overlay::again(&deployment, facts), &mut piece).unwrap() {
            break;
        }
        store.volume.append(&mut open, &piece).unwrap();
    }
    let inode = store.volume.commit(open, &Meta::root_owned(0o644)).unwrap();
    match &store.volume.nodes[usize::try_from(inode.0).unwrap()].content {
        Content::Regular(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    }
}

fn request(layout: &Path) -> Request {
    let source_text = format!("oci:{}:latest", layout.display());
    Request {
        source: Reference::parse(&source_text).unwrap(),
        source_text,
        arch: Arch::X86_64,
        target: Some(TargetRef::parse("example.invalid/image:latest").unwrap()),
        formats: vec![DiskFormat::Raw],
        output: PathBuf::new(),
        size: SizeRequest::Auto,
        explicit_rootfs: false,
        kargs: Vec::new(),
        karg_deletes: Vec::new(),
        root_ssh_authorized_keys: None,
        stateroot: None,
        ids: Ids::Derived,
        qcow2_compression: Qcow2Compression::None,
        boot_loader: BootLoader::None,
        source_date_epoch: Some(EPOCH),
        threads: 2,
        authfile: None,
        tls_verify: true,
        environment: Default::default(),
    }
}

/// The merge commit's name and the image; `None` if the image is one that we refuse.
fn imported(layout: &Path) -> Option<(String, Vec<u8>)> {
    let (cancel, reporter): (_, Arc<dyn Reporter>) = (Cancel::default(), Arc::new(Silent));
    let source = open_source(&request(layout), &reporter, &cancel).ok()?;
    let time = Timestamp { secs: EPOCH, nanos: 0 };
    let mut sysroot = ostree::Sysroot::create(MemoryVolume::default(), time).unwrap();
    let context = Context { reporter: &Silent, cancel: &cancel, threads: 2 };
    let imported = import(&mut sysroot, &source, EPOCH, context).ok()?;
    let created = source.image().created_secs.unwrap_or(EPOCH);
    let merge =
        ostree::commit_merge(&mut sysroot.store, &imported.tree, source.image(), created).unwrap();
    Some((merge.to_hex(), write_image(&mut sysroot.store, &imported.tree)))
}

#[test]
fn imported_images_have_the_recorded_image() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let (mut compared, mut different) = (0, Vec::new());
    for entry in golden.read_dir().unwrap() {
        let folder = entry.unwrap().path();
        let oracle = folder.join("oracle");
        let Ok(recorded) = std::fs::read(oracle.join("installed/dot-ostree.cfs")) else { continue };
        let Some((merge, image)) = imported(&folder.join("oci")) else { continue };
        // where ours is another tree by intent (docs/conformance.md), there is nothing to compare
        let same_tree =
            std::fs::read_to_string(oracle.join("merge-commit.txt")).unwrap().trim() == merge;
        compared += usize::from(same_tree);
        if same_tree && image != recorded {
            different.push(folder);
        }
    }
    println!("{compared} images compared");
    assert!(compared >= 25, "only {compared} images compared");
    assert!(different.is_empty(), "{different:?}");
}
