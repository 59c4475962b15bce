//! Times as people say them, and the spans that they type.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// How long ago, or which day: `just now`, `3 min ago`, `today 14:10`, `Tue 15:04`, `12 May`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    let zone = TimeZone::system();
    let (local, today) = (at.to_zoned(zone.clone()), now.to_zoned(zone));
    match seconds {
        i64::MIN..=-61 => local.strftime("%d %b %H:%M").to_string(),
        -60..=9 => "just now".to_owned(),
        10..=59 => format!("{seconds} s ago"),
        60..=3599 => format!("{} min ago", seconds / 60),
        _ if local.date() == today.date() => local.strftime("today %H:%M").to_string(),
        3600..=518_400 => local.strftime("%a %H:%M").to_string(),
        _ if local.year() == today.year() => local.strftime("%-d %b").to_string(),
        _ => local.strftime("%-d %b %Y").to_string(),
    }
}

/// Reads how many rows are wanted: an empty list would say that there is nothing.
pub(crate) fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("a whole number, such as 30".to_owned()),
    }
}

/// Reads a span such as `90s`, `15m`, `1h`, `2d`, `1h30m`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let mut total = 0_u64;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let factor = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(wrong(text)),
        };
        let number: u64 = digits.parse().map_err(|_| wrong(text))?;
        digits.clear();
        total = number
            .checked_mul(factor)
            .and_then(|seconds| total.checked_add(seconds))
            .ok_or_else(|| wrong(text))?;
    }
    match (digits.is_empty(), total) {
        (true, 0) if !text.is_empty() => Err("it must be more than 0, such as `90s`".to_owned()),
        (true, 1..) => Ok(Duration::from_secs(total)),
        (false, 0) if digits == text => Err(format!("{}; did you mean `{text}s`?", wrong(text))),
        _ => Err(wrong(text)),
    }
}

fn wrong(text: &str) -> String {
    format!("`{text}` is not a span of time; write it like `90s`, `15m`, `1h` or `2d`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h", 3600),
            ("2d", 172_800),
            ("1h30m", 5400),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "1",
            "h",
            "1w",
            "-1h",
            "1.5h",
            "0s",
            "99999999999999999999d",
        ] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (at, wanted) in [
            ("2026-11-24T11:59:58Z", "just now"),
            ("2026-11-24T11:59:30Z", "30 s ago"),
            ("2026-11-24T11:57:00Z", "3 min ago"),
            ("2025-05-12T08:00:00Z", "12 May 2025"),
        ] {
            assert_eq!(relative(at.parse().unwrap(), now), wanted);
        }
    }
}
