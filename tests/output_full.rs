//! What happens when the disk is full: needs root and a mount namespace for a small tmpfs.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bootc_image::output::{OutputError, Pending};

#[test]
fn a_full_disk_has_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", path];
    let mounted = std::process::Command::new("mount").args(mount).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("SKIP: no small tmpfs can be mounted here");
        return;
    }
    let full = fill(folder.path());
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    tools::run("umount", &[path]);
    assert!(matches!(full, OutputError::DiskFull { path } if path.ends_with("image/disk.raw")));
    assert_eq!(left, 0);
}

fn fill(folder: &Path) -> OutputError {
    let pending = Pending::create(&folder.join("image/disk.raw")).unwrap();
    let error = pending.file().write_all_at(&[1; 100_000], 0).unwrap_err();
    pending.error(error)
}
