//! The disk on its canvas: file systems, other partitions, what BIOS starts, partition table, in that
//! order, so that a half-made disk never boots.

use std::path::Path;
use std::sync::Arc;

use super::error::Error;
use super::import::Context;
use super::install::{Inputs, Installed, install};
use super::netboot;
use super::parts::{self, Waiting};
use super::request::Request;
use crate::canvas::{Canvas as _, FileCanvas, Window};
use crate::fs::{ext4, fat, swap};
use crate::output::Pending;
use crate::partition::{Guid, Partition, Table};
use crate::plan::PlanError;
use crate::plan::layout::{Content, Layout, LayoutError, Machine, Placed, Role};
use crate::plan::size::{Needs, further_ext4};
use crate::plan::types::RAW_PATH;
use crate::progress::Event;
use crate::units::{ByteLen, ByteOffset};

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
}

/// What the partitions depend on besides a wish.
pub(super) fn machine(request: &Request) -> Machine {
    Machine {
        arch: request.arch,
        sector_size: request.sector_size,
        may_have_bios: request.bios != super::request::Bios::Off,
    }
}

/// Makes the disk.
pub fn make(inputs: Inputs<'_>, context: Context<'_>) -> Result<Disk, Error> {
    let request = inputs.request;
    let layout = Layout::plan(request.layout.as_ref(), machine(request), inputs.ids)
        .map_err(PlanError::from)?;
    let path = if request.types.iter().any(|kind| kind.is_raw()) {
        request.output.join(RAW_PATH)
    } else {
        request.output.join(request.types[0].path()).with_file_name("disk.raw")
    };
    let file = Pending::create(&path)?;
    fill(file, &layout, inputs, context).map_err(|error| error.or_disk_full(&path))
}

/// `likely` is the layout as far as it is known before the image is.
fn fill(
    file: Pending,
    likely: &Layout,
    inputs: Inputs<'_>,
    context: Context<'_>,
) -> Result<Disk, Error> {
    let path = file.target().to_owned();
    // goes before the file does, and the folders that were made for that
    let mut waiting = Waiting::new(&path, inputs.time);
    let in_error = |source| Error::Canvas { path: path.clone(), source };
    let mut canvas = FileCanvas::new(Arc::clone(file.file()));

    let likely_start = likely.root_start(&[]).ok_or(PlanError::TooLarge)?;
    let options = root_options(likely, inputs);
    let root = ext4::Writer::create(Window::new(canvas.clone(), likely_start), options)?;
    let mut another = |planned: &_, least| waiting.ext4(planned, least);
    let installed = install(root, &mut another, inputs, context)?;

    context.reporter.report(Event::Stage { name: "writing file systems".into() });
    let (volumes, installed) = installed.take_volume();
    let (mut root, further) = volumes.into_parts();
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
    let disk = inputs.request.size.decide(layout, all, super::granule_bytes(inputs.request))?;
    let places = &disk.partitions;
    check_bios(places, &installed)?;

    root.identify(layout.root().uuid.0, &layout.root().label)?;
    let place = places.iter().find(|placed| placed.partition.role == Role::Root);
    let place = place.ok_or(PlanError::TooLarge)?;
    root.finish(place.len)?;
    parts::shift(file.file(), likely_start, place.start, place.len).map_err(in_error)?;
    file.file().set_len(disk.size.0).map_err(in_error)?;
    for (index, writer) in installed.further.iter().zip(further) {
        let (_, window) = writer.finish(places[*index].len)?;
        raws.push((*index, window.into_inner().into_file()));
    }
    for (index, content) in raws {
        parts::put(&content, &mut canvas, places[index].start).map_err(in_error)?;
    }
    for placed in places {
        write_own(&mut canvas, placed, inputs, &installed, &path)?;
    }
    write_bios(&mut canvas, places, &installed).map_err(in_error)?;
    let disk_guid = Guid::from_bytes(layout.disk_guid.unwrap_or(inputs.ids.disk).0);
    let table = places.iter().map(partition).collect();
    let table = Table::new(disk.size, inputs.request.sector_size, disk_guid, table)?;
    table.write(&mut canvas).map_err(in_error)?;
    Ok(Disk { file, size: disk.size, partitions: disk.partitions, installed, netboot })
}

/// What BIOS starts was made for the place that it got.
fn check_bios(places: &[Placed], installed: &Installed<()>) -> Result<(), Error> {
    let place = places.iter().find(|placed| placed.partition.role == Role::BiosBoot);
    match (place, &installed.bios) {
        (Some(place), Some((start, _))) if place.start != *start => {
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
    canvas: &mut FileCanvas,
    places: &[Placed],
    installed: &Installed<()>,
) -> std::io::Result<()> {
    let place = places.iter().find(|placed| placed.partition.role == Role::BiosBoot);
    let (Some(place), Some((_, bios))) = (place, &installed.bios) else { return Ok(()) };
    canvas.write_at(place.start, &bios.core)?;
    canvas.write_at(ByteOffset(0), &bios.boot_code)
}

/// What neither the image nor root fills: FAT, and what says that there is swap space.
fn write_own(
    canvas: &mut FileCanvas,
    placed: &Placed,
    inputs: Inputs<'_>,
    installed: &Installed<()>,
    path: &Path,
) -> Result<(), Error> {
    let Placed { partition, start, len } = placed;
    let planned = match &partition.content {
        Content::Fat(planned) => planned,
        Content::Swap { label, uuid } => {
            let in_error = |source| Error::Canvas { path: path.to_owned(), source };
            return canvas.write_at(*start, &swap::header(*len, uuid.0, label)).map_err(in_error);
        }
        _ => return Ok(()),
    };
    let mut builder = fat::Builder::new(fat::Options {
        size: *len,
        sector: inputs.request.sector_size,
        start: *start,
        label: planned.label.clone(),
        serial: planned.serial,
        time: inputs.time,
    })?;
    if partition.role == Role::Esp {
        for file in &installed.esp {
            builder.add_file(&file.path, file.bytes.as_slice())?;
        }
    }
    builder.finish(&mut Window::new(canvas.clone(), *start))?;
    Ok(())
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
