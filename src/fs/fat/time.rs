//! Times as FAT stores them: from 1980 on, in steps of two seconds.

use crate::volume::{Civil, Timestamp};

/// 1980-01-01 and 2107-12-31T23:59:59 in seconds since 1970.
const RANGE_SECS: std::ops::RangeInclusive<i64> = 315_532_800..=4_354_819_199;

/// A date (year since 1980, month, day: 7, 4, 5 bits), a time (hour, minute, seconds / 2: 5, 6, 5
/// bits), and what the time leaves out, in hundredths of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DosTime {
    pub date: u16,
    pub time: u16,
    pub hundredths: u8,
}

impl From<Timestamp> for DosTime {
    fn from(at: Timestamp) -> Self {
        let secs = at.secs.clamp(*RANGE_SECS.start(), *RANGE_SECS.end());
        let nanos = if secs == at.secs { at.nanos } else { 0 };
        let Civil { year, month, day, hour, minute, second } = Timestamp { secs, nanos }.civil();
        let [month, day, hour, minute] = [month, day, hour, minute].map(u16::from);
        let years = u16::try_from(year - 1980).unwrap_or(0);
        Self {
            date: years << 9 | month << 5 | day,
            time: hour << 11 | minute << 5 | u16::from(second / 2),
            hundredths: second % 2 * 100 + u8::try_from(nanos / 10_000_000).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dos(secs: i64, nanos: u32) -> (u16, u16, u8) {
        let DosTime { date, time, hundredths } = Timestamp { secs, nanos }.into();
        (date, time, hundredths)
    }

    #[test]
    fn times_are_brought_into_range() {
        assert_eq!(dos(0, 5), (1 << 5 | 1, 0, 0));
        assert_eq!(dos(i64::MIN, 0), (1 << 5 | 1, 0, 0));
        let last = (127 << 9 | 12 << 5 | 31, 23 << 11 | 59 << 5 | 29, 100);
        assert_eq!(dos(i64::MAX, 999_999_999), last);
    }

    #[test]
    fn days_and_odd_seconds_are_kept() {
        // 2024-02-29T12:34:57.25Z
        let expected = (44 << 9 | 2 << 5 | 29, 12 << 11 | 34 << 5 | 28, 125);
        assert_eq!(dos(1_709_210_097, 250_000_000), expected);
    }
}
