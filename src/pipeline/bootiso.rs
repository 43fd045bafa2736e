//! What an installer's medium needs of the image: programs that boot it, the kernel, and the initramfs
//! that starts our own program.
//!
//! ```text
//! initramfs  dev/{console,null}  5:1, 1:3: what a program finds open when it starts
//!            init                the program
//!            modules/*.ko        the kernel's, unpacked
//!            modules.list        in the order in which they are loaded
//!            medium.json         by what the program knows its medium: `carried::Mark`
//! ```
//!
//! The initramfs is begun while the image can be read, and stays open until it is known what the medium
//! carries, the smallest disk among it.

use std::fs::File;
use std::io;
use std::sync::Arc;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::carried::{Carried, Facts, Mark};
use super::error::Error;
use super::import::Context;
use super::install::{Decisions, Inputs};
use super::medium::Boot;
use super::parts::{Waiting, Writer};
use super::request::{Bios, Request};
use crate::boot::initramfs::cpio;
use crate::boot::kernel_modules::{self, Chosen, KernelModulesError, Module, Purpose, WANTED};
use crate::boot::loader::{Menu, SerialPort};
use crate::boot::{iso, os_release};
use crate::files::{Deployed, Files};
use crate::installer::program;
use crate::ostree::{self, ImageFiles, Sysroot};
use crate::output::Pending;
use crate::plan::types::DiskType;
use crate::progress::{Event, Reporter};
use crate::spec::{Arch, VolumeId};
use crate::stream::At;
use crate::tree::Directory;
use crate::units::ByteLen;
use crate::volume::{Inode, Volume};

/// The last word of a volume id that nobody chose.
const ROLE: &str = "INSTALL";
/// How long the menu waits before it installs, in seconds.
const TIMEOUT_SECS: u32 = 5;
const SPEED: u32 = 115_200;
/// Where the initramfs has the modules.
const MODULES: &str = "modules";
/// Every kernel unpacks gzip. The highest level takes six times as long, and saves a hundredth.
const LEVEL: u32 = 6;

/// What boots the medium, as far as the image decides.
#[derive(Debug)]
pub struct Planned {
    boot: Boot,
    archive: Archive,
    vmlinuz: Inode,
    name: String,
    volume_id: VolumeId,
}

/// What boots the medium, and what it carries.
#[derive(Debug)]
pub struct Taken {
    /// Programs and menus.
    pub boot: Boot,
    /// The kernel.
    pub vmlinuz: Arc<File>,
    /// The initramfs.
    pub initramfs: Arc<File>,
    /// The build that it carries.
    pub document: Vec<u8>,
    /// What it is found by.
    pub volume_id: VolumeId,
}

/// An initramfs that is being written.
#[derive(Debug)]
struct Archive {
    file: Pending,
    writer: cpio::Writer<GzEncoder<Arc<File>>>,
}

/// Whether a medium is asked for.
pub(super) fn is_wanted(request: &Request) -> bool {
    request.types.contains(&DiskType::Iso)
}

/// Refuses a program that could not run on the medium, before anything is fetched.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    if is_wanted(request) { program(request).map(drop) } else { Ok(()) }
}

/// The program that the medium starts.
fn program(request: &Request) -> Result<File, Error> {
    let path = request.installer.program.as_deref().ok_or(Error::NoProgram)?;
    let refused = |source| Error::Program { path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| refused(source.into()))?;
    program::check(&file, request.arch).map_err(refused)?;
    Ok(file)
}

/// Finds what is needed, if a medium is asked for.
pub(super) fn plan<V: Volume>(
    sysroot: &Sysroot<V>,
    tree: &Directory,
    inputs: Inputs<'_>,
    decisions: &Decisions,
    context: Context<'_>,
) -> Result<Option<Planned>, Error> {
    let request = inputs.request;
    if !is_wanted(request) {
        return Ok(None);
    }
    let files = ImageFiles::new(&sysroot.store, tree);
    let vmlinuz = &decisions.kernel.vmlinuz;
    let chosen = modules(&files, vmlinuz, context.reporter)?;
    let [id, version] = os_release::id_and_version(&files)?;
    let volume_id = (request.installer.volume_id.clone())
        .unwrap_or_else(|| VolumeId::of_words(&[&id, &version, ROLE]));
    let boot = iso::plan(
        &files,
        iso::Target {
            arch: request.arch,
            label: &volume_id,
            name: &decisions.name,
            kargs: &kargs(request.arch),
            vmlinuz,
            bios: bios(request),
            menu: Menu { timeout_secs: TIMEOUT_SECS, serial: serial(request.arch) },
        },
    )?;
    for notice in &boot.notices {
        context.reporter.report(Event::Warning { message: notice.to_string() });
    }
    let object = ostree::find_file(sysroot, tree, vmlinuz);
    let object = object.ok_or_else(|| ostree::Error::Missing(vmlinuz.clone()))?;
    Ok(Some(Planned {
        boot: Boot::read(&files, boot)?,
        archive: Archive::begin(&files, &chosen, request)?,
        vmlinuz: object.inode,
        name: decisions.name.clone(),
        volume_id,
    }))
}

