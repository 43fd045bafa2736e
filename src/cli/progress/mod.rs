//! Events drawn on stderr: as bars, as lines, as JSON, or warnings only.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use super::args::{ProgressStyle, WorkArgs};
use super::report::{Report, indented};
use super::surroundings::Surroundings;
use crate::progress::{Event, Reporter};

mod bars;
mod json;
mod lines;

pub(super) use lines::Lines;

/// Something that shows events, and how it all ended.
pub(super) trait Screen: Reporter {
    /// Takes away what moves: nothing more will happen.
    fn clear(&self) {}

    /// Shows why there is no disk.
    fn fail(&self, report: &Report);
}

/// What was asked for.
pub(super) fn screen(args: &WorkArgs, around: &Surroundings) -> Arc<dyn Screen> {
    let colour = has_colour(around);
    let style = if args.quiet { ProgressStyle::None } else { args.progress };
    let moves = io::stderr().is_terminal() && around.terminal_moves;
    let verbose = args.verbose || style == ProgressStyle::Verbose;
    let lines = |steps| Lines::new(steps, verbose, colour);
    match style {
        ProgressStyle::Auto if moves => Arc::new(bars::Bars::new(lines(true))),
        ProgressStyle::Auto | ProgressStyle::Plain | ProgressStyle::Verbose => {
            Arc::new(lines(true))
        }
        ProgressStyle::None => Arc::new(lines(false)),
        ProgressStyle::Json => Arc::new(json::Json::new(args.verbose)),
    }
}

/// Shows an error of the commands that have no progress.
pub(super) fn print_report(report: &Report, around: &Surroundings) {
    print(&report.to_text(has_colour(around)));
}

/// Shows a warning of the commands that have no progress.
pub(super) fn print_warning(message: &str, around: &Surroundings) {
    let message = message.to_owned();
    let lines = Lines::new(false, false, has_colour(around));
    lines.report(Event::Warning { message });
}

/// Says what was done besides, for the commands that have no progress.
pub(super) fn print_note(message: &str) {
    print(&format!("{}\n", indented(message)));
}

fn has_colour(around: &Surroundings) -> bool {
    io::stderr().is_terminal() && !around.no_color && around.terminal_moves
}

/// Writes to stderr in one go; when that is closed there is nobody to tell.
pub(super) fn print(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
