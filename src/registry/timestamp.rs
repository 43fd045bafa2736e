//! RFC 3339 times, as the importer's two languages read and write them.
//!
//! The manifest's annotation goes straight to the importer, which also takes a lower-case `t` or `z`,
//! a space for the `T`, and a leap second. The config passes through Go first, which takes none of
//! these, and which drops a fraction's trailing zeros and digits beyond the ninth.

/// A date and time with its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timestamp {
    date: [i64; 3],
    time: [i64; 3],
    /// Digits after the point.
    fraction: String,
    offset_minutes: i64,
    /// Whether Go would read it.
    strict: bool,
}

impl Timestamp {
    /// Reads what the importer accepts; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (date, time) = (bytes.get(..10)?, bytes.get(11..19)?);
        let date = fields(date, [4, 2, 2], b'-')?;
        let time = fields(time, [2, 2, 2], b':')?;
        let separator = *bytes.get(10)?;
        let mut rest = bytes.get(19..)?;
        let mut fraction = String::new();
        if let Some(digits) = rest.strip_prefix(b".") {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, after) = digits.split_at(count);
            fraction = std::str::from_utf8(digits).ok().filter(|d| !d.is_empty())?.to_owned();
            rest = after;
        }
        let offset_minutes = match rest {
            b"Z" | b"z" => 0,
            [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 5 => {
                let [hours, minutes] = fields(zone, [2, 2], b':')?;
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let minutes = hours * 60 + minutes;
                if *sign == b'-' { -minutes } else { minutes }
            }
            _ => return None,
        };
        let [year, month, day] = date;
        let [hour, minute, second] = time;
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60
            && matches!(separator, b'T' | b't' | b' ');
        let strict = separator == b'T' && rest != b"z" && second < 60;
        in_range.then_some(Self { date, time, fraction, offset_minutes, strict })
    }

    /// Reads what Go accepts.
    pub(crate) fn parse_strict(text: &str) -> Option<Self> {
        Self::parse(text).filter(|time| time.strict)
    }

    /// Whole seconds since 1970, rounded down; a leap second counts as the one before.
    pub(crate) fn unix_secs(&self) -> i64 {
        let [hour, minute, second] = self.time;
        let day_secs = hour * 3600 + minute * 60 + second.min(59);
        days_since_1970(self.date) * 86_400 + day_secs - self.offset_minutes * 60
    }

    /// As Go writes it.
    pub(crate) fn to_go(&self) -> String {
        let [year, month, day] = self.date;
        let [hour, minute, second] = self.time;
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        let digits = self.fraction.get(..9).unwrap_or(&self.fraction).trim_end_matches('0');
        if !digits.is_empty() {
            text.push('.');
            text.push_str(digits);
        }
        match self.offset_minutes {
            0 => text.push('Z'),
            offset => {
                text.push(if offset < 0 { '-' } else { '+' });
                text.push_str(&format!("{:02}:{:02}", offset.abs() / 60, offset.abs() % 60));
            }
        }
        text
    }
}

/// Numbers of fixed width with one separator between them.
fn fields<const N: usize>(bytes: &[u8], widths: [usize; N], separator: u8) -> Option<[i64; N]> {
    let mut values = [0; N];
    let mut parts = bytes.split(|byte| *byte == separator);
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        for byte in part {
            let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
            *value = *value * 10 + digit;
        }
    }
    parts.next().is_none().then_some(values)
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days_since_1970([year, month, day]: [i64; 3]) -> i64 {
    let before = year - 1;
    let years_days =
        before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months_days: i64 = (1..month).map(|earlier| days_in_month(year, earlier)).sum();
    // 719,162 days lie between 0001-01-01 and 1970-01-01.
    years_days + months_days + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(text: &str) -> Option<i64> {
        Timestamp::parse(text).map(|time| time.unix_secs())
    }

    #[test]
    fn seconds_count_from_1970_and_round_down() {
        assert_eq!(secs("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(secs("2025-01-01T00:00:00Z"), Some(1_735_689_600));
        assert_eq!(secs("1969-12-31T23:00:00Z"), Some(-3600));
        assert_eq!(secs("1969-12-31T23:59:59.9Z"), Some(-1));
        assert_eq!(secs("2024-02-29T23:59:59.987654321+05:30"), Some(1_709_231_399));
        assert_eq!(secs("2023-05-06T07:08:09.5-03:00"), Some(1_683_367_689));
        assert_eq!(secs("0001-01-01T00:00:00Z"), Some(-62_135_596_800));
        assert_eq!(secs("0000-01-01T00:00:00Z"), Some(-62_167_219_200));
        assert_eq!(secs("9999-12-31T23:59:59Z"), Some(253_402_300_799));
        assert_eq!(secs("2016-12-31T23:59:60Z"), secs("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "yesterday",
            "2025-01-01",
            "2025-01-01T00:00:00",
            "2025-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00,5Z",
            "2025-01-01T00:00:00+0100",
            "2025-01-01T00:00:00+24:00",
            "2025-01-01T00:00:00Zx",
            "2025-1-01T00:00:00Z",
            "é025-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn go_is_stricter() {
        for text in ["2025-01-01t00:00:00Z", "2025-01-01 00:00:00Z", "2016-12-31T23:59:60Z"] {
            assert!(Timestamp::parse(text).is_some(), "{text}");
            assert_eq!(Timestamp::parse_strict(text), None, "{text}");
        }
    }

    #[test]
    fn go_shortens_fractions_and_zones() {
        let go = |text| Timestamp::parse_strict(text).unwrap().to_go();
        assert_eq!(go("2025-01-01T00:00:00.100Z"), "2025-01-01T00:00:00.1Z");
        assert_eq!(go("2025-01-01T00:00:00.000Z"), "2025-01-01T00:00:00Z");
        assert_eq!(go("2025-01-01T00:00:00.1234567899Z"), "2025-01-01T00:00:00.123456789Z");
        assert_eq!(go("2025-01-01T00:00:00+00:00"), "2025-01-01T00:00:00Z");
        assert_eq!(go("2025-01-01T00:00:00-03:30"), "2025-01-01T00:00:00-03:30");
    }
}
