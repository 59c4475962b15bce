//! What squad keeps in the description of a Lambda alias: the state of a rollout and what a rollback needs to know,
//! written in the same compare-and-swap as the traffic.
//!
//! `<state> |o=<operation> w=<split> h=<served> x=<left> by=<who>`, at most 256 characters of ASCII. A description that is not of
//! this form belongs to somebody else: it tells nothing, and is shown to whoever is about to replace it.

use super::release::{Actor, RevisionNumber};

/// Characters that AWS keeps of a description (Lambda API reference, `UpdateAlias`, `Description`).
pub(crate) const LONGEST: usize = 256;
/// Versions that served which are kept.
pub(crate) const MOST: usize = 5;
/// Versions that were left which are kept: all that a deploy leaves in place, the newest five and those that served.
pub(crate) const MOST_LEFT: usize = 10;

/// What stands in a description of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Note {
    /// The rollout's state; "" for none.
    pub(crate) state: String,
    /// The operation that wrote it (ULID).
    pub(crate) operation: String,
    /// The weights that were written, where two versions share the traffic: the primary one, the other one and the other
    /// one's percentage. Whoever finds other weights knows that somebody else, or AWS, set them.
    pub(crate) shared: Option<(RevisionNumber, RevisionNumber, u8)>,
    /// Versions that had all traffic, the present one first, then the one before it.
    pub(crate) served: Vec<RevisionNumber>,
    /// Versions that a rollback or an abort left, the newest first.
    pub(crate) left: Vec<RevisionNumber>,
    /// Who wrote it: `ana on laptop`.
    pub(crate) by: String,
}

/// A description, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Description {
    /// None at all.
    Empty,
    /// One of ours.
    Ours(Note),
    /// Somebody else's words.
    Foreign(String),
}

/// Reads a description; whatever is not exactly of our form is somebody else's.
pub(crate) fn parse(text: &str) -> Description {
    if text.is_empty() {
        return Description::Empty;
    }
    ours(text).map_or_else(|| Description::Foreign(text.to_owned()), Description::Ours)
}

fn ours(text: &str) -> Option<Note> {
    let at = text.rfind("|o=")?;
    let (state, rest) = text.split_at_checked(at)?;
    let state = match state {
        "" => "",
        other => other.strip_suffix(' ')?,
    };
    let mut note = Note {
        state: state.to_owned(),
        ..Note::default()
    };
    let rest = rest.strip_prefix("|o=")?;
    let (rest, by) = rest.split_once(" by=").unwrap_or((rest, ""));
    by.clone_into(&mut note.by);
    let mut words = rest.split(' ');
    words.next()?.clone_into(&mut note.operation);
    for word in words {
        let (key, value) = word.split_once('=')?;
        match key {
            "w" => note.shared = Some(shared(value)?),
            "h" => note.served = numbers(value)?,
            "x" => note.left = numbers(value)?,
            _ => return None,
        }
    }
    Some(note)
}

fn shared(text: &str) -> Option<(RevisionNumber, RevisionNumber, u8)> {
    let [primary, other, weight] = numbers(text)?.try_into().ok()?;
    Some((primary, other, u8::try_from(weight.0).ok()?))
}

fn numbers(text: &str) -> Option<Vec<RevisionNumber>> {
    text.split('.')
        .map(|word| word.parse().ok().map(RevisionNumber))
        .collect()
}

fn list(key: char, numbers: &[RevisionNumber]) -> String {
    if numbers.is_empty() {
        return String::new();
    }
    let words: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!(" {key}={}", words.join("."))
}

/// A word without spaces, in printable ASCII: what a list of words can hold.
fn word(text: &str) -> String {
    printable(text).replace([' ', '|'], "_")
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect()
}

impl Note {
    /// The description, always of at most [`LONGEST`] characters: who wrote it is cut first, then the oldest versions. The
    /// state and the weights are never cut.
    pub(crate) fn encode(&self) -> String {
        let lead = if self.state.is_empty() { "" } else { " " };
        let shared = self
            .shared
            .map_or_else(String::new, |(primary, other, weight)| {
                format!(" w={primary}.{other}.{weight}")
            });
        let head = format!(
            "{}{lead}|o={}{shared}",
            printable(&self.state),
            word(&self.operation)
        );
        let (mut served, mut left) = (
            self.served.iter().copied().take(MOST).collect::<Vec<_>>(),
            self.left
                .iter()
                .copied()
                .take(MOST_LEFT)
                .collect::<Vec<_>>(),
        );
        let lists = loop {
            let lists = format!("{}{}", list('h', &served), list('x', &left));
            if head.len() + lists.len() <= LONGEST || (served.is_empty() && left.is_empty()) {
                break lists;
            }
            // The one before the present one, and the newest that was left, are what a rollback lives on.
            if left.len() > 1 && left.len() >= served.len().saturating_sub(1) {
                left.pop();
            } else if served.len() > 2 || left.is_empty() {
                served.pop();
            } else {
                left.pop();
            }
        };
        let mut text = format!("{head}{lists}");
        let room = LONGEST.saturating_sub(text.len() + " by=".len());
        let by: String = printable(&self.by).chars().take(room).collect();
        if !by.is_empty() {
            text.push_str(" by=");
            text.push_str(&by);
        }
        text.truncate(LONGEST);
        text
    }

