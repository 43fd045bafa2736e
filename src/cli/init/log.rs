//! What happened, a line each with the seconds since the start:
//!
//! ```text
//! [   12.034] layer 3 of 61 (12.5 MiB)
//! ```
//!
//! Of more than [`LIMIT_BYTES`] the oldest lines go.

use std::collections::VecDeque;
use std::time::Duration;

const LIMIT_BYTES: usize = 1 << 20;

/// Lines.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<String>,
    len_bytes: usize,
    forgotten: usize,
}

impl Log {
    /// Adds a text that was said after so much time.
    pub(super) fn add(&mut self, after: Duration, text: &str) {
        for line in text.lines().filter(|line| !line.is_empty()) {
            let line = format!("[{:>9.3}] {line}\n", after.as_secs_f64());
            self.len_bytes += line.len();
            self.lines.push_back(line);
        }
        while self.len_bytes > LIMIT_BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.len_bytes -= line.len();
            self.forgotten += 1;
        }
    }

    /// The whole.
    pub(super) fn text(&self) -> String {
        let mut text = match self.forgotten {
            0 => String::new(),
            count => format!("[{count} lines before these were too many]\n"),
        };
        text.extend(self.lines.iter().map(String::as_str));
        text
    }

    /// The last lines.
    pub(super) fn tail(&self, lines: usize) -> String {
        let skipped = self.lines.len().saturating_sub(lines);
        self.lines.iter().skip(skipped).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_time() {
        let mut log = Log::default();
        log.add(Duration::from_millis(1500), "\none\n\ntwo");
        log.add(Duration::from_secs(12_345), "three");
        assert_eq!(log.text(), "[    1.500] one\n[    1.500] two\n[12345.000] three\n");
        assert_eq!(log.tail(1), "[12345.000] three\n");
    }

    #[test]
    fn a_log_is_never_longer_than_it_may_be() {
        let mut log = Log::default();
        let line = "x".repeat(1000);
        (0..3000).for_each(|_| log.add(Duration::ZERO, &line));
        assert!(log.len_bytes <= LIMIT_BYTES && log.len_bytes > LIMIT_BYTES - 2000);
        let text = log.text();
        assert!(text.starts_with("[196"), "{}", &text[..60]);
        log.add(Duration::ZERO, &"y".repeat(LIMIT_BYTES + 1));
        assert_eq!((log.len_bytes, log.lines.len()), (0, 0));
    }
}
