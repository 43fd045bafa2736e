//! Whiteouts: the ones that hide the object store, and the ones that are part of the tree.

use super::super::xattr::XattrSet;

/// `00` to `ff`, the directories of an object store.
pub(super) const OBJECT_DIRECTORIES: [[u8; 2]; 256] = object_directories();

const fn object_directories() -> [[u8; 2]; 256] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut names = [[0; 2]; 256];
    let mut number = 0;
    while number < names.len() {
        names[number] = [DIGITS[number / 16], DIGITS[number % 16]];
        number += 1;
    }
    names
}

/// A whiteout of the tree is an empty file with these attributes, the second for mounts with
/// `userxattr`. Seen through the mount, the first is `trusted.overlay.whiteout`.
pub(super) fn mark_whiteout(xattrs: &mut XattrSet) {
    xattrs.replace(b"trusted.overlay.overlay.whiteout", b"");
    xattrs.replace(b"user.overlay.whiteout", b"");
}

/// And these are on its directory.
pub(super) fn mark_directory(xattrs: &mut XattrSet) {
    for (name, value) in [
        (&b"trusted.overlay.overlay.whiteouts"[..], &b""[..]),
        (b"user.overlay.whiteouts", b""),
        (b"trusted.overlay.overlay.opaque", b"x"),
        (b"user.overlay.opaque", b"x"),
    ] {
        xattrs.replace(name, value);
    }
}
