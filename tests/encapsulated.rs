//! Images that carry an ostree commit: their layers become the recorded commits and objects, and
//! whatever is changed in them is refused or makes no difference.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bootc_image::digest::Sha256Digest;
use bootc_image::layers::{Chunk, Kind, Reader, Warnings, decoder};
use bootc_image::ostree::encapsulated::{
    Base, Error, FINAL_DIFF_ID_LABEL, Import, Part, Problem, parts,
};
use bootc_image::ostree::{self, Sysroot};
use bootc_image::spec::{self, Compression};
use bootc_image::tree::{Directory, Node};
use bootc_image::volume::memory::{Content, MemoryVolume};
use bootc_image::volume::{Meta, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

const OBJECTS: &str = "sysroot/ostree/repo/objects/";

/// An entry of a layer with its content.
#[derive(Debug, Clone)]
struct Piece {
    path: Vec<u8>,
    kind: Kind,
    meta: Meta,
    content: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Layer {
    digest: Sha256Digest,
    part: Part,
    pieces: Vec<Piece>,
}

/// What an image's ostree layers became.
struct Outcome {
    sysroot: Sysroot<MemoryVolume>,
    commits: Vec<Sha256Digest>,
    base: Base,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(name)
}

fn json(layout: &Path, digest: Option<&str>) -> Value {
    let path = match digest {
        Some(digest) => layout.join("blobs").join(digest.replace(':', "/")),
        None => layout.join("index.json"),
    };
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The layers of an image, those without a commit's objects left empty.
fn open(name: &str) -> Result<Vec<Layer>, Error> {
    let layout = golden(name).join("oci");
    let index = json(&layout, None);
    let manifest = json(&layout, index["manifests"][0]["digest"].as_str());
    let config = json(&layout, manifest["config"]["digest"].as_str());
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap().iter();
    let diff_ids: Vec<String> = diff_ids.map(|id| id.as_str().unwrap().to_owned()).collect();
    let layers = manifest["layers"].as_array().unwrap().iter().map(|layer| spec::Layer {
        digest: Sha256Digest::parse_oci(layer["digest"].as_str().unwrap()).unwrap(),
        size_bytes: layer["size"].as_u64().unwrap(),
        compression: match layer["mediaType"].as_str().unwrap() {
            packed if packed.ends_with("gzip") => Compression::Gzip,
            packed if packed.ends_with("zstd") => Compression::Zstd,
            _ => Compression::None,
        },
    });
    let layers: Vec<_> = layers.collect();
    let label = config["config"]["Labels"][FINAL_DIFF_ID_LABEL].as_str();
    let parts = parts(label, &diff_ids, &layers)?;
    let read = |(layer, part): (&spec::Layer, Part)| {
        let is_ostree = matches!(part, Part::Commit | Part::Component);
        let pieces = if is_ostree { pieces(&layout, layer) } else { Vec::new() };
        Layer { digest: layer.digest, part, pieces }
    };
    Ok(layers.iter().zip(parts).map(read).collect())
}

fn pieces(layout: &Path, layer: &spec::Layer) -> Vec<Piece> {
    let warnings = Warnings::default();
    let blob = File::open(layout.join("blobs/sha256").join(layer.digest.to_hex())).unwrap();
    let tar = decoder(layer.compression, std::io::BufReader::new(blob), &warnings);
    let mut reader = Reader::new(std::io::BufReader::new(tar), &warnings);
    let mut pieces = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            match chunk {
                Chunk::Data(bytes) => content.extend_from_slice(bytes),
                Chunk::Hole(len) => {
                    content.resize(content.len() + usize::try_from(len).unwrap(), 0)
                }
            }
        }
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        let meta = Meta { mode, uid, gid, mtime: entry.mtime, xattrs: entry.xattrs };
        pieces.push(Piece { path: entry.path, kind: entry.kind, meta, content });
    }
    pieces
}

/// Reads all ostree layers and loads the commit.
fn import(layers: &[Layer]) -> Result<Outcome, ostree::Error> {
    let mut sysroot = Sysroot::create(MemoryVolume::default(), Timestamp::default())?;
    let mut import = Import::new();
    let mut commits = Vec::new();
    for layer in layers {
        if !matches!(layer.part, Part::Commit | Part::Component) {
            continue;
        }
        let store = &mut sysroot.store;
        let mut reader = import.layer(layer.part);
        for Piece { path, kind, meta, content } in &layer.pieces {
            match kind {
                Kind::Directory => {}
                Kind::Symlink { target } => reader.symlink(store, path, meta, target)?,
                Kind::Hardlink { target } => reader.hardlink(path, target)?,
                Kind::Regular { .. } => {
                    let Some(mut file) = reader.begin_file(store, path, meta)? else { continue };
                    for chunk in content.chunks(700) {
                        file.feed(store, chunk)?;
                    }
                    reader.finish_file(store, file)?;
                }
                _ => reader.unsupported(path, "device")?,
            }
        }
        commits.push(reader.finish(store)?.0);
    }
    let base = import.base(&mut sysroot.store)?;
    sysroot.store.pin();
    let used = sysroot.store.used(&[]);
    sysroot.store.seal(used)?;
    Ok(Outcome { sysroot, commits, base })
}

/// The names of all objects in the repository.
fn objects(volume: &MemoryVolume) -> BTreeSet<String> {
    let entries = |path: &str| match &volume.find(path).unwrap().content {
        Content::Directory(entries) => {
            entries.keys().map(|name| String::from_utf8(name.clone()).unwrap()).collect::<Vec<_>>()
        }
        other => panic!("{path} is {other:?}"),
    };
    let below = |first: String| {
        let names = entries(&format!("ostree/repo/objects/{first}"));
        names.into_iter().map(move |rest| format!("{first}{rest}"))
    };
    entries("ostree/repo/objects").into_iter().flat_map(below).collect()
}

fn recorded(name: &str, file: &str) -> String {
    fs::read_to_string(golden(name).join("oracle").join(file)).unwrap()
}

const IMAGES: [&str; 10] = [
    "encap-chunked",
    "encap-chunked-derived1",
    "encap-selinux",
    "encap-selinux-derived1",
    "encap-selinux-derived1-sound",
    "encap-selinux-derived2",
    "encap-selinux-derived2-sound",
    "encap-single",
    "encap-single-derived1",
    "encap-single-derived2",
];

#[test]
fn layers_become_the_recorded_commits_and_objects() {
    for name in IMAGES {
        let layers = open(name).unwrap();
        let outcome = import(&layers).unwrap();
        let refs = recorded(name, "refs.txt");
        let ours = objects(&outcome.sysroot.store.volume);
        for (layer, commit) in layers.iter().zip(&outcome.commits) {
            let hex = layer.digest.to_hex();
            let line = format!("ostree/container/blob/sha256_3A_{hex} {commit}");
            assert!(refs.lines().any(|recorded| recorded == line), "{name}: {line}");
            let record = format!("oracle/layer.{}.commit.bin", &hex[..12]);
            let commit = commit.to_hex();
            let path = format!("ostree/repo/objects/{}/{}.commit", &commit[..2], &commit[2..]);
            let node = outcome.sysroot.store.volume.find(&path).unwrap();
            let bytes = fs::read(golden(name).join(record)).unwrap();
            assert!(node.content == Content::Regular(bytes), "{name}: {path}");
        }
        assert_eq!(outcome.base.commit, outcome.commits[0], "{name}");
        assert_eq!(outcome.base.detached_metadata, None);
        let text = recorded(name, "repo-objects.txt");
        let mut theirs: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        if layers.iter().all(|layer| layer.part != Part::Derived) {
            // the merge commit has the tree of the carried commit
            theirs.remove(&format!("{}.commit", recorded(name, "merge-commit.txt").trim()));
            assert_eq!(ours, theirs, "{name}");
        } else {
            assert!(ours.is_subset(&theirs), "{name}: {:?}", ours.difference(&theirs));
        }
    }
}

/// Loading a tree and writing it gives the same objects: nothing of it was lost.
#[test]
fn the_loaded_tree_is_the_commits() {
    for name in IMAGES {
        let Outcome { mut sysroot, base, .. } = import(&open(name).unwrap()).unwrap();
        let before = objects(&sysroot.store.volume);
        let commit = ostree::commit_layer(&mut sysroot.store, &base.tree, 1, 0).unwrap();
        let after = objects(&sysroot.store.volume);
        let new: Vec<&String> = after.difference(&before).collect();
        assert_eq!(new, [&format!("{commit}.commit")], "{name}");
        let text = recorded(name, "refs.txt");
        assert!(text.contains(&base.commit.to_hex()));
    }
}

#[test]
fn images_that_lack_something_are_refused() {
    let found = import(&open("err-encap-missing-chunk").unwrap()).err();
    let Some(ostree::Error::Encapsulated(Error::Missing { object, path })) = found else {
        panic!("{found:?}")
    };
    assert_eq!(path, "usr/bin/sh");
    let checksum = object.strip_suffix(".file").unwrap();
    assert!(recorded("err-encap-missing-chunk", "error.txt").contains(checksum));
    let found = open("err-badfinaldiffid").unwrap_err();
    assert!(matches!(&found, Error::FinalDiffId { diff_id, .. } if diff_id.contains(":abab")));
    for name in ["encap-chunked", "encap-selinux"] {
        let layers = open(name).unwrap();
        for (index, layer) in layers.iter().enumerate() {
            let mut rest = layers.clone();
            rest.remove(index);
            let is_empty = !layer.pieces.iter().any(|piece| piece.path.ends_with(b".file"));
            let refused = import(&rest).is_err();
            assert_eq!(refused, layer.part == Part::Commit || !is_empty, "{name} {index}");
        }
    }
}

fn is_named(piece: &Piece, extension: &str) -> bool {
    piece.path.starts_with(OBJECTS.as_bytes()) && piece.path.ends_with(extension.as_bytes())
}

/// The checksum in an object's path.
fn checksum(piece: &Piece) -> String {
    let below = std::str::from_utf8(&piece.path).unwrap().strip_prefix(OBJECTS).unwrap();
    below.split('.').next().unwrap().replace('/', "")
}

/// Xattrs in entries of their own, and links to them: as exporters before 2024 wrote them.
fn with_shared_xattrs(layers: &[Layer], is_oldest: bool) -> Vec<Layer> {
    let mut layers = layers.to_vec();
    for layer in &mut layers {
        let mut seen = BTreeSet::new();
        let old = std::mem::take(&mut layer.pieces);
        for mut piece in old {
            if !is_named(&piece, ".file-xattrs-link") {
                layer.pieces.push(piece);
                continue;
            }
            let hex = Sha256Digest::of(&piece.content).to_hex();
            let (target, link) = if is_oldest {
                (format!("sysroot/ostree/repo/xattrs/{hex}"), format!("../../xattrs/{hex}"))
            } else {
                let below = format!("{}/{}.file-xattrs", &hex[..2], &hex[2..]);
                (format!("{OBJECTS}{below}"), format!("../{below}"))
            };
            let content = std::mem::take(&mut piece.content);
            if seen.insert(hex) {
                let path = target.into_bytes();
                layer.pieces.push(Piece { path, content, ..piece.clone() });
            }
            piece.kind = Kind::Hardlink { target: link.into_bytes() };
            if is_oldest {
                let path = String::from_utf8(piece.path).unwrap();
                piece.path = path.replace(".file-xattrs-link", ".file.xattrs").into_bytes();
            }
            layer.pieces.push(piece);
        }
    }
    layers
}

#[test]
fn older_spellings_of_xattrs_give_the_same() {
    for name in ["encap-single", "encap-selinux"] {
        let layers = open(name).unwrap();
        let expected = import(&layers).unwrap();
        for is_oldest in [false, true] {
            let changed = with_shared_xattrs(&layers, is_oldest);
            let outcome = import(&changed).unwrap();
            assert_eq!(outcome.commits, expected.commits);
            let ours = objects(&outcome.sysroot.store.volume);
            assert_eq!(ours, objects(&expected.sysroot.store.volume));
        }
    }
}

/// The error after a change of the first entry whose name ends so.
fn error_after(extension: &str, change: impl Fn(&mut Vec<Piece>, usize)) -> Error {
    let mut layers = open("encap-chunked").unwrap();
    let found = layers.iter().enumerate().find_map(|(index, layer)| {
        let at = layer.pieces.iter().position(|piece| is_named(piece, extension))?;
        Some((index, at))
    });
    let (index, at) = found.unwrap();
    change(&mut layers[index].pieces, at);
    match import(&layers) {
        Err(ostree::Error::Encapsulated(error)) => error,
        Err(other) => panic!("{extension}: {other}"),
        Ok(_) => panic!("{extension}: accepted"),
    }
}

#[test]
fn what_is_changed_is_refused_by_name() {
    for extension in [".commit", ".dirtree", ".dirmeta", ".file"] {
        let found = error_after(extension, |pieces, at| pieces[at].content[0] ^= 1);
        assert!(matches!(&found, Error::Checksum { object, .. } if object.ends_with(extension)));
        let found = error_after(extension, |pieces, at| {
            pieces[at].content.pop();
        });
        assert!(matches!(found, Error::Checksum { .. }), "{found}");
    }
    let found = error_after(".file", |pieces, at| pieces[at].meta.uid = 7);
    assert!(matches!(found, Error::Checksum { .. }), "{found}");
    let found = error_after(".file-xattrs-link", |pieces, at| pieces[at].content = b"junk".into());
    assert!(matches!(found, Error::Object { source: Problem::Form(_), .. }), "{found}");
    let found = error_after(".file", |pieces, at| pieces[at].path[OBJECTS.len()] ^= 1);
    assert!(matches!(found, Error::XattrsApart { .. } | Error::EntryName { .. }), "{found}");
    let found = error_after(".dirtree", |pieces, at| {
        let mut other = checksum(&pieces[at]);
        other.replace_range(0..1, if other.starts_with('0') { "1" } else { "0" });
        let path = format!("{OBJECTS}{}/{}.dirtree", &other[..2], &other[2..]);
        pieces[at].path = path.into_bytes();
    });
    assert!(matches!(found, Error::Checksum { .. }), "{found}");
    let found = error_after(".dirtree", |pieces, at| {
        pieces.remove(at);
    });
    assert!(matches!(found, Error::Missing { .. }), "{found}");
    let found = error_after(".file", |pieces, at| {
        let twice = pieces[at - 1..=at].to_vec();
        pieces.extend(twice);
    });
    assert!(matches!(found, Error::Duplicate { .. }), "{found}");
}

/// Entries of a tree, to be compared.
fn count(directory: &Directory) -> usize {
    let below = directory.entries.values().map(|node| match node {
        Node::File(_) => 1,
        Node::Directory(below) => 1 + count(below),
    });
    below.sum()
}

fn variants() -> &'static [Vec<Layer>] {
    static VARIANTS: OnceLock<Vec<Vec<Layer>>> = OnceLock::new();
    VARIANTS.get_or_init(|| {
        let mut variants = Vec::new();
        for name in ["encap-single", "encap-chunked", "encap-selinux"] {
            let mut layers = open(name).unwrap();
            for layer in &mut layers {
                layer.pieces.retain(|piece| piece.kind != Kind::Directory);
            }
            variants.push(with_shared_xattrs(&layers, false));
            variants.push(with_shared_xattrs(&layers, true));
            variants.push(layers);
        }
        variants
    })
}

