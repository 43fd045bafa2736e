//! Sizes as blueprints write them: a number of bytes, or a number with a unit.
//!
//! `10 GiB`, `10GiB`, `1.5 GB`, `"4096"`: units are kB, KiB, MB, MiB, GB, GiB, TB and TiB, spelt
//! exactly so; a fraction needs a unit, and is rounded to whole bytes.

use crate::units::ByteLen;

const UNITS: [(&str, u64); 8] = [
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// The most that a size may be, what ext4 and every disk format can still address: 64 TiB.
const LIMIT: u64 = 64 << 40;

/// Digits of a fraction that count; `10^12` is then still far from the end of 128 bits.
const DIGITS: usize = 12;

/// A number of bytes.
pub(super) fn of_number(number: i128) -> Result<ByteLen, String> {
    match u64::try_from(number) {
        Ok(bytes) if bytes <= LIMIT => Ok(ByteLen(bytes)),
        Ok(_) => Err("is more than 64 TiB".to_owned()),
        Err(_) if number < 0 => Err("is less than nothing".to_owned()),
        Err(_) => Err("is more than 64 TiB".to_owned()),
    }
}

/// A number with or without a unit.
pub(super) fn parse(text: &str) -> Result<ByteLen, String> {
    const NOT: &str = "is no size: write it like `10 GiB`";
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim_start());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(NOT.to_owned());
    }
    let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => i128::from(*factor),
        None if unit.is_empty() && !number.contains('.') => 1,
        None if unit.is_empty() => return Err("is a fraction of a byte: add a unit".to_owned()),
        None => return Err("has no known unit: kB, KiB, MB, MiB, GB, GiB, TB, TiB".to_owned()),
    };
    let whole: i128 = whole.parse::<u64>().map_err(|_| "is more than 64 TiB".to_owned())?.into();
    let digits = &fraction[..fraction.len().min(DIGITS)];
    let part: i128 = digits.parse::<u64>().map_err(|_| NOT.to_owned())?.into();
    let scale = digits.bytes().fold(1, |scale: i128, _| scale * 10);
    of_number(whole * factor + (part * factor + scale / 2) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        let cases = [
            ("10 GiB", 10 << 30),
            ("10GiB", 10 << 30),
            (" 1.5 GiB ", 3 << 29),
            ("1.5 kB", 1500),
            ("0.0001 kB", 0),
            ("4096", 4096),
            ("2 TB", 2_000_000_000_000),
            ("0.333333333333333333 MB", 333_333),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(ByteLen(bytes)), "{text}");
        }
        for text in
            ["", "GiB", "10 gib", "10 G", "-1 GiB", "1.5", "1..5 GB", "1. GB", "99999999 TB"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(of_number(-1), Err("is less than nothing".to_owned()));
        assert!(of_number(i128::MAX).is_err());
        assert!(parse(&"9".repeat(1000)).is_err());
    }
}
