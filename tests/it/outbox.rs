//! The outbox of the audit log on this machine: a line that was cut off, and one that is no event.

use snapbox::str;

use crate::support::{Home, TestService};

#[test]
fn a_line_that_was_cut_off_is_repaired_and_anything_else_is_refused_with_its_place() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let outbox = home.state().join("audit/local/local/outbox.jsonl");
    // Power was lost in the middle of a line.
    std::fs::write(&outbox, r#"{"event":{"specver"#).expect("a torn line");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    // A whole line that is none of squad's: what goes forward is refused,
    std::fs::write(&outbox, "not squad's\n").expect("a foreign line");
    service.version(&home, "3");
    let error = home.squad_in(&service.directory, ["deploy"]).failure(1);
    let place = format!(
        "cannot read the audit outbox `{}` at byte 0",
        outbox.display()
    );
    let aside = format!("`mv {0} {0}.corrupt`", outbox.display());
    for said in [
        place.as_str(),
        aside.as_str(),
        "live: revision 2 serves all traffic",
    ] {
        assert!(error.stderr.contains(said), "{}", error.transcript());
    }
    // whoever looks hears of it,
    let status = home.squad(["status"]).success();
    assert!(status.stderr.contains(&place), "{}", status.transcript());
    // and the brake is not held up: it puts the file aside, whole, and says so.
    let rollback = home.squad_in(&service.directory, ["rollback"]).success();
    let kept = outbox.with_extension("jsonl.corrupt");
    let said = format!("could not be read and is kept as `{}`", kept.display());
    assert!(
        rollback.stderr.contains(&said) && !rollback.stderr.contains("does not answer"),
        "{}",
        rollback.transcript()
    );
    // Behind it is the intent that was refused above.
    let whole = std::fs::read_to_string(&kept).expect("it is there");
    assert!(whole.starts_with("not squad's\n"), "{whole}");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["audit", "verify"]).success();
    // What could be read of it is in the log too.
    let results = crate::support::journey::results(&home);
    assert_eq!(
        results,
        [
            "succeeded",
            "succeeded",
            "refused",
            "succeeded",
            "succeeded"
        ]
    );
}

/// What is forward waits until somebody has looked; a brake moves it out of its way, as it is, and is recorded.
#[test]
fn a_directory_in_the_place_of_the_file_holds_no_brake_up() {
    for brake in [
        &["rollback", "payments", "--to", "1"][..],
        &["stop", "payments"],
    ] {
        let home = Home::new();
        let mut service = TestService::new(&home, "payments");
        home.squad_in(&service.directory, ["deploy"]).success();
        service.version(&home, "2");
        home.squad_in(&service.directory, ["deploy"]).success();
        let outbox = home.state().join("audit/local/local/outbox.jsonl");
        std::fs::remove_file(&outbox).expect("it is there");
        std::fs::create_dir(&outbox).expect("a directory");
        std::fs::write(outbox.join("kept"), "somebody's").expect("a file");
        service.version(&home, "3");
        home.squad_in(&service.directory, ["deploy"])
            .failure(1)
            .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Serve version 3  Ana Example
›   undo at any time: `squad rollback payments`
›
› warning: the record is not up to date: cannot read `[HOME]/.local/state/squad/audit/local/local/outbox.jsonl`: is a directory
› error: cannot deploy `payments`: cannot record the intent in the audit log `local/local`: cannot open `[HOME]/.local/state/squad/audit/local/local/outbox.jsonl`: is a directory
› live: revision 2 serves all traffic
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/audit-not-writable.md
[exit 1]

"#]]);
        let output = home.squad(brake);
        let aside = outbox.with_extension("jsonl.corrupt");
        output.assert(str![[r#"
› payments → local: revision 2 → 1 (ana@example.com, [AGO], Serve version 1)
...
› ✔ live             all traffic on revision 1
› warning: the audit outbox could not be read and is kept as `[HOME]/.local/state/squad/audit/local/local/outbox.jsonl.corrupt`: what was readable goes into the log, the rest is only there
›   done in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
        let kept = std::fs::read_to_string(aside.join("kept")).expect("it is there");
        assert_eq!(kept, "somebody's");
        home.squad_in(&service.directory, ["deploy"]).success();
        home.squad(["audit", "verify"]).success();
    }
}
