//! Walks the archive: [`Reader`].

use std::io::BufRead;

use super::entry::{Chunk, Entry, Kind};
use super::header::{BLOCK_BYTES, Header, until_nul};
use super::input::{Input, Short, count_u64};
use super::member::{Extensions, Member, SIZE_MAX};
use super::pax::{self, Form};
use super::sparse::{self, Map, Segment};
use crate::layers::error::shown;
use crate::layers::{Error, Quirk, Warnings};

/// The most bytes of PAX records that one member may have.
const PAX_LIMIT_BYTES: u64 = 1 << 20;
/// The most bytes of global records; they are applied anew to each member.
const GLOBAL_LIMIT_BYTES: u64 = 64 << 10;
/// The most bytes of a GNU long name.
const LONG_NAME_LIMIT_BYTES: u64 = 64 << 10;

/// Reads a tar from front to end: [`Self::next_entry`], then [`Self::next_chunk`] until `None`, and so
/// on. Data that is not asked for is passed over.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    warnings: Warnings,
    globals: Vec<u8>,
    data: Data,
    is_ended: bool,
}

/// What is still to come of a member's data.
#[derive(Debug, Default)]
struct Data {
    path: Vec<u8>,
    segments: std::vec::IntoIter<Segment>,
    /// The segment being read: what is left of it.
    current: Option<Segment>,
    /// How much of the file was handed out.
    position: u64,
    real_size: u64,
    /// Stored bytes not yet consumed, and the padding behind them.
    stored_left: u64,
    padding: u64,
    /// Bytes handed out that are consumed before the next step.
    lent: usize,
}

impl<R: BufRead> Reader<R> {
    /// Reads the tar that `reader` delivers, and reports oddities to `warnings`.
    pub fn new(reader: R, warnings: &Warnings) -> Self {
        Self {
            input: Input::new(reader),
            warnings: warnings.clone(),
            globals: Vec::new(),
            data: Data::default(),
            is_ended: false,
        }
    }

