//! From a wish to partitions: what is missing is added, what cannot be is refused.

use std::collections::BTreeSet;

use super::error::LayoutError;
use super::{Content, Ext4, Fat, Machine, Partition, Role, mountpoint, round_up, types};
use crate::plan::ids::{Ids, Uuid};
use crate::settings::disk::{
    FileSystemKind, FileSystemSize, FileSystemWish, PartitionWish, Payload,
};
use crate::spec::Arch;
use crate::units::{ByteLen, GIB, MIB, SectorSize};

/// Attribute bit 2: legacy BIOS bootable.
const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;
const MOST_PARTITIONS: usize = 128;
const MOST_EXT4: usize = crate::volume::several::MOST;
/// Of a name in the GPT, in UTF-16 units.
const MOST_NAME: usize = 36;

const BIOS_BOOT_BYTES: u64 = MIB;
const ESP_BYTES: u64 = 512 * MIB;
const BOOT_BYTES: u64 = GIB;
const FURTHER_BYTES: u64 = GIB;
/// What a file system is enlarged to that was wished by its size alone.
const LEAST_BYTES: u64 = GIB;
const LEAST_BOOT_BYTES: u64 = 500 * MIB;

/// The partitions of a disk without wishes.
pub(super) fn usual(machine: Machine, ids: &Ids) -> Vec<Partition> {
    let bios_boot = (machine.arch == Arch::X86_64).then(|| bios_boot(ids));
    bios_boot.into_iter().chain([esp(ids), root(machine, ids)]).collect()
}

fn bios_boot(ids: &Ids) -> Partition {
    Partition {
        role: Role::BiosBoot,
        name: "BIOS-BOOT".to_owned(),
        type_guid: types::BIOS_BOOT,
        guid: ids.bios_boot,
        attributes: LEGACY_BIOS_BOOTABLE,
        content: Content::Nothing,
        least: ByteLen(BIOS_BOOT_BYTES),
    }
}

fn esp(ids: &Ids) -> Partition {
    let fat = Fat {
        mountpoint: Some("/boot/efi".to_owned()),
        label: "EFI-SYSTEM".to_owned(),
        serial: ids.esp_serial,
        options: None,
    };
    Partition {
        role: Role::Esp,
        name: "EFI-SYSTEM".to_owned(),
        type_guid: types::ESP,
        guid: ids.esp,
        attributes: 0,
        content: Content::Fat(fat),
        least: ByteLen(ESP_BYTES),
    }
}

fn root(machine: Machine, ids: &Ids) -> Partition {
    let ext4 = Ext4 {
        mountpoint: Some("/".to_owned()),
        label: "root".to_owned(),
        uuid: ids.root_fs,
        hash_seed: ids.root_hash_seed,
        options: None,
    };
    Partition {
        role: Role::Root,
        name: "root".to_owned(),
        type_guid: types::root(machine.arch),
        guid: ids.root,
        attributes: 0,
        content: Content::Ext4(ext4),
        least: ByteLen(0),
    }
}

/// The usual partitions, with these file systems: each at least as large as wished and as a floor.
pub(super) fn file_systems(
    sizes: &[FileSystemSize],
    machine: Machine,
    ids: &Ids,
) -> Result<Vec<Partition>, LayoutError> {
    let wish = |size: &FileSystemSize| {
        let floor = if size.mountpoint == "/boot" { LEAST_BOOT_BYTES } else { LEAST_BYTES };
        let kind = match size.mountpoint.as_str() {
            "/boot/efi" => FileSystemKind::Vfat,
            _ => FileSystemKind::Ext4,
        };
        PartitionWish {
            min_size: Some(size.min_size.max(ByteLen(floor))),
            payload: Payload::FileSystem(FileSystemWish {
                kind,
                mountpoint: Some(size.mountpoint.clone()),
                label: None,
                uuid: None,
                options: None,
            }),
            ..PartitionWish::default()
        }
    };
    let mut wishes: Vec<PartitionWish> = sizes.iter().map(wish).collect();
    // `/boot` first: the order of numbers that people know
    wishes.sort_by_key(|wish| mountpoint_of(wish) != Some("/boot"));
    partitions(&wishes, Machine { may_have_bios: true, ..machine }, ids)
}

