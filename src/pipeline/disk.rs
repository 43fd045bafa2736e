//! The disk on its canvas: file systems, other partitions, what BIOS starts, partition table, in that
//! order, so that a half-made disk never boots.

use std::ops::Range;
use std::path::Path;

use super::error::Error;
use super::ground::Ground;
use super::import::Context;
use super::install::{Inputs, Installed, install};
use super::parts::{self, Waiting};
use super::request::Request;
use super::{bootiso, netboot};
use crate::canvas::{Canvas as _, Window};
use crate::format::{Follower, Known};
use crate::fs::{ext4, fat, swap};
use crate::output::Pending;
use crate::partition::{Guid, Partition, Table};
use crate::plan::PlanError;
use crate::plan::layout::{Content, Layout, LayoutError, Machine, Placed, Role};
use crate::plan::size::{Needs, SizeRequest, further_ext4};
use crate::plan::types::RAW_PATH;
use crate::progress::Event;
use crate::units::{ByteLen, ByteOffset, Lba, MIB, SectorSize};

/// A complete disk in a temporary file.
#[derive(Debug)]
pub struct Disk {
    /// The file; it becomes `disk.raw`, or is removed.
    pub file: Pending,
    /// Its length.
    pub size: ByteLen,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<Placed>,
    /// What was installed; its volume is finished.
    pub installed: Installed<()>,
    /// What boots it from a network, if that is asked for.
    pub netboot: Option<netboot::Taken>,
    /// What boots its installer, if one is asked for.
    pub bootiso: Option<bootiso::Taken>,
    /// What is known of its blocks already.
    pub known: Known,
}

/// What the partitions depend on besides a wish.
pub(super) fn machine(request: &Request) -> Machine {
    Machine {
        arch: request.arch,
        sector_size: request.sector_size,
        may_have_bios: request.bios != super::request::Bios::Off,
    }
}

/// The partitions as far as they are known before the image is.
pub(super) fn likely_layout(inputs: Inputs<'_>) -> Result<Layout, PlanError> {
    let request = inputs.request;
    Ok(Layout::plan(request.layout.as_ref(), machine(request), inputs.ids)?)
}

/// Makes the disk.
pub fn make(inputs: Inputs<'_>, context: Context<'_>) -> Result<Disk, Error> {
    let request = inputs.request;
    let path = if request.types.iter().any(|kind| kind.is_raw()) {
        request.output.join(RAW_PATH)
    } else {
        request.output.join(request.types[0].path()).with_file_name("disk.raw")
    };
    let file = Pending::create(&path)?;
    // without a thread for it, all blocks are hashed at the end
    let follower = (context.threads > 1).then(|| Follower::start(file.file()).ok()).flatten();
    let ground = match &follower {
        Some(follower) => Ground::followed(file.file(), follower),
        None => Ground::file(file.file()),
    };
    match fill(ground, &path, &|_| Ok(Vec::new()), inputs, context) {
        Ok(Filled { size, partitions, installed, netboot, bootiso }) => {
            let known = follower.map(Follower::finish).unwrap_or_default();
            Ok(Disk { file, size, partitions, installed, netboot, bootiso, known })
        }
        Err(error) => Err(error.or_disk_full(&path)),
    }
}

/// A disk that is complete on its canvas.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) size: ByteLen,
    pub(super) partitions: Vec<Placed>,
    pub(super) installed: Installed<()>,
    pub(super) netboot: Option<netboot::Taken>,
    pub(super) bootiso: Option<bootiso::Taken>,
}

/// Which partitions of before stay beside those placed now, with their numbers.
pub(super) type Keep<'a> = dyn Fn(&[Placed]) -> Result<Vec<(usize, Partition)>, Error> + 'a;

