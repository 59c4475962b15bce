//! What a deploy decides: nothing to do, an order of commits, refusals; and who wins of two.

use snapbox::str;

use super::with_build;
use crate::support::journey::{appears, begin, end, live, port, protected_org, results, revisions};
use crate::support::{Home, TestService, get};

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
›   1 change that is live goes away:
›     Serve version 2  Ana Example
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
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do. It was deployed before these changes were committed; `squad deploy payments --rebuild` records the commit.
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
›   route.home.method is new: GET
›   route.home.path is new: /
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
{"schema":"squad.deploy/v1","service":"payments","env":"local","outcome":"planned","previous":"1","digest":"[HASH]","changed":["sources","route.home.method","route.home.path","run.env.LOG_LEVEL","run.env.NEW","run.env.OLD"],"address":"http://127.0.0.1:[PORT]"}
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
›   rollout.steps is new: [{"hold":"300s","weight":5}]
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
fn an_environment_is_never_guessed() {
    let mut home = Home::new();
    let service = TestService::new(&home, "payments");
    protected_org(&mut home);
    home.squad_in(&service.directory, ["deploy"])
        .failure(2)
        .assert(str![[r#"
› error: no environment was named; there are local, prod
› hint: add `--env NAME`, or set SQUAD_ENV
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/environment-missing.md
[exit 2]

"#]]);
    home.squad_in(&service.directory, ["deploy", "--env", "Prod"])
        .failure(2)
        .assert(str![[r#"
› error: cannot use `--env`: `Prod` is not a name: use 1 to 63 lower-case letters, digits and dashes, a letter first, no dash at the end; did you mean `prod`?
› hint: list the environments with `squad env list`
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
    let beside = home.work().join("hotfix");
    let beside_shown = beside.display().to_string();
    home.git(&service.directory, ["worktree", "add", "-q", &beside_shown]);
    let first = begin(&home, &service.directory, ["deploy"]);
    appears(&service.directory.join("building"));
    let go = service.directory.join("go");
    service.directory = beside;
    service.toml(&home, "").version(&home, "2");
    home.squad_in(&service.directory, ["deploy"]).success();
    home.write(go, "");
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
fn a_work_tree_of_the_same_repository_is_the_same_service() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    home.squad_in(&service.directory, ["deploy"]).success();
    let beside = home.work().join("hotfix");
    let beside_shown = beside.display().to_string();
    home.git(&service.directory, ["worktree", "add", "-q", &beside_shown]);
    let again = home.squad_in(&beside, ["deploy"]).success();
    assert!(
        again.stderr.contains("Nothing to do"),
        "{}",
        again.transcript()
    );
}

#[test]
fn a_file_that_the_build_wrote_among_the_sources_is_named() {
    let home = Home::new();
    let mut service = TestService::new(&home, "payments");
    let script = "set -e\nmkdir -p dist\ncp serve.py dist/\ndate +%s.%N > built.txt\n";
    with_build(&home, &mut service, script);
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› ◌ build            sh build.sh
› ✔ built
›   the build wrote `built.txt`, which git does not ignore, so the next deploy is of other sources; a line in .gitignore ends that
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
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   the work tree has changes that are not committed
›   the last build wrote `built.txt`, which git does not ignore, and so the sources changed; a line in .gitignore ends that
›   undo at any time: `squad rollback payments`
›
› ◌ build            sh build.sh
› ✔ built
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
    let plan = ["deploy", "--dry-run", "-o", "json"];
    let plan = home.squad_in(&service.directory, plan).success().json();
    assert_eq!(plan["build_wrote"], serde_json::json!(["built.txt"]));
    // Ignored, it is no source any more; the file that says so is one.
    home.write(service.directory.join(".gitignore"), "dist/\nbuilt.txt\n");
    home.commit_all(&service.directory, "Ignore what the build writes");
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Ignore what the build writes  Ana Example
›   undo at any time: `squad rollback payments`
›
› ◌ build            sh build.sh
› ✔ built
› ✔ recorded         operation [ID], local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 3, ready
› ✔ live             all traffic on revision 3
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
3
[exit 0]

"#]]);
    home.squad_in(&service.directory, ["deploy"])
        .success()
        .assert(str![[r#"
› payments → local: revision 3 already is exactly this (same sources, same configuration). Nothing to do.
3
[exit 0]

"#]]);
}
