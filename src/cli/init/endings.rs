//! What can be done where nothing goes on.

use crate::machine::power::Power;

/// The question, in the words that answer it.
pub(super) const QUESTION: &str = "retry, log, reboot or poweroff? ";

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The same again, from the search for the medium on.
    Retry,
    /// The machine's day is over.
    Power(Power),
}

/// An answer to [`QUESTION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// So it is to go on.
    End(Ending),
    /// First of all what happened so far.
    Log,
}

impl Answer {
    /// Reads a line; `None` when it is none of the words.
    pub(super) fn parse(line: &str) -> Option<Self> {
        match line.to_lowercase().as_str() {
            "retry" => Some(Self::End(Ending::Retry)),
            "log" => Some(Self::Log),
            _ => power(line).map(|power| Self::End(Ending::Power(power))),
        }
    }
}

/// Reads how the machine's day ends.
pub(super) fn power(line: &str) -> Option<Power> {
    match line.to_lowercase().as_str() {
        "reboot" => Some(Power::Restart),
        "poweroff" => Some(Power::Off),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_end_anything() {
        let restart = Answer::End(Ending::Power(Power::Restart));
        for (line, answer) in [
            ("reboot", Some(restart)),
            ("PowerOff", Some(Answer::End(Ending::Power(Power::Off)))),
            ("retry", Some(Answer::End(Ending::Retry))),
            ("log", Some(Answer::Log)),
            ("", None),
            ("r", None),
            ("yes", None),
        ] {
            assert_eq!(Answer::parse(line), answer, "{line}");
        }
    }
}
