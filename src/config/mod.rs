//! Configuration: what an owner wants ([`blueprint`]), and what the image itself carries:
//! `bootc/install/*.toml`, `bootc/kargs.d/*.toml` and `bootc/bound-images.d`.
//!
//! Those of the image are read as the official installer reads them: files in order of their names, unknown keys
//! refused, fragments for other architectures ignored.

use serde::de::DeserializeOwned;

use crate::files::{Files, FilesError};
use crate::spec::Arch;

pub mod blueprint;
pub mod bound_images;
pub mod install;
pub mod kargs_d;

/// The most that is read of a configuration file.
const LIMIT_BYTES: u64 = 1 << 20;

/// Why the image's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file of the image could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file is not UTF-8.
    #[error("`{path}` is not UTF-8")]
    NotUtf8 {
        /// The path in the image.
        path: String,
    },
    /// A file is no TOML, or says what we do not know.
    #[error("`{path}` line {line}: {problem}")]
    Invalid {
        /// The path in the image.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, on one line.
        problem: String,
    },
    /// A link to a quadlet does not name an image.
    #[error("`{path}` {problem}")]
    BoundImage {
        /// The link in the image.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A wish of the image that must not be passed over.
    #[error("not supported yet: {what} (`{path}`)")]
    NotSupportedYet {
        /// What the image asks for.
        what: &'static str,
        /// Where it says so.
        path: String,
    },
}

/// The names in `directory` that configuration is read from: `*.toml`, not hidden, in byte order.
fn toml_names(files: &dyn Files, directory: &str) -> Vec<String> {
    let wanted = |name: &String| name.ends_with(".toml") && !name.starts_with('.');
    files.names(directory).into_iter().filter(wanted).collect()
}

/// Reads and parses a file that is there.
fn load<T: DeserializeOwned>(files: &dyn Files, path: &str) -> Result<T, ConfigError> {
    let bytes = files.read_following(path, LIMIT_BYTES)?.unwrap_or_default();
    let text =
        str::from_utf8(&bytes).map_err(|_| ConfigError::NotUtf8 { path: path.to_owned() })?;
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        ConfigError::Invalid {
            path: path.to_owned(),
            line: text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1,
            problem: error.message().replace('\n', " "),
        }
    })
}

/// Whether a fragment with these `match-architectures` counts.
fn matches_arch(architectures: Option<&[String]>, arch: Arch) -> bool {
    architectures.is_none_or(|names| names.iter().any(|name| name == arch.rust_name()))
}
