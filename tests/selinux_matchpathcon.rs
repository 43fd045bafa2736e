//! Our labels against those of libselinux, for a policy that a distribution ships.
//!
//! Two sets of paths are looked up by both: every file of this machine by its own type, and, by every
//! type, paths that are made up from each pattern of the policy so that they match it, or just do not.
//!
//! Of very many paths evenly spaced ones are taken, unless `BOOTC_IMAGE_SELINUX_ALL` is set: libselinux is slow.
//! The policy is the one installed below `/etc/selinux`, or that whose `file_contexts` lies in the
//! directory `BOOTC_IMAGE_SELINUX_CONTEXTS`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test"
)]

mod tools;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bootc_image::files::MemoryFiles;
use bootc_image::labels::{FileType, Labels as _};
use bootc_image::selinux::Policy;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use tools::run;

const NAMES: [&str; 5] = [
    "file_contexts",
    "file_contexts.homedirs",
    "file_contexts.local",
    "file_contexts.subs",
    "file_contexts.subs_dist",
];
const TYPES: [(FileType, &str); 4] = [
    (FileType::Regular, "file"),
    (FileType::Directory, "dir"),
    (FileType::Symlink, "lnk_file"),
    (FileType::CharDevice, "chr_file"),
];
/// The system takes two megabytes of arguments.
const BATCH_BYTES: usize = 1 << 20;
/// How many paths are enough.
const ENOUGH: usize = 20_000;

fn contexts() -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("BOOTC_IMAGE_SELINUX_CONTEXTS") {
        return Some(directory.into());
    }
    let installed = |name| Path::new("/etc/selinux").join(name).join("contexts/files");
    ["default", "targeted", "mls"]
        .map(installed)
        .into_iter()
        .find(|directory| directory.join("file_contexts").exists())
}

/// The policy, read by us and copied for libselinux without its compiled forms.
fn policy(from: &Path, copy: &Path) -> Policy {
    let mut files = MemoryFiles::default()
        .with("usr/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=x\n")
        .with("usr/etc/selinux/x/policy/policy.33", "");
    for name in NAMES {
        if let Ok(bytes) = std::fs::read(from.join(name)) {
            std::fs::write(copy.join(name), &bytes).unwrap();
            files = files.with(&format!("usr/etc/selinux/x/contexts/files/{name}"), bytes);
        }
    }
    let start = Instant::now();
    let policy = Policy::load(&files).unwrap().unwrap();
    println!("loaded in {:?}", start.elapsed());
    policy
}

/// What libselinux says of each path, in their order.
fn theirs(contexts: &Path, file_type: &str, paths: &[String]) -> Option<Vec<String>> {
    let mut labels = Vec::new();
    let mut rest = paths;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |path: &&String| {
            bytes += path.len() + 16;
            bytes < BATCH_BYTES
        };
        let (batch, after) = rest.split_at(rest.iter().take_while(fits).count());
        let mut arguments = vec!["-f", contexts.to_str().unwrap(), "-m", file_type];
        arguments.extend(batch.iter().map(String::as_str));
        let output = run("matchpathcon", &arguments)?;
        labels.extend(output.lines().map(|line| line.rsplit_once('\t').unwrap().1.to_owned()));
        rest = after;
    }
    assert_eq!(labels.len(), paths.len());
    Some(labels)
}

/// The number of paths that were compared; panics when labels differ.
fn compare(policy: &Policy, copy: &Path, paths: &BTreeSet<String>, types: [bool; 4]) -> usize {
    let clean = |path: &&String| path.starts_with('/') && !path.contains(['\n', '\0', '\u{fffd}']);
    // Only we look this one up as another.
    let paths = paths.iter().filter(clean).filter(|path| *path != "/proc");
    let all = std::env::var_os("BOOTC_IMAGE_SELINUX_ALL").is_some();
    let step = if all { 1 } else { paths.clone().count().div_ceil(ENOUGH).max(1) };
    let paths: Vec<String> = paths.step_by(step).cloned().collect();
    let mut compared = 0;
    for ((file_type, name), _) in TYPES.iter().zip(types).filter(|(_, wanted)| *wanted) {
        let Some(theirs) = theirs(&copy.join("file_contexts"), name, &paths) else { return 0 };
        let start = Instant::now();
        let ours: Vec<_> = paths.iter().map(|path| policy.label(path, *file_type)).collect();
        println!("{} labels of type {name} in {:?}", ours.len(), start.elapsed());
        let differing: Vec<_> = paths
            .iter()
            .zip(ours.iter().map(|label| label.as_deref().unwrap_or("<<none>>")).zip(&theirs))
            .filter(|(_, (ours, theirs))| ours != theirs)
            .collect();
        assert!(
            differing.is_empty(),
            "{} labels of type {name} differ, as (path, (ours, theirs)): {:#?}",
            differing.len(),
            &differing[..differing.len().min(20)]
        );
        compared += paths.len();
    }
    compared
}

