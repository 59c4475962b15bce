//! `squad deploy`, from the first one to the ones that go wrong.

use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{
    appears, begin, end, live, port, protected_org, results, revisions, signal,
};
use crate::support::{Home, Load, SQUAD, Terminal, TestService, get, skip, tool, wait_for};

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

#[test]
fn requests_under_way_end_on_the_revision_where_they_began() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let port = port(&home, "payments");
    service.version(&home, "2");
    let slow = std::thread::spawn(move || get(port, "/slow?seconds=3"));
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(get(port, "/").body, "version 2\n");
    let reply = slow.join().expect("a thread");
    assert_eq!((reply.status, reply.body.as_str()), (200, "version 1\n"));
}

#[test]
fn a_revision_that_cannot_start_never_gets_a_request() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let load = Load::start(port(&home, "payments"), "/", 4, Duration::from_millis(2));
    load.wait_for_more(20);
    service.behave(&home, "exit:1");
    let began = Instant::now();
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1 exit:1  Ana Example
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ◌ revision         exit code 1; try 2
› ◌ revision         exit code 1; try 3
› ✖ revision         2: process ended with exit code 1, [DURATION] after it started, 3 times
› error: cannot deploy `payments`: revision 2 does not start
›   version 1 starts, exit
›   app/config.py:12  KeyError: 'ACQUIRER_URL'
›   version 1 starts, exit
›   app/config.py:12  KeyError: 'ACQUIRER_URL'
›   version 1 starts, exit
›   app/config.py:12  KeyError: 'ACQUIRER_URL'
›   caused by: it needs the variable ACQUIRER_URL, which `squad.toml` does not set
› live: revision 1 serves all traffic
› hint: set it under [run.env] in squad.toml, or look at the log with `squad logs payments --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/process-exited.md
[exit 1]

"#]]);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "the cause comes within seconds, not at the time limit: {:?}",
        began.elapsed()
    );
    // The very same again: it is tried again, because the cause may have been elsewhere.
    let output = home
        .squad_in(&service.directory, ["deploy", "-o", "json"])
        .failure(1);
    assert_eq!(output.stdout, "", "{}", output.transcript());
    let error = output.error_json();
    assert_eq!(error["schema"], "squad.error/v1");
    assert_eq!(error["exit_code"], 1);
    assert_eq!(error["live"]["revision"], "1");
    assert_eq!(error["live"]["traffic"], 100);
    load.wait_for_more(20);
    let counts = load.stop_without_failures();
    assert_eq!(
        counts.by_revision.keys().collect::<Vec<_>>(),
        ["1"],
        "{counts:?}"
    );
    assert_eq!(results(&home), ["failed", "failed", "succeeded"]);
    service.behave(&home, "");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
}

#[test]
fn each_way_not_to_start_has_its_cause() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "no-port");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         1: process runs, and does not listen on port [PORT], after [DURATION]
› error: cannot deploy `payments`: revision 1 does not start
›   version 1 starts, no-port
›   caused by: it has to listen on 127.0.0.1, on the port in the variable PORT, here [PORT]
› live: `payments` was never live here, and takes no traffic
› hint: look at the log with `squad logs payments --revision 1`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/port-not-opened.md
[exit 1]

"#]]);
    service.behave(&home, "other-port");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         2: process runs, and does not listen on port [PORT], but on [PORT], after [DURATION]
› error: cannot deploy `payments`: revision 2 does not start
›   version 1 starts, other-port
›   stopping
›   caused by: it listens on port [PORT], and has to listen on the port in the variable PORT, here [PORT]
› live: `payments` was never live here, and takes no traffic
› hint: look at the log with `squad logs payments --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/port-not-opened.md
[exit 1]

"#]]);
    service.behave(&home, "never-ready");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         3: `GET /readyz` still answers 503 after [DURATION]
› error: cannot deploy `payments`: revision 3 does not start
›   version 1 starts, never-ready
›   stopping
›   caused by: `GET /readyz` answered 503, and has to answer 200 once it can take requests
› live: `payments` was never live here, and takes no traffic
› hint: look at the log with `squad logs payments --revision 3`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/never-ready.md
[exit 1]

"#]]);
    assert_eq!(live(&home, "payments"), None);
}

#[test]
fn a_command_that_is_not_there_has_its_cause() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let path = service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    home.write(&path, &text.replace("\"python3\"", "\"bin/serve\""));
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›   the work tree has changes that are not committed
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         1: `bin/serve` is not in the artifact
› error: cannot deploy `payments`: revision 1 does not start
›   caused by: `bin/serve` is not in the artifact
› live: `payments` was never live here, and takes no traffic
› hint: correct `command` under [run] in squad.toml, or the build
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/command-not-found.md
[exit 1]

"#]]);
}

