//! Unpacks a blob: gzip, zstd, or nothing to unpack.
//!
//! The media type decides. Bytes that plainly belong to another format are refused by name, before a
//! decompressor gets to see them.
//!
//! A zstd stream (RFC 8878) is any number of frames; skippable ones, which hold zstd:chunked's
//! tables, may stand anywhere. Legacy frames from before the RFC are not read.

use std::fmt;
use std::io::{self, BufRead, Read};

use super::gzip::Gzip;
use super::source::Source;
use super::{Error, Warnings};
use crate::spec::Compression;

/// A window of 2^27 bytes, 128 MiB: the most a zstd frame may ask for.
const WINDOW_LOG_MAX: u32 = 27;

/// How formats begin: enough bytes to never mistake a tar for one of them.
const MAGICS: [(&[u8], &str); 4] = [
    (&[0x1f, 0x8b, 0x08], "gzip data"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd data"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz data"),
    (b"BZh91AY&SY", "bzip2 data"),
];

/// A blob being unpacked. Its errors carry an [`Error`] inside the [`io::Error`].
#[derive(Debug)]
pub struct Decoder {
    state: State,
    compression: Compression,
    warnings: Warnings,
}

enum State {
    /// Nothing was read yet: opening reads, and belongs to the thread that reads.
    New(Source),
    None(Source),
    Gzip(Gzip),
    Zstd(Box<zstd::stream::read::Decoder<'static, Source>>),
    Failed,
}

/// Unpacks `blob` as `compression` says, and reports oddities to `warnings`. Reads nothing yet.
pub fn decoder(
    compression: Compression,
    blob: impl BufRead + Send + 'static,
    warnings: &Warnings,
) -> Decoder {
    Decoder {
        state: State::New(Source::new(Box::new(blob))),
        compression,
        warnings: warnings.clone(),
    }
}

impl Decoder {
    fn open(&self, mut source: Source) -> Result<State, Error> {
        let head = source.peek_start::<512>().map_err(Error::from_io)?;
        check_magic(self.compression, head)?;
        Ok(match self.compression {
            Compression::None => State::None(source),
            Compression::Gzip => State::Gzip(Gzip::new(source, self.warnings.clone())),
            Compression::Zstd => {
                let mut zstd =
                    zstd::stream::read::Decoder::with_buffer(source).map_err(Error::Io)?;
                zstd.window_log_max(WINDOW_LOG_MAX).map_err(Error::Io)?;
                State::Zstd(Box::new(zstd))
            }
        })
    }
}

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let State::New(_) = self.state
            && let State::New(source) = std::mem::replace(&mut self.state, State::Failed)
        {
            self.state = self.open(source)?;
        }
        let result = match &mut self.state {
            State::New(_) | State::Failed => Err(io::Error::other("this layer has failed before")),
            State::None(source) => source.read(buffer),
            State::Gzip(gzip) => gzip.read(buffer),
            State::Zstd(zstd) => {
                zstd.read(buffer).map_err(|error| classify_zstd(error, zstd.get_ref().offset()))
            }
        };
        if matches!(&result, Err(error) if error.kind() != io::ErrorKind::Interrupted) {
            self.state = State::Failed;
        }
        result
    }
}

fn check_magic(compression: Compression, head: &[u8]) -> Result<(), Error> {
    let (declared, own) = match compression {
        Compression::None => ("a plain tar", ""),
        Compression::Gzip => ("gzip", MAGICS[0].1),
        Compression::Zstd => ("zstd", MAGICS[1].1),
    };
    let found = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name);
    let found = match (found, compression) {
        (Some(found), _) => found,
        (None, Compression::None) => return Ok(()),
        _ if is_tar(head) => "a plain tar",
        // Skippable frames come first at times.
        (None, Compression::Zstd) if is_skippable(head) => return Ok(()),
        // Too short to tell: the decompressor says that it is cut off.
        (None, Compression::Gzip) if MAGICS[0].0.starts_with(head) => return Ok(()),
        (None, Compression::Zstd) if MAGICS[1].0.starts_with(head) => return Ok(()),
        _ => "data of an unknown format",
    };
    if found == own { Ok(()) } else { Err(Error::WrongCompression { declared, found }) }
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

fn classify_zstd(error: io::Error, offset: u64) -> io::Error {
    const FORMAT: &str = "zstd";
    if error.get_ref().is_some_and(|inner| inner.is::<Error>())
        || error.kind() == io::ErrorKind::Interrupted
    {
        return error;
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::TruncatedStream { format: FORMAT, offset }.into();
    }
    let reason = error.to_string();
    let typed = if reason.contains("too much memory") {
        Error::WindowTooLarge { offset }
    } else if reason.contains("Unknown frame descriptor") {
        // The first frame's magic was looked at before, so this one comes after a frame.
        Error::TrailingJunk { format: FORMAT, offset }
    } else {
        Error::CorruptStream { format: FORMAT, offset, reason }
    };
    typed.into()
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::None(_) => "None",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
            Self::Failed => "Failed",
        })
    }
}
