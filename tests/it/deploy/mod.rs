//! `squad deploy`, from the first one to the ones that go wrong.

mod at_once;
mod build;
mod going;
mod interrupted;
mod machine;
mod plan;
mod port;
mod sources;
mod start;
mod terminal;

use std::time::Duration;

use snapbox::str;

use crate::support::journey::{port, results, revisions};
use crate::support::{Home, Load, TestService, get};

/// A `[build]` that runs a script; what it makes is ignored by git.
fn with_build(home: &Home, service: &mut TestService, script: &str) {
    home.write(service.directory.join(".gitignore"), "dist/\n");
    home.write(service.directory.join("build.sh"), script);
    service.toml(
        home,
        "\n[build]\ncommand = [\"sh\", \"build.sh\"]\nartifact = \"dist\"\n",
    );
}

#[test]
fn the_first_deploy_builds_and_the_next_has_nothing_to_do() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    // `mkdir` fails where the directory is there: a second build cannot go unnoticed.
    with_build(
        &home,
        &mut service,
        "set -e\necho compiling for $SQUAD_SERVICE in $SQUAD_ENV\nmkdir dist\ncp serve.py dist/\n",
    );
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ build            sh build.sh
›   compiling for payments in local
› ✔ built
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    // Only what counts is a change: not the time of a file, not an ignored one.
    home.write(service.directory.join("dist/leaving"), "of a build");
    let text = std::fs::read_to_string(service.directory.join("serve.py")).expect("it is there");
    home.write(service.directory.join("serve.py"), &text);
    home.squad_in(&service.directory, ["deploy", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.deploy/v1","service":"payments","env":"local","outcome":"unchanged","revision":"1","previous":"1","digest":"[HASH]","changed":[],"address":"http://127.0.0.1:[PORT]"}
[exit 0]

"#]]);
    assert_eq!(revisions(&home, "payments"), ["1"]);
    assert_eq!(
        results(&home),
        ["succeeded"],
        "nothing to do is no operation"
    );
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.deploy/v1","service":"payments","env":"local","operation":"[ID]","outcome":"succeeded","revision":"1","digest":"[HASH]","changed":["sources"],"address":"http://127.0.0.1:[PORT]","duration_seconds":[DURATION]}
[exit 0]

"#]]);
}

#[test]
fn a_second_deploy_loses_no_request() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let load = Load::start(port(&home, "payments"), "/", 4, Duration::from_millis(2));
    load.wait_for_revision("1");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
2
[exit 0]

"#]]);
    load.wait_for_revision("2");
    let counts = load.stop_without_failures();
    assert_eq!(counts.by_revision.len(), 2, "{counts:?}");
    assert_eq!(get(port(&home, "payments"), "/").body, "version 2\n");
}
