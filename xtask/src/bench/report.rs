//! The figures as tables of Markdown, which read well on a terminal too, and as JSON.

use serde_json::{Value, json};

use super::acceptance::{Demand, encoding, mebibytes};
use super::contenders::{FLOOR, QCOW2, RAW};
use super::measure::Series;
use super::scale::{Growth, Threads};
use super::stats;

/// What was measured with one image.
#[derive(Debug, Clone)]
pub struct Contest {
    /// The image.
    pub name: String,
    /// The length of its layers.
    pub compressed_bytes: u64,
    /// How many there are.
    pub layers: usize,
    /// Everybody who took part; the floor is the first.
    pub all: Vec<Series>,
}

impl Contest {
    /// One who took part.
    pub fn series(&self, name: &str) -> Option<&Series> {
        self.all.iter().find(|series| series.name == name)
    }

    fn floor_facts(&self) -> Value {
        self.series(FLOOR).map_or(Value::Null, |floor| floor.facts.clone())
    }
}

/// All that one run of the bench found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What the machine has that matters: processors, instruction sets, memory.
    pub machine: Value,
    /// Counted runs of each.
    pub runs: usize,
    /// Image by image.
    pub contests: Vec<Contest>,
    /// One image with more and more threads.
    pub threads: Option<Threads>,
    /// Larger and larger images.
    pub growth: Vec<Growth>,
    /// What could not take part, and why.
    pub skipped: Vec<String>,
    /// What the figures must be.
    pub demands: Vec<Demand>,
}

impl Report {
    /// As JSON, with every single run.
    pub fn to_json(&self) -> Value {
        let contest = |contest: &Contest| {
            json!({
                "image": contest.name,
                "layers": contest.layers,
                "compressed_bytes": contest.compressed_bytes,
                "contenders": contest.all.iter().map(Series::to_json).collect::<Vec<_>>(),
            })
        };
        json!({
            "version": 1,
            "machine": self.machine,
            "runs": self.runs,
            "contests": self.contests.iter().map(contest).collect::<Vec<_>>(),
            "threads": self.threads.as_ref().map(Threads::to_json),
            "growth": self.growth.iter().map(Growth::to_json).collect::<Vec<_>>(),
            "skipped": self.skipped,
            "acceptance": self.demands.iter().map(Demand::to_json).collect::<Vec<_>>(),
        })
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let machine = self.machine["summary"].as_str().unwrap_or_default();
        let mut text = format!("Measured on {machine}; {} runs each.\n", self.runs);
        if !self.contests.is_empty() {
            text += "\nThe images:\n\n";
            text += &images(&self.contests);
        }
        for contest in &self.contests {
            text += &format!("\n`{}`, median (least):\n\n{}", contest.name, costs(contest));
        }
        if let Some(threads) = &self.threads {
            text += &format!("\n`{}` with more threads:\n\n{}", threads.name, threads.to_table());
        }
        for growth in &self.growth {
            text += &format!("\n`{}`, parts of it:\n\n{}", growth.name, growth.to_table());
        }
        if !self.demands.is_empty() {
            text += "\nThe demands:\n\n";
            text += &demanded(&self.demands);
        }
        for skipped in &self.skipped {
            text += &format!("\nSkipped: {skipped}\n");
        }
        text
    }
}

/// A table of Markdown with aligned columns; the first is text, the others are numbers.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!(" {cell:<width$} ") } else { format!(" {cell:>width$} ") }
        });
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let rules = widths.iter().enumerate().map(|(column, width)| {
        let dashes = "-".repeat(width + 1);
        if column == 0 { format!("{dashes}-") } else { format!("{dashes}:") }
    });
    let rules = format!("|{}|\n", rules.collect::<Vec<_>>().join("|"));
    let body = rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
    [line(&mut head.iter().copied()), rules].into_iter().chain(body).collect()
}

/// The median of times, and the least of them.
pub fn seconds(times: &[f64]) -> String {
    match (stats::median(times), stats::minimum(times)) {
        (Some(median), Some(least)) => format!("{median:.2} ({least:.2})"),
        _ => "-".into(),
    }
}

/// A ratio for a table.
pub fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"))
}

