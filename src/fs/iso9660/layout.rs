//! Where everything is, and the structures that say so.

use super::boot::{self, Entries};
use super::descriptors::{self, Volume};
use super::listing::{ByteOrder, Listing, Places, View};
use super::records::Extent;
use super::tree::{File, Kind, Tree};
use super::{Builder, FileId, IsoError, Options, SECTOR_BYTES};
use crate::canvas::Canvas;
use crate::units::{ByteLen, ByteOffset, CdSector};
use crate::volume::{Civil, Timestamp};

/// The first sector after the system area.
const FIRST: u64 = 16;
/// 1970-01-01 and 2155-12-31T23:59:59 in seconds since 1970.
const RANGE_SECS: std::ops::RangeInclusive<i64> = 0..=5_869_583_999;
const MOST_DIRECTORIES: usize = 65_535;
/// Path tables come in both.
pub(super) const ORDERS: [ByteOrder; 2] = [
    ByteOrder { four: u32::to_le_bytes, two: u16::to_le_bytes },
    ByteOrder { four: u32::to_be_bytes, two: u16::to_be_bytes },
];

/// A file system in which everything has its place.
#[derive(Debug)]
pub struct Layout {
    options: Options,
    time: Civil,
    tree: Tree,
    /// First sectors by number.
    files: Vec<u32>,
    views: [Placed; 2],
    catalog: Option<u32>,
    bios: Option<FileId>,
    uefi: Option<FileId>,
    sectors: u64,
}

/// A view and where its parts are.
#[derive(Debug)]
struct Placed {
    listing: Listing,
    /// By number, as [`Places`] has them.
    directories: Vec<Extent>,
    table_bytes: u32,
    tables: [u32; 2],
}

/// Gives out sectors, one after the other.
pub(super) struct Sectors(pub u64);

impl Sectors {
    /// The first of so many sectors, at a multiple of `align`.
    pub fn take(&mut self, count: u64, align: u64) -> Result<u32, IsoError> {
        let first = self.0.next_multiple_of(align);
        let end = first.checked_add(count).ok_or(IsoError::TooLarge(u64::MAX))?;
        self.0 = end;
        if u32::try_from(end).is_err() {
            return Err(IsoError::TooLarge(end));
        }
        u32::try_from(first).map_err(|_| IsoError::TooLarge(end))
    }

    /// The same for so many bytes.
    pub fn take_bytes(&mut self, len: usize) -> Result<u32, IsoError> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.take(len.div_ceil(SECTOR_BYTES), 1)
    }
}

impl Layout {
    pub(super) fn new(builder: Builder) -> Result<Self, IsoError> {
        let Builder { options, tree, bios, uefi } = builder;
        let time = civil(options.time);
        let boots = bios.is_some() || uefi.is_some();
        let directories = (0..tree.nodes.len()).filter(|number| tree.is_directory(*number)).count();
        if directories > MOST_DIRECTORIES {
            return Err(IsoError::TooManyDirectories(directories));
        }
        let content = tree.files().into_iter().map(|(_, file)| file.len.0.div_ceil(SECTOR_BYTES));
        let content = content.fold(0, u64::saturating_add);
        if u32::try_from(content).is_err() {
            return Err(IsoError::TooLarge(content));
        }
        let mut sectors = Sectors(FIRST);
        sectors.take(3 + u64::from(boots), 1)?;
        let mut views = [View::Primary, View::Joliet].map(|view| Placed {
            listing: Listing::new(view, &tree),
            directories: vec![Extent::default(); tree.nodes.len()],
            table_bytes: 0,
            tables: [0; 2],
        });
        for view in &mut views {
            view.place_tables(&tree, &mut sectors)?;
        }
        let mut files = vec![0; tree.nodes.len()];
        for view in &mut views {
            view.place_directories(&tree, &files, time, &mut sectors)?;
        }
        let catalog = boots.then(|| sectors.take(1, 1)).transpose()?;
        for (number, File { len, align_sectors }) in tree.files() {
            files[number] = sectors.take(len.0.div_ceil(SECTOR_BYTES), align_sectors)?;
        }
        Ok(Self { options, time, tree, files, views, catalog, bios, uefi, sectors: sectors.0 })
    }

    /// Where the first sector after the last file is.
    pub fn end(&self) -> ByteOffset {
        ByteOffset(self.sectors * SECTOR_BYTES)
    }

