//! `disk.yaml`: a partition table that comes with the image.
//!
//! ```yaml
//! mount_configuration: units            # fstab, units, none
//! partition_table:
//!   type: gpt
//!   size: 10 GiB
//!   policy: { grow_root_to_fill_disk: true }
//!   partitions:
//!     - size: 4 GiB
//!       type: 4f68bce3-e8cd-4db1-96e7-fbcaf984b709
//!       payload_type: filesystem        # or raw
//!       payload: { type: ext4, mountpoint: / }
//! ```
//!
//! LVM, LUKS, btrfs and tables other than GPT are refused as what we cannot do yet. Options that only
//! say how a tool works (`mkfs_options`, `fstab_freq`, `fstab_passno`) are known and have no effect:
//! each file system is written in one way.

use super::checks;
use super::error::Wrong;
use super::partitions::{self, Seen};
use super::reader::{Field, Table};
use crate::settings::disk::{
    FileSystemKind, FileSystemWish, Mounts, PartitionTable, PartitionWish, Payload,
};
use crate::units::{ByteLen, MIB};

/// Reads the whole document.
pub(super) fn read(root: &Field<'_>) -> Option<PartitionTable> {
    root.table(|table| {
        let mounts = table.get("mount_configuration").and_then(|field| mounts(&field));
        let partitions = table.require("partition_table")?.table(partition_table)?;
        Some(PartitionTable { mounts: mounts.unwrap_or_default(), ..partitions })
    })?
}

fn mounts(field: &Field<'_>) -> Option<Mounts> {
    match field.text()? {
        "units" => Some(Mounts::Units),
        "fstab" => Some(Mounts::Fstab),
        "none" => Some(Mounts::None),
        other => {
            field.bad(other, "is none of `units`, `fstab`, `none`");
            None
        }
    }
}

fn partition_table(table: &mut Table<'_>) -> PartitionTable {
    partitions::gpt_only(table);
    if let Some(field) = table.get("grain_size")
        && field.size().is_some_and(|size| size != ByteLen(MIB))
    {
        field.not_yet("alignments other than 1 MiB");
    }
    if let Some(field) = table.get("extra_padding")
        && field.number::<u64>(i128::from(u32::MAX)).is_some_and(|sectors| sectors != 0)
    {
        field.not_yet("free space after the last partition");
    }
    let mut seen = Seen::default();
    let keep_root_size = table.get("policy").and_then(|field| field.table(keeps_root_size));
    let list = table.require("partitions").map(|field| field.items("a list of partitions"));
    let read = |item: Field<'_>| item.table(|table| partition(table, &mut seen)).flatten();
    PartitionTable {
        min_size: table.get("size").and_then(|field| field.size()),
        guid: table.get("uuid").and_then(|field| field.check(checks::guid)),
        sector_bytes: partitions::sector_bytes(table),
        start: start(table),
        partitions: list.unwrap_or_default().into_iter().filter_map(read).collect(),
        mounts: Mounts::default(),
        keep_root_size: keep_root_size.unwrap_or(false),
    }
}

fn keeps_root_size(table: &mut Table<'_>) -> bool {
    // About layouts that firmware cannot read, which we refuse.
    table.boolean("ensure_xbootldr");
    table.get("grow_root_to_fill_disk").and_then(|field| field.boolean()) == Some(false)
}

fn start(table: &mut Table<'_>) -> Option<ByteLen> {
    let is_absolute = table.boolean("absolute_start_offset");
    let field = table.get("start_offset")?;
    if !is_absolute {
        return partitions::start(&field);
    }
    let start = field.size()?.checked_round_up(MIB)?;
    Some(start.max(ByteLen(MIB)))
}

