use super::*;
use crate::domain::audit::event::tests::{actor, intent, stamp};
use crate::domain::audit::event::{Outcome, ResultWord};
use crate::domain::environment::Environment;

fn planned(n: u64) -> Event {
    let environment = Environment::builtin_local();
    Event::planned(stamp(2 * n), stamp(n).id, &environment, &actor(), intent())
}

fn finished(event: &Event, n: u64) -> Event {
    let outcome = Outcome {
        result: ResultWord::Succeeded,
        after: serde_json::Value::Null,
        message: None,
        error_id: None,
    };
    event.finished(stamp(2 * n + 1), &actor(), outcome)
}

fn ids(events: &[Pending]) -> Vec<&str> {
    events
        .iter()
        .map(|pending| pending.event.id.as_str())
        .collect()
}

#[test]
fn events_stay_until_the_log_has_them_and_intents_until_their_outcome() {
    let home = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(home.path());
    let (one, two) = (planned(1), planned(2));
    outbox.add(&one, None).unwrap();
    outbox.add(&two, Some(7)).unwrap();
    assert_eq!(ids(&outbox.contents().unwrap().pending), [&one.id, &two.id]);
    outbox.settle(std::slice::from_ref(&one.id), 8).unwrap();
    let contents = outbox.contents().unwrap();
    assert_eq!(ids(&contents.pending), [&two.id]);
    assert_eq!(contents.pending[0].after, Some(7));
    assert_eq!(contents.open, [one.clone(), two.clone()]);
    let outcome = finished(&one, 1);
    assert!(outbox.add_outcome(&outcome, None).unwrap());
    assert!(!outbox.add_outcome(&finished(&one, 5), None).unwrap());
    assert_eq!(outbox.contents().unwrap().open, std::slice::from_ref(&two));
    let last = finished(&two, 2);
    outbox.add(&last, None).unwrap();
    outbox.settle(&[two.id, last.id, outcome.id], 9).unwrap();
    assert_eq!(outbox.contents().unwrap(), Contents::default());
    assert_eq!(fs::read(&outbox.path()).unwrap(), HEAD.as_bytes());
    assert!(!outbox.holds_something().unwrap());
    // And again, from there.
    let three = planned(3);
    outbox.add(&three, None).unwrap();
    assert!(outbox.holds_something().unwrap());
    let outcome = finished(&three, 3);
    outbox.add(&outcome, None).unwrap();
    outbox.settle(&[three.id, outcome.id], 10).unwrap();
    assert_eq!(fs::read(&outbox.path()).unwrap(), HEAD.as_bytes());
    std::fs::write(outbox.path(), "x".repeat(HEAD.len())).unwrap();
    assert!(outbox.holds_something().unwrap());
}

#[test]
fn a_torn_last_line_is_cut_off_and_anything_else_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(home.path());
    let (one, two) = (planned(1), planned(2));
    outbox.add(&one, None).unwrap();
    let whole = fs::read(&outbox.path()).unwrap();
    let second = event_line(&two, None);
    for length in [1, 20, second.len() - 1] {
        let torn = [&whole, &second.as_bytes()[..length]].concat();
        std::fs::write(outbox.path(), &torn).unwrap();
        assert_eq!(ids(&outbox.contents().unwrap().pending), [&one.id]);
        outbox.add(&two, None).unwrap();
        assert_eq!(
            fs::read(&outbox.path()).unwrap(),
            [&whole, second.as_bytes()].concat()
        );
    }
    let mut bytes = fs::read(&outbox.path()).unwrap();
    bytes[whole.len()] = b'x';
    std::fs::write(outbox.path(), &bytes).unwrap();
    let error = outbox.contents().unwrap_err().to_string();
    let place = format!("at byte {}: expected value", whole.len());
    assert!(error.contains(&place), "{error}");
}

#[test]
fn a_damaged_file_is_put_aside_whole_and_what_can_be_read_stays() {
    let home = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(home.path());
    let (one, two) = (planned(1), planned(2));
    outbox.add(&one, None).unwrap();
    assert_eq!(outbox.put_aside().unwrap(), None);
    let mut damaged = fs::read(&outbox.path()).unwrap();
    damaged.extend_from_slice(b"not squad's\n");
    damaged.extend_from_slice(event_line(&two, None).as_bytes());
    for name in ["outbox.jsonl.corrupt", "outbox.jsonl.corrupt.2"] {
        std::fs::write(outbox.path(), &damaged).unwrap();
        let aside = outbox.put_aside().unwrap().unwrap();
        assert_eq!(aside, home.path().join(name));
        assert_eq!(fs::read(&aside).unwrap(), damaged);
        assert_eq!(ids(&outbox.contents().unwrap().pending), [&one.id, &two.id]);
    }
}

#[test]
fn a_long_file_is_written_anew_without_what_nobody_needs() {
    let home = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(home.path());
    let open = planned(1);
    outbox.add(&open, None).unwrap();
    outbox.settle(std::slice::from_ref(&open.id), 1).unwrap();
    for n in 10..400 {
        let event = planned(n);
        let outcome = finished(&event, n);
        outbox.append(&event_line(&event, None), false).unwrap();
        outbox.append(&event_line(&outcome, None), false).unwrap();
        outbox.settle(&[event.id, outcome.id], n).unwrap();
    }
    let length = fs::read(&outbox.path()).unwrap().len();
    assert!(length < SLACK + 4096, "{length}");
    let contents = outbox.contents().unwrap();
    assert_eq!((contents.pending, contents.open), (vec![], vec![open]));
}
