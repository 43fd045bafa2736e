//! `cargo xtask test`: everything in one run, and an account of it.
//!
//! | tier | program under test | virtual machines | a skip |
//! |---|---|---|---|
//! | quick | as the tests are built | none | is told |
//! | ci | as the tests are built, with all assertions | few | is told |
//! | full | as it is released | all | is a failure |

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::Tier;
use bootc_image_vm_tests::product;

use crate::borrowed;
use crate::executables::{Executables, Test, root};
use crate::packages;
use crate::tally::{Tally, Transcript};

/// The name and the value of an environment variable.
type Variable = (&'static str, OsString);

/// A kind of tests, in the order they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unit,
    Conformance,
    Documentation,
    Program,
    TestTools,
    Machines,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Unit,
        Self::Conformance,
        Self::Documentation,
        Self::Program,
        Self::TestTools,
        Self::Machines,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Conformance => "golden and conformance",
            Self::Documentation => "documentation",
            Self::Program => "the whole program",
            Self::TestTools => "of the test tools",
            Self::Machines => "virtual machines",
        }
    }

    /// The kind of a test, by its package and target.
    fn of(test: &Test) -> Result<Self> {
        Ok(match (&*test.package, &*test.target) {
            ("", "lib" | "bin") => Self::Unit,
            ("", "test") => Self::Conformance,
            ("fixtures", "test") => Self::Program,
            ("fixtures" | "vm-tests" | "xtask", "lib" | "bin") => Self::TestTools,
            ("vm-tests", "test") => Self::Machines,
            (package, target) => bail!("{package}: {target} {} is of no kind", test.name),
        })
    }
}

/// Runs the tests of a tier; true when nothing failed (and, for the full tier, nothing was skipped).
pub fn run(tier: Tier) -> Result<bool> {
    let start = Instant::now();
    if tier == Tier::Quick {
        if let [_, ..] = packages::missing(packages::REFERENCES)[..] {
            eprintln!("some reference tools are missing; cargo xtask test installs them");
        }
    } else {
        let machines = [packages::MACHINES, packages::ARM64_MACHINES].concat();
        let fixtures = [packages::FIXTURE, packages::ARM64].concat();
        let tools = [packages::REFERENCES, packages::FLOOR].concat();
        packages::ensure(&[fixtures, machines, tools].concat())?;
        debian::layouts()?;
    }
    let borrowed = borrowed(tier)?;
    let executables = Executables::build()?;
    let mut tests = Vec::new();
    for test in &executables.tests {
        tests.push((Kind::of(test)?, test));
    }
    let surroundings = [borrowed, surroundings(tier, &executables)?].concat();

    let mut results = Vec::new();
    for kind in Kind::ALL {
        let start = Instant::now();
        let tally = if (kind, tier) == (Kind::Machines, Tier::Quick) {
            Tally::left_out("virtual machines are not for --quick")
        } else {
            eprintln!("\n== {} ==", kind.name());
            let of_kind = tests.iter().filter(|(k, _)| *k == kind).map(|(_, test)| *test);
            run_kind(kind, tier, of_kind, &surroundings)?
        };
        results.push((kind.name(), (tally, start.elapsed())));
    }
    Ok(report(&results, tier, start.elapsed()))
}

/// The variables by which tests find what this machine lacks.
///
/// It comes from a release in the making: only where everything must have been tested it is an
/// error that there is none. Elsewhere the tests that need it are skipped, and say so.
fn borrowed(tier: Tier) -> Result<Vec<Variable>> {
    let (programs, policy) = match tier {
        Tier::Full => (
            [Some(borrowed::composefs()?), Some(borrowed::kickstart()?)],
            Some(borrowed::policy()?),
        ),
        Tier::Quick => {
            let programs = [borrowed::cached_composefs(), borrowed::cached_kickstart()];
            (programs, borrowed::cached_policy()?)
        }
        Tier::Cached | Tier::Ci => {
            ([told(borrowed::composefs()), told(borrowed::kickstart())], told(borrowed::policy()))
        }
    };
    let folders: Vec<PathBuf> = programs.into_iter().flatten().collect();
    let mut variables = vec![("PATH", packages::search_path(&folders)?)];
    if let (Some(policy), None) = (policy, std::env::var_os(borrowed::CONTEXTS)) {
        variables.push((borrowed::CONTEXTS, policy.into()));
    }
    Ok(variables)
}

