//! Texts that strangers bring along, made fit to be shown; and words that are nearly alike.

/// The most characters that are kept.
const KEPT: usize = 128;

/// A field of text up to its first NUL, blanks at its ends aside and within it single; `None` when
/// that is empty.
pub fn field(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    (!words.is_empty()).then(|| tame(&words.join(" ")))
}

/// The text without what a terminal obeys or a reader does not see, shortened.
pub fn tame(text: &str) -> String {
    let tamed = text.chars().map(|c| if is_wild(c) { '?' } else { c });
    let mut tamed: String = tamed.take(KEPT + 1).collect();
    if let Some((end, _)) = tamed.char_indices().nth(KEPT) {
        tamed.truncate(end);
        tamed.push('…');
    }
    tamed
}

/// Control characters, and those that turn or hide what follows.
fn is_wild(c: char) -> bool {
    let turns = '\u{200B}'..='\u{200F}';
    let embeds = '\u{2028}'..='\u{202E}';
    let isolates = '\u{2066}'..='\u{2069}';
    c.is_control() || turns.contains(&c) || embeds.contains(&c) || isolates.contains(&c)
}

/// The known word that is spelt most nearly like `word`, if any is near.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > KEPT {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let distance = |known: &str| strsim::damerau_levenshtein(&plain(word), &plain(known));
    let best = known.iter().map(|known| (distance(known), *known)).min()?;
    (best.0 <= word.chars().count().div_ceil(3)).then_some(best.1)
}

/// A list of things as a sentence has them, of which only the first are named.
pub fn several<T>(all: &[T], show: impl Fn(&T) -> String) -> String {
    const NAMED: usize = 8;
    let mut text = all.iter().take(NAMED).map(show).collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text += &format!(" and {} more", all.len() - NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_lose_what_a_terminal_obeys() {
        assert_eq!(field(b"  QEMU   HARDDISK \0junk").as_deref(), Some("QEMU HARDDISK"));
        assert_eq!(field(b"a\x1b[2Jb\xff").as_deref(), Some("a?[2Jb\u{FFFD}"));
        assert_eq!(field("x\u{202E}y".as_bytes()).as_deref(), Some("x?y"));
        assert_eq!(field(b" \0x"), None);
        assert_eq!(field(&[b'x'; 5000]).map(|text| text.chars().count()), Some(KEPT + 1));
        assert_eq!(tame(&"ä".repeat(KEPT)), "ä".repeat(KEPT));
    }

    #[test]
    fn the_nearest_word_is_found() {
        let known = ["target", "then", "unattended"];
        assert_eq!(nearest("tragets", &known), Some("target"));
        assert_eq!(nearest("UNATENDED", &known), Some("unattended"));
        assert_eq!(nearest("kernel", &known), None);
        assert_eq!(nearest(&"t".repeat(5000), &known), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let numbers: Vec<u32> = (1..=10).collect();
        assert_eq!(several(&numbers[..2], u32::to_string), "1, 2");
        assert_eq!(several(&numbers, u32::to_string), "1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }
}
