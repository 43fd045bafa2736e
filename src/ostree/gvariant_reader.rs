//! Reads GVariants, as many kinds as ostree objects need (ostree-contract 2.1).
//!
//! The counterpart of [`gvariant`](super::gvariant), for bytes from strangers. Only normal form is
//! accepted: what these functions read, the writer would have written the same. So framing offsets
//! are as narrow as they can be and never run backwards, padding is zero, and every byte belongs to
//! something. Nothing is copied; a child is a slice of its parent.

use super::gvariant::offset_width;

/// Why bytes are no value of the expected type in normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A framing offset leads outside the container or backwards, or there is no room for it.
    #[error("a framing offset leads nowhere")]
    Offset,
    /// Framing offsets are wider than the container's length asks for.
    #[error("the framing offsets are wider than they have to be")]
    OffsetWidth,
    /// Padding that is not zero.
    #[error("the padding is not zero")]
    Padding,
    /// Bytes that belong to no member.
    #[error("{0} bytes belong to nothing")]
    Surplus(usize),
    /// A value of fixed size has another one.
    #[error("{found} bytes where there must be {expected}")]
    Length {
        /// The size of the type.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// A string without its final NUL, or with another one.
    #[error("a string does not end with its only NUL")]
    Nul,
    /// A string in another encoding.
    #[error("a string is not valid UTF-8")]
    NotUtf8,
}

/// The type of a tuple's member, as far as framing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// Always this many bytes, aligned to as many.
    Fixed(usize),
    /// Any number of bytes.
    Variable {
        /// What its start is aligned to.
        alignment: usize,
    },
}

/// A member of type `s`, `ay` or an array of such: not aligned.
pub const BYTES: Member = Member::Variable { alignment: 1 };

/// The members of a tuple.
pub fn tuple<'b, const N: usize>(
    bytes: &'b [u8],
    members: &[Member; N],
) -> Result<[&'b [u8]; N], FormError> {
    let is_framed =
        |(place, member): &(usize, &Member)| *place + 1 < N && !matches!(member, Member::Fixed(_));
    let count = members.iter().enumerate().filter(is_framed).count();
    let width = width_in(bytes.len());
    let body = bytes.len().checked_sub(count * width).ok_or(FormError::Offset)?;
    if count > 0 && offset_width(body, count) != width {
        return Err(FormError::OffsetWidth);
    }
    let mut children: [&[u8]; N] = [&[]; N];
    let mut end = 0;
    let mut framed = 0;
    for (place, (child, member)) in children.iter_mut().zip(members).enumerate() {
        let alignment = match member {
            Member::Fixed(len) => *len,
            Member::Variable { alignment } => *alignment,
        };
        let start = aligned(bytes, end, alignment)?;
        end = match member {
            Member::Fixed(len) => start.checked_add(*len).ok_or(FormError::Offset)?,
            Member::Variable { .. } if place + 1 == N => body,
            Member::Variable { .. } => {
                framed += 1;
                offset(bytes, bytes.len() - framed * width, width)?
            }
        };
        if end > body {
            return Err(FormError::Offset);
        }
        *child = bytes.get(start..end).ok_or(FormError::Offset)?;
    }
    if end == body { Ok(children) } else { Err(FormError::Surplus(body - end)) }
}

/// The elements of an array whose elements have variable size.
pub fn array(bytes: &[u8], alignment: usize) -> Result<Vec<&[u8]>, FormError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let width = width_in(bytes.len());
    let last = bytes.len().checked_sub(width).ok_or(FormError::Offset)?;
    let body = offset(bytes, last, width)?;
    let offsets_len = bytes.len().checked_sub(body).ok_or(FormError::Offset)?;
    if offsets_len == 0 || offsets_len % width != 0 {
        return Err(FormError::Offset);
    }
    if offset_width(body, offsets_len / width) != width {
        return Err(FormError::OffsetWidth);
    }
    let mut elements = Vec::with_capacity(offsets_len / width);
    let mut end = 0;
    for at in (body..bytes.len()).step_by(width) {
        let start = aligned(bytes, end, alignment)?;
        end = offset(bytes, at, width)?;
        if end > body {
            return Err(FormError::Offset);
        }
        elements.push(bytes.get(start..end).ok_or(FormError::Offset)?);
    }
    Ok(elements)
}

/// A string, without its NUL.
pub fn string(bytes: &[u8]) -> Result<&str, FormError> {
    std::str::from_utf8(nul_terminated(bytes)?).map_err(|_| FormError::NotUtf8)
}

/// Bytes that end with their only NUL, without it.
pub fn nul_terminated(bytes: &[u8]) -> Result<&[u8], FormError> {
    match bytes.split_last() {
        Some((0, text)) if !text.contains(&0) => Ok(text),
        _ => Err(FormError::Nul),
    }
}

/// Bytes that must be `N`.
pub fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], FormError> {
    bytes.try_into().map_err(|_| FormError::Length { expected: N, found: bytes.len() })
}

