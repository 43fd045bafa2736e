//! Shell quoting as GLib undoes it (`g_shell_unquote`), which is how os-release values are read.
//!
//! Outside quotes a backslash keeps the next character. Within `'…'` nothing is special. Within `"…"`
//! a backslash is special only before `"`, `\`, `` ` ``, `$` and a newline. No expansion.

/// The text without its quotes; `None` when a quote is not closed.
pub fn unquote(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => plain.extend(rest.next().filter(|next| *next != '\n')),
            '\'' => single_quoted(&mut rest, &mut plain)?,
            '"' => double_quoted(&mut rest, &mut plain)?,
            other => plain.push(other),
        }
    }
    Some(plain)
}

fn single_quoted(rest: &mut std::str::Chars<'_>, plain: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' => return Some(()),
            other => plain.push(other),
        }
    }
}

fn double_quoted(rest: &mut std::str::Chars<'_>, plain: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '\\' => match rest.next()? {
                next @ ('"' | '\\' | '`' | '$' | '\n') => plain.push(next),
                next => plain.extend(['\\', next]),
            },
            other => plain.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_undone_as_glib_does() {
        let cases = [
            ("plain", Some("plain")),
            ("", Some("")),
            ("\"a b\"", Some("a b")),
            ("'Single \"quoted\" Linux'", Some("Single \"quoted\" Linux")),
            ("Second\\ one", Some("Second one")),
            ("\"a\\\"b\\$c\\`d\\\\e\\nf\"", Some("a\"b$c`d\\e\\nf")),
            ("'a\\'b", Some("a\\b")),
            ("a'b'\"c\"d", Some("abcd")),
            ("end\\", Some("end")),
            ("\"unterminated", None),
            ("'unterminated", None),
            ("\"ends in a backslash\\", None),
        ];
        for (text, plain) in cases {
            assert_eq!(unquote(text).as_deref(), plain, "{text}");
        }
    }
}
