//! The disk on its canvas: root file system, EFI system partition, what BIOS starts, partition table,
//! in that order, so that a half-made disk never boots.

use std::sync::Arc;

use super::error::Error;
use super::import::Context;
use super::install::{Inputs, Installed, install};
use crate::canvas::{Canvas as _, FileCanvas, Window};
use crate::fs::{ext4, fat};
use crate::output::Pending;
use crate::partition::{Guid, Partition, Table};
use crate::plan::layout::{self, Role};
use crate::plan::types::RAW_PATH;
use crate::progress::Event;
use crate::units::{ByteLen, ByteOffset};

const ROOT_LABEL: &str = "root";
const ESP_LABEL: &str = "EFI-SYSTEM";

/// A complete disk in a temporary file.
#[derive(Debug)]
pub struct Disk {
    /// The file; it becomes `disk.raw`, or is removed.
    pub file: Pending,
    /// Its length.
    pub size: ByteLen,
    /// Its partitions.
    pub partitions: Vec<layout::Partition>,
    /// What was installed; its volume is finished.
    pub installed: Installed<()>,
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
    fill(file, inputs, context).map_err(|error| error.or_disk_full(&path))
}

fn fill(file: Pending, inputs: Inputs<'_>, context: Context<'_>) -> Result<Disk, Error> {
    let request = inputs.request;
    let in_error = |source| Error::Canvas { path: file.target().to_owned(), source };
    let mut canvas = FileCanvas::new(Arc::clone(file.file()));

    let root_start = layout::root_start(request.arch);
    let window = Window::new(canvas.clone(), root_start);
    let writer = ext4::Writer::create(window, root_options(inputs))?;
    let installed = install(writer, inputs, context)?;

    context.reporter.report(Event::Stage { name: "writing file systems".into() });
    let (writer, installed) = installed.take_volume();
    let granule_bytes = super::granule_bytes(request);
    let sizes = request.size.decide(request.arch, writer.required()?, granule_bytes)?;
    writer.finish(sizes.root)?;
    file.file().set_len(sizes.disk.0).map_err(in_error)?;
    let partitions = layout::partitions(request.arch, inputs.ids, sizes.root);
    write_esp(&canvas, &partitions, inputs, &installed)?;
    write_bios(&mut canvas, &partitions, &installed).map_err(in_error)?;
    let disk_guid = Guid::from_bytes(inputs.ids.disk.0);
    let table = partitions.iter().map(partition).collect();
    let table = Table::new(sizes.disk, request.sector_size, disk_guid, table)?;
    table.write(&mut canvas).map_err(in_error)?;
    Ok(Disk { file, size: sizes.disk, partitions, installed })
}

/// The root file system.
pub(super) fn root_options(inputs: Inputs<'_>) -> ext4::Options {
    ext4::Options {
        uuid: inputs.ids.root_fs.0,
        hash_seed: inputs.ids.root_hash_seed.0,
        label: ROOT_LABEL.to_owned(),
        time: inputs.time,
        verity: true,
        ..ext4::Options::default()
    }
}

/// What BIOS starts. It does not start it before the partition table's signature is there.
fn write_bios(
    canvas: &mut FileCanvas,
    partitions: &[layout::Partition],
    installed: &Installed<()>,
) -> std::io::Result<()> {
    let place = partitions.iter().find(|partition| partition.role == Role::BiosBoot);
    let (Some(place), Some(bios)) = (place, &installed.bios) else { return Ok(()) };
    canvas.write_at(place.start, &bios.core)?;
    canvas.write_at(ByteOffset(0), &bios.boot_code)
}

fn write_esp(
    canvas: &FileCanvas,
    partitions: &[layout::Partition],
    inputs: Inputs<'_>,
    installed: &Installed<()>,
) -> Result<(), Error> {
    let Some(esp) = partitions.iter().find(|partition| partition.role == Role::Esp) else {
        return Ok(());
    };
    let mut builder = fat::Builder::new(fat::Options {
        size: esp.len,
        sector: inputs.request.sector_size,
        start: esp.start,
        label: ESP_LABEL.to_owned(),
        serial: inputs.ids.esp_serial,
        time: inputs.time,
    })?;
    for file in &installed.esp {
        builder.add_file(&file.path, file.bytes.as_slice())?;
    }
    builder.finish(&mut Window::new(canvas.clone(), esp.start))?;
    Ok(())
}

fn partition(planned: &layout::Partition) -> Partition {
    Partition {
        type_guid: Guid::from_bytes(planned.type_guid.0),
        unique_guid: Guid::from_bytes(planned.guid.0),
        name: planned.name.to_owned(),
        start: planned.start,
        len: planned.len,
        attributes: planned.attributes,
    }
}
