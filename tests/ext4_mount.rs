//! The kernel mounts what we write, sees what was written, and leaves it clean after writing to it.
//!
//! Needs root and loop devices; skips loudly without.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stderr)]

mod ext4_support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ext4_support::random::Random;
use ext4_support::tree::{Kind, Lines, Tree, compare, content_line, owner_line};
use ext4_support::{GIB, Image, options, run};

/// A mounted image; unmounted when dropped.
struct Mount {
    folder: tempfile::TempDir,
}

impl Mount {
    fn new(image: &Image, how: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIP: mounting needs root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().to_str().unwrap();
        let output = run("mount", &["-t", "ext4", "-o", how, image.path(), target])?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() && text.contains("loop") {
            eprintln!("SKIP: no loop device: {text}");
            return None;
        }
        assert!(output.status.success(), "mounting: {text}");
        Some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &[self.folder.path().to_str().unwrap()]);
    }
}

/// What the kernel sees, without `lost+found`: a line for each path, with attributes.
fn kernel_lines(root: &Path) -> Lines {
    let mut lines = Lines::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let full = root.join(&path);
        let meta = std::fs::symlink_metadata(&full).unwrap();
        let nanos = u32::try_from(meta.mtime_nsec()).unwrap();
        let mode = u16::try_from(meta.mode() & 0o7777).unwrap();
        assert_eq!((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
        let what = if meta.is_dir() {
            for entry in std::fs::read_dir(&full).unwrap() {
                let name = entry.unwrap().file_name();
                if !(path.as_os_str().is_empty() && name == "lost+found") {
                    waiting.push(path.join(name));
                }
            }
            "directory".to_owned()
        } else if meta.is_file() {
            content_line(&std::fs::read(&full).unwrap())
        } else if meta.is_symlink() {
            let target = std::fs::read_link(&full).unwrap();
            format!("link {}", target.as_os_str().as_bytes().escape_ascii())
        } else {
            let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
            format!("device {major}:{minor}")
        };
        let owner = owner_line(mode, meta.uid(), meta.gid(), meta.mtime(), nanos);
        let names = [b"/", path.as_os_str().as_bytes()].concat();
        let links = if meta.is_dir() { 0 } else { meta.nlink() };
        lines.insert(names, format!("{owner}{what} links {links}{}", xattrs(&full)));
    }
    lines
}

fn xattrs(path: &Path) -> String {
    let mut list = vec![0; 65536];
    let len = rustix::fs::llistxattr(path, &mut list[..]).unwrap();
    let mut found = BTreeMap::new();
    for name in list[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 65536];
        let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        found.insert(name.to_vec(), value[..len].to_vec());
    }
    xattr_text(found.iter().map(|(name, value)| (&name[..], &value[..])))
}

fn xattr_text<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    pairs.map(|(n, v)| format!(" {}={}", n.escape_ascii(), v.escape_ascii())).collect()
}

fn expected_lines(tree: &Tree) -> Lines {
    let lines = tree.lines();
    let full = |(path, line): (Vec<u8>, String)| {
        let node = &tree.nodes[tree.paths()[&path]];
        let line = match node.kind {
            Kind::Device(major, minor) => format!("{line} {major}:{minor}"),
            _ => line,
        };
        let links = if matches!(node.kind, Kind::Directory) { 0 } else { node.names.len() };
        let pairs = node.meta.xattrs.as_slice().iter().map(|x| (&x.name[..], &x.value[..]));
        (path, format!("{line} links {links}{}", xattr_text(pairs)))
    };
    lines.into_iter().map(full).collect()
}

#[test]
fn the_kernel_sees_what_was_written() {
    for case in 5000..5025 {
        let mut random = Random::new(case);
        random.all_times = true;
        let tree = random.tree();
        let image = Image::new();
        let mut writer = image.writer(options());
        tree.write(&mut writer, &mut random);
        image.finish(writer, if random.one_in(2) { 0 } else { GIB });
        let Some(mount) = Mount::new(&image, "ro") else { return };
        let what = format!("case {case}");
        compare(&expected_lines(&tree), &kernel_lines(mount.path()), &what);
    }
}

#[test]
fn the_kernel_writes_and_leaves_it_clean() {
    for case in 6000..6006 {
        let mut random = Random::new(case);
        let tree = random.tree();
        let image = Image::new();
        let mut writer = image.writer(options());
        tree.write(&mut writer, &mut random);
        image.finish(writer, GIB);
        let Some(mount) = Mount::new(&image, "rw") else { return };
        for path in tree.paths().keys() {
            let full = mount.path().join(OsStr::from_bytes(&path[1..]));
            if std::fs::symlink_metadata(&full).unwrap().is_dir() {
                for n in 0..120 {
                    // Fails in immutable directories.
                    let _ = std::fs::write(full.join(format!("new-{n}")), [7; 5000]);
                }
                let _ = std::fs::create_dir(full.join("new-folder"));
            } else {
                let _ = std::fs::remove_file(&full);
            }
        }
        drop(mount);
        image.check(&format!("case {case} after the kernel"));
    }
}
