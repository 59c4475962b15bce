//! Durations as people write them: `500ms`, `20s`, `5m`, `1h30m`, `2d`.

/// Units from long to short, with their milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration in milliseconds; the units fall from left to right. None when it is not one.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if *size >= last {
            return None;
        }
        last = *size;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Writes a duration in the fewest units that say it exactly.
pub(crate) fn show(milliseconds: u64) -> String {
    let mut rest = milliseconds;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            text.push_str(&(rest / size).to_string());
            text.push_str(unit);
            rest %= size;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// How long ago something was, in the largest unit that fits, for people.
pub(crate) fn roughly(age: jiff::SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..86_400 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, wanted) in [
            ("20s", Some(20_000)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1s500ms", Some(1_500)),
            ("2d", Some(172_800_000)),
            ("0s", Some(0)),
            ("", None),
            ("20", None),
            ("s", None),
            ("30m1h", None),
            ("1h1h", None),
            ("1.5h", None),
            ("-1s", None),
            ("5 m", None),
            ("5M", None),
            ("99999999999999999999s", None),
            ("5ä", None),
        ] {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back(milliseconds in 0_u64..10_000_000_000) {
            proptest::prop_assert_eq!(parse(&show(milliseconds)), Some(milliseconds));
        }

        #[test]
        fn never_panics(text in "\\PC{0,12}") {
            let _time = parse(&text);
        }
    }
}
