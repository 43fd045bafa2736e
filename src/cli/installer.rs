//! The installer's configuration on the command line.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::config::blueprint::{BlueprintError, InstallFile};

/// The most that is read of it: it becomes a part of a medium.
const LIMIT_BYTES: u64 = 4 << 20;

/// Why there is no configuration for the installer.
#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    /// The file cannot be read.
    #[error("reading `{}`", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is larger than any that people write.
    #[error("`{}` is larger than {} MiB", .0.display(), LIMIT_BYTES >> 20)]
    TooLarge(PathBuf),
    /// What it says is wrong.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
}

/// Reads `install.toml`; as it is, with what is to be said of it.
pub(super) fn load(path: &Path) -> Result<(Vec<u8>, Vec<String>), InstallerError> {
    let failed = |source| InstallerError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > LIMIT_BYTES) {
        return Err(InstallerError::TooLarge(path.to_owned()));
    }
    let parsed = InstallFile::parse(&path.to_string_lossy(), &bytes)?;
    Ok((bytes, parsed.blueprint.warnings))
}
