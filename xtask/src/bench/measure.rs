//! Runs programs by turns and notes what each run cost.
//!
//! ```text
//! round 0   A B C     warms the page cache, and is not counted
//! round 1   A B C     each in its own empty folder, which is removed afterwards
//!   …
//! ```

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bootc_image_vm_tests::tool;
use serde_json::{Value, json};

use super::stats;

/// A program that takes part.
#[derive(Debug, Clone)]
pub struct Contender {
    /// How tables call it.
    pub name: String,
    /// The program and its arguments; they write to [`Lab::folder`] only.
    pub command: Vec<String>,
    /// What is noted of its result, which must be the same in every round.
    pub facts: Facts,
}

/// What can be noted of a result.
#[derive(Debug, Clone)]
pub enum Facts {
    /// The floor's line of JSON; the digests of the blobs must be these.
    Floor(Vec<String>),
    /// The digest of the disk, and the length of the file, from our build record of that name.
    Record(&'static str),
    /// The length of a file in the folder.
    Length(&'static str),
    /// Nothing.
    None,
}

/// What one run cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Seconds elapsed.
    pub wall: f64,
    /// Seconds of processors, in user mode and in the kernel, of all processes.
    pub cpu: f64,
    /// The largest resident set of any of its processes, in bytes.
    pub peak: u64,
    /// The space of all it left behind, in bytes.
    pub written: u64,
}

/// All counted runs of a contender.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// How tables call it.
    pub name: String,
    /// In the order of rounds.
    pub samples: Vec<Sample>,
    /// What was noted of its result.
    pub facts: Value,
}

impl Series {
    /// Elapsed seconds, round by round.
    pub fn walls(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.wall).collect()
    }

    /// Seconds of processors, round by round.
    pub fn cpus(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.cpu).collect()
    }

    /// The largest peak of all rounds, in bytes.
    pub fn peak(&self) -> u64 {
        self.samples.iter().map(|sample| sample.peak).max().unwrap_or(0)
    }

    /// The space of what was left behind, in bytes, at most.
    pub fn written(&self) -> u64 {
        self.samples.iter().map(|sample| sample.written).max().unwrap_or(0)
    }

    /// As JSON, with every single run.
    pub fn to_json(&self) -> Value {
        let times = |times: Vec<f64>| {
            json!({
                "median": stats::median(&times), "min": stats::minimum(&times), "all": times,
            })
        };
        json!({
            "name": self.name,
            "wall_s": times(self.walls()),
            "cpu_s": times(self.cpus()),
            "peak_bytes": self.peak(),
            "written_bytes": self.written(),
            "facts": self.facts,
        })
    }
}

/// Where programs run.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The launcher, compiled.
    pub launcher: PathBuf,
    /// The folder for everything: on the same file system for all.
    pub root: PathBuf,
    /// On so many processors.
    pub cpus: usize,
}

impl Lab {
    /// The folder that is empty when a contender starts, and removed after it.
    pub fn folder(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Fails unless the disk has so many bytes free: a full one would disturb more than the bench.
    pub fn needs(&self, bytes: u64, what: &str) -> Result<()> {
        let text = tool(Command::new("df").args(["--output=avail", "-B1"]).arg(&self.root))?;
        let free = text.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
        let free = free.with_context(|| format!("df says {text:?}"))?;
        ensure!(
            free >= bytes,
            "{what} takes {bytes} bytes in {}, which has {free}; choose other parts with --only",
            self.root.display()
        );
        Ok(())
    }

    /// Runs all by turns, first once uncounted, then `runs` times.
    pub fn contest(&self, what: &str, all: &[Contender], runs: usize) -> Result<Vec<Series>> {
        let series =
            |contender: &Contender| Series { name: contender.name.clone(), ..Series::default() };
        let mut found: Vec<Series> = all.iter().map(series).collect();
        for round in 0..=runs {
            for (contender, series) in all.iter().zip(&mut found) {
                let (sample, facts) = self
                    .run(contender)
                    .with_context(|| format!("running {} on {what}", contender.name))?;
                eprintln!(
                    "{what}: round {round} of {runs}: {}: {:.2} s, CPU {:.2} s",
                    contender.name, sample.wall, sample.cpu
                );
                if round == 0 {
                    series.facts = facts;
                    continue;
                }
                ensure!(
                    facts == series.facts,
                    "{}: another result in round {round}: {facts}, not {}",
                    contender.name,
                    series.facts
                );
                series.samples.push(sample);
            }
        }
        Ok(found)
    }

    fn run(&self, contender: &Contender) -> Result<(Sample, Value)> {
        let (folder, report) = (self.folder(), self.root.join("cost.json"));
        empty(&folder)?;
        let output = Command::new(&self.launcher)
            .arg(self.cpus.to_string())
            .arg(&report)
            .args(&contender.command)
            .output()
            .with_context(|| format!("starting {}", self.launcher.display()))?;
        ensure!(
            output.status.success(),
            "{:?}: {}\n{}{}",
            contender.command,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut sample = sample(&json(&report)?).context("reading what a run cost")?;
        sample.written = allocated(&folder)?;
        let facts = facts(&contender.facts, &folder, &output.stdout)?;
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        Ok((sample, facts))
    }
}

/// Makes a folder, or makes it empty.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}

fn sample(cost: &Value) -> Option<Sample> {
    let seconds = |key: &str| cost[key].as_f64();
    Some(Sample {
        wall: seconds("wall_s")?,
        cpu: seconds("user_s")? + seconds("sys_s")?,
        peak: cost["peak_bytes"].as_u64()?,
        written: 0,
    })
}

fn facts(facts: &Facts, folder: &Path, stdout: &[u8]) -> Result<Value> {
    match facts {
        Facts::None => Ok(Value::Null),
        Facts::Length(name) => Ok(json!({"bytes": length(&folder.join(name))?})),
        Facts::Record(types) => {
            let record = json(&folder.join(format!("manifest-{types}.json")))?;
            let lengths = record["artifacts"].as_array().context("the record has no artifacts")?;
            let bytes: u64 = lengths.iter().filter_map(|file| file["size_bytes"].as_u64()).sum();
            let digest = record["disk"]["blocks_sha256"].as_str().context("no digest of blocks")?;
            Ok(json!({"blocks_sha256": digest, "bytes": bytes}))
        }
        Facts::Floor(blobs) => {
            let facts: Value = serde_json::from_slice(stdout).context("reading what floor says")?;
            ensure!(facts["blobs"] == json!(blobs), "floor computes other digests: {facts}");
            Ok(facts)
        }
    }
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
}

fn length(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len())
}

/// The space of everything below a folder.
fn allocated(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += metadata.blocks() * 512;
        if metadata.is_dir() {
            sum += allocated(&entry.path())?;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_medians_and_every_run() {
        let sample = |wall| Sample { wall, cpu: 2.0 * wall, peak: 1 << 20, written: 4096 };
        let series = Series {
            name: "a".into(),
            samples: vec![sample(3.0), sample(1.0), sample(2.0)],
            facts: json!({"bytes": 7}),
        };
        let expected = json!({
            "name": "a",
            "wall_s": {"median": 2.0, "min": 1.0, "all": [3.0, 1.0, 2.0]},
            "cpu_s": {"median": 4.0, "min": 2.0, "all": [6.0, 2.0, 4.0]},
            "peak_bytes": 1_048_576,
            "written_bytes": 4096,
            "facts": {"bytes": 7},
        });
        assert_eq!(series.to_json(), expected);
    }
}
