//! The installer's medium: an ISO 9660 file system that is a disk with partitions too.
//!
//! ```text
//! byte 0      code for BIOS, protective MBR, GPT: all in the file system's system area
//! 32 KiB      ISO 9660: descriptors, directories, files
//!               images/efiboot.img, at a whole MiB: the ESP, for the boot catalog and for the GPT
//! the end     the GPT again
//! ```
//!
//! A CD starts the boot image or the ESP of the catalog, a USB stick the code in sector 0 or the ESP
//! of the GPT: the same bytes. The file system reaches to the end of the medium, so that who copies
//! it by its length copies the second GPT too.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::boot_loader::content_bytes;
use super::error::Error;
use super::ground::Ground;
use super::parts;
use crate::boot::iso::{BiosBoot, ELTORITO, Iso};
use crate::boot::loader::Content;
use crate::canvas::Canvas as _;
use crate::files::Files;
use crate::fs::fat;
use crate::fs::iso9660::{Builder, FileId, IsoError, Layout, Options};
use crate::partition::{self, Guid, Partition, Table, disk_size_for};
use crate::plan::PlanError;
use crate::plan::ids::Ids;
use crate::progress::Cancel;
use crate::units::{ByteLen, ByteOffset, MIB, SectorSize};

/// Where the medium has its ESP.
pub const ESP: &str = "images/efiboot.img";
/// What FAT32 has at least, with its smallest clusters.
const LEAST_ESP: u64 = 34 * MIB;
/// What a file takes at most besides its content: the rest of a cluster, its names.
const FILE_OVERHEAD: u64 = 4096;
/// At most 11 characters.
const ESP_LABEL: &str = "INSTALL-ESP";

/// A medium to be written.
#[derive(Debug)]
pub struct Medium<'a> {
    /// What its file system is.
    pub volume: Options,
    /// What its partitions are known by.
    pub ids: &'a Ids,
    /// What boots it.
    pub boot: &'a Boot,
    /// All other files by path: kernel, initramfs, what is installed.
    pub files: BTreeMap<String, Part>,
}

/// What boots a medium, read out of the image.
#[derive(Debug, Clone)]
pub struct Boot {
    bios: Option<BiosBoot>,
    /// Files of the ESP by path.
    esp: BTreeMap<String, Arc<[u8]>>,
    /// Files of the medium by path.
    files: BTreeMap<String, Arc<[u8]>>,
}

/// What a file of the medium holds.
#[derive(Debug, Clone)]
pub enum Part {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// What is in this file.
    File(Arc<File>),
    /// What is in a part of this file.
    Piece(Arc<File>, Range<u64>),
}

/// What is on its way to the medium: content that has a place.
type Placed = Vec<(FileId, Part)>;

