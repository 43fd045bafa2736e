//! The names that files have in ISO 9660 and in Joliet, where fewer characters are allowed.

use std::collections::{BTreeMap, BTreeSet};

/// A file's name and extension together (interchange level 2 and up).
const FILE_UNITS: usize = 30;
const DIRECTORY_UNITS: usize = 31;
const EXTENSION_UNITS: usize = 8;
const JOLIET_UNITS: usize = 64;

/// Names of one directory that were given out, none twice.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<(Vec<u16>, Vec<u16>)>,
    next: BTreeMap<(Vec<u16>, Vec<u16>), u32>,
}

/// A name in two parts, which is how names are ordered; a directory's second part is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Short {
    stem: Vec<u16>,
    extension: Vec<u16>,
}

impl Names {
    /// Gives out a name that something has already.
    pub fn take(&mut self, Short { stem, extension }: Short) {
        self.taken.insert((stem, extension));
    }

    /// A file's name of the simplest kind.
    pub fn file(&mut self, name: &str) -> Short {
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, extension),
            _ => (name, ""),
        };
        let extension = plain(extension, EXTENSION_UNITS);
        let limit = FILE_UNITS - extension.len();
        self.unique(plain(stem, limit), extension, limit)
    }

    /// A directory's name of the simplest kind.
    pub fn directory(&mut self, name: &str) -> Short {
        self.unique(plain(name, DIRECTORY_UNITS), Vec::new(), DIRECTORY_UNITS)
    }

    /// A name as Joliet has it.
    pub fn joliet(&mut self, name: &str) -> Short {
        let good = name.chars().map(|c| if "*/:;?\\".contains(c) { '_' } else { c });
        let units: Vec<u16> = good.collect::<String>().encode_utf16().collect();
        let mut units = cut(units, JOLIET_UNITS);
        // readers take blanks and dots away from the end of a name
        let end = |unit: &u16| [b'.', b' '].map(u16::from).contains(unit);
        let kept = units.iter().rposition(|unit| !end(unit)).map_or(0, |last| last + 1);
        units[kept..].fill(u16::from(b'_'));
        self.unique(units, Vec::new(), JOLIET_UNITS)
    }

    /// That name, or one with a number at its end.
    fn unique(&mut self, stem: Vec<u16>, extension: Vec<u16>, limit: usize) -> Short {
        let wanted = (stem, extension);
        if self.taken.insert(wanted.clone()) {
            return Short { stem: wanted.0, extension: wanted.1 };
        }
        loop {
            let next = self.next.entry(wanted.clone()).or_insert(0);
            *next += 1;
            let tail: Vec<u16> = format!("_{next}").encode_utf16().collect();
            let mut stem = cut(wanted.0.clone(), limit - tail.len());
            stem.extend(tail);
            if self.taken.insert((stem.clone(), wanted.1.clone())) {
                return Short { stem, extension: wanted.1 };
            }
        }
    }
}

impl Short {
    /// What an identifier of ISO 9660 is, its version aside.
    pub fn of_id(id: &[u8]) -> Self {
        let name = id.split(|byte| *byte == b';').next().unwrap_or_default();
        let units = |bytes: &[u8]| bytes.iter().copied().map(u16::from).collect();
        match name.iter().rposition(|byte| *byte == b'.') {
            Some(dot) => Self { stem: units(&name[..dot]), extension: units(&name[dot + 1..]) },
            None => Self { stem: units(name), extension: Vec::new() },
        }
    }

    /// What an identifier of Joliet is, its version aside.
    pub fn of_joliet_id(id: &[u8]) -> Self {
        let units = id.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
        Self {
            stem: units.take_while(|unit| *unit != u16::from(b';')).collect(),
            extension: Vec::new(),
        }
    }

    /// The bytes of a file's identifier in ISO 9660: the dot is always there, and the version is 1.
    pub fn file_id(&self) -> Vec<u8> {
        let bytes = |units: &[u16]| -> Vec<u8> {
            units.iter().filter_map(|unit| (*unit).try_into().ok()).collect()
        };
        [&bytes(&self.stem), &b"."[..], &bytes(&self.extension), b";1"].concat()
    }

    /// The bytes of a directory's identifier in ISO 9660.
    pub fn directory_id(&self) -> Vec<u8> {
        self.stem.iter().filter_map(|unit| (*unit).try_into().ok()).collect()
    }

    /// The bytes of an identifier in Joliet; a file's has a version.
    pub fn joliet_id(&self, is_file: bool) -> Vec<u8> {
        let version = ";1".encode_utf16().filter(|_| is_file);
        self.stem.iter().copied().chain(version).flat_map(u16::to_be_bytes).collect()
    }
}

/// Upper-case letters, digits and `_`.
fn plain(text: &str, limit: usize) -> Vec<u16> {
    let one = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    text.chars().map(one).take(limit).collect::<String>().encode_utf16().collect()
}

/// The first units, no character halved.
fn cut(mut units: Vec<u16>, limit: usize) -> Vec<u16> {
    units.truncate(limit);
    if units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)) {
        units.pop();
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<String> {
        let mut given = Names::default();
        let id = |name: &&str| String::from_utf8(given.file(name).file_id()).unwrap();
        names.iter().map(id).collect()
    }

    #[test]
    fn short_names_are_plain_and_differ() {
        let long = "0123456789abcdef0123456789abcdef0123";
        let names = ["vmlinuz", "Grub.cfg", ".hidden", "a.tar.gz", "é b", "GRUB.CFG", long, long];
        let expected = [
            "VMLINUZ.;1",
            "GRUB.CFG;1",
            "_HIDDEN.;1",
            "A_TAR.GZ;1",
            "__B.;1",
            "GRUB_1.CFG;1",
            "0123456789ABCDEF0123456789ABCD.;1",
            "0123456789ABCDEF0123456789AB_1.;1",
        ];
        assert_eq!(files(&names), expected);
        let directory = Names::default().directory("x86_64-efi.d").directory_id();
        assert_eq!(directory, b"X86_64_EFI_D");
    }

    #[test]
    fn names_are_ordered_by_their_parts() {
        let mut names = Names::default();
        let [a, b] = ["a.x1", "a.x"].map(|name| names.file(name));
        assert!(b < a, "though `;` comes after `1`");
    }

    #[test]
    fn joliet_keeps_what_it_can() {
        let mut names = Names::default();
        let mut id = |name: &str| {
            let units = names.joliet(name).joliet_id(true);
            let units: Vec<u16> =
                units.chunks(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
            String::from_utf16(&units).unwrap()
        };
        assert_eq!(id("Ünï.x"), "Ünï.x;1");
        assert_eq!(id("a:b"), "a_b;1");
        assert_eq!(id("a?b"), "a_b_1;1");
        assert_eq!(id("..."), "___;1");
        assert_eq!(id("a. ."), "a___;1");
        let long = "a".repeat(63) + "𝄞";
        assert_eq!(id(&long), "a".repeat(63) + ";1");
        assert_eq!(id(&"a".repeat(63)), "a".repeat(62) + "_1;1");
    }
}
