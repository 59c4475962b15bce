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
        .assert(str![[""]]);
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[""]]);
    // Only what counts is a change: not the time of a file, not an ignored one.
    home.write(service.directory.join("dist/leaving"), "of a build");
    let text = std::fs::read_to_string(service.directory.join("serve.py")).expect("it is there");
    home.write(service.directory.join("serve.py"), &text);
    home.squad_in(&service.directory, ["deploy", "-o", "json"])
        .success()
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
}

#[test]
fn each_way_not_to_start_has_its_cause() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "no-port");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[""]]);
    service.behave(&home, "other-port");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[""]]);
    service.behave(&home, "never-ready");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    service.toml(&home, "\n[build]\nartifact = \"dist\"\n");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[""]]);
    home.write(service.directory.join(".gitignore"), "dist/\n");
    home.write(service.directory.join("dist/app"), "built by hand");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy", "--artifact", "out"])
        .failure(1)
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy", "--again"])
        .failure(2)
        .assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy", "--again", "--reason", " "])
        .failure(2);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    home.squad_in(
        &service.directory,
        ["deploy", "--again", "--reason", "the acquirer is back"],
    )
    .success()
    .assert(str![[""]]);
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
        .assert(str![[""]]);
    let output = home
        .squad_in(&service.directory, ["deploy", "-o", "json"])
        .success();
    assert_eq!(output.json()["outcome"], "superseded");
    assert_eq!(output.json()["revision"], "2");
    home.squad_in(&service.directory, ["deploy", "--allow-older"])
        .failure(2)
        .assert(str![[""]]);
    home.squad_in(
        &service.directory,
        ["deploy", "--allow-older", "--reason", "2 loses refunds"],
    )
    .success()
    .assert(str![[""]]);
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
        .assert(str![[""]]);
    home.squad(["status", "payments"])
        .success()
        .assert(str![[""]]);
    home.commit_all(&service.directory, "Say draft");
    // The commit holds what is live: the same sources are the same release.
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    let output = home
        .squad_in(&service.directory, ["deploy", "--dry-run", "-o", "json"])
        .success()
        .assert(str![[""]]);
    assert!(!output.stdout.contains("s3cret"));
}

#[test]
fn a_dry_run_changes_nothing_and_can_be_asked_by_a_script() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy", "--dry-run"])
        .success()
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy", "--env", "prod", "--yes"])
        .success()
        .assert(str![[""]]);
    home.write(service.directory.join("new.py"), "# not committed\n");
    home.squad_in(&service.directory, ["deploy", "--env", "prod", "--yes"])
        .failure(7)
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy", "--env", "Prod"])
        .failure(2)
        .assert(str![[""]]);
    home.squad_in(&service.directory, ["deploy", "--env", "prdo"])
        .failure(5)
        .assert(str![[""]]);
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
    end(&home, first).failure(6).assert(str![[""]]);
    assert_eq!(get(port(&home, "payments"), "/").body, "version 2\n");
    assert_eq!(results(&home), ["succeeded", "failed", "succeeded"]);
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
    end(&home, child).failure(130).assert(str![[""]]);
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
        .assert(str![[""]]);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(output.line(), "2", "{}", output.transcript());
    home.squad_in(&service.directory, ["deploy", "--timeout", "soon"])
        .failure(2)
        .assert(str![[""]]);
}

#[test]
fn a_time_limit_ends_a_build_with_its_children() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    with_build(&home, &mut service, "sh -c 'sleep 602; true'\ntrue\n");
    home.squad_in(&service.directory, ["deploy", "--timeout", "1s"])
        .failure(124)
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
        .assert(str![[""]]);
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
    output.failure(1).assert(str![[""]]);
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
    output.failure(1).assert(str![[""]]);
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
    let output = home.run(
        home.program(faketime)
            .args(["-f", "-2d", SQUAD, "deploy"])
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
