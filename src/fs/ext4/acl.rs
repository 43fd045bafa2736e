//! POSIX access control lists: from the form of the system call to the form on the disk.
//!
//! | | header | entry |
//! |---|---|---|
//! | system call | version 2, 32 bits | tag 16, permissions 16, id 32 |
//! | disk | version 1, 32 bits | the same for named users and groups; for others no id |

/// Version of the form that `getxattr` returns.
const CALL_VERSION: [u8; 4] = [2, 0, 0, 0];
const DISK_VERSION: [u8; 4] = [1, 0, 0, 0];

const NAMED_USER: u16 = 0x02;
const NAMED_GROUP: u16 = 0x08;
/// Owner, owning group, mask, others.
const UNNAMED: [u16; 4] = [0x01, 0x04, 0x10, 0x20];

/// The value as ext4 stores it; `None` when `value` is no access control list.
pub(super) fn to_disk(value: &[u8]) -> Option<Vec<u8>> {
    let entries = value.strip_prefix(&CALL_VERSION)?.chunks_exact(8);
    if !entries.remainder().is_empty() || entries.len() == 0 {
        return None;
    }
    let mut disk = DISK_VERSION.to_vec();
    for entry in entries {
        match u16::from_le_bytes([entry[0], entry[1]]) {
            NAMED_USER | NAMED_GROUP => disk.extend_from_slice(entry),
            tag if UNNAMED.contains(&tag) => disk.extend_from_slice(&entry[..4]),
            _ => return None,
        }
    }
    Some(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_entries_keep_their_id() {
        let mut call = vec![2, 0, 0, 0];
        for (tag, id) in [(1u8, 255u8), (2, 7), (4, 255), (8, 9), (16, 255), (32, 255)] {
            call.extend_from_slice(&[tag, 0, 5, 0, id, 0, 0, 0]);
        }
        let disk = to_disk(&call).unwrap();
        assert_eq!(disk.len(), 4 + 4 * 4 + 2 * 8);
        assert_eq!(disk[..12], [1, 0, 0, 0, 1, 0, 5, 0, 2, 0, 5, 0]);
        assert_eq!(disk[12..20], [7, 0, 0, 0, 4, 0, 5, 0]);
    }

    #[test]
    fn other_bytes_are_refused() {
        assert_eq!(to_disk(b""), None);
        assert_eq!(to_disk(&[2, 0, 0, 0]), None);
        assert_eq!(to_disk(&[1, 0, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0]), None);
        assert_eq!(to_disk(&[2, 0, 0, 0, 1, 0, 5, 0, 0, 0, 0]), None);
        assert_eq!(to_disk(&[2, 0, 0, 0, 3, 0, 5, 0, 0, 0, 0, 0]), None);
    }
}
