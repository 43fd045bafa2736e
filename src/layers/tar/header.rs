//! The 512 bytes before each member.
//!
//! ```text
//!    0 name 100      124 size 12      157 link 100     329 device numbers 8+8
//!  100 mode   8      136 mtime 12     257 magic  8     345 prefix 155 (ustar), 131 (star)
//!  108 uid    8      148 sum    8     265 uname 32     386 4 sparse segments (GNU)
//!  116 gid    8      156 type   1     297 gname 32     482 extended 1, 483 real size 12 (GNU)
//! ```
//!
//! Numbers are octal text, or binary, big-endian, when the first byte has its top bit set.

pub(super) const BLOCK_BYTES: usize = 512;

/// A header whose checksum is right.
#[derive(Debug)]
pub(super) struct Header([u8; BLOCK_BYTES]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl Header {
    /// The header in `block`; `None` when its checksum is wrong.
    pub(super) fn parse(block: [u8; BLOCK_BYTES]) -> Option<Self> {
        let stored = number(&block[148..156])?;
        // The sum counts its own field as spaces. Some old writers added signed bytes.
        let others = || block[..148].iter().chain(&block[156..]);
        let unsigned = 8 * 32 + others().map(|byte| i64::from(*byte)).sum::<i64>();
        let signed = 8 * 32 + others().map(|byte| i64::from(byte.cast_signed())).sum::<i64>();
        (stored == unsigned || stored == signed).then_some(Self(block))
    }

    /// What kind of member follows.
    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    /// The name, ustar's prefix in front.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_nul(&self.0[..100]);
        match self.prefix() {
            [] => name.to_vec(),
            prefix => [prefix, b"/", name].concat(),
        }
    }

    /// Ustar's prefix of the name, empty in other dialects.
    pub(super) fn prefix(&self) -> &[u8] {
        match self.dialect() {
            Dialect::Ustar => until_nul(&self.0[345..500]),
            Dialect::Star => until_nul(&self.0[345..476]),
            Dialect::V7 | Dialect::Gnu => &[],
        }
    }

    /// The target of a link.
    pub(super) fn link_name(&self) -> &[u8] {
        until_nul(&self.0[157..257])
    }

    pub(super) fn mode(&self) -> Option<u16> {
        u16::try_from(number(&self.0[100..108])? & 0o7777).ok()
    }

    pub(super) fn uid(&self) -> Option<u64> {
        u64::try_from(number(&self.0[108..116])?).ok()
    }

    pub(super) fn gid(&self) -> Option<u64> {
        u64::try_from(number(&self.0[116..124])?).ok()
    }

    /// Bytes of data that follow.
    pub(super) fn size(&self) -> Option<u64> {
        u64::try_from(number(&self.0[124..136])?).ok()
    }

    pub(super) fn mtime(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    /// Whether fields are laid out as GNU tar's old format has them.
    pub(super) fn is_gnu(&self) -> bool {
        self.dialect() == Dialect::Gnu
    }

    /// The sparse segments in a GNU header: four times offset and length.
    pub(super) fn gnu_segments(&self) -> &[u8] {
        &self.0[386..482]
    }

    /// Whether blocks with more sparse segments follow.
    pub(super) fn gnu_is_extended(&self) -> bool {
        self.0[482] != 0
    }

    /// The length of a sparse file with its holes.
    pub(super) fn gnu_real_size(&self) -> Option<u64> {
        u64::try_from(number(&self.0[483..495])?).ok()
    }

    fn dialect(&self) -> Dialect {
        match &self.0[257..263] {
            b"ustar\0" if &self.0[508..] == b"tar\0" => Dialect::Star,
            b"ustar\0" => Dialect::Ustar,
            b"ustar " => Dialect::Gnu,
            _ => Dialect::V7,
        }
    }
}

/// The bytes before the first NUL.
pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// A numeric field; an empty one is 0. `None` when it is no number or beyond 64 bits.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field.split_first()? {
        (first @ (0x80 | 0xff), rest) => binary(if *first == 0xff { -1 } else { 0 }, rest),
        (first, rest) if *first & 0x80 != 0 => binary(i64::from(*first & 0x7f), rest),
        _ => octal(until_nul(field).trim_ascii()),
    }
}

fn binary(first: i64, rest: &[u8]) -> Option<i64> {
    rest.iter().try_fold(first, |sum, byte| sum.checked_mul(256)?.checked_add(i64::from(*byte)))
}

fn octal(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |sum, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value < 8)?;
        sum.checked_mul(8)?.checked_add(i64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"77777777"), Some(0o77_777_777));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"12x\0"), None);
        assert_eq!(number(b"-12\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe]), Some(0xffff_fffe));
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(number(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x9c]), Some(-100));
    }

    #[test]
    fn a_wrong_checksum_is_no_header() {
        let mut block = [0; BLOCK_BYTES];
        block[0] = 0xe9;
        let rest = 8 * 32;
        block[148..155].copy_from_slice(format!("{:06o}\0", rest + 0xe9).as_bytes());
        assert!(Header::parse(block).is_some(), "unsigned");
        block[148..155].copy_from_slice(format!("{:06o}\0", rest - 0x17).as_bytes());
        assert!(Header::parse(block).is_some(), "signed");
        block[148..155].copy_from_slice(format!("{:06o}\0", rest).as_bytes());
        assert!(Header::parse(block).is_none());
    }
}
