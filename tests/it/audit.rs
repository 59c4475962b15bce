//! `squad audit`: logs written by other code than the product's, read, verified, damaged.

use std::path::PathBuf;

use snapbox::str;

use crate::support::audit_log::{Key, Log, event};
use crate::support::{Home, Output};

/// A home whose log `local/local` has four commits of one other machine: three operations of `payments` and one of
/// `orders` that has no outcome.
fn recorded() -> (Home, Log) {
    let home = Home::new();
    let log = written(&home, &Key::new("ci-7", 7));
    (home, log)
}

fn store(home: &Home) -> PathBuf {
    home.state().join("audit-store")
}

fn written(home: &Home, key: &Key) -> Log {
    let mut log = Log::new(&store(home), "local/local");
    log.commit(key, &[event(true, 1, "payments", 0)]);
    log.commit(
        key,
        &[
            event(false, 1, "payments", 0),
            event(true, 2, "payments", 0),
        ],
    );
    log.commit(key, &[event(false, 2, "payments", 0)]);
    log.commit(key, &[event(true, 3, "orders", 0)]);
    log
}

fn verify(home: &Home) -> Output {
    home.squad(["audit", "verify"])
}

/// Replaces a text that is in a commit once.
pub(crate) fn edit(log: &Log, n: u64, from: &str, to: &str) {
    let bytes = std::fs::read(log.path(n)).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches(from).count(), 1, "`{from}` in commit {n}");
    std::fs::write(log.path(n), text.replace(from, to)).unwrap();
}

