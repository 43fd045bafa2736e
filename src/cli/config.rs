//! Blueprints on the command line: loading one, checking one, and the schema of all.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::config::blueprint::{Blueprint, BlueprintError, SCHEMA};

/// The most that is read of a blueprint: files are written out in it.
const LIMIT_BYTES: u64 = 64 << 20;

/// What to do with a blueprint.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Read a blueprint and tell everything that is wrong with it.
    Check {
        /// Check this file, `….toml` or `….json`; `-` reads JSON from stdin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the JSON schema of blueprints.
    Schema,
}

/// Why there is no blueprint.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("reading `{}`", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is larger than any that people write.
    #[error("`{}` is larger than {} MiB", .path.display(), LIMIT_BYTES >> 20)]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// The file is wrong.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
}

/// Reads a blueprint from a file, or from stdin where the path is `-`.
pub(super) fn load(path: &Path) -> Result<Blueprint, ConfigFileError> {
    let bytes = if path == Path::new("-") {
        read(&mut io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| read(&mut file))
    };
    let failed = |source| ConfigFileError::Read { path: path.to_owned(), source };
    let bytes = bytes.map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > LIMIT_BYTES) {
        return Err(ConfigFileError::TooLarge { path: path.to_owned() });
    }
    Ok(Blueprint::parse(&path.to_string_lossy(), &bytes)?)
}

/// One byte more than is allowed, so that the caller sees that there is more.
fn read(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a command prints, and warnings.
pub(super) fn run(command: &ConfigCommand) -> Result<(String, Vec<String>), ConfigFileError> {
    match command {
        ConfigCommand::Check { file } => {
            let blueprint = load(file)?;
            Ok((format!("{}: ok\n", file.display()), blueprint.warnings))
        }
        ConfigCommand::Schema => Ok((SCHEMA.to_owned(), Vec::new())),
    }
}
