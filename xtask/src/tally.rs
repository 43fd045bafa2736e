//! Counts tests from what `cargo test` prints.
//!
//! ```text
//! test name ... ok | FAILED | ignored, why
//! SKIP: why                                  printed by a test that found it cannot run here
//! ```
//!
//! A test that skips itself counts as passed for `cargo test`; here it does not.

use std::collections::BTreeMap;
use std::fmt;

/// What became of the tests.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Ran and held.
    pub passed: usize,
    /// Ran and did not hold, or did not even compile.
    pub failed: usize,
    /// Did not run: reasons, and how often each.
    pub skipped: BTreeMap<String, usize>,
}

impl Tally {
    /// Counts one line of output.
    pub fn line(&mut self, line: &str) {
        if let Some(why) = line.trim_start().strip_prefix("SKIP:") {
            self.passed = self.passed.saturating_sub(1);
            self.skip(why.trim());
        } else if let Some(result) = line.strip_prefix("test ").and_then(|t| t.rsplit_once(" ... "))
        {
            match result.1 {
                "ok" => self.passed += 1,
                "FAILED" => self.failed += 1,
                ignored => {
                    if let Some(why) = ignored.strip_prefix("ignored") {
                        self.skip(why.trim_start_matches(',').trim());
                    }
                }
            }
        }
    }

    /// Counts a test, or a group of tests, that did not run.
    pub fn skip(&mut self, why: &str) {
        *self.skipped.entry(why.to_owned()).or_default() += 1;
    }

    /// How many did not run.
    pub fn skips(&self) -> usize {
        self.skipped.values().sum()
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        for (why, count) in &other.skipped {
            *self.skipped.entry(why.clone()).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skips())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_skip_themselves_have_not_passed() {
        let mut tally = Tally::default();
        let output = "running 5 tests\n\
            test a::b ... ok\n\
            test src/lib.rs - x (line 3) ... ok\n\
            test c ... FAILED\n\
            test d ... ignored, boots a VM\n\
            test e ... ok\n\
            test src/y.rs - y (line 1) - compile ... ok\n\n\
            ---- e stdout ----\n\
            SKIP: no tool\n\
            test result: FAILED. 2 passed; 1 failed";
        output.lines().for_each(|line| tally.line(line));
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 2 skipped");
        assert_eq!(tally.skipped["boots a VM"], 1);
        assert_eq!(tally.skipped["no tool"], 1);
    }
}