    /// Where a file's content belongs, in one piece.
    pub fn place(&self, file: FileId) -> ByteOffset {
        self.sector(file).to_offset()
    }

    /// The same in sectors.
    pub fn sector(&self, file: FileId) -> CdSector {
        CdSector(self.files[file.0])
    }

    /// The length that a file was announced with.
    pub fn len_of(&self, file: FileId) -> ByteLen {
        match self.tree.nodes[file.0].kind {
            Kind::File(File { len, .. }) => len,
            Kind::Directory(_) => ByteLen(0),
        }
    }

    /// Writes everything but the files, and the system area. `volume` is the length of the whole medium,
    /// with what others put behind the files.
    ///
    /// # Errors
    ///
    /// A volume that is too short, too long or no whole sectors; the canvas failed.
    pub fn write(&self, canvas: &mut impl Canvas, volume: ByteLen) -> Result<(), IsoError> {
        let needed = ByteLen(self.end().0);
        if volume < needed || !volume.0.is_multiple_of(SECTOR_BYTES) {
            return Err(IsoError::VolumeSize { asked: volume, needed });
        }
        let sectors = volume.0 / SECTOR_BYTES;
        let sectors = u32::try_from(sectors).map_err(|_| IsoError::TooLarge(sectors))?;
        for (at, bytes) in self.structures(sectors) {
            canvas.write_at(ByteOffset(u64::from(at) * SECTOR_BYTES), &bytes)?;
        }
        Ok(())
    }

    /// Each structure and its first sector.
    fn structures(&self, sectors: u32) -> Vec<(u32, Vec<u8>)> {
        let [primary, joliet] = &self.views;
        let mut heads =
            vec![descriptors::primary(primary.volume(sectors), &self.options, self.time)];
        heads.extend(self.catalog.map(boot::record));
        heads.push(descriptors::joliet(joliet.volume(sectors), &self.options, self.time));
        heads.push(descriptors::terminator());
        let heads = heads.into_iter().map(Vec::from);
        let mut all: Vec<(u32, Vec<u8>)> = (16..).zip(heads).collect();
        for view in &self.views {
            all.extend(view.structures(&self.tree, &self.files, self.time));
        }
        let entries = Entries {
            bios: self.bios.map(|file| self.sector(file).0),
            uefi: self.uefi.map(|file| (self.sector(file).0, self.len_of(file))),
        };
        all.extend(self.catalog.map(|at| (at, boot::catalog(entries).into())));
        all
    }
}

/// A time that records can have.
pub(super) fn civil(time: Timestamp) -> Civil {
    Timestamp::of_secs(time.secs.clamp(*RANGE_SECS.start(), *RANGE_SECS.end())).civil()
}

impl Placed {
    fn place_tables(&mut self, tree: &Tree, sectors: &mut Sectors) -> Result<(), IsoError> {
        let bytes = self.listing.path_table(tree, &self.directories, ORDERS[0]).len();
        self.table_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        for table in &mut self.tables {
            *table = sectors.take_bytes(bytes)?;
        }
        Ok(())
    }

    /// How long directories are depends on their names alone, not on where `files` will be.
    fn place_directories(
        &mut self,
        tree: &Tree,
        files: &[u32],
        time: Civil,
        sectors: &mut Sectors,
    ) -> Result<(), IsoError> {
        for number in self.listing.directories() {
            let places = Places { directories: &self.directories, files };
            let bytes = self.listing.directory(tree, *number, places, time).len();
            self.directories[*number] = Extent {
                sector: sectors.take_bytes(bytes)?,
                len_bytes: u32::try_from(bytes).map_err(|_| IsoError::TooLarge(sectors.0))?,
            };
        }
        Ok(())
    }

    fn volume(&self, sectors: u32) -> Volume {
        let root = self.directories[0];
        Volume { sectors, table_bytes: self.table_bytes, tables: self.tables, root }
    }

    fn structures(&self, tree: &Tree, files: &[u32], time: Civil) -> Vec<(u32, Vec<u8>)> {
        let places = Places { directories: &self.directories, files };
        let table = |order| self.listing.path_table(tree, places.directories, order);
        let tables = self.tables.into_iter().zip(ORDERS.map(table));
        let directory = |number: &usize| {
            let bytes = self.listing.directory(tree, *number, places, time);
            (self.directories[*number].sector, bytes)
        };
        tables.chain(self.listing.directories().iter().map(directory)).collect()
    }
}