    /// The next member; `None` at the end, after all that follows the archive was read too.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        if self.is_ended {
            return Ok(None);
        }
        self.pass_over_data()?;
        let mut extensions = Extensions::default();
        loop {
            let offset = self.input.offset();
            let block = self.input.block()?.filter(|block| block.iter().any(|byte| *byte != 0));
            let Some(block) = block else {
                self.drain()?;
                self.is_ended = true;
                return if extensions.is_empty() {
                    Ok(None)
                } else {
                    Err(Error::DanglingExtension { offset })
                };
            };
            let header = Header::parse(block).ok_or(Error::BadHeader { offset })?;
            match header.flag() {
                b'x' | b'X' => {
                    let body =
                        self.load_records(&header, extensions.records.len(), PAX_LIMIT_BYTES)?;
                    extensions.records.extend(body);
                }
                b'g' => {
                    self.warnings.note(Quirk::GlobalHeader, b"");
                    let kept = self.globals.len();
                    let body = self.load_records(&header, kept, GLOBAL_LIMIT_BYTES)?;
                    self.globals.extend(body);
                }
                b'L' => extensions.long_name = Some(self.load_long_name(&header)?),
                b'K' => extensions.long_link = Some(self.load_long_name(&header)?),
                _ => return self.load_entry(&header, &extensions).map(Some),
            }
        }
    }

    /// The next piece of the current member's content; `None` at its end.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        self.return_lent();
        let data = &mut self.data;
        if data.current.is_none() {
            data.current = data.segments.find(|segment| segment.len > 0);
        }
        let next_stored = data.current.map_or(data.real_size, |segment| segment.offset);
        if next_stored > data.position {
            let hole = next_stored - data.position;
            data.position = next_stored;
            return Ok(Some(Chunk::Hole(hole)));
        }
        let Some(segment) = data.current else { return Ok(None) };
        let bytes = self.input.fill()?;
        let len = bytes.len().min(usize::try_from(segment.len).unwrap_or(usize::MAX));
        if len == 0 {
            return Err(self.truncated());
        }
        let count = count_u64(len);
        let left = Segment { offset: segment.offset + count, len: segment.len - count };
        data.position += count;
        data.stored_left -= count;
        data.lent = len;
        data.current = (left.len > 0).then_some(left);
        Ok(self.input.fill()?.get(..len).map(Chunk::Data))
    }

    /// The stream behind the tar.
    pub fn into_inner(self) -> R {
        self.input.into_inner()
    }

    /// Makes an entry of a member's header and what came before it; its data is next.
    fn load_entry(&mut self, header: &Header, extensions: &Extensions) -> Result<Entry, Error> {
        let member = Member::resolve(header, extensions, &self.globals)?;
        self.note_quirks(header, &member);
        self.data = Data {
            path: member.path.clone(),
            stored_left: member.stored,
            padding: member.stored.next_multiple_of(count_u64(BLOCK_BYTES)) - member.stored,
            ..Data::default()
        };
        let kind = match header.flag() {
            0 | b'0' | b'7' => self.load_regular(&member)?,
            b'1' => Kind::Hardlink { target: member.target()? },
            b'2' => Kind::Symlink { target: member.target()? },
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' if header.is_gnu() => self.load_gnu_sparse(header, &member)?,
            flag => return Err(Error::UnsupportedType { path: shown(&member.path), flag }),
        };
        Ok(member.into_entry(kind))
    }

    fn load_regular(&mut self, member: &Member) -> Result<Kind, Error> {
        let (path, stored) = (&member.path, member.stored);
        let bad = |reason| Error::BadSparseMap { path: shown(path), reason };
        let records = &member.sparse;
        let segments = match records.form().map_err(bad)? {
            None if path.ends_with(b"/") => {
                self.warnings.note(Quirk::SlashDirectory, path);
                return Ok(Kind::Directory);
            }
            None => return Ok(self.expect(Map::dense(stored))),
            Some(Form::InRecords) => records.segments.clone(),
            Some(Form::BeforeData) => {
                let (segments, taken) = sparse::load_pax_1_0(&mut self.input, stored, path)?;
                self.data.stored_left -= taken;
                segments
            }
        };
        let real_size = records.real_size.filter(|size| *size <= SIZE_MAX);
        let real_size =
            real_size.ok_or_else(|| bad("the file's length is missing or too large"))?;
        let map = Map::new(segments, real_size, self.data.stored_left).map_err(bad)?;
        Ok(self.expect(map))
    }

    fn load_gnu_sparse(&mut self, header: &Header, member: &Member) -> Result<Kind, Error> {
        let bad = |reason| Error::BadSparseMap { path: shown(&member.path), reason };
        let real_size = header.gnu_real_size().filter(|size| *size <= SIZE_MAX);
        let real_size = real_size.ok_or_else(|| bad("the file's length is no number"))?;
        self.warnings.note(Quirk::GnuSparse, &member.path);
        let (first, is_extended) = (header.gnu_segments(), header.gnu_is_extended());
        let segments = sparse::load_gnu(&mut self.input, first, is_extended, &member.path)?;
        let map = Map::new(segments, real_size, member.stored).map_err(bad)?;
        Ok(self.expect(map))
    }

    /// Prepares to hand out a file's content.
    fn expect(&mut self, map: Map) -> Kind {
        if map.is_unterminated() {
            self.warnings.note(Quirk::UnterminatedSparseMap, &self.data.path);
        }
        self.data.segments = map.segments.into_iter();
        self.data.real_size = map.real_size;
        Kind::Regular { len_bytes: map.real_size }
    }

    fn note_quirks(&self, header: &Header, member: &Member) {
        const NAME_FIELD_BYTES: usize = 100;
        /// With `SCHILY.xattr.` before it, 255 bytes.
        const LONGEST_XATTR_NAME_BYTES: usize = 242;
        if !header.prefix().is_empty() && member.path.len() <= NAME_FIELD_BYTES {
            self.warnings.note(Quirk::ShortNameWithPrefix, &member.path);
        }
        if member.xattrs.iter().any(|(_, value)| value.contains(&b'\n')) {
            self.warnings.note(Quirk::NewlineInXattr, &member.path);
        }
        if member.xattrs.iter().any(|(name, _)| name.len() > LONGEST_XATTR_NAME_BYTES) {
            self.warnings.note(Quirk::LongXattrName, &member.path);
        }
    }

    /// The records in the body of a PAX header, checked to be such.
    fn load_records(&mut self, header: &Header, kept: usize, limit: u64) -> Result<Vec<u8>, Error> {
        let offset = self.input.offset();
        let body = self.load_extension(header, kept, limit)?;
        let is_malformed = pax::records(&body).any(|record| record.is_err());
        if is_malformed { Err(Error::BadPaxHeader { offset }) } else { Ok(body) }
    }

    fn load_long_name(&mut self, header: &Header) -> Result<Vec<u8>, Error> {
        let body = self.load_extension(header, 0, LONG_NAME_LIMIT_BYTES)?;
        Ok(until_nul(&body).to_vec())
    }

    fn load_extension(
        &mut self,
        header: &Header,
        kept: usize,
        limit: u64,
    ) -> Result<Vec<u8>, Error> {
        let offset = self.input.offset();
        let size = header.size().filter(|size| *size <= SIZE_MAX);
        let size = size.ok_or(Error::BadField { path: shown(&header.name()), field: "size" })?;
        let len_bytes = size + count_u64(kept);
        let Some(len) = usize::try_from(size).ok().filter(|_| len_bytes <= limit) else {
            return Err(Error::ExtensionTooLarge { offset, len_bytes, limit_bytes: limit });
        };
        let short = |short, offset| match short {
            Short::Ended => Error::TruncatedHeader { offset },
            Short::Failed(error) => error,
        };
        let body = self.input.bytes(len).map_err(|error| short(error, self.input.offset()))?;
        let padding = size.next_multiple_of(count_u64(BLOCK_BYTES)) - size;
        self.input.skip(padding).map_err(|error| short(error, self.input.offset()))?;
        Ok(body)
    }

    fn return_lent(&mut self) {
        self.input.consume(std::mem::take(&mut self.data.lent));
    }

    fn pass_over_data(&mut self) -> Result<(), Error> {
        self.return_lent();
        match self.input.skip(self.data.stored_left + self.data.padding) {
            Ok(()) => Ok(()),
            Err(Short::Ended) => Err(self.truncated()),
            Err(Short::Failed(error)) => Err(error),
        }
    }

    /// Reads all that follows the archive, so that checks further up take place.
    fn drain(&mut self) -> Result<(), Error> {
        let mut is_zeros = true;
        loop {
            let bytes = self.input.fill()?;
            let len = bytes.len();
            if len == 0 {
                break;
            }
            is_zeros = is_zeros && bytes.iter().all(|byte| *byte == 0);
            self.input.consume(len);
        }
        if !is_zeros {
            self.warnings.note(Quirk::DataAfterEnd, b"");
        }
        Ok(())
    }

    fn truncated(&self) -> Error {
        Error::Truncated { path: shown(&self.data.path), offset: self.input.offset() }
    }
}
