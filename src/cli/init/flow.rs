//! An installation from finding the medium to the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::chance;
use super::dialog::{Dialog, Reply};
use super::error::InitError;
use super::offers::{Offer, numbered};
use super::shell;
use super::show::{DONE, Show};
use super::wishes::Wanted;
use crate::cli::report::Report;
use crate::cli::surroundings::Surroundings;
use crate::installer::config::{Decisions, Ids, Then};
use crate::installer::disks::{self, DeviceNumber, Disk};
use crate::installer::target::{self, Needs, Refusal, Target};
use crate::machine::consoles::Heard;
use crate::machine::medium::{self, ByKernel, MediumId};
use crate::machine::power::Power;
use crate::machine::{self, MachineError};
use crate::pipeline::Request;
use crate::pipeline::carried::Carried;
use crate::pipeline::install::Log;
use crate::pipeline::onto::{self, Installed, Wish};
use crate::pipeline::request;
use crate::plan::layout::{Placed, Role};
use crate::progress::{Cancel, Event, Reporter};
use crate::units::SectorSize;

const ROOT: &str = "/";
const COMMAND_LINE: &str = "/proc/cmdline";
const COMMAND_LINE_LIMIT: u64 = 1 << 20;
/// By what the initramfs knows its medium.
const MEDIUM_ID: &str = "/medium.json";
const MEDIUM_AT: &str = "/run/medium";
/// Where the medium has the image.
const LAYOUT: &str = "container";
/// Where what has no place on the disk yet may wait; memory, like all there is.
const SCRATCH: &str = "/run";
const LOOK: Duration = Duration::from_millis(250);
/// After so many looks that show the same disks, no more are expected: a second.
const QUIET_LOOKS: u32 = 4;
/// How often a disk that was named is looked for: half a minute.
const MOST_LOOKS: u32 = 120;
/// How long people have to take the medium out.
const GOODBYE: Duration = Duration::from_secs(10);

/// What a question came to.
enum Choice {
    /// This disk, and whether what is on it may go.
    Disk {
        target: Target,
        may_wipe: bool,
    },
    Leave(Power),
}

/// Installs; then the machine's day ends.
pub(super) fn run(show: &Arc<Show>, around: &Surroundings) -> Result<Power, InitError> {
    let command_line = machine::read(Path::new(COMMAND_LINE), COMMAND_LINE_LIMIT)?;
    medium::check_origin(&command_line)?;
    let id = MediumId::load(Path::new(MEDIUM_ID))?;
    stage(show, format!("looking for the medium {}", id.volume_id));
    let by_kernel = ByKernel(Path::new(MEDIUM_AT));
    let medium = medium::find(Path::new(ROOT), &id, &by_kernel, medium::patience())?;
    stage(show, format!("found it on {}", medium.device.display()));
    let folder = medium.mount.as_ref();
    let wanted = Wanted::load(&command_line, folder)?;
    show.show_details(wanted.decisions.is_debug);
    let carried = Carried::parse(&medium.record)?;
    show.say(&format!("to be installed: {} ({})", carried.name, carried.target.name()));
    let request = to_request(&carried, &wanted, &folder.join(LAYOUT), around)?;

    let numbers = [DeviceNumber { major: medium.major, minor: medium.minor }];
    let decisions = &wanted.decisions;
    let disks = settled(decisions.target.as_ref(), &numbers)?;
    let needs = Needs {
        size: carried.least_bytes,
        sector: startable(Path::new(ROOT)),
        medium: &numbers,
        may_wipe: decisions.may_wipe,
    };
    let choice = match &decisions.target {
        Some(target) if decisions.is_unattended => {
            Choice::Disk { target: target.clone(), may_wipe: decisions.may_wipe }
        }
        _ => ask(show, disks, decisions, &needs)?,
    };
    let (target, may_wipe) = match choice {
        Choice::Disk { target, may_wipe } => (target, may_wipe),
        Choice::Leave(power) => return Ok(power),
    };
    let log = || show.log();
    let wish = Wish {
        target: &target,
        may_wipe,
        saved: &decisions.saved,
        medium: &numbers,
        least: carried.least_bytes,
        sector: needs.sector,
        is_dry_run: false,
        // a disk that follows from the image alone tells nothing of this machine
        log: matches!(request.ids, request::Ids::Random(_)).then_some(Log(&log)),
    };
    let reporter: Arc<dyn Reporter> = show.clone();
    let installed = onto::install(&request, &wish, &reporter, &Cancel::default())?;
    drop(medium);
    let Installed { disk, size, .. } = &installed;
    show.say(&format!("\n{DONE}: {disk} ({size}), after {} s", show.elapsed().as_secs()));
    Ok(after(show, decisions, &installed))
}

