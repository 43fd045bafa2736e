//! PAX records: what the header's fields cannot hold.
//!
//! ```text
//!  30 mtime=1735689600.123456789\n      length of the whole record, space, key, =, value, newline
//! ```
//!
//! The length rules: values may hold anything, newlines and NULs too. A key ends at the first `=`.
//! An empty value takes an earlier record of the key back. Of several records the last counts.
//!
//! | key | meaning |
//! |---|---|
//! | `path linkpath size uid gid mtime` | the header's field |
//! | `SCHILY.xattr.NAME` | extended attribute, raw value |
//! | `LIBARCHIVE.xattr.NAME` | the same, name percent-encoded, value in base64 |
//! | `RHT.security.selinux` | the attribute `security.selinux` |
//! | `GNU.sparse.*` | a sparse file ([`super::sparse`]) |
//! | `SUN.holesdata` | a sparse file in a form that is refused |
//!
//! All others are passed over, `SCHILY.acl.*` and `hdrcharset` among them: names are bytes anyway.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::sparse::Segment;
use crate::volume::Timestamp;

/// Libarchive writes no padding, others do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What the records of one member say.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Timestamp>,
    /// In the order of the records.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseRecords,
}

/// What the records say of a sparse file.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) segment_count: Option<u64>,
    pub(super) segments: Vec<Segment>,
    next_offset: Option<u64>,
}

/// Where a sparse file has its map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the records: 0.0 and 0.1.
    InRecords,
    /// Before the data: 1.0.
    BeforeData,
}

/// A value that its key does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The records in the body of a PAX header; an error where it does not consist of records.
pub(super) fn records(
    mut body: &[u8],
) -> impl Iterator<Item = Result<(&[u8], &[u8]), Malformed>> + use<'_> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let Some((key, value, rest)) = split_record(body) else {
            body = &[];
            return Some(Err(Malformed));
        };
        body = rest;
        Some(Ok((key, value)))
    })
}

fn split_record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = body.iter().take(20).position(|byte| *byte == b' ')?;
    let len = usize::try_from(decimal(&body[..digits])?).ok()?;
    let (record, rest) = body.split_at_checked(len)?;
    let (last, record) = record.get(digits + 1..)?.split_last()?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    (*last == b'\n' && equals > 0).then(|| (&record[..equals], &record[equals + 1..], rest))
}

impl Attributes {
    /// Takes one record in.
    pub(super) fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match key {
            b"path" => self.path = text(value),
            b"linkpath" => self.link_path = text(value),
            b"size" => self.size = parsed(value, decimal)?,
            b"uid" => self.uid = parsed(value, decimal)?,
            b"gid" => self.gid = parsed(value, decimal)?,
            b"mtime" => self.mtime = parsed(value, timestamp)?,
            b"RHT.security.selinux" => {
                self.xattrs.push((b"security.selinux".to_vec(), value.to_vec()));
            }
            b"SUN.holesdata" => return Err(Malformed),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let value = BASE64.decode(value).map_err(|_| Malformed)?;
                    self.xattrs.push((percent_decoded(name), value));
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    return self.sparse.apply(key, value);
                }
            }
        }
        Ok(())
    }
}

impl SparseRecords {
    /// Where the map is; `None` for a file that is stored whole.
    pub(super) fn form(&self) -> Result<Option<Form>, &'static str> {
        match (self.major, self.minor.unwrap_or_default()) {
            (Some(1), 0) => Ok(Some(Form::BeforeData)),
            (None | Some(0), _) => {
                let is_sparse = self.segment_count.is_some() || !self.segments.is_empty();
                Ok(is_sparse.then_some(Form::InRecords))
            }
            _ => Err("its version is unknown"),
        }
    }

    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match key {
            b"major" => self.major = parsed(value, decimal)?,
            b"minor" => self.minor = parsed(value, decimal)?,
            b"name" => self.name = text(value),
            b"size" | b"realsize" => self.real_size = parsed(value, decimal)?,
            b"numblocks" => self.segment_count = parsed(value, decimal)?,
            b"offset" => self.next_offset = Some(decimal(value).ok_or(Malformed)?),
            b"numbytes" => {
                let offset = self.next_offset.take().ok_or(Malformed)?;
                self.segments.push(Segment { offset, len: decimal(value).ok_or(Malformed)? });
            }
            b"map" => self.segments = map_0_1(value).ok_or(Malformed)?,
            _ => {}
        }
        Ok(())
    }
}

