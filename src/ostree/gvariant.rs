//! GVariant serialisation, as much of it as ostree objects need (ostree-contract 2.1).
//!
//! A tuple or array is written through a [`Frame`]: children are appended at their alignment, the
//! ends of the variable-size ones are remembered, and [`Frame::finish_tuple`] or
//! [`Frame::finish_array`] appends the framing offsets, as narrow as the total length allows.
//! Alignment counts from the start of the frame, which is right because a parent aligns a child to
//! the child's own alignment.

/// A container being serialised.
#[derive(Debug, Default)]
pub struct Frame {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frame {
    /// Appends a child of fixed size, which leaves no framing offset.
    pub fn fixed(&mut self, alignment: usize, child: &[u8]) {
        self.align(alignment);
        self.bytes.extend_from_slice(child);
    }

    /// Appends a child of variable size and remembers where it ends.
    pub fn variable(&mut self, alignment: usize, child: &[u8]) {
        self.fixed(alignment, child);
        self.ends.push(self.bytes.len());
    }

    /// Appends a string (`s`): its bytes and a NUL.
    pub fn string(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.ends.push(self.bytes.len());
    }

    /// The serialised tuple. When its last member has variable size, that one needs no offset.
    pub fn finish_tuple(mut self, last_is_variable: bool) -> Vec<u8> {
        if last_is_variable {
            self.ends.pop();
        }
        self.ends.reverse();
        self.finish()
    }

    /// The serialised array of variable-size elements.
    pub fn finish_array(self) -> Vec<u8> {
        self.finish()
    }

    fn align(&mut self, alignment: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(alignment), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let width = offset_width(self.bytes.len(), self.ends.len());
        for end in &self.ends {
            let end = u64::try_from(*end).expect("a length in memory fits 64 bits");
            self.bytes.extend_from_slice(&end.to_le_bytes()[..width]);
        }
        self.bytes
    }
}

/// Bytes per framing offset: the smallest width with which body and offsets still fit.
pub(super) fn offset_width(body: usize, count: usize) -> usize {
    const LARGEST: [(usize, u64); 3] = [(1, 0xff), (2, 0xffff), (4, 0xffff_ffff)];
    let fits = |width: usize, largest: u64| {
        let total = count.checked_mul(width).and_then(|offsets| offsets.checked_add(body));
        total.and_then(|total| u64::try_from(total).ok()).is_some_and(|total| total <= largest)
    };
    LARGEST
        .into_iter()
        .find(|(width, largest)| fits(*width, *largest))
        .map_or(8, |(width, _)| width)
}

/// A variant (`v`) holding `value`, the serialised form of type `type_string`.
pub fn variant(value: &[u8], type_string: &str) -> Vec<u8> {
    let mut bytes = value.to_vec();
    bytes.push(0);
    bytes.extend_from_slice(type_string.as_bytes());
    bytes
}

/// The value of a string (`s`).
pub fn string(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// A dictionary `a{sv}` with its entries in the given order.
pub fn vardict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut array = Frame::default();
    for (key, variant) in entries {
        let mut entry = Frame::default();
        entry.string(key);
        entry.variable(8, variant);
        array.variable(8, &entry.finish_tuple(true));
    }
    array.finish_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_widen_when_they_no_longer_fit() {
        assert_eq!(offset_width(254, 1), 1);
        assert_eq!(offset_width(255, 1), 2);
        assert_eq!(offset_width(255, 0), 1);
        assert_eq!(offset_width(65_533, 1), 2);
        assert_eq!(offset_width(65_534, 1), 4);
    }

    #[test]
    fn an_empty_array_has_no_bytes() {
        assert!(Frame::default().finish_array().is_empty());
        assert!(vardict(&[]).is_empty());
    }

    #[test]
    fn a_dictionary_aligns_its_variants() {
        let bytes = vardict(&[("a", variant(&string("b"), "s"))]);
        // "a\0", padding to 8, "b\0" NUL "s", end of "a\0" in the entry, end of the entry
        assert_eq!(bytes, b"a\0\0\0\0\0\0\0b\0\0s\x02\x0d");
    }
}
