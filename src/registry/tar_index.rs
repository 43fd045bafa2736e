//! Where the files of a tar lie: read once, so that they can then be read in place.
//!
//! So the tar must not be compressed, and must be a file that can be read at any place. Nothing of
//! its content is kept in memory but names, and of these a limited number.
//!
//! | entry | what is made of it |
//! |---|---|
//! | regular file | its place |
//! | symbolic link | its target |
//! | `L`, `x` | a name, a link's target or a size for the next entry |
//! | anything else | passed over |

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use tar::{EntryType, Header, PaxExtensions};

use super::error::Error;
use crate::progress::Cancel;

const BLOCK_BYTES: u64 = 512;
/// More entries than any image has layers, or any layout blobs.
const ENTRIES_MAX: usize = 1 << 16;
/// Extended headers beyond this are refused.
const EXTENSION_LIMIT_BYTES: u64 = 64 << 10;

/// The files of a tar.
#[derive(Debug)]
pub(crate) struct TarIndex {
    file: Arc<File>,
    members: BTreeMap<String, Member>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File { offset: u64, len: u64 },
    Link(String),
}

/// Which of several entries with one name counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    First,
    Last,
}

/// What the extended headers say of the next entry.
#[derive(Default)]
struct Extended {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl TarIndex {
    /// Finds the files whose names are `wanted`.
    pub(crate) fn read(
        path: &Path,
        cancel: &Cancel,
        wanted: impl Fn(&str) -> bool,
        repeats: Repeats,
    ) -> Result<Self, Error> {
        let opened = File::open(path);
        let file = opened.map_err(|source| Error::File { path: path.to_owned(), source })?;
        Self::of(file, path, cancel, wanted, repeats)
    }

    /// The same of a file that is open; `path` is for messages.
    pub(crate) fn of(
        file: File,
        path: &Path,
        cancel: &Cancel,
        wanted: impl Fn(&str) -> bool,
        repeats: Repeats,
    ) -> Result<Self, Error> {
        let in_file = |source| Error::File { path: path.to_owned(), source };
        if let Some(format) = compression(&file).map_err(in_file)? {
            return Err(Error::CompressedArchive { path: path.to_owned(), format });
        }
        let mut members = BTreeMap::new();
        let mut offset = 0;
        let mut extended = Extended::default();
        while let Some(header) = header(&file, offset).map_err(in_file)? {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let data = offset + BLOCK_BYTES;
            let len = match extended.size.take_if(|_| !is_extension(&header)) {
                Some(len) => len,
                None => data_len(&header).map_err(in_file)?,
            };
            if is_extension(&header) {
                extended.add(&header, &file, data, len).map_err(in_file)?;
            } else {
                let extended = std::mem::take(&mut extended);
                if let Some((name, member)) = member(&header, extended, data, len)
                    && wanted(&name)
                    && (repeats == Repeats::Last || !members.contains_key(&name))
                {
                    members.insert(name, member);
                }
            }
            if members.len() > ENTRIES_MAX {
                return Err(in_file(invalid("there are too many files in this tar")));
            }
            offset = len
                .checked_next_multiple_of(BLOCK_BYTES)
                .and_then(|len| data.checked_add(len))
                .ok_or_else(|| in_file(invalid("a size in this tar is beyond any file's")))?;
        }
        Ok(Self { file: Arc::new(file), members })
    }

    /// Opens a file, following one symbolic link; `None` when it is not there.
    pub(crate) fn open(&self, name: &str) -> Option<Window> {
        let (offset, left) = self.place(name)?;
        Some(Window { file: Arc::clone(&self.file), offset, left })
    }

    /// Whether a name is a symbolic link.
    pub(crate) fn is_link(&self, name: &str) -> bool {
        matches!(self.members.get(name), Some(Member::Link(_)))
    }

