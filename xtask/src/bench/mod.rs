//! `cargo xtask bench`: how long it takes, beside what it must take and what others take.
//!
//! ```text
//! images ─► contenders ─► rounds by turns (launcher: time, memory) ─► medians, ratios ─► tables,
//!  fixture, generated       floor, ours, peers                                       JSON, SVG
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `options` | what was asked for |
//! | `tools` | the programs of `xtask/floor`, compiled |
//! | `images` | images and their layers |
//! | `contenders` | who takes part, with which arguments |
//! | `measure` | rounds, samples, series |
//! | `stats` | medians, ratios, lines |
//! | `scale` | threads, growth |
//! | `acceptance` | what the ratios must be |
//! | `report`, `plot` | tables, JSON, SVG |
//!
//! Times of a shared machine mean nothing; ratios within a round do. A ratio is the median of the
//! rounds' ratios, not the ratio of medians.

mod acceptance;
mod contenders;
mod images;
mod measure;
mod options;
mod plot;
mod report;
mod scale;
mod stats;
mod tools;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};
use bootc_image_fixtures::debian::{self, Layouts};
use bootc_image_fixtures::loads::{self, Load};
use bootc_image_vm_tests::{product, tool};
use serde_json::{Value, json};

use crate::executables::root;
use crate::packages;
use contenders::{QCOW2, Terms};
use images::Image;
use measure::{Contender, Lab};
use options::Options;
use report::{Contest, Report};
use scale::{Axis, Growth, Part, Threads};

