//! `disk`: all partitions. What a machine needs to boot is added later, where it is missing.

use std::collections::BTreeMap;

use super::checks;
use super::error::Wrong;
use super::reader::{Field, Table};
use crate::settings::disk::{
    DiskLayout, FileSystemKind, FileSystemWish, PartitionTable, PartitionWish, Payload,
};
use crate::units::{ByteLen, MIB};

/// Where an image is mounted itself, or the kernel is: no place for a file system of ours.
const TAKEN: [&str; 8] = ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/ostree", "/sysroot"];
const KERNELS: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// Boot sector, header and 128 entries of a GPT.
const GPT_BYTES: u64 = 34 * 512;

/// What in a table must be there once, each with the key that has it.
#[derive(Default)]
pub(super) struct Seen {
    mountpoints: BTreeMap<String, String>,
    guids: BTreeMap<u128, String>,
}

pub(super) fn read(table: &mut Table<'_>) -> Option<DiskLayout> {
    let field = table.get("disk")?;
    if let Some(sizes) = table.get("filesystem") {
        sizes.wrong(Wrong::Conflict { other: field.path.clone() });
    }
    field.table(disk).map(DiskLayout::Partitions)
}

fn disk(table: &mut Table<'_>) -> PartitionTable {
    gpt_only(table);
    let mut seen = Seen::default();
    let list = table
        .get("partitions")
        .map(|field| field.items("a list of tables, `[[customizations.disk.partitions]]`"));
    let read = |item: Field<'_>| item.table(|table| partition(table, &mut seen)).flatten();
    PartitionTable {
        min_size: table.get("minsize").and_then(|field| field.size()),
        sector_bytes: sector_bytes(table),
        start: table.get("start_offset").and_then(|field| start(&field)),
        partitions: list.unwrap_or_default().into_iter().filter_map(read).collect(),
        ..PartitionTable::default()
    }
}

/// `type`: the one kind of table that we write.
pub(super) fn gpt_only(table: &mut Table<'_>) {
    if let Some(field) = table.get("type") {
        match field.text() {
            Some("dos") => field.not_yet("partition tables other than `gpt`"),
            Some("gpt") | None => {}
            Some(other) => field.bad(other, "is no partition table: `gpt` is"),
        }
    }
}

pub(super) fn sector_bytes(table: &mut Table<'_>) -> Option<u32> {
    let field = table.get("sector_size")?;
    let bytes: u32 = field.number(i128::from(u32::MAX))?;
    match bytes {
        0 => None,
        512 | 4096 => Some(bytes),
        _ if bytes.is_power_of_two() => {
            field.not_yet("sectors of other than 512 or 4096 bytes");
            None
        }
        _ => {
            field.bad(&bytes.to_string(), "is no power of two: 512 and 4096 are sector sizes");
            None
        }
    }
}

/// `start_offset`: what is kept free between the table and the first partition, which starts at a
/// whole MiB.
pub(super) fn start(field: &Field<'_>) -> Option<ByteLen> {
    let offset = field.size()?;
    if offset == ByteLen(0) {
        return None;
    }
    ByteLen(offset.0 + GPT_BYTES).checked_round_up(MIB)
}

fn partition(table: &mut Table<'_>, seen: &mut Seen) -> Option<PartitionWish> {
    if let Some(kind) = table.get("type") {
        match kind.text() {
            Some("plain") | None => {}
            Some(other) => {
                // Keys of the other kinds are no mistakes of their own.
                table.ignore_rest();
                match other {
                    "lvm" => kind.not_yet("LVM: use plain partitions"),
                    "btrfs" => kind.not_yet("btrfs: use plain partitions with ext4"),
                    _ => kind.bad(other, "is no kind of partition: `plain`, `lvm`, `btrfs`"),
                }
                return None;
            }
        }
    }
    table.refuse(&[
        ("logical_volumes", "is for partitions of type `lvm`, which are not supported yet"),
        ("name", "is for partitions of type `lvm`: a partition's name is `part_label`"),
        ("subvolumes", "is for partitions of type `btrfs`, which are not supported yet"),
    ]);
    let min_size = table.get("minsize").and_then(|field| field.size());
    let type_guid = table.get("part_type").and_then(|field| field.check(checks::guid));
    let guid = table.get("part_uuid").and_then(|field| seen.guid(&field));
    let name = table.get("part_label").and_then(|field| field.check(part_name));
    let payload = payload(table, seen, min_size)?;
    Some(PartitionWish {
        min_size,
        type_guid,
        guid,
        name: name.unwrap_or_default(),
        payload,
        ..PartitionWish::default()
    })
}

