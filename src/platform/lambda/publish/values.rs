//! The environment variables of a function: merged, compared, and shown as names and short hashes only.
//!
//! Must not show a value: neither `Debug` nor any method that makes text for people gives one out.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

use crate::clients::aws::one_line;
use crate::domain::plan::Difference;

/// Hexadecimal digits of a shown hash: enough to see that a value changed, too few to prove a guess of a secret.
const SHOWN_DIGITS: usize = 6;
/// Values of fewer bytes are left in a message of AWS: to take out every `1` would only spoil it.
const SHORTEST_SCRUBBED: usize = 3;
/// Bytes of a value's beginning that are taken for it at the end of a text: fewer are anybody's.
const SHORTEST_BEGINNING: usize = 8;
/// Bytes from which a value may be a secret that a function wrote by mistake.
const SHORTEST_SECRET: usize = 8;

/// Variables by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// Whether there is no variable.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a variable of this name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// These with `set` laid over them, and without `removed`. A variable that neither names is kept.
    pub(super) fn merged<'a>(
        &self,
        set: &Self,
        removed: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let mut merged = self.0.clone();
        merged.extend(set.0.clone());
        for name in removed {
            drop(merged.remove(name));
        }
        Self(merged)
    }

    /// What changes from these to `after`, by name.
    pub(super) fn differences(&self, after: &Self) -> Vec<Difference> {
        let mut names: Vec<_> = self.0.keys().chain(after.0.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter(|name| self.0.get(*name) != after.0.get(*name))
            .map(|name| Difference {
                key: format!("run.env.{name}"),
                before: self.0.get(name).map(|value| shown(name, value)),
                after: after.0.get(name).map(|value| shown(name, value)),
            })
            .collect()
    }

    /// A text of AWS without the values that it quotes.
    pub(super) fn scrub(&self, text: &str) -> String {
        // As it is, and as a document has it that AWS quotes.
        let quoted = |value: &String| {
            let text = serde_json::Value::from(value.as_str()).to_string();
            text.trim_matches('"').to_owned()
        };
        let mut values: Vec<_> = self
            .0
            .values()
            .filter(|value| value.len() >= SHORTEST_SCRUBBED)
            .flat_map(|value| [value.clone(), quoted(value)])
            // As an error of AWS keeps it.
            .flat_map(|value| [one_line(&value), value])
            .filter(|value| value.len() >= SHORTEST_SCRUBBED)
            .collect();
        // A value that contains another one goes first.
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        let text = values
            .iter()
            .fold(text.to_owned(), |text, value| text.replace(value, "…"));
        without_beginnings(text, &values)
    }

    /// What the function itself wrote, without the long values that are not also in `public`: what is in the service's file is
    /// no secret, and without short words such as `info` a log says nothing any more.
    pub(super) fn scrub_output(&self, text: &str, public: &Self) -> String {
        let secret: Self = self
            .0
            .iter()
            .filter(|(name, value)| {
                value.len() >= SHORTEST_SECRET && public.0.get(*name) != Some(*value)
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        secret.scrub(text)
    }

    /// As the SDK takes them.
    pub(super) fn to_map(&self) -> HashMap<String, String> {
        self.0.clone().into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Values {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        Self(
            iter.into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// A text without the beginning of a value at its end, where the text was cut.
fn without_beginnings(text: String, values: &[String]) -> String {
    let longest = values
        .iter()
        .filter_map(|value| {
            let mut ends = value
                .char_indices()
                .map(|(at, _)| at)
                .skip(1)
                .collect::<Vec<_>>();
            ends.reverse();
            ends.into_iter()
                .filter(|end| *end >= SHORTEST_BEGINNING)
                .find(|end| value.get(..*end).is_some_and(|begin| text.ends_with(begin)))
        })
        .max();
    match longest.and_then(|length| text.get(..text.len() - length)) {
        Some(before) => format!("{before}…"),
        None => text,
    }
}

/// `#3fa2c1`: the same for the same value of the same variable. The name is part of it, so that nobody sees that
/// two variables have one value.
fn shown(name: &str, value: &str) -> String {
    let digest = digest(&SHA256, format!("{name}\0{value}").as_bytes());
    let mut text: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    text.truncate(SHOWN_DIGITS);
    format!("#{text}")
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.0
                    .iter()
                    .map(|(name, value)| (name, shown(name, value))),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().copied().collect()
    }

    #[test]
    fn what_nobody_names_is_kept() {
        let found = values(&[("KEPT", "1"), ("CHANGED", "old"), ("GONE", "x")]);
        let merged = found.merged(
            &values(&[("CHANGED", "new"), ("ADDED", "y")]),
            &["GONE".to_owned(), "NEVER_THERE".to_owned()],
        );
        assert_eq!(
            merged,
            values(&[("KEPT", "1"), ("CHANGED", "new"), ("ADDED", "y")])
        );
    }

    #[test]
    fn a_change_shows_names_and_hashes_and_no_value() {
        let before = values(&[("SAME", "1"), ("TOKEN", "hunter2"), ("OLD", "hunter2")]);
        let after = values(&[("SAME", "1"), ("TOKEN", "hunter3"), ("NEW", "hunter2")]);
        let shown: Vec<_> = before
            .differences(&after)
            .into_iter()
            .map(|one| (one.key, one.before, one.after))
            .collect();
        assert_eq!(
            shown,
            [
                ("run.env.NEW".to_owned(), None, Some("#258388".to_owned())),
                ("run.env.OLD".to_owned(), Some("#eab97b".to_owned()), None),
                (
                    "run.env.TOKEN".to_owned(),
                    Some("#7f01fc".to_owned()),
                    Some("#5d9cc5".to_owned())
                ),
            ]
        );
        assert!(!format!("{before:?}").contains("hunter2"));
    }

    #[test]
    fn a_message_that_quotes_a_value_loses_it() {
        let values = values(&[("A", "secret"), ("B", "secret and more"), ("C", "1")]);
        assert_eq!(
            values.scrub("Value 'secret and more', 'secret' or '1' is wrong"),
            "Value '…', '…' or '1' is wrong"
        );
    }

    #[test]
    fn a_value_is_known_without_its_white_space_and_by_its_beginning() {
        let long = format!("{} end", "x".repeat(300));
        let values = values(&[("A", "two  words\nand more"), ("B", long.as_str())]);
        assert_eq!(values.scrub("it was two words and more"), "it was …");
        assert_eq!(values.scrub("it was two words an"), "it was …");
        assert_eq!(values.scrub("it was two word"), "it was …");
        // So few letters are anybody's.
        assert_eq!(values.scrub("it was two"), "it was two");
        assert_eq!(values.scrub("at its end"), "at its …");
    }

    #[test]
    fn what_a_function_wrote_keeps_what_its_file_says() {
        let found = values(&[
            ("LEVEL", "info"),
            ("TABLE", "receipts-prod"),
            ("TOKEN", "hunter2hunter2"),
        ]);
        let public = values(&[("LEVEL", "info"), ("TABLE", "receipts-prod")]);
        assert_eq!(
            found.scrub_output("info: hunter2hunter2 reads receipts-prod", &public),
            "info: … reads receipts-prod"
        );
    }
}
