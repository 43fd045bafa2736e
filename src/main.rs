//! The `bootc-image` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bootc_image::cli::run(std::env::args_os())
}
