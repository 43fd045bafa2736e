//! What boots a system from a network: a folder to be served, or the same as one file.
//!
//! ```text
//!  pxe/                             xz/pxe.tar.xz
//!  ├── vmlinuz, initrd.img          the same files, in the order of this list
//!  ├── rootfs.img                   a squashfs with the root file system
//!  ├── boot.ipxe, grub.cfg, README  texts
//!  └── EFI/…                        boot loaders for UEFI
//! ```
//!
//! Members of the tar are owned by 0:0, mode 0644, of 1970. It is packed in blocks of 4 MiB, each by
//! itself, so that threads can share the work and its bytes do not depend on how many there are.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;

use lzma_rust2::{XzOptions, XzWriterMt};
use tar::Header;

use super::sink::Sink;
use super::tarball::{self, BLOCK, RECORD_BYTES};
use super::{FolderError, FormatError, Summary, ZEROS, checksum, copy, len_of, squashfs};
use crate::digest::Sha256Digest;
use crate::output::PendingDirectory;
use crate::progress::{Cancel, Event, Reporter};

/// What stands at the top of the folder.
pub const NAMES: &[&str] =
    &["EFI", "README", "boot.ipxe", "grub.cfg", "initrd.img", "rootfs.img", "vmlinuz"];

const XZ_BLOCK_BYTES: NonZeroU64 = NonZeroU64::new(4 << 20).expect("not zero");
/// Nearly all of it is compressed already.
const XZ_PRESET: u32 = 0;

/// What a system that boots from a network consists of.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The kernel.
    pub vmlinuz: &'a File,
    /// Its initramfs.
    pub initramfs: &'a File,
    /// A disk, and where its root file system is.
    pub root: (&'a File, &'a Range<u64>),
    /// Small files: paths in the folder, and content.
    pub others: &'a [(String, Vec<u8>)],
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path from the folder.
    pub path: String,
    /// What is there.
    pub summary: Summary,
}

/// Fills `folder`.
pub fn write(
    parts: Parts<'_>,
    folder: &PendingDirectory,
    options: &squashfs::Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Vec<Member>, FolderError> {
    let create = |path: &str| {
        let path = folder.path().join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        File::options().read(true).write(true).create_new(true).open(path)
    };
    let create = |path: &str| create(path).map_err(|source| folder.error(source));
    let mut members = Vec::new();
    let mut add = |path: &str, summary| members.push(Member { path: path.to_owned(), summary });
    for (path, source) in [("vmlinuz", parts.vmlinuz), ("initrd.img", parts.initramfs)] {
        let out = create(path)?;
        let read = |source| FormatError::Read { offset: 0, source };
        let len_bytes = source.metadata().map_err(read)?.len();
        copy::copy_extents(source, &out, len_bytes, cancel, &|_| ())?;
        add(path, checksum(&out, cancel)?);
    }
    let (disk, range) = parts.root;
    let out = create("rootfs.img")?;
    let summary = squashfs::encode(disk, range.clone(), &out, options, reporter, cancel)?;
    add("rootfs.img", summary);
    for (path, bytes) in parts.others {
        let mut out = create(path)?;
        out.write_all(bytes).map_err(|source| folder.error(source))?;
        add(path, Summary { size_bytes: len_of(bytes), sha256: Sha256Digest::of(bytes) });
    }
    Ok(members)
}

/// Packs the files of a folder, in this order, into `out`, an empty file.
pub fn pack(
    folder: &Path,
    members: &[Member],
    out: &File,
    threads: usize,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, FormatError> {
    let total_bytes = members.iter().map(|member| member.summary.size_bytes).sum();
    let mut done_bytes = 0;
    let mut report = |step_bytes| {
        done_bytes += step_bytes;
        reporter.report(Event::Encoded { format: "pxe-tar-xz", done_bytes, total_bytes });
    };
    let mut options = XzOptions::with_preset(XZ_PRESET);
    options.set_block_size(Some(XZ_BLOCK_BYTES));
    let mut sink = Forward(Sink::new(out));
    let workers = u32::try_from(threads).unwrap_or(u32::MAX).clamp(1, 16);
    let mut xz = XzWriterMt::new(&mut sink, options, workers).map_err(compress)?;
    let mut written = 0;
    for member in members {
        written += add(&mut xz, folder, member, cancel, &mut report)?;
    }
    let end = (written + 2 * BLOCK).next_multiple_of(RECORD_BYTES);
    zeros(&mut xz, end - written).map_err(compress)?;
    xz.finish().map_err(compress)?;
    sink.0.finish()
}

/// Adds a file to the tar; returns how many bytes that took.
fn add(
    tar: &mut impl Write,
    folder: &Path,
    member: &Member,
    cancel: &Cancel,
    report: &mut impl FnMut(u64),
) -> Result<u64, FormatError> {
    let mut header = Header::new_gnu();
    tarball::describe(&mut header, &member.path, member.summary.size_bytes)
        .and_then(|()| tar.write_all(header.as_bytes()))
        .map_err(compress)?;
    let read = |offset| move |source| FormatError::Read { offset, source };
    let mut file = File::open(folder.join(&member.path)).map_err(read(0))?;
    let mut buffer = vec![0; ZEROS.len()];
    let mut len_bytes = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(FormatError::Cancelled);
        }
        let count = file.read(&mut buffer).map_err(read(len_bytes))?;
        if count == 0 {
            break;
        }
        tar.write_all(&buffer[..count]).map_err(compress)?;
        len_bytes += len_of(&buffer[..count]);
        report(len_of(&buffer[..count]));
    }
    let padded = len_bytes.next_multiple_of(BLOCK);
    zeros(tar, padded - len_bytes).map_err(compress)?;
    Ok(BLOCK + padded)
}

/// What the compressor met; errors of the sink come back as they were.
fn compress(source: io::Error) -> FormatError {
    match source.downcast::<FormatError>() {
        Ok(error) => error,
        Err(source) => FormatError::Compress { offset: 0, source: source.into() },
    }
}

fn zeros(out: &mut impl Write, len_bytes: u64) -> io::Result<()> {
    out.write_all(&ZEROS[..usize::try_from(len_bytes).unwrap_or(0)])
}

/// A sink for those who want a `Write`; errors keep their kind within.
struct Forward<'f>(Sink<'f>);

impl Write for Forward<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
