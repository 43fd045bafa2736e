//! What is in a partition.
//!
//! | file system | recognised by | read |
//! |---|---|---|
//! | ext2, ext3, ext4 | 0xEF53 at 1080 | everything, by the crate `ext4-view` |
//! | FAT 12, 16, 32 | boot sector with a geometry | everything, by `fat` |
//! | xfs, btrfs, LUKS, swap, squashfs, erofs | their magic | label and UUID at most |

mod ext4;
mod fat;

pub(super) use ext4::{Below, Ext4Tree};
pub(super) use fat::Fat;
pub use fat::fuzz_fat;

use super::bytes::{be32, be64, bytes16, index, le32, le64, uuid};
use super::model::FileSystem;
use super::reader::{DiskImage, Shared};

/// Enough of a partition for every magic but that of swap with large pages.
const HEAD: u64 = 68 << 10;

/// A file system that was recognised.
pub(super) enum Found {
    /// ext2 to ext4, with its content if that can be read.
    Ext(FileSystem, Result<Ext4Tree, String>),
    /// FAT, with its content.
    Fat(FileSystem, Fat),
    /// One whose content is not read.
    Other(FileSystem),
}

/// What is in a partition; `None` when nothing is recognised.
pub(super) fn detect(partition: &Shared) -> Option<Found> {
    let mut head = vec![0; index(HEAD.min(partition.len_bytes()))];
    partition.read_at(0, &mut head).ok()?;
    if let Some(about) = ext4::recognise(&head) {
        let tree = Ext4Tree::open(partition, &about);
        return Some(Found::Ext(about.facts, tree));
    }
    if let Some(other) = other(&head, &**partition) {
        return Some(Found::Other(other));
    }
    let fat = Fat::open(partition)?;
    Some(Found::Fat(fat.facts(), fat))
}

fn other(head: &[u8], partition: &dyn DiskImage) -> Option<FileSystem> {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    let named = |name: &str| FileSystem {
        r#type: name.to_owned(),
        label: None,
        uuid: None,
        size_bytes: None,
        used_bytes: None,
    };
    let label = |offset: usize, len: usize| text(head.get(offset..offset + len)?);
    if at(0, b"XFSB") {
        let size = u64::from(be32(head, 4)).checked_mul(be64(head, 8));
        let used =
            u64::from(be32(head, 4)).checked_mul(be64(head, 8).saturating_sub(be64(head, 144)));
        return Some(FileSystem {
            uuid: Some(uuid(bytes16(head, 32))),
            label: label(108, 12),
            size_bytes: size,
            used_bytes: used,
            ..named("xfs")
        });
    }
    if at(0x10040, b"_BHRfS_M") {
        return Some(FileSystem {
            uuid: Some(uuid(bytes16(head, 0x10020))),
            label: label(0x1012B, 256),
            size_bytes: Some(le64(head, 0x10070)),
            used_bytes: Some(le64(head, 0x10078)),
            ..named("btrfs")
        });
    }
    if at(0, b"LUKS\xba\xbe") {
        return Some(FileSystem { uuid: label(168, 40), ..named("luks") });
    }
    if at(4086, b"SWAPSPACE2") {
        let (uuid, label) = (Some(uuid(bytes16(head, 1036))), label(1052, 16));
        return Some(FileSystem { uuid, label, ..named("swap") });
    }
    if at(0, b"hsqs") {
        return Some(FileSystem { size_bytes: Some(le64(head, 40)), ..named("squashfs") });
    }
    if le32(head, 1024) == 0xE0F5_E1E2 {
        let (uuid, size) = (Some(uuid(bytes16(head, 1072))), partition.len_bytes());
        return Some(FileSystem { uuid, size_bytes: Some(size), ..named("erofs") });
    }
    None
}

/// A field of text, filled with NULs or blanks; `None` when it is empty.
fn text(field: &[u8]) -> Option<String> {
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}
