//! What libselinux does, case by case.

use super::*;
use crate::files::MemoryFiles;

const CONFIG: &str = "SELINUX=enforcing\nSELINUXTYPE=t\n";
const ROOT: &str = "/ root\n";

/// An image with a policy of these files, besides a label for the root.
fn image(files: &[(&str, &str)]) -> MemoryFiles {
    let image = MemoryFiles::default()
        .with("usr/etc/selinux/config", CONFIG)
        .with("usr/etc/selinux/t/policy/policy.33", "")
        .with("usr/etc/selinux/t/contexts/files/file_contexts", ROOT);
    files.iter().fold(image, |image, (name, text)| {
        let text = if *name == "file_contexts" { format!("{ROOT}{text}") } else { (*text).into() };
        image.with(&format!("usr/etc/selinux/t/contexts/files/{name}"), text)
    })
}

fn policy(files: &[(&str, &str)]) -> Policy {
    Policy::load(&image(files)).unwrap().unwrap()
}

fn check(contexts: &str, labels: &[(&str, &str)]) {
    check_files(&[("file_contexts", contexts)], labels);
}

/// Labels of regular files; `none` where there is none.
fn check_files(files: &[(&str, &str)], labels: &[(&str, &str)]) {
    let policy = policy(files);
    for (path, expected) in labels {
        let label = policy.label(path, FileType::Regular);
        assert_eq!(label.as_deref().unwrap_or("none"), *expected, "{path}");
    }
}

#[test]
fn the_last_pattern_counts() {
    check("/a/.* first\n/a/b.* second\n", &[("/a/b", "second"), ("/a/c", "first"), ("/b", "none")]);
    check("/a/b.* first\n/a/.* second\n", &[("/a/b", "second")]);
    check("/.*/x first\n/a/b/c/.* second\n", &[("/a/b/c/x", "second"), ("/a/x", "first")]);
    check("/a/b/c/.* first\n/.*/x second\n", &[("/a/b/c/x", "second"), ("/a/b/c/y", "first")]);
}

#[test]
fn literal_lines_beat_patterns_and_the_first_counts() {
    check("/a/b exact\n/a/.* pattern\n", &[("/a/b", "exact")]);
    check("/a/b first\n/a/b second\n", &[("/a/b", "first")]);
    check("/a/b\\.c\\-d escaped\n/a/b.c-d pattern\n", &[("/a/b.c-d", "escaped")]);
    check("/a/b\\/c no_literal\n/a/.* pattern\n", &[("/a/b/c", "pattern")]);
    check("/a/b -d exact\n/a/.* pattern\n", &[("/a/b", "pattern")]);
    check("/a/b -d first\n/a/b -- second\n/a/b third\n", &[("/a/b", "second")]);
}

/// Else a policy of one line, written 100,000 times, takes minutes.
#[test]
fn lines_that_cannot_count_are_not_kept() {
    let mut tree = Tree::new();
    for file in 0..3 {
        for line in ["/a x", "/a -- y", "/a z", "/a -- w"].repeat(100) {
            tree.add(file, &contexts::parse(line.as_bytes()).unwrap().unwrap()).unwrap();
        }
    }
    assert_eq!(tree.len(), 1200);
    assert_eq!(tree.literals_of(b"/a"), 6);
    assert_eq!(tree.lookup(b"/a", Some(FileType::Regular)), Some("x"));
}

#[test]
fn no_label_ends_the_search() {
    check("/a/.* x\n/a/b(/.*)? <<none>>\n", &[("/a/b", "none"), ("/a/c", "x")]);
    check("/a/b <<none>>\n/a/.* x\n", &[("/a/b", "none")]);
    check("/a/.* <<none>>\n/.* x\n", &[("/a/b", "none"), ("/b", "x")]);
    check("/a/x.* y\n/.* <<none>>\n", &[("/a/x", "none")]);
    check("/.* <<none>>\n/a/x.* y\n", &[("/a/x", "y")]);
}

#[test]
fn types_choose() {
    let policy =
        policy(&[("file_contexts", "/x.* any\n/x.* -l link\n/x.* -p pipe\n/x.* -d dir\n")]);
    let label = |file_type| policy.label("/x", file_type).unwrap();
    assert_eq!(label(FileType::Regular), "any");
    assert_eq!(label(FileType::Symlink), "link");
    assert_eq!(label(FileType::Directory), "dir");
    assert_eq!(label(FileType::CharDevice), "any");
}