/// The modules of this kernel; without some of them there is no installation.
fn modules(files: &dyn Files, vmlinuz: &str, reporter: &dyn Reporter) -> Result<Chosen, Error> {
    let (folder, _) = vmlinuz.rsplit_once('/').unwrap_or_default();
    let chosen = kernel_modules::choose(files, folder, WANTED)?;
    if !chosen.serves(Purpose::Medium) {
        return Err(Error::NoMediumDriver { kernel: vmlinuz.to_owned() });
    }
    for (purpose, what) in [(Purpose::Disks, "any disk"), (Purpose::Keyboards, "any keyboard")] {
        if !chosen.serves(purpose) {
            let message =
                format!("the kernel `{vmlinuz}` of the installer has no driver for {what}");
            reporter.report(Event::Warning { message });
        }
    }
    let message = format!(
        "the installer loads {} modules, {} more are built in, the kernel lacks: {}",
        chosen.modules.len(),
        chosen.built_in.len(),
        chosen.missing.join(", ")
    );
    reporter.report(Event::Detail { message });
    Ok(chosen)
}

/// The arguments of the installer's kernel: it is to be seen on a screen and on a serial line.
fn kargs(arch: Arch) -> Vec<String> {
    let port = match arch {
        Arch::X86_64 => "ttyS0",
        Arch::Aarch64 => "ttyAMA0",
    };
    vec!["console=tty0".into(), format!("console={port},{SPEED}n8"), "loglevel=4".into()]
}

/// The firmware of other machines shows the menu on a serial line by itself.
fn serial(arch: Arch) -> Option<SerialPort> {
    (arch == Arch::X86_64).then_some(SerialPort { unit: 0, speed: SPEED })
}

fn bios(request: &Request) -> iso::Bios {
    match (request.arch, request.bios) {
        (Arch::Aarch64, _) | (Arch::X86_64, Bios::Off) => iso::Bios::No,
        (Arch::X86_64, Bios::Auto) => iso::Bios::IfPossible,
        (Arch::X86_64, Bios::On) => iso::Bios::Demanded,
    }
}

impl Archive {
    fn begin(files: &dyn Files, chosen: &Chosen, request: &Request) -> Result<Self, Error> {
        let target = request.output.join(DiskType::Iso.path()).with_file_name("initrd.img");
        let file = Pending::create(&target)?;
        let packed = GzBuilder::new().write(Arc::clone(file.file()), Compression::new(LEVEL));
        let program = program(request)?;
        let len = program.metadata().map_err(|source| file.error(source))?.len();
        let mut writer = cpio::Writer::new(packed)
            .folder("dev", 0o755)?
            .character_device("dev/console", 0o600, 5, 1)?
            .character_device("dev/null", 0o666, 1, 3)?
            .file("init", 0o755, len, &mut At::start(&program))?
            .folder(MODULES, 0o755)?;
        for module in &chosen.modules {
            writer = add(writer, files, module)?;
        }
        let list = chosen.list(&format!("/{MODULES}"));
        let writer = add_text(writer, "modules.list", list.as_bytes())?;
        Ok(Self { file, writer })
    }

    /// Adds by what the program knows its medium, and ends the archive.
    fn end(self, mark: &Mark) -> Result<Arc<File>, Error> {
        let Self { file, writer } = self;
        let writer = add_text(writer, Mark::PATH, &mark.to_json())?;
        let packed = writer.finish()?;
        packed.finish().map_err(|source| file.error(source))?;
        Ok(Arc::clone(file.file()))
    }
}

fn add_text<W: io::Write>(
    writer: cpio::Writer<W>,
    path: &str,
    mut bytes: &[u8],
) -> Result<cpio::Writer<W>, Error> {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(writer.file(path, 0o644, len, &mut bytes)?)
}

/// Adds a module unpacked: once to learn its length, once to write it.
fn add<W: io::Write>(
    writer: cpio::Writer<W>,
    files: &dyn Files,
    module: &Module,
) -> Result<cpio::Writer<W>, Error> {
    let packed = Deployed(files).read(&module.source, module.len_bytes);
    let packed = packed.map_err(KernelModulesError::from)?;
    let packed =
        packed.ok_or_else(|| KernelModulesError::Absent { path: module.source.clone() })?;
    let len = module.unpack(packed.as_slice(), &mut io::sink())?;
    let path = format!("{MODULES}/{}", module.file_name());
    Ok(writer.file(&path, 0o644, len, &mut module.decoder(packed.as_slice())?)?)
}

/// Copies the kernel while the root file system can still be read, and says what the medium carries;
/// `least` is the smallest disk that will do.
pub(super) fn take(
    planned: Planned,
    least: ByteLen,
    root: &Writer,
    waiting: &mut Waiting,
    inputs: Inputs<'_>,
    reporter: &dyn Reporter,
) -> Result<Taken, Error> {
    let Planned { boot, archive, vmlinuz, name, volume_id } = planned;
    let facts = Facts {
        volume_id: volume_id.clone(),
        name: &name,
        image_digest: inputs.source.image().manifest_digest,
        least,
        target: inputs.target,
    };
    let carried = Carried::of(inputs.request, facts);
    for user in carried.plain_passwords() {
        let message = format!(
            "whoever has the medium can read the password of `{user}`: give it as a hash instead"
        );
        reporter.report(Event::Warning { message });
    }
    let document = carried.to_json()?;
    let initramfs = archive.end(&Mark::of(&volume_id, &document))?;
    let vmlinuz = waiting.copy(root, vmlinuz)?;
    Ok(Taken { boot, vmlinuz, initramfs, document, volume_id })
}