/// Runs what was asked for; false when a ratio was missed and that was to be checked.
pub fn run(arguments: &[&str]) -> Result<bool> {
    let options = Options::parse(arguments)?;
    packages::ensure(&[packages::FIXTURE, packages::FLOOR].concat())?;
    let bench = Bench::new(options)?;
    let report = bench.measure()?;
    let text = report.to_markdown();
    println!("{text}");
    let options = &bench.options;
    let json = options.json.clone().unwrap_or_else(|| bench.lab.root.join("bench.json"));
    write(&json, &format!("{:#}\n", report.to_json()))?;
    if let Some(path) = &options.markdown {
        write(path, &text)?;
    }
    if let Some(path) = &options.svg {
        write(path, &plot::svg(&report.growth))?;
    }
    let missed = report.demands.iter().filter(|demand| !demand.met()).count();
    Ok(!options.check || missed == 0)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// One run of the bench.
struct Bench {
    options: Options,
    lab: Lab,
    floor: PathBuf,
    /// Others that are here.
    peers: Vec<&'static str>,
    skipped: Vec<String>,
    /// Held while it runs: two at once would measure each other, in one folder.
    _lock: File,
}

impl Bench {
    fn new(options: Options) -> Result<Self> {
        let folder = root().join("target/bench");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock().context("waiting for another bench")?;
        let cpus = available_parallelism().map_or(1, usize::from);
        let lab = Lab {
            launcher: tools::launcher(&folder)?,
            root: folder.clone(),
            cpus: options.cpus.unwrap_or(cpus).min(cpus),
        };
        let floor = tools::floor(&folder)?;
        let (peers, skipped) = peers()?;
        product::binary()?;
        Ok(Self { options, lab, floor, peers, skipped, _lock: lock })
    }

    fn measure(&self) -> Result<Report> {
        let mut report = Report {
            machine: machine(self.lab.cpus),
            runs: self.options.runs,
            skipped: self.skipped.clone(),
            ..Report::default()
        };
        for part in &self.options.parts {
            match *part {
                "threads" => report.threads = Some(self.threads()?),
                "growth-bytes" => report.growth.push(self.growth(Load::FewLarge, Axis::Bytes)?),
                "growth-files" => report.growth.push(self.growth(Load::ManyFiles, Axis::Files)?),
                name => report.contests.push(self.contest(name)?),
            }
        }
        report.demands = acceptance::demands(&report.contests);
        Ok(report)
    }

    /// The floor and us on one image; on the gzip fixture others too.
    fn contest(&self, name: &str) -> Result<Contest> {
        let image = image(&self.lab, name)?;
        let folder = self.lab.folder();
        let terms = Terms { folder: &folder, threads: self.lab.cpus };
        let mut all = vec![terms.floor(&self.floor, &image), terms.raw(&image)?];
        let disk = self.lab.root.join("disk");
        if name == "fixture-gzip" {
            all.extend(self.formats(&terms, &image, &disk)?);
            if self.peers.contains(&"umoci") {
                all.push(terms.umoci(&image));
            }
            if self.peers.contains(&"ostree") {
                all.push(terms.ostree(&image));
            }
        }
        let all = self.lab.contest(name, &all, self.options.runs);
        if disk.exists() {
            fs::remove_dir_all(&disk).with_context(|| format!("removing {}", disk.display()))?;
        }
        Ok(Contest {
            name: name.into(),
            compressed_bytes: image.compressed_bytes()?,
            layers: image.layers.len(),
            all: all?,
        })
    }

    /// Our compressed qcow2s, and others' of the same disk, which is made for them in `disk`.
    fn formats(&self, terms: &Terms, image: &Image, disk: &Path) -> Result<Vec<Contender>> {
        let mut all = Vec::new();
        let peer = self.peers.contains(&"qemu-img");
        if peer {
            measure::empty(disk)?;
            let made = Terms { folder: disk, threads: terms.threads }.raw(image)?.command;
            let (program, arguments) = made.split_first().context("no command")?;
            tool(std::process::Command::new(program).args(arguments))?;
        }
        for (algorithm, ours, theirs) in QCOW2 {
            all.push(terms.qcow2(image, ours, algorithm)?);
            if peer {
                all.push(terms.qemu_img(&disk.join("image/disk.raw"), theirs, algorithm)?);
            }
        }
        Ok(all)
    }

    /// The same disk with more and more threads, on all processors.
    fn threads(&self) -> Result<Threads> {
        let name = "fixture-gzip";
        let image = image(&self.lab, name)?;
        let folder = self.lab.folder();
        let mut all = Vec::new();
        for threads in scale::THREADS {
            let mut contender = Terms { folder: &folder, threads }.raw(&image)?;
            contender.name = format!("{threads} threads");
            all.push(contender);
        }
        let all = self.lab.contest("threads", &all, self.options.runs)?;
        Threads { name: name.into(), all }.same()
    }

    /// Larger and larger parts of an image.
    fn growth(&self, load: Load, axis: Axis) -> Result<Growth> {
        let layouts = generated(&self.lab, load)?;
        let folder = self.lab.folder();
        let terms = Terms { folder: &folder, threads: self.lab.cpus };
        let mut all = Vec::new();
        for tag in load.tags() {
            let image = Image::open(&layouts.gzip, tag)?;
            for mut contender in [terms.floor(&self.floor, &image), terms.raw(&image)?] {
                contender.name = format!("{}, {tag}", contender.name);
                all.push(contender);
            }
        }
        let what = format!("growth of {}", load.name());
        let all = self.lab.contest(&what, &all, self.options.runs)?;
        let part = |pair: &[measure::Series]| match pair {
            [floor, ours] => Some(Part { floor: floor.clone(), ours: ours.clone() }),
            _ => None,
        };
        let parts = all.chunks_exact(2).filter_map(part).collect();
        Ok(Growth { name: load.name().into(), axis, parts })
    }
}

/// The image that a part of the bench is named after, built now if need be.
fn image(lab: &Lab, name: &str) -> Result<Image> {
    let (which, compression) = name.rsplit_once('-').context("a part of no image")?;
    let layouts = match Load::ALL.into_iter().find(|load| load.name() == which) {
        Some(load) => generated(lab, load)?,
        None => debian::layouts()?,
    };
    let layout = match compression {
        "gzip" => layouts.gzip,
        "zstd" => layouts.zstd,
        _ => bail!("{name} is of no known compression"),
    };
    Image::open(&layout, "latest")
}

/// The layouts of a generated image, if there is room for it and for a disk of it.
fn generated(lab: &Lab, load: Load) -> Result<Layouts> {
    let content = load.bytes();
    let layouts = if loads::cached(load).is_none() { content + content / 4 } else { 0 };
    // small files fill up their blocks
    let disk = content + content / 4 + (2 << 30);
    lab.needs(layouts + disk, load.name())?;
    loads::layouts(load)
}

/// Others that can take part, and why the rest cannot.
fn peers() -> Result<(Vec<&'static str>, Vec<String>)> {
    let mut skipped = Vec::new();
    if let Err(error) = packages::ensure(packages::PEERS) {
        skipped.push(format!("{error:#}"));
    }
    let is_root = fs::metadata("/proc/self").context("reading /proc/self")?.uid() == 0;
    let mut here = Vec::new();
    for &(name, package) in packages::PEERS {
        if !packages::missing(&[(name, package)]).is_empty() {
            skipped.push(format!("{name}: the package {package} is not installed"));
        } else if name == "umoci" && !is_root {
            skipped.push("umoci: it unpacks owners and devices as root only".into());
        } else {
            here.push(name);
        }
    }
    if !here.contains(&"mke2fs") {
        here.retain(|&name| name != "umoci");
    }
    Ok((here, skipped))
}

/// What matters of this machine, and nothing that tells whose it is.
fn machine(cpus: usize) -> Value {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let known = ["sha_ni", "avx2", "avx512bw"];
    let has: Vec<_> = known
        .into_iter()
        .filter(|flag| flags.split_whitespace().any(|word| word == *flag))
        .collect();
    let memory = read("/proc/meminfo");
    let kibibytes = memory.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    let gibibytes = kibibytes.map_or(0, |kibibytes: u64| kibibytes.div_ceil(1 << 20));
    let (arch, features) = (std::env::consts::ARCH, has.join(", "));
    let summary = format!(
        "{cpus} processors ({arch}; {}), {gibibytes} GiB of memory",
        if has.is_empty() { "plain" } else { &features }
    );
    json!({
        "arch": arch, "cpus": cpus, "features": has, "memory_gib": gibibytes, "summary": summary,
    })
}