/// Lays out a disk and fills it; files for what has no place yet are made beside `path`. What is to
/// `keep` is asked when the places are known, before anything is written to them for good.
pub(super) fn fill(
    mut canvas: Ground,
    path: &Path,
    keep: &Keep<'_>,
    inputs: Inputs<'_>,
    context: Context<'_>,
) -> Result<Filled, Error> {
    let request = inputs.request;
    let likely = likely_layout(inputs)?;
    // goes before the file does, and the folders that were made for that
    let mut waiting = Waiting::new(path, inputs.time);
    let in_error = |source| Error::Canvas { path: path.to_owned(), source };

    let likely_start = likely.root_start(&[]).ok_or(PlanError::TooLarge)?;
    let options = root_options(&likely, inputs);
    let root = ext4::Writer::create(Window::new(canvas.clone(), likely_start), options)?;
    let mut another = |planned: &_, least| waiting.ext4(planned, least);
    let installed = install(root, &mut another, inputs, context)?;

    context.reporter.report(Event::Stage { name: "writing file systems".into() });
    let (volumes, mut installed) = installed.take_volume();
    let (mut root, further) = volumes.into_parts();
    let bootiso = installed.bootiso.take();
    let layout = &installed.layout;
    let mut needs = vec![ByteLen(0); layout.partitions.len()];
    for (index, writer) in installed.further.iter().zip(&further) {
        needs[*index] = further_ext4(writer.required()?);
    }
    let mut raws = Vec::new();
    for raw in &installed.raw {
        needs[raw.index] = raw.len;
        raws.push((raw.index, waiting.copy(&root, raw.inode)?));
    }
    let all = Needs { root: root.required()?, others: &needs };
    let netboot = match &installed.netboot {
        Some(planned) => Some(netboot::take(planned, &root, &mut waiting, context.reporter)?),
        None => None,
    };
    let bootiso = match bootiso {
        Some(planned) => {
            let least = SizeRequest::Min.decide(layout, all, MIB)?.size;
            let reporter = context.reporter;
            Some(bootiso::take(planned, least, &root, &mut waiting, inputs, reporter)?)
        }
        None => None,
    };
    let disk = request.size.decide(layout, all, super::granule_bytes(request))?;
    let places = &disk.partitions;
    check_bios(places, &installed)?;
    let kept = keep(places)?;
    let mut matters = Matters::new(places);

    root.identify(layout.root().uuid.0, &layout.root().label)?;
    let place = places.iter().find(|placed| placed.partition.role == Role::Root);
    let place = place.ok_or(PlanError::TooLarge)?;
    let (summary, _) = root.finish(place.len)?;
    matters.ext4(place, &summary);
    parts::shift(&mut canvas, likely_start, place.start, place.len).map_err(in_error)?;
    canvas.set_len(disk.size).map_err(in_error)?;
    for (index, writer) in installed.further.iter().zip(further) {
        let (summary, window) = writer.finish(places[*index].len)?;
        matters.ext4(&places[*index], &summary);
        if let Ground::File(content) = window.into_inner() {
            raws.push((*index, content.into_file()));
        }
    }
    for (index, content) in raws {
        matters.start(&places[index], ByteLen(content.metadata().map_err(in_error)?.len()));
        parts::put(&content, &mut canvas, places[index].start).map_err(in_error)?;
    }
    for placed in places {
        let end = write_own(&mut canvas, placed, inputs, &installed, path)?;
        matters.start(placed, end);
    }
    // last, as it takes its time and may have been begun
    write_bios(&mut canvas, places, &installed, path)?;
    canvas.settle(&matters.ranges).map_err(in_error)?;
    let disk_guid = Guid::from_bytes(layout.disk_guid.unwrap_or(inputs.ids.disk).0);
    let table = places.iter().map(partition).collect();
    let size = canvas.fixed_len().unwrap_or(disk.size);
    let table = Table::new(size, request.sector_size, disk_guid, table)?;
    let table = table.keeping(kept)?;
    table.write(&mut canvas).map_err(in_error)?;
    Ok(Filled { size, partitions: disk.partitions, installed, netboot, bootiso })
}

/// Ranges of a disk that must be as they are on the canvas, where it reads as zeros too. What a
/// former owner left elsewhere is nobody's, but for both ends of partitions: there it might be taken for
/// what is in them.
struct Matters {
    ranges: Vec<Range<u64>>,
}