#[test]
fn nothing_recorded_is_fine() {
    let home = Home::new();
    verify(&home).assert(str![[r#"
✔ 0 events in 0 commits, root e3b0…b855
ok
[exit 0]

"#]]);
    home.squad(["audit", "list"]).assert(str![[r#"
› no such event was recorded in local/local
[exit 0]

"#]]);
    let json = home.squad(["audit", "list", "-o", "json"]).success().json();
    assert_eq!(
        json,
        serde_json::json!({"schema": "squad.audit-events/v1", "log": "local/local", "events": []})
    );
}

#[test]
fn a_log_of_another_machine_is_verified_and_then_remembered() {
    let (home, mut log) = recorded();
    verify(&home).assert(str![[r#"
✔ 9 events in 4 commits, root d4fa…3ee0, signed by 1 key, 0 of them known
✔ 5 of them in `squad audit list`, 4 about the commits themselves
⚠ 9 events are newer than the last checkpoint outside the store
⚠ key [HASH] of `ci-7` is new to this machine: 4 commits from commit 0 on
⚠ operation [ID] has no outcome: deploy orders (ana@acme.example on laptop, 14 Sep)
ok, with an unanchored tail of 9
[exit 0]

"#]]);
    verify(&home).assert(str![[r#"
✔ 9 events in 4 commits, root d4fa…3ee0, signed by 1 known key
✔ 5 of them in `squad audit list`, 4 about the commits themselves
✔ the first 9 events are the same as this machine has seen before
⚠ operation [ID] has no outcome: deploy orders (ana@acme.example on laptop, 14 Sep)
ok
[exit 0]

"#]]);
    log.commit(&Key::new("other", 8), &[event(false, 3, "orders", 0)]);
    std::fs::write(log.path(0).with_file_name("notes.txt"), "").unwrap();
    home.squad(["audit", "verify", "--strict"]).assert(str![[r#"
✔ 11 events in 5 commits, root c113…efe9, signed by 2 keys, 1 of them known
✔ 6 of them in `squad audit list`, 5 about the commits themselves
✔ the first 9 events are the same as this machine has seen before
⚠ 2 events are newer than the last checkpoint outside the store
⚠ key [HASH] of `other` is new to this machine: 1 commit from commit 4 on
⚠ `notes.txt` in the log's directory is no commit and was not looked at
ok, with an unanchored tail of 2
[exit 0]

"#]]);
    let json = home
        .squad(["audit", "verify", "-o", "json"])
        .success()
        .json();
    assert_eq!(json["verdict"], "ok");
    assert_eq!((&json["events"], &json["commits"]), (&11.into(), &5.into()));
    assert_eq!(json["keys"][1]["key"], Key::new("other", 8).verifier());
}

#[test]
fn events_are_listed_and_shown() {
    let (home, _log) = recorded();
    home.squad(["audit", "list", "--limit", "3"])
        .assert(str![[r#"
WHEN    WHO               EVENT            SERVICE   RESULT     OPERATION
14 Sep  ana@acme.example  deploy.planned   orders    –          [ID]
14 Sep  ana@acme.example  deploy.finished  payments  succeeded  [ID]
14 Sep  ana@acme.example  deploy.planned   payments  –          [ID]
[exit 0]

"#]]);
    let json = home
        .squad([
            "audit",
            "list",
            "--type",
            "deploy.finished",
            "--service",
            "payments",
            "-o",
            "json",
        ])
        .success()
        .json();
    let places: Vec<_> = json["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["commit"].as_u64().unwrap(),
                one["index"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(places, [(2, 6), (1, 3)]);
    let operation = json["events"][0]["event"]["operation"].as_str().unwrap();
    home.squad(["audit", "show", operation]).assert(str![[r#"
deploy.planned
  time          [TIME]
  place         event 4 in commit 1
  event         [ID]
  operation     [ID]
  who           ana@acme.example on laptop, key [HASH]
  service       payments
  environment   local
  after         {"revision":"2"}

deploy.finished
  time          [TIME]
  place         event 6 in commit 2
  event         [ID]
  operation     [ID]
  outcome       succeeded
  who           ana@acme.example on laptop, key [HASH]
  service       payments
  environment   local
  after         {"revision":"2"}
[exit 0]

"#]]);
    home.squad(["audit", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
        .assert(str![[r#"
› error: cannot show `[ID]`: no event or operation of local/local has this id
› hint: list the newest ones with `squad audit list`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/audit-event-unknown.md
[exit 1]

"#]]);
    home.squad(["audit", "show", "01"]).assert(str![[r#"
› error: `01` is too short for an id: 6 letters at least
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/audit-id-short.md
[exit 2]

"#]]);
}

#[test]
fn a_changed_event_is_found() {
    let (home, log) = recorded();
    edit(&log, 2, "succeeded", "suceeeded");
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 5 events in 2 commits, root aa58…f91f, signed by 1 key, 0 of them known
✔ 3 of them in `squad audit list`, 2 about the commits themselves
✖ commit 2: its events, 5 to 6, are not the ones that were signed
⚠ key [HASH] of `ci-7` is new to this machine: 2 commits from commit 0 on
tampered (content)
[exit 3]

"#]]);
    home.squad(["audit", "verify", "-o", "json"]).failure(3);
}

#[test]
fn a_changed_checkpoint_is_found() {
    let (home, log) = recorded();
    edit(
        &log,
        2,
        "squad.dev/local/local\n7\n",
        "squad.dev/local/local\n8\n",
    );
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 5 events in 2 commits, root aa58…f91f, signed by 1 key, 0 of them known
✔ 3 of them in `squad audit list`, 2 about the commits themselves
✖ commit 2: its checkpoint is not that of its events
⚠ key [HASH] of `ci-7` is new to this machine: 2 commits from commit 0 on
tampered (checkpoint)
[exit 3]

"#]]);
}

#[test]
fn a_changed_signature_is_found() {
    let (home, log) = recorded();
    let text = std::fs::read_to_string(log.path(1)).unwrap();
    let (text, signature) = text.rsplit_once(' ').unwrap();
    let changed: String = signature
        .char_indices()
        .map(|(at, c)| {
            if at == 20 {
                if c == 'A' { 'B' } else { 'A' }
            } else {
                c
            }
        })
        .collect();
    std::fs::write(log.path(1), format!("{text} {changed}")).unwrap();
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 2 events in 1 commit, root 3800…581c, signed by 1 key, 0 of them known
✔ 1 of them in `squad audit list`, 1 about the commits themselves
✖ commit 1: its signature is not one of key [HASH]
⚠ key [HASH] of `ci-7` is new to this machine: 1 commit from commit 0 on
tampered (signature)
[exit 3]

"#]]);
}

#[test]
fn an_object_that_is_no_commit_is_found() {
    let (home, log) = recorded();
    edit(&log, 1, "n 3\n", "n 03\n");
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 2 events in 1 commit, root 3800…581c, signed by 1 key, 0 of them known
✔ 1 of them in `squad audit list`, 1 about the commits themselves
✖ commit 1: it is not a commit: byte 26: the number of events is expected
⚠ key [HASH] of `ci-7` is new to this machine: 1 commit from commit 0 on
tampered (format)
[exit 3]

"#]]);
}

#[test]
fn a_missing_commit_is_found() {
    let (home, log) = recorded();
    std::fs::remove_file(log.path(1)).unwrap();
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 2 events in 1 commit, root 3800…581c, signed by 1 key, 0 of them known
✔ 1 of them in `squad audit list`, 1 about the commits themselves
✖ commit 1 is missing, and there are commits behind it
⚠ key [HASH] of `ci-7` is new to this machine: 1 commit from commit 0 on
incomplete
[exit 3]

"#]]);
}

#[test]
fn a_log_that_was_cut_off_is_found_by_a_machine_that_had_seen_more() {
    let (home, log) = recorded();
    verify(&home).success();
    for n in [2, 3] {
        std::fs::remove_file(log.path(n)).unwrap();
    }
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 5 events in 2 commits, root aa58…f91f, signed by 1 known key
✔ 3 of them in `squad audit list`, 2 about the commits themselves
✖ commit 2: it and what follows are gone: this machine has seen 4 commits with 9 events
tampered (truncated)
[exit 3]

"#]]);
}

#[test]
fn an_inserted_event_is_found() {
    let (home, log) = recorded();
    let more = event(true, 9, "payments", 0);
    edit(&log, 0, "n 2\n", "n 3\n");
    edit(&log, 0, "peaks", &format!("{} {more}\npeaks", more.len()));
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✖ commit 0: its events, 0 to 2, are not the ones that were signed
tampered (content)
[exit 3]

"#]]);
}

#[test]
fn an_inserted_commit_is_found() {
    let (home, log) = recorded();
    for n in [3, 2, 1] {
        std::fs::rename(log.path(n), log.path(n + 1)).unwrap();
    }
    std::fs::copy(log.path(0), log.path(1)).unwrap();
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 2 events in 1 commit, root 3800…581c, signed by 1 key, 0 of them known
✔ 1 of them in `squad audit list`, 1 about the commits themselves
✖ commit 1: its events begin at 0, and 2 events come before it
⚠ key [HASH] of `ci-7` is new to this machine: 1 commit from commit 0 on
tampered (order)
[exit 3]

"#]]);
}

#[test]
fn commits_in_another_order_are_found() {
    let (home, log) = recorded();
    let one = std::fs::read(log.path(1)).unwrap();
    std::fs::rename(log.path(2), log.path(1)).unwrap();
    std::fs::write(log.path(2), one).unwrap();
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 2 events in 1 commit, root 3800…581c, signed by 1 key, 0 of them known
✔ 1 of them in `squad audit list`, 1 about the commits themselves
✖ commit 1: its events begin at 5, and 2 events come before it
⚠ key [HASH] of `ci-7` is new to this machine: 1 commit from commit 0 on
tampered (order)
[exit 3]

"#]]);
}

#[test]
fn a_commit_signed_by_another_key_is_found() {
    let (home, log) = recorded();
    let text = std::fs::read_to_string(log.path(3)).unwrap();
    let (frame, note) = text.split_once("\n\n").unwrap();
    let (checkpoint, _) = note.split_once("\n\n").unwrap();
    let signed = Key::new("mallory", 9).note(&format!("{checkpoint}\n"));
    std::fs::write(log.path(3), format!("{frame}\n\n{signed}")).unwrap();
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 7 events in 3 commits, root d9b9…edd7, signed by 1 key, 0 of them known
✔ 4 of them in `squad audit list`, 3 about the commits themselves
✖ commit 3: it says that key [HASH] wrote it, and is signed by [HASH]
⚠ key [HASH] of `ci-7` is new to this machine: 3 commits from commit 0 on
tampered (writer)
[exit 3]

"#]]);
}

#[test]
fn a_commit_that_was_replaced_by_one_of_the_same_key_is_found() {
    let (home, log) = recorded();
    let rest: Vec<_> = [2, 3].map(|n| std::fs::read(log.path(n)).unwrap()).into();
    let key = Key::new("ci-7", 7);
    let mut other = Log::new(&store(&home), "local/local");
    other.commit(&key, &[event(true, 1, "payments", 0)]);
    other.commit(
        &key,
        &[event(false, 1, "payments", 0), event(true, 2, "payroll", 0)],
    );
    for (n, bytes) in (2..).zip(rest) {
        std::fs::write(log.path(n), bytes).unwrap();
    }
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 5 events in 2 commits, root bd25…5664, signed by 1 key, 0 of them known
✔ 3 of them in `squad audit list`, 2 about the commits themselves
✖ commit 2: the commit before it is not the one that its writer saw
⚠ key [HASH] of `ci-7` is new to this machine: 2 commits from commit 0 on
tampered (chain)
[exit 3]

"#]]);
}

#[test]
fn a_log_written_anew_with_another_key_is_a_fork() {
    let (home, _log) = recorded();
    verify(&home).success();
    written(&home, &Key::new("mallory", 9));
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 7 events in 3 commits, root cdaa…01b3, signed by 1 key, 0 of them known
✔ 4 of them in `squad audit list`, 3 about the commits themselves
✖ the store holds another log than this machine has seen; both are signed
✖ this machine kept: 9 events, root 1Pq8WjC/a2J7fAOw5q146shd0ikxFVp1xbdLRibYPuA=
✖ the store has:     9 events, root /QKO8qzp6idEPt4QBWJLxa8oX8aAZ+QW9QnXh8N/wTU=
⚠ key [HASH] of `mallory` is new to this machine: 3 commits from commit 0 on
forked
[exit 3]

"#]]);
    let json = home
        .squad(["audit", "verify", "-o", "json"])
        .failure(3)
        .json();
    assert_eq!(json["verdict"], "forked");
    for (name, key) in [("kept", "ci-7"), ("found", "mallory")] {
        let note = json["finding"][name].as_str().unwrap();
        assert!(note.starts_with("squad.dev/local/local\n9\n"), "{note}");
        assert!(note.contains(&format!("\n\n— {key} ")), "{note}");
    }
}

#[test]
fn an_event_that_readers_can_read_in_two_ways_is_found_when_verifying_strictly() {
    let home = Home::new();
    let key = Key::new("ci-7", 7);
    let mut log = Log::new(&store(&home), "local/local");
    let twice = event(true, 1, "payments", 0).replace(
        r#""service":"payments""#,
        r#""service":"payments","service":"orders""#,
    );
    log.commit(&key, &[twice]);
    verify(&home).success();
    home.squad(["audit", "verify", "--strict"]).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✖ commit 0: event 1 is no strict JSON: byte 155: the member `service` is there twice
tampered (not-canonical)
[exit 3]

"#]]);
}

#[test]
fn a_first_event_that_readers_can_read_in_two_ways_is_found_always() {
    let home = Home::new();
    let key = Key::new("ci-7", 7);
    let mut log = Log::new(&store(&home), "local/local");
    let first = log.first_event(&key).replace(r#""n":0"#, r#""n":0,"n":1"#);
    log.commit_raw(&key, &first, &[event(true, 1, "payments", 0)]);
    verify(&home).assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✖ commit 0: its first event: byte 85: the member `n` is there twice
tampered (writer)
[exit 3]

"#]]);
}

#[test]
fn a_later_format_is_not_called_tampering() {
    let (home, log) = recorded();
    edit(&log, 3, "squad-commit/v1", "squad-commit/v2");
    verify(&home).assert(str![[r#"
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 7 events in 3 commits, root d9b9…edd7, signed by 1 key, 0 of them known
✔ 4 of them in `squad audit list`, 3 about the commits themselves
✖ commit 3: it has the format `squad-commit/v2`, which this version of squad does not know
⚠ key [HASH] of `ci-7` is new to this machine: 3 commits from commit 0 on
unverifiable
[exit 3]

"#]]);
}

#[test]
fn every_changed_byte_is_found() {
    let (home, log) = recorded();
    let whole = std::fs::read(log.path(2)).unwrap();
    // Every 37th byte, over the frame, the events, the peaks and the note.
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x01;
        std::fs::write(log.path(2), &bytes).unwrap();
        let output = verify(&home);
        assert_eq!(output.code, 3, "byte {at}: {}", output.transcript());
    }
    std::fs::write(log.path(2), &whole).unwrap();
    verify(&home).success();
}
