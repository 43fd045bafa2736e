//! `bootc-image inspect`: which of the two is meant, and the report on stdout.
//!
//! What begins with a transport (`oci:`, `docker://`) is an image. Anything else is a disk when there
//! is such a file or folder, or when it is written like a path; and an image otherwise.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;

use super::args::{Args, BuildArgs, Command, InspectArgs, ReportFormat};
use super::progress::{self, Screen};
use super::report::Report;
use super::surroundings::Surroundings;
use super::{FAILURE, USAGE, print, request};
use crate::inspect::Scratch;
use crate::pipeline;
use crate::progress::{Cancel, Event, Reporter};
use crate::registry::Reference;

mod text;

/// Looks, and tells.
pub(super) fn run(args: &InspectArgs, around: &Surroundings) -> ExitCode {
    let scratch = Scratch::new(&around.temporary);
    let build = build_args(args);
    let screen = progress::screen(&build.work, around);
    let told = match meant(&args.what) {
        Meant::Disk(path) => pipeline::inspect::disk(&path, &scratch)
            .map(|report| told(&report, args.format, text::disk)),
        Meant::Image => match request::request(&build, around) {
            Ok(request) => {
                let reporter: Arc<dyn Reporter> = Arc::new(WithoutWarnings(Arc::clone(&screen)));
                let cancel = Cancel::default();
                pipeline::inspect::image(&request, &scratch, &reporter, &cancel)
                    .map(|report| told(&report, args.format, text::image))
            }
            Err(error) => {
                screen.fail(&Report::of(&error));
                return if error.is_usage() { USAGE } else { FAILURE }.into();
            }
        },
    };
    screen.clear();
    let result = match told {
        Ok(text) => print(text.as_bytes()).map_err(|error| Report::of(&error)),
        Err(error) => Err(Report::of(&error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            screen.fail(&report);
            FAILURE.into()
        }
    }
}

/// A report in the form that was asked for.
fn told<T: serde::Serialize>(
    report: &T,
    format: ReportFormat,
    text: impl FnOnce(&T) -> String,
) -> String {
    match format {
        ReportFormat::Text => text(report),
        ReportFormat::Json => {
            let json = serde_json::to_string_pretty(report);
            json.expect("strings and numbers are always JSON") + "\n"
        }
    }
}

/// What a word means.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    Disk(PathBuf),
    Image,
}

fn meant(what: &str) -> Meant {
    let is_named = match Reference::parse(what) {
        Ok(Reference::Registry(_) | Reference::Short(_)) => what.starts_with("docker://"),
        Ok(_) => true,
        Err(_) => false,
    };
    let is_path = ["/", "./", "../"].iter().any(|begin| what.starts_with(begin))
        || matches!(what, "." | "..")
        || Path::new(what).exists();
    if is_path && !is_named { Meant::Disk(PathBuf::from(what)) } else { Meant::Image }
}

/// The build whose image this would be: one without other options.
fn build_args(args: &InspectArgs) -> BuildArgs {
    let parsed = Args::try_parse_from(["bootc-image", "build", "--", &args.what]);
    let Ok(Args { command: Command::Build(mut build) }) = parsed else {
        unreachable!("a build takes any word for an image");
    };
    build.system.arch = args.arch;
    build.access.clone_from(&args.access);
    build.work.progress = args.progress;
    *build
}

/// Progress without warnings: the report has them.
struct WithoutWarnings(Arc<dyn Screen>);

impl Reporter for WithoutWarnings {
    fn report(&self, event: Event) {
        if !matches!(event, Event::Warning { .. }) {
            self.0.report(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Access;

    #[test]
    fn paths_are_disks_and_names_are_images() {
        let disk = |path: &str| Meant::Disk(PathBuf::from(path));
        for (what, expected) in [
            ("./disk.raw", disk("./disk.raw")),
            ("/nowhere/disk.qcow2", disk("/nowhere/disk.qcow2")),
            ("Cargo.toml", disk("Cargo.toml")),
            ("src", disk("src")),
            ("oci:src", Meant::Image),
            ("oci-archive:Cargo.toml", Meant::Image),
            ("docker://host.example/os:1", Meant::Image),
            ("host.example/os:1", Meant::Image),
        ] {
            assert_eq!(meant(what), expected, "{what}");
        }
    }

    #[test]
    fn any_word_can_be_looked_at() {
        for what in ["x", "--type", "-", "", "a b"] {
            let args = InspectArgs {
                what: what.to_owned(),
                format: ReportFormat::Text,
                arch: None,
                access: Access::default(),
                progress: super::super::args::ProgressStyle::None,
            };
            assert_eq!(build_args(&args).image, what);
        }
    }
}
