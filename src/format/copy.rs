//! A disk's bytes copied as they are, holes left out.
//!
//! The kernel copies: within one file system that may only share blocks, and costs nothing. Where it
//! cannot, we read and write.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use rustix::fs::copy_file_range;
use rustix::io::Errno;

use super::extents::Extents;
use super::{FormatError, ZEROS, clamp, len_of};
use crate::progress::Cancel;

/// How much is copied between looks at the wish to stop.
const STEP_BYTES: usize = 64 << 20;

/// Copies the first `len_bytes` of `source` to the same places of `out`, which then has that length.
/// Calls `report` with the place reached.
pub(super) fn copy_extents(
    source: &File,
    out: &File,
    len_bytes: u64,
    cancel: &Cancel,
    report: &dyn Fn(u64),
) -> Result<(), FormatError> {
    out.set_len(len_bytes).map_err(|source| FormatError::Write { offset: len_bytes, source })?;
    let mut by_kernel = true;
    for extent in Extents::new(source, len_bytes) {
        let mut at = extent.start;
        while at < extent.end {
            if cancel.is_cancelled() {
                return Err(FormatError::Cancelled);
            }
            let copied =
                if by_kernel { copy_in_kernel(source, out, at, extent.end)? } else { None };
            let copied = match copied {
                Some(count) => count,
                None => {
                    by_kernel = false;
                    copy_through_memory(source, out, at, extent.end)?
                }
            };
            // The source may have become shorter: what it lacks is zeros.
            if copied == 0 {
                break;
            }
            at += copied;
            report(at);
        }
    }
    Ok(())
}

/// `None` when the kernel does not copy between these files.
fn copy_in_kernel(
    source: &File,
    out: &File,
    at: u64,
    end: u64,
) -> Result<Option<u64>, FormatError> {
    let count = usize::try_from(end - at).unwrap_or(STEP_BYTES).min(STEP_BYTES);
    let (mut from, mut to) = (at, at);
    loop {
        return match copy_file_range(source, Some(&mut from), out, Some(&mut to), count) {
            Ok(copied) => Ok(Some(u64::try_from(copied).unwrap_or(0))),
            Err(Errno::INTR) => continue,
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) | Err(Errno::IO) => {
                // Found again, and told with its place, by whoever writes.
                copy_through_memory(source, out, at, end).map(Some)
            }
            Err(_) => Ok(None),
        };
    }
}

fn copy_through_memory(source: &File, out: &File, at: u64, end: u64) -> Result<u64, FormatError> {
    let mut buffer = vec![0; ZEROS.len()];
    let buffer = clamp(&mut buffer, end - at);
    let count = loop {
        match source.read_at(buffer, at) {
            Ok(count) => break count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(FormatError::Read { offset: at, source }),
        }
    };
    out.write_all_at(&buffer[..count], at)
        .map_err(|source| FormatError::Write { offset: at, source })?;
    Ok(len_of(&buffer[..count]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn both_ways_copy_the_same_and_keep_holes() {
        let source = tempfile::tempfile().unwrap();
        source.write_all_at(&[7; 300_000], 123).unwrap();
        source.write_all_at(b"late", 90 << 20).unwrap();
        let len = (100 << 20) + 5;
        let by_kernel = tempfile::tempfile().unwrap();
        copy_extents(&source, &by_kernel, len, &Cancel::default(), &|_| {}).unwrap();
        let by_hand = tempfile::tempfile().unwrap();
        for extent in Extents::new(&source, len) {
            let mut at = extent.start;
            while at < extent.end {
                match copy_through_memory(&source, &by_hand, at, extent.end).unwrap() {
                    0 => break,
                    count => at += count,
                }
            }
        }
        by_hand.set_len(len).unwrap();
        let sum = |file| crate::format::checksum(file, &Cancel::default()).unwrap();
        assert_eq!(sum(&by_kernel), sum(&by_hand));
        source.set_len(len).unwrap();
        assert_eq!(sum(&by_kernel), sum(&source));
        assert!(by_kernel.metadata().unwrap().blocks() * 512 < 2 << 20, "holes were filled");
    }

    #[test]
    fn a_cancelled_copy_stops() {
        let source = tempfile::tempfile().unwrap();
        source.write_all_at(b"x", 0).unwrap();
        let (out, cancel) = (tempfile::tempfile().unwrap(), Cancel::default());
        cancel.cancel();
        let result = copy_extents(&source, &out, 1, &cancel, &|_| {});
        assert!(matches!(result, Err(FormatError::Cancelled)));
    }
}
