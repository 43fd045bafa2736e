//! `install`: the image goes onto a disk of this machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::args::InstallArgs;
use super::request::{self, RequestError};
use super::surroundings::Surroundings;
use super::{print_paths, progress, refuse, watched};
use crate::installer::saved::Glob;
use crate::installer::target::Target;
use crate::pipeline::Request;
use crate::pipeline::onto::{self, Installed, Wish};
use crate::progress::{Cancel, Event, Reporter};
use crate::units::ByteLen;

/// Installs, and prints the disk.
pub fn run(args: &InstallArgs, around: &Surroundings) -> ExitCode {
    let screen = progress::screen(&args.work, around);
    let meant = meant(args)
        .and_then(|(target, saved)| Ok((target, saved, request::installation(args, around)?)));
    let (target, saved, request) = match meant {
        Ok(meant) => meant,
        Err(error) => return refuse(&error, &*screen),
    };
    let work = |reporter: &Arc<dyn Reporter>, cancel: &Cancel| {
        let wish = Wish {
            target: &target,
            may_wipe: args.wipe,
            saved: &saved,
            medium: &[],
            least: ByteLen(0),
            sector: None,
            is_dry_run: args.dry_run,
            log: None,
        };
        install(&request, &wish, reporter, cancel)
    };
    watched(&screen, work, |installed, screen| match installed.deployment {
        Some(_) => print_paths(&[PathBuf::from(installed.disk)], screen),
        None => ExitCode::SUCCESS,
    })
}

fn install(
    request: &Request,
    wish: &Wish<'_>,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<Installed, crate::pipeline::Error> {
    let installed = onto::install(request, wish, reporter, cancel)?;
    if wish.is_dry_run {
        let Installed { disk, size, .. } = &installed;
        let name = format!("nothing was written: the image would go onto {disk} ({size})");
        reporter.report(Event::Stage { name });
    }
    Ok(installed)
}

/// The disk and the labels as meant. Links in `/dev/disk` lead to the device's own name.
fn meant(args: &InstallArgs) -> Result<(Target, Vec<Glob>), RequestError> {
    let target = Target::parse(&args.target).map_err(RequestError::Disk)?;
    let target = match target {
        Target::Path(path) => {
            let real = Path::new(&path).canonicalize().ok();
            Target::Path(real.and_then(|real| real.to_str().map(str::to_owned)).unwrap_or(path))
        }
        other => other,
    };
    let saved = args.saved.iter().map(|glob| Glob::parse(glob)).collect::<Result<_, _>>();
    Ok((target, saved.map_err(RequestError::Saved)?))
}
