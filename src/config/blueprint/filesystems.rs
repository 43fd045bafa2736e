//! `filesystem`: least sizes for the usual layout, and file systems of their own below `/var`.
//!
//! | mount point | |
//! |---|---|
//! | `/`, `/boot` | yes |
//! | below `/var` | yes, but for `home`, `lock`, `mail`, `mnt`, `roothome`, `run`, `srv`, `usrlocal` there |
//! | `/var` and all others | no |
//!
//! Sizes under 1 GiB (500 MiB for `/boot`) are taken for that: they only ever enlarge.

use std::collections::BTreeMap;

use super::checks;
use super::error::Wrong;
use super::reader::{Field, Table};
use crate::settings::disk::{DiskLayout, FileSystemSize};
use crate::units::{ByteLen, GIB, MIB};

const LEAST: ByteLen = ByteLen(GIB);
const LEAST_BOOT: ByteLen = ByteLen(500 * MIB);

/// Links of an image, or what is kept with the deployment.
const NOT_BELOW_VAR: [&str; 8] = [
    "/var/home",
    "/var/lock",
    "/var/mail",
    "/var/mnt",
    "/var/roothome",
    "/var/run",
    "/var/srv",
    "/var/usrlocal",
];

pub(super) fn read(table: &mut Table<'_>) -> Option<DiskLayout> {
    let list = table.get("filesystem")?;
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let read = |item: Field<'_>| item.table(|table| size(table, &mut seen)).flatten();
    let items = list.items("a list of tables, `[[customizations.filesystem]]`");
    let sizes: Vec<_> = items.into_iter().filter_map(read).collect();
    (!sizes.is_empty()).then_some(DiskLayout::FileSystems(sizes))
}

fn size(table: &mut Table<'_>, seen: &mut BTreeMap<String, String>) -> Option<FileSystemSize> {
    let mountpoint = table.require("mountpoint").and_then(|field| {
        let path = field.check(mountpoint)?;
        if let Some(first) = seen.get(path) {
            field.duplicate(path, first);
            return None;
        }
        seen.insert(path.to_owned(), field.path.clone());
        Some(path)
    });
    let size = min_size(table);
    let mountpoint = mountpoint?;
    let least = if mountpoint == "/boot" { LEAST_BOOT } else { LEAST };
    Some(FileSystemSize { mountpoint: mountpoint.to_owned(), min_size: size?.max(least) })
}

/// `minsize`, or `size`, as it was called first.
fn min_size(table: &mut Table<'_>) -> Option<ByteLen> {
    let (field, old) = (table.get("minsize"), table.get("size"));
    if let (Some(_), Some(old)) = (&field, &old) {
        old.wrong(Wrong::Conflict { other: format!("{}.minsize", table.path) });
    }
    let Some(field) = field.or(old) else {
        table.wrong(Wrong::Missing { key: "minsize" });
        return None;
    };
    let size = field.size()?;
    if size == ByteLen(0) {
        field.bad("0", "is no size of a file system");
        return None;
    }
    Some(size)
}

/// A mount point that may have a file system of its own.
fn mountpoint(path: &str) -> Result<&str, String> {
    checks::path(path)?;
    if matches!(path, "/" | "/boot") {
        return Ok(path);
    }
    if path == "/var" {
        return Err("cannot be one: name what is below it, or lay the disk out with \
                    `customizations.disk`"
            .to_owned());
    }
    if !checks::is_below(path, "/var") {
        return Err("cannot be one: `/`, `/boot` and what is below `/var` can".to_owned());
    }
    match NOT_BELOW_VAR.iter().find(|parent| checks::is_below(path, parent)) {
        Some(parent) => Err(format!("cannot be one: bootable images use `{parent}` themselves")),
        None => Ok(path),
    }
}
