//! Counts tests from what test executables print.
//!
//! ```text
//! test name ... ignored, why
//! ---- name stdout ----                      what a test printed follows
//! SKIP: why                                  printed by a test that found it cannot run here
//! failures:                                  what failed tests printed follows
//! test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out
//! ```
//!
//! A test that skips itself counts as passed for its executable; here it does not. How many tests
//! there were is taken from the last line, which other programs' output cannot garble; an
//! executable that does not come to print it has failed.

use std::collections::BTreeMap;
use std::fmt;

/// What became of the tests.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Ran and held.
    pub passed: usize,
    /// Ran and did not hold, or crashed.
    pub failed: usize,
    /// Did not run, or not all of it.
    pub skipped: usize,
    /// Why tests did not run, and how often each; a test may have several reasons.
    pub reasons: BTreeMap<String, usize>,
}

impl Tally {
    /// A group of tests that was left out.
    pub fn left_out(why: &str) -> Self {
        Self { skipped: 1, reasons: [(why.to_owned(), 1)].into(), ..Self::default() }
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        for (why, count) in &other.reasons {
            *self.reasons.entry(why.clone()).or_default() += count;
        }
    }

    /// Counts a failure if there was no test at all: that would hold whatever is broken.
    pub fn fail_if_empty(&mut self) -> bool {
        let empty = self.passed + self.failed + self.skipped == 0;
        self.failed += usize::from(empty);
        empty
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// What one run of tests has printed so far.
#[derive(Debug, Default)]
pub struct Transcript {
    tally: Tally,
    /// Tests that returned early, and that their executable takes for passed.
    excused: usize,
    finished: bool,
    within: Within,
}

/// Whose output is being read.
#[derive(Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nobody,
    Passed,
    /// A test that passed and has said why it did not run.
    Excused,
    Failed,
}

impl Transcript {
    /// Reads one line of output.
    pub fn line(&mut self, line: &str) {
        if let Some((_, result)) = line.split_once("test result: ") {
            self.finished = true;
            self.tally.passed += number_of(result, "passed");
            self.tally.failed += number_of(result, "failed");
            self.within = Within::Nobody;
        } else if line == "failures:" {
            self.within = Within::Failed;
        } else if line == "successes:" {
            self.within = Within::Nobody;
        } else if line.starts_with("---- ") && line.ends_with(" stdout ----") {
            if self.within != Within::Failed {
                self.within = Within::Passed;
            }
        } else if let Some(why) = line.trim_start().strip_prefix("SKIP:") {
            self.excuse(why.trim());
        } else if let Some((_, why)) = line
            .strip_prefix("test ")
            .and_then(|test| test.rsplit_once(" ... "))
            .and_then(|(_, result)| result.split_once("ignored"))
        {
            self.tally.add(&Tally::left_out(why.trim_start_matches(',').trim()));
        }
    }

    fn excuse(&mut self, why: &str) {
        match self.within {
            Within::Failed => return,
            Within::Excused => {}
            Within::Passed | Within::Nobody => {
                self.excused += 1;
                self.tally.skipped += 1;
            }
        }
        if self.within == Within::Passed {
            self.within = Within::Excused;
        }
        *self.tally.reasons.entry(why.to_owned()).or_default() += 1;
    }

    /// The count, once the run has ended.
    pub fn finish(mut self, success: bool) -> Tally {
        self.tally.passed = self.tally.passed.saturating_sub(self.excused);
        // without a failed test this is a crash
        if !(success && self.finished) && self.tally.failed == 0 {
            self.tally.failed = 1;
        }
        self.tally
    }
}

/// The number before a word in the line of results.
fn number_of(result: &str, what: &str) -> usize {
    let mut before = "";
    for word in result.split([' ', ';']).filter(|word| !word.is_empty()) {
        if word == what {
            return before.parse().unwrap_or(0);
        }
        before = word;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str, success: bool) -> Tally {
        let mut transcript = Transcript::default();
        output.lines().for_each(|line| transcript.line(line));
        transcript.finish(success)
    }

    const OUTPUT: &str = "running 7 tests\n\
        test a::b ... ok\n\
        test src/lib.rs - x (line 3) ... ok\n\
        test c ... FAILED\n\
        test d ... ignored, boots a VM\n\
        test e ... a program's line in betweenok\n\
        test f ... ok\n\
        test src/y.rs - y (line 1) - compile ... ok\n\n\
        successes:\n\n\
        ---- e stdout ----\n\
        SKIP: no tool\n\
        SKIP: no disk\n\n\
        ---- f stdout ----\n\
        SKIP: no tool\n\n\
        successes:\n    a::b\n    e\n    f\n\n\
        failures:\n\n\
        ---- c stdout ----\n\
        SKIP: no tool\n\
        panicked\n\n\
        failures:\n    c\n\n\
        test result: FAILED. 5 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out";

    #[test]
    fn tests_that_skip_themselves_have_not_passed() {
        let tally = tally(OUTPUT, false);
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 3 skipped");
        let reasons: Vec<_> = tally.reasons.iter().map(|(why, count)| (&**why, *count)).collect();
        assert_eq!(reasons, [("boots a VM", 1), ("no disk", 1), ("no tool", 2)]);
    }

    #[test]
    fn several_runs_add_up() {
        let mut total = tally(OUTPUT, false);
        total.add(&tally(OUTPUT, false));
        total.add(&Tally::left_out("no tool"));
        assert_eq!(total.to_string(), "6 passed, 2 failed, 7 skipped");
        assert_eq!(total.reasons["no tool"], 5);
        let twice = format!("{OUTPUT}\n{OUTPUT}");
        assert_eq!(tally(&twice, false).to_string(), "6 passed, 2 failed, 6 skipped");
    }

    #[test]
    fn what_ends_early_has_failed() {
        let result = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(tally(result, true).to_string(), "1 passed, 0 failed, 0 skipped");
        assert_eq!(tally(result, false).failed, 1, "ended with an error after its tests");
        assert_eq!(tally("running 2 tests\ntest a ... ok", false).failed, 1, "crashed");
        assert_eq!(tally("running 2 tests\ntest a ... ok", true).failed, 1, "left in the middle");
        assert_eq!(tally("", true).failed, 1, "is no test at all");
    }

    #[test]
    fn no_tests_are_a_failure() {
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out";
        let mut nothing = tally(none, true);
        assert_eq!(nothing, Tally::default());
        assert!(nothing.fail_if_empty());
        assert_eq!(nothing.failed, 1);
        let mut left_out = Tally::left_out("not today");
        assert!(!left_out.fail_if_empty());
        assert_eq!(left_out.failed, 0);
    }
}