fn images(contests: &[Contest]) -> String {
    let row = |contest: &Contest| {
        let facts = contest.floor_facts();
        let size = |key: &str| facts[key].as_u64().map_or(0.0, mebibytes);
        vec![
            contest.name.clone(),
            contest.layers.to_string(),
            facts["files"].to_string(),
            format!("{:.0}", size("bytes")),
            format!("{:.0}", size("unique_bytes")),
            format!("{:.0}", mebibytes(contest.compressed_bytes)),
        ]
    };
    let head = ["image", "layers", "files", "content MiB", "once each", "compressed MiB"];
    table(&head, &contests.iter().map(row).collect::<Vec<_>>())
}

fn costs(contest: &Contest) -> String {
    let floor = contest.series(FLOOR);
    let over = |of: &[f64], to: fn(&Series) -> Vec<f64>| {
        times(floor.and_then(|floor| stats::ratio(of, &to(floor))))
    };
    let mut rows = Vec::new();
    for series in &contest.all {
        let (walls, cpus) = (series.walls(), series.cpus());
        rows.push(vec![
            series.name.clone(),
            seconds(&walls),
            over(&walls, Series::walls),
            seconds(&cpus),
            over(&cpus, Series::cpus),
            format!("{:.0}", mebibytes(series.peak())),
            format!("{:.1}", mebibytes(series.written())),
        ]);
        let is_qcow2 = QCOW2.iter().any(|(_, ours, _)| *ours == series.name);
        if let (true, Some(raw)) = (is_qcow2, contest.series(RAW)) {
            let alone = encoding(series, raw);
            let mut row = vec!["… its encoding alone".into(), seconds(&alone)];
            row.push(over(&alone, Series::walls));
            row.resize(7, String::new());
            rows.push(row);
        }
    }
    let head = ["", "wall s", "× floor", "CPU s", "× floor", "peak MiB", "written MiB"];
    table(&head, &rows)
}

fn demanded(demands: &[Demand]) -> String {
    let row = |demand: &Demand| {
        let show = |number: f64| {
            if number >= 1e6 {
                format!("{:.0} MiB", number / 1024.0 / 1024.0)
            } else {
                format!("{number:.3}")
            }
        };
        vec![
            demand.what.clone(),
            format!("{} {}", if demand.at_least { "≥" } else { "≤" }, show(demand.limit)),
            show(demand.found),
            if demand.met() { "met".into() } else { "MISSED".into() },
        ]
    };
    let rows: Vec<_> = demands.iter().map(row).collect();
    table(&["", "demanded", "found", ""], &rows)
}

#[cfg(test)]
mod tests {
    use super::super::measure::Sample;
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["ours".into(), "1.25".into()], vec!["×".into(), "10".into()]];
        let expected = "\
            |      | wall s |\n\
            |------|-------:|\n\
            | ours |   1.25 |\n\
            | ×    |     10 |\n";
        assert_eq!(table(&["", "wall s"], &rows), expected);
    }

    #[test]
    fn a_report_names_what_everybody_took() {
        let series = |name: &str, wall: f64| Series {
            name: name.into(),
            samples: vec![Sample { wall, cpu: 2.0 * wall, peak: 3 << 20, written: 5 << 20 }; 5],
            facts: json!({"files": 9, "bytes": 1 << 20, "unique_bytes": 1 << 20}),
        };
        let contest = Contest {
            name: "fixture-gzip".into(),
            compressed_bytes: 1 << 19,
            layers: 2,
            all: vec![series(FLOOR, 1.0), series(RAW, 1.5)],
        };
        let machine = json!({"summary": "two processors"});
        let report = Report { machine, runs: 5, contests: vec![contest], ..Report::default() };
        let text = report.to_markdown();
        assert!(text.starts_with("Measured on two processors; 5 runs each.\n"), "{text}");
        assert!(text.contains("| fixture-gzip |      2 |     9 |           1 |"), "{text}");
        let ours = "| ours (raw) | 1.50 (1.50) |    1.50 | 3.00 (3.00) |    1.50 |        3 |";
        assert!(text.contains(ours), "{text}");
        let json = report.to_json();
        let keys: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "acceptance",
                "contests",
                "growth",
                "machine",
                "runs",
                "skipped",
                "threads",
                "version"
            ]
        );
        assert_eq!(json["contests"][0]["contenders"][1]["wall_s"]["median"], 1.5);
    }
}
