//! Kernel arguments: `bootc-image.install.KEY=VALUE`, as `/proc/cmdline` has them.
//!
//! Blanks separate, but not within double quotes, which are no part of key or value; they may stand
//! around the value or the whole argument. In keys `-` and `_` are the same. Of several arguments
//! with one key the last counts, so that one typed in the boot menu wins. An argument of ours that
//! is not understood is an error: it may be the one that protects a disk.

use super::super::text;
use super::{Ids, Target, Then, Wishes};
use crate::settings::install::WordError;

/// What our arguments begin with.
pub const PREFIX: &str = "bootc-image.install.";

const KEYS: [&str; 7] = ["config", "debug", "ids", "target", "then", "unattended", "wipe"];
/// More than any kernel takes, of which longer ones are an error.
const LIMIT_BYTES: usize = 64 << 10;

/// A kernel argument of ours that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kernel argument `{karg}`: {wrong}")]
pub struct KargError {
    /// The argument.
    pub karg: String,
    /// What is wrong with it.
    pub wrong: KargProblem,
}

/// What is wrong with a kernel argument of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KargProblem {
    /// Longer than all arguments may be together.
    #[error("longer than {limit_bytes} bytes")]
    TooLong {
        /// What they may have.
        limit_bytes: usize,
    },
    /// A key that means nothing.
    #[error("unknown key{}", did_you_mean(*.nearest))]
    UnknownKey {
        /// A known key that is spelt nearly so.
        nearest: Option<&'static str>,
    },
    /// A key that needs a value.
    #[error("has no value")]
    NoValue,
    /// A value that is no boolean.
    #[error("is neither true nor false")]
    NoBoolean,
    /// A value that its key cannot have.
    #[error(transparent)]
    Word(#[from] WordError),
}

/// What the kernel's command line says.
pub fn from_kargs(command_line: &[u8]) -> Result<Wishes, KargError> {
    if command_line.len() > LIMIT_BYTES {
        let wrong = KargProblem::TooLong { limit_bytes: LIMIT_BYTES };
        return Err(KargError { karg: "/proc/cmdline".to_owned(), wrong });
    }
    let command_line = String::from_utf8_lossy(command_line);
    let mut wishes = Wishes::default();
    for karg in split(&command_line) {
        let (key, value) = parts(karg);
        if let Some(key) = ours(&key) {
            let done = set(&mut wishes, key, value);
            done.map_err(|wrong| KargError { karg: text::tame(karg), wrong })?;
        }
    }
    Ok(wishes)
}

/// Splits at blanks that are not within double quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let separates = move |c: char| {
        is_quoted ^= c == '"';
        !is_quoted && (c.is_ascii_whitespace() || c == '\0')
    };
    text.split(separates).filter(|karg| !karg.is_empty())
}

/// Key, with `_` for `-`, and value, both without quotes.
fn parts(karg: &str) -> (String, Option<&str>) {
    let inner = karg.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest));
    let karg = inner.unwrap_or(karg);
    match karg.split_once('=') {
        Some((key, value)) => {
            let value = value.strip_prefix('"').unwrap_or(value);
            (key.replace('-', "_"), Some(value.strip_suffix('"').unwrap_or(value)))
        }
        None => (karg.replace('-', "_"), None),
    }
}

/// What follows the prefix.
fn ours(key: &str) -> Option<&str> {
    key.strip_prefix(PREFIX.replace('-', "_").as_str())
}

fn set(wishes: &mut Wishes, key: &str, value: Option<&str>) -> Result<(), KargProblem> {
    let needed = || value.filter(|value| !value.is_empty()).ok_or(KargProblem::NoValue);
    match key {
        "config" => wishes.config = Some(needed()?.to_owned()),
        "debug" => wishes.debug = Some(boolean(value)?),
        "ids" => wishes.ids = Some(Ids::parse(needed()?)?),
        "target" => wishes.target = Some(Target::parse(needed()?)?),
        "then" => wishes.then = Some(Then::parse(needed()?)?),
        "unattended" => wishes.unattended = Some(boolean(value)?),
        "wipe" => wishes.wipe = Some(boolean(value)?),
        _ => return Err(KargProblem::UnknownKey { nearest: text::nearest(key, &KEYS) }),
    }
    Ok(())
}

fn boolean(value: Option<&str>) -> Result<bool, KargProblem> {
    match value {
        None | Some("1" | "yes" | "true" | "on") => Ok(true),
        Some("0" | "no" | "false" | "off") => Ok(false),
        Some(_) => Err(KargProblem::NoBoolean),
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}
