//! Whether more threads help, and whether twice the image takes twice the time.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::acceptance::mebibytes;
use super::measure::Series;
use super::report::{seconds, table, times};
use super::stats;

/// With how many threads the same disk is made.
pub const THREADS: [usize; 4] = [1, 2, 4, 8];

/// One image with more and more threads.
#[derive(Debug, Clone)]
pub struct Threads {
    /// The image.
    pub name: String,
    /// In the order of [`THREADS`].
    pub all: Vec<Series>,
}

impl Threads {
    /// The same, if all disks are the same to the byte.
    pub fn same(self) -> Result<Self> {
        for series in &self.all {
            ensure!(
                series.facts == self.all[0].facts,
                "{}: {} makes {}, {} makes {}",
                self.name,
                self.all[0].name,
                self.all[0].facts,
                series.name,
                series.facts
            );
        }
        Ok(self)
    }

    /// As a table.
    pub fn to_table(&self) -> String {
        let first = self.all.first().map(Series::walls).unwrap_or_default();
        let row = |series: &Series| {
            vec![
                series.name.clone(),
                seconds(&series.walls()),
                seconds(&series.cpus()),
                times(stats::ratio(&first, &series.walls())),
                format!("{:.0}", mebibytes(series.peak())),
            ]
        };
        let head = ["", "wall s", "CPU s", "times as fast", "peak MiB"];
        table(&head, &self.all.iter().map(row).collect::<Vec<_>>())
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let all: Vec<_> = self.all.iter().map(Series::to_json).collect();
        json!({"image": self.name, "contenders": all})
    }
}

/// What a growing image grows in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Its content, in GiB.
    Bytes,
    /// Its files, in thousands.
    Files,
}

impl Axis {
    /// As an axis of a plot is labelled.
    pub fn label(self) -> &'static str {
        match self {
            Self::Bytes => "content of files, GiB",
            Self::Files => "files, thousands",
        }
    }
}

/// One part of a growing image.
#[derive(Debug, Clone)]
pub struct Part {
    /// The floor, whose facts have the part's sizes.
    pub floor: Series,
    /// We.
    pub ours: Series,
}

/// Larger and larger parts of one image.
#[derive(Debug, Clone)]
pub struct Growth {
    /// The image.
    pub name: String,
    /// What it grows in.
    pub axis: Axis,
    /// From the smallest on.
    pub parts: Vec<Part>,
}

impl Growth {
    /// Size and median of elapsed seconds of each part.
    pub fn points(&self, of: impl Fn(&Part) -> &Series) -> Vec<(f64, f64)> {
        let point = |part: &Part| {
            let fact = |key: &str| part.floor.facts[key].as_f64();
            let size = match self.axis {
                Axis::Bytes => fact("bytes")? / f64::from(1 << 30),
                Axis::Files => fact("files")? / 1e3,
            };
            Some((size, stats::median(&of(part).walls())?))
        };
        self.parts.iter().filter_map(point).collect()
    }

    /// As a table.
    pub fn to_table(&self) -> String {
        let ours = self.points(|part| &part.ours);
        let row = |(part, (size, _)): (&Part, &(f64, f64))| {
            vec![
                format!("{size:.2}"),
                seconds(&part.floor.walls()),
                seconds(&part.ours.walls()),
                seconds(&part.ours.cpus()),
                format!("{:.0}", mebibytes(part.ours.peak())),
            ]
        };
        let head = [self.axis.label(), "floor, wall s", "ours, wall s", "ours, CPU s", "peak MiB"];
        let mut text = table(&head, &self.parts.iter().zip(&ours).map(row).collect::<Vec<_>>());
        if let (Some((start, rise)), Some(bend)) = (stats::line(&ours), stats::bend(&ours)) {
            text += &format!(
                "\nThe nearest line: {start:.2} s and {rise:.4} s for each unit; no point is \
                 farther from it than {:.0} % of the largest.\n",
                100.0 * bend
            );
        }
        text
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        let part =
            |part: &Part| json!({"floor": part.floor.to_json(), "ours": part.ours.to_json()});
        json!({
            "image": self.name,
            "axis": self.axis.label(),
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
            "bend": stats::bend(&self.points(|part| &part.ours)),
        })
    }
}
