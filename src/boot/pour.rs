//! Copies that tell on which side they failed.

use std::io::{self, Read, Write};

const BUFFER_BYTES: usize = 64 << 10;

/// Why a copy ended early.
pub(super) enum Stopped {
    /// No more could be read.
    Reading(io::Error),
    /// No more could be written.
    Writing(io::Error),
}

/// Copies up to `limit_bytes`; returns how many there were.
pub(super) fn pour(
    from: &mut impl Read,
    to: &mut impl Write,
    limit_bytes: u64,
) -> Result<u64, Stopped> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut from = from.take(limit_bytes);
    let mut poured = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(poured),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stopped::Reading(error)),
        };
        to.write_all(&buffer[..count]).map_err(Stopped::Writing)?;
        poured += u64::try_from(count).unwrap_or(0);
    }
}
