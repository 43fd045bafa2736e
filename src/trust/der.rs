//! As much of DER (X.690) as a public key needs: definite lengths, in their shortest form.

/// Universal tags.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next value, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        if found != tag {
            return None;
        }
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&len, rest) = rest.split_first()?;
                (Some(usize::from(len)).filter(|len| *len > 0x7f)?, rest)
            }
            0x82 => {
                let (bytes, rest) = rest.split_first_chunk::<2>()?;
                let len = usize::from(u16::from_be_bytes(*bytes));
                (Some(len).filter(|len| *len > 0xff)?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(content)
    }

    /// Whether everything was read.
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_form() {
        assert_eq!(Der(&[2, 1, 7]).take(INTEGER), Some(&[7][..]));
        let long = [&[3, 0x81, 0x80][..], &[9; 0x80]].concat();
        assert_eq!(Der(&long).take(BIT_STRING).map(<[u8]>::len), Some(0x80));
        let longer = [&[3, 0x82, 1, 0][..], &[9; 0x100]].concat();
        assert_eq!(Der(&longer).take(BIT_STRING).map(<[u8]>::len), Some(0x100));
        for wrong in [
            &[][..],
            &[2],
            &[2, 2, 7],
            &[2, 0x80, 7, 0, 0],
            &[2, 0x81, 1, 7],
            &[2, 0x82, 0, 1, 7],
            &[2, 0x83, 0, 0, 1, 7],
            &[3, 1, 7],
        ] {
            assert_eq!(Der(wrong).take(INTEGER), None, "{wrong:?}");
        }
    }
}
