//! The tasks of this repository.
//!
//! ```text
//! cargo xtask demo [--boot]           makes a disk from the Debian fixture, and boots it
//! cargo xtask test [--quick|--full]   runs the tests and says which ran
//! cargo xtask bench [OPTIONS]         measures, beside the floor and others; docs/performance.md
//! cargo xtask dist                    builds the program as it is handed out, linked statically
//! cargo xtask fixture [NAME]          only builds the Debian fixture, or another (needs root);
//!                                     `grub-tools`: GRUB of three releases (needs no root);
//!                                     `borrowed`: what tests borrow from a newer Debian
//! ```
#![allow(clippy::disallowed_methods, reason = "tasks run other programs")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tasks talk to people")]

mod bench;
mod borrowed;
mod demo;
mod executables;
mod packages;
mod suite;
mod tally;

use std::process::ExitCode;

use anyhow::{Result, bail};
use bootc_image_fixtures::tier::Tier;
use bootc_image_fixtures::{arm64, bootupd, chunked, cloud, debian, forky, general, grub_tools};
use bootc_image_vm_tests::product;

const USAGE: &str = "usage: cargo xtask demo [--boot] | test [--quick|--full] | dist | \
                     bench [--quick] [OPTIONS] | \
                     fixture [arm64|bootupd|cloud|forky|general|chunked|grub-tools|borrowed]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<bool> {
    match arguments {
        ["demo"] => demo::run(false).map(|()| true),
        ["demo", "--boot"] => demo::run(true).map(|()| true),
        ["test"] => suite::run(Tier::Ci),
        ["test", "--quick"] => suite::run(Tier::Quick),
        ["test", "--full"] => suite::run(Tier::Full),
        ["dist"] => {
            println!("{}", product::dist()?.display());
            Ok(true)
        }
        ["bench", options @ ..] => bench::run(options),
        ["fixture"] => {
            packages::ensure(packages::FIXTURE)?;
            let layouts = debian::layouts()?;
            println!("{}\n{}", layouts.gzip.display(), layouts.zstd.display());
            Ok(true)
        }
        ["fixture", "borrowed"] => {
            packages::ensure(packages::FIXTURE)?;
            println!("PATH=$PATH:{}", borrowed::composefs()?.display());
            println!("{}={}", borrowed::CONTEXTS, borrowed::policy()?.display());
            Ok(true)
        }
        ["fixture", "grub-tools"] => {
            packages::ensure(packages::FIXTURE)?;
            for suite in grub_tools::Suite::ALL {
                println!("{}", grub_tools::tools(suite)?.root().display());
            }
            Ok(true)
        }
        ["fixture", name] => {
            packages::ensure(packages::FIXTURE)?;
            let layout = match *name {
                "arm64" => {
                    packages::ensure(packages::ARM64)?;
                    arm64::layout()
                }
                "bootupd" => bootupd::layout(),
                "cloud" => cloud::layout(),
                "forky" => forky::layout(),
                "general" => general::layout(),
                "chunked" => {
                    packages::ensure(packages::ENCAPSULATION)?;
                    chunked::layout()
                }
                _ => bail!(USAGE),
            };
            println!("{}", layout?.display());
            Ok(true)
        }
        _ => bail!(USAGE),
    }
}
