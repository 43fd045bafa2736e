//! Kernel arguments: `bootc-image.install.KEY=VALUE`, as `/proc/cmdline` has them.
//!
//! Blanks separate, but not within double quotes, which are no part of key or value; they may stand
//! around the value or the whole argument. In keys `-` and `_` are the same. Of several arguments
//! with one key the last counts, so that one typed in the boot menu wins. An argument of ours that
//! is not understood is an error: it may be the one that protects a disk.

use super::super::target::Target;
use super::super::text;
use super::{Ids, Then, Wishes, Wrong};

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
    pub wrong: Wrong,
}

/// What the kernel's command line says.
pub fn from_kargs(command_line: &[u8]) -> Result<Wishes, KargError> {
    if command_line.len() > LIMIT_BYTES {
        let wrong = Wrong::Syntax(format!("longer than {LIMIT_BYTES} bytes"));
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

fn set(wishes: &mut Wishes, key: &str, value: Option<&str>) -> Result<(), Wrong> {
    let needed = || value.filter(|value| !value.is_empty()).ok_or_else(|| bad("has no value"));
    match key {
        "config" => wishes.config = Some(needed()?.to_owned()),
        "debug" => wishes.debug = Some(boolean(value)?),
        "ids" => wishes.ids = Some(Ids::parse(needed()?).map_err(Wrong::BadValue)?),
        "target" => wishes.target = Some(Target::parse(needed()?).map_err(bad)?),
        "then" => wishes.then = Some(Then::parse(needed()?).map_err(Wrong::BadValue)?),
        "unattended" => wishes.unattended = Some(boolean(value)?),
        "wipe" => wishes.wipe = Some(boolean(value)?),
        _ => return Err(Wrong::UnknownKey { nearest: text::nearest(key, &KEYS) }),
    }
    Ok(())
}

fn boolean(value: Option<&str>) -> Result<bool, Wrong> {
    match value {
        None | Some("1" | "yes" | "true" | "on") => Ok(true),
        Some("0" | "no" | "false" | "off") => Ok(false),
        Some(_) => Err(bad("is neither true nor false")),
    }
}

fn bad(why: impl ToString) -> Wrong {
    Wrong::BadValue(why.to_string())
}
