//! An installation onto a disk of this machine: what `build` writes into a file, on a block device.
//!
//! ```text
//!  choose ─► refuse? ─► open exclusively ─► look ─► refuse? ─► image ─► clear ─► fill ─► start ─► read back
//! ```
//!
//! Until the image is known nothing is written. Then the device loses its start and its end, so that no
//! firmware finds a partition table; both come back when everything else is there. A machine that
//! loses power in between has a disk that does not boot, not half a system. Where partitions stay, a table
//! of them alone is there all along.
//!
//! The disk is what `build --type raw --size` makes for its size. Where it is no whole number of
//! mebibytes the rest is left over, and the backup table is at its very end nevertheless.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, major, minor, open};

use super::disk::{self, Filled};
use super::error::Error;
use super::ground::Ground;
use super::import::Context;
use super::install::{Inputs, Log};
use super::{Bios, Prepared, Recorder, Request, tell};
use crate::canvas::{DeviceCanvas, VerifyError, Written};
use crate::digest::Sha256Digest;
use crate::installer::content::{Content, GptPartition};
use crate::installer::disks::{self, DeviceNumber, Disk};
use crate::installer::saved::{Glob, Saved};
use crate::installer::target::{self, Approved, Needs, Target};
use crate::partition::{Guid, Partition, Table};
use crate::plan::PlanError;
use crate::plan::layout::{Layout, Placed};
use crate::plan::size::SizeRequest;
use crate::plan::types::DiskType;
use crate::progress::{Cancel, Event, Reporter};
use crate::units::{ByteLen, ByteOffset, MIB, SectorSize};

/// Which disk, and what may become of what is on it.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The disk that is meant.
    pub target: &'a Target,
    /// Whether what is on it may go.
    pub may_wipe: bool,
    /// Labels of partitions that stay.
    pub saved: &'a [Glob],
    /// What the installer itself runs from.
    pub medium: &'a [DeviceNumber],
    /// How large the disk must be, as far as that is known; 0 when it is not.
    pub least: ByteLen,
    /// The only sectors that the machine starts from, if not all are the same to it.
    pub sector: Option<SectorSize>,
    /// Whether to stop before anything is written.
    pub is_dry_run: bool,
    /// What the installed system is told of its installation. Without it the disk is the same as any
    /// other of its size.
    pub log: Option<Log<'a>>,
}

impl std::fmt::Debug for Wish<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wish").field("target", &self.target).finish_non_exhaustive()
    }
}

/// What was installed, or would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The device: `/dev/vda`.
    pub disk: String,
    /// Its size.
    pub size: ByteLen,
    /// The new partitions, in the order of their numbers; none after a dry run.
    pub partitions: Vec<Placed>,
    /// The deployment's commit and its path below the root partition; none after a dry run.
    pub deployment: Option<(Sha256Digest, String)>,
}

/// Installs onto a disk of this machine. Of the request, size, sector size and types do not count.
///
/// # Errors
///
/// Those of a build, and that no disk is meant, that it must not be overwritten, or that it failed.
pub fn install(
    request: &Request,
    wish: &Wish<'_>,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<Installed, Error> {
    let all = disks::load(Path::new("/"))?;
    let refused = |refusal| Error::Refused(vec![refusal]);
    let disk = target::choose(wish.target, &all, wish.medium).map_err(refused)?;
    let Wish { least: size, sector, medium, may_wipe, .. } = *wish;
    let needs = Needs { size, sector, medium, may_wipe };
    let against = target::refusals(disk, None, &needs);
    let Some(sector) = sector_of(disk).filter(|_| against.is_empty()) else {
        return Err(Error::Refused(against));
    };
    let device = open_exclusively(disk, wish.is_dry_run)?;
    let content = Content::probe(&device, sector)
        .map_err(|source| Error::TargetContent { device: disk.path(), source })?;
    let approved = target::approve(disk, &content, &needs).map_err(Error::Refused)?;
    let saved = Saved::find(&content, wish.saved, disk.size, sector)?;
    let warnings = Recorder::new(reporter);
    for glob in &saved.unmatched {
        let message = format!("no partition of `{}` is labelled `{}`", disk.path(), glob.as_str());
        warnings.report(Event::Warning { message });
    }
    reporter.report(Event::Detail { message: format!("`{}` holds: {content}", disk.path()) });
    let request = Request {
        size: SizeRequest::Exact(usable(disk, &saved)),
        sector_size: sector,
        types: vec![DiskType::Raw],
        bios: bios(request.bios, sector, &warnings),
        ..request.clone()
    };
    let prepared = Prepared::new(&request, &warnings, cancel)?;
    if let Some(signature) = &prepared.signature {
        tell(signature, reporter.as_ref());
    }
    check_size(&request, &prepared, disk)?;
    if wish.is_dry_run {
        return Ok(Installed {
            disk: disk.path(),
            size: disk.size,
            partitions: Vec::new(),
            deployment: None,
        });
    }
    let onto = Onto { disk: approved, device: Arc::new(device), sector, saved };
    let context = Context { reporter: &warnings, cancel, threads: request.threads };
    let inputs = Inputs { log: wish.log, ..prepared.inputs(&request) };
    onto.install(inputs, context)
}

