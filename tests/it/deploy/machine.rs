//! A machine that does not play along: ports, disks, directories, clocks.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use snapbox::str;

use crate::support::journey::port;
use crate::support::mounts::with_mounts;
use crate::support::{Home, TestService, get, tool, wait_for};

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
› hint: or let the service have another port: `squad deploy --port PORT`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/port-taken.md
[exit 1]

"#]]);
    // Whoever looks, or has nothing to do, is told the same.
    let status = home.squad(["status", "payments"]);
    assert_eq!(status.code, 3, "{}", status.transcript());
    assert!(
        status
            .stdout
            .contains("end that, or let it have another port with `squad deploy --port PORT`"),
        "{}",
        status.transcript()
    );
    assert!(
        !status.stderr.contains("squad logs"),
        "{}",
        status.transcript()
    );
    service.version(&home, "1");
    let again = home.squad_in(&service.directory, ["deploy"]);
    assert!(
        again
            .stderr
            .contains("do that, then run the same command again"),
        "{}",
        again.transcript()
    );
    service.version(&home, "2");
    other.kill().expect("it lives");
    other.wait().expect("it ends");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(get(port, "/").body, "version 2\n", "the port is kept");
}

/// The warning is one line of each deploy, also of a revision that was there before.
#[test]
fn a_service_that_the_network_reaches_past_the_proxy_is_warned_of() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.behave(&home, "everywhere");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 1, ready
› warning: `payments` listens on 0.0.0.0: everybody on the network reaches it there, past the proxy; let it listen on the address in the variable HOST, here 127.0.0.1
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    service.behave(&home, "");
    let deployed = home.squad_in(&service.directory, ["deploy"]).success();
    assert!(
        !deployed.stderr.contains("warning:"),
        "{}",
        deployed.transcript()
    );
    service.behave(&home, "everywhere");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Serve version 1 everywhere  Ana Example
›   nothing to build: revision 1 is exactly this
›   undo at any time: `squad rollback payments`
›
› ✔ recorded         operation [ID], local
› ◌ revision         0 of 1 processes ready
› ✔ started          revision 1, kept from before, ready
› warning: `payments` listens on 0.0.0.0: everybody on the network reaches it there, past the proxy; let it listen on the address in the variable HOST, here 127.0.0.1
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
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
    let Some(output) = with_mounts(
        &home,
        "deploy::machine::a_read_only_state_directory_is_named",
        &script,
    ) else {
        return;
    };
    output.failure(1).assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `payments`: cannot create `[HOME]/.local/state/squad/services`: read-only file system
› live: `payments` is not live here, and takes no traffic
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
        "deploy::machine::a_full_disk_changes_nothing_and_room_mends_it",
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
› live: `payments` is not live here, and takes no traffic
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
