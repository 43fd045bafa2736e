//! An error as people and programs read it.
//!
//! ```text
//! error: reading layer 4 of 7 (sha256:…)
//!   caused by: corrupt gzip stream before byte 1234: invalid block type
//!
//! hint: …
//! ```

use std::error::Error;
use std::iter;

use clap::builder::styling::{AnsiColor, Style};
use serde_json::json;

use super::hint;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// An error, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Report {
    /// What there is to say about `error`.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let message = error.to_string();
        let mut causes: Vec<String> = Vec::new();
        for cause in iter::successors(error.source(), |&cause| cause.source()) {
            let text = cause.to_string();
            // Some errors tell their cause already.
            if !text.is_empty() && !causes.last().unwrap_or(&message).ends_with(&text) {
                causes.push(text);
            }
        }
        Self { message, causes, hint: hint::hint(error) }
    }

    /// The user wanted it so.
    pub(super) fn interrupted() -> Self {
        Self { message: "interrupted".to_owned(), causes: vec![], hint: None }
    }

    /// Lines for a terminal or a log.
    pub(super) fn to_text(&self, colour: bool) -> String {
        let mut text = format!("{} {}\n", label("error:", ERROR, colour), indented(&self.message));
        for cause in &self.causes {
            text += &format!("  caused by: {}\n", indented(cause));
        }
        if let Some(hint) = &self.hint {
            text += &format!("\n{} {}\n", label("hint:", HINT, colour), indented(hint));
        }
        text
    }

    /// One line for programs.
    pub(super) fn to_json(&self) -> String {
        let Self { message, causes, hint } = self;
        json!({ "event": "error", "message": message, "causes": causes, "hint": hint }).to_string()
    }
}

/// A word with a colour, or without.
pub(super) fn label(word: &str, style: Style, colour: bool) -> String {
    if colour { format!("{style}{word}{style:#}") } else { word.to_owned() }
}

/// Further lines are set off, and what could move the cursor is spelt out: much of a message comes
/// from strangers.
pub(super) fn indented(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => safe.push_str("\n    "),
            c if c.is_control() => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