fn payload(table: &mut Table<'_>, seen: &mut Seen, size: Option<ByteLen>) -> Option<Payload> {
    let (mountpoint, label) = (table.get("mountpoint"), table.get("label"));
    let kind = table.require("fs_type")?;
    let name = kind.text()?;
    if let "swap" | "none" = name {
        if let Some(field) = mountpoint {
            field.bad(field.text()?, format!("cannot be: nothing of type `{name}` is mounted"));
        }
        if size.is_none_or(|size| size.0 == 0) {
            table.wrong(Wrong::Missing { key: "minsize" });
        }
        if name == "none" {
            if let Some(field) = label {
                field.bad(field.text()?, "cannot be: there is no file system to label");
            }
            return Some(Payload::None);
        }
        let label = label.and_then(|field| field.check(|text| label_of(text, 15)));
        return Some(Payload::Swap { label: label.unwrap_or_default() });
    }
    let Some(field) = mountpoint else {
        table.wrong(Wrong::Missing { key: "mountpoint" });
        return None;
    };
    let mountpoint = seen.mountpoint(&field);
    let kind = file_system(&kind, name, mountpoint.as_deref())?;
    let label = label.and_then(|field| label_for(&field, kind));
    Some(Payload::FileSystem(FileSystemWish {
        kind,
        mountpoint: Some(mountpoint?),
        label,
        uuid: None,
        options: None,
    }))
}

/// The type of file system, if it can be mounted there.
pub(super) fn file_system(
    field: &Field<'_>,
    name: &str,
    mountpoint: Option<&str>,
) -> Option<FileSystemKind> {
    let kind = match name {
        "ext4" => FileSystemKind::Ext4,
        "vfat" => FileSystemKind::Vfat,
        "xfs" | "btrfs" => {
            let what = "other file systems than ext4, vfat and swap";
            if !field.stand_in(name, "ext4", what) {
                return None;
            }
            FileSystemKind::Ext4
        }
        other => {
            field.bad(other, "is no file system: `ext4`, `vfat`, `swap`");
            return None;
        }
    };
    let needed = match mountpoint {
        Some("/boot/efi") => FileSystemKind::Vfat,
        Some("/" | "/boot") => FileSystemKind::Ext4,
        _ => kind,
    };
    if kind != needed {
        let needed = if needed == FileSystemKind::Vfat { "vfat" } else { "ext4" };
        let mountpoint = mountpoint.unwrap_or_default();
        field.bad(name, format!("cannot be mounted at `{mountpoint}`: `{needed}` can"));
        return None;
    }
    Some(kind)
}

/// A label that fits a file system.
pub(super) fn label_for(field: &Field<'_>, kind: FileSystemKind) -> Option<String> {
    field.check(|text| match kind {
        FileSystemKind::Ext4 => label_of(text, 16),
        FileSystemKind::Vfat if text.chars().any(|c| "\"*+,./:;<=>?[\\]|".contains(c)) => {
            Err("has characters that a FAT's label cannot have".to_owned())
        }
        FileSystemKind::Vfat if !text.is_ascii() => Err("is not ASCII, as a FAT's must be".into()),
        FileSystemKind::Vfat => label_of(text, 11),
    })
}

fn label_of(text: &str, most: usize) -> Result<String, String> {
    checks::line(text)?;
    if text.len() > most {
        return Err(format!("is too long: a label has at most {most} bytes here"));
    }
    Ok(text.to_owned())
}

/// A partition's name in the GPT.
pub(super) fn part_name(text: &str) -> Result<String, String> {
    if text.encode_utf16().count() > 36 {
        return Err("is too long: at most 36 UTF-16 units".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character".to_owned());
    }
    Ok(text.to_owned())
}

impl Seen {
    /// A mount point that no other partition has.
    pub(super) fn mountpoint(&mut self, field: &Field<'_>) -> Option<String> {
        let path = field.check(|path| {
            checks::path(path)?;
            let taken = TAKEN.contains(&path)
                || KERNELS.iter().any(|parent| checks::is_below(path, parent))
                || ["/ostree", "/sysroot"].iter().any(|parent| checks::is_below(path, parent));
            if taken { Err("is no place for a file system of its own".into()) } else { Ok(path) }
        })?;
        if let Some(first) = self.mountpoints.get(path) {
            field.duplicate(path, first);
            return None;
        }
        self.mountpoints.insert(path.to_owned(), field.path.clone());
        Some(path.to_owned())
    }

    /// A GUID that no other partition has.
    pub(super) fn guid(&mut self, field: &Field<'_>) -> Option<u128> {
        let guid = field.check(checks::guid)?;
        if let Some(first) = self.guids.get(&guid) {
            field.duplicate(field.text()?, first);
            return None;
        }
        self.guids.insert(guid, field.path.clone());
        Some(guid)
    }
}