/// How wide the framing offsets of a container of this length are.
fn width_in(len: usize) -> usize {
    match u64::try_from(len).unwrap_or(u64::MAX) {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// Where a child after `end` starts; the bytes between are checked.
fn aligned(bytes: &[u8], end: usize, alignment: usize) -> Result<usize, FormError> {
    let start = end.checked_next_multiple_of(alignment).ok_or(FormError::Offset)?;
    let padding = bytes.get(end..start).ok_or(FormError::Offset)?;
    if padding.iter().all(|byte| *byte == 0) { Ok(start) } else { Err(FormError::Padding) }
}

fn offset(bytes: &[u8], at: usize, width: usize) -> Result<usize, FormError> {
    let stored = at.checked_add(width).and_then(|end| bytes.get(at..end));
    let mut padded = [0; 8];
    padded[..width].copy_from_slice(stored.ok_or(FormError::Offset)?);
    usize::try_from(u64::from_le_bytes(padded)).map_err(|_| FormError::Offset)
}

#[cfg(test)]
mod tests {
    use super::super::gvariant::Frame;
    use super::*;
    use proptest::prelude::*;

    fn written_array(elements: &[Vec<u8>], alignment: usize) -> Vec<u8> {
        let mut frame = Frame::default();
        for element in elements {
            frame.variable(alignment, element);
        }
        frame.finish_array()
    }

    fn written_tuple(first: &[u8], number: u64, last: &[u8]) -> Vec<u8> {
        let mut frame = Frame::default();
        frame.variable(1, first);
        frame.fixed(8, &number.to_be_bytes());
        frame.variable(1, last);
        frame.finish_tuple(true)
    }

    const TUPLE: [Member; 3] = [BYTES, Member::Fixed(8), BYTES];

    #[test]
    fn offsets_must_be_narrow_and_ascend() {
        assert_eq!(array(b"ab\x02\x01", 1), Err(FormError::Offset));
        assert_eq!(array(b"ab\x01\x02", 1), Ok(vec![&b"a"[..], b"b"]));
        assert_eq!(array(b"ab\x03\x02", 1), Err(FormError::Offset));
        assert_eq!(array(b"ab\xff", 1), Err(FormError::Offset));
        assert_eq!(array(b"\x01", 1), Err(FormError::Offset));
        // 256 bytes with two wide offsets, although 254 with narrow ones would do
        let mut wide = vec![7; 252];
        wide.extend([1, 0, 252, 0]);
        assert_eq!(array(&wide, 1), Err(FormError::OffsetWidth));
        assert_eq!(tuple(b"", &[BYTES, BYTES]), Err(FormError::Offset));
        assert_eq!(tuple(b"\0", &[BYTES, BYTES]), Ok([&b""[..], b""]));
        assert_eq!(tuple(b"abc\x04", &[BYTES, BYTES]), Err(FormError::Offset));
    }

    #[test]
    fn padding_and_surplus_are_seen() {
        let bytes = written_tuple(b"a", 5, b"z");
        assert_eq!(tuple(&bytes, &TUPLE), Ok([&b"a"[..], &[0, 0, 0, 0, 0, 0, 0, 5], b"z"]));
        let mut padded = bytes.clone();
        padded[3] = 1;
        assert_eq!(tuple(&padded, &TUPLE), Err(FormError::Padding));
        let fixed_last = [Member::Variable { alignment: 1 }, Member::Fixed(1)];
        assert_eq!(tuple(b"ab\x01", &fixed_last), Ok([&b"a"[..], b"b"]));
        assert_eq!(tuple(b"abc\x01", &fixed_last), Err(FormError::Surplus(1)));
    }

    #[test]
    fn strings_end_with_their_only_nul() {
        assert_eq!(string(b"a\0"), Ok("a"));
        assert_eq!(string(b"\0"), Ok(""));
        for wrong in [&b""[..], b"a", b"a\0b\0", b"a\0\0"] {
            assert_eq!(string(wrong), Err(FormError::Nul));
        }
        assert_eq!(string(b"\xff\0"), Err(FormError::NotUtf8));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..9),
            number: u64,
            narrow: bool,
        ) {
            let alignment = if narrow { 1 } else { 8 };
            let bytes = written_array(&elements, alignment);
            let expected: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(array(&bytes, alignment), Ok(expected));
            let nested = written_tuple(&bytes, number, &bytes);
            let expected = [&bytes[..], &number.to_be_bytes(), &bytes];
            prop_assert_eq!(tuple(&nested, &TUPLE), Ok(expected));
        }

        #[test]
        fn what_is_read_would_be_written_the_same(bytes in prop::collection::vec(0_u8..12, 0..40)) {
            if let Ok(elements) = array(&bytes, 1) {
                let elements: Vec<Vec<u8>> = elements.into_iter().map(<[u8]>::to_vec).collect();
                prop_assert_eq!(&written_array(&elements, 1), &bytes);
            }
            if let Ok([first, number, last]) = tuple(&bytes, &TUPLE) {
                let number = u64::from_be_bytes(fixed(number).unwrap());
                prop_assert_eq!(&written_tuple(first, number, last), &bytes);
            }
        }
    }
}
