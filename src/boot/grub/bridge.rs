//! What the GRUB-script bridge can carry: which titles and kernel arguments survive being run as a
//! GRUB script (`templates/grub-bridge.cfg`).
//!
//! | in a line of the entry | what becomes of it |
//! |---|---|
//! | letters, digits, blank, `_ . , : = / @ % + * ~ ^ ? ! ( ) [ ] -` | exact |
//! | `"…"`, `'…'` | the quotes vanish; one that is not closed swallows the lines below |
//! | `$x` | replaced by a variable of GRUB |
//! | `#` | the rest is a comment |
//! | `;` | the rest is run as a command |
//! | `{ } & < >` and the pipe | a syntax error: the whole line is lost |
//!
//! Everything else is refused too, because it was not tried.

use std::fmt;

const EXACT: &str = " _.,:=/@%+*~^?!()[]-";

/// Why a text does not survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// A quote.
    Quote,
    /// A `$`.
    Variable,
    /// A `#`.
    Comment,
    /// A `;`.
    Command,
    /// One of `{ } | & < >`.
    Syntax,
    /// A character that nothing is known of.
    Unknown,
}

/// A text of the boot entry that the bridge cannot carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncarried {
    /// The kernel argument or the title.
    pub text: String,
    /// The first character that does not survive.
    pub character: char,
    /// What would become of it.
    pub loss: Loss,
}

impl fmt::Display for Uncarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.loss {
            Loss::Quote => "it would lose its quotes",
            Loss::Variable => "it would be replaced by a variable",
            Loss::Comment => "the rest would be taken for a comment",
            Loss::Command => "the rest would be run as a command",
            Loss::Syntax => "the line would be lost",
            Loss::Unknown => "what would become of it is not known",
        };
        write!(f, "`{}` has the character {:?}: {what}", self.text, self.character)
    }
}

/// The first of the kernel arguments and the title that GRUB would not pass on as written.
pub fn uncarried(title: &str, kargs: &[String]) -> Option<Uncarried> {
    let texts = [title].into_iter().chain(kargs.iter().map(String::as_str));
    texts.into_iter().find_map(|text| {
        let character = text.chars().find(|c| !c.is_ascii_alphanumeric() && !EXACT.contains(*c))?;
        Some(Uncarried { text: text.to_owned(), character, loss: loss(character) })
    })
}

fn loss(character: char) -> Loss {
    match character {
        '"' | '\'' => Loss::Quote,
        '$' => Loss::Variable,
        '#' => Loss::Comment,
        ';' => Loss::Command,
        '{' | '}' | '|' | '&' | '<' | '>' => Loss::Syntax,
        _ => Loss::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grub_would_change_is_found() {
        let cases = [
            ("console=ttyS0,115200n8", None),
            ("x=[a,b]*", None),
            ("y=~^?!(%)+@", None),
            ("root=UUID=1-2", None),
            ("dyndbg=\"file x +p\"", Some(('"', Loss::Quote))),
            ("a='b'", Some(('\'', Loss::Quote))),
            ("$kernelopts", Some(('$', Loss::Variable))),
            ("a#b", Some(('#', Loss::Comment))),
            ("a;b", Some((';', Loss::Command))),
            ("a|b", Some(('|', Loss::Syntax))),
            ("a\\b", Some(('\\', Loss::Unknown))),
            ("a=ü", Some(('ü', Loss::Unknown))),
        ];
        for (karg, expected) in cases {
            let found = uncarried("Debian 13 (ostree:0)", &["rw".to_owned(), karg.to_owned()]);
            let summary = found.as_ref().map(|found| (found.character, found.loss));
            assert_eq!(summary, expected, "{karg}");
            assert!(found.is_none_or(|found| found.text == karg));
        }
    }

    #[test]
    fn titles_count_too() {
        let found = uncarried("Bob's Linux (ostree:0)", &[]).unwrap();
        assert_eq!(
            found.to_string(),
            "`Bob's Linux (ostree:0)` has the character '\\'': it would lose its quotes"
        );
    }
}
