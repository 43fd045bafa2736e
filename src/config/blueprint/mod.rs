//! The blueprint: what an owner wants of the disk and of the system on it, in the words that
//! bootc-image-builder's users know.
//!
//! ```text
//!  config.toml ─┐
//!  config.json ─┼► syntax ─► document ─► reader ─► one file for each part ─► settings, disk
//!  disk.yaml   ─┘                          └► everything that is wrong, at once
//! ```
//!
//! | file | keys |
//! |---|---|
//! | `customizations` | all of `[customizations]`; `installer`; those that are not for disks |
//! | `accounts` | `user`, `group`, `sshkey` |
//! | `placed` | `directories`, `files` |
//! | `system` | `hostname`, `kernel`, `locale`, `timezone`, `services`, `bootloader` |
//! | `first_boot` | `ignition`, `cloud_init`, `credentials` |
//! | `filesystems`, `partitions` | `filesystem`, `disk` |
//! | `embedded`, `disk_yaml` | what the image itself says about its disk |
//! | `install_file` | `[install]`, beside a blueprint in the file of an installer |
//!
//! Rules for all: an unknown key is an error, which names the key's full path and the nearest known
//! one; everything that is wrong with a file is told at once; `null` is as good as no key; nothing
//! is passed over in silence.

use self::document::{Node, Value};
use self::reader::{Field, Findings, Table};
use self::syntax::Syntax;
use crate::settings::Settings;
use crate::settings::disk::DiskLayout;

mod accounts;
mod checks;
mod customizations;
mod disk_yaml;
mod document;
mod embedded;
mod error;
mod filesystems;
mod first_boot;
mod install_file;
mod partitions;
mod placed;
mod reader;
mod sizes;
mod syntax;
mod system;
#[cfg(test)]
mod tests;

pub use document::Position;
pub use embedded::{EmbeddedError, ImageDisk};
pub use error::{BlueprintError, Problem, Wrong};
pub use install_file::InstallFile;

/// The JSON schema of what [`Blueprint::parse`] takes.
pub const SCHEMA: &str = include_str!("../../../docs/config.schema.json");

/// What an owner wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blueprint {
    /// Of the installed system.
    pub settings: Settings,
    /// Of the disk.
    pub disk: Option<DiskLayout>,
    /// Of Anaconda: a kickstart.
    pub kickstart: Option<String>,
    /// What is not wrong, but hardly meant.
    pub warnings: Vec<String>,
}

impl Blueprint {
    /// Reads a whole file. Its name decides how: `.toml`, `.json`, and `-` for JSON too.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, BlueprintError> {
        let root = document(name, bytes)?;
        let findings = Findings::default();
        let mut blueprint = read(&root, &findings);
        blueprint.warnings = findings.finish(name)?;
        Ok(blueprint)
    }
}

/// Parses by the file's name.
fn document(name: &str, bytes: &[u8]) -> Result<Node, BlueprintError> {
    let syntax = match name.rsplit_once('.').map(|(_, suffix)| suffix) {
        _ if name == "-" => Syntax::Json,
        Some("toml") => Syntax::Toml,
        Some("json") => Syntax::Json,
        _ => return Err(BlueprintError::UnknownSuffix { name: name.to_owned() }),
    };
    parsed(name, bytes, syntax)
}

fn parsed(name: &str, bytes: &[u8], syntax: Syntax) -> Result<Node, BlueprintError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        BlueprintError::NotUtf8 { name: name.to_owned(), line }
    })?;
    syntax::parse(syntax, text).map_err(|problem| BlueprintError::Invalid {
        name: name.to_owned(),
        problems: vec![problem],
    })
}

/// The blueprint proper: files for old versions of osbuild have it under `blueprint`.
fn unwrapped<'a>(root: &'a Node, findings: &'a Findings) -> Field<'a> {
    match (&root.value, root.get("blueprint")) {
        (Value::Table(entries), Some(inner)) if entries.len() == 1 => {
            Field::named(inner, "blueprint", findings)
        }
        _ => Field::root(root, findings),
    }
}

fn read(root: &Node, findings: &Findings) -> Blueprint {
    let blueprint = |table: &mut Table<'_>| {
        table.refuse(&[("install", FOR_INSTALLERS)]);
        top(table)
    };
    unwrapped(root, findings).table(blueprint).unwrap_or_default()
}

const FOR_INSTALLERS: &str =
    "it says how an installer installs: give its file as `--installer-config`";

const IN_THE_IMAGE: &str = "packages come with the image: install them in its Containerfile";

/// Keys of blueprints for images that are made of packages.
const NOT_FOR_DISKS: [(&str, &str); 8] = [
    ("packages", IN_THE_IMAGE),
    ("modules", IN_THE_IMAGE),
    ("enabled_modules", IN_THE_IMAGE),
    ("groups", "packages come with the image; groups of users are `customizations.group`"),
    ("containers", "let the image bring them: as logically bound images, or by a quadlet"),
    ("distro", "the distribution is the image's"),
    ("architecture", "choose it on the command line, with `--arch`"),
    ("minimal", IN_THE_IMAGE),
];

fn top(table: &mut Table<'_>) -> Blueprint {
    for key in ["name", "version", "description"] {
        table.text(key);
    }
    table.refuse(&NOT_FOR_DISKS);
    table.may_mean("customizations", customizations::KEYS);
    let customizations = table.get("customizations");
    customizations.and_then(|field| field.table(customizations::read)).unwrap_or_default()
}