fn sector_of(disk: &Disk) -> Option<SectorSize> {
    let known = [SectorSize::B512, SectorSize::B4096];
    known.into_iter().find(|size| size.bytes() == u64::from(disk.sector_bytes))
}

/// Refuses what certainly has no room, while the disk is as it was: layers seldom shrink when they are
/// unpacked.
fn check_size(request: &Request, prepared: &Prepared, disk: &Disk) -> Result<(), Error> {
    let SizeRequest::Exact(usable) = request.size else { return Ok(()) };
    let layout = Layout::plan(request.layout.as_ref(), disk::machine(request), &prepared.ids)
        .map_err(PlanError::from)?;
    let around = layout.overhead(&[]).ok_or(PlanError::TooLarge)?;
    let layers = prepared.source.image().layers.iter().map(|layer| layer.size_bytes);
    let needs = layers.fold(around.0, u64::saturating_add);
    if usable.0 >= needs {
        return Ok(());
    }
    let (disk, has, needs) = (disk.path(), usable, ByteLen(needs));
    Err(Error::Refused(vec![target::Refusal::TooSmall { disk, has, needs }]))
}

/// A medium that was made for BIOS installs where there is none too.
fn bios(wish: Bios, sector: SectorSize, reporter: &dyn Reporter) -> Bios {
    if wish != Bios::On || sector == SectorSize::B512 {
        return wish;
    }
    let message = "the disk will not boot from BIOS, which reads sectors of 512 bytes only".into();
    reporter.report(Event::Warning { message });
    Bios::Auto
}

/// What a new layout may take of a disk: whole mebibytes before what stays, the last of which is the
/// backup table's.
fn usable(disk: &Disk, saved: &Saved) -> ByteLen {
    let whole = disk.size.0 - disk.size.0 % MIB;
    let before = saved.start().map(|start| (start.0 - start.0 % MIB).saturating_add(MIB));
    ByteLen(before.unwrap_or(whole).min(whole))
}

/// Opens the device so that nobody else who asks for the same has it, and makes sure that it is the
/// disk that was looked at.
fn open_exclusively(disk: &Disk, is_dry_run: bool) -> Result<File, Error> {
    let device = disk.path();
    let failed =
        |doing, error: io::Error| Error::Target { doing, device: device.clone(), source: error };
    let access = if is_dry_run { OFlags::RDONLY } else { OFlags::RDWR };
    let file = open(device.as_str(), access | OFlags::EXCL | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed("opening", errno.into()))?;
    let mut file = File::from(file);
    let stat = fstat(&file).map_err(|errno| failed("opening", errno.into()))?;
    let number = DeviceNumber { major: major(stat.st_rdev), minor: minor(stat.st_rdev) };
    let len = file.seek(SeekFrom::End(0)).map_err(|error| failed("measuring", error))?;
    if number != disk.number || ByteLen(len) != disk.size {
        return Err(Error::TargetChanged { device });
    }
    Ok(file)
}

/// A disk that may be overwritten, and is held.
struct Onto<'d> {
    disk: Approved<'d>,
    device: Arc<File>,
    sector: SectorSize,
    saved: Saved,
}

