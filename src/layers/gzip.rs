//! Gzip (RFC 1952): one member after another, then zeros or nothing.
//!
//! ```text
//!  1f 8b 08 flags mtime xfl os [extra] [name] [comment] [crc16]   header
//!  deflate stream
//!  crc32 of the content, length mod 2^32                          trailer
//! ```
//!
//! `flate2` checks header and trailer of each member; this module joins the members, tells padding
//! from junk, and gives errors their types.

use std::io::{self, BufRead as _, Read};

use flate2::bufread::GzDecoder;

use super::source::Source;
use super::{Error, Quirk, Warnings};

const FORMAT: &str = "gzip";

/// The members of a gzip stream, decompressed and joined.
#[derive(Debug)]
pub(super) struct Gzip {
    state: State,
    warnings: Warnings,
}

#[derive(Debug)]
enum State {
    Member(Box<GzDecoder<Source>>),
    Ended,
    Failed,
}

impl Gzip {
    pub(super) fn new(source: Source, warnings: Warnings) -> Self {
        Self { state: State::Member(Box::new(GzDecoder::new(source))), warnings }
    }

    /// What follows a member that ended well: another member, or the end of the stream.
    fn after_member(&self, mut source: Source) -> Result<State, Error> {
        let start = source.offset();
        match next_byte(&mut source)? {
            None => Ok(State::Ended),
            Some(0) => skip_zeros(source).map(|()| State::Ended),
            Some(0x1f) => {
                self.warnings.note(Quirk::MultiMemberGzip, b"");
                let mut member = GzDecoder::new(source);
                if member.header().is_some() {
                    return Ok(State::Member(Box::new(member)));
                }
                match member.read(&mut [0]).map_err(|error| classify(error, start)) {
                    Ok(_) | Err(Error::CorruptStream { .. }) => {
                        Err(Error::TrailingJunk { format: FORMAT, offset: start })
                    }
                    Err(error) => Err(error),
                }
            }
            Some(_) => Err(Error::TrailingJunk { format: FORMAT, offset: start }),
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let member = match &mut self.state {
                State::Member(member) => member,
                State::Ended => return Ok(0),
                State::Failed => {
                    return Err(io::Error::other("this gzip stream has failed before"));
                }
            };
            match member.read(buffer) {
                Ok(0) => {}
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    let offset = member.get_ref().offset();
                    self.state = State::Failed;
                    return Err(classify(error, offset).into());
                }
                other => return other,
            }
            let State::Member(member) = std::mem::replace(&mut self.state, State::Failed) else {
                continue;
            };
            self.state = self.after_member(member.into_inner())?;
        }
    }
}

fn classify(error: io::Error, offset: u64) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::TruncatedStream { format: FORMAT, offset },
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Error::CorruptStream { format: FORMAT, offset, reason: error.to_string() }
        }
        _ => Error::from_io(error),
    }
}

fn next_byte(source: &mut Source) -> Result<Option<u8>, Error> {
    loop {
        match source.fill_buf() {
            Ok(bytes) => return Ok(bytes.first().copied()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::from_io(error)),
        }
    }
}

fn skip_zeros(mut source: Source) -> Result<(), Error> {
    while next_byte(&mut source)?.is_some() {
        let bytes = source.fill_buf().map_err(Error::from_io)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let all_zeros = zeros == bytes.len();
        source.consume(zeros);
        if !all_zeros {
            return Err(Error::TrailingJunk { format: FORMAT, offset: source.offset() });
        }
    }
    Ok(())
}
