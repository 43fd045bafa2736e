//! What the tars among the artifacts have in common: members owned by 0:0, mode 0644, of 1970.

use tar::{EntryType, Header};

pub(super) const BLOCK_BYTES: usize = 512;
pub(super) const BLOCK: u64 = 512;
/// Tars end with zeros, two blocks at least, up to a multiple of this.
pub(super) const RECORD_BYTES: u64 = 10_240;

/// Fills in the header of a regular member.
pub(super) fn describe(header: &mut Header, name: &str, size_bytes: u64) -> std::io::Result<()> {
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size_bytes);
    header.set_cksum();
    Ok(())
}

/// A number as GNU tar writes it: 11 octal digits and a NUL, or, from 8 GiB on, 0x80 and 11 bytes
/// big-endian.
pub(super) fn number(value: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if value < 1 << 33 {
        field[..11].copy_from_slice(format!("{value:011o}").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&value.to_be_bytes());
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_change_their_writing_at_8_gib() {
        assert_eq!(&number(0), b"00000000000\0");
        assert_eq!(&number((8 << 30) - 1), b"77777777777\0");
        assert_eq!(number(8 << 30), [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }
}