fn partition(table: &mut Table<'_>, seen: &mut Seen) -> Option<PartitionWish> {
    if let Some(field) = table.get("start") {
        field.not_yet("partitions at given places: they follow each other");
    }
    let min_size = table.get("size").and_then(|field| field.size());
    let type_guid = table.get("type").and_then(|field| field.check(checks::guid));
    let guid = table.get("uuid").and_then(|field| seen.guid(&field));
    let name = table.get("label").and_then(|field| field.check(partitions::part_name));
    let is_bootable = table.boolean("bootable");
    let bits = table.get("attrs").map(|field| field.items("a list of bit numbers"));
    let bit = |item: Field<'_>| item.number::<u32>(63);
    let bits = bits.unwrap_or_default().into_iter().filter_map(bit);
    let attributes = bits.fold(0, |all, bit| all | 1 << bit);
    let payload = payload(table, seen)?;
    if matches!(payload, Payload::None | Payload::Raw { .. })
        && min_size.is_none_or(|size| size.0 == 0)
    {
        table.wrong(Wrong::Missing { key: "size" });
    }
    Some(PartitionWish {
        min_size,
        type_guid,
        guid,
        name: name.unwrap_or_default(),
        is_bootable,
        attributes,
        payload,
    })
}

fn payload(table: &mut Table<'_>, seen: &mut Seen) -> Option<Payload> {
    let content = table.get("payload");
    let Some(kind) = table.get("payload_type") else {
        if content.is_some() {
            table.wrong(Wrong::Missing { key: "payload_type" });
            return None;
        }
        return Some(Payload::None);
    };
    let kind_name = kind.text()?;
    match kind_name {
        "" | "no-payload" if content.is_none() => return Some(Payload::None),
        "filesystem" | "raw" => {}
        "lvm" => kind.not_yet("LVM: use plain partitions"),
        "luks" => kind.not_yet("LUKS: use plain partitions"),
        "btrfs" => kind.not_yet("btrfs: use plain partitions with ext4"),
        other => kind.bad(other, "is no payload: `filesystem`, `raw`"),
    }
    let is_raw = match kind_name {
        "raw" => true,
        "filesystem" => false,
        _ => return None,
    };
    let Some(content) = content else {
        table.wrong(Wrong::Missing { key: "payload" });
        return None;
    };
    content.table(|table| if is_raw { raw(table) } else { file_system(table, seen) })?
}

fn raw(table: &mut Table<'_>) -> Option<Payload> {
    let field = table.require("source_path")?;
    let source = field.check(|path| checks::path(path).map(|()| path.to_owned()))?;
    Some(Payload::Raw { source })
}

fn file_system(table: &mut Table<'_>, seen: &mut Seen) -> Option<Payload> {
    for key in ["fstab_freq", "fstab_passno"] {
        if let Some(field) = table.get(key) {
            field.number::<u8>(255);
        }
    }
    if let Some(field) = table.get("mkfs_options") {
        field.table(mkfs_options);
    }
    let mountpoint = table.get("mountpoint").map(|field| seen.mountpoint(&field));
    let options = table.get("fstab_options").and_then(|field| field.check(mount_options));
    let (label, uuid) = (table.get("label"), table.get("uuid"));
    let field = table.require("type")?;
    let kind = partitions::file_system(
        &field,
        field.text()?,
        mountpoint.as_ref().and_then(Option::as_deref),
    )?;
    let label = label.and_then(|field| partitions::label_for(&field, kind));
    let uuid = uuid.and_then(|field| match kind {
        FileSystemKind::Ext4 => field.check(checks::guid),
        FileSystemKind::Vfat => field.check(checks::fat_serial),
    });
    // A mount point that is wrong was reported.
    let mountpoint = match mountpoint {
        Some(None) => return None,
        given => given.flatten(),
    };
    Some(Payload::FileSystem(FileSystemWish { kind, mountpoint, label, uuid, options }))
}

fn mkfs_options(table: &mut Table<'_>) {
    table.boolean("verity");
    if let Some(field) = table.get("agcount") {
        field.number::<u32>(i128::from(u32::MAX));
    }
    if let Some(field) = table.get("geometry") {
        field.table(|table| {
            for key in ["heads", "sectors_per_track"] {
                if let Some(field) = table.get(key) {
                    field.number::<u16>(255);
                }
            }
        });
    }
}

/// What stands in one field of `/etc/fstab`, and one line of a unit.
fn mount_options(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_graphic() && !"\"'\\#%".contains(c);
    if !text.is_empty() && text.chars().all(good) {
        Ok(text.to_owned())
    } else {
        Err("are no mount options: no blanks and no quotes".to_owned())
    }
}
