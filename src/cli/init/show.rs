//! Events on all consoles: lines, and one that is written over while layers go by.
//!
//! ```text
//! reading 61 layers, 834.2 MiB
//!  42% [=============>                  ] 351.0 MiB of 834.2 MiB, 12 s
//! ```
//!
//! Only a carriage return moves the cursor, and blanks erase: so a serial line that is recorded reads
//! as well as a screen. Every line goes into the log, with those that are not shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::log::Log;
use crate::cli::progress::Lines;
use crate::cli::report::Report;
use crate::machine::consoles::Consoles;
use crate::progress::{Event, Reporter};
use crate::units::ByteLen;

/// The first line.
pub(super) const BEGUN: &str = "bootc-image installer";
/// What the last line begins with.
pub(super) const DONE: &str = "installation complete";
/// What is said before an error.
pub(super) const FAILED: &str = "installation failed";

/// How often the line that moves is written at most.
const INTERVAL: Duration = Duration::from_millis(500);
const BAR: u64 = 32;
/// How many lines of the log are shown.
const LOG_LINES: usize = 200;

/// What people see.
#[derive(Debug)]
pub(super) struct Show {
    consoles: Consoles,
    lines: Lines,
    started: Instant,
    shows_details: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    log: Log,
    meter: Meter,
    drawn: Option<Instant>,
    /// How much of a line is to be erased before another is written.
    drawn_len: usize,
}

/// How far something is.
#[derive(Debug, Default)]
struct Meter {
    done_bytes: u64,
    total_bytes: u64,
}

