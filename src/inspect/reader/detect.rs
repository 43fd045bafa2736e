//! What a file is, by its content.

use std::fs::File;
use std::path::Path;
use std::rc::Rc;

use super::qcow2::Qcow2;
use super::scratch::{Scratch, Stopped};
use super::tar::{self, Stream, Tar};
use super::vhdx::Vhdx;
use super::vmdk::Vmdk;
use super::{
    DiskImage as _, FileImage, Format, Memory, Part, Shared, layout, shared, unpack, vhd, vhdx,
    vmdk,
};
use crate::inspect::bytes::{index, le32};
use crate::inspect::error::{Error, Problem};

const QCOW2: &[u8] = b"QFI\xfb";
/// How much of a file is looked at: an ISO 9660 says so at 32 KiB.
const HEAD: usize = 34 << 10;
/// What a Google disk is called in its tar.
const GCE_NAME: &str = "disk.raw";

/// A disk, opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its bytes.
    pub image: Shared,
    /// Its formats, from the outside in: an ova holds a vmdk.
    pub formats: Vec<Format>,
    /// Length of the file; of a layout nothing is said.
    pub file_len: Option<u64>,
}

/// Opens a disk in any format.
pub fn open(path: &Path, scratch: &Scratch) -> Result<Opened, Error> {
    let in_file = |source| Error::File { path: path.to_owned(), source };
    if path.is_dir() {
        return open_layout(path, scratch);
    }
    let file = File::open(path).and_then(FileImage::new).map_err(in_file)?;
    let file_len = Some(file.len_bytes());
    let (image, formats) = detect(Rc::new(file), path, scratch, Depth::Outer)?;
    Ok(Opened { image, formats, file_len })
}

fn open_layout(path: &Path, scratch: &Scratch) -> Result<Opened, Error> {
    if !layout::is_layout(path) {
        return Err(Error::UnknownFormat(path.to_owned()));
    }
    let disk = layout::open(path, scratch).or_else(stopped(path, Format::Containerdisk))?;
    let none = || Error::NoDiskInside { path: path.to_owned(), what: "a container image" };
    let (image, inner) = detect(disk.ok_or_else(none)?, path, scratch, Depth::Inner)?;
    let formats = [Format::Containerdisk].into_iter().chain(inner).collect();
    Ok(Opened { image, formats, file_len: None })
}

/// Whether a file stands for itself, or is in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    Inner,
}

fn stopped<T>(path: &Path, format: Format) -> impl Fn(Stopped) -> Result<T, Error> {
    let path = path.to_owned();
    move |stopped| match stopped {
        Stopped::Stream(source) => Err(Error::Format { path: path.clone(), format, source }),
        Stopped::Here(error) => Err(error),
    }
}

fn detect(
    file: Shared,
    path: &Path,
    scratch: &Scratch,
    depth: Depth,
) -> Result<(Shared, Vec<Format>), Error> {
    let wrong = |format: Format| {
        let path = path.to_owned();
        move |source| Error::Format { path, format, source }
    };
    let mut head = vec![0; HEAD.min(index(file.len_bytes()))];
    file.read_at(0, &mut head).map_err(wrong(Format::Raw))?;
    let simple = |image: Shared, format| Ok((image, vec![format]));
    if head.starts_with(QCOW2) {
        let disk = Qcow2::open(file).map_err(wrong(Format::Qcow2))?;
        return simple(Rc::new(disk), Format::Qcow2);
    }
    if head.starts_with(vmdk::MAGIC) {
        let disk = Vmdk::open(file).map_err(wrong(Format::Vmdk))?;
        return simple(Rc::new(disk), Format::Vmdk);
    }
    if head.starts_with(vhdx::SIGNATURE) {
        let disk = Vhdx::open(file).map_err(wrong(Format::Vhdx))?;
        return simple(Rc::new(disk), Format::Vhdx);
    }
    if head.starts_with(vhd::COOKIE) || has_footer(&file) {
        let disk = vhd::open(file).map_err(wrong(Format::Vhd))?;
        return simple(Rc::new(disk), Format::Vhd);
    }
    if let Some(format) = other(&head) {
        return Err(Error::OtherFormat { path: path.to_owned(), format });
    }
    if is_disk(&head) {
        super::check_size(file.len_bytes()).map_err(wrong(Format::Raw))?;
        return simple(file, Format::Raw);
    }
    if depth == Depth::Outer {
        return packed(file, &head, path, scratch);
    }
    Err(Error::UnknownFormat(path.to_owned()))
}