    /// The note after a commit. Who takes all traffic from now on is no longer left, and whom it leaves is.
    pub(crate) fn after(&self, written: &Written<'_>) -> Self {
        let mut served = self.served.clone();
        let mut left = self.left.clone();
        let (sole, shared) = match written.traffic {
            Traffic::All(sole) => (Some(sole), None),
            Traffic::Shared {
                primary,
                other,
                weight,
            } => (None, Some((primary, other, weight))),
        };
        if let Some(sole) = sole {
            served.retain(|one| *one != sole);
            served.insert(0, sole);
            left.retain(|one| *one != sole);
        }
        if let Some(leaves) = written.leaves {
            left.retain(|one| *one != leaves);
            left.insert(0, leaves);
        }
        served.truncate(MOST);
        left.truncate(MOST_LEFT);
        Self {
            state: written.state.to_owned(),
            operation: written.operation.to_owned(),
            shared,
            served,
            left,
            by: spoken(written.actor),
        }
    }

    /// The traffic that was written with it; none where nothing tells.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        match self.shared {
            Some((primary, other, weight)) => Some(Traffic::Shared {
                primary,
                other,
                weight,
            }),
            None => self.served.first().copied().map(Traffic::All),
        }
    }

    /// Whether this very commit wrote it.
    pub(crate) fn is_of(&self, written: &Written<'_>) -> bool {
        self.operation == word(written.operation)
            && self.state == written.state
            && self.traffic() == Some(written.traffic)
    }
}

/// The traffic that an alias can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// One version takes everything.
    All(RevisionNumber),
    /// Two versions share it (AWS Lambda Developer Guide, "Implement Lambda canary deployments using a weighted alias":
    /// at most two).
    Shared {
        /// The alias's own version.
        primary: RevisionNumber,
        /// The additional version.
        other: RevisionNumber,
        /// Percent of the additional version, 1–99.
        weight: u8,
    },
}

impl Traffic {
    /// The version that the alias itself points at.
    pub(crate) fn primary(self) -> RevisionNumber {
        match self {
            Self::All(primary) | Self::Shared { primary, .. } => primary,
        }
    }
}

/// What a commit writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    /// The rollout's state; "" for none.
    pub(crate) state: &'a str,
    /// Who takes what.
    pub(crate) traffic: Traffic,
    /// A version that is left because it was bad.
    pub(crate) leaves: Option<RevisionNumber>,
    /// ULID.
    pub(crate) operation: &'a str,
    /// Who.
    pub(crate) actor: &'a Actor,
}

/// Who, as a description keeps it.
pub(crate) fn spoken(actor: &Actor) -> String {
    printable(&format!("{} on {}", actor.name, actor.host))
}

