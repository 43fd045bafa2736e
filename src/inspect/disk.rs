//! From a disk to a report.

use std::path::Path;
use std::rc::Rc;

use super::bytes::index;
use super::error::Error;
use super::filesystem::{Found, detect};
use super::knowledge::Knowledge;
use super::model::{BootLoader, DiskReport, EspFile, Partition, VERSION};
use super::reader::{self, DiskImage, Part, Scratch, Shared};
use super::{partitions, system};

/// The boot record's code, before its table of partitions.
const BOOT_CODE: usize = 440;

/// Looks at a disk.
pub fn disk(
    path: &Path,
    scratch: &Scratch,
    knowledge: &Knowledge<'_>,
) -> Result<DiskReport, Error> {
    let opened = reader::open(path, scratch)?;
    let mut formats = opened.formats.iter().map(ToString::to_string);
    let mut report = DiskReport {
        kind: "disk",
        version: VERSION,
        format: formats.next().unwrap_or_default(),
        inner_format: formats.next(),
        file_size_bytes: opened.file_len,
        ..empty(opened.image.len_bytes())
    };
    fill(&mut report, &opened.image, knowledge);
    if let Err(problem) = opened.image.check() {
        report.problems.push(format!("the file is not whole: {problem}"));
    }
    Ok(report)
}

fn empty(len: u64) -> DiskReport {
    DiskReport {
        kind: "disk",
        version: VERSION,
        format: String::new(),
        inner_format: None,
        file_size_bytes: None,
        virtual_size_bytes: len,
        partition_table: None,
        partitions: Vec::new(),
        boot_loader: BootLoader::default(),
        boot_entries: Vec::new(),
        deployments: Vec::new(),
        aleph: None,
        problems: Vec::new(),
    }
}

/// Everything that the content tells.
fn fill(report: &mut DiskReport, image: &Shared, knowledge: &Knowledge<'_>) {
    report.boot_loader.bios_boot_code = has_content(&**image, 0, BOOT_CODE);
    let Some((table, partitions)) = partitions::read(&**image) else {
        report.problems.push("the disk has no GPT".to_owned());
        return;
    };
    for (which, state) in [("first", &table.primary), ("last", &table.backup)] {
        if state != "good" {
            report.problems.push(format!("the {which} copy of the partition table is {state}"));
        }
    }
    report.partition_table = Some(table);
    for mut partition in partitions {
        if let Err(problem) = look(report, &mut partition, image, knowledge) {
            report.problems.push(format!("partition {}: {problem}", partition.number));
        }
        report.partitions.push(partition);
    }
}

fn look(
    report: &mut DiskReport,
    partition: &mut Partition,
    image: &Shared,
    knowledge: &Knowledge<'_>,
) -> Result<(), String> {
    let number = partition.number;
    let part = Part::new(Shared::clone(image), partition.start_bytes, partition.length_bytes);
    let part: Shared = Rc::new(part.ok_or("it is not inside the disk")?);
    if partition.r#type.as_deref() == Some("bios-boot") {
        report.boot_loader.bios_boot_partition = has_content(&*part, 0, 512);
        return Ok(());
    }
    match detect(&part) {
        None => Ok(()),
        Some(Found::Other(facts)) => {
            partition.file_system = Some(facts);
            Ok(())
        }
        Some(Found::Fat(facts, fat)) => {
            partition.file_system = Some(facts);
            let files = fat.files().ok_or("a directory cannot be read")?;
            let files = files.into_iter().map(|file| EspFile {
                partition: number,
                path: file.path,
                size_bytes: file.len,
            });
            if partition.r#type.as_deref() == Some("esp") {
                report.boot_loader.esp_files.extend(files);
            }
            Ok(())
        }
        Some(Found::Ext(facts, tree)) => {
            partition.file_system = Some(facts);
            let tree = tree?;
            system::boot_loader(&tree, &mut report.boot_loader);
            report.boot_entries.extend(system::boot_entries(&tree, number));
            let problems = &mut report.problems;
            report.deployments.extend(system::deployments(&tree, number, knowledge, problems));
            report.aleph = report.aleph.take().or_else(|| system::aleph(&tree));
            tree.problem().map_or(Ok(()), Err)
        }
    }
}

/// Whether there is anything but zeros.
fn has_content(image: &dyn DiskImage, offset: u64, len: usize) -> bool {
    let mut bytes = vec![0; len.min(index(image.len_bytes()))];
    image.read_at(offset, &mut bytes).is_ok() && bytes.iter().any(|byte| *byte != 0)
}

/// For fuzzing: looks at a raw disk.
pub fn fuzz_raw(bytes: &[u8], knowledge: &Knowledge<'_>) {
    let image: Shared = Rc::new(reader::Memory(bytes.to_vec()));
    fill(&mut empty(image.len_bytes()), &image, knowledge);
}
