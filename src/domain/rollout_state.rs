//! What a platform has to know of a rollout's state as it is stored with the traffic, and nothing more.
//!
//! The state is one line of ASCII such as `squad/1 id=01K8ZC… g=3 ph=holding u=10 s=41 c=42 p=ab12cd34`: fields
//! `key=value` with spaces in between. `id` is the rollout, `ph` its phase, `s` the stable revision and `c` the canary.

use super::release::RevisionNumber;

/// The phases in which a rollout is over.
const TERMINAL: [&str; 3] = ["succeeded", "aborted", "superseded"];

/// The value of a field.
fn field<'a>(state: &'a str, key: &str) -> Option<&'a str> {
    state
        .split(' ')
        .filter_map(|word| word.split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

fn revision(state: &str, key: &str) -> Option<RevisionNumber> {
    field(state, key)?.parse().ok().map(RevisionNumber)
}

/// Whether there is a rollout that is not over. One without a phase is taken as live: that costs memory, not requests.
fn is_live(state: &str) -> bool {
    field(state, "id").is_some()
        && field(state, "ph").is_none_or(|phase| !TERMINAL.contains(&phase))
}

/// The id of the rollout that is live, and the revision that a request gets which names it in `x-squad-canary`.
pub(crate) fn forced(state: &str) -> Option<(String, RevisionNumber)> {
    if !is_live(state) {
        return None;
    }
    Some((field(state, "id")?.to_owned(), revision(state, "c")?))
}

/// The id of the rollout that is live.
pub(crate) fn id(state: &str) -> Option<&str> {
    field(state, "id").filter(|_| is_live(state))
}

/// The stable revision of the rollout that is live.
pub(crate) fn stable(state: &str) -> Option<RevisionNumber> {
    revision(state, "s").filter(|_| is_live(state))
}

/// The revisions that a rollout names, live or over.
pub(crate) fn named(state: &str) -> Vec<RevisionNumber> {
    ["s", "c"]
        .iter()
        .filter_map(|key| revision(state, key))
        .collect()
}

/// The revisions that have to stay up whether they have traffic or not, so that going either way takes one write:
/// stable and canary of a rollout that is live.
pub(crate) fn kept(state: &str) -> Vec<RevisionNumber> {
    if !is_live(state) {
        return Vec::new();
    }
    let mut kept: Vec<_> = ["s", "c"]
        .iter()
        .filter_map(|key| revision(state, key))
        .collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_rollout_is_read_out_of_its_state() {
        let numbers = |list: &[u64]| list.iter().copied().map(RevisionNumber).collect::<Vec<_>>();
        for (state, id, up) in [
            (
                "squad/1 id=01K g=3 ph=holding u=10 s=41 c=42 p=ab",
                Some("01K"),
                vec![41, 42],
            ),
            (
                "squad/1 id=01K g=3 ph=watching s=41 c=42",
                Some("01K"),
                vec![41, 42],
            ),
            ("squad/1 id=01K s=42 c=41", Some("01K"), vec![41, 42]),
            ("squad/1 id=01K ph=holding s=1 c=1", Some("01K"), vec![1]),
            ("squad/1 id=01K ph=aborting s=41", None, vec![41]),
            ("squad/1 id=01K ph=holding s=x c=-1", None, vec![]),
            ("squad/1 id=01K ph=succeeded s=41 c=42", None, vec![]),
            ("squad/1 id=01K ph=aborted s=41 c=42", None, vec![]),
            ("squad/1 id=01K ph=superseded s=41 c=42", None, vec![]),
            ("squad/1 ph=holding s=41 c=42", None, vec![]),
            ("v1 r1", None, vec![]),
            ("", None, vec![]),
        ] {
            let forced = forced(state);
            assert_eq!(forced.as_ref().map(|(id, _)| id.as_str()), id, "{state}");
            assert_eq!(kept(state), numbers(&up), "{state}");
        }
    }
}
