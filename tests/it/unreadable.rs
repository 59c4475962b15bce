//! A state directory that cannot be read, such as another user's: never taken for an empty one.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

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
