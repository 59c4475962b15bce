//! What a platform has to know of a state as it is stored with the traffic.

use crate::domain::release::RevisionNumber;
use crate::domain::rollout::State;

#[test]
fn what_has_to_stay_up_is_read_leniently() {
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
        // Of a squad that is newer than this one.
        (
            "squad/2 id=01K ph=resting s=41 c=42",
            Some("01K"),
            vec![41, 42],
        ),
        ("v1 r1", None, vec![]),
        ("", None, vec![]),
    ] {
        let forced = State::forced(state);
        assert_eq!(forced.as_ref().map(|(id, _)| id.as_str()), id, "{state}");
        assert_eq!(State::kept(state), numbers(&up), "{state}");
    }
}
