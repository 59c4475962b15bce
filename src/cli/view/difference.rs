//! How two long values are told apart.

use std::borrow::Cow;

/// Two values, without what they have in common at the front where one is too long to be shown: ARNs differ at their end.
pub(super) fn tails<'a>(before: &'a str, after: &'a str) -> (Cow<'a, str>, Cow<'a, str>) {
    let is_short = |text: &str| text.chars().count() <= SHORT;
    let same = before.bytes().zip(after.bytes());
    let same = same.take_while(|(one, other)| one == other).count();
    let common = before
        .get(..same)
        .and_then(|common| common.rfind([':', '/']));
    match common {
        Some(at) if !(is_short(before) && is_short(after)) => {
            let tail = |text: &'a str| format!("…{}", text.get(at..).unwrap_or(text)).into();
            (tail(before), tail(after))
        }
        _ => (before.into(), after.into()),
    }
}

/// Characters of a value that are shown.
pub(super) const SHORT: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_long_values_the_part_that_differs_is_shown() {
        let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
        let (before, after) = (role("receipts"), role("receipts-of-2026"));
        assert_eq!(
            tails(&before, &after),
            ("…/receipts".into(), "…/receipts-of-2026".into())
        );
        assert_eq!(tails("one", "two"), ("one".into(), "two".into()));
    }
}