/// Changes something; `what` chooses, the numbers say where and how much.
fn mutate(layers: &mut [Layer], (what, layer, place, amount): (u8, usize, usize, usize)) {
    let layer = layer % layers.len();
    let pieces = &mut layers[layer].pieces;
    if pieces.is_empty() {
        return;
    }
    let (at, other) = (place % pieces.len(), amount % pieces.len());
    let byte = u8::try_from(amount % 255).unwrap() + 1;
    match what {
        0 => drop(pieces.remove(at)),
        1 => pieces.insert(other, pieces[at].clone()),
        2 => pieces.swap(at, other),
        3 => {
            let content = &mut pieces[at].content;
            let len = content.len();
            if len > 0 {
                content[amount % len] ^= byte;
            }
        }
        4 => pieces[at].content.truncate(amount % 40),
        5 => pieces[at].content.push(byte),
        6 => {
            let path = &mut pieces[at].path;
            let len = path.len();
            path[amount % len] ^= byte;
        }
        7 => pieces[at].meta.uid ^= u32::from(byte),
        8 => pieces[at].meta.mode ^= u16::from(byte),
        9 => pieces[at].kind = Kind::Symlink { target: pieces[other].path.clone() },
        10 => pieces[at].kind = Kind::Hardlink { target: pieces[other].path.clone() },
        11 => pieces[at].kind = Kind::Fifo,
        12 => pieces[at].path = pieces[other].path.clone(),
        _ => layers[layer].part = Part::Component,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// A changed image is refused, or its commit is the same to the last entry.
    #[test]
    fn changed_images_are_refused_or_the_same(
        variant in 0_usize..9,
        changes in prop::collection::vec((0_u8..14, 0_usize..8, 0_usize..10_000, 0_usize..10_000), 1..4),
    ) {
        let original = &variants()[variant];
        let mut layers = original.clone();
        changes.into_iter().for_each(|change| mutate(&mut layers, change));
        if let Ok(outcome) = import(&layers) {
            let expected = import(original).unwrap();
            prop_assert_eq!(outcome.base.commit, expected.base.commit);
            prop_assert_eq!(count(&outcome.base.tree), count(&expected.base.tree));
        }
    }
}