impl Matters {
    fn new(places: &[Placed]) -> Self {
        let ends = |placed: &Placed| {
            let (start, end) = (placed.start.0, placed.start.0.saturating_add(placed.len.0));
            let edge = placed.len.0.min(MIB);
            [start..start + edge, end - edge..end]
        };
        Self { ranges: places.iter().flat_map(ends).collect() }
    }

    fn start(&mut self, placed: &Placed, len: ByteLen) {
        let start = placed.start.0;
        self.ranges.push(start..start.saturating_add(len.0.min(placed.len.0)));
    }

    fn ext4(&mut self, placed: &Placed, summary: &ext4::Summary) {
        let part = |part: &ext4::Part| {
            let start = placed.start.0.saturating_add(part.start.0);
            start..start.saturating_add(part.len.0)
        };
        self.ranges.extend(summary.parts.iter().map(part));
    }
}

/// What BIOS starts was made for the place that it got.
fn check_bios(places: &[Placed], installed: &Installed<()>) -> Result<(), Error> {
    let place = places.iter().find(|placed| placed.partition.role == Role::BiosBoot);
    match (place, &installed.bios) {
        (Some(place), Some(bios))
            if Lba::at(place.start, SectorSize::B512) != Some(bios.image.start) =>
        {
            Err(PlanError::from(LayoutError::BiosBootMoved).into())
        }
        _ => Ok(()),
    }
}

/// What the root file system is made with.
pub(super) fn root_options(layout: &Layout, inputs: Inputs<'_>) -> ext4::Options {
    ext4::Options { verity: true, ..parts::options(layout.root(), inputs.time) }
}

/// What BIOS starts. It does not start it before the partition table's signature is there.
fn write_bios(
    canvas: &mut Ground,
    places: &[Placed],
    installed: &Installed<()>,
    path: &Path,
) -> Result<(), Error> {
    let place = places.iter().find(|placed| placed.partition.role == Role::BiosBoot);
    let (Some(place), Some(bios)) = (place, &installed.bios) else { return Ok(()) };
    let in_error = |source| Error::Canvas { path: path.to_owned(), source };
    let core = bios.image.core(&bios.early)?;
    canvas.write_at(place.start, &core).map_err(in_error)?;
    canvas.write_at(ByteOffset(0), &bios.image.boot_code).map_err(in_error)
}

/// What neither the image nor root fills: FAT, and what says that there is swap space. How much of the
/// partition that is.
fn write_own(
    canvas: &mut Ground,
    placed: &Placed,
    inputs: Inputs<'_>,
    installed: &Installed<()>,
    path: &Path,
) -> Result<ByteLen, Error> {
    let Placed { partition, start, len } = placed;
    let planned = match &partition.content {
        Content::Fat(planned) => planned,
        Content::Swap { label, uuid } => {
            let in_error = |source| Error::Canvas { path: path.to_owned(), source };
            let header = swap::header(*len, uuid.0, label);
            canvas.write_at(*start, &header).map_err(in_error)?;
            return Ok(ByteLen(0));
        }
        _ => return Ok(ByteLen(0)),
    };
    let options = fat::Options {
        size: *len,
        sector: inputs.request.sector_size,
        start: *start,
        label: planned.label.clone(),
        serial: planned.serial,
        time: inputs.time,
    };
    let files = installed.esp.iter().filter(|_| partition.role == Role::Esp);
    let files = files.map(|file| (file.path.as_str(), file.bytes.as_slice()));
    let usage = parts::put_fat(canvas, options, files)?;
    Ok(ByteLen(usage.end.0))
}

fn partition(placed: &Placed) -> Partition {
    let planned = &placed.partition;
    Partition {
        type_guid: Guid::from_bytes(planned.type_guid.0),
        unique_guid: Guid::from_bytes(planned.guid.0),
        name: planned.name.clone(),
        start: placed.start,
        len: placed.len,
        attributes: planned.attributes,
    }
}
