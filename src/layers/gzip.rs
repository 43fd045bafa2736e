//! Gzip (RFC 1952): one member after another, then zeros or nothing.
//!
//! ```text
//!  1f 8b 08 flags mtime xfl os [extra] [name] [comment] [crc16]   header
//!  deflate stream
//!  crc32 of the content, length mod 2^32                          trailer
//! ```
//!
//! [`inflate`](super::inflate) unpacks and checks each member; this module joins them, tells
//! padding from junk, and gives errors their types.

use std::io::{self, BufRead as _, Read};

use super::inflate::{Fault, Member};
use super::source::Source;
use super::{Error, Quirk, Warnings};

const FORMAT: &str = "gzip";

/// The members of a gzip stream, decompressed and joined.
#[derive(Debug)]
pub(super) struct Gzip {
    source: Source,
    member: Member,
    state: State,
    warnings: Warnings,
}

#[derive(Debug)]
enum State {
    Start,
    Member,
    Ended,
    Failed,
}

impl Gzip {
    pub(super) fn new(source: Source, warnings: Warnings) -> Self {
        Self { source, member: Member::new(), state: State::Start, warnings }
    }

    fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.state {
                State::Start => {
                    self.member
                        .begin(&mut self.source)
                        .map_err(|fault| classify(fault, self.source.offset()))?;
                    self.state = State::Member;
                }
                State::Member => {
                    let count = self
                        .member
                        .read(&mut self.source, buffer)
                        .map_err(|fault| classify(fault, self.source.offset()))?;
                    if count > 0 {
                        return Ok(count);
                    }
                    self.state = self.after_member()?;
                }
                State::Ended => return Ok(0),
                State::Failed => {
                    return Err(Error::Io(io::Error::other("this gzip stream has failed before")));
                }
            }
        }
    }

    /// What follows a member that ended well: another member, or the end of the stream.
    fn after_member(&mut self) -> Result<State, Error> {
        let start = self.source.offset();
        let junk = Error::TrailingJunk { format: FORMAT, offset: start };
        match next_byte(&mut self.source)? {
            None => Ok(State::Ended),
            Some(0) => skip_zeros(&mut self.source).map(|()| State::Ended),
            Some(0x1f) => {
                self.warnings.note(Quirk::MultiMemberGzip, b"");
                match self.member.begin(&mut self.source) {
                    Ok(()) => Ok(State::Member),
                    Err(Fault::Corrupt(_)) => Err(junk),
                    Err(fault) => Err(classify(fault, start)),
                }
            }
            Some(_) => Err(junk),
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.read_content(buffer).map_err(|error| {
            self.state = State::Failed;
            error.into()
        })
    }
}

fn classify(fault: Fault, offset: u64) -> Error {
    match fault {
        Fault::Io(error) => Error::from_io(error),
        Fault::Truncated => Error::TruncatedStream { format: FORMAT, offset },
        Fault::Corrupt(reason) => {
            Error::CorruptStream { format: FORMAT, offset, reason: reason.to_string() }
        }
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

fn skip_zeros(source: &mut Source) -> Result<(), Error> {
    while next_byte(source)?.is_some() {
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
