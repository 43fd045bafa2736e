//! What `cargo xtask bench` was asked for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

/// The command line.
const USAGE: &str = "bench [--quick] [--runs N] [--cpus N] [--only NAME,…] [--json FILE] \
                         [--markdown FILE] [--svg FILE] [--check]";

/// Every part of the bench, in the order it runs.
pub const PARTS: [&str; 11] = [
    "fixture-gzip",
    "fixture-zstd",
    "many-files-gzip",
    "many-files-zstd",
    "few-large-gzip",
    "few-large-zstd",
    "many-layers-gzip",
    "many-layers-zstd",
    "threads",
    "growth-bytes",
    "growth-files",
];

/// What is measured, and where the figures go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Counted runs of each.
    pub runs: usize,
    /// Processors for each; none: all there are.
    pub cpus: Option<usize>,
    /// The parts to run.
    pub parts: Vec<&'static str>,
    /// Where every figure goes; none: `target/bench/bench.json`.
    pub json: Option<PathBuf>,
    /// Where the tables go besides.
    pub markdown: Option<PathBuf>,
    /// Where the plot of growth goes.
    pub svg: Option<PathBuf>,
    /// Whether it is a failure that a ratio is missed.
    pub check: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runs: 5,
            cpus: None,
            parts: PARTS.into(),
            json: None,
            markdown: None,
            svg: None,
            check: false,
        }
    }
}

impl Options {
    /// Reads the arguments behind `bench`.
    pub fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(&option) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{option} takes a value"));
            match option {
                "--quick" => options.parts = parts("fixture")?,
                "--check" => options.check = true,
                "--runs" => options.runs = count(option, value()?)?,
                "--cpus" => options.cpus = Some(count(option, value()?)?),
                "--json" => options.json = Some(value()?.into()),
                "--markdown" => options.markdown = Some(value()?.into()),
                "--svg" => options.svg = Some(value()?.into()),
                "--only" => options.parts = parts(value()?)?,
                _ => bail!("unknown option {option}; usage: cargo xtask {USAGE}"),
            }
        }
        Ok(options)
    }
}

fn count(option: &str, value: &str) -> Result<usize> {
    let count = value.parse().with_context(|| format!("{option} {value}"))?;
    ensure!(count > 0, "{option} must be at least 1");
    Ok(count)
}

/// The parts whose names begin so.
fn parts(names: &str) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for name in names.split(',') {
        let before = found.len();
        found.extend(PARTS.iter().filter(|part| part.starts_with(name)));
        ensure!(found.len() > before, "no part is named {name}; there are: {}", PARTS.join(", "));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_chosen_by_the_begin_of_their_names() {
        let options = Options::parse(&["--only", "fixture-z,growth", "--runs", "7"]).unwrap();
        assert_eq!(options.parts, ["fixture-zstd", "growth-bytes", "growth-files"]);
        assert_eq!(options.runs, 7);
        let quick = Options::parse(&["--quick", "--check"]).unwrap();
        assert_eq!(quick.parts, ["fixture-gzip", "fixture-zstd"]);
        assert!(quick.check);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in
            [&["--runs", "0"][..], &["--only", "fixtures"], &["--json"], &["--fast"], &["gzip"]]
        {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
