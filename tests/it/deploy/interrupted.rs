//! Ctrl-C, time limits, and going on alone.

use std::io::BufRead;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use super::with_build;
use crate::support::journey::{appears, begin, end, live, port, results, signal};
use crate::support::{Home, Load, SQUAD, Terminal, TestService, wait_for};

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

/// What a CI job that is cancelled sends, and a terminal that is closed.
#[test]
fn other_signals_stop_a_deploy_as_ctrl_c_does() {
    for asked in [Signal::SIGTERM, Signal::SIGHUP] {
        let home = Home::new();
        let mut service = TestService::new(&home, "payments");
        with_build(&home, &mut service, "touch building\nsleep 602\n");
        let child = begin(&home, &service.directory, ["deploy"]);
        appears(&service.directory.join("building"));
        signal(child.id(), asked);
        let output = end(&home, child).failure(130);
        assert!(
            output
                .stderr
                .contains("error: cannot deploy `payments`: the build was stopped\n"),
            "{asked}: {}",
            output.transcript()
        );
        // A home that is dropped asserts that no process is left.
    }
}

#[test]
fn a_deploy_that_is_killed_takes_its_build_along() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    with_build(
        &home,
        &mut service,
        "touch building\nsh -c 'sleep 603; true'\ntrue\n",
    );
    let child = begin(&home, &service.directory, ["deploy"]);
    appears(&service.directory.join("building"));
    let sleeping = || {
        let processes = home.processes();
        processes.iter().any(|one| one.command == "sleep 603")
    };
    wait_for("the build sleeps", Duration::from_secs(10), || {
        sleeping().then_some(())
    });
    signal(child.id(), Signal::SIGKILL);
    assert_eq!(end(&home, child).code, 137);
    wait_for("the build ends", Duration::from_secs(5), || {
        (!sleeping()).then_some(())
    });
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
› live: `payments` is not live here, and takes no traffic
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

/// A worker takes no requests: the new revision of a deploy that came to nothing would go on working beside the live one,
/// and nobody would see it.
#[test]
fn what_a_stopped_deploy_had_started_ends() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let serving = || {
        let processes = home.processes();
        let served = processes
            .iter()
            .filter(|one| one.command == "python3 serve.py");
        served.count()
    };
    // It is killed while the new revision starts.
    service.behave(&home, "slow-start:3");
    let child = begin(&home, &service.directory, ["deploy"]);
    wait_for("revision 2 starts", Duration::from_secs(20), || {
        (serving() == 2).then_some(())
    });
    signal(child.id(), Signal::SIGKILL);
    end(&home, child);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    wait_for("revision 2 ends", Duration::from_mins(1), || {
        (serving() == 1).then_some(())
    });
    // It is published still, and found.
    let again = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(again.line(), "2");
}

#[test]
fn a_time_limit_ends_the_deploy_and_the_next_one_goes_on() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    service.behave(&home, "slow-start:4");
    home.squad_in(&service.directory, ["deploy", "--timeout", "2s"])
        .failure(124)
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1 slow-start:4  Ana Example
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✖ revision         2: process runs, and does not listen on port [PORT], after [DURATION]
› error: cannot deploy `payments`: the deploy was not finished after [DURATION]
›   version 1 starts, slow-start
›   caused by: it has to listen on 127.0.0.1, on the port in the variable PORT, here [PORT]
› live: revision 1 serves all traffic
› hint: give it longer: `squad deploy payments --timeout 20m`
› hint: look at the log with `squad logs payments --revision 2`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/timeout.md
[exit 124]

"#]]);
    assert_eq!(live(&home, "payments").as_deref(), Some("1"));
    let output = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(output.line(), "2", "{}", output.transcript());
    home.squad_in(&service.directory, ["deploy", "--timeout", "soon"])
        .failure(2)
        .assert(str![[r#"
› error: `--timeout` cannot be `soon`: `soon` is not a span of time; write it like `90s`, `15m`, `1h` or `2d`
› hint: `squad deploy --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
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
› live: `payments` is not live here, and takes no traffic
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
    service.behave(&home, "slow-start:4");
    home.squad_in(&service.directory, ["deploy", "--no-wait"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 1 slow-start:4  Ana Example
›   undo at any time: `squad rollback payments`
›
› going on in the background; its output: [HOME]/.local/state/squad/background/payments-[ID].log
› hint: follow it with `squad status payments --watch`
[exit 0]

"#]]);
    assert_eq!(
        live(&home, "payments").as_deref(),
        Some("1"),
        "it came too late"
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
        .find(|row| {
            let row = &row["services"][0];
            // While the deploy is still at its record, the watch would end as one of something pending.
            row["traffic"]["2"] == 100 && row["going_on"].is_null()
        })
        .expect("revision 2 is live before the watch ends");
    assert_eq!(last["services"][0]["health"], "ok");
    signal(watch.id(), Signal::SIGINT);
    assert_eq!(watch.wait().expect("it ends").code(), Some(0));
    wait_for("the record is closed", Duration::from_secs(10), || {
        (results(&home) == ["succeeded", "succeeded"]).then_some(())
    });
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