/// What has a disk inside.
fn packed(
    file: Shared,
    head: &[u8],
    path: &Path,
    scratch: &Scratch,
) -> Result<(Shared, Vec<Format>), Error> {
    let archive = || Error::NoDiskInside { path: path.to_owned(), what: "an archive" };
    let (disk, format) = if head.starts_with(unpack::ZSTD) {
        let disk = unpack::whole(file, scratch).or_else(stopped(path, Format::RawZst))?;
        (shared(disk), Format::RawZst)
    } else if head.starts_with(unpack::GZIP) {
        let first = unpack::peek(Rc::clone(&file)).map_err(Stopped::from);
        if !tar::is_header(&first.or_else(stopped(path, Format::Gce))?) {
            return Err(Error::OtherFormat { path: path.to_owned(), format: "gzip" });
        }
        let is_wanted = |member: &tar::Member| member.name.trim_start_matches("./") == GCE_NAME;
        let found = unpack::member(file, scratch, is_wanted).or_else(stopped(path, Format::Gce))?;
        (shared(found.ok_or_else(archive)?.1), Format::Gce)
    } else if tar::is_header(head) {
        let disk = vmdk_in(file).map_err(Stopped::from).or_else(stopped(path, Format::Ova))?;
        (disk.ok_or_else(archive)?, Format::Ova)
    } else {
        return Err(Error::UnknownFormat(path.to_owned()));
    };
    let (disk, inner) = detect(disk, path, scratch, Depth::Inner)?;
    match (format, inner.as_slice()) {
        (Format::Gce | Format::RawZst, [Format::Raw]) => Ok((disk, vec![format])),
        (_, inner) => Ok((disk, [&[format], inner].concat())),
    }
}

/// The vmdk of an ova.
fn vmdk_in(file: Shared) -> Result<Option<Shared>, Problem> {
    let mut tar = Tar::new(Stream::new(Rc::clone(&file)));
    while let Some(member) = tar.next()? {
        if member.name.ends_with(".vmdk") {
            let offset = tar.into_stream().position();
            let outside = Problem::Outside { what: "the vmdk", offset };
            let part = Part::new(file, offset, member.len).ok_or(outside)?;
            return Ok(Some(Rc::new(part)));
        }
    }
    Ok(None)
}

/// Whether the last sector is the footer of a vhd.
fn has_footer(file: &Shared) -> bool {
    let mut cookie = [0; 8];
    let at = file.len_bytes().checked_sub(vhd::FOOTER_BYTES);
    at.is_some_and(|at| file.read_at(at, &mut cookie).is_ok()) && cookie == *vhd::COOKIE
}

/// A format that is known by name only.
fn other(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    if at(0, b"# Disk DescriptorFile") {
        Some("vmdk with its data in other files")
    } else if at(0, b"COWD") {
        Some("vmdk of version 3")
    } else if le32(head, 64) == 0xBEDA_107F {
        Some("vdi")
    } else if at(0, b"QED\0") {
        Some("qed")
    } else if at(0, &[0xFD, b'7', b'z', b'X', b'Z', 0]) {
        Some("xz")
    } else if at(0, b"LUKS\xba\xbe") {
        Some("luks")
    } else if at(0, b"PK\x03\x04") {
        Some("zip")
    } else if at(32769, b"CD001") {
        Some("ISO 9660")
    } else {
        None
    }
}

/// Whether the disk has a boot record or a partition table.
fn is_disk(head: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    at(510, &[0x55, 0xAA]) || at(512, b"EFI PART") || at(4096, b"EFI PART")
}

/// For fuzzing: opens the bytes as a disk in any format that needs no temporary file, and reads it.
pub fn fuzz_disk(bytes: &[u8]) {
    let file: Shared = Rc::new(Memory(bytes.to_vec()));
    let opened: [Result<Shared, Problem>; 5] = [
        Qcow2::open(Rc::clone(&file)).map(shared),
        Vmdk::open(Rc::clone(&file)).map(shared),
        Vhdx::open(Rc::clone(&file)).map(shared),
        vhd::open(Rc::clone(&file)).map(shared),
        vmdk_in(file).map(|disk| disk.unwrap_or_else(|| Rc::new(Memory::default()))),
    ];
    let mut buffer = vec![0; 70_000];
    for disk in opened.into_iter().flatten() {
        let len = disk.len_bytes();
        for offset in [0, 512, 65_000, len / 3, len / 2, len.saturating_sub(70_000)] {
            let len = buffer.len().min(index(len.saturating_sub(offset)));
            // an error is as good as an answer; a panic is not
            let _ = disk.read_at(offset, &mut buffer[..len]);
        }
    }
}
