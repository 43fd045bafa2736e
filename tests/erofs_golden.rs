//! `.ostree.cfs` of every golden image, byte for byte, from the recorded listing of its merge commit.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod erofs_support;

use std::path::{Path, PathBuf};

use bootc_image::digest::Sha256Digest;
use bootc_image::fs::erofs::composefs::Kind;
use bootc_image::volume::Xattrs;
use erofs_support::{MemoryTree, Node};

/// The tree of what `ostree ls -R -C -X` printed.
fn listed(text: &str) -> MemoryTree {
    let mut tree: Option<MemoryTree> = None;
    let mut folders = std::collections::HashMap::new();
    // a name may have a newline in it
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match lines.last_mut() {
            Some(last) if !line.contains(" } /") => *last = format!("{last}\n{line}"),
            _ => lines.push(line.to_owned()),
        }
    }
    for line in &lines {
        let (head, path) = line.split_once(" } /").unwrap();
        let (head, xattrs) = head.split_once(" { ").unwrap();
        let fields: Vec<&str> = head.split_whitespace().collect();
        let mode = u16::from_str_radix(&fields[0][1..], 8).unwrap();
        let len_bytes: u64 = fields[3].parse().unwrap();
        let (kind, path, target) = match &fields[0][..1] {
            "d" => (Kind::Directory, path, ""),
            "l" => {
                let (path, target) = path.split_once(" -> ").unwrap();
                (Kind::Symlink { len_bytes: u64::try_from(target.len()).unwrap() }, path, target)
            }
            "-" => {
                let name = Sha256Digest::parse_hex(fields[4]).unwrap();
                (Kind::Object { len_bytes, name, verity: None }, path, "")
            }
            other => panic!("type {other}"),
        };
        let mut node = Node::new(kind, mode);
        node.uid = fields[1].parse().unwrap();
        node.gid = fields[2].parse().unwrap();
        node.xattrs = Xattrs::from_pairs(pairs(xattrs));
        node.content = target.as_bytes().to_vec();
        let Some(tree) = &mut tree else {
            assert_eq!(path, "", "the root comes first");
            tree = Some(MemoryTree::new(node));
            folders.insert(String::new(), 0);
            continue;
        };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let number = tree.add(folders[folder], name.as_bytes(), node);
        if kind == Kind::Directory {
            folders.insert(path.to_owned(), number);
        }
    }
    tree.unwrap()
}

/// Attributes as GVariant prints them: `[(b'name', [byte 0x01, 0x02]), (b'name', b'text')]`.
fn pairs(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rest = text.strip_prefix("@a(ayay) ").unwrap_or(text).strip_prefix('[').unwrap();
    let mut pairs = Vec::new();
    while !rest.starts_with(']') {
        rest = rest.strip_prefix(", ").unwrap_or(rest).strip_prefix('(').unwrap();
        let (mut name, after) = bytes(rest);
        assert_eq!(name.pop(), Some(0), "names end with a NUL");
        let (value, after) = bytes(after.strip_prefix(", ").unwrap());
        rest = after.strip_prefix(')').unwrap();
        pairs.push((name, value));
    }
    pairs
}

fn bytes(text: &str) -> (Vec<u8>, &str) {
    if let Some(rest) = text.strip_prefix("b'") {
        let (text, rest) = rest.split_once('\'').unwrap();
        assert!(!text.contains('\\'), "escapes are not read: {text}");
        return ([text.as_bytes(), b"\0"].concat(), rest);
    }
    let text = text.strip_prefix("@ay ").unwrap_or(text);
    let (list, rest) = text.strip_prefix('[').unwrap().split_once(']').unwrap();
    let list = list.strip_prefix("byte ").unwrap_or(list);
    let numbers = list.split(", ").filter(|number| !number.is_empty());
    let number = |text: &str| u8::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap();
    (numbers.map(number).collect(), rest)
}

/// Pairs of a listing and an image.
fn records() -> Vec<(String, PathBuf, PathBuf)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut records = Vec::new();
    let (listing, image) = ("oracle/merge.ls-RCX.txt", "oracle/installed/dot-ostree.cfs");
    for entry in fixtures.join("golden").read_dir().unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if folder.join(image).exists() {
            records.push((name, folder.join(listing), folder.join(image)));
        }
    }
    records.sort();
    records
}

#[test]
fn golden_images_are_equal_byte_for_byte() {
    let records = records();
    assert!(records.len() >= 60, "only {} records", records.len());
    let mut different = Vec::new();
    for (name, listing, image) in &records {
        let listing = String::from_utf8(std::fs::read(listing).unwrap()).unwrap();
        let ours = listed(&listing).ostree().unwrap();
        let theirs = std::fs::read(image).unwrap();
        if ours != theirs {
            let at = ours.iter().zip(&theirs).position(|(a, b)| a != b);
            let lengths = (ours.len(), theirs.len());
            different.push(format!("{name}: lengths {lengths:?}, first difference at {at:?}"));
        }
    }
    println!("{} images compared", records.len());
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}