/// The only sectors of disks that this machine starts from, if not all are the same to it: a PC without
/// UEFI, as the kernel sees it, has BIOS.
fn startable(root: &Path) -> Option<SectorSize> {
    let is_bios = cfg!(target_arch = "x86_64") && !root.join("sys/firmware/efi").exists();
    is_bios.then_some(SectorSize::B512)
}

fn stage(show: &Show, name: String) {
    show.report(Event::Stage { name });
}

/// The build that the medium carries, with what the owner wants by now.
fn to_request(
    carried: &Carried,
    wanted: &Wanted,
    layout: &Path,
    around: &Surroundings,
) -> Result<Request, InitError> {
    let mut request = carried.request(layout);
    request.output = PathBuf::from(SCRATCH);
    request.threads = around.processors.max(1);
    request.ids = match wanted.decisions.ids {
        Ids::Derived => request::Ids::Derived,
        Ids::Random => {
            let bytes = chance::bytes(Path::new(ROOT)).map_err(InitError::Random)?;
            request::Ids::Random(bytes)
        }
    };
    if let Some(blueprint) = &wanted.blueprint {
        request.settings = blueprint.settings.clone();
        request.layout.clone_from(&blueprint.disk);
        request.notices.extend(blueprint.warnings.iter().cloned());
        let notice = "install.toml says what the system is to be, in place of what was said when the \
                      medium was made";
        request.notices.push(notice.to_owned());
    }
    if wanted.keys.is_some() {
        request.root_ssh_authorized_keys.clone_from(&wanted.keys);
    }
    Ok(request)
}

/// The disks, when no more show up; a disk that is named is waited for.
fn settled(named: Option<&Target>, medium: &[DeviceNumber]) -> Result<Vec<Disk>, InitError> {
    let (mut before, mut quiet) = (Vec::new(), 0);
    for _ in 0..MOST_LOOKS {
        let disks = disks::load(Path::new(ROOT))?;
        let found = named.map(|target| target::choose(target, &disks, medium));
        match (named, &found) {
            (Some(Target::Path(_) | Target::Serial(_)), Some(Ok(_))) => return Ok(disks),
            (_, Some(Err(error))) if may_come(error) => {}
            _ if quiet >= QUIET_LOOKS => return Ok(disks),
            _ => {}
        }
        let names: Vec<String> = disks.iter().map(Disk::path).collect();
        quiet = if names == before { quiet + 1 } else { 0 };
        before = names;
        sleep(LOOK);
    }
    Ok(disks::load(Path::new(ROOT))?)
}

/// Whether a disk that is not there yet would change this.
fn may_come(refusal: &Refusal) -> bool {
    use Refusal as R;
    matches!(refusal, R::NoSuchDisk { .. } | R::NoSuchSerial { .. } | R::NoCandidate { .. })
}

/// Lets people choose a disk, or confirm the one that is meant.
fn ask(
    show: &Show,
    disks: Vec<Disk>,
    decisions: &Decisions,
    needs: &Needs<'_>,
) -> Result<Choice, InitError> {
    let mut named = None;
    if let Some(target) = &decisions.target {
        match target::choose(target, &disks, needs.medium) {
            Ok(disk) => named = Some(disk.path()),
            Err(refusal) => show.say(&refusal.to_string()),
        }
    }
    let mut disks = disks;
    loop {
        let offer = |disk| Offer::of(Path::new(ROOT), disk, needs, &decisions.saved);
        let offers = numbered(disks.iter().filter_map(offer).collect());
        let mut dialog = Dialog::new(offers, named.take().as_deref());
        let reply = loop {
            show.ask(&dialog.question());
            let line = match show.consoles().read_line(None) {
                Heard::Line(line) => line,
                Heard::Silence | Heard::Nobody => return Err(InitError::Nobody),
            };
            match dialog.answer(&line) {
                Reply::Ask(said) if said.is_empty() => {}
                Reply::Ask(said) => show.say(said.trim_end()),
                other => break other,
            }
        };
        match reply {
            Reply::Install(offer) => {
                // what was blank when it was shown must still be
                let may_wipe = decisions.may_wipe || !offer.is_blank;
                return Ok(Choice::Disk { target: Target::Path(offer.path), may_wipe });
            }
            Reply::Leave(power) => return Ok(Choice::Leave(power)),
            Reply::Rescan | Reply::Ask(_) => disks = disks::load(Path::new(ROOT))?,
        }
    }
}

