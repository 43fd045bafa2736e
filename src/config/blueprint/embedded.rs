//! What the image itself says about its disk, and how that meets what the owner says.
//!
//! | file of the image | what of it |
//! |---|---|
//! | `usr/lib/image-builder/bootc/disk.yaml`, else `usr/lib/bootc-image-builder/disk.yaml` | the usual partition table of this image |
//! | `usr/lib/bootc-image-builder/config.json`, else `config.toml` there | `customizations.disk` and `customizations.filesystem`, when the owner gives neither |

use super::disk_yaml;
use super::filesystems;
use super::partitions;
use super::reader::{Field, Findings};
use super::syntax::Syntax;
use super::{BlueprintError, Position, Problem, Wrong, document, parsed, unwrapped};
use crate::files::{Files, FilesError};
use crate::settings::disk::{
    DiskLayout, FileSystemKind, FileSystemSize, FileSystemWish, PartitionTable, PartitionWish,
    Payload,
};

const LIMIT_BYTES: u64 = 1 << 20;
const TABLES: [&str; 2] =
    ["usr/lib/image-builder/bootc/disk.yaml", "usr/lib/bootc-image-builder/disk.yaml"];
const BLUEPRINTS: [&str; 2] =
    ["usr/lib/bootc-image-builder/config.json", "usr/lib/bootc-image-builder/config.toml"];

/// Why the image's wishes for its disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// A file of the image could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file of the image is wrong.
    #[error("the image's {0}")]
    Blueprint(BlueprintError),
}

/// What the image says about its disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageDisk {
    /// Its usual partition table.
    pub table: Option<PartitionTable>,
    /// What it wants where the owner wants nothing.
    pub wish: Option<DiskLayout>,
    /// What is not wrong, but hardly meant.
    pub warnings: Vec<String>,
}

impl ImageDisk {
    /// Reads the files of the image that there are.
    pub fn load(files: &dyn Files) -> Result<Self, EmbeddedError> {
        let mut image = Self::default();
        if let Some((path, bytes)) = first_of(files, &TABLES)? {
            let (table, warnings) = parse_table(path, &bytes).map_err(EmbeddedError::Blueprint)?;
            image.table = Some(table);
            image.warnings.extend(warnings);
        }
        if let Some((path, bytes)) = first_of(files, &BLUEPRINTS)? {
            let (wish, warnings) = parse_wish(path, &bytes).map_err(EmbeddedError::Blueprint)?;
            image.wish = wish;
            image.warnings.extend(warnings);
        }
        Ok(image)
    }

    /// Reads a `disk.yaml`.
    pub fn parse_table(bytes: &[u8]) -> Result<PartitionTable, BlueprintError> {
        parse_table("disk.yaml", bytes).map(|(table, _)| table)
    }

    /// The layout to make: all partitions as the owner, else the image, lists them; sizes alone are
    /// applied to the image's table, if it has one.
    pub fn layout(self, owner: Option<DiskLayout>) -> Option<DiskLayout> {
        match (owner.or(self.wish), self.table) {
            (Some(DiskLayout::FileSystems(sizes)), Some(mut table)) => {
                for size in sizes {
                    enlarge(&mut table, size);
                }
                Some(DiskLayout::Partitions(table))
            }
            (None, Some(table)) => Some(DiskLayout::Partitions(table)),
            (wish, _) => wish,
        }
    }
}

fn first_of(
    files: &dyn Files,
    paths: &[&'static str],
) -> Result<Option<(&'static str, Vec<u8>)>, FilesError> {
    for path in paths {
        if let Some(bytes) = files.read_following(path, LIMIT_BYTES)? {
            return Ok(Some((path, bytes)));
        }
    }
    Ok(None)
}

fn parse_table(name: &str, bytes: &[u8]) -> Result<(PartitionTable, Vec<String>), BlueprintError> {
    let root = parsed(name, bytes, Syntax::Yaml)?;
    let findings = Findings::default();
    let table = disk_yaml::read(&Field::root(&root, &findings));
    let warnings = findings.finish(name)?;
    // Without a table something was reported: this is for the compiler.
    let nothing = || BlueprintError::Invalid {
        name: name.to_owned(),
        problems: vec![Problem {
            at: Position { line: 1, column: 1 },
            key: String::new(),
            wrong: Wrong::Missing { key: "partition_table" },
        }],
    };
    Ok((table.ok_or_else(nothing)?, warnings))
}

/// The part about the disk of a blueprint; the others are not for us to judge.
fn parse_wish(
    name: &str,
    bytes: &[u8],
) -> Result<(Option<DiskLayout>, Vec<String>), BlueprintError> {
    let root = document(name, bytes)?;
    let findings = Findings::default();
    let wish = unwrapped(&root, &findings).table(|table| {
        let customizations = table.get("customizations");
        table.ignore_rest();
        customizations?.table(|table| {
            let sizes = filesystems::read(table);
            let wish = partitions::read(table).or(sizes);
            table.ignore_rest();
            wish
        })?
    });
    let warnings = findings.finish(name)?;
    Ok((wish.flatten(), warnings))
}

/// Gives a file system of a table a least size; one that it lacks comes before `/`.
fn enlarge(table: &mut PartitionTable, wish: FileSystemSize) {
    let mounted = |partition: &PartitionWish| match &partition.payload {
        Payload::FileSystem(system) => system.mountpoint.clone(),
        _ => None,
    };
    let at = |mountpoint: &str| {
        table.partitions.iter().position(|p| mounted(p).as_deref() == Some(mountpoint))
    };
    if let Some(index) = at(&wish.mountpoint) {
        let partition = &mut table.partitions[index];
        partition.min_size = partition.min_size.max(Some(wish.min_size));
        return;
    }
    let index = at("/").unwrap_or(table.partitions.len());
    let payload = Payload::FileSystem(FileSystemWish {
        kind: FileSystemKind::Ext4,
        mountpoint: Some(wish.mountpoint),
        label: None,
        uuid: None,
        options: None,
    });
    let min_size = Some(wish.min_size);
    table.partitions.insert(index, PartitionWish { min_size, payload, ..PartitionWish::default() });
}
