//! What can be wrong with a blueprint. Everything that is wrong with one file is told at once.

use std::fmt;

use super::document::Position;

/// The most problems that are told of one file.
const TOLD: usize = 50;

/// Why a configuration file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlueprintError {
    /// Neither `.toml` nor `.json`.
    #[error("`{name}` is neither `.toml` nor `.json`")]
    UnknownSuffix {
        /// The file's name.
        name: String,
    },
    /// Not text.
    #[error("`{name}` line {line}: not UTF-8")]
    NotUtf8 {
        /// The file's name.
        name: String,
        /// The first line that is not.
        line: usize,
    },
    /// Something is wrong with what it says.
    #[error("{}", told(.name, .problems))]
    Invalid {
        /// The file's name.
        name: String,
        /// What is wrong, in order of the file.
        problems: Vec<Problem>,
    },
}

/// Something wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// The full path of the key (`customizations.user[0].name`); empty for the file as a whole.
    pub key: String,
    /// What.
    pub wrong: Wrong,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The file is no TOML, JSON or YAML.
    #[error("{0}")]
    Syntax(String),
    /// A key that means nothing.
    #[error("unknown key{}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        /// A known key that is spelt nearly so.
        nearest: Option<String>,
    },
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A key without which the table makes no sense.
    #[error("`{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key that the field knows, and that has no meaning for disks of bootable images.
    #[error("{why}")]
    NotForDisks {
        /// Why not, and what to do instead.
        why: &'static str,
    },
    /// A wish that cannot be fulfilled so far.
    #[error("not supported yet: {what}")]
    NotSupportedYet {
        /// What, and what is supported.
        what: &'static str,
    },
    /// A value that cannot be.
    #[error("`{value}` {why}")]
    BadValue {
        /// The value, shortened.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A second one of what may be there once.
    #[error("`{value}` is here a second time: the first is `{first}`")]
    Duplicate {
        /// What.
        value: String,
        /// The key that has it too.
        first: String,
    },
    /// Two keys that exclude each other.
    #[error("cannot be combined with `{other}`")]
    Conflict {
        /// The other key.
        other: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at: Position { line, column }, key, wrong } = self;
        write!(f, "line {line} column {column}: ")?;
        if key.is_empty() { write!(f, "{wrong}") } else { write!(f, "`{key}`: {wrong}") }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

fn told(name: &str, problems: &[Problem]) -> String {
    if let [problem] = problems {
        return format!("`{name}` {problem}");
    }
    let mut text = format!("`{name}` has {} problems", problems.len());
    for problem in problems.iter().take(TOLD) {
        text += &format!("\n{problem}");
    }
    if problems.len() > TOLD {
        text += &format!("\nand {} more", problems.len() - TOLD);
    }
    text
}
