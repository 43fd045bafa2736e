//! `bootc-image iso`: media that are changed after they were made, and what they hold.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::args::ReportFormat;
use super::report::{Report, indented};
use super::request::{self, RequestError};
use super::surroundings::Surroundings;
use super::{FAILURE, OutputError, USAGE, print, progress};
use crate::installer::area::INSTALL_TOML_LEN;
use crate::pipeline::customize_medium::{
    Change, Checksum, InstallerConfig, MediumError, Outcome, Shown, customize, reset, show,
};

/// What to do with a medium.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum IsoCommand {
    /// Replace what the installer is told, and print the medium's path. What is not named stays.
    Customize {
        /// Change this medium, in place unless told.
        #[arg(value_name = "ISO")]
        medium: PathBuf,

        /// Leave it alone, and write a changed copy here.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,

        /// What to replace.
        #[command(flatten)]
        changes: Changes,
    },
    /// Print what a medium holds: the image, and what the installer is told.
    Show {
        /// Look at this medium.
        #[arg(value_name = "ISO")]
        medium: PathBuf,

        /// Write text for people, or JSON for programs.
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
    /// Make a medium what it was when it was made, and print its path.
    Reset {
        /// Change this medium, in place unless told.
        #[arg(value_name = "ISO")]
        medium: PathBuf,

        /// Leave it alone, and write a copy here.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// What is replaced.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Changes {
    /// Let the installer do what this `install.toml` says.
    #[arg(long, value_name = "FILE")]
    pub installer_config: Option<PathBuf>,

    /// Add a kernel argument to the menu; repeat it for several. Those of an earlier change go.
    #[arg(long = "karg", value_name = "ARG")]
    pub kargs: Vec<String>,

    /// Let root log in with the public SSH keys in this file.
    #[arg(long, value_name = "FILE")]
    pub root_ssh_authorized_keys: Option<PathBuf>,
}

/// Why a medium stays as it is.
#[derive(Debug, thiserror::Error)]
enum IsoError {
    /// Keys or arguments that cannot be used.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The installer's configuration cannot be read.
    #[error("reading `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The installer's configuration is larger than its area.
    #[error(
        "`{}` is longer than the {INSTALL_TOML_LEN} bytes that a medium has for it", .0.display()
    )]
    TooLarge(PathBuf),
    /// The medium.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// stdout.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Does it.
pub(super) fn run(command: &IsoCommand, around: &Surroundings) -> ExitCode {
    match done(command, around) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::print_report(&report(&error), around);
            match error {
                IsoError::Request(error) if error.is_usage() => USAGE.into(),
                _ => FAILURE.into(),
            }
        }
    }
}

fn done(command: &IsoCommand, around: &Surroundings) -> Result<(), IsoError> {
    let outcome = match command {
        IsoCommand::Customize { medium, output, changes } => {
            customize(medium, output.as_deref(), &change(changes, around)?)?
        }
        IsoCommand::Reset { medium, output } => reset(medium, output.as_deref())?,
        IsoCommand::Show { medium, format } => {
            return Ok(print(told(&show(medium)?, *format).as_bytes())?);
        }
    };
    tell(&outcome, around)
}

/// The report of the error that is meant: hints are found by its type.
fn report(error: &IsoError) -> Report {
    match error {
        IsoError::Request(error) => Report::of(error),
        IsoError::Medium(error) => Report::of(error),
        IsoError::Output(error) => Report::of(error),
        IsoError::Read { .. } | IsoError::TooLarge(_) => Report::of(error),
    }
}

/// Reads and checks the files that are named.
fn change(changes: &Changes, around: &Surroundings) -> Result<Change, IsoError> {
    let Changes { installer_config, kargs, root_ssh_authorized_keys } = changes;
    kargs.iter().try_for_each(|karg| request::check_karg("--karg", karg))?;
    let installer_config = match installer_config {
        Some(path) => {
            let (config, warnings) = InstallerConfig::check(&path.to_string_lossy(), &read(path)?)?;
            for warning in warnings {
                progress::print_warning(&warning, around);
            }
            Some(config)
        }
        None => None,
    };
    Ok(Change {
        installer_config,
        keys: root_ssh_authorized_keys.as_deref().map(request::read_keys).transpose()?,
        kargs: Some(kargs.clone()).filter(|kargs| !kargs.is_empty()),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, IsoError> {
    let limit = u64::try_from(INSTALL_TOML_LEN).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    match read {
        Ok(read) if read > INSTALL_TOML_LEN => Err(IsoError::TooLarge(path.to_owned())),
        Ok(_) => Ok(bytes),
        Err(source) => Err(IsoError::Read { path: path.to_owned(), source }),
    }
}

fn tell(outcome: &Outcome, around: &Surroundings) -> Result<(), IsoError> {
    match &outcome.checksum {
        Checksum::Untouched => {}
        Checksum::Renewed(path) => {
            progress::print_note(&format!("`{}` has the new checksum", path.display()));
        }
        Checksum::NotUnderstood(path) => {
            let message = format!("`{}` is not renewed: it has no single sum", path.display());
            progress::print_warning(&message, around);
        }
    }
    let line = [outcome.path.as_os_str().as_encoded_bytes(), b"\n"].concat();
    Ok(print(&line)?)
}

fn told(shown: &Shown, format: ReportFormat) -> String {
    if format == ReportFormat::Json {
        let json = serde_json::to_string_pretty(shown);
        return json.expect("strings are always JSON") + "\n";
    }
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        text += &format!("{name:<18}{}\n", indented(value));
    };
    line("volume", &shown.volume_id);
    let known = [
        ("system", &shown.name),
        ("image digest", &shown.image_digest),
        ("updates from", &shown.target),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            line(name, value);
        }
    }
    let changed = shown.changed.join(", ");
    line("changed", if changed.is_empty() { "nothing" } else { &changed });
    line("kernel arguments", &shown.kargs.join(" "));
    for (name, content) in [
        ("install.toml", &shown.installer_config),
        ("authorized_keys", &shown.root_ssh_authorized_keys),
    ] {
        let content = if content.is_empty() { "(empty)" } else { content.as_str() };
        text += &format!("\n{name}\n    {}\n", indented(content));
    }
    text
}
