//! What an initramfs was made of, as far as dracut tells.
//!
//! An initramfs is a chain of archives, zeros between them ignored: first, perhaps, plain ones with
//! microcode, then one that is compressed. dracut lists its modules, one a line, in
//! `usr/lib/dracut/modules.txt`, which is where `lsinitrd --mod` has them from.
//!
//! Read forward, once, in bounded memory; reading stops at the list.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

use super::{HEADER_BYTES, MAGIC, MAGIC_WITH_CHECKSUM, NAME_LIMIT_BYTES, TRAILER};
use crate::boot::compression::Compression;

const MODULES: &[u8] = b"usr/lib/dracut/modules.txt";
/// Longer lists are none of dracut's.
const LIST_LIMIT_BYTES: u64 = 1 << 20;
/// No machine unpacks more: what is after that is not looked for.
const UNPACKED_LIMIT_BYTES: u64 = 4 << 30;

/// Why an initramfs does not tell.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// Neither an archive nor compressed in a way known here.
    #[error(
        "at byte {offset} of what is unpacked there is neither a cpio archive nor one compressed \
             with gzip, xz or Zstandard"
    )]
    Unknown {
        /// Where.
        offset: u64,
    },
    /// An entry is not one.
    #[error("the cpio entry at byte {offset} is malformed")]
    Entry {
        /// Where, in what is unpacked.
        offset: u64,
    },
    /// Reading or decompressing failed.
    #[error("reading the initramfs")]
    Read(#[from] io::Error),
}

/// The modules that dracut put in; none when it does not tell, or another program made it.
pub fn dracut_modules(initramfs: impl Read) -> Result<Option<BTreeSet<String>>, InitramfsError> {
    let mut outer = Chain { input: BufReader::new(initramfs), offset: 0 };
    match outer.find(MODULES)? {
        Next::Found(list) => Ok(Some(modules(&list))),
        Next::End => Ok(None),
        Next::Compressed(compression, magic) => {
            let packed = io::Cursor::new(magic).chain(outer.input);
            let mut inner = Chain { input: compression.decoder(packed)?, offset: 0 };
            match inner.find(MODULES)? {
                Next::Found(list) => Ok(Some(modules(&list))),
                Next::End => Ok(None),
                Next::Compressed(..) => Err(InitramfsError::Unknown { offset: inner.offset }),
            }
        }
    }
}

fn modules(list: &[u8]) -> BTreeSet<String> {
    String::from_utf8_lossy(list).split_whitespace().map(str::to_owned).collect()
}

/// What a chain of plain archives led to.
enum Next {
    Found(Vec<u8>),
    /// Its first bytes were read.
    Compressed(Compression, [u8; 6]),
    End,
}

struct Chain<R> {
    input: R,
    offset: u64,
}

impl<R: BufRead> Chain<R> {
    /// The content of the file `wanted`, unless something else comes first.
    fn find(&mut self, wanted: &[u8]) -> Result<Next, InitramfsError> {
        loop {
            if self.offset > UNPACKED_LIMIT_BYTES || !self.skip_zeros()? {
                return Ok(Next::End);
            }
            let start = self.offset;
            let mut magic = [0; 6];
            self.read(&mut magic)?;
            if let Some(compression) = Compression::of_magic(&magic) {
                return Ok(Next::Compressed(compression, magic));
            }
            if magic != *MAGIC && magic != *MAGIC_WITH_CHECKSUM {
                return Err(InitramfsError::Unknown { offset: start });
            }
            let mut header = [0; HEADER_BYTES - 6];
            self.read(&mut header)?;
            let malformed = || InitramfsError::Entry { offset: start };
            let len = number(&header, 6).ok_or_else(malformed)?;
            let name_len = number(&header, 11).filter(|len| (1..=NAME_LIMIT_BYTES).contains(len));
            let name_len = name_len.ok_or_else(malformed)?;
            let mut name = vec![0; usize::try_from(name_len).unwrap_or(0)];
            self.read(&mut name)?;
            self.skip(padding(HEADER_BYTES + name.len()))?;
            let name = name.strip_suffix(&[0]).ok_or_else(malformed)?;
            let is_wanted = name.strip_prefix(b"./").unwrap_or(name) == wanted;
            if is_wanted && len <= LIST_LIMIT_BYTES {
                let mut content = vec![0; usize::try_from(len).unwrap_or(0)];
                self.read(&mut content)?;
                return Ok(Next::Found(content));
            }
            self.skip(len)?;
            if name != TRAILER.as_bytes() {
                self.skip(len.next_multiple_of(4) - len)?;
            }
        }
    }

