//! `install.toml`: a blueprint, and `[install]`, what an owner wants of the installation itself.
//!
//! | key of `[install]` | value | meaning |
//! |---|---|---|
//! | `target` | string, or a table with `path` or `serial` | [`Target`] |
//! | `unattended` | boolean | nothing is asked: what is not told here is an error |
//! | `wipe` | boolean | what is on the disk may go |
//! | `ids` | `random`, `derived` | new ids of disk and partitions (usual), or the image's |
//! | `then` | `reboot`, `poweroff`, `shell` | what follows an installation |
//! | `saved` | list of strings | labels of partitions that stay ([`Glob`]) |
//! | `debug` | boolean | a shell where there is an error, and all that is done in the log |
//!
//! Such a file is always TOML, whatever its name: a medium keeps it with comments behind.

use super::customizations::ISO;
use super::document::Node;
use super::error::{BlueprintError, Problem, Wrong};
use super::reader::{Field, Findings, Table};
use super::{Blueprint, Position, Syntax, parsed, top};
use crate::settings::install::{Glob, Ids, Target, Then, Wishes, WordError};

/// The most that is read: a medium may be anybody's.
const LIMIT_BYTES: usize = 4 << 20;
/// The most patterns of labels: a GPT has 128 partitions.
const MOST_SAVED: usize = 128;

/// What an owner wants of an installation, and of what is installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstallFile {
    /// What `[install]` says.
    pub install: Wishes,
    /// What the rest says.
    pub blueprint: Blueprint,
    /// Whether there is a rest: `[customizations]`, however little is in it.
    pub has_blueprint: bool,
}

impl InstallFile {
    /// Reads a whole file; everything that is wrong with it is told at once.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, BlueprintError> {
        if bytes.len() > LIMIT_BYTES {
            return Err(too_long(name));
        }
        let root = parsed(name, bytes, Syntax::Toml)?;
        let findings = Findings::default();
        let read = Field::root(&root, &findings).table(read);
        let (install, mut blueprint) = read.unwrap_or_default();
        blueprint.warnings = findings.finish(name)?;
        if blueprint.kickstart.is_some() {
            return Err(for_anaconda(name, &root));
        }
        let has_blueprint = root.get("customizations").is_some();
        Ok(Self { install, blueprint, has_blueprint })
    }
}

/// A kickstart, which our installer does not run.
fn for_anaconda(name: &str, root: &Node) -> BlueprintError {
    let found = root.get("customizations").and_then(|table| table.get("installer"));
    let at = found.map_or(root.at, |node| node.at);
    let wrong = Wrong::NotForDisks { why: ISO };
    let problems = vec![Problem { at, key: "customizations.installer".to_owned(), wrong }];
    BlueprintError::Invalid { name: name.to_owned(), problems }
}

fn too_long(name: &str) -> BlueprintError {
    let wrong = Wrong::Syntax(format!("longer than {LIMIT_BYTES} bytes"));
    let at = Position { line: 1, column: 1 };
    let problems = vec![Problem { at, key: String::new(), wrong }];
    BlueprintError::Invalid { name: name.to_owned(), problems }
}

fn read(table: &mut Table<'_>) -> (Wishes, Blueprint) {
    let install = table.get("install").and_then(|field| field.table(wishes));
    (install.unwrap_or_default(), top(table))
}

fn wishes(table: &mut Table<'_>) -> Wishes {
    Wishes {
        target: table.get("target").and_then(|field| target(&field)),
        unattended: table.get("unattended").and_then(|field| field.boolean()),
        wipe: table.get("wipe").and_then(|field| field.boolean()),
        ids: table.get("ids").and_then(|field| word(&field, Ids::parse)),
        then: table.get("then").and_then(|field| word(&field, Then::parse)),
        saved: table.get("saved").and_then(|field| saved(&field)),
        debug: table.get("debug").and_then(|field| field.boolean()),
        config: None,
    }
}

fn word<T>(field: &Field<'_>, parse: impl FnOnce(&str) -> Result<T, WordError>) -> Option<T> {
    field.check(|text| parse(text).map_err(|error| error.why))
}

/// A word, or a table with one key.
fn target(field: &Field<'_>) -> Option<Target> {
    if !field.is_table() {
        return word(field, Target::parse);
    }
    field.table(|table| match (table.get("path"), table.get("serial")) {
        (Some(path), None) => word(&path, Target::at_path),
        (None, Some(serial)) => word(&serial, Target::with_serial),
        (Some(path), Some(serial)) => {
            serial.wrong(Wrong::Conflict { other: path.path });
            None
        }
        (None, None) => {
            table.wrong(Wrong::Missing { key: "serial" });
            None
        }
    })?
}

fn saved(field: &Field<'_>) -> Option<Vec<Glob>> {
    let items = field.items("a list of strings");
    if items.len() > MOST_SAVED {
        field.bad(&items.len().to_string(), format!("patterns are more than {MOST_SAVED}"));
        return None;
    }
    Some(items.iter().filter_map(|item| word(item, Glob::parse)).collect())
}