    fn place(&self, name: &str) -> Option<(u64, u64)> {
        match self.members.get(name)? {
            Member::File { offset, len } => Some((*offset, *len)),
            Member::Link(target) => {
                let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                match self.members.get(&clean(&format!("{folder}/{target}")))? {
                    Member::File { offset, len } => Some((*offset, *len)),
                    Member::Link(_) => None,
                }
            }
        }
    }
}

impl Extended {
    fn add(&mut self, header: &Header, file: &File, offset: u64, len: u64) -> io::Result<()> {
        if len > EXTENSION_LIMIT_BYTES {
            return Err(invalid("an extended header in this tar is too long"));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact_at(&mut bytes, offset)?;
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        match header.entry_type() {
            EntryType::GNULongName => self.name = Some(text(&bytes)),
            EntryType::GNULongLink => self.link = Some(text(&bytes)),
            EntryType::XHeader => {
                for record in PaxExtensions::new(&bytes) {
                    let record = record?;
                    match record.key_bytes() {
                        b"path" => self.name = Some(text(record.value_bytes())),
                        b"linkpath" => self.link = Some(text(record.value_bytes())),
                        b"size" => self.size = record.value().ok().and_then(|v| v.parse().ok()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_extension(header: &Header) -> bool {
    matches!(
        header.entry_type(),
        EntryType::GNULongName
            | EntryType::GNULongLink
            | EntryType::XHeader
            | EntryType::XGlobalHeader
    )
}

/// Links, folders and devices have no data, whatever their header says.
fn data_len(header: &Header) -> io::Result<u64> {
    match header.entry_type() {
        EntryType::GNUSparse => Err(invalid("a sparse file does not belong in this tar")),
        EntryType::Link
        | EntryType::Symlink
        | EntryType::Char
        | EntryType::Block
        | EntryType::Directory
        | EntryType::Fifo => Ok(0),
        _ => header.entry_size(),
    }
}

fn member(header: &Header, extended: Extended, offset: u64, len: u64) -> Option<(String, Member)> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = extended.name.unwrap_or_else(|| lossy(&header.path_bytes()));
    let member = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => Member::File { offset, len },
        EntryType::Symlink => {
            let target = || header.link_name_bytes().map(|bytes| lossy(&bytes));
            Member::Link(extended.link.or_else(target)?)
        }
        _ => return None,
    };
    Some((clean(&name), member))
}

/// The shortest spelling of a name, below the root of the tar.
pub(crate) fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The header at `offset`; `None` at the end.
fn header(file: &File, offset: u64) -> io::Result<Option<Header>> {
    let mut block = [0; 512];
    let count = read_at_most(file, &mut block, offset)?;
    if count == 0 || (count == block.len() && block == [0; 512]) {
        return Ok(None);
    }
    if count < block.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let header = Header::from_byte_slice(&block).clone();
    let sum = |range: &[u8]| range.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let seen = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
    if header.cksum().is_ok_and(|expected| expected == seen) {
        Ok(Some(header))
    } else {
        Err(invalid("this is no tar, or a damaged one"))
    }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn read_at_most(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let position = offset.saturating_add(u64::try_from(filled).unwrap_or(0));
        match file.read_at(&mut buffer[filled..], position) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// How a file is compressed, by its first bytes.
fn compression(file: &File) -> io::Result<Option<&'static str>> {
    let mut magic = [0; 6];
    read_at_most(file, &mut magic, 0)?;
    Ok(compression_of(&magic))
}

/// How bytes are compressed that begin so.
pub(crate) fn compression_of(magic: &[u8]) -> Option<&'static str> {
    match magic {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        _ => None,
    }
}

/// A part of a file, read without moving anybody else's position.
#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Window {
    /// How many bytes are left.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..want], self.offset)?;
        let count_bytes = u64::try_from(count).unwrap_or(0);
        self.offset += count_bytes;
        self.left -= count_bytes;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tar(entries: &[(&str, Result<&[u8], &str>)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in entries {
            let mut header = Header::new_gnu();
            header.set_mode(0o644);
            match content {
                Ok(bytes) => {
                    header.set_size(u64::try_from(bytes.len()).unwrap());
                    tar.append_data(&mut header, name, *bytes).unwrap();
                }
                Err(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, name, target).unwrap();
                }
            }
        }
        tar.into_inner().unwrap()
    }

    fn index(bytes: &[u8], repeats: Repeats) -> Result<TarIndex, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        TarIndex::read(file.path(), &Cancel::default(), |_| true, repeats)
    }

    fn text(index: &TarIndex, name: &str) -> Option<String> {
        let mut text = String::new();
        index.open(name)?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn files_and_links_are_found() {
        let long = "d/".repeat(80) + "long";
        let bytes = tar(&[
            ("./a", Ok(b"first")),
            ("a", Ok(b"last")),
            ("d/link", Err("../a")),
            ("d/twice", Err("link")),
            ("d/outside", Err("../../../a")),
            (&long, Ok(b"long")),
        ]);
        let first = index(&bytes, Repeats::First).unwrap();
        assert_eq!(text(&first, "a").as_deref(), Some("first"));
        assert_eq!(text(&first, "d/link").as_deref(), Some("first"));
        assert_eq!(text(&first, &long).as_deref(), Some("long"));
        assert_eq!(text(&first, "d/twice"), None, "one link is followed, not two");
        assert_eq!(text(&first, "d/outside").as_deref(), Some("first"), "there is no outside");
        let last = index(&bytes, Repeats::Last).unwrap();
        assert_eq!(text(&last, "a").as_deref(), Some("last"));
        assert!(last.is_link("d/link") && !last.is_link("a"));
    }

    #[test]
    fn a_size_beyond_octal_is_read() {
        let mut bytes = Vec::new();
        let mut builder = tar::Builder::new(&mut bytes);
        builder.append_pax_extensions([("size", b"3".as_slice())]).unwrap();
        let mut header = Header::new_ustar();
        header.set_path("a").unwrap();
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
        drop(builder);
        bytes.truncate(bytes.len() - 1024);
        bytes.extend_from_slice(b"abc");
        bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
        assert_eq!(text(&index(&bytes, Repeats::First).unwrap(), "a").as_deref(), Some("abc"));
    }

    #[test]
    fn garbage_is_refused() {
        assert!(index(b"", Repeats::First).unwrap().members.is_empty());
        assert!(index(&[7; 4096], Repeats::First).is_err());
        assert!(index(&tar(&[("a", Ok(b"x"))])[..700], Repeats::First).is_ok(), "data is not read");
        assert!(index(&tar(&[("a", Ok(b"x"))])[..100], Repeats::First).is_err());
        assert!(matches!(
            index(&[0x1f, 0x8b, 8, 0], Repeats::First),
            Err(Error::CompressedArchive { format: "gzip", .. })
        ));
    }

    proptest! {
        #[test]
        fn mutations_do_no_harm(at in 0_usize..5000, byte: u8, cut in 0_usize..6000) {
            let mut bytes = tar(&[
                ("manifest.json", Ok(b"[]")),
                (&("n".repeat(150) + "/layer.tar"), Ok(b"x")),
                ("l/layer.tar", Err("../x")),
            ]);
            let len = bytes.len();
            bytes[at % len] = byte;
            bytes.truncate(cut.max(1));
            if let Ok(index) = index(&bytes, Repeats::First) {
                for name in index.members.keys() {
                    if let Some(mut window) = index.open(name) {
                        let _ = window.read(&mut [0; 64]);
                    }
                }
            }
        }
    }
}
