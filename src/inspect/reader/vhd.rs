//! vhd, fixed: the disk, then a footer of 512 bytes.
//!
//! ```text
//! "conectix" 8, features 4, version 4, data offset 8, time 4, creator 12, original size 8,
//! current size 8, geometry 4, type 4 (2 fixed, 3 dynamic, 4 differencing), checksum 4, …
//! ```
//!
//! Numbers are big-endian. The checksum is the complement of the sum of all other bytes.

use super::{Shared, check_size, file::Part, read_part};
use crate::inspect::bytes::{be32, be64};
use crate::inspect::error::Problem;

pub(super) const FOOTER_BYTES: u64 = 512;
pub(super) const COOKIE: &[u8] = b"conectix";
const READ: &str = "the fixed variety";

/// The disk before a footer.
pub(super) fn open(file: Shared) -> Result<Part, Problem> {
    let start = file.len_bytes().checked_sub(FOOTER_BYTES).ok_or(Problem::Missing("the footer"))?;
    let footer = read_part(&*file, "the footer", start, 512)?;
    if !footer.starts_with(COOKIE) {
        // only a dynamic one begins with a copy of its footer
        return Err(Problem::Variety { found: "dynamic, or damaged".to_owned(), read: READ });
    }
    let mut bytes = footer.clone();
    bytes[64..68].fill(0);
    let sum = bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    if be32(&footer, 64) != !sum {
        return Err(Problem::Checksum("the footer"));
    }
    match be32(&footer, 60) {
        2 => {}
        3 => return Err(Problem::Variety { found: "dynamic".to_owned(), read: READ }),
        4 => return Err(Problem::BackingFile("its parent".to_owned())),
        other => return Err(Problem::Value { what: "the type of disk", value: other.into() }),
    }
    let len = check_size(be64(&footer, 48))?;
    let outside = Problem::Value { what: "the size of the disk", value: len };
    if len > start {
        return Err(outside);
    }
    Part::new(file, 0, len).ok_or(outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::reader::{DiskImage as _, Memory};
    use std::rc::Rc;

    fn disk(kind: u8, len: u64) -> Vec<u8> {
        let mut bytes = vec![7; 1024];
        let mut footer = [0; 512];
        footer[..8].copy_from_slice(COOKIE);
        footer[48..56].copy_from_slice(&len.to_be_bytes());
        footer[63] = kind;
        let sum = footer.iter().fold(0_u32, |sum, byte| sum + u32::from(*byte));
        footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
        bytes.extend(footer);
        bytes
    }

    fn opened(bytes: Vec<u8>) -> Result<Part, Problem> {
        open(Rc::new(Memory(bytes)))
    }

    #[test]
    fn only_fixed_disks_are_read() {
        assert_eq!(opened(disk(2, 1024)).unwrap().len_bytes(), 1024);
        assert!(matches!(opened(disk(3, 1024)), Err(Problem::Variety { .. })));
        assert!(matches!(opened(disk(4, 1024)), Err(Problem::BackingFile(_))));
        assert!(matches!(opened(disk(9, 1024)), Err(Problem::Value { value: 9, .. })));
        assert!(matches!(opened(disk(2, 1025)), Err(Problem::Value { value: 1025, .. })));
        assert!(matches!(opened(disk(2, u64::MAX)), Err(Problem::TooLarge(_))));
        let mut damaged = disk(2, 1024);
        damaged[1024 + 100] = 1;
        assert!(matches!(opened(damaged), Err(Problem::Checksum(_))));
        assert!(opened(vec![0; 100]).is_err());
    }
}