impl Part {
    /// How long it is.
    pub(super) fn len(&self) -> std::io::Result<ByteLen> {
        Ok(match self {
            Self::Bytes(bytes) => ByteLen(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::File(file) => ByteLen(file.metadata()?.len()),
            Self::Piece(_, piece) => ByteLen(piece.end.saturating_sub(piece.start)),
        })
    }
}

impl From<Vec<u8>> for Part {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl Boot {
    /// Reads the programs that were planned; what ESP and medium both have is read once.
    ///
    /// # Errors
    ///
    /// A program that is not in the image.
    pub fn read(image: &dyn Files, iso: Iso) -> Result<Self, Error> {
        let Iso { bios, esp: planned, files: others, .. } = iso;
        let read = |content: Content| Ok::<_, Error>(Arc::from(content_bytes(image, content)?));
        let mut esp = BTreeMap::new();
        for (path, content) in &planned {
            esp.insert(path.clone(), read(content.clone())?);
        }
        let mut files = BTreeMap::new();
        for (path, content) in others {
            let known = esp.get(&path).filter(|_| planned.get(&path) == Some(&content));
            let bytes = known.map_or_else(|| read(content), |bytes| Ok(Arc::clone(bytes)))?;
            files.insert(path, bytes);
        }
        Ok(Self { bios, esp, files })
    }
}

impl Medium<'_> {
    /// Writes the medium into `out`, an empty file that will have the name `path`; how long it is.
    ///
    /// # Errors
    ///
    /// Names that the file system cannot have, a full disk.
    pub fn write(self, out: &Arc<File>, path: &Path, cancel: &Cancel) -> Result<ByteLen, Error> {
        let in_error = |source| Error::Canvas { path: path.to_owned(), source };
        let Self { volume, ids, boot, files } = self;
        let time = volume.time;
        let mut builder = Builder::new(volume)?;
        let mut placed = Placed::new();
        let of_boot = boot.files.iter();
        let of_boot = of_boot.map(|(path, bytes)| (path.clone(), Part::Bytes(Arc::clone(bytes))));
        for (path, part) in of_boot.chain(files) {
            placed.push((builder.add_file(&path, part.len().map_err(in_error)?)?, part));
        }
        let bios = boot.bios.as_ref().map(|bios| add_bios(&mut builder, bios)).transpose()?;
        let esp = if boot.esp.is_empty() {
            None
        } else {
            let file = builder.add_aligned_file(ESP, esp_len(&boot.esp), MIB)?;
            builder.boot_from_uefi(file);
            Some(file)
        };
        let layout = builder.layout()?;
        let len = disk_size_for(layout.end(), SectorSize::B512).ok_or(PlanError::TooLarge)?;

        let mut canvas = Ground::file(out);
        out.set_len(len.0).map_err(in_error)?;
        for (file, part) in placed {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            put(&mut canvas, &part, layout.place(file)).map_err(in_error)?;
        }
        if let Some(esp) = esp {
            let options = fat::Options {
                size: layout.len_of(esp),
                sector: SectorSize::B512,
                start: layout.place(esp),
                label: ESP_LABEL.to_owned(),
                serial: ids.esp_serial,
                time,
            };
            let files = boot.esp.iter().map(|(path, bytes)| (path.as_str(), &**bytes));
            parts::put_fat(&canvas, options, files)?;
        }
        layout.write(&mut canvas, len)?;
        if let Some((file, bios)) = bios {
            let sector = layout.sector(file);
            canvas.write_at(layout.place(file), &bios.image.at(sector)).map_err(in_error)?;
            canvas.write_at(ByteOffset(0), &bios.code.at(sector)).map_err(in_error)?;
        }
        table(&layout, esp, ids, len)?.write(&mut canvas).map_err(in_error)?;
        Ok(len)
    }
}

fn add_bios<'b>(
    builder: &mut Builder,
    bios: &'b BiosBoot,
) -> Result<(FileId, &'b BiosBoot), IsoError> {
    let len = ByteLen(u64::try_from(bios.image.len()).unwrap_or(u64::MAX));
    let file = builder.add_file(ELTORITO, len)?;
    builder.boot_from_bios(file);
    Ok((file, bios))
}

/// How large the ESP is made, whole MiB.
fn esp_len(programs: &BTreeMap<String, Arc<[u8]>>) -> ByteLen {
    let files = programs.values().map(|bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    let content =
        files.fold(0, |all: u64, len| all.saturating_add(len).saturating_add(FILE_OVERHEAD));
    // the two tables take a sixty-fourth of the clusters each
    let needed = content.saturating_add(content / 16).saturating_add(MIB);
    ByteLen(needed.max(LEAST_ESP).checked_next_multiple_of(MIB).unwrap_or(u64::MAX))
}

/// Puts content where it belongs.
pub(super) fn put(canvas: &mut Ground, part: &Part, start: ByteOffset) -> std::io::Result<()> {
    match part {
        Part::Bytes(bytes) => canvas.write_at(start, bytes),
        Part::File(file) => parts::put(file, canvas, start),
        Part::Piece(file, piece) => parts::put_piece(file, piece, canvas, start),
    }
}

/// The ESP is the only partition: the rest is the file system of the whole medium.
fn table(layout: &Layout, esp: Option<FileId>, ids: &Ids, len: ByteLen) -> Result<Table, Error> {
    let partition = |esp: FileId| Partition {
        type_guid: partition::ESP,
        unique_guid: Guid::from_bytes(ids.esp.0),
        name: ESP_LABEL.to_owned(),
        start: layout.place(esp),
        len: layout.len_of(esp),
        attributes: 0,
    };
    let guid = Guid::from_bytes(ids.disk.0);
    Ok(Table::new(len, SectorSize::B512, guid, esp.into_iter().map(partition).collect())?)
}
