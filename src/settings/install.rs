//! What an owner wants of an installation, in the words of `install.toml` and of kernel arguments.
//!
//! | `target` | means |
//! |---|---|
//! | `/dev/vda` | the disk with that device file |
//! | `serial:S` | the disk with that serial number or WWID, capitals aside |
//! | `only` | the one candidate there is |
//! | `smallest`, `largest` | of the candidates, if no two tie |
//!
//! In a pattern of labels `*` is any text, `?` one character, all else itself, capitals included.

use std::fmt;

use crate::text;

/// How a serial number is told from a path.
const SERIAL: &str = "serial:";
const DEVICES: &str = "/dev/";
/// Longer than any path or serial number.
const LIMIT_BYTES: usize = 4096;
/// No label has more: 36 UTF-16 units, and as many `*` between them.
const MOST_CHARACTERS: usize = 80;

/// How an owner names a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By its device file.
    Path(String),
    /// By its serial number or WWID.
    Serial(String),
    /// The only one.
    Only,
    /// The smallest.
    Smallest,
    /// The largest.
    Largest,
}

/// A pattern of labels of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

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

/// A word that a wish cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` {why}")]
pub struct WordError {
    /// The word, fit to be shown.
    pub word: String,
    /// What is wrong with it.
    pub why: String,
}

impl WordError {
    fn new(word: &str, why: impl Into<String>) -> Self {
        Self { word: text::tame(word), why: why.into() }
    }
}

impl Target {
    /// From its text.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        const WHY: &str =
            "is neither a path like `/dev/vda`, nor `serial:…`, `only`, `smallest` or `largest`";
        let target = match text {
            "only" => Ok(Self::Only),
            "smallest" => Ok(Self::Smallest),
            "largest" => Ok(Self::Largest),
            _ => match text.strip_prefix(SERIAL) {
                Some(serial) => Self::with_serial(serial),
                None => Self::at_path(text),
            },
        };
        target.map_err(|_| WordError::new(text, WHY))
    }

    /// The disk with this device file: a path below `/dev` that goes nowhere else.
    pub fn at_path(path: &str) -> Result<Self, WordError> {
        let parts = path.strip_prefix(DEVICES).map(|rest| rest.split('/'));
        let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
        if path.len() <= LIMIT_BYTES && parts.is_some_and(|mut parts| parts.all(is_name)) {
            return Ok(Self::Path(path.to_owned()));
        }
        Err(WordError::new(path, "is no path like `/dev/vda`"))
    }

    /// The disk with this serial number or WWID.
    pub fn with_serial(serial: &str) -> Result<Self, WordError> {
        let trimmed = serial.trim();
        if !trimmed.is_empty() && serial.len() <= LIMIT_BYTES {
            return Ok(Self::Serial(trimmed.to_owned()));
        }
        Err(WordError::new(serial, "is no serial number"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(&text::tame(path)),
            Self::Serial(serial) => write!(f, "{SERIAL}{}", text::tame(serial)),
            Self::Only => f.write_str("only"),
            Self::Smallest => f.write_str("smallest"),
            Self::Largest => f.write_str("largest"),
        }
    }
}

impl Glob {
    /// From its text.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        if !text.is_empty() && text.chars().count() <= MOST_CHARACTERS {
            return Ok(Self(text.to_owned()));
        }
        let why = format!("is no pattern of labels: 1 to {MOST_CHARACTERS} characters");
        Err(WordError::new(text, why))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a label matches. Steps back to the last `*` only, so time is bounded by the product
    /// of both lengths.
    pub fn matches(&self, label: &str) -> bool {
        let (glob, label): (Vec<char>, Vec<char>) =
            (self.0.chars().collect(), label.chars().collect());
        let (mut at, mut seen, mut star) = (0, 0, None);
        while seen < label.len() {
            match (glob.get(at), star) {
                (Some('*'), _) => {
                    star = Some((at, seen));
                    at += 1;
                }
                (Some(c), _) if *c == '?' || *c == label[seen] => {
                    at += 1;
                    seen += 1;
                }
                (_, Some((star_at, taken))) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    seen = taken + 1;
                }
                (_, None) => return false,
            }
        }
        glob[at..].iter().all(|c| *c == '*')
    }
}

impl Ids {
    /// From its word.
    pub fn parse(word: &str) -> Result<Self, WordError> {
        one_of(word, &[("random", Self::Random), ("derived", Self::Derived)])
    }
}

impl Then {
    /// From its word.
    pub fn parse(word: &str) -> Result<Self, WordError> {
        let words =
            [("reboot", Self::Reboot), ("poweroff", Self::PowerOff), ("shell", Self::Shell)];
        one_of(word, &words)
    }
}

fn one_of<T: Copy>(word: &str, words: &[(&'static str, T)]) -> Result<T, WordError> {
    let found = words.iter().find(|(known, _)| *known == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        WordError::new(word, format!("is none of {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_told_in_the_same_words() {
        let cases = [
            ("/dev/vda", Target::Path("/dev/vda".to_owned())),
            ("/dev/disk/by-id/x", Target::Path("/dev/disk/by-id/x".to_owned())),
            ("serial:A b", Target::Serial("A b".to_owned())),
            ("only", Target::Only),
            ("smallest", Target::Smallest),
            ("largest", Target::Largest),
        ];
        for (text, target) in cases {
            assert_eq!(Target::parse(text), Ok(target.clone()), "{text}");
            assert_eq!(target.to_string(), text);
        }
        for wrong in [
            "",
            "vda",
            "/dev/",
            "/dev",
            "/etc/passwd",
            "/dev/../etc",
            "/dev//vda",
            "/dev/vda/",
            "Only",
            "serial:",
            "serial: ",
            "/dev/a\0b",
        ] {
            let error = Target::parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{}` is neither a", text::tame(wrong))), "{error}");
        }
        assert!(Target::parse(&format!("/dev/{}", "x".repeat(5000))).is_err());
    }

    #[test]
    fn globs_match_as_a_shells_do() {
        let cases = [
            ("data", "data", true),
            ("data", "Data", false),
            ("data*", "data", true),
            ("data*", "data-1", true),
            ("*data", "my data", true),
            ("*a*b*", "xaxbx", true),
            ("*a*b", "aab", true),
            ("*a*b", "aba", false),
            ("d?ta", "däta", true),
            ("d?ta", "dta", false),
            ("?", "", false),
            ("*", "", true),
            ("**", "x", true),
            ("[ab]", "a", false),
        ];
        for (glob, label, expected) in cases {
            assert_eq!(Glob::parse(glob).unwrap().matches(label), expected, "{glob} {label}");
        }
        assert!(Glob::parse("").is_err());
        assert!(Glob::parse(&"*".repeat(81)).is_err());
    }
}