/// All partitions that were wished for, with what a disk needs besides.
pub(super) fn partitions(
    wishes: &[PartitionWish],
    machine: Machine,
    ids: &Ids,
) -> Result<Vec<Partition>, LayoutError> {
    let mut wished = Vec::with_capacity(wishes.len() + 3);
    for (index, wish) in wishes.iter().enumerate() {
        let role = role(wish, &wished)?;
        wished.push(partition(wish, role, machine, ids, index)?);
    }
    check_mountpoints(wishes)?;
    let has = |role| wished.iter().any(|partition| partition.role == role);
    let needs_bios = machine.arch == Arch::X86_64 && machine.may_have_bios && !has(Role::BiosBoot);
    let mut all: Vec<Partition> = needs_bios.then(|| bios_boot(ids)).into_iter().collect();
    all.extend((!has(Role::Esp)).then(|| esp(ids)));
    let needs_root = (!has(Role::Root)).then(|| root(machine, ids));
    all.extend(wished);
    all.extend(needs_root);
    check_counts(&all)?;
    Ok(all)
}

fn check_counts(all: &[Partition]) -> Result<(), LayoutError> {
    if all.len() > MOST_PARTITIONS {
        return Err(LayoutError::TooManyPartitions { count: all.len() });
    }
    let is_ext4 = |partition: &&Partition| matches!(partition.content, Content::Ext4(_));
    match all.iter().filter(is_ext4).count() {
        count if count > MOST_EXT4 => Err(LayoutError::TooManyFileSystems { count }),
        _ => Ok(()),
    }
}

fn check_mountpoints(wishes: &[PartitionWish]) -> Result<(), LayoutError> {
    let mut seen = BTreeSet::new();
    for place in wishes.iter().filter_map(mountpoint_of) {
        mountpoint::check(place)?;
        if !seen.insert(place) {
            return Err(LayoutError::MountedTwice { mountpoint: place.to_owned() });
        }
    }
    Ok(())
}

fn mountpoint_of(wish: &PartitionWish) -> Option<&str> {
    match &wish.payload {
        Payload::FileSystem(wish) => wish.mountpoint.as_deref(),
        _ => None,
    }
}

/// What a partition is for; a second BIOS boot partition or ESP is for nothing.
fn role(wish: &PartitionWish, before: &[Partition]) -> Result<Role, LayoutError> {
    let is = |guid: Uuid| wish.type_guid == Some(u128::from_be_bytes(guid.0));
    let is_new = |role| before.iter().all(|partition| partition.role != role);
    let role = match &wish.payload {
        Payload::None if is(types::BIOS_BOOT) => Role::BiosBoot,
        Payload::FileSystem(fs) => match (fs.mountpoint.as_deref(), fs.kind) {
            (Some("/"), FileSystemKind::Ext4) => Role::Root,
            (Some("/boot"), FileSystemKind::Ext4) => Role::Boot,
            (Some("/"), _) => return Err(LayoutError::Kind { mountpoint: "/", wanted: "ext4" }),
            (Some("/boot"), _) => {
                return Err(LayoutError::Kind { mountpoint: "/boot", wanted: "ext4" });
            }
            (Some("/boot/efi"), FileSystemKind::Ext4) => {
                return Err(LayoutError::Kind { mountpoint: "/boot/efi", wanted: "vfat" });
            }
            (Some("/boot/efi"), FileSystemKind::Vfat) => Role::Esp,
            (None, FileSystemKind::Vfat) if is(types::ESP) => Role::Esp,
            _ => Role::Other,
        },
        _ => Role::Other,
    };
    let is_single = matches!(role, Role::BiosBoot | Role::Esp);
    Ok(if is_single && !is_new(role) { Role::Other } else { role })
}

/// The partition that a wish asks for; what it leaves open is as usual for its role.
fn partition(
    wish: &PartitionWish,
    role: Role,
    machine: Machine,
    ids: &Ids,
    index: usize,
) -> Result<Partition, LayoutError> {
    let usual = match role {
        Role::BiosBoot => bios_boot(ids),
        Role::Esp => esp(ids),
        Role::Root => root(machine, ids),
        Role::Boot | Role::Other => further(wish, role, ids, index),
    };
    check_name(&wish.name)?;
    let content = match (&wish.payload, usual.content) {
        (Payload::FileSystem(wish), usual) => file_system(wish, usual)?,
        (Payload::Swap { label }, usual) => swap(label, usual)?,
        (_, usual) => usual,
    };
    let least = match &content {
        Content::Fat(_) => wish.min_size.map(|size| size.max(least_fat(machine.sector_size))),
        _ => wish.min_size,
    };
    let bootable = if wish.is_bootable { LEGACY_BIOS_BOOTABLE } else { 0 };
    Ok(Partition {
        role,
        name: if wish.name.is_empty() { usual.name } else { wish.name.clone() },
        type_guid: wish.type_guid.map_or(usual.type_guid, Uuid::from_u128),
        guid: wish.guid.map_or(usual.guid, Uuid::from_u128),
        attributes: usual.attributes | wish.attributes | bootable,
        content,
        least: round_up(least.unwrap_or(usual.least))?,
    })
}