#[test]
fn a_build_that_fails_changes_nothing() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    with_build(
        &home,
        &mut service,
        "for n in 1 2 3 4 5 6 7 8 9 10 11; do echo step $n; done\necho 'no such module: refunds' >&2\nexit 3\n",
    );
    let output = home
        .squad_in(&service.directory, ["deploy", "--quiet"])
        .failure(1)
        .assert(str![[r#"
› error: cannot deploy `payments`: the build failed: `sh build.sh` ended with exit code 3
›   step 3
›   step 4
›   step 5
›   step 6
›   step 7
›   step 8
›   step 9
›   step 10
›   step 11
›   no such module: refunds
› live: revision 1 serves all traffic
› hint: all of its output: `less [HOME]/.local/state/squad/builds/payments/[ID].log`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/build-failed.md
[exit 1]

"#]]);
    let log = output
        .stderr
        .split('`')
        .find_map(|part| part.strip_prefix("less "))
        .expect("the hint names the log");
    let text = std::fs::read_to_string(log).expect("the log is kept");
    assert!(text.contains("step 1\n") && text.contains("no such module: refunds\n"));
    assert_eq!(revisions(&home, "payments"), ["1"]);
    assert_eq!(results(&home), ["succeeded"]);
}

#[test]
fn a_build_that_is_not_installed_says_so() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.toml(
        &home,
        "\n[build]\ncommand = [\"no-such-builder\", \"all\"]\n",
    );
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ build            no-such-builder all
› error: cannot deploy `payments`: the build does not start: `no-such-builder` is not installed, or not on PATH
› live: `payments` was never live here, and takes no traffic
› hint: correct `command` under [build] in squad.toml, or install what it names
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/build-failed.md
[exit 1]

"#]]);
}

#[test]
fn a_build_that_prints_100_mb_fills_neither_memory_nor_disk() {
    for (what, script) in [
        (
            "lines",
            "yes \"$(head -c 999 /dev/zero | tr '\\0' x)\" | head -c 100000000\n",
        ),
        ("one line", "head -c 100000000 /dev/zero | tr '\\0' x\n"),
    ] {
        let home = Home::new();
        let mut service = TestService::new(&home, "payments");
        let script = format!("set -e\n{script}mkdir dist\ncp serve.py dist/\n");
        with_build(&home, &mut service, &script);
        let mut child = home
            .command(["deploy"])
            .current_dir(&service.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut peak = 0;
        let status = wait_for("the deploy ends", Duration::from_mins(2), || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
            let now = status
                .unwrap_or_default()
                .lines()
                .find_map(|line| {
                    line.strip_prefix("VmHWM:")?
                        .split_whitespace()
                        .next()?
                        .parse()
                        .ok()
                })
                .unwrap_or(0_u64);
            peak = peak.max(now);
            child.try_wait().expect("it is ours")
        });
        assert_eq!(status.code(), Some(0), "{what}");
        assert!(
            (1..64 * 1024).contains(&peak),
            "{what}: at most {peak} KiB resident"
        );
        let logs = home.state().join("builds/payments");
        let kept: Vec<_> = std::fs::read_dir(&logs)
            .expect("kept logs")
            .map(|entry| entry.expect("an entry").metadata().expect("a file").len())
            .collect();
        assert!(
            matches!(kept.as_slice(), [1_000_000..=17_000_000]),
            "{what}: {kept:?}"
        );
    }
}

#[test]
fn ten_logs_of_builds_are_kept() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    with_build(&home, &mut service, "echo no; exit 1\n");
    for _ in 0..12 {
        home.squad_in(&service.directory, ["deploy"]).failure(1);
    }
    let logs = std::fs::read_dir(home.state().join("builds/payments")).expect("kept logs");
    assert_eq!(logs.count(), 10);
}

#[test]
fn an_artifact_that_is_not_there_says_where_it_was_looked_for() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.toml(
        &home,
        "\n[build]\ncommand = [\"true\"]\nartifact = \"dist\"\n",
    );
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ build            true
› ✔ built
› error: cannot deploy `payments`: there is no artifact at `[WORK]/payments/dist`: the build left no such directory
› live: `payments` was never live here, and takes no traffic
› hint: set `artifact` under [build] in squad.toml to the directory that holds what is to run
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-missing.md
[exit 1]

"#]]);
    service.toml(&home, "\n[build]\nartifact = \"dist\"\n");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `payments`: there is no artifact at `[WORK]/payments/dist`: there is no such directory
› live: `payments` was never live here, and takes no traffic
› hint: set `artifact` under [build] in squad.toml to the directory that holds what is to run
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-missing.md
[exit 1]

"#]]);
    home.write(service.directory.join(".gitignore"), "dist/\n");
    home.write(service.directory.join("dist/app"), "built by hand");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›   the work tree has changes that are not committed
