//! `cargo xtask test`: everything in one run, and an account of it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::Tier;
use bootc_image_vm_tests::product;

use crate::packages;
use crate::tally::Tally;

/// A kind of tests and how `cargo test` finds it.
struct Kind {
    name: &'static str,
    arguments: &'static [&'static str],
    ignored_too: bool,
}

const VM_TESTS: &str = "bootc-image-vm-tests";

const KINDS: &[Kind] = &[
    Kind { name: "unit", arguments: &["-p", "bootc-image", "--lib", "--bins"], ignored_too: false },
    Kind {
        name: "golden and conformance",
        arguments: &["-p", "bootc-image", "--test", "*"],
        ignored_too: false,
    },
    Kind { name: "documentation", arguments: &["-p", "bootc-image", "--doc"], ignored_too: false },
    Kind {
        name: "the whole program",
        arguments: &["-p", "bootc-image-fixtures", "--test", "*"],
        ignored_too: false,
    },
    Kind {
        name: "of the test tools",
        arguments: &["-p", "bootc-image-fixtures", "-p", "xtask", "--lib", "--bins"],
        ignored_too: false,
    },
];

const MACHINES: Kind =
    Kind { name: "virtual machines", arguments: &["-p", VM_TESTS], ignored_too: true };

/// Runs the tests of a tier; true when nothing failed (and, for the full tier, nothing was skipped).
pub fn run(tier: Tier) -> Result<bool> {
    let start = Instant::now();
    let mut results = Vec::new();
    if tier == Tier::Quick {
        if let [_, ..] = packages::missing(packages::REFERENCES)[..] {
            eprintln!("some reference tools are missing; cargo xtask test installs them");
        }
    } else {
        packages::ensure(&[packages::FIXTURE, packages::MACHINES, packages::REFERENCES].concat())?;
        debian::layouts()?;
    }
    for kind in KINDS {
        results.push((kind.name, timed(|| cargo_test(kind, tier))?));
    }
    if tier == Tier::Quick {
        let mut tally = Tally::default();
        tally.skip("virtual machines are not for --quick");
        results.push((MACHINES.name, (tally, Duration::ZERO)));
    } else {
        product::binary().context("building the program for the virtual machines")?;
        results.push((MACHINES.name, timed(|| cargo_test(&MACHINES, tier))?));
    }
    Ok(report(&results, tier, start.elapsed()))
}

fn timed(test: impl FnOnce() -> Result<Tally>) -> Result<(Tally, Duration)> {
    let start = Instant::now();
    Ok((test()?, start.elapsed()))
}

/// Runs one kind, showing all its output, and counts.
fn cargo_test(kind: &Kind, tier: Tier) -> Result<Tally> {
    eprintln!("\n== {} ==", kind.name);
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("test").args(["--no-fail-fast", "--quiet"]).args(kind.arguments);
    command.args(["--", "--show-output", "--format=pretty"]);
    if kind.ignored_too || tier == Tier::Full {
        command.arg("--include-ignored");
    }
    let name = match tier {
        Tier::Full => "full",
        Tier::Quick => "quick",
        Tier::Cached | Tier::Ci => "ci",
    };
    command.env("BOOTC_IMAGE_TIER", name).env("RUST_LIB_BACKTRACE", "0");
    if tier == Tier::Full {
        command.env("EXT4_CASES", "2000");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting cargo test")?;
    let mut tally = Tally::default();
    for line in BufReader::new(child.stdout.take().expect("stdout is piped")).lines() {
        let line = line?;
        println!("{line}");
        tally.line(&line);
    }
    // without a failed test this is an error of the compiler or a crash
    if !child.wait()?.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

fn report(results: &[(&str, (Tally, Duration))], tier: Tier, elapsed: Duration) -> bool {
    let mut total = Tally::default();
    println!("\n{:<24} {:>7} {:>7} {:>8} {:>7}", "", "passed", "failed", "skipped", "s");
    for (name, (tally, time)) in results {
        let (passed, failed, skips) = (tally.passed, tally.failed, tally.skips());
        println!("{name:<24} {passed:>7} {failed:>7} {skips:>8} {:>7.1}", time.as_secs_f64());
        total.add(tally);
    }
    for (why, count) in &total.skipped {
        println!("skipped {count}: {why}");
    }
    println!("in {:.0} s", elapsed.as_secs_f64());
    println!("{total}");
    total.failed == 0 && (tier != Tier::Full || total.skips() == 0)
}