/// A partition that usual disks do not have, as it is when nothing more is said.
fn further(wish: &PartitionWish, role: Role, ids: &Ids, index: usize) -> Partition {
    let ids = ids.further;
    let (name, type_guid, least) = match (role, &wish.payload) {
        (Role::Boot, _) => ("boot", types::XBOOTLDR, BOOT_BYTES),
        (_, Payload::Swap { .. }) => ("swap", types::SWAP, FURTHER_BYTES),
        (_, Payload::FileSystem(_)) => ("", types::LINUX_DATA, FURTHER_BYTES),
        (_, Payload::Raw { .. } | Payload::None) => ("", types::LINUX_DATA, MIB),
    };
    let content = match &wish.payload {
        Payload::None => Content::Nothing,
        Payload::Raw { source } => {
            Content::Raw { source: source.trim_start_matches('/').to_owned() }
        }
        Payload::Swap { .. } => {
            Content::Swap { label: String::new(), uuid: ids.file_system(index) }
        }
        Payload::FileSystem(FileSystemWish { kind: FileSystemKind::Ext4, .. }) => {
            Content::Ext4(Ext4 {
                mountpoint: None,
                label: name.to_owned(),
                uuid: ids.file_system(index),
                hash_seed: ids.hash_seed(index),
                options: None,
            })
        }
        Payload::FileSystem(FileSystemWish { kind: FileSystemKind::Vfat, .. }) => {
            Content::Fat(Fat {
                mountpoint: None,
                label: "NO NAME".to_owned(),
                serial: ids.serial(index),
                options: None,
            })
        }
    };
    Partition {
        role,
        name: name.to_owned(),
        type_guid,
        guid: ids.partition(index),
        attributes: 0,
        content,
        least: ByteLen(least),
    }
}

fn file_system(wish: &FileSystemWish, usual: Content) -> Result<Content, LayoutError> {
    check_options(wish.options.as_deref())?;
    Ok(match usual {
        Content::Ext4(ext4) => {
            let label = wish.label.clone().unwrap_or(ext4.label);
            check_label("ext4", &label, 16)?;
            Content::Ext4(Ext4 {
                mountpoint: wish.mountpoint.clone(),
                label,
                uuid: wish.uuid.map_or(ext4.uuid, Uuid::from_u128),
                options: wish.options.clone(),
                ..ext4
            })
        }
        Content::Fat(fat) => {
            let wished = wish.label.as_deref().filter(|label| !label.is_empty());
            let label = wished.map_or(fat.label, str::to_ascii_uppercase);
            check_fat_label(&label)?;
            Content::Fat(Fat {
                mountpoint: wish.mountpoint.clone(),
                label,
                serial: wish.uuid.map_or(fat.serial, low32),
                options: wish.options.clone(),
            })
        }
        other => other,
    })
}

fn swap(label: &str, usual: Content) -> Result<Content, LayoutError> {
    check_label("swap space", label, 15)?;
    Ok(match usual {
        Content::Swap { uuid, .. } => Content::Swap { label: label.to_owned(), uuid },
        other => other,
    })
}

/// The smallest FAT32: FAT16 is not written.
fn least_fat(sector: SectorSize) -> ByteLen {
    match sector {
        SectorSize::B512 => ByteLen(34 * MIB),
        SectorSize::B4096 => ByteLen(260 * MIB),
    }
}

fn low32(number: u128) -> u32 {
    let [.., a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn check_name(name: &str) -> Result<(), LayoutError> {
    if name.encode_utf16().count() > MOST_NAME || name.chars().any(char::is_control) {
        return Err(LayoutError::Name { name: name.to_owned() });
    }
    Ok(())
}

fn check_label(kind: &'static str, label: &str, most: usize) -> Result<(), LayoutError> {
    let problem = match label {
        _ if label.len() > most && most == 16 => "it is longer than 16 bytes",
        _ if label.len() > most => "it is longer than 15 bytes",
        _ if label.chars().any(char::is_control) => "it has a control character",
        _ => return Ok(()),
    };
    Err(LayoutError::Label { kind, label: label.to_owned(), problem })
}

fn check_fat_label(label: &str) -> Result<(), LayoutError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'-');
    let problem = match label {
        _ if label.len() > 11 => "it is longer than 11 bytes",
        _ if label.starts_with(' ') || !label.bytes().all(is_plain) => {
            "only letters, digits, `_`, `-` and blanks are possible"
        }
        _ => return Ok(()),
    };
    Err(LayoutError::Label { kind: "FAT", label: label.to_owned(), problem })
}

/// Options become a field of a line.
fn check_options(options: Option<&str>) -> Result<(), LayoutError> {
    match options.filter(|options| options.contains(|c: char| c.is_whitespace() || c.is_control()))
    {
        Some(options) => Err(LayoutError::Options { options: options.to_owned() }),
        None => Ok(()),
    }
}