/// What follows an installation.
fn after(show: &Show, decisions: &Decisions, installed: &Installed) -> Power {
    match decisions.then {
        Then::PowerOff => return Power::Off,
        Then::Shell => {
            if let Err(error) = enter(show, installed) {
                show.warn(&Report::of(&error));
                goodbye(show, None);
            }
        }
        Then::Reboot if decisions.is_unattended => {}
        Then::Reboot => goodbye(show, Some(GOODBYE)),
    }
    Power::Restart
}

fn enter(show: &Show, installed: &Installed) -> Result<(), InitError> {
    let is_root = |placed: &Placed| placed.partition.role == Role::Root;
    let index = installed.partitions.iter().position(is_root);
    let number = index.and_then(|index| u32::try_from(index + 1).ok()).unwrap_or(0);
    let Some((_, deployment)) = &installed.deployment else {
        let disk = installed.disk.clone();
        return Err(MachineError::NoPartition { disk, number }.into());
    };
    shell::run(show, &installed.disk, number, deployment)
}

fn goodbye(show: &Show, patience: Option<Duration>) {
    show.ask("take the medium out; Enter restarts the machine: ");
    let _ = show.consoles().read_line(patience);
    show.say("");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::blueprint::Blueprint;
    use crate::digest::Sha256Digest;
    use crate::installer::config::Wishes;
    use crate::pipeline::carried::Facts;
    use crate::registry::{Reference, TargetRef};
    use crate::settings::Settings;
    use crate::spec::{Arch, VolumeId};
    use crate::units::ByteLen;

    /// The request that a medium's build becomes.
    fn request(blueprint: Option<Blueprint>, keys: Option<&[u8]>, ids: Ids) -> Request {
        let source = Reference::parse("registry.example/os:1").unwrap();
        let mut built = Request::new(source, "registry.example/os:1".to_owned(), Arch::X86_64);
        built.settings.hostname = Some("built".to_owned());
        built.root_ssh_authorized_keys = Some(b"built".to_vec());
        let facts = Facts {
            volume_id: VolumeId::parse("OS-1").unwrap(),
            name: "OS",
            image_digest: Sha256Digest::of(b""),
            least: ByteLen(1),
            target: &TargetRef::parse("registry.example/os:1").unwrap(),
        };
        let decisions = Wishes { ids: Some(ids), ..Wishes::default() }.settle().unwrap();
        let wanted = Wanted { decisions, blueprint, keys: keys.map(<[u8]>::to_vec) };
        let carried = Carried::of(&built, facts);
        to_request(&carried, &wanted, Path::new("/l"), &Surroundings::default()).unwrap()
    }

    #[test]
    fn the_build_is_the_mediums() {
        let request = request(None, None, Ids::Derived);
        assert_eq!(request.settings.hostname.as_deref(), Some("built"));
        assert_eq!(request.root_ssh_authorized_keys.as_deref(), Some(&b"built"[..]));
        assert_eq!((request.ids, request.threads), (request::Ids::Derived, 1));
        assert_eq!(request.output, Path::new("/run"));
        assert!(request.notices.is_empty());
    }

    #[test]
    fn what_the_owner_says_later_counts() {
        let hostname = Some("later".to_owned());
        let settings = Settings { hostname, ..Settings::default() };
        let blueprint = Blueprint { settings, ..Blueprint::default() };
        let again = || request(Some(blueprint.clone()), Some(b"later"), Ids::Random);
        let request = again();
        assert_eq!(request.settings, blueprint.settings);
        assert_eq!(request.root_ssh_authorized_keys.as_deref(), Some(&b"later"[..]));
        assert_eq!(request.notices.len(), 1);
        assert_ne!(request.ids, again().ids);
    }
}
