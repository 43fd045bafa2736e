//! Words of GRUB's scripts.
//!
//! Within `'…'` nothing is special. GRUB takes quotes away when it reads a script, and gives
//! `linux` the words; of those it makes the kernel's command line, with quotes around what has
//! blanks and a backslash before quotes and backslashes, which the kernel does not take away.

/// A name without what would end a line or continue it.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '\\' { ' ' } else { c }).collect()
}

/// One word of a script.
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._=,:/@%+-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A kernel argument without [`obstacle`] as a word. Its own quotes go: GRUB puts some around what
/// has blanks.
pub fn karg(text: &str) -> String {
    word(&text.replace('"', ""))
}

/// What keeps a kernel argument from arriving as it is.
pub fn obstacle(karg: &str) -> Option<&'static str> {
    if karg.contains(['\'', '\\']) {
        Some("a character that GRUB escapes")
    } else if karg.split(' ').any(str::is_empty) || karg.contains(|c: char| c.is_control()) {
        Some("white space that would not arrive as it is")
    } else {
        None
    }
}
