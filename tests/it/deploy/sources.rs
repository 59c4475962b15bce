//! What a deploy ships, where the sources are more than one repository's files.

use snapbox::str;

use super::with_build;
use crate::support::journey::{live, protected_org, results, revisions};
use crate::support::{Home, SQUAD, Terminal, TestService};

/// What the artifact of a revision holds, by name.
fn shipped(home: &Home, service: &str, revision: &str) -> Vec<String> {
    let root = home
        .state()
        .join("local/local/local/services")
        .join(service)
        .join("revisions")
        .join(revision);
    let mut names = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(&root).expect("below it");
                names.push(name.display().to_string());
            }
        }
    }
    names.sort();
    names
}

/// git-ls-files(1) names a submodule as one entry; its files are sources as the others are.
#[test]
fn the_files_of_submodules_are_shipped_and_count() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.write("shared/rates.txt", "1\n");
    home.commit_all(home.work().join("shared"), "Rates");
    home.git(
        &service.directory,
        [
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            "../shared",
            "shared",
        ],
    );
    home.commit_all(&service.directory, "Shared rates");
    home.squad_in(&service.directory, ["deploy"]).success();
    let files = shipped(&home, "payments", "1");
    assert!(
        files.contains(&"shared/rates.txt".to_owned())
            && !files.iter().any(|name| name.contains(".git/")),
        "{files:?}"
    );
    // A change in there is a change.
    std::fs::write(service.directory.join("shared/rates.txt"), "2\n").expect("a file");
    home.squad_in(&service.directory, ["deploy"]).success();
    assert_eq!(revisions(&home, "payments"), ["1", "2"]);
    // One that was not brought here is not left out without a word.
    home.git(
        &service.directory,
        ["submodule", "--quiet", "deinit", "--force", "shared"],
    );
    home.squad_in(&service.directory, ["deploy"])
        .failure(1)
        .assert(str![[r#"
› error: cannot deploy `payments`: the files of the submodule `[WORK]/payments/shared` are not here
› hint: bring them here: `git submodule update --init --recursive`
› hint: or say that nothing here needs them: `update = none` in .gitmodules
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/submodule-missing.md
[exit 1]

"#]]);
    let modules = service.directory.join(".gitmodules");
    let mut text = std::fs::read_to_string(&modules).expect("a file");
    text.push_str("\tupdate = none\n");
    std::fs::write(&modules, text).expect("a file");
    home.squad_in(&service.directory, ["deploy"]).success();
    let files = shipped(&home, "payments", "3");
    assert!(
        !files.iter().any(|name| name.starts_with("shared")),
        "{files:?}"
    );
}

/// What looks like another repository, and is none.
#[test]
fn a_file_that_became_a_directory_and_a_git_directory_without_a_repository_are_plain_files() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.write("payments/data", "1\n");
    home.commit_all(&service.directory, "Data");
    std::fs::remove_file(service.directory.join("data")).expect("a file");
    home.write("payments/data/one.txt", "1\n");
    std::fs::create_dir_all(service.directory.join("broken/.git")).expect("a directory");
    home.write("payments/broken/two.txt", "2\n");
    home.squad_in(&service.directory, ["deploy"]).success();
    let files = shipped(&home, "payments", "1");
    assert!(files.contains(&"data/one.txt".to_owned()), "{files:?}");
}

#[test]
fn a_home_directory_is_no_service() {
    let home = Home::new();
    let file = home.path().join("squad.toml");
    let text = "schema = 1\n[service]\nname = \"all\"\nkind = \"http\"\n[run]\ncommand = [\"sleep\", \"9\"]\n";
    std::fs::write(&file, text).expect("a file");
    home.squad(["deploy"]).failure(7).assert(str![[r#"
› error: cannot deploy from `[HOME]`: your home directory is in it, and all of it would be shipped
› hint: move squad.toml and what belongs to the service into a directory of their own
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/home-directory.md
[exit 7]

"#]]);
}

/// The state directory holds the machine's key and a copy of every revision.
#[test]
fn squads_own_files_are_nobodys_sources() {
    for in_git in [false, true] {
        let mut home = Home::new();
        let service = TestService::new(&home, "payments");
        for (variable, directory) in [("XDG_STATE_HOME", "state"), ("XDG_CACHE_HOME", "cache")] {
            let directory = service.directory.join(directory);
            home.set(variable, &directory.display().to_string());
        }
        if !in_git {
            std::fs::remove_dir_all(service.directory.join(".git")).expect("a repository");
        }
        home.squad_in(&service.directory, ["deploy"]).success();
        let again = home.squad_in(&service.directory, ["deploy"]).success();
        assert!(
            again.stderr.contains("Nothing to do."),
            "{}",
            again.transcript()
        );
        home.squad(["local", "stop"]).success();
    }
}

/// `squad.toml` is a file like the others; that it changed is told by its keys, and the other files beside them.
#[test]
fn the_json_names_the_keys_and_the_sources_that_change() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let changed = || {
        let words = ["deploy", "--dry-run", "-o", "json"];
        let output = home.squad_in(&service.directory, words).success();
        output.json()["changed"].clone()
    };
    let manifest = service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    let text = format!("{text}\n[run.env]\nLIMIT = \"3\"\n");
    home.write(&manifest, &text);
    assert_eq!(changed(), serde_json::json!(["run.env.LIMIT"]));
    home.write(service.directory.join("rates.txt"), "1\n");
    let both = serde_json::json!(["sources", "run.env.LIMIT"]);
    assert_eq!(changed(), both, "not committed");
    home.commit_all(&service.directory, "Rates and a limit");
    assert_eq!(changed(), both, "committed");
}

/// A job of CI checks a commit out, and no branch: its variables say which one it is.
#[test]
fn the_branch_of_a_detached_checkout_is_what_ci_says() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    home.git(&service.directory, ["checkout", "--quiet", "--detach"]);
    let cases: [(&[(&str, &str)], &str); 5] = [
        (
            &[
                ("GITHUB_REF", "refs/pull/12/merge"),
                ("GITHUB_HEAD_REF", "of-a-pull"),
            ],
            "of-a-pull",
        ),
        (
            &[("GITHUB_REF", "refs/heads/main"), ("GITHUB_HEAD_REF", "")],
            "main",
        ),
        (&[("CI_COMMIT_BRANCH", "feature/x")], "feature/x"),
        (
            &[("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "feature/y")],
            "feature/y",
        ),
        (&[("BRANCH_NAME", "PR-7"), ("CHANGE_BRANCH", "fix")], "fix"),
    ];
    for (number, (variables, wanted)) in cases.into_iter().enumerate() {
        service.version(&home, &format!("{}", number + 2));
        let mut command = home.command(["deploy", "-o", "json"]);
        command
            .current_dir(&service.directory)
            .envs(variables.iter().copied());
        let deployed = home.run(&mut command).success().json();
        let operation = deployed["operation"].as_str().unwrap();
        let shown = home
            .squad(["audit", "show", operation, "-o", "json"])
            .success();
        assert!(
            shown.stdout.contains(&format!("\"branch\":\"{wanted}\"")),
            "{variables:?}: {}",
            shown.transcript()
        );
    }
}

/// What runs, what is recorded and what the next deploy compares with would be three things.
/// `squad deploy > deploy.log 2>&1` among the sources would be told to run again for ever.
#[test]
fn a_log_of_the_deploy_among_its_sources_is_told_where_it_belongs() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let log = service.directory.join("deploy.log");
    let deploy = || {
        let deploy = format!("'{SQUAD}' deploy > deploy.log 2>&1");
        let mut command = home.program("sh");
        command
            .args(["-c", &deploy])
            .current_dir(&service.directory);
        home.run(&mut command)
    };
    assert_eq!(deploy().code, 6);
    let said = std::fs::read_to_string(&log).expect("the file");
    assert!(
        said.contains("`deploy.log` changed after the plan was made")
            && said.contains("hint: a file that is written meanwhile, such as this command's own output, goes elsewhere, or into .gitignore\n"),
        "{said}"
    );
    home.write(service.directory.join(".gitignore"), "*.log\n");
    deploy().success();
}

#[test]
fn sources_that_change_while_they_are_built_are_not_deployed() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    // Somebody edits a file while the build runs, once.
    with_build(
        &home,
        &mut service,
        "set -e\nmkdir -p dist\ncp serve.py dist/\n\
         if [ -e ../edit ]; then rm ../edit; echo '# edited' >> serve.py; fi\n",
    );
    home.commit_all(&service.directory, "A build");
    let edit = || home.write(home.work().join("edit"), "");
    edit();
    let refused = home.squad_in(&service.directory, ["deploy"]).failure(6);
    refused.assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ build            sh build.sh
› ✔ built
›   the build wrote `serve.py`, which git does not ignore, so the next deploy is of other sources; a line in .gitignore and `git rm --cached -- serve.py` end that
› error: cannot deploy `payments`: `serve.py` changed after the plan was made, so that what would run is not what was planned
› live: `payments` is not live here, and takes no traffic
› hint: to deploy the sources as they are now: `squad deploy payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/sources-changed.md
[exit 6]

"#]]);
    assert_eq!(results(&home), [""; 0]);
    assert_eq!(live(&home, "payments"), None);

    // It is deployed as it is now, and said to be what no commit holds.
    home.squad_in(&service.directory, ["deploy"]).success();
    let status = home.squad(["status", "payments"]);
    assert!(
        status.stdout.contains("1 (dirty)"),
        "{}",
        status.transcript()
    );

    // A build that writes a file each time is known to do so; another file is not.
    with_build(
        &home,
        &mut service,
        "set -e\nmkdir -p dist\ncp serve.py dist/\ndate +%s.%N > version.txt\n",
    );
    home.write(service.directory.join("version.txt"), "0\n");
    home.commit_all(&service.directory, "A version");
    home.squad_in(&service.directory, ["deploy"]).failure(6);
    for _ in 0..2 {
        home.squad_in(&service.directory, ["deploy"]).success();
    }
}

#[test]
fn sources_that_change_while_a_person_reads_the_plan_are_not_deployed() {
    for build in ["", "mkdir -p dist && cp serve.py dist/\n"] {
        let mut home = Home::new();
        let mut service = TestService::new(&home, "payments");
        if !build.is_empty() {
            with_build(&home, &mut service, build);
            home.commit_all(&service.directory, "A build");
        }
        protected_org(&mut home);
        let arguments = ["deploy", "--env", "prod"];
        let mut terminal = Terminal::start_in(&home, &service.directory, 100, arguments);
        terminal.expect("[y/N]");
        home.write(service.directory.join("serve.py"), "import nothing\n");
        terminal.send("yes\r");
        let (code, text) = terminal.finish();
        assert_eq!(code, 6, "{text}");
        assert!(text.contains("`serve.py` changed"), "{text}");
        assert!(!text.contains("recorded"), "{text}");
    }
}

#[test]
fn a_secret_that_this_machine_cannot_read_is_refused_before_anything_is_planned() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    service.toml(
        &home,
        "\n[run.env]\nTOKEN = { secret = \"ssm:/payments/token\" }\n",
    );
    for more in [&["--dry-run", "--exit-code"][..], &[]] {
        let deploy = [&["deploy"], more].concat();
        home.squad_in(&service.directory, deploy)
            .failure(7)
            .assert(str![[r#"
› error: cannot deploy `payments`: the variable TOKEN is a secret in `ssm:/payments/token`, which works on AWS; on this machine only `file:` does
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/unsupported.md
[exit 7]

"#]]);
    }
    assert_eq!(results(&home), [""; 0]);
    service.toml(&home, "\n[run.env]\nTOKEN = { secret = \"file:nosuch\" }\n");
    home.squad_in(&service.directory, ["config", "check"])
        .failure(5)
        .assert(str![[r#"
› error: `squad.toml` has a mistake
›   squad.toml:13:1: `run.env.TOKEN` has a secret in a file whose path is neither absolute nor below `~/`
›      13 | TOKEN = { secret = …
›         | ^^^^^
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
[exit 5]

"#]]);
}

/// What a build leaves is noted for the directory that was built: a service of the same name in another org has leavings of its
/// own.
#[test]
fn what_a_build_wrote_is_noted_for_its_org_and_directory_alone() {
    let home = Home::new();
    for name in ["acme", "beta"] {
        home.write(
            format!("{name}/org.toml"),
            &format!("schema = 1\n[org]\nname = \"{name}\"\n[squad.ledger]\n[env.staging]\nplatform = \"local\"\n"),
        );
    }
    let mut service = TestService::new(&home, "payments");
    let script = "set -e\nmkdir -p dist\ncp serve.py dist/\ndate +%s.%N > built.txt\n";
    with_build(&home, &mut service, script);
    home.commit_all(&service.directory, "A build");
    let beside = home.work().join("beside");
    let beside_shown = beside.display().to_string();
    home.git(
        home.work(),
        [
            "clone",
            "-q",
            &service.directory.display().to_string(),
            &beside_shown,
        ],
    );
    let deploy = |directory: &std::path::Path, org: &str, dry: bool| {
        let org = format!("../{org}");
        let mut arguments = vec!["deploy", "--org", &org, "--env", "staging"];
        if dry {
            arguments.extend(["--dry-run", "-o", "json"]);
        }
        home.squad_in(directory, arguments).success()
    };
    let noted = |directory: &std::path::Path, org: &str| {
        deploy(directory, org, true).json()["build_wrote"].clone()
    };
    deploy(&service.directory, "acme", false);
    assert_eq!(
        noted(&service.directory, "acme"),
        serde_json::json!(["built.txt"])
    );
    // The other one ignores what it builds, and takes no note away.
    home.write(beside.join(".gitignore"), "dist/\nbuilt.txt\n");
    deploy(&beside, "beta", false);
    assert_eq!(
        noted(&service.directory, "acme"),
        serde_json::json!(["built.txt"])
    );
    // What git tracks is not ended by ignoring it.
    home.write(service.directory.join(".gitignore"), "dist/\nbuilt.txt\n");
    home.git(&service.directory, ["add", "--force", "built.txt"]);
    let planned = home
        .squad_in(
            &service.directory,
            [
                "deploy",
                "--org",
                "../acme",
                "--env",
                "staging",
                "--dry-run",
            ],
        )
        .success();
    assert!(
        planned
            .stderr
            .contains("a line in .gitignore and `git rm --cached -- built.txt` end that"),
        "{}",
        planned.transcript()
    );
}
