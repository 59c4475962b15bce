//! A state directory or a file of the person's own that cannot be read or written, such as another user's: never taken for an
//! empty one, and named.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use snapbox::str;

use crate::support::mounts::with_mounts;
use crate::support::{Home, SQUAD, TestService, skip, tool};

#[test]
fn a_state_directory_that_cannot_be_read_is_never_nothing() {
    let test = "unreadable::a_state_directory_that_cannot_be_read_is_never_nothing";
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let set = |mode| {
        std::fs::set_permissions(home.state(), PermissionsExt::from_mode(mode)).expect("a mode");
    };
    // Root reads everything; without these two capabilities it is as anybody else.
    let without = [
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-all",
    ];
    let is_root = std::fs::metadata(home.state()).is_ok_and(|state| state.uid() == 0);
    if is_root {
        let Some(setpriv) = tool(test, "setpriv") else {
            return;
        };
        if home
            .run(home.program(setpriv).args(without).arg("true"))
            .code
            != 0
        {
            return skip(test, "capabilities cannot be dropped here");
        }
    }
    let squad = |arguments: &[&str]| {
        let mut command = if is_root {
            let mut command = home.program("setpriv");
            command.args(without).arg(SQUAD);
            command
        } else {
            home.program(SQUAD)
        };
        home.run(command.args(arguments).current_dir(&service.directory))
    };
    set(0o000);
    let commands: [&[&str]; 10] = [
        &["status"],
        &["status", "--all"],
        &["status", "payments"],
        &["rollback"],
        &["stop", "payments"],
        &["local", "status"],
        &["local", "stop"],
        &["local", "stop", "--all"],
        &["logs"],
        &["history"],
    ];
    let outputs = commands.map(squad);
    set(0o700);
    for output in outputs {
        let output = output.failure(1);
        let said = format!("`{}", home.state().display());
        assert!(
            output.stderr.contains("permission denied")
                && output.stderr.contains(&said)
                && output.stdout.is_empty(),
            "{}",
            output.transcript()
        );
    }
}

/// What is live cannot be said without a supervisor, and none can be started there.
#[test]
fn a_state_directory_that_cannot_be_written_says_what_does_not_start_and_why() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad(["local", "stop"]).success();
    let script = |command: &str| {
        format!(
            "set -e; mount --bind {state} {state}; mount -o remount,ro,bind {state}; cd {directory}; exec \"$0\" {command}",
            state = home.state().display(),
            directory = service.directory.display(),
        )
    };
    let run = |command: &str| {
        let test =
            "unreadable::a_state_directory_that_cannot_be_written_says_what_does_not_start_and_why";
        with_mounts(&home, test, &script(command))
    };
    let Some(status) = run("status payments") else {
        return;
    };
    status.failure(1).assert(str![[r#"
› error: cannot start the local platform, which keeps its state in `[HOME]/.local/state/squad/local/local/local`: cannot lock `[HOME]/.local/state/squad/local/local/local/starting`: read-only file system
› hint: look at what is mounted there: `findmnt -T [HOME]/.local/state/squad/local/local/local/starting`
› hint: or keep the state elsewhere, where nothing is deployed yet: set XDG_STATE_HOME to a directory that you can write to
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/not-writable.md
[exit 1]

"#]]);
    for command in ["status --all", "rollback --yes", "local start"] {
        let Some(output) = run(command) else { return };
        let output = output.failure(1);
        assert!(
            output.stderr.contains("cannot start the local platform")
                && output.stderr.contains("errors/not-writable.md"),
            "{}",
            output.transcript()
        );
    }
    // Whether it runs can be seen without writing anything.
    for command in ["local status", "local stop"] {
        let Some(output) = run(command) else { return };
        assert_eq!(output.success().line(), "stopped", "{command}");
    }
}

#[test]
fn a_file_where_the_state_directory_belongs_is_named() {
    let home = Home::new();
    home.write(home.state().join("local"), "no directory");
    home.squad(["status", "payments"])
        .failure(1)
        .assert(str![[r#"
› error: cannot look at `[HOME]/.local/state/squad/local/local/local/journal`: not a directory
› hint: a directory is needed, and this is none: `ls -l [HOME]/.local/state/squad/local`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/file.md
[exit 1]

"#]]);
    home.squad(["local", "start"]).failure(1).assert(str![[r#"
› error: cannot start the local platform, which keeps its state in `[HOME]/.local/state/squad/local/local/local`: cannot create `[HOME]/.local/state/squad/local/local/local`: not a directory
› hint: a directory is needed, and this is none: `ls -l [HOME]/.local/state/squad/local`
› hint: or keep the state elsewhere, where nothing is deployed yet: set XDG_STATE_HOME to a directory that you can write to
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/file.md
[exit 1]

"#]]);
}

#[test]
fn a_persons_own_file_that_cannot_be_read_stops_no_brake() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    for version in ["1", "2", "3"] {
        service.version(&home, version);
        home.squad_in(&service.directory, ["deploy"]).success();
    }
    let file = home.path().join(".config/squad/config.toml");
    std::fs::create_dir_all(&file).expect("a directory in its place");
    let commands: [(&[&str], i32); 4] = [
        (&["rollback", "payments"], 0),
        (&["rollback"], 0),
        (&["rollout", "abort", "payments"], 0),
        (&["stop", "payments"], 0),
    ];
    for (arguments, code) in commands {
        let output = home.squad_in(&service.directory, arguments);
        assert!(
            output.code == code
                && output
                    .stderr
                    .contains("config.toml`: is a directory; what it says is left out"),
            "{arguments:?} {}",
            output.transcript()
        );
    }
    home.squad(["status", "payments"])
        .failure(1)
        .assert(str![[r#"
› error: cannot read `[HOME]/.config/squad/config.toml`: is a directory
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/file.md
[exit 1]

"#]]);
    home.squad(["rollout", "start", "payments", "--yes"])
        .failure(1);
    std::fs::remove_dir(file).expect("it is there");
    // The list of orgs neither: whoever needs one of them is told that it is not known.
    let orgs = home.path().join(".config/squad/orgs.toml");
    std::fs::create_dir_all(&orgs).expect("a directory in its place");
    let output = home.squad(["stop", "payments", "--env", "local"]);
    assert!(
        output.code != 1
            && output
                .stderr
                .contains("orgs.toml`: is a directory; what it says"),
        "{}",
        output.transcript()
    );
    home.squad(["status", "payments"]).failure(1);
    std::fs::remove_dir(orgs).expect("it is there");
}
