//! squad's own directories belong to whoever runs it: in those of another user nothing is written.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use crate::support::{Home, TestService, all_files_below, skip};

const SOMEBODY: u32 = 12_345;

/// Gives a directory away, all of it; false where only root may.
fn give_away(directory: &Path) -> bool {
    std::fs::create_dir_all(directory).expect("a directory");
    chown(directory, Some(SOMEBODY), None).is_ok()
}

#[test]
fn nothing_is_written_below_a_directory_of_another_user() {
    const NAME: &str = "nothing_is_written_below_a_directory_of_another_user";
    for (variable, place) in [("XDG_STATE_HOME", "X"), ("XDG_CACHE_HOME", "Y")] {
        let mut home = Home::new();
        let service = TestService::new(&home, "payments");
        let base = home.root().join(place);
        if !give_away(&base.join("squad")) {
            return skip(NAME, "only root can give a directory away");
        }
        home.set(variable, &base.display().to_string());
        let commands: [&[&str]; 7] = [
            &["deploy"],
            &["status"],
            &["rollback", "payments"],
            &["stop", "payments"],
            &["audit", "verify"],
            &["local", "stop"],
            &["demo"],
        ];
        for arguments in commands {
            // A brake does without a cache.
            let is_brake = matches!(arguments[0], "rollback" | "stop");
            if is_brake && variable == "XDG_CACHE_HOME" {
                continue;
            }
            let mut all = arguments.to_vec();
            all.extend(["-o", "json"]);
            let error = home
                .squad_in(&service.directory, &all)
                .failure(7)
                .error_json();
            assert_eq!(error["id"], "foreign-owner", "{arguments:?} {error}");
            let hint = error["hints"][0].as_str().expect("a hint");
            assert!(hint.contains(variable), "{arguments:?} {error}");
        }
        assert_eq!(all_files_below(&base), Vec::<std::path::PathBuf>::new());
        let owner = std::fs::metadata(base.join("squad")).expect("there").uid();
        assert_eq!(owner, SOMEBODY);
    }
}

#[test]
fn a_configuration_of_another_user_is_read_and_never_written() {
    const NAME: &str = "a_configuration_of_another_user_is_read_and_never_written";
    let home = Home::new();
    let config = home.path().join(".config/squad");
    if !give_away(&config) {
        return skip(NAME, "only root can give a directory away");
    }
    home.write("acme/org.toml", "schema = 1\n[org]\nname = \"acme\"\n");
    let acme = home.root().join("acme").display().to_string();
    let error = home
        .squad(["org", "add", &acme, "-o", "json"])
        .failure(7)
        .error_json();
    assert_eq!(error["id"], "foreign-owner", "{error}");
    // An administrator may provide it.
    home.squad(["env", "list"]).success();
    assert_eq!(all_files_below(&config), Vec::<std::path::PathBuf>::new());
}
