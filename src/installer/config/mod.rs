//! What the owner wants of an installation: kernel arguments, then `[install]` of `install.toml`.
//!
//! | key of `[install]` | value | meaning |
//! |---|---|---|
//! | `target` | string, or a table with `path` or `serial` | [`Target`] |
//! | `unattended` | boolean | nothing is asked: what is not told here is an error |
//! | `wipe` | boolean | what is on the disk may go |
//! | `ids` | `random`, `derived` | new ids of disk and partitions (usual), or the image's |
//! | `then` | `reboot`, `poweroff`, `shell` | what follows an installation |
//! | `saved` | list of strings | labels of partitions that stay ([`Glob`]) |
//! | `debug` | boolean | a shell where there is an error, and all that is done in the log |
//!
//! Each but `saved` is a kernel argument as well, `bootc-image.install.target=…`; booleans need no
//! value there. `bootc-image.install.config=` names a further file, by URL or path. Each wish is
//! taken from the strongest source that has it: arguments, then that file, then the one that is
//! embedded ([`Wishes::or`]). [`Wishes::settle`] makes decisions of them.
//!
//! All other tables of the file are a blueprint, which another room reads: [`parse`] returns the
//! text with the lines of `[install]` emptied, so that lines keep their numbers.

use std::fmt;

use super::saved::Glob;
use super::target::Target;
pub use kargs::{KargError, PREFIX, from_kargs};

mod file;
mod kargs;
#[cfg(test)]
mod tests;

pub use file::{Parsed, fuzz_install, parse};

/// Which ids a disk gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// New ones for each installation.
    #[default]
    Random,
    /// Those that follow from image and settings: the same on every machine.
    Derived,
}

/// What follows an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// The installed system is started.
    #[default]
    Reboot,
    /// The machine is turned off.
    PowerOff,
    /// A shell is started.
    Shell,
}

/// What one source says; `None` where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// The disk.
    pub target: Option<Target>,
    /// Whether nothing is asked.
    pub unattended: Option<bool>,
    /// Whether what is on the disk may go.
    pub wipe: Option<bool>,
    /// Which ids.
    pub ids: Option<Ids>,
    /// What follows.
    pub then: Option<Then>,
    /// Labels of partitions that stay.
    pub saved: Option<Vec<Glob>>,
    /// Whether to help those who look for an error.
    pub debug: Option<bool>,
    /// A further file, by URL or path; from kernel arguments only.
    pub config: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    /// The disk; to be asked for when not given.
    pub target: Option<Target>,
    /// Whether nothing is asked; there is a target then.
    pub is_unattended: bool,
    /// Whether what is on the disk may go without being asked about.
    pub may_wipe: bool,
    /// Which ids.
    pub ids: Ids,
    /// What follows.
    pub then: Then,
    /// Labels of partitions that stay.
    pub saved: Vec<Glob>,
    /// Whether to help those who look for an error.
    pub is_debug: bool,
}

/// Wishes that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// Nobody can be asked for the disk.
    #[error(
        "`unattended` needs a `target`: set `install.target`, or `{PREFIX}target=` on the kernel's \
         command line"
    )]
    NoTarget,
}

/// Why `install.toml` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Longer than any such file.
    #[error("`{name}` is longer than {limit_bytes} bytes")]
    TooLong {
        /// The file's name.
        name: String,
        /// What it may have.
        limit_bytes: usize,
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
    /// The line, from 1.
    pub line: usize,
    /// The full path of the key (`install.target`); empty for the file as a whole.
    pub key: String,
    /// What.
    pub wrong: Wrong,
}

/// What is wrong with a key, or an argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The file is no TOML, or one that nests too deeply.
    #[error("{0}")]
    Syntax(String),
    /// A key that means nothing.
    #[error("unknown key{}", did_you_mean(*.nearest))]
    UnknownKey {
        /// A known key that is spelt nearly so.
        nearest: Option<&'static str>,
    },
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A value that cannot be.
    #[error("{0}")]
    BadValue(String),
}

impl Wishes {
    /// These wishes, and where they say nothing, those of a weaker source.
    pub fn or(self, weaker: Self) -> Self {
        Self {
            target: self.target.or(weaker.target),
            unattended: self.unattended.or(weaker.unattended),
            wipe: self.wipe.or(weaker.wipe),
            ids: self.ids.or(weaker.ids),
            then: self.then.or(weaker.then),
            saved: self.saved.or(weaker.saved),
            debug: self.debug.or(weaker.debug),
            config: self.config.or(weaker.config),
        }
    }

    /// What is to be done, when no source is left.
    pub fn settle(self) -> Result<Decisions, WishError> {
        let is_unattended = self.unattended.unwrap_or(false);
        if is_unattended && self.target.is_none() {
            return Err(WishError::NoTarget);
        }
        Ok(Decisions {
            target: self.target,
            is_unattended,
            may_wipe: self.wipe.unwrap_or(false),
            ids: self.ids.unwrap_or_default(),
            then: self.then.unwrap_or_default(),
            saved: self.saved.unwrap_or_default(),
            is_debug: self.debug.unwrap_or(false),
        })
    }
}

impl Ids {
    fn parse(word: &str) -> Result<Self, String> {
        one_of(word, &[("random", Self::Random), ("derived", Self::Derived)])
    }
}

impl Then {
    fn parse(word: &str) -> Result<Self, String> {
        let words =
            [("reboot", Self::Reboot), ("poweroff", Self::PowerOff), ("shell", Self::Shell)];
        one_of(word, &words)
    }
}

fn one_of<T: Copy>(word: &str, words: &[(&'static str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(known, _)| *known == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        format!("`{}` is none of {}", super::text::tame(word), known.join(", "))
    })
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, wrong } = self;
        write!(f, "line {line}: ")?;
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
    for problem in problems {
        text += &format!("\n{problem}");
    }
    text
}