impl Onto<'_> {
    fn name(&self) -> String {
        self.disk.disk().path()
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> Error + use<> {
        let device = self.name();
        move |source| Error::Target { doing, device: device.clone(), source }
    }

    fn install(self, inputs: Inputs<'_>, context: Context<'_>) -> Result<Installed, Error> {
        let name = self.name();
        context.reporter.report(Event::Stage { name: format!("clearing {name}") });
        let canvas = self.clear(inputs)?;
        let keep = |placed: &[Placed]| self.kept(placed);
        let scratch = inputs.request.output.join("install");
        let ground = Ground::Device(canvas.clone());
        let Filled { size, partitions, installed, .. } =
            disk::fill(ground, &scratch, &keep, inputs, context)
                .map_err(|error| self.or_too_small(error, &scratch))?;
        context.reporter.report(Event::Stage { name: format!("completing {name}") });
        let written = canvas.finish().map_err(self.failed("writing"))?;
        self.verify(&written, context)?;
        self.reread(&written, context);
        let path =
            format!("ostree/deploy/{}/deploy/{}.0", installed.stateroot, installed.commit.to_hex());
        let deployment = Some((installed.commit, path));
        Ok(Installed { disk: name, size, partitions, deployment })
    }

    /// Takes both partition tables away, but for what stays.
    fn clear(&self, inputs: Inputs<'_>) -> Result<DeviceCanvas, Error> {
        let failed = self.failed("clearing");
        let disk = self.disk.disk();
        let mut canvas = DeviceCanvas::new(Arc::clone(&self.device), disk.size).map_err(&failed)?;
        if self.saved.partitions.is_empty() {
            let end = disk.size.0;
            canvas.settle(std::iter::once(end.saturating_sub(MIB)..end)).map_err(&failed)?;
            return Ok(canvas);
        }
        let guid = Guid::from_bytes(inputs.ids.disk.0);
        let table = Table::new(disk.size, self.sector, guid, Vec::new())?;
        let table = table.keeping(self.kept(&[])?)?;
        table.write(&mut canvas).map_err(&failed)?;
        canvas.finish().map_err(&failed)?;
        let canvas = DeviceCanvas::keeping_start(Arc::clone(&self.device), disk.size);
        for partition in &self.saved.partitions {
            canvas.protect(partition.start.0..partition.end().0);
        }
        Ok(canvas)
    }

    /// What stays beside these partitions.
    fn kept(&self, placed: &[Placed]) -> Result<Vec<(usize, Partition)>, Error> {
        let ends = placed.iter().map(|placed| placed.start.0.saturating_add(placed.len.0));
        self.saved.fits(ByteOffset(ends.max().unwrap_or(0)))?;
        let taken = u32::try_from(placed.len()).unwrap_or(u32::MAX);
        let numbers = self.saved.numbers(taken).into_iter();
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(numbers.map(number).zip(self.saved.partitions.iter().map(partition)).collect())
    }

    /// Tells a device that ends from a full folder for what waits.
    fn or_too_small(&self, error: Error, scratch: &Path) -> Error {
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let mut causes = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
        // what the kernel says of a folder has a number
        let is_end = |cause: &io::Error| {
            cause.kind() == io::ErrorKind::StorageFull && cause.raw_os_error().is_none()
        };
        if causes.any(is_end) {
            return Error::TargetFull { device: self.name() };
        }
        error.or_disk_full(scratch)
    }

    fn verify(&self, written: &Written, context: Context<'_>) -> Result<(), Error> {
        context.reporter.report(Event::Stage { name: format!("reading back {}", self.name()) });
        let mut read_bytes = 0;
        let result = written.verify(|bytes| {
            read_bytes += bytes;
            if context.cancel.is_cancelled() { Err(Stopped::Cancelled) } else { Ok(()) }
        });
        match result {
            Ok(()) => {
                let message = format!("{} read back as they were written", ByteLen(read_bytes));
                context.reporter.report(Event::Detail { message });
                Ok(())
            }
            // everything is there already, and was not found wrong
            Err(Stopped::Cancelled) => Err(Error::Cancelled),
            Err(Stopped::Wrong(source)) => {
                // it must not boot
                let _ = DeviceCanvas::new(Arc::clone(&self.device), self.disk.disk().size);
                Err(Error::Verify { device: self.name(), source })
            }
        }
    }

    /// Lets the kernel see the new partitions.
    fn reread(&self, _: &Written, context: Context<'_>) {
        let result = self.device.try_clone().map_err(|error| error.to_string());
        let result = result.and_then(|mut device| {
            gptman::linux::reread_partition_table(&mut device).map_err(|error| error.to_string())
        });
        if let Err(why) = result {
            let message = format!(
                "the kernel did not read the new partition table of `{}`: {why}; it does when the machine starts",
                self.name()
            );
            context.reporter.report(Event::Warning { message });
        }
    }
}

/// Why reading back ended early.
enum Stopped {
    Cancelled,
    Wrong(VerifyError),
}

impl From<VerifyError> for Stopped {
    fn from(error: VerifyError) -> Self {
        Self::Wrong(error)
    }
}

/// A partition as it was.
fn partition(saved: &GptPartition) -> Partition {
    Partition {
        type_guid: Guid::from_bytes(saved.type_guid.to_be_bytes()),
        unique_guid: Guid::from_bytes(saved.guid.to_be_bytes()),
        name: saved.name.clone(),
        start: saved.start,
        len: saved.len,
        attributes: saved.attributes,
    }
}