/// The map of form 0.1: offset, length, offset, length, …, separated by commas.
fn map_0_1(value: &[u8]) -> Option<Vec<Segment>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    let numbers: Vec<u64> =
        value.split(|byte| *byte == b',').map(decimal).collect::<Option<_>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|&[offset, len]| Segment { offset, len }).collect())
}

fn text(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

fn parsed<T>(value: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, Malformed> {
    match value {
        [] => Ok(None),
        _ => parse(value).map(Some).ok_or(Malformed),
    }
}

/// A number in decimal digits and nothing else.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(value))
    })
}

/// Seconds with an optional sign and fraction; digits after the ninth are cut off.
fn timestamp(value: &[u8]) -> Option<Timestamp> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let secs = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = fraction
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(9)
        .fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some(match (negative, nanos) {
        (false, _) => Timestamp { secs, nanos },
        (true, 0) => Timestamp { secs: -secs, nanos },
        (true, _) => Timestamp { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// `%41` becomes `A`; a percent sign without two hex digits stays.
fn percent_decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let byte = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        (decoded, rest) = match byte {
            Some((high, low)) => (push(decoded, high << 4 | low), &after[2..]),
            None => (push(decoded, *first), after),
        };
    }
    decoded
}

fn push(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Option<(i64, u32)> {
        timestamp(text.as_bytes()).map(|time| (time.secs, time.nanos))
    }

    #[test]
    fn records_are_cut_by_their_length() {
        let body = b"13 k=a\nb=c\n\n\n5 a=\n";
        let read: Vec<_> = records(body).collect();
        assert_eq!(read, [Ok((&b"k"[..], &b"a\nb=c\n\n"[..])), Ok((b"a", b""))]);
    }

    #[test]
    fn what_is_no_record_is_malformed() {
        for body in [&b"x"[..], b"4 a=\n", b"7 a=\n", b"5 a=b", b"5 =b\n", b"5 ab\n", b"-5 a=\n"] {
            assert_eq!(records(body).last(), Some(Err(Malformed)), "{}", body.escape_ascii());
        }
        assert_eq!(records(b"99999999999999999999 a=\n").last(), Some(Err(Malformed)));
    }

    #[test]
    fn times_have_sign_and_fraction() {
        assert_eq!(stamp("12"), Some((12, 0)));
        assert_eq!(stamp("12.5"), Some((12, 500_000_000)));
        assert_eq!(stamp("12.1234567899"), Some((12, 123_456_789)));
        assert_eq!(stamp("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(stamp("-3"), Some((-3, 0)));
        assert_eq!(stamp("12."), Some((12, 0)));
        for wrong in ["", "-", ".5", "1e3", "1.x", "99999999999999999999", "--1", "+1"] {
            assert_eq!(stamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn xattrs_have_three_spellings() {
        let mut attributes = Attributes::default();
        attributes.apply(b"SCHILY.xattr.user.a", b"1\n\0=").unwrap();
        attributes.apply(b"LIBARCHIVE.xattr.user.%62%3d", b"AQI").unwrap();
        attributes.apply(b"RHT.security.selinux", b"label").unwrap();
        attributes.apply(b"SCHILY.acl.access", b"user::rw-").unwrap();
        let pairs =
            [("user.a", &b"1\n\0="[..]), ("user.b=", &[1, 2]), ("security.selinux", b"label")];
        let expected = pairs.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
        assert_eq!(attributes.xattrs, expected);
        assert_eq!(attributes.apply(b"LIBARCHIVE.xattr.user.c", b"!"), Err(Malformed));
    }

    #[test]
    fn an_empty_value_takes_back() {
        let mut attributes = Attributes::default();
        attributes.apply(b"uid", b"7").unwrap();
        attributes.apply(b"uid", b"").unwrap();
        assert_eq!(attributes.uid, None);
        assert_eq!(attributes.apply(b"uid", b"0x7"), Err(Malformed));
    }
}
