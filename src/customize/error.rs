//! Why settings cannot be carried out in this image.

use crate::files::FilesError;

/// What the image has instead of something asked for, for the end of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest(pub Option<String>);

impl std::fmt::Display for Nearest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "; the nearest is `{name}`"),
            None => Ok(()),
        }
    }
}

/// Why settings cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the image could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A text file of the image is none.
    #[error("`{0}` of the image is not UTF-8")]
    NotUtf8(String),
    /// A path in the part of the system that is the image's.
    #[error(
        "`{path}` is `{real}` in this image, which no installed system can change: only what is in `/etc` and `/var` can be"
    )]
    ReadOnly {
        /// As asked for.
        path: String,
        /// Where links lead.
        real: String,
    },
    /// No directory for a file.
    #[error("`{path}`: the image has no directory `/{parent}`")]
    NoDirectory {
        /// What was to be made.
        path: String,
        /// What is missing, from the root.
        parent: String,
    },
    /// A directory where a file was to be, or the other way round.
    #[error("`{path}` is {found} in this image")]
    Occupied {
        /// What was to be made.
        path: String,
        /// `a directory`, `no directory`.
        found: &'static str,
    },
    /// A group or user that nobody has.
    #[error("{what} `{name}` does not exist in this image, nor is it made{nearest}")]
    NoSuchName {
        /// `user`, `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// One that exists.
        nearest: Nearest,
    },
    /// A number that is taken.
    #[error("{what} `{name}`: the number {id} belongs to `{owner}`")]
    IdTaken {
        /// `user`, `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// The number.
        id: u32,
        /// Whose it is.
        owner: String,
    },
    /// The image has it under another number.
    #[error("{what} `{name}` has the number {found} in this image, not {asked}")]
    OtherId {
        /// `user`, `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// The number that was asked for.
        asked: u32,
        /// The number in the image.
        found: u32,
    },
    /// All numbers are taken.
    #[error("{what} `{name}`: all numbers from {min} to {max} are taken")]
    NoFreeId {
        /// `user`, `group`, `subordinate`.
        what: &'static str,
        /// The name.
        name: String,
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// A value that would break its line.
    #[error("user `{name}`: {what} cannot contain {character:?}")]
    Field {
        /// The user.
        name: String,
        /// Which field.
        what: &'static str,
        /// The character.
        character: char,
    },
    /// No time zone of that name.
    #[error("the image has no time zone `{zone}`{nearest}")]
    NoSuchZone {
        /// The zone.
        zone: String,
        /// One that it has.
        nearest: Nearest,
    },
    /// Nothing that keeps time.
    #[error("NTP servers: the image has neither chrony nor systemd-timesyncd")]
    NoTimeService,
    /// No unit of that name.
    #[error("the image has no unit `{unit}`{nearest}")]
    NoSuchUnit {
        /// The unit.
        unit: String,
        /// One that it has.
        nearest: Nearest,
    },
    /// A unit that the image forbids to start.
    #[error("the unit `{0}` cannot be enabled: the image masks it")]
    MaskedUnit(String),
    /// A template cannot be enabled without an instance.
    #[error("the unit `{0}` is a template without a default: name an instance, `{example}`", example = .0.replace('@', "@NAME"))]
    Template(String),
    /// A name that a unit claims but something else has.
    #[error("the unit `{unit}` cannot be {done}: `{path}` of the image is in the way")]
    UnitPath {
        /// The unit.
        unit: String,
        /// `enabled`, `masked`.
        done: &'static str,
        /// The path.
        path: String,
    },
    /// A name in `[Install]` that cannot be used.
    #[error("`{path}`: `{value}` in [Install] is no name of a unit")]
    UnitName {
        /// The unit's file.
        path: String,
        /// The value.
        value: String,
    },
    /// A name that cannot be a file's.
    #[error(
        "credential {0:?}: a name is 1 to 255 characters without `/`, blanks and control characters, and does not begin with `.`"
    )]
    CredentialName(String),
}

/// The one of `names` that is most like `wanted`, unless nothing is.
pub(super) fn nearest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Nearest {
    let limit = (wanted.chars().count() / 3).max(2);
    let scored = names.into_iter().map(|name| (distance(wanted, name), name));
    let best = scored.filter(|(score, _)| *score <= limit).min();
    Nearest(best.map(|(_, name)| name.to_owned()))
}

/// How many letters have to be added, removed or replaced, case aside.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, &beside) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != beside);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["sshd.service", "ssh.service", "getty@.service"];
        assert_eq!(nearest("shd.service", names).0.as_deref(), Some("sshd.service"));
        assert_eq!(nearest("Europe/berlin", ["Europe/Berlin"]).0.as_deref(), Some("Europe/Berlin"));
        assert_eq!(nearest("nothing-like-it.timer", names), Nearest(None));
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