/// Who a description tells of; the machine is empty where it was cut off.
pub(crate) fn actor(by: &str) -> Actor {
    let (name, host) = by.rsplit_once(" on ").unwrap_or((by, ""));
    Actor {
        name: if name.is_empty() { "somebody" } else { name }.to_owned(),
        host: host.to_owned(),
        key: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(list: &[u64]) -> Vec<RevisionNumber> {
        list.iter().copied().map(RevisionNumber).collect()
    }

    fn ana() -> Actor {
        Actor {
            name: "ana@acme.example".into(),
            host: "laptop".into(),
            key: None,
        }
    }

    #[test]
    fn a_description_says_what_was_written() {
        let note = Note {
            state: "squad/1 id=01K8 g=2 ph=holding u=1 s=41 c=42 p=ab12cd34".into(),
            operation: "01K8ZCXQ3V5R8M2T6W9Y0A1B2C".into(),
            shared: Some((RevisionNumber(41), RevisionNumber(42), 5)),
            served: numbers(&[41, 40]),
            left: numbers(&[39]),
            by: spoken(&ana()),
        };
        let text = note.encode();
        assert_eq!(
            text,
            "squad/1 id=01K8 g=2 ph=holding u=1 s=41 c=42 p=ab12cd34 |o=01K8ZCXQ3V5R8M2T6W9Y0A1B2C w=41.42.5 h=41.40 x=39 by=ana@acme.example on laptop"
        );
        assert_eq!(parse(&text), Description::Ours(note));
        assert_eq!(actor(&spoken(&ana())), ana());
    }

    #[test]
    fn what_is_not_ours_stays_what_it_is() {
        for text in [
            "production",
            "managed by terraform",
            "|o",
            "v1|o=01K h=a",
            "v1 |o=01K z=1",
            "v1|o=01K",
        ] {
            assert_eq!(parse(text), Description::Foreign(text.into()), "{text}");
        }
        assert_eq!(parse(""), Description::Empty);
        assert!(matches!(parse("|o=01K"), Description::Ours(_)));
    }

    #[test]
    fn a_commit_remembers_what_served_and_what_was_left() {
        let at = |note: &Note| (note.served.clone(), note.left.clone());
        let after = |note: &Note, sole: Option<u64>, leaves: Option<u64>| {
            let shared = Traffic::Shared {
                primary: RevisionNumber(2),
                other: RevisionNumber(3),
                weight: 5,
            };
            let written = Written {
                state: "",
                traffic: sole.map_or(shared, |sole| Traffic::All(RevisionNumber(sole))),
                leaves: leaves.map(RevisionNumber),
                operation: "01K",
                actor: &ana(),
            };
            let after = note.after(&written);
            assert!(after.is_of(&written));
            after
        };
        let one = after(&Note::default(), Some(1), None);
        let two = after(&one, Some(2), None);
        assert_eq!(at(&two), (numbers(&[2, 1]), vec![]));
        let split = after(&two, None, None);
        assert_eq!(at(&split), at(&two));
        let back = after(&two, Some(1), Some(2));
        assert_eq!(at(&back), (numbers(&[1, 2]), numbers(&[2])));
        let again = after(&back, Some(2), None);
        assert_eq!(at(&again), (numbers(&[2, 1]), vec![]));
        // Five bad releases in a row, and all that served before them: none is forgotten that is still there.
        let bad = (6..=14).fold(Note::default(), |note, n| after(&note, Some(1), Some(n)));
        assert_eq!(bad.left.len(), 9);
        assert_eq!(parse(&bad.encode()), Description::Ours(bad));
        let many = (1..9).fold(Note::default(), |note, n| after(&note, Some(n), None));
        assert_eq!(at(&many), (numbers(&[8, 7, 6, 5, 4]), vec![]));
    }

    proptest! {
        #[test]
        fn a_description_always_fits_and_keeps_the_state(
            state in "[ -{}~]{0,200}",
            operation in "[0-9A-Z]{26}",
            served in proptest::collection::vec(1_u64..10_000_000, 0..8),
            left in proptest::collection::vec(1_u64..10_000_000, 0..8),
            by in ".{0,300}",
            shared in proptest::option::of((1_u64..10_000_000, 1_u64..10_000_000, 1_u8..100)),
        ) {
            let mut state = state.replace("|o=", "");
            // A plan for an alias has one unit, so that its state is far from the longest.
            if shared.is_some() {
                state.truncate(150);
            }
            let state = state.trim().to_owned();
            let shared = shared.map(|(a, b, weight)| (RevisionNumber(a), RevisionNumber(b), weight));
            let note = Note {
                state: state.clone(),
                operation: operation.clone(),
                shared,
                served: numbers(&served),
                left: numbers(&left),
                by,
            };
            let text = note.encode();
            prop_assert!(text.len() <= LONGEST && text.is_ascii(), "{}", text);
            let Description::Ours(read) = parse(&text) else {
                return Err(TestCaseError::fail(text));
            };
            prop_assert_eq!(&read.state, &state);
            prop_assert_eq!(&read.operation, &operation);
            prop_assert_eq!(read.shared, shared);
            prop_assert!(note.served.starts_with(&read.served));
            prop_assert!(note.left.starts_with(&read.left));
            // What a rollback lives on is there whatever the rest needs.
            prop_assert_eq!(read.served.len().min(2), served.len().min(2));
            prop_assert!(note.encode() == text);
        }

        #[test]
        fn nothing_that_somebody_wrote_is_read_wrongly(text in ".{0,256}") {
            match parse(&text) {
                Description::Ours(note) => prop_assert!(text.contains("|o="), "{:?}", note),
                Description::Foreign(same) => prop_assert_eq!(same, text),
                Description::Empty => prop_assert!(text.is_empty()),
            }
        }
    }
}