/// What was made, or nothing and a word about it.
fn told<T>(made: Result<T>) -> Option<T> {
    made.inspect_err(|error| eprintln!("doing without: {error:#}")).ok()
}

/// What tests find in their environment.
fn surroundings(tier: Tier, executables: &Executables) -> Result<Vec<Variable>> {
    let name = match tier {
        Tier::Full => "full",
        Tier::Quick => "quick",
        Tier::Cached | Tier::Ci => "ci",
    };
    let mut variables = vec![("BOOTC_IMAGE_TIER", name.into()), ("RUST_LIB_BACKTRACE", "0".into())];
    if tier == Tier::Full {
        variables.push(("EXT4_CASES", "2000".into()));
        let program = product::binary().context("building the program as it is released")?;
        variables.push(("BOOTC_IMAGE_BIN", program.into()));
    } else if std::env::var_os("BOOTC_IMAGE_BIN").is_none() {
        variables.push(("BOOTC_IMAGE_BIN", executables.product.clone().into()));
    }
    Ok(variables)
}

/// Runs the tests of one kind.
fn run_kind<'a>(
    kind: Kind,
    tier: Tier,
    tests: impl Iterator<Item = &'a Test>,
    surroundings: &[Variable],
) -> Result<Tally> {
    let mut commands = Vec::new();
    if kind == Kind::Documentation {
        let mut cargo = product::cargo();
        cargo.args(["test", "--workspace", "--doc", "--no-fail-fast", "--quiet", "--"]);
        cargo.current_dir(root());
        commands.push((kind.name(), cargo));
    }
    commands.extend(tests.map(|test| (&*test.name, test.command())));
    let mut tally = Tally::default();
    for (name, mut command) in commands {
        command.args(["--show-output", "--format=pretty"]);
        if kind == Kind::Machines || tier == Tier::Full {
            command.arg("--include-ignored");
        }
        command.envs(surroundings.iter().map(|(name, value)| (name, value)));
        eprintln!("-- {name}");
        tally.add(&run_one(name, command)?);
    }
    if tally.fail_if_empty() {
        eprintln!("error: there are no tests of this kind");
    }
    Ok(tally)
}

/// Runs one executable, showing all its output, and counts.
fn run_one(name: &str, mut command: Command) -> Result<Tally> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| name.to_owned())?;
    let mut transcript = Transcript::default();
    let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        transcript.line(text.trim_end_matches(['\r', '\n']));
        line.clear();
    }
    let status = child.wait()?;
    if !status.success() {
        eprintln!("error: {name}: {status}");
    }
    Ok(transcript.finish(status.success()))
}

fn report(results: &[(&str, (Tally, Duration))], tier: Tier, elapsed: Duration) -> bool {
    let mut total = Tally::default();
    println!("\n{:<24} {:>7} {:>7} {:>8} {:>7}", "", "passed", "failed", "skipped", "s");
    for (name, (tally, time)) in results {
        let (passed, failed, skipped) = (tally.passed, tally.failed, tally.skipped);
        println!("{name:<24} {passed:>7} {failed:>7} {skipped:>8} {:>7.1}", time.as_secs_f64());
        total.add(tally);
    }
    for (why, count) in &total.reasons {
        println!("skipped {count}: {why}");
    }
    println!("in {:.0} s", elapsed.as_secs_f64());
    println!("{total}");
    total.failed == 0 && (tier != Tier::Full || total.skipped == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_of_the_kind_of_their_package_and_target() {
        let of = |package: &str, target: &str| {
            let name = "x".to_owned();
            Kind::of(&Test {
                package: package.into(),
                target: target.into(),
                name,
                path: "x".into(),
            })
        };
        let kinds = [("", "lib"), ("", "test"), ("fixtures", "test"), ("xtask", "bin")]
            .map(|(package, target)| of(package, target).unwrap());
        assert_eq!(kinds, [Kind::Unit, Kind::Conformance, Kind::Program, Kind::TestTools]);
        assert_eq!(of("vm-tests", "test").unwrap(), Kind::Machines);
        let error = of("new", "test").unwrap_err().to_string();
        assert_eq!(error, "new: test x is of no kind");
    }
}
