//! Rooms import the ground floor and never each other; only `pipeline` knows all rooms, and only
//! `cli` knows the pipeline.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What every room may import.
const GROUND_FLOOR: &[&str] = &[
    "additions",
    "canvas",
    "digest",
    "files",
    "job",
    "labels",
    "output",
    "progress",
    "settings",
    "spec",
    "stream",
    "text",
    "tree",
    "units",
    "volume",
];
/// Rooms that import only the ground floor and themselves.
const ROOMS: &[&str] = &[
    "boot",
    "config",
    "customize",
    "format",
    "fs",
    "inspect",
    "installer",
    "layers",
    "machine",
    "ostree",
    "partition",
    "plan",
    "registry",
    "selinux",
    "trust",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top modules that a source names as `crate::module`.
fn imports(source: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(source).unwrap();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split("};").next().unwrap();
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars().chain([',']) {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        let name = word.trim().split("::").next().unwrap_or("").trim().to_owned();
                        found.insert(name);
                        word.clear();
                    }
                    _ if depth == 0 => word.push(character),
                    _ => {}
                }
            }
        } else {
            let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_');
            found.insert(name.collect());
        }
    }
    found.remove("");
    found
}

fn check(room: &str, allowed: &BTreeSet<&str>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let folder = root.join(room);
    if folder.is_dir() {
        sources(&folder, &mut files);
    } else {
        files.push(root.join(format!("{room}.rs")));
    }
    assert!(!files.is_empty(), "the room {room} has no source");
    let mut wrong = Vec::new();
    for file in files {
        for import in imports(&file) {
            if import != room && !allowed.contains(import.as_str()) {
                let shown = file.strip_prefix(&root).unwrap().display();
                wrong.push(format!("{shown} imports crate::{import}"));
            }
        }
    }
    wrong
}

#[test]
fn rooms_import_the_ground_floor_only() {
    let ground: BTreeSet<&str> = GROUND_FLOOR.iter().copied().collect();
    let mut wrong: Vec<String> = Vec::new();
    for room in ROOMS {
        wrong.extend(check(room, &ground));
    }
    for room in GROUND_FLOOR {
        wrong.extend(check(room, &ground));
    }
    let mut for_pipeline = ground.clone();
    for_pipeline.extend(ROOMS);
    wrong.extend(check("pipeline", &for_pipeline));
    for_pipeline.insert("pipeline");
    wrong.extend(check("cli", &for_pipeline));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_library_has_a_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text = std::fs::read_to_string(root.join("lib.rs")).unwrap();
    let known: BTreeSet<&str> =
        GROUND_FLOOR.iter().chain(ROOMS).chain(&["cli", "pipeline"]).copied().collect();
    let declared: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, known);
}

/// Words whose presence means that a rule of `lib.rs` is broken.
#[test]
fn nobody_but_cli_reads_the_clock_or_starts_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let shown = file.strip_prefix(&root).unwrap().display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        for word in ["SystemTime::now", "process::Command", "env::var", "println!", "eprintln!"] {
            let is_skopeo = shown == "registry/skopeo.rs" && word == "process::Command";
            let may = shown.starts_with("cli/") || shown == "main.rs" || is_skopeo;
            if text.contains(word) && !may {
                wrong.push(format!("{shown} has {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `docs/conformance.md` names the test behind each of its lines; `…` is the file named before it.
#[test]
fn the_tests_that_conformance_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let (mut file, mut count, mut missing) = (String::new(), 0, Vec::new());
    // what stands between two backticks is every other part
    for named in text.split('`').skip(1).step_by(2) {
        let Some((place, test)) = named.split_once("::") else { continue };
        if place != "…" {
            file = place.to_owned();
        }
        if file.contains('/') {
            count += 1;
            let source = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
            if !source.contains(&format!("fn {test}(")) {
                missing.push(named);
            }
        }
    }
    assert!(count > 50 && missing.is_empty(), "{count} named, missing: {missing:?}");
}