impl Show {
    /// Shows on these consoles; time counts from now on.
    pub(super) fn new(consoles: Consoles) -> Self {
        Self {
            consoles,
            lines: Lines::new(true, true, false),
            started: Instant::now(),
            shows_details: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Where it shows, and listens.
    pub(super) fn consoles(&self) -> &Consoles {
        &self.consoles
    }

    /// Shows details too, or not.
    pub(super) fn show_details(&self, whether: bool) {
        self.shows_details.store(whether, Ordering::Relaxed);
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Says who speaks.
    pub(super) fn begin(&self) {
        self.say(&format!("\n{BEGUN} {}", env!("CARGO_PKG_VERSION")));
    }

    /// Says something, with a line feed.
    pub(super) fn say(&self, text: &str) {
        let mut state = self.state();
        state.log.add(self.elapsed(), text);
        self.write(&mut state, &format!("{text}\n"));
    }

    /// Asks something: what was typed before is no answer.
    pub(super) fn ask(&self, text: &str) {
        self.consoles.forget_input();
        let mut state = self.state();
        state.log.add(self.elapsed(), text);
        self.write(&mut state, text);
    }

    /// Shows an error that stops nothing.
    pub(super) fn warn(&self, report: &Report) {
        self.say(report.to_text(false).trim_end());
    }

    /// Shows why there is no installation.
    pub(super) fn fail(&self, report: &Report) {
        self.say(&format!("\n{FAILED}\n\n{}", report.to_text(false)));
    }

    /// Shows the end of the log.
    pub(super) fn print_log(&self) {
        let mut state = self.state();
        let tail = state.log.tail(LOG_LINES);
        self.write(&mut state, &tail);
    }

    /// The whole log.
    pub(super) fn log(&self) -> Vec<u8> {
        self.state().log.text().into_bytes()
    }

    /// Writes a text where nothing moves any more.
    fn write(&self, state: &mut State, text: &str) {
        let blanks = " ".repeat(std::mem::take(&mut state.drawn_len));
        let erased = if blanks.is_empty() { String::new() } else { format!("\r{blanks}\r") };
        self.consoles.write(&(erased + text));
    }

    /// Draws the line that moves, if it is time for that.
    fn draw(&self, state: &mut State) {
        let is_soon = state.drawn.is_some_and(|drawn| drawn.elapsed() < INTERVAL);
        if is_soon && !state.meter.is_full() {
            return;
        }
        let line = format!("{}, {} s", state.meter.bar(), self.elapsed().as_secs());
        let len = line.chars().count();
        let blanks = " ".repeat(state.drawn_len.saturating_sub(len));
        self.consoles.write(&format!("\r{line}{blanks}"));
        state.drawn_len = len;
        state.drawn = Some(Instant::now());
    }

    /// Whoever panicked with it left it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Show {
    fn report(&self, event: Event) {
        let mut state = self.state();
        if let Some(line) = self.lines.line(&event) {
            state.log.add(self.elapsed(), &line);
            let is_shown = match event {
                // the line that moves says as much
                Event::LayerDone { .. } => false,
                Event::Detail { .. } => self.shows_details.load(Ordering::Relaxed),
                _ => true,
            };
            if is_shown {
                self.write(&mut state, &format!("{line}\n"));
            }
        }
        if state.meter.advance(&event) {
            self.draw(&mut state);
        }
    }
}

impl Meter {
    /// Moves on, if the event is about that.
    fn advance(&mut self, event: &Event) -> bool {
        match event {
            Event::Layers { sizes_bytes } => {
                let total = sizes_bytes.iter().fold(0_u64, |sum, len| sum.saturating_add(*len));
                *self = Self { done_bytes: 0, total_bytes: total };
                false
            }
            Event::LayerRead { bytes, .. } => {
                self.done_bytes = self.done_bytes.saturating_add(*bytes);
                true
            }
            Event::Encoded { done_bytes, total_bytes, .. } => {
                *self = Self { done_bytes: *done_bytes, total_bytes: *total_bytes };
                true
            }
            _ => false,
        }
    }

    fn is_full(&self) -> bool {
        self.done_bytes >= self.total_bytes
    }

    fn bar(&self) -> String {
        let (done, total) = (self.done_bytes.min(self.total_bytes), self.total_bytes.max(1));
        let part = |whole: u64| u128::from(done) * u128::from(whole) / u128::from(total);
        let full = usize::try_from(part(BAR)).unwrap_or(0);
        let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(full + 1);
        let head = if done < total { ">" } else { "" };
        let bar = format!("{}{head}{}", "=".repeat(full), " ".repeat(empty));
        format!("{:>3}% [{bar}] {} of {}", part(100), ByteLen(done), ByteLen(self.total_bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    use super::*;

    /// What people see of some events.
    fn seen(act: impl FnOnce(&Show)) -> String {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let console = (PathBuf::from("/dev/ttyS0"), File::from(OwnedFd::from(ours)));
        let show = Show::new(Consoles::from_files([console]));
        act(&show);
        drop(show);
        let mut text = String::new();
        theirs.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn bars_have_one_width() {
        let bar = |done_bytes, total_bytes| Meter { done_bytes, total_bytes }.bar();
        assert_eq!(bar(0, 100), format!("  0% [>{}] 0 bytes of 100 bytes", " ".repeat(31)));
        let half = format!(" 50% [{}>{}] 50 bytes of 100 bytes", "=".repeat(16), " ".repeat(15));
        assert_eq!(bar(50, 100), half);
        assert_eq!(bar(100, 100), format!("100% [{}] 100 bytes of 100 bytes", "=".repeat(32)));
        for (done, total) in [(0, 0), (7, 3), (u64::MAX, u64::MAX), (u64::MAX - 1, u64::MAX)] {
            let bar = bar(done, total);
            assert_eq!(bar.find(']'), Some(38), "{bar}");
        }
    }

    #[test]
    fn lines_erase_what_moves() {
        let text = seen(|show| {
            show.report(Event::Layers { sizes_bytes: vec![1 << 20, 1 << 20] });
            show.report(Event::LayerRead { layer: 0, bytes: 1 << 20 });
            show.report(Event::LayerRead { layer: 1, bytes: 1 });
            show.report(Event::LayerDone { layer: 0 });
            show.report(Event::Warning { message: "odd\x1b[2J".to_owned() });
            show.report(Event::Detail { message: "hidden".to_owned() });
        });
        let moving = text.strip_prefix("2 layers, 2.0 MiB\n\r 50% [").unwrap();
        let (moving, rest) = moving.split_once("\r   ").unwrap();
        assert!(moving.ends_with("] 1.0 MiB of 2.0 MiB, 0 s"), "{moving}");
        assert!(rest.ends_with("  \rwarning: odd\\u{1b}[2J\n"), "{rest:?}");
    }

    #[test]
    fn the_log_has_what_was_not_shown() {
        let mut log = Vec::new();
        let text = seen(|show| {
            show.begin();
            show.report(Event::Detail { message: "hidden".to_owned() });
            show.show_details(true);
            show.report(Event::Detail { message: "shown".to_owned() });
            log = show.log();
        });
        assert!(text.starts_with("\nbootc-image installer ") && text.ends_with("\nshown\n"));
        let log = String::from_utf8(log).unwrap();
        assert!(log.contains("] hidden\n") && log.contains("] shown\n"), "{log}");
    }
}
