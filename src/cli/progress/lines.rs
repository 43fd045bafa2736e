//! Events as lines: one for each step and each finished layer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::builder::styling::{AnsiColor, Style};

use super::{Screen, print};
use crate::cli::report::{Report, indented, label};
use crate::progress::{Event, Reporter};
use crate::units::ByteLen;

const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Shows lines.
#[derive(Debug)]
pub(in crate::cli) struct Lines {
    /// Whether steps are shown; warnings always are.
    steps: bool,
    details: bool,
    colour: bool,
    sizes_bytes: Mutex<Vec<u64>>,
}

impl Lines {
    pub(in crate::cli) fn new(steps: bool, details: bool, colour: bool) -> Self {
        Self { steps, details, colour, sizes_bytes: Mutex::default() }
    }

    /// The line for an event, if it is worth one.
    pub(in crate::cli) fn line(&self, event: &Event) -> Option<String> {
        match event {
            Event::Warning { message } => {
                Some(format!("{} {}", label("warning:", WARNING, self.colour), indented(message)))
            }
            Event::Detail { message } if self.details => Some(indented(message)),
            Event::Stage { name } if self.steps => Some(indented(name)),
            Event::Layers { sizes_bytes } if self.steps => {
                let total = sizes_bytes.iter().fold(0_u64, |sum, len| sum.saturating_add(*len));
                self.sizes().clone_from(sizes_bytes);
                let count = sizes_bytes.len();
                let noun = if count == 1 { "layer" } else { "layers" };
                Some(format!("{count} {noun}, {}", ByteLen(total)))
            }
            Event::LayerDone { layer } if self.steps => {
                let sizes = self.sizes();
                let len = sizes.get(*layer).map(|len| format!(" ({})", ByteLen(*len)));
                Some(format!("layer {} of {}{}", layer + 1, sizes.len(), len.unwrap_or_default()))
            }
            _ => None,
        }
    }

    fn sizes(&self) -> MutexGuard<'_, Vec<u64>> {
        self.sizes_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text for the end.
    pub(super) fn report_text(&self, report: &Report) -> String {
        report.to_text(self.colour)
    }
}

impl Reporter for Lines {
    fn report(&self, event: Event) {
        if let Some(line) = self.line(&event) {
            print(&(line + "\n"));
        }
    }
}

impl Screen for Lines {
    fn fail(&self, report: &Report) {
        print(&self.report_text(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(steps: bool, details: bool, colour: bool) -> Vec<String> {
        let events = [
            Event::Stage { name: "resolving r.example/os".to_owned() },
            Event::Layers { sizes_bytes: vec![1 << 20, 512] },
            Event::LayerRead { layer: 0, bytes: 4096 },
            Event::LayerDone { layer: 0 },
            Event::Warning { message: "odd\x1b[2J".to_owned() },
            Event::Detail { message: "kernel 6.1".to_owned() },
            Event::LayerDone { layer: 1 },
            Event::Encoded { format: "qcow2", done_bytes: 1, total_bytes: 2 },
        ];
        let lines = Lines::new(steps, details, colour);
        events.iter().filter_map(|event| lines.line(event)).collect()
    }

    #[test]
    fn steps_and_finished_layers_get_a_line() {
        let expected = [
            "resolving r.example/os",
            "2 layers, 1.0 MiB",
            "layer 1 of 2 (1.0 MiB)",
            "warning: odd\\u{1b}[2J",
            "layer 2 of 2 (512 bytes)",
        ];
        assert_eq!(lines(true, false, false), expected);
    }

    #[test]
    fn warnings_are_shown_even_when_quiet() {
        assert_eq!(lines(false, false, false), ["warning: odd\\u{1b}[2J"]);
        assert_eq!(lines(false, false, true), ["\x1b[1m\x1b[33mwarning:\x1b[0m odd\\u{1b}[2J"]);
    }

    #[test]
    fn details_are_for_verbose_runs() {
        assert!(lines(true, true, false).contains(&"kernel 6.1".to_owned()));
    }
}
