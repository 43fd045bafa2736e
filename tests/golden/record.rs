//! The recorded results, and how ours differ from them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bootc_image::plan::ids::Ids;
use bootc_image::volume::memory::{Content, MemoryVolume, Node};

const IMAGE_REF: &str =
    "ostree/container/image/docker_3A__2F__2F_example_2E_invalid/image_3A_latest";
const HEADS: &str = "ostree/repo/refs/heads";
/// The UUID of the recorded root file systems.
const RECORDED_UUID: &str = "11111111-2222-4333-8444-555555555555";

/// A file of the volume as text.
fn text(volume: &MemoryVolume, path: &str) -> String {
    match volume.find(path).map(|node| &node.content) {
        Some(Content::Regular(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("<{path}: {other:?}>"),
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Everything that differs from the record.
pub fn differences(
    oracle: &Path,
    volume: &MemoryVolume,
    ids: Option<&Ids>,
    etc: EtcLabels,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, ours: &str, theirs: &str| {
        if ours != theirs {
            found.push(format!("{what} is\n  {ours}\n  but was recorded as\n  {theirs}"));
        }
    };
    let merge = read(&oracle.join("merge-commit.txt"));
    let merge = merge.trim();
    compare("the merge commit", text(volume, &format!("{HEADS}/{IMAGE_REF}")).trim(), merge);
    if !found.is_empty() {
        // everything below has another name then; the objects tell why
        found.extend(tree_differences(oracle, volume, |_| false));
        return found;
    }
    let mut compare = |what: &str, ours: &str, theirs: &str| {
        if ours != theirs {
            found.push(format!("{what} is\n  {ours}\n  but was recorded as\n  {theirs}"));
        }
    };
    let (first, rest) = merge.split_at(2);
    let object = text(volume, &format!("ostree/repo/objects/{first}/{rest}.commit"));
    compare("its object", &object, &read(&oracle.join("merge.commit.bin")));
    let refs = read(&oracle.join("refs.txt")).replace("IMAGE ", &format!("{IMAGE_REF} "));
    for line in refs.lines() {
        let (name, commit) = line.split_once(' ').unwrap();
        compare(name, text(volume, &format!("{HEADS}/{name}")).trim(), commit);
    }
    let installed = oracle.join("installed");
    let Some(ids) = ids.filter(|_| installed.is_dir()) else {
        found.extend(tree_differences(oracle, volume, |_| false));
        return found;
    };
    let uuid = ids.root_fs.to_string();
    let bls =
        text(volume, "boot/loader/entries/ostree-1.conf".replace("loader/", "loader.1/").as_str())
            .replace(&uuid, RECORDED_UUID);
    compare("the BLS entry", &bls, &read(&installed.join("bls-ostree-1.conf")));
    compare(
        "the repo config",
        &text(volume, "ostree/repo/config"),
        &read(&installed.join("repo-config")),
    );
    let origin_name = std::fs::read_dir(&installed).unwrap().find_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.ends_with(".origin").then_some(name)
    });
    let origin_name = origin_name.unwrap();
    let listing = listing(volume);
    let path = listing
        .iter()
        .filter_map(|line| line.split(' ').nth(5))
        .find(|path| path.ends_with(&origin_name));
    compare(
        "the origin",
        &text(volume, path.unwrap_or("missing")),
        &read(&installed.join(&origin_name)),
    );
    compare_composefs(volume, &listing, &installed, &mut found);
    compare_aleph(volume, &installed, &mut found);
    compare_listing(&listing, &installed, &mut found);
    compare_xattrs(volume, &installed, etc, &mut found);
    compare_immutable(volume, &installed, &mut found);
    found
}

/// `.ostree.cfs`, byte for byte.
fn compare_composefs(
    volume: &MemoryVolume,
    listing: &[String],
    installed: &Path,
    found: &mut Vec<String>,
) {
    let path = listing.iter().filter_map(|line| line.split(' ').nth(5));
    let path = path.filter(|path| path.ends_with("/.ostree.cfs")).collect::<Vec<_>>();
    assert_eq!(path.len(), 1, "one deployment has one composefs image");
    let Content::Regular(ours) = &volume.find(path[0]).unwrap().content else { panic!("a file") };
    if *ours != std::fs::read(installed.join("dot-ostree.cfs")).unwrap() {
        found.push(".ostree.cfs differs".to_owned());
    }
}

/// Fields of the aleph file that do not depend on the installing host.
fn compare_aleph(volume: &MemoryVolume, installed: &Path, found: &mut Vec<String>) {
    let parse = |text: &str| {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        let object = value.as_object_mut().unwrap();
        object.remove("kernel");
        object.remove("image");
        // the recording host had SELinux switched off
        object.remove("selinux");
        value
    };
    let ours = parse(&text(volume, ".bootc-aleph.json"));
    let theirs = parse(&read(&installed.join("bootc-aleph.json")));
    if ours != theirs {
        found.push(format!("the aleph file is {ours} but was recorded as {theirs}"));
    }
}

/// The lines of `sysroot-tree.txt`: `type mode owner n=links s=size path -> target`.
fn listing(volume: &MemoryVolume) -> Vec<String> {
    fn walk(volume: &MemoryVolume, path: &str, node: &Node, lines: &mut Vec<String>) {
        let meta = &node.meta;
        let owner = format!("{}:{}", meta.uid, meta.gid);
        let mode = format!("{:o}", meta.mode);
        let n = node.links;
        match &node.content {
            Content::Regular(bytes) => {
                lines.push(format!("f {mode} {owner} n={n} s={} {path} -> ", bytes.len()));
            }
            Content::Symlink(target) => {
                let shown = String::from_utf8_lossy(target);
                lines.push(format!("l 777 {owner} n={n} s={} {path} -> {shown}", target.len()));
            }
            Content::CharDevice(..) => {
                lines.push(format!("c {mode} {owner} n={n} s=0 {path} -> "));
            }
            Content::Forgotten => unreachable!("`{path}` names what was forgotten"),
            Content::Directory(entries) => {
                let directories = entries.keys().filter(|name| {
                    let below = format!("{path}/{}", String::from_utf8_lossy(name));
                    matches!(volume.find(&below).unwrap().content, Content::Directory(_))
                });
                let n = 2 + directories.count();
                lines.push(format!("d {mode} {owner} n={n} s= {path} -> "));
                if path == "ostree/repo/objects" {
                    return;
                }
                for name in entries.keys() {
                    let name = String::from_utf8_lossy(name);
                    let below =
                        if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
                    walk(volume, &below, volume.find(&below).unwrap(), lines);
                }
            }
        }
    }
    let mut lines = Vec::new();
    walk(volume, "", volume.find("").unwrap(), &mut lines);
    lines
}

/// Lines that are comparable: without the sizes of directories, the object store, and what belongs to the volume or the disk rather than to the installation.
fn comparable(line: &str) -> Option<String> {
    let mut fields: Vec<&str> = line.splitn(6, ' ').collect();
    let path = fields.get(5)?.split(" -> ").next()?;
    let skipped = ["boot/efi", "lost+found", "ostree/repo/objects", "ostree/bootc/storage"];
    if skipped.iter().any(|skip| path == *skip || path.starts_with(&format!("{skip}/")))
        // the recorded link counts of these count directories that are skipped above
        || ["", "boot", "ostree/bootc"].contains(&path)
        || path.starts_with("ostree/repo/tmp")
        || path == "ostree/repo"
        || path == ".bootc-aleph.json"
    {
        return None;
    }
    if fields[0] == "d" {
        fields[4] = "s=";
    }
    Some(fields.join(" "))
}

fn compare_listing(ours: &[String], installed: &Path, found: &mut Vec<String>) {
    let theirs = read(&installed.join("sysroot-tree.txt"));
    let theirs: BTreeSet<String> = theirs.lines().filter_map(comparable).collect();
    let ours = ours.join("\n");
    let ours: BTreeSet<String> = ours.lines().filter_map(comparable).collect();
    assert!(theirs.len() > 50, "the recorded listing is too short to be one");
    found.extend(ours.difference(&theirs).map(|line| format!("ours only:   {line}")));
    found.extend(theirs.difference(&ours).map(|line| format!("theirs only: {line}")));
}

fn is_label_alone(xattrs: &BTreeMap<String, String>) -> bool {
    xattrs.len() == 1 && xattrs.contains_key("security.selinux")
}

/// How the labels of the copies in `/etc` were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtcLabels {
    /// As ours.
    Equal,
    /// Those of the objects, since the recording host had SELinux switched off; ours are those of
    /// `/etc`, which are others when the policy does not know `/usr/etc`.
    ByTheirPath,
}

/// `xattrs-deploy.txt` is what `getfattr -d -e hex` prints.
fn compare_xattrs(
    volume: &MemoryVolume,
    installed: &Path,
    etc: EtcLabels,
    found: &mut Vec<String>,
) {
    let text = read(&installed.join("xattrs-deploy.txt"));
    let mut theirs: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut path = String::new();
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("# file: ") {
            path = unescape(named);
        } else if let Some((name, value)) = line.split_once('=') {
            let value = value.strip_prefix("0x").unwrap_or(value).to_owned();
            theirs.entry(path.clone()).or_default().insert(name.to_owned(), value);
        }
    }
    let mut ours: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for line in listing(volume) {
        let path = line.splitn(6, ' ').nth(5).unwrap().split(" -> ").next().unwrap().to_owned();
        let node = volume.find(&path).unwrap();
        // the recording host had SELinux switched off and left this one unlabelled
        if path.ends_with("/.ostree.cfs") {
            continue;
        }
        if !path.starts_with("ostree/deploy/") || node.meta.xattrs.is_empty() {
            continue;
        }
        let shown = node.meta.xattrs.as_slice().iter().map(|xattr| {
            let value = xattr.value.iter().map(|byte| format!("{byte:02x}")).collect();
            (String::from_utf8_lossy(&xattr.name).into_owned(), value)
        });
        ours.insert(path, shown.collect());
    }
    for path in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let in_tree = path.split_once("/deploy/").is_some_and(|(_, rest)| {
            rest.split_once("/deploy/").is_some_and(|(_, rest)| rest.contains('/'))
        });
        // the recording host had SELinux switched off: what the installer labels stayed unlabelled
        let is_installers = !in_tree && ours.get(path).is_some_and(is_label_alone);
        if is_installers && !theirs.contains_key(path) {
            continue;
        }
        if path.contains(".0/etc") && etc == EtcLabels::ByTheirPath {
            continue;
        }
        if ours.get(path) != theirs.get(path) {
            let (ours, theirs) = (ours.get(path), theirs.get(path));
            found.push(format!("xattrs of {path}: {ours:?}, recorded {theirs:?}"));
        }
    }
}

