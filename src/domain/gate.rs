//! Who is let through to a route that only the new revision has.
//!
//! Such a route cannot be split by weight: the old revision would answer 404 to its share of each caller's requests
//! (research: new routes have no baseline). It is gated: whoever is admitted always reaches the new revision, everybody
//! else always what serves. Who calls is told by a header that stands before the service: it is declared, never guessed.

use serde::{Deserialize, Serialize};

use super::audit::sha256;
use super::release::RevisionNumber;

/// How many buckets callers are divided into.
pub(crate) const BUCKETS: u8 = 100;

/// A gate as it stands in the traffic table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gate {
    /// Where admitted requests go.
    pub(crate) to: RevisionNumber,
    /// The request header that says who calls, in lower case.
    pub(crate) identity: String,
    /// Who is admitted.
    pub(crate) admits: Admits,
}

/// Who is admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Admits {
    /// Who calls by one of these names.
    Consumers(Vec<String>),
    /// Whose [`bucket`] is below a number, 0–100: so a wider gate never shuts anybody out again.
    Buckets {
        /// How many of the hundred.
        below: u8,
        /// What the hash is of besides the name: the rollout, so that it is not always the same callers first.
        salt: String,
    },
}

impl Gate {
    /// Whether a request passes that calls by a name. Without a name nobody does.
    pub(crate) fn admits(&self, caller: Option<&str>) -> bool {
        let Some(caller) = caller else {
            return false;
        };
        match &self.admits {
            Admits::Consumers(names) => names.iter().any(|name| name == caller),
            Admits::Buckets { below, salt } => bucket(salt, caller) < *below,
        }
    }
}

/// The bucket of a caller, 0–99: the first 8 bytes of SHA-256 of `<salt>:<caller>` as a big-endian number, modulo 100. The
/// same on every machine and in every version, so that an edge can compute it too.
pub(crate) fn bucket(salt: &str, caller: &str) -> u8 {
    let hash = sha256(format!("{salt}:{caller}").as_bytes());
    let number = hash
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u8::try_from(number % u64::from(BUCKETS)).unwrap_or(0)
}

/// Whether a text can be the name of a request header: a token of RFC 9110 §5.6.2.
pub(crate) fn is_header_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(admits: Admits) -> Gate {
        Gate {
            to: RevisionNumber(42),
            identity: "x-consumer".to_owned(),
            admits,
        }
    }

    fn buckets(below: u8) -> Gate {
        let salt = "01KB3R5Y7TAAAAAAAAAAAAAAAA".to_owned();
        gate(Admits::Buckets { below, salt })
    }

    #[test]
    fn consumers_are_admitted_by_their_whole_name() {
        let gate = gate(Admits::Consumers(vec![
            "mobile".to_owned(),
            "web".to_owned(),
        ]));
        for (caller, admitted) in [
            (Some("mobile"), true),
            (Some("web"), true),
            (Some("Mobile"), false),
            (Some("mobile2"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(gate.admits(caller), admitted, "{caller:?}");
        }
    }

    #[test]
    fn a_bucket_is_the_same_everywhere() {
        // `printf '7f3a:ana' | sha256sum`, the first 16 digits modulo 100; and so on.
        let of = |caller| bucket("7f3a", caller);
        assert_eq!([of("ana"), of("rui"), of("")], [21, 26, 88]);
    }

    #[test]
    fn buckets_are_evenly_filled_and_a_wider_gate_shuts_nobody_out() {
        let callers: Vec<String> = (0..20_000).map(|n| format!("user-{n}")).collect();
        let admitted = |below| {
            let gate = buckets(below);
            callers
                .iter()
                .map(|caller| gate.admits(Some(caller)))
                .collect::<Vec<_>>()
        };
        let mut before = vec![false; callers.len()];
        for below in [0, 1, 5, 25, 50, 99, 100] {
            let now = admitted(below);
            assert!(before.iter().zip(&now).all(|(before, now)| now >= before));
            let share = now.iter().filter(|one| **one).count() * 100 / callers.len();
            assert!(share.abs_diff(usize::from(below)) <= 1, "{below}: {share}");
            before = now;
        }
        assert!(!buckets(100).admits(None));
    }

    #[test]
    fn another_rollout_begins_with_other_callers() {
        let first = |salt: &str| -> Vec<usize> {
            (0..1000)
                .filter(|n| bucket(salt, &format!("user-{n}")) < 5)
                .collect()
        };
        assert_ne!(first("7f3a"), first("7f3b"));
    }

    #[test]
    fn header_names_are_tokens() {
        for (name, good) in [
            ("x-consumer-id", true),
            ("X_Consumer", true),
            ("", false),
            ("x consumer", false),
            ("x-consumer:", false),
            ("é", false),
        ] {
            assert_eq!(is_header_name(name), good, "{name}");
        }
    }
}
