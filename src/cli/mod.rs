//! The command line: the only room that prints, and the only one that looks at what is around.
//!
//! | file | what it is |
//! |---|---|
//! | `args` | options as typed |
//! | `drop_in` | what scripts for bootc-image-builder say |
//! | `surroundings` | environment, host and chance |
//! | `request`, `trust` | options as meant |
//! | `config` | blueprints: `config check`, `config schema` |
//! | `progress` | events drawn as bars, lines or JSON |
//! | `report` | an error as text, with its causes |
//! | `hint` | what to do about it |
//! | `signals` | Ctrl-C |
//! | `install` | an installation onto a disk of this machine |
//! | `init` | the installer: this program as the first process of a machine |
//! | `inspect` | reports on images and disks, as text or JSON |
//! | `iso` | media that are changed in place, and what they hold |
//! | `generate` | completions and manual pages |
//!
//! stdout gets the paths of the artifacts, one a line, when everything is complete; everything else
//! goes to stderr. Exit codes: 0 when everything asked for exists, 1 on failure, 2 when the command
//! line makes no sense, 128 and the signal's number (130 for Ctrl-C) when stopped.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;

use self::args::{Args, BuildArgs, Command};
use self::config::ConfigCommand;
use self::progress::Screen;
use self::report::Report;
use self::request::RequestError;
use self::surroundings::Surroundings;
use crate::pipeline;
use crate::progress::{Cancel, Reporter};

mod args;
mod config;
mod drop_in;
mod generate;
mod hint;
mod init;
mod inspect;
mod install;
mod installer;
mod iso;
mod progress;
mod report;
mod request;
mod signals;
mod surroundings;
mod trust;

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

/// Does what the command line says.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.into_iter().collect();
    if let Some(code) = init::run(&words) {
        return code;
    }
    let args = match Args::try_parse_from(drop_in::translate(words)) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are such "errors" too, with code 0; nobody reads them on a closed pipe.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(USAGE).into();
        }
    };
    let around = Surroundings::read();
    let result = match args.command {
        Command::Build(args) => return build(&args, &around),
        Command::Config { command } => return config(&command, &around),
        Command::Install(args) => return install::run(&args, &around),
        Command::Inspect(args) => return inspect::run(&args, &around),
        Command::Iso { command } => return iso::run(&command, &around),
        Command::Completions { shell } => print(&generate::completions(shell)),
        Command::Man { directory } => generate::man(&directory),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::print_report(&Report::of(&error), &around);
            FAILURE.into()
        }
    }
}

fn config(command: &ConfigCommand, around: &Surroundings) -> ExitCode {
    let report = match config::run(command) {
        Ok((text, warnings)) => {
            for warning in warnings {
                progress::print_warning(&warning, around);
            }
            match print(text.as_bytes()) {
                Ok(()) => return ExitCode::SUCCESS,
                Err(error) => Report::of(&error),
            }
        }
        Err(error) => Report::of(&error),
    };
    progress::print_report(&report, around);
    FAILURE.into()
}

fn build(args: &BuildArgs, around: &Surroundings) -> ExitCode {
    let screen = progress::screen(&args.work, around);
    let request = match request::request(args, around) {
        Ok(request) => request,
        Err(error) => return refuse(&error, &*screen),
    };
    let build =
        |reporter: &Arc<dyn Reporter>, cancel: &Cancel| pipeline::build(&request, reporter, cancel);
    watched(&screen, build, |outcome, screen| print_paths(&outcome.artifacts, screen))
}

/// Says that the command line asks for nothing that can be done.
fn refuse(error: &RequestError, screen: &dyn Screen) -> ExitCode {
    screen.fail(&Report::of(error));
    if error.is_usage() { USAGE } else { FAILURE }.into()
}

/// Does long work that the screen shows and that Ctrl-C stops.
fn watched<T>(
    screen: &Arc<dyn Screen>,
    work: impl FnOnce(&Arc<dyn Reporter>, &Cancel) -> Result<T, pipeline::Error>,
    done: impl FnOnce(T, &dyn Screen) -> ExitCode,
) -> ExitCode {
    let cancel = Cancel::default();
    let reporter: Arc<dyn Reporter> = screen.clone();
    let stopped_by = signals::watch(&cancel, &reporter);
    let result = work(&reporter, &cancel);
    screen.clear();
    match result {
        Ok(outcome) => done(outcome, &**screen),
        Err(_) if let Some(code) = stopped_by.exit_code() => {
            screen.fail(&Report::interrupted());
            code.into()
        }
        Err(error) => {
            screen.fail(&Report::of(&error));
            FAILURE.into()
        }
    }
}

fn print_paths(paths: &[PathBuf], screen: &dyn Screen) -> ExitCode {
    let mut text = Vec::new();
    for path in paths {
        text.extend_from_slice(path.as_os_str().as_encoded_bytes());
        text.push(b'\n');
    }
    match print(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.fail(&Report::of(&error));
            FAILURE.into()
        }
    }
}

/// What a command that builds nothing can fail at.
#[derive(Debug, thiserror::Error)]
enum OutputError {
    /// stdout takes nothing.
    #[error("writing to stdout")]
    Stdout(#[source] io::Error),
    /// A folder or a file in it.
    #[error("writing `{}`", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Writes to stdout. A reader that went away had enough: no error.
fn print(bytes: &[u8]) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError::Stdout(error)),
        _ => Ok(()),
    }
}
