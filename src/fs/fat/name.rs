//! Names: what may be one, the 8.3 alias of a long one, and what FAT cannot tell apart.

use std::collections::{BTreeMap, BTreeSet};

/// A short name: eight bytes and three, padded with spaces.
pub(super) type Short = [u8; 11];

const SIGNS_OF_SHORT_NAMES: &[u8] = b"$%'-_@~`!(){}^#&";
const MAX_UNITS: usize = 255;

/// Whether FAT can store `name`.
pub(super) fn is_valid(name: &str) -> bool {
    !name.is_empty()
        && name.encode_utf16().count() <= MAX_UNITS
        && !name.ends_with(['.', ' '])
        && !name.chars().any(|c| c.is_control() || "\"*/:<>?\\|".contains(c))
}

/// `name` in the case in which FAT compares: one unit stays one unit.
pub(super) fn fold(name: &str) -> String {
    let upper = |c: char| {
        let mut mapped = c.to_uppercase();
        match (mapped.next(), mapped.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    };
    name.chars().map(upper).collect()
}

/// A volume label as directories and boot sectors store it.
pub(super) fn label(text: &str) -> Option<Short> {
    let valid = |byte: u8| is_short(byte) || byte == b' ';
    if !(1..=11).contains(&text.len()) || text.starts_with(' ') || !text.bytes().all(valid) {
        return None;
    }
    let mut label = [b' '; 11];
    label[..text.len()].copy_from_slice(text.as_bytes());
    Some(label)
}

/// The short name of each of a directory's names, in their order, all different.
///
/// A name that is one already keeps it. One that becomes one in upper case takes that if it is
/// free. Others get the first free `BASE~1.EXT`.
pub(super) fn shorten<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<Short> {
    let plain: BTreeSet<Short> = names.clone().filter_map(plain).collect();
    let mut next_tails = BTreeMap::new();
    let mut taken = plain.clone();
    let alias = |name: &str| {
        if let Some(short) = self::plain(name) {
            return short;
        }
        let basis = Basis::of(name);
        if !basis.is_lossy && taken.insert(basis.with_tail("")) {
            return basis.with_tail("");
        }
        let next = next_tails.entry(basis.with_tail("")).or_insert(1_u32);
        loop {
            let short = basis.with_tail(&format!("~{next}"));
            *next += 1;
            if taken.insert(short) {
                return short;
            }
        }
    };
    names.map(alias).collect()
}

/// Whether `short` is all there is to `name`, so that no long name is needed.
pub(super) fn is_plain(name: &str) -> bool {
    plain(name).is_some()
}

fn plain(name: &str) -> Option<Short> {
    let basis = Basis::of(name);
    let unchanged = !basis.is_lossy && !name.bytes().any(|byte| byte.is_ascii_lowercase());
    unchanged.then(|| basis.with_tail(""))
}

fn is_short(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || SIGNS_OF_SHORT_NAMES.contains(&byte)
}

/// What a short name is made from.
struct Basis {
    base: Vec<u8>,
    extension: Vec<u8>,
    is_lossy: bool,
}

impl Basis {
    fn of(name: &str) -> Self {
        let visible = name.trim_start_matches('.');
        let (base, extension) = visible.rsplit_once('.').unwrap_or((visible, ""));
        let mut is_lossy = visible.len() < name.len();
        let mut squeeze = |part: &str, limit: usize| {
            let mut bytes = Vec::new();
            for c in part.chars() {
                match u8::try_from(c.to_ascii_uppercase()) {
                    Ok(b' ' | b'.') => is_lossy = true,
                    Ok(byte) if is_short(byte) => bytes.push(byte),
                    _ => {
                        is_lossy = true;
                        bytes.push(b'_');
                    }
                }
            }
            is_lossy |= bytes.len() > limit;
            bytes.truncate(limit);
            bytes
        };
        let (mut base, extension) = (squeeze(base, 8), squeeze(extension, 3));
        if base.is_empty() {
            is_lossy = true;
            base.push(b'_');
        }
        Self { base, extension, is_lossy }
    }

    fn with_tail(&self, tail: &str) -> Short {
        let mut short = [b' '; 11];
        let kept = self.base.len().min(8 - tail.len());
        short[..kept].copy_from_slice(&self.base[..kept]);
        short[kept..kept + tail.len()].copy_from_slice(tail.as_bytes());
        short[8..8 + self.extension.len()].copy_from_slice(&self.extension);
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(names: &[&str]) -> Vec<String> {
        let short = shorten(names.iter().copied());
        short.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    #[test]
    fn aliases_are_unique_and_plain_names_keep_theirs() {
        let names = ["grub.cfg", "GRUBX64.EFI", "long name.conf", "longname.conf", "LONGNA~1.CON"];
        let expected = ["GRUB    CFG", "GRUBX64 EFI", "LONGNA~2CON", "LONGNA~3CON", "LONGNA~1CON"];
        assert_eq!(shortened(&names), expected);
        assert_eq!(
            shortened(&[".disk", "a.b.c", "日本", ". .x", "a+b"]),
            ["DISK~1     ", "AB~1    C  ", "__~1       ", "_~1     X  ", "A_B~1      "]
        );
    }

    #[test]
    fn long_tails_shorten_the_base() {
        let names: Vec<String> = (0..1200).map(|n| format!("initramfs-{n:04}.img")).collect();
        let short = shortened(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(short[0], "INITRA~1IMG");
        assert_eq!(short[1199], "INI~1200IMG");
        assert_eq!(short.iter().collect::<BTreeSet<_>>().len(), 1200);
    }

    #[test]
    fn upper_case_8_3_needs_no_long_name() {
        for (name, plain) in
            [("BOOTX64.EFI", true), ("EFI", true), ("Efi", false), ("A.B.C", false)]
        {
            assert_eq!(is_plain(name), plain, "{name}");
        }
    }

    #[test]
    fn names_that_firmware_cannot_open_are_invalid() {
        for wrong in ["", ".", "..", "a.", "a ", "a:b", "a\\b", "a\n", &"x".repeat(256)] {
            assert!(!is_valid(wrong), "{wrong:?}");
        }
        assert!(is_valid(&"𝄞".repeat(127)) && !is_valid(&"𝄞".repeat(128)));
    }

    #[test]
    fn labels_are_checked() {
        assert_eq!(label("EFI-SYSTEM").as_ref(), Some(b"EFI-SYSTEM "));
        for wrong in ["", "efi", "TWELVE BYTES", "A.B", " A"] {
            assert_eq!(label(wrong), None);
        }
    }
}
