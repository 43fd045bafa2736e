//! Completions and manual pages, from the definition of the command line.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::OutputError;
use super::args::Args;

/// The completion script.
pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "bootc-image", &mut script);
    script
}

/// Writes `bootc-image.1`, `bootc-image-build.1` and so on.
pub(super) fn man(directory: &Path) -> Result<(), OutputError> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .map_err(|source| OutputError::File { path: directory.to_owned(), source })
}
