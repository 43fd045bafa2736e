//! One member of a gzip stream: header, deflate stream, trailer.

use std::io::BufRead;

use crc32fast::Hasher;

use super::bits::next_byte;
use super::fault::{Fault, Reason};
use super::stream::Inflate;

const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// The longest name or comment.
const FIELD_MAX_BYTES: usize = 65_535;

/// Unpacks one member after another, each between [`Member::begin`] and the end of its content.
#[derive(Debug)]
pub(in super::super) struct Member {
    inflate: Inflate,
    checksum: Hasher,
    len: u32,
}

impl Member {
    pub(in super::super) fn new() -> Self {
        Self { inflate: Inflate::new(), checksum: Hasher::new(), len: 0 }
    }

    /// Reads a header.
    pub(in super::super) fn begin(&mut self, source: &mut impl BufRead) -> Result<(), Fault> {
        self.inflate.restart();
        self.checksum.reset();
        self.len = 0;
        read_header(source)
    }

    /// Reads content; nothing at its end, when the trailer was read and was right.
    pub(in super::super) fn read(
        &mut self,
        source: &mut impl BufRead,
        buffer: &mut [u8],
    ) -> Result<usize, Fault> {
        let bytes = self.inflate.unpack(source)?;
        if bytes.is_empty() {
            return self.read_trailer(source).map(|()| 0);
        }
        let count = bytes.len().min(buffer.len());
        let bytes = &bytes[..count];
        buffer[..count].copy_from_slice(bytes);
        self.checksum.update(bytes);
        // The format counts modulo 2^32.
        self.len = self.len.wrapping_add(u32::try_from(count).unwrap_or_default());
        self.inflate.hand_out(count);
        Ok(count)
    }

    fn read_trailer(&self, source: &mut impl BufRead) -> Result<(), Fault> {
        let checksum = u32::from_le_bytes(next_bytes(source)?);
        let len = u32::from_le_bytes(next_bytes(source)?);
        if checksum != self.checksum.clone().finalize() {
            return Err(Reason::Checksum.into());
        }
        if len == self.len { Ok(()) } else { Err(Reason::Length.into()) }
    }
}

fn read_header(source: &mut impl BufRead) -> Result<(), Fault> {
    let fixed: [u8; 10] = next_bytes(source)?;
    let [0x1f, 0x8b, 8, flags, ..] = fixed else { return Err(Reason::Header.into()) };
    if flags & RESERVED != 0 {
        return Err(Reason::Header.into());
    }
    let mut checksum = Hasher::new();
    checksum.update(&fixed);
    if flags & FEXTRA != 0 {
        let len: [u8; 2] = next_bytes(source)?;
        checksum.update(&len);
        for _ in 0..u16::from_le_bytes(len) {
            checksum.update(&[next_byte(source)?]);
        }
    }
    for flag in [FNAME, FCOMMENT] {
        if flags & flag != 0 {
            skip_string(source, &mut checksum)?;
        }
    }
    if flags & FHCRC != 0 {
        let [low, high, ..] = checksum.finalize().to_le_bytes();
        if next_bytes(source)? != [low, high] {
            return Err(Reason::HeaderChecksum.into());
        }
    }
    Ok(())
}

/// Reads up to a NUL byte.
fn skip_string(source: &mut impl BufRead, checksum: &mut Hasher) -> Result<(), Fault> {
    for _ in 0..=FIELD_MAX_BYTES {
        let byte = next_byte(source)?;
        checksum.update(&[byte]);
        if byte == 0 {
            return Ok(());
        }
    }
    Err(Reason::HeaderField.into())
}

fn next_bytes<const N: usize>(source: &mut impl BufRead) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    for byte in &mut bytes {
        *byte = next_byte(source)?;
    }
    Ok(bytes)
}
