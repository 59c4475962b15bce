//! Builds and artifacts.

use std::process::Stdio;
use std::time::Duration;

use snapbox::str;

use super::with_build;
use crate::support::journey::{port, results, revisions};
use crate::support::{Home, TestService, get, wait_for};

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
› live: `payments` is not live here, and takes no traffic
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
        ("20 million lines", "yes bad? | head -c 100000000\n"),
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
            matches!(kept.as_slice(), [17_000_000..=17_300_000]),
            "{what}: {kept:?}"
        );
    }
}

#[test]
fn what_is_no_file_is_named_and_not_read() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let other = home.work().join("artifact");
    std::fs::create_dir(&other).expect("a directory");
    home.run(home.program("mkfifo").arg(other.join("pipe")))
        .success();
    let arguments = ["deploy", "--artifact", "../artifact"];
    home.squad_in(&service.directory, arguments)
        .failure(1)
        .assert(str![[r#"
› error: cannot deploy `payments`: `[WORK]/payments/../artifact/pipe` is a named pipe; sources are files, directories and links
› hint: remove it, or leave it out with .gitignore
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/source-not-a-file.md
[exit 1]

"#]]);
    std::fs::remove_file(other.join("pipe")).expect("it is there");
    // A link that leaves the sources means something else on each machine.
    std::os::unix::fs::symlink("/etc/hostname", service.directory.join("name")).expect("a link");
    home.commit_all(&service.directory, "A link");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `payments`: the link `[WORK]/payments/name` points outside of what is deployed, to `/etc/hostname`
› live: `payments` is not live here, and takes no traffic
› hint: put a copy of the file in its place, or leave the link out with .gitignore
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/link-outside.md
[exit 1]

"#]]);
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
› live: `payments` is not live here, and takes no traffic
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
› live: `payments` is not live here, and takes no traffic
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
› live: `payments` is not live here, and takes no traffic
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
fn a_rebuild_says_that_no_source_changed() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let rebuild = ["deploy", "--rebuild", "-o", "json"];
    let said = home.squad_in(&service.directory, rebuild).success().json();
    assert_eq!(said["changed"], serde_json::json!([]));
    assert_eq!(said["outcome"], "succeeded");
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

/// What serves then is the rebuild of what is wanted, which is what is wanted.
#[test]
fn sources_that_come_back_bring_their_rebuild_back() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.squad_in(&service.directory, ["deploy", "--rebuild"])
        .success();
    service.version(&home, "2");
    let other = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(other.line(), "3");
    service.version(&home, "1");
    let back = home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(back.line(), "2", "{}", back.transcript());
    assert_eq!(get(port(&home, "payments"), "/").body, "version 1\n");
}

#[test]
fn a_zip_is_laid_out_as_a_directory() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    // Made by the build, and left out of git as builds are.
    home.write(service.directory.join(".gitignore"), "*.zip\n");
    let zip = "[\"python3\", \"-m\", \"zipfile\", \"-c\", \"payments.zip\", \"serve.py\"]";
    let build = format!("\n[build]\ncommand = {zip}\nartifact = \"payments.zip\"\n");
    service.toml(&home, &build);
    home.squad_in(&service.directory, ["deploy"]).success();
    let url = || port(&home, "payments");
    assert_eq!(get(url(), "/").body, "version 1\n");
    service.version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(get(url(), "/").body, "version 2\n");
    let again = home.squad_in(&service.directory, ["deploy"]).success();
    assert!(
        again.stderr.contains("Nothing to do"),
        "{}",
        again.transcript()
    );
    home.squad(["rollback", "payments"]).success();
    assert_eq!(get(url(), "/").body, "version 1\n");

    // Without a build it has to be a source itself: another zip of the same name would be nothing new.
    service.toml(&home, "\n[build]\nartifact = \"payments.zip\"\n");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   2 changes since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›     Serve version 2  Ana Example
›   build.command ["python3","-m","zipfile","-c","payment… → []
›   undo at any time: `squad rollback payments`
›
› error: cannot deploy `payments`: there is no artifact at `[WORK]/payments/payments.zip`: it is no file that git tracks or would track
› live: revision 1 serves all traffic
› hint: set `artifact` under [build] in squad.toml to the directory that holds what is to run
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-missing.md
[exit 1]

"#]]);
    home.write(service.directory.join(".gitignore"), "");
    home.commit_all(&service.directory, "The zip");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(get(url(), "/").body, "version 2\n");
}

#[test]
fn a_file_that_is_no_zip_is_no_artifact() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.toml(&home, "\n[build]\nartifact = \"serve.py\"\n");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `payments`: there is no artifact at `[WORK]/payments/serve.py`: it is a file, and what runs on this machine runs from a directory, or from a `.zip` that is laid out as one
› live: `payments` is not live here, and takes no traffic
› hint: set `artifact` under [build] in squad.toml to the directory that holds what is to run
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/artifact-missing.md
[exit 1]

"#]]);
    home.write(service.directory.join("payments.zip"), "no zip");
    service.toml(&home, "\n[build]\nartifact = \"payments.zip\"\n");
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› error: cannot deploy `payments`: cannot read the archive `[WORK]/payments/payments.zip`: invalid Zip archive: Could not find EOCD
› live: `payments` is not live here, and takes no traffic
› hint: `artifact` under [build] in squad.toml is a directory or a zip: see what the build leaves there
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/package-invalid.md
[exit 1]

"#]]);
    // Nothing is left of what was begun.
    let staging = home.state().join("staging");
    assert_eq!(std::fs::read_dir(staging).expect("it is there").count(), 0);
}

/// As on a terminal: progress that is drawn over is what was drawn last, and no line fills the screen.
#[test]
fn what_a_build_draws_over_and_lines_without_end_are_shown_as_a_person_can_read_them() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    let script = "printf 'fetching 1 of 3\\rfetching 2 of 3\\rfetching 3 of 3\\n'\n\
                  head -c 2500 /dev/zero | tr '\\0' x\necho\nprintf 'linking 10%%\\rlinking 20%%\\r'\nexit 3\n";
    with_build(&home, &mut service, script);
    let output = home.squad_in(&service.directory, ["deploy"]).failure(1);
    let is_drawn_over = output.stderr.contains("1 of 3") || output.stderr.contains('\u{fffd}');
    assert!(!is_drawn_over, "{}", output.transcript());
    let text = output.transcript().replace(&"x".repeat(2000), "[2000 x]");
    let text = text.replace(&"x".repeat(500), "[500 x]");
    snapbox::assert_data_eq!(
        text,
        str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ build            sh build.sh
›   fetching 3 of 3
›   [2000 x]… (2500 bytes)
›   linking 20%
› error: cannot deploy `payments`: the build failed: `sh build.sh` ended with exit code 3
›   fetching 3 of 3
›   [500 x]… (2500 bytes)
›   linking 20%
› live: `payments` is not live here, and takes no traffic
› hint: all of its output: `less [HOME]/.local/state/squad/builds/payments/[ID].log`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/build-failed.md
[exit 1]

"#]]
    );
    let log = output
        .stderr
        .split('`')
        .find_map(|part| part.strip_prefix("less "))
        .expect("the hint names the log");
    let text = std::fs::read_to_string(log).expect("the log is kept");
    assert!(text.starts_with("fetching 1 of 3\rfetching 2 of 3\rfetching 3 of 3\nxxx"));
    assert!(
        text.contains(&"x".repeat(2500)) && text.ends_with("linking 20%\r\n"),
        "{text}"
    );
}