/// getfattr writes backslash, newline and some bytes of names as `\ooo`.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let byte = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn compare_immutable(volume: &MemoryVolume, installed: &Path, found: &mut Vec<String>) {
    for line in read(&installed.join("lsattr.txt")).lines() {
        let (flags, path) = line.split_once(' ').unwrap();
        let path = if path == "." { "" } else { path };
        let ours = volume.find(path).is_some_and(|node| node.immutable);
        if ours != flags.contains('i') {
            found.push(format!("immutable flag of {path}: {ours}, recorded {flags}"));
        }
    }
}

/// Differences of what the deployment holds, but for these paths below it and, for directories above
/// them, link counts. Commit names differ then, so they are not looked at.
pub fn differences_but(oracle: &Path, volume: &MemoryVolume, paths: &[&str]) -> Vec<String> {
    let is_excepted = |path: &str| {
        paths.iter().any(|except| path == *except || path.starts_with(&format!("{except}/")))
    };
    let is_above = |path: &str| paths.iter().any(|except| except.starts_with(&format!("{path}/")));
    let below = |line: &str| {
        let line = comparable(line)?;
        let path = line.splitn(6, ' ').nth(5)?;
        let (_, rest) = path.strip_prefix("ostree/deploy/")?.split_once("/deploy/")?;
        let (_, rest) = rest.split_once('/')?;
        let path = rest.split(" -> ").next()?;
        let copied = path.strip_prefix("etc/").map(|path| format!("usr/etc/{path}"));
        let excepted = is_excepted(path) || is_above(path);
        let excepted = excepted || copied.is_some_and(|path| is_excepted(&path));
        (!excepted).then(|| line.replacen(path_prefix(&line), "", 1))
    };
    let theirs = read(&oracle.join("installed/sysroot-tree.txt"));
    let theirs: BTreeSet<String> = theirs.lines().filter_map(below).collect();
    let ours = listing(volume).join("\n");
    let ours: BTreeSet<String> = ours.lines().filter_map(below).collect();
    assert!(theirs.len() > 30, "the recorded listing is too short to be one");
    let mut found = Vec::new();
    found.extend(ours.difference(&theirs).map(|line| format!("ours only:   {line}")));
    found.extend(theirs.difference(&ours).map(|line| format!("theirs only: {line}")));
    found.extend(tree_differences(oracle, volume, is_excepted));
    found
}

