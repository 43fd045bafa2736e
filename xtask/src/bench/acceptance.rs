//! What the figures must be, as ratios within one run of the bench.

use serde_json::{Value, json};

use super::contenders::{FLOOR, QCOW2, RAW, UMOCI};
use super::measure::Series;
use super::report::Contest;
use super::stats;

/// Our raw disk of the fixture takes at most so many times as long as the floor, by compression of
/// the layers. With zstd the floor is lower, and what a disk needs beyond it weighs more.
const WALL: [(&str, f64); 2] = [("fixture-gzip", 1.25), ("fixture-zstd", 1.35)];
/// And so many times as much of the processors.
const CPU: f64 = 1.25;
/// The peer that makes a file system takes at least so many times as long as our whole disk.
const UMOCI_TIMES: f64 = 8.0;
/// `qemu-img` takes at least so many times as long to compress a disk as we do.
const QEMU_TIMES: f64 = 2.0;
/// Our compressed disk has at most so many times the bytes of `qemu-img`'s.
const QCOW2_BYTES: f64 = 1.01;
/// No build takes more memory, in bytes.
const PEAK: f64 = 256.0 * 1024.0 * 1024.0;

/// One demand, and what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// What is compared.
    pub what: String,
    /// The limit.
    pub limit: f64,
    /// Whether the limit is the least allowed, not the most.
    pub at_least: bool,
    /// What was found.
    pub found: f64,
}

impl Demand {
    /// Whether it is met.
    pub fn met(&self) -> bool {
        if self.at_least { self.found >= self.limit } else { self.found <= self.limit }
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let bound = if self.at_least { "at least" } else { "at most" };
        json!({
            "what": self.what, "bound": bound, "limit": self.limit,
            "found": self.found, "met": self.met(),
        })
    }
}

/// All demands that these contests can tell about.
pub fn demands(contests: &[Contest]) -> Vec<Demand> {
    let mut demands = Vec::new();
    for contest in contests {
        for (name, limit) in WALL {
            if contest.name == name {
                demands.extend(floor(contest, limit).into_iter().flatten());
            }
        }
        demands.extend(umoci(contest));
        demands.extend(qcow2(contest));
    }
    demands.extend(peak(contests));
    demands
}

fn floor(contest: &Contest, wall: f64) -> Option<[Demand; 2]> {
    let (floor, ours) = (contest.series(FLOOR)?, contest.series(RAW)?);
    let demand = |what: &str, limit, found| Demand {
        what: format!("{}: {what}, {RAW} / {FLOOR}", contest.name),
        limit,
        at_least: false,
        found,
    };
    Some([
        demand("wall", wall, stats::ratio(&ours.walls(), &floor.walls())?),
        demand("CPU", CPU, stats::ratio(&ours.cpus(), &floor.cpus())?),
    ])
}

fn umoci(contest: &Contest) -> Option<Demand> {
    let (peer, ours) = (contest.series(UMOCI)?, contest.series(RAW)?);
    Some(Demand {
        what: format!("{}: wall, {UMOCI} / {RAW}", contest.name),
        limit: UMOCI_TIMES,
        at_least: true,
        found: stats::ratio(&peer.walls(), &ours.walls())?,
    })
}

fn qcow2(contest: &Contest) -> Vec<Demand> {
    let compare = |(algorithm, ours, peer): (&str, &str, &str)| {
        let (raw, ours, peer) =
            (contest.series(RAW)?, contest.series(ours)?, contest.series(peer)?);
        let bytes = |series: &Series| series.facts["bytes"].as_f64();
        let demand = |what: String, limit, at_least, found| Demand {
            what: format!("{}: {what}", contest.name),
            limit,
            at_least,
            found,
        };
        Some([
            demand(
                format!("wall, qemu-img -c {algorithm} / our encoding alone"),
                QEMU_TIMES,
                true,
                stats::ratio(&peer.walls(), &encoding(ours, raw))?,
            ),
            demand(
                format!("bytes, our qcow2 / qemu-img's, {algorithm}"),
                QCOW2_BYTES,
                false,
                bytes(ours)? / bytes(peer)?,
            ),
        ])
    };
    QCOW2.into_iter().filter_map(compare).flatten().collect()
}

/// What a qcow2 takes beyond the raw disk, round by round. Less than a hundredth of a second is
/// noise, and might even be negative.
pub fn encoding(qcow2: &Series, raw: &Series) -> Vec<f64> {
    qcow2.walls().iter().zip(raw.walls()).map(|(whole, raw)| (whole - raw).max(0.01)).collect()
}

/// The largest of all our builds.
fn peak(contests: &[Contest]) -> Option<Demand> {
    let ours = contests.iter().flat_map(|contest| {
        let ours = contest.all.iter().filter(|series| series.name.starts_with("ours"));
        ours.map(|series| (&contest.name, series))
    });
    let (contest, series) = ours.max_by_key(|(_, series)| series.peak())?;
    Some(Demand {
        what: format!("peak memory in bytes, the largest: {contest}, {}", series.name),
        limit: PEAK,
        at_least: false,
        found: mebibytes(series.peak()) * 1024.0 * 1024.0,
    })
}

/// In MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    // exact up to 4 TiB, in KiB
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::super::measure::Sample;
    use super::*;

    fn series(name: &str, walls: [f64; 3], bytes: u64) -> Series {
        let sample = |wall| Sample { wall, cpu: wall, peak: 100 << 20, written: 0 };
        let facts = json!({"bytes": bytes});
        Series { name: name.into(), samples: walls.map(sample).into(), facts }
    }

    fn contest(all: Vec<Series>) -> Contest {
        Contest { name: "fixture-gzip".into(), compressed_bytes: 0, layers: 1, all }
    }

    #[test]
    fn demands_are_about_what_took_part() {
        let demands = |all| demands(&[contest(all)]);
        assert!(demands(vec![series(FLOOR, [1.0; 3], 0)]).is_empty());
        let found =
            demands(vec![series(FLOOR, [1.0, 2.0, 1.0], 0), series(RAW, [1.2, 2.4, 1.6], 0)]);
        let found: Vec<_> = found.iter().map(|demand| (demand.limit, demand.met())).collect();
        assert_eq!(found, [(1.25, true), (1.25, true), (PEAK, true)]);
    }

    #[test]
    fn the_encoding_is_the_qcow2_without_the_disk() {
        let [(_, ours, peer), _] = QCOW2;
        let all = vec![
            series(RAW, [1.0, 2.0, 1.0], 0),
            series(ours, [2.0, 3.0, 1.5], 102),
            series(peer, [2.5, 1.5, 9.0], 100),
        ];
        let demands = demands(&[contest(all)]);
        let found: Vec<_> = demands.iter().map(|demand| (demand.found, demand.met())).collect();
        assert_eq!(found[..2], [(2.5, true), (1.02, false)]);
    }
}