›
› error: cannot deploy `payments`: there is no artifact at `[WORK]/payments/dist`: it holds no file that git tracks or would track
› live: `payments` was never live here, and takes no traffic
› hint: set `artifact` under [build] in squad.toml to the directory that holds what is to run
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-missing.md
[exit 1]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--artifact", "out"])
        .failure(1)
        .assert(str![[r#"
› error: cannot deploy `payments`: `[WORK]/payments/out` is not a directory
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-missing.md
[exit 1]

"#]]);
}

#[test]
fn an_artifact_is_deployed_as_it_is() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    with_build(&home, &mut service, "exit 1\n");
    std::fs::create_dir(service.directory.join("dist")).expect("a directory");
    std::fs::copy(
        service.directory.join("serve.py"),
        service.directory.join("dist/serve.py"),
    )
    .expect("a copy");
    home.squad_in(&service.directory, ["deploy", "--artifact", "dist"])
        .success();
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
    let again = home
        .squad_in(&service.directory, ["deploy", "--artifact", "dist"])
        .success();
    assert!(
        again.stderr.contains("Nothing to do"),
        "{}",
        again.transcript()
    );
}

#[test]
fn a_rebuild_makes_a_new_revision_and_is_not_undone_by_the_next_deploy() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let rebuilt = home
        .squad_in(&service.directory, ["deploy", "--rebuild"])
        .success();
    assert_eq!(rebuilt.line(), "2");
    let next = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(next.line(), "2", "{}", next.transcript());
}

