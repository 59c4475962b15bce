//! What the plan of a deploy says of commits that are live and are not in what is deployed.

use serde_json::json;
use snapbox::str;

use crate::support::{Home, TestService};

/// `payments` with two commits of a branch live, and `main` checked out, which has one commit of its own.
fn diverged(home: &Home) -> TestService {
    let mut service = TestService::new(home, "payments");
    let directory = service.directory.clone();
    let git = |arguments: &[&str]| home.git(&directory, arguments);
    git(&["checkout", "--quiet", "-B", "main"]);
    git(&["checkout", "--quiet", "-b", "left"]);
    home.write(directory.join("left"), "1");
    home.commit_all(&directory, "Left work, first half");
    home.write(directory.join("left"), "2");
    home.commit_all(&directory, "Left work, second half");
    home.squad_in(&directory, ["deploy"]).success();
    git(&["checkout", "--quiet", "main"]);
    service.version(home, "2");
    service
}

#[test]
fn commits_that_are_live_and_go_away_are_listed() {
    let home = Home::new();
    let service = diverged(&home);
    home.squad_in(&service.directory, ["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   2 changes that are live go away:
›     Left work, second half  Ana Example
›     Left work, first half   Ana Example
›   undo at any time: `squad rollback payments`
›
[exit 0]

"#]]);
    let wire = home
        .squad_in(&service.directory, ["deploy", "--dry-run", "-o", "json"])
        .success()
        .json();
    let commit = |reference| home.git(&service.directory, ["rev-parse", reference]);
    assert_eq!(
        wire["going_away"],
        json!([
            { "commit": commit("left"), "author": "Ana Example", "subject": "Left work, second half" },
            { "commit": commit("left~1"), "author": "Ana Example", "subject": "Left work, first half" },
        ]),
        "{wire}"
    );
    // The same change under another commit goes nowhere.
    home.git(&service.directory, ["cherry-pick", "left~1"]);
    let wire = home
        .squad_in(&service.directory, ["deploy", "--dry-run", "-o", "json"])
        .success()
        .json();
    assert_eq!(
        wire["going_away"].as_array().map(Vec::len),
        Some(1),
        "{wire}"
    );
    home.git(
        &service.directory,
        ["merge", "--quiet", "-X", "theirs", "left"],
    );
    let wire = home
        .squad_in(&service.directory, ["deploy", "--dry-run", "-o", "json"])
        .success()
        .json();
    assert_eq!(wire.get("going_away"), None, "{wire}");
}

#[test]
fn going_back_says_what_goes_away() {
    let home = Home::new();
    let service = diverged(&home);
    home.git(&service.directory, ["checkout", "--quiet", "left~1"]);
    home.squad_in(
        &service.directory,
        [
            "deploy",
            "--dry-run",
            "--allow-older",
            "--reason",
            "it loses refunds",
        ],
    )
    .success()
    .assert(str![[r#"
› payments → local (this machine)
›
›   goes back behind what is live (revision 1, ana@example.com, [AGO])
›   1 change that is live goes away:
›     Left work, second half  Ana Example
›   undo at any time: `squad rollback payments`
›
[exit 0]

"#]]);
}

#[test]
fn a_live_commit_that_is_not_here_is_said_with_how_to_get_it() {
    let home = Home::new();
    let service = diverged(&home);
    home.git(&service.directory, ["branch", "-D", "left"]);
    home.git(
        &service.directory,
        ["reflog", "expire", "--expire=now", "--all"],
    );
    home.git(&service.directory, ["gc", "--quiet", "--prune=now"]);
    home.squad_in(&service.directory, ["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   which changes go away is not known: the live commit [..] is not in this clone; `git fetch --all` may bring it
›   undo at any time: `squad rollback payments`
›
[exit 0]

"#]]);
    let wire = home
        .squad_in(&service.directory, ["deploy", "--dry-run", "-o", "json"])
        .success()
        .json();
    let unknown = wire["unknown_live_commit"].as_str().expect("a commit");
    assert_eq!(unknown.len(), 40, "{wire}");
    assert_eq!(wire.get("going_away"), None, "{wire}");
}