#[test]
fn files_of_this_machine() {
    let Some(from) = contexts() else { return eprintln!("SKIP: no SELinux policy is installed") };
    let copy = tempfile::tempdir().unwrap();
    let policy = policy(&from, copy.path());
    // find also fails for what vanishes while it looks, and for loops of mounts
    let command = "find / -xdev -printf '%y%p\\0' 2>/dev/null; true";
    let Some(listing) = run("sh", &["-c", command]) else { return };
    assert!(listing.contains("\0f/usr/"), "find lists no files");
    let mut compared = 0;
    for (index, letter) in ["f", "d", "l", "c"].into_iter().enumerate() {
        let paths = listing.split('\0').filter_map(|line| line.strip_prefix(letter));
        let types = std::array::from_fn(|other| other == index);
        compared += compare(&policy, copy.path(), &paths.map(str::to_owned).collect(), types);
    }
    println!("{compared} labels compared");
}

#[test]
fn paths_made_up_from_the_patterns() {
    let Some(from) = contexts() else { return eprintln!("SKIP: no SELinux policy is installed") };
    let copy = tempfile::tempdir().unwrap();
    let policy = policy(&from, copy.path());
    let mut runner = TestRunner::deterministic();
    let mut paths = BTreeSet::new();
    for name in &NAMES[..3] {
        let text = std::fs::read_to_string(copy.path().join(name)).unwrap_or_default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some(pattern) = line.split_whitespace().next() else { continue };
            paths.extend(matching(pattern, &mut runner));
        }
    }
    // Subtrees that are looked up as others.
    for name in &NAMES[3..] {
        let text = std::fs::read_to_string(copy.path().join(name)).unwrap_or_default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split_whitespace();
            let (Some(from), Some(to)) = (fields.next(), fields.next()) else { continue };
            let below = |path: &String| Some(format!("{from}{}", path.strip_prefix(to)?));
            paths.extend(paths.iter().filter_map(below).collect::<Vec<_>>());
        }
    }
    let near = paths.iter().flat_map(|path| {
        let shorter = path.strip_suffix(|_| true).unwrap_or_default().to_owned();
        [shorter, format!("{path}x"), format!("{path}/y"), format!("{path}/")]
    });
    paths.extend(near.collect::<Vec<_>>());
    let compared = compare(&policy, copy.path(), &paths, [true; 4]);
    println!("{compared} labels compared");
}

/// Some strings that match a pattern, or nearly do.
fn matching(pattern: &str, runner: &mut TestRunner) -> Vec<String> {
    let pattern = plausible(pattern);
    let strategy = proptest::string::string_regex(&pattern)
        .unwrap_or_else(|error| panic!("{pattern}: {error}"));
    (0..4).map(|_| strategy.new_tree(runner).unwrap().current()).collect()
}

/// The pattern with letters in place of arbitrary characters, in the spelling of the generator. Repetitions
/// are few: on long paths PCRE2 runs out of steps, which libselinux takes for having no label.
fn plausible(pattern: &str) -> String {
    let pattern = pattern.replace("%{USERID}", "%\\{USERID\\}").replace("[^/]", "[a-z0-9._-]");
    let mut out = String::new();
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                out.push(character);
                out.extend(characters.next());
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '.' if !in_class => {
                out.push_str("[a-z0-9/.-]");
                continue;
            }
            '^' | '$' if !in_class => continue,
            '*' | '+' if !in_class => {
                out.push_str(if character == '*' { "{0,3}" } else { "{1,3}" });
                continue;
            }
            _ => {}
        }
        out.push(character);
    }
    out
}
