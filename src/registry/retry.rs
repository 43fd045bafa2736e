//! When to try again, and how long to wait. No jitter: the same failures take the same time.

use std::time::Duration;

/// How patient we are with a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often a request is sent, and how often in a row a download may stop without a new byte.
    pub tries: u32,
    /// The first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// No pause is longer, whatever the registry asks for.
    pub longest_pause: Duration,
    /// A connection on which nothing comes for so long is given up.
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// The pause after failure `failure`, counted from 1; `None` when it was the last try.
    pub(crate) fn pause(&self, failure: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if failure >= self.tries {
            return None;
        }
        let doublings = failure.saturating_sub(1).min(16);
        let pause = self.first_pause.saturating_mul(1 << doublings);
        Some(retry_after.unwrap_or(pause).min(self.longest_pause))
    }
}

/// Whether an answer may be better next time.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let patience = Patience { tries: 9, ..Patience::default() };
        let pauses: Vec<_> =
            (1..=9).map(|n| patience.pause(n, None).map(|p| p.as_millis())).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000].map(Some);
        assert_eq!(pauses[..8], expected);
        assert_eq!(pauses[8], None);
    }

    #[test]
    fn the_registry_may_ask_for_a_pause_but_not_for_a_day() {
        let patience = Patience::default();
        let asked = |secs| patience.pause(1, Some(Duration::from_secs(secs)));
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(86_400), Some(Duration::from_secs(60)));
    }
}
