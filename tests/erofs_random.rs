//! Random trees: the bytes are those of mkcomposefs, and its reader reads everything back.
//!
//! `EROFS_CASES` is how many (150 by default). A failing case is repeated with `EROFS_FIRST`.
//! Needs mkcomposefs and composefs-info (Debian: composefs) and fsck.erofs (erofs-utils); skips
//! loudly without. Other versions of composefs than 1.0.x may make other bytes.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stderr)]

mod erofs_support;
mod tools;

use std::path::Path;

use erofs_support::dump::dump;
use erofs_support::random::{Flavour, Random};
use tools::run;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn random_trees_are_as_mkcomposefs_makes_them() {
    let first = from_environment("EROFS_FIRST", 0);
    for case in first..first + from_environment("EROFS_CASES", 150) {
        if !is_equal(case) {
            return;
        }
    }
}

/// Panics with a reason; false if there is nothing to compare with.
fn is_equal(case: u64) -> bool {
    let mut random = Random::new(case);
    let tree = random.tree();
    let ours = tree.composefs().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (text, image, theirs) = (path("dump"), path("ours"), path("theirs"));
    std::fs::write(&text, dump(&tree)).unwrap();
    std::fs::write(&image, &ours).unwrap();
    if run("mkcomposefs", &["--from-file", &text, &theirs]).is_none() {
        return false;
    }
    same(&format!("case {case}"), &ours, &theirs);

    // what overlayfs escapes is not read back as it was
    if random.flavour == Flavour::Plain
        && let Some(read_back) = run("composefs-info", &["dump", &image])
    {
        std::fs::write(&text, read_back).unwrap();
        std::fs::remove_file(&theirs).unwrap();
        run("mkcomposefs", &["--from-file", &text, &theirs]);
        same(&format!("case {case}, read back"), &ours, &theirs);
    }
    run("fsck.erofs", &[&image]);
    true
}

fn same(what: &str, ours: &[u8], theirs: &str) {
    let theirs = std::fs::read(Path::new(theirs)).unwrap();
    let at = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    let lengths = (ours.len(), theirs.len());
    assert!(ours == theirs, "{what}: lengths {lengths:?}, first difference at {at:?}");
}