    /// Whether anything follows.
    fn skip_zeros(&mut self) -> Result<bool, InitramfsError> {
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                return Ok(false);
            }
            let zeros = available.iter().take_while(|byte| **byte == 0).count();
            let is_over = zeros < available.len();
            self.input.consume(zeros);
            self.offset += u64::try_from(zeros).unwrap_or(0);
            if is_over || self.offset > UNPACKED_LIMIT_BYTES {
                return Ok(is_over);
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), InitramfsError> {
        self.input.read_exact(buffer)?;
        self.offset += u64::try_from(buffer.len()).unwrap_or(0);
        Ok(())
    }

    fn skip(&mut self, len: u64) -> Result<(), InitramfsError> {
        let skipped = io::copy(&mut self.input.by_ref().take(len), &mut io::sink())?;
        self.offset += skipped;
        if skipped < len {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }
}

fn number(header: &[u8], index: usize) -> Option<u64> {
    let digits = header.get(index * 8..index * 8 + 8)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn padding(len: usize) -> u64 {
    u64::try_from(len.next_multiple_of(4) - len).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = b"070701".to_vec();
        let mut numbers = [0_usize; 13];
        numbers[6] = content.len();
        numbers[11] = name.len() + 1;
        for number in numbers {
            bytes.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn archive(modules: Option<&str>) -> Vec<u8> {
        let mut bytes = [entry(".", b""), entry("init", b"#!/bin/sh\n"), entry("a/b", &[7; 5000])];
        if let Some(modules) = modules {
            bytes[2].extend(entry("usr/lib/dracut/modules.txt", modules.as_bytes()));
        }
        let mut bytes = bytes.concat();
        bytes.extend(entry("TRAILER!!!", b""));
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn compressed(bytes: &[u8]) -> [Vec<u8>; 3] {
        use std::io::Write as _;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        let options = lzma_rust2::XzOptions::with_preset(0);
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        xz.write_all(bytes).unwrap();
        let zstd = zstd::encode_all(bytes, 1).unwrap();
        [gzip.finish().unwrap(), xz.finish().unwrap(), zstd]
    }

    fn found(bytes: &[u8]) -> Result<Option<Vec<String>>, InitramfsError> {
        dracut_modules(bytes).map(|modules| modules.map(|all| all.into_iter().collect()))
    }

    #[test]
    fn dracuts_list_is_found_however_it_is_packed() {
        let list = Some(["bash".to_owned(), "livenet".to_owned()].to_vec());
        let with = archive(Some("bash\nlivenet\n"));
        assert_eq!(found(&with).unwrap(), list);
        for packed in compressed(&with) {
            assert_eq!(found(&packed).unwrap(), list);
            let early = [archive(None), packed].concat();
            assert_eq!(found(&early).unwrap(), list);
        }
        assert_eq!(found(&archive(None)).unwrap(), None);
        assert_eq!(found(b"").unwrap(), None);
    }

    #[test]
    fn anything_else_is_an_error_and_never_a_panic() {
        assert!(matches!(found(b"MZ and more"), Err(InitramfsError::Unknown { offset: 0 })));
        let with = archive(Some("bash\n"));
        let twice = compressed(&compressed(&with)[2])[0].clone();
        assert!(matches!(found(&twice), Err(InitramfsError::Unknown { .. })));
        for len in 0..with.len() - 512 {
            let _ = found(&with[..len]);
        }
        for at in 0..400 {
            for byte in [0, b'F', 0xFF] {
                let mut broken = with.clone();
                broken[at] = byte;
                let _ = found(&broken);
            }
        }
        for packed in compressed(&with) {
            for at in (0..packed.len()).step_by(3) {
                let mut broken = packed.clone();
                broken[at] ^= 0x55;
                let _ = found(&broken);
                let _ = found(&packed[..at]);
            }
        }
    }
}
