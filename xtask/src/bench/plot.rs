//! The plot of growth: an SVG with a panel for each axis, drawn by hand.
//!
//! Colours follow the reader's scheme, light or dark. Axes begin at zero: what grows linearly lies
//! on a line, and what costs nothing per file starts where the axes meet.

use super::scale::Growth;

const PANEL: f64 = 360.0;
const HEIGHT: f64 = 300.0;
/// Around the area that is drawn in: left, top, right, bottom.
const MARGINS: (f64, f64, f64, f64) = (56.0, 40.0, 16.0, 48.0);

const STYLE: &str = "\
text { font: 12px sans-serif; fill: #24292f }
.title { font-weight: bold }
.grid { stroke: #d0d7de; stroke-width: 1 }
.ours { stroke: #0550ae; fill: #0550ae }
.floor { stroke: #8c6a00; fill: #8c6a00 }
polyline.ours, polyline.floor { fill: none; stroke-width: 2 }
.floor.line { stroke-dasharray: 5 4 }
text.ours, text.floor { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .grid { stroke: #3d444d }
  .ours { stroke: #79c0ff; fill: #79c0ff }
  .floor { stroke: #e3b341; fill: #e3b341 }
}
";

/// One panel beside the other.
pub fn svg(panels: &[Growth]) -> String {
    let width = panels.iter().fold(0.0, |width, _| width + PANEL);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\">\n\
         <title>Seconds that a build takes, for larger and larger images</title>\n\
         <style>\n{STYLE}</style>\n"
    );
    let mut left = 0.0;
    for growth in panels {
        text += &format!("<g transform=\"translate({left} 0)\">\n{}</g>\n", panel(growth));
        left += PANEL;
    }
    text + "</svg>\n"
}

fn panel(growth: &Growth) -> String {
    let ours = growth.points(|part| &part.ours);
    let floor = growth.points(|part| &part.floor);
    let largest = |of: fn(&(f64, f64)) -> f64| {
        ours.iter().chain(&floor).map(of).max_by(f64::total_cmp).unwrap_or(1.0)
    };
    let (across, up) = (Scale::to(largest(|point| point.0)), Scale::to(largest(|point| point.1)));
    let (left, top, right, bottom) = MARGINS;
    let x = |value: f64| left + value / across.end * (PANEL - left - right);
    let y = |value: f64| HEIGHT - bottom - value / up.end * (HEIGHT - top - bottom);

    let mut text = format!("<text class=\"title\" x=\"{left}\" y=\"20\">{}</text>\n", growth.name);
    for value in across.ticks() {
        text += &format!(
            "<line class=\"grid\" x1=\"{0:.1}\" y1=\"{1:.1}\" x2=\"{0:.1}\" y2=\"{2:.1}\"/>\n\
             <text x=\"{0:.1}\" y=\"{3:.1}\" text-anchor=\"middle\">{value}</text>\n",
            x(value),
            y(0.0),
            y(up.end),
            y(0.0) + 18.0
        );
    }
    for value in up.ticks() {
        text += &format!(
            "<line class=\"grid\" x1=\"{0:.1}\" y1=\"{1:.1}\" x2=\"{2:.1}\" y2=\"{1:.1}\"/>\n\
             <text x=\"{3:.1}\" y=\"{4:.1}\" text-anchor=\"end\">{value}</text>\n",
            x(0.0),
            y(value),
            x(across.end),
            x(0.0) - 6.0,
            y(value) + 4.0
        );
    }
    text += &format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
         <text transform=\"translate(14 {:.1}) rotate(-90)\" text-anchor=\"middle\">seconds</text>\n",
        x(across.end / 2.0),
        HEIGHT - 8.0,
        growth.axis.label(),
        y(up.end / 2.0)
    );
    for (name, points) in [("floor", &floor), ("ours", &ours)] {
        let at: Vec<_> = points.iter().map(|point| (x(point.0), y(point.1))).collect();
        let path: Vec<_> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        text += &format!("<polyline class=\"{name} line\" points=\"{}\"/>\n", path.join(" "));
        for (x, y) in &at {
            text += &format!("<circle class=\"{name}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>\n");
        }
        if let Some((x, y)) = at.last() {
            text += &format!(
                "<text class=\"{name}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\n",
                x - 6.0,
                y - 8.0
            );
        }
    }
    text
}

/// An axis from zero to a round number, with a few steps that are round too.
struct Scale {
    end: f64,
    step: f64,
}

impl Scale {
    fn to(largest: f64) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let power = 10_f64.powf(largest.log10().floor());
        let steps = [0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5].map(|step| step * power);
        let step = steps.into_iter().find(|step| largest / step <= 5.0).unwrap_or(power);
        // what is hardly beyond a tick takes no step more
        Self { end: (largest / step - 0.01).ceil() * step, step }
    }

    fn ticks(&self) -> Vec<f64> {
        let values = (0..=10_i32).map(|i| f64::from(i) * self.step);
        // a thousandth of a step, so that a sum of tenths is written as people write it
        let round = |value: f64| (value / self.step * 1e3).round() * self.step / 1e3;
        let tidy = |value: f64| (round(value) * 1e6).round() / 1e6;
        values.filter(|value| *value <= self.end * 1.001).map(tidy).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::measure::{Sample, Series};
    use super::super::scale::{Axis, Part};
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(Scale::to(4.03).ticks(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(Scale::to(300.01).ticks(), [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(Scale::to(0.92).ticks(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(Scale::to(0.0).ticks().len(), 6);
    }

    #[test]
    fn every_part_is_a_point_in_both_lines() {
        let series = |wall: f64, files: u64| Series {
            name: String::new(),
            samples: vec![Sample { wall, ..Sample::default() }],
            facts: json!({"files": files}),
        };
        let part =
            |files, wall| Part { floor: series(wall / 2.0, files), ours: series(wall, files) };
        let growth = Growth {
            name: "many-files".into(),
            axis: Axis::Files,
            parts: vec![part(100_000, 1.0), part(200_000, 2.0)],
        };
        let text = svg(&[growth.clone(), growth]);
        assert_eq!(text.matches("<circle class=\"ours\"").count(), 4);
        assert_eq!(text.matches("<polyline").count(), 4);
        assert!(text.contains("files, thousands") && text.contains(">seconds<"));
        // the last point of ours: as far right and as high as the axes go
        assert!(text.contains("points=\"200.0,146.0 344.0,40.0\""), "{text}");
        assert_eq!(text.matches('<').count(), text.matches('>').count());
    }
}