#[test]
fn later_files_count_more() {
    let files = [
        ("file_contexts", "/a/.* base\n/a/exact base\n/l/x base\n"),
        ("file_contexts.homedirs", "/a/h.* home\n/l/x home\n"),
        ("file_contexts.local", "/a/.*l local\n/a/exac. local\n/l/x -d local\n"),
    ];
    let labels = [
        ("/a/x", "base"),
        ("/a/h", "home"),
        ("/a/hl", "local"),
        ("/a/exact", "base"),
        ("/l/x", "home"),
    ];
    check_files(&files, &labels);
}

#[test]
fn paths_are_substituted_twice() {
    let files = [
        ("file_contexts", "/etc(/.*)? etc\n/mnt mnt\n/proc proc\n"),
        ("file_contexts.subs", "/alias /usr/etc\n/etc /nowhere\n"),
        ("file_contexts.subs_dist", "/usr/etc /etc\n"),
    ];
    let labels = [
        ("/usr/etc/x", "etc"),
        ("/alias/x", "etc"),
        ("/etc/x", "none"),
        ("/usr/etc", "etc"),
        ("/usr/etcetera", "none"),
        ("/proc", "mnt"),
        ("/proc/", "proc"),
        ("//usr///etc//x//", "etc"),
        ("/", "root"),
        ("//", "root"),
    ];
    check_files(&files, &labels);
}

#[test]
fn no_policy_is_no_error() {
    assert!(Policy::load(&MemoryFiles::default()).unwrap().is_none());
    let off = image(&[]).with("usr/etc/selinux/config", "SELINUX=disabled\nSELINUXTYPE=t\n");
    assert!(Policy::load(&off).unwrap().is_none());
}

#[test]
fn the_policy_may_be_a_link() {
    let linked = image(&[])
        .with("usr/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=u\n")
        .with_link("usr/etc/selinux/u", "/etc/selinux/t");
    let policy = Policy::load(&linked).unwrap().unwrap();
    assert_eq!(policy.name(), "u");
    assert_eq!(policy.label("/", FileType::Directory).as_deref(), Some("root"));
}

#[test]
fn the_identity_is_that_of_the_labels() {
    let one = policy(&[("file_contexts", "/a x\n")]);
    assert_eq!(one.name(), "t");
    assert_eq!(one.identity(), policy(&[("file_contexts", "/a x\n")]).identity());
    let others = [
        policy(&[("file_contexts", "/a y\n")]),
        policy(&[("file_contexts", ""), ("file_contexts.local", "/a x\n")]),
        policy(&[("file_contexts", "/a x\n"), ("file_contexts.subs", "/b /a\n")]),
    ];
    assert!(others.iter().all(|other| other.identity() != one.identity()));
}

#[test]
fn what_cannot_be_used_is_named() {
    let error = |name, text| {
        let error = Policy::load(&image(&[(name, text)])).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    };
    assert_eq!(
        error("file_contexts.local", "\n/a x\n/b(c x\n"),
        "the pattern `/b(c` in line 3 of `etc/selinux/t/contexts/files/file_contexts.local` cannot be \
         used: a parenthesis has no partner"
    );
    assert_eq!(
        error("file_contexts", "/a\n"),
        "line 2 of `etc/selinux/t/contexts/files/file_contexts` cannot be read: the context is missing"
    );
}

#[test]
fn a_policy_must_be_whole() {
    let without = |path: &str| {
        let mut image = image(&[]);
        image.regular.remove(path).unwrap();
        Policy::load(&image).unwrap_err().to_string()
    };
    assert_eq!(
        without("usr/etc/selinux/t/policy/policy.33"),
        "the image enables the SELinux policy `t`, but `etc/selinux/t/policy/policy.NN` is missing"
    );
    assert_eq!(
        without("usr/etc/selinux/t/contexts/files/file_contexts"),
        "the image enables the SELinux policy `t`, but `etc/selinux/t/contexts/files/file_contexts` \
         is missing"
    );
    let rootless = image(&[]).with("usr/etc/selinux/t/contexts/files/file_contexts", "/a x\n");
    assert!(matches!(Policy::load(&rootless), Err(Error::NoRootLabel { .. })));
}

#[test]
fn a_hostile_policy_is_refused() {
    let lines = "/.* x\n".repeat(LINES_LIMIT + 1);
    let patterns = "/x([0-9]{3000}|y){3} x\n".repeat(1000);
    let bytes = "#".repeat(9 << 20);
    for text in [lines, patterns, bytes] {
        let error = Policy::load(&image(&[("file_contexts", &text)])).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. } | Error::Files(_)), "{error}");
    }
}