/// `ostree/deploy/…/COMMIT.0/` of a line.
fn path_prefix(line: &str) -> &str {
    let start = line.find("ostree/deploy/").unwrap_or(0);
    let end = line.find(".0/").map_or(start, |at| at + 3);
    &line[start..end]
}

/// Objects of the recorded merged tree that our repository lacks.
pub fn tree_differences(
    oracle: &Path,
    volume: &MemoryVolume,
    is_excepted: impl Fn(&str) -> bool,
) -> Vec<String> {
    let record = read(&oracle.join("merge.ls-RCX.txt"));
    let mut found = Vec::new();
    for line in record.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_file = fields.first().is_some_and(|mode| !mode.starts_with('d'));
        let is_checksum = |field: &&&str| is_file && field.len() == 64;
        let Some(checksum) = fields.get(4).filter(is_checksum) else { continue };
        let path = line.rsplit_once("} /").map_or("", |(_, path)| path);
        let path = path.split(" -> ").next().unwrap_or(path);
        let (first, rest) = checksum.split_at(2);
        let object = format!("ostree/repo/objects/{first}/{rest}.file");
        if !is_excepted(path) && volume.find(&object).is_none() {
            found.push(format!("the object of this file is missing: {line}"));
        }
    }
    assert!(record.lines().count() > 10, "the recorded tree is too short to be one");
    found
}