#[test]
fn a_release_that_was_left_comes_back_only_with_a_reason() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["rollback", "payments"]).success();
    home.squad_in(&service.directory, ["deploy"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `payments`: a rollback or an abort left this very release (revision 2)
› live: revision 1 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy payments --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--again"])
        .failure(2)
        .assert(str![[r#"
› error: cannot deploy `payments`: `--again` needs a reason
› live: revision 1 serves all traffic
› hint: say why, for the audit log: `squad deploy payments --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/reason-missing.md
[exit 2]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--again", "--reason", " "])
        .failure(2);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    home.squad_in(
        &service.directory,
        ["deploy", "--again", "--reason", "the acquirer is back"],
    )
    .success()
    .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   nothing to build: revision 2 is exactly this
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         0 of 1 processes ready
› ✔ started          revision 2, kept from before, ready
› ✔ live             all traffic on revision 2
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
2
[exit 0]

"#]]);
    assert_eq!(revisions(&home, "payments"), ["1", "2"]);
    let events = home.squad(["audit", "list", "-o", "json"]).success().stdout;
    assert!(events.contains("the acquirer is back"), "{events}");
}

#[test]
fn an_older_commit_is_superseded() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    let older = home.git(&service.directory, ["rev-parse", "HEAD"]);
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.git(&service.directory, ["checkout", "--quiet", &older]);
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 2 is newer: this commit is an ancestor of what is live. Nothing to do. To go back to it all the same: `squad deploy payments --allow-older --reason "…"`
2
[exit 0]

"#]]);
    let output = home
        .squad_in(&service.directory, ["deploy", "-o", "json"])
        .success();
    assert_eq!(output.json()["outcome"], "superseded");
    assert_eq!(output.json()["revision"], "2");
    home.squad_in(&service.directory, ["deploy", "--allow-older"])
        .failure(2)
        .assert(str![[r#"
› error: cannot deploy `payments`: `--allow-older` needs a reason
› live: revision 2 serves all traffic
› hint: say why, for the audit log: `squad deploy payments --allow-older --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/reason-missing.md
[exit 2]

"#]]);
    home.squad_in(
        &service.directory,
        ["deploy", "--allow-older", "--reason", "2 loses refunds"],
    )
    .success()
    .assert(str![[r#"
› payments → local (this machine)
›
›   goes back behind what is live (revision 2, ana@example.com, [AGO])
›   nothing to build: revision 1 is exactly this
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         0 of 1 processes ready
› ✔ started          revision 1, kept from before, ready
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
}

#[test]
fn changes_without_a_commit_are_deployed_and_shown() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let path = service.directory.join("serve.py");
    let text = std::fs::read_to_string(&path).expect("it is there");
    home.write(&path, &text.replace("version {VERSION}\\n", "draft\\n"));
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›   the work tree has changes that are not committed
›
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
    home.squad(["status", "payments"])
        .success()
        .assert(str![[r#"
SERVICE   ENV    LIVE       SINCE     HEALTH  ADDRESS
payments  local  1 (dirty)  [AGO]  ok      http://127.0.0.1:[PORT]
[exit 0]

"#]]);
    home.commit_all(&service.directory, "Say draft");
    // The commit holds what is live: the same sources are the same release.
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
}

#[test]
fn the_plan_names_commits_and_keys_and_no_values() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.toml(&home, "\n[run.env]\nLOG_LEVEL = \"info\"\nOLD = \"1\"\n");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.write(service.directory.join("README"), "Refunds\n");
    home.commit_all(
        &service.directory,
        "Refund limit per customer, which is a subject that is far too long for one line",
    );
    service.toml(
        &home,
        "\n[run.env]\nLOG_LEVEL = \"debug\"\nNEW = \"s3cret\"\n\n[[route]]\nname = \"home\"\nmethod = \"GET\"\npath = \"/\"\n",
    );
    home.squad_in(&service.directory, ["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   3 changes since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2                                               Ana Example
›     Refund limit per customer, which is a subject that is far t…  Ana Example
›     Serve version 2                                               Ana Example
›   routes.home.method is new: GET
›   routes.home.path is new: /
›   run.env.LOG_LEVEL has another value
›   run.env.NEW is new
›   run.env.OLD is gone
›   undo at any time: `squad rollback payments`
›
[exit 0]

"#]]);
    let output = home
        .squad_in(&service.directory, ["deploy", "--dry-run", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.deploy/v1","service":"payments","env":"local","outcome":"planned","previous":"1","digest":"[HASH]","changed":["sources","routes.home.method","routes.home.path","run.env.LOG_LEVEL","run.env.NEW","run.env.OLD"],"address":"http://127.0.0.1:[PORT]"}
[exit 0]

"#]]);
    assert!(!output.stdout.contains("s3cret"));
}

#[test]
fn a_dry_run_changes_nothing_and_can_be_asked_by_a_script() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
[exit 0]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--dry-run", "--exit-code"])
        .failure(10);
    assert_eq!(live(&home, "payments"), None);
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad_in(&service.directory, ["deploy", "--dry-run", "--exit-code"])
        .success();
    home.squad_in(&service.directory, ["deploy", "--exit-code"])
        .failure(2);
}

#[test]
fn a_protected_environment_asks_and_takes_commits_only() {
    let mut home = Home::new();
    let mut service = TestService::new(&home, "payments");
    protected_org(&mut home);
    home.squad_in(&service.directory, ["deploy", "--env", "prod"])
        .failure(2)
        .assert(str![[r#"
› payments → prod (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot ask for confirmation: there is no terminal to ask on
› hint: pass `--yes` to go on without asking, or `--dry-run` to see the plan
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-terminal.md
[exit 2]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--env", "prod", "--yes"])
        .success()
        .assert(str![[r#"
› payments → prod (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/prod
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    home.write(service.directory.join("new.py"), "# not committed\n");
    home.squad_in(&service.directory, ["deploy", "--env", "prod", "--yes"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `payments`: `prod` is protected, and the work tree has changes that are not committed
› live: revision 1 serves all traffic
› hint: commit them first; `git status` lists them
› hint: or, if it cannot wait: `squad deploy payments --env prod --allow-dirty --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/dirty-tree.md
[exit 7]

"#]]);
    home.squad_in(
        &service.directory,
        ["deploy", "--env", "prod", "--yes", "--allow-dirty"],
    )
    .failure(2);
    home.squad_in(
        &service.directory,
        [
            "deploy",
            "--env",
            "prod",
            "--yes",
            "--allow-dirty",
            "--reason",
            "INC-311",
        ],
    )
    .success();
    std::fs::remove_file(service.directory.join("new.py")).expect("it is there");
    service.toml(
        &home,
        "\n[rollout]\nsteps = [{ weight = 5, hold = \"5m\" }]\n",
    );
    home.squad_in(&service.directory, ["deploy", "--env", "prod", "--yes"])
        .failure(7)
        .assert(str![[r#"
› payments → prod (this machine)
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Serve version 1  Ana Example
›   rollout.steps is new: [{"hold_seconds":[DURATION],"weight":5}]
›
› error: cannot start a rollout of `payments`: revision 2 had no request in the last 2 hours, so there is nothing to compare with
› live: revision 2 serves all traffic
› hint: send it requests first; or all at once: `squad deploy payments --env prod --all-at-once --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-history.md
[exit 7]

"#]]);
    let output = home.squad_in(
        &service.directory,
        [
            "deploy",
            "--env",
            "prod",
            "--yes",
            "--all-at-once",
            "--reason",
            "INC-311",
        ],
    );
    assert_eq!(output.success().line(), "3");
}

#[test]
fn a_person_says_yes_or_no() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    protected_org(&mut home);
    let arguments = ["deploy", "--env", "prod"];
    let mut terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
    terminal.expect("Deploy? [y/N]").expect("[y/N]");
    terminal.send("n");
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    let mut terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
    terminal.expect("[y/N]");
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    let mut terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
    terminal.expect("[y/N]");
    terminal.send("y");
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");
    let status = home.squad(["status", "payments", "--env", "prod", "-o", "json"]);
    assert_eq!(status.json()["services"][0]["traffic"]["1"], 100);
}

#[test]
fn an_environment_is_never_guessed() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    protected_org(&mut home);
    home.squad_in(&service.directory, ["deploy"])
        .failure(2)
        .assert(str![[r#"
› error: no environment was named; there are local, prod
› hint: add `--env <name>`, or set SQUAD_ENV
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/environment-missing.md
[exit 2]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--env", "Prod"])
        .failure(2)
        .assert(str![[r#"
› error: cannot use `--env`: `Prod` is not a name: use 1 to 63 lower-case letters, digits and dashes, a letter first, no dash at the end
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/name-invalid.md
[exit 2]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--env", "prdo"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the environment `prdo`; did you mean `prod`?
›   caused by: the org `acme` has `prod`, `local`
› hint: list them with `squad env list`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/environment-unknown.md
[exit 5]

"#]]);
}

#[test]
fn the_same_sources_deployed_twice_at_once_make_one_revision() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "slow-start:1");
    let both = [
        begin(&home, &service.directory, ["deploy"]),
        begin(&home, &service.directory, ["deploy"]),
    ];
    for child in both {
        let output = end(&home, child).success();
        assert_eq!(output.line(), "2", "{}", output.transcript());
    }
    assert_eq!(revisions(&home, "payments"), ["1", "2"]);
}

#[test]
fn of_two_deploys_at_once_one_wins_and_the_other_names_it() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    // The first one stays in its build until the second one is through.
    with_build(
        &home,
        &mut service,
        "touch building\nuntil [ -e go ]; do sleep 0.05; done\nmkdir -p dist\ncp serve.py dist/\n",
    );
    home.write(
        service.directory.join(".gitignore"),
        "dist/\nbuilding\ngo\n",
    );
    home.commit_all(&service.directory, "Build slowly");
    let first = begin(&home, &service.directory, ["deploy"]);
    appears(&service.directory.join("building"));
    service.toml(&home, "").version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.write(service.directory.join("go"), "");
    end(&home, first).failure(6).assert(str![[r#"
› payments → local (this machine)
›
›   2 changes since what is live (revision 1, ana@example.com, [AGO]):
›     Build slowly     Ana Example
›     Serve version 1  Ana Example
›   build.artifact . → dist
›   build.command [] → ["sh","build.sh"]
›   undo at any time: `squad rollback payments`
›
› ◌ build            sh build.sh
› ✔ built
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 3, ready
› error: cannot deploy `payments`: ana@example.com on vm changed the traffic first, at [TIME] UTC (operation [ID])
› live: revision 2 serves all traffic
› hint: look at what is live now with `squad status`, then run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/conflict.md
[exit 6]

"#]]);
    assert_eq!(get(port(&home, "payments"), "/").body, "version 2\n");
    // Newest first: the intent of the first one was recorded when its build was through.
    assert_eq!(results(&home), ["failed", "succeeded", "succeeded"]);
}

#[test]
fn ctrl_c_during_the_build_leaves_nothing_behind() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    // The build's own child is not squad's child: it has to go all the same.
    with_build(
        &home,
        &mut service,
        "touch building\nsh -c 'sleep 601; true'\ntrue\n",
    );
    home.write(service.directory.join(".gitignore"), "dist/\nbuilding\n");
    let building = service.directory.join("building");
    let sleeping = || {
        let processes = home.processes();
        processes.iter().any(|one| one.command == "sleep 601")
    };

    let child = begin(&home, &service.directory, ["deploy"]);
    appears(&building);
    wait_for("the build sleeps", Duration::from_secs(10), || {
        sleeping().then_some(())
    });
    signal(child.id(), Signal::SIGINT);
    end(&home, child).failure(130).assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1  Ana Example
›   build.artifact . → dist
›   build.command [] → ["sh","build.sh"]
›   the work tree has changes that are not committed
›   undo at any time: `squad rollback payments`
›
› ◌ build            sh build.sh
› stopping; what is live stays as it is (Ctrl-C again to quit now)
› error: cannot deploy `payments`: the build was stopped
› live: revision 1 serves all traffic
› hint: to begin again: `squad deploy payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/interrupted.md
[exit 130]

"#]]);
    wait_for("the build ends", Duration::from_secs(5), || {
        (!sleeping()).then_some(())
    });

    // On a terminal the signal reaches the build as well, and the answer is the same.
    std::fs::remove_file(&building).expect("it is there");
    let mut terminal = Terminal::start_in(&home, &service.directory, 100, ["deploy"]);
    appears(&building);
    wait_for("the build sleeps", Duration::from_secs(10), || {
        sleeping().then_some(())
    });
    terminal.interrupt();
    let (code, text) = terminal.finish();
    assert_eq!(code, 130, "{text}");
    assert!(
        text.contains("live: revision 1 serves all traffic"),
        "{text}"
    );
    assert!(!sleeping());
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    assert_eq!(results(&home), ["succeeded"]);
}

#[test]
fn ctrl_c_while_python_packages_are_installed_ends_pip() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    // A package index that takes a connection and never answers.
    let index = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = index.local_addr().expect("an address");
    let hash = "0".repeat(64);
    home.write(
        service.directory.join("requirements.lock"),
        &format!("no-such-package==1.0 --hash=sha256:{hash}\n"),
    );
    service.toml(&home, "\n[build]\npython_lock = \"requirements.lock\"\n");
    let child = home
        .command(["deploy"])
        .current_dir(&service.directory)
        .env("PIP_INDEX_URL", format!("http://{address}/simple"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (_held, _) = index.accept().expect("pip asks");
    signal(child.id(), Signal::SIGINT);
    end(&home, child).failure(130).assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ environment      installing the Python packages, once for each lock file
› stopping; what is live stays as it is (Ctrl-C again to quit now)
› error: cannot deploy `payments`: the build was stopped
› live: `payments` was never live here, and takes no traffic
› hint: to begin again: `squad deploy payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/interrupted.md
[exit 130]

"#]]);
    let pip = || {
        let processes = home.processes();
        processes
            .into_iter()
            .find(|one| one.command.contains(" pip "))
    };
    wait_for("pip ends", Duration::from_secs(5), || {
        pip().is_none().then_some(())
    });
    assert_eq!(results(&home), Vec::<String>::new());
}

#[test]
fn ctrl_c_during_the_start_leaves_what_serves() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let load = Load::start(port(&home, "payments"), "/", 2, Duration::from_millis(5));
    service.behave(&home, "slow-start:4");
    let mut child = home
        .command(["deploy"])
        .current_dir(&service.directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut reader = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut seen = String::new();
    while !seen.contains("processes ready") {
        assert_ne!(reader.read_line(&mut seen).expect("text"), 0, "{seen}");
    }
    signal(child.id(), Signal::SIGINT);
    std::io::Read::read_to_string(&mut reader, &mut seen).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{seen}");
    assert!(
        seen.contains("live: revision 1 serves all traffic"),
        "{seen}"
    );
    load.wait_for_more(20);
    let counts = load.stop_without_failures();
    assert_eq!(counts.by_revision.len(), 1, "{counts:?}");
    assert_eq!(
        results(&home),
        ["failed", "succeeded"],
        "the record is closed"
    );
    home.squad(["audit", "verify"]).success();
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(output.line(), "2", "{}", output.transcript());
}

#[test]
fn a_time_limit_ends_the_deploy_and_the_next_one_goes_on() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "slow-start:3");
    home.squad_in(&service.directory, ["deploy", "--timeout", "1s"])
        .failure(124)
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1 slow-start:3  Ana Example
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› error: cannot deploy `payments`: the deploy was not finished after [DURATION]
› live: revision 1 serves all traffic
› hint: give it longer: `squad deploy payments --timeout 20m`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/timeout.md
[exit 124]

"#]]);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(output.line(), "2", "{}", output.transcript());
    home.squad_in(&service.directory, ["deploy", "--timeout", "soon"])
        .failure(2)
        .assert(str![[r#"
› error: invalid value 'soon' for '--timeout <time>': `soon` is not a span of time; write it like `90s`, `15m`, `1h` or `2d`
›
› For more information, try '--help'.
[exit 2]

"#]]);
}

#[test]
fn a_time_limit_ends_a_build_with_its_children() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    with_build(&home, &mut service, "sh -c 'sleep 602; true'\ntrue\n");
    home.squad_in(&service.directory, ["deploy", "--timeout", "1s"])
        .failure(124)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ build            sh build.sh
› error: cannot deploy `payments`: the build was not finished after [DURATION]
› live: `payments` was never live here, and takes no traffic
› hint: give it longer: `squad deploy payments --timeout 20m`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/timeout.md
[exit 124]

"#]]);
    wait_for("the build ends", Duration::from_secs(5), || {
        let processes = home.processes();
        (!processes.iter().any(|one| one.command == "sleep 602")).then_some(())
    });
}

#[test]
fn without_waiting_it_goes_on_alone() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "slow-start:2");
    let began = Instant::now();
    home.squad_in(&service.directory, ["deploy", "--no-wait"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1 slow-start:2  Ana Example
›   undo at any time: `squad rollback payments`
›
› going on in the background; its output: [HOME]/.local/state/squad/background/payments-[ID].log
› hint: follow it with `squad status payments --watch`
[exit 0]

"#]]);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let mut watch = begin(
        &home,
        &home.work(),
        ["status", "payments", "--watch", "-o", "json"],
    );
    let reader = std::io::BufReader::new(watch.stdout.take().expect("a pipe"));
    let mut rows = reader.lines().map(|line| {
        serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("JSON")
    });
    let last = rows
        .find(|row| row["services"][0]["traffic"]["2"] == 100)
        .expect("revision 2 is live before the watch ends");
    assert_eq!(last["services"][0]["health"], "ok");
    signal(watch.id(), Signal::SIGINT);
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
    wait_for("the record is closed", Duration::from_secs(10), || {
        (results(&home) == ["succeeded", "succeeded"]).then_some(())
    });
}

#[test]
fn a_port_that_is_taken_is_named_with_its_owner() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let port = port(&home, "payments");
    home.squad(["local", "stop"]).success();
    let mut other = home
        .program("python3")
        .args([
            "-m",
            "http.server",
            "--bind",
            "127.0.0.1",
            &port.to_string(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3");
    wait_for("the port is taken", Duration::from_secs(10), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› error: cannot deploy `payments`: port [PORT] is taken by python3 (process [PID])
› live: revision 1 has all traffic and is failed
› hint: end that process, and run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/port-taken.md
[exit 1]

"#]]);
    other.kill().expect("it lives");
    other.wait().expect("it ends");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(get(port, "/").body, "version 2\n", "the port is kept");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_a_deploy() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let pipe = "set -o pipefail; \"$0\" deploy 2>&1 | head -n 1";
    let output = home.run(
        home.program("bash")
            .args(["-c", pipe, SQUAD])
            .current_dir(&service.directory),
    );
    assert_eq!(output.code, 0, "{}", output.transcript());
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    assert_eq!(results(&home), ["succeeded"]);
}

/// A deploy on a terminal of so many columns with more variables: what was written, escape sequences included.
fn on_terminal(columns: u16, variables: &[(&str, &str)]) -> (String, String) {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let mut command = home.program("setsid");
    command
        .args(["--ctty", "--wait", SQUAD, "deploy"])
        .current_dir(&service.directory)
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied());
    let terminal = Terminal::spawn(&home, columns, command);
    terminal.expect("on this machine only");
    let raw = terminal.raw();
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");
    (raw, text)
}

#[test]
fn colour_is_never_needed() {
    let (raw, _) = on_terminal(80, &[]);
    assert!(raw.contains("\u{1b}[32m"), "{raw:?}");
    let (raw, _) = on_terminal(80, &[("NO_COLOR", "1")]);
    let colour = regex_lite::Regex::new("\u{1b}\\[[0-9;]*m").expect("a pattern");
    assert!(!colour.is_match(&raw), "{raw:?}");
    let (raw, _) = on_terminal(80, &[("TERM", "dumb")]);
    assert!(!raw.contains('\u{1b}'), "{raw:?}");
    let (raw, text) = on_terminal(80, &[("CI", "true")]);
    assert!(!raw.contains('\r') || !raw.contains("\u{1b}[2K"), "{raw:?}");
    assert!(text.contains("published"), "{text}");
}

#[test]
fn narrow_and_wide_terminals_get_the_same_lines() {
    let plain = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| line.contains("live") || line.contains("published"))
            .collect()
    };
    let (_, narrow) = on_terminal(40, &[("CI", "1")]);
    let (_, wide) = on_terminal(200, &[("CI", "1")]);
    assert!(!plain(&wide).is_empty(), "{wide}");
    assert_eq!(plain(&narrow), plain(&wide));
}

#[test]
fn progress_fits_a_narrow_terminal() {
    let (raw, text) = on_terminal(40, &[]);
    let plain = console::strip_ansi_codes(&raw);
    for line in plain.split(['\r', '\n']).map(str::trim) {
        if line.starts_with(['◌', '◍', '●']) {
            assert!(line.chars().count() <= 40, "{line}\n{text}");
        }
        if line.starts_with('✔') {
            assert!(
                !line.contains("  "),
                "columns are for wide terminals: {line}"
            );
        }
    }
    assert!(text.contains("✔ published revision 1, ready"), "{text}");
}

#[test]
fn a_locale_without_unicode_gets_ascii_marks() {
    let mut home = Home::new();
    home.set("LANG", "C");
    let service = TestService::new(&home, "payments");
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert!(
        output.stderr.contains("+ published"),
        "{}",
        output.transcript()
    );
    assert!(!output.stderr.contains('✔'), "{}", output.transcript());
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    let file = home.write("not-a-directory", "");
    home.set("XDG_STATE_HOME", &file.join("state").display().to_string());
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› error: cannot deploy `payments`: cannot read `[WORK]/not-a-directory/state/squad/services/local.json`: not a directory
› hint: a directory is needed, and this is none: `ls -l [WORK]/not-a-directory`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/file.md
[exit 1]

"#]]);
}

#[test]
fn no_home_is_a_clear_error() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    for name in [
        "HOME",
        "XDG_STATE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
    ] {
        home.unset(name);
    }
    home.squad_in(&service.directory, ["deploy"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find where to keep files: neither HOME nor the XDG variables are set
› hint: set HOME, or XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_CACHE_HOME
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-home.md
[exit 5]

"#]]);
    home.allow_leftovers();
}

/// A script that runs in a mount namespace of its own, where this is allowed (root in most containers).
fn with_mounts(home: &Home, test: &str, script: &str) -> Option<crate::support::Output> {
    tool(test, "unshare")?;
    let probe =
        home.run(
            home.program("unshare")
                .args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]),
        );
    if probe.code != 0 {
        skip(test, "a mount namespace is not allowed here");
        return None;
    }
    Some(
        home.run(
            home.program("unshare")
                .args(["--mount", "bash", "-c", script, SQUAD]),
        ),
    )
}

#[test]
fn a_read_only_state_directory_is_named() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    std::fs::create_dir_all(home.state()).expect("a directory");
    let script = format!(
        "set -e; mount --bind {state} {state}; mount -o remount,ro,bind {state}; cd {directory}; exec \"$0\" deploy",
        state = home.state().display(),
        directory = service.directory.display(),
    );
    let Some(output) = with_mounts(&home, "a_read_only_state_directory_is_named", &script) else {
        return;
    };
    output.failure(1).assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `payments`: cannot create `[HOME]/.local/state/squad/services`: read-only file system
› live: `payments` was never live here, and takes no traffic
› hint: look at what is mounted there: `findmnt -T [HOME]/.local/state/squad`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/not-writable.md
[exit 1]

"#]]);
}

#[test]
fn a_full_disk_changes_nothing_and_room_mends_it() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.write(service.directory.join("big"), &"x".repeat(600_000));
    service.version(&home, "1");
    std::fs::create_dir_all(home.state()).expect("a directory");
    let script = format!(
        "set -e; mount -t tmpfs -o size=400k none {state}; cd {directory}; code=0; \"$0\" deploy || code=$?; \
         \"$0\" local stop >/dev/null 2>&1 || true; exit $code",
        state = home.state().display(),
        directory = service.directory.display(),
    );
    let Some(output) = with_mounts(
        &home,
        "a_full_disk_changes_nothing_and_room_mends_it",
        &script,
    ) else {
        return;
    };
    output.failure(1).assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `payments`: cannot write `[HOME]/.local/state/squad/staging/deploy-[ID]/artifact/big`: the disk is full
› live: `payments` was never live here, and takes no traffic
› hint: free some space and run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/disk-full.md
[exit 1]

"#]]);
    home.squad_in(&service.directory, ["deploy"]).success();
}

#[test]
fn a_clock_that_was_set_back_changes_no_decision() {
    let test = "a_clock_that_was_set_back_changes_no_decision";
    let Some(faketime) = tool(test, "faketime") else {
        return;
    };
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    // The supervisor that comes next lives two days ago, and so does the command.
    home.squad(["local", "stop"]).success();
    service.version(&home, "2");
    // Not through the program itself: it waits for all that it started, and the supervisor stays.
    let library = home.run(
        home.program(faketime)
            .args(["-f", "-2d", "printenv", "LD_PRELOAD"]),
    );
    let output = home.run(
        home.command(["deploy"])
            .env("LD_PRELOAD", library.success().line())
            .env("FAKETIME", "-2d")
            // The clock that only counts is never set back.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .current_dir(&service.directory),
    );
    assert_eq!(output.success().line(), "2");
    home.squad(["local", "stop"]).success();
    service.version(&home, "3");
    home.squad_in(&service.directory, ["deploy"]).success();
    // Revision 2 served after revision 1, whatever the clock said.
    let output = home.squad(["rollback", "payments"]).success();
    assert_eq!(output.line(), "2", "{}", output.transcript());
    home.squad(["audit", "verify"]).success();
}

#[test]
fn nothing_of_the_repository_moves_the_terminal() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.version(&home, "2");
    home.commit_all(&service.directory, "Evil \u{1b}[2J\u{202e}subject");
    with_build(
        &home,
        &mut service,
        "printf 'line \\033[31mred\\033[0m\\n'\nmkdir -p dist\ncp serve.py dist/\n",
    );
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert!(!output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
    assert!(!output.stderr.contains('\u{202e}'), "{:?}", output.stderr);
}

#[test]
fn files_of_the_state_directory_are_for_their_owner_alone() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o077
    };
    assert_eq!(mode(&home.state()), 0);
}
