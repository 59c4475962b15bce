//! `squad deploy <name>` where no sources are: the repository that the org names is fetched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{appears, begin, end, port, results, signal};
use crate::support::{Home, Output, TestService, get, wait_for};

/// A home where `acme/payments` is a repository on this machine, and an org in use that names it; whoever pushes to it
/// has a work tree elsewhere.
pub(crate) struct Remote {
    pub(crate) home: Home,
    pub(crate) service: TestService,
}

impl Remote {
    pub(crate) fn new() -> Self {
        let mut home = Home::new();
        let service = TestService::new(&home, "payments");
        home.git(
            home.root(),
            ["clone", "-q", "--bare", "h/w/payments", "git/acme/payments"],
        );
        let bare = home.root().join("git/acme/payments");
        let bare = bare.display().to_string();
        home.git(&service.directory, ["remote", "add", "origin", &bare]);
        let mapped = format!("url.{}/git/.insteadOf", home.root().display());
        home.git(
            home.root(),
            ["config", "--global", &mapped, "https://github.com/"],
        );
        org(&home, "acme/payments", "");
        home.set("SQUAD_ORG", "./org");
        Self { home, service }
    }

    pub(crate) fn push(&self) {
        let arguments = ["push", "--quiet", "--force", "origin", "main"];
        self.home.git(&self.service.directory, arguments);
    }

    pub(crate) fn version(&mut self, version: &str) {
        self.service.version(&self.home, version);
        self.push();
    }

    pub(crate) fn deploy(&self) -> Output {
        self.home.squad(["deploy", "payments", "--env", "local"])
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.home.root().join("git/acme/payments")
    }

    pub(crate) fn answer(&self) -> String {
        get(port(&self.home, "payments"), "/").body
    }
}

/// An org that says where the sources of `payments` are.
pub(crate) fn org(home: &Home, repository: &str, more: &str) {
    home.write(
        "org/org.toml",
        &format!(
            "schema = 1\n[org]\nname = \"acme\"\n[service.payments]\nrepository = \"{repository}\"\n{more}"
        ),
    );
}

/// A build that lasts as long as the second of these files is there; the first one says that it has begun.
pub(crate) fn with_slow_build(remote: &mut Remote) -> (PathBuf, PathBuf) {
    let building = remote.home.work().join("building");
    let goes = remote.home.write("goes", "");
    let command = format!(
        "touch {}; while test -e {}; do sleep 0.02; done",
        building.display(),
        goes.display()
    );
    let build = format!("[build]\ncommand = [\"sh\", \"-c\", \"{command}\"]\n");
    remote.service.toml(&remote.home, &build);
    remote.push();
    (building, goes)
}

#[test]
fn a_name_is_enough_for_the_newest_commit() {
    let mut remote = Remote::new();
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› payments → local (this machine)
› from acme/payments: branch main, commit [HASH], fetched now
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    assert_eq!(remote.answer(), "version 1\n");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch main, commit [HASH], fetched now
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    remote.version("2");
    let home = &remote.home;
    let dry = home.squad([
        "deploy",
        "payments",
        "--env",
        "local",
        "--dry-run",
        "-o",
        "json",
    ]);
    dry.success().assert(str![[r#"
{"schema":"squad.deploy/v1","service":"payments","env":"local","outcome":"planned","previous":"1","digest":"[HASH]","changed":["sources"],"address":"http://127.0.0.1:[PORT]","fetched":{"repository":"acme/payments","branch":"main","commit":"[HASH]"}}
[exit 0]

"#]]);
    assert_eq!(remote.answer(), "version 1\n");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› payments → local (this machine)
› from acme/payments: branch main, commit [HASH], fetched now
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   undo at any time: `squad rollback payments --env local`
›
› ✔ recorded         operation [ID], acme/local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
2
[exit 0]

"#]]);
    assert_eq!(remote.answer(), "version 2\n");
    home.squad(["history", "payments", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.history/v1","operations":[{"operation":"[ID]","at":"[TIME]","kind":"deploy","service":"payments","env":"local","by":"ana@example.com on vm","outcome":"succeeded","before":"1","after":"2","commit":"[HASH]","subject":"Serve version 2"},{"operation":"[ID]","at":"[TIME]","kind":"deploy","service":"payments","env":"local","by":"ana@example.com on vm","outcome":"succeeded","after":"1","commit":"[HASH]","subject":"Serve version 1"}]}
[exit 0]

"#]]);
    home.squad(["audit", "list", "--env", "local", "-o", "json"])
        .success()
        .assert(str![[r#"
{"schema":"squad.audit-events/v1","log":"acme/local","events":[{"commit":3,"index":7,"pending":false,"event":{"specversion":"1.0","id":"[ID]","source":"squad:acme/local","type":"squad.deploy.finished.v1","subject":"service/payments","time":"[TIME]","datacontenttype":"application/json","operation":"[ID]","data":{"actor":{"host":"vm","key":"[HASH]","name":"ana@example.com"},"after":{"digest":"[HASH]","revision":"2"},"before":{"digest":"[HASH]","revision":"1"},"digest":"[HASH]","environment":"local","org":"acme","outcome":"succeeded","provenance":{"branch":"main","commit":"[HASH]","repository":"acme/payments","subject":"Serve version 2"},"service":"payments"}}},{"commit":2,"index":5,"pending":false,"event":{"specversion":"1.0","id":"[ID]","source":"squad:acme/local","type":"squad.deploy.planned.v1","subject":"service/payments","time":"[TIME]","datacontenttype":"application/json","operation":"[ID]","data":{"actor":{"host":"vm","key":"[HASH]","name":"ana@example.com"},"after":{"changed":[],"digest":"[HASH]"},"before":{"digest":"[HASH]","revision":"1"},"digest":"[HASH]","environment":"local","org":"acme","provenance":{"branch":"main","commit":"[HASH]","repository":"acme/payments","subject":"Serve version 2"},"service":"payments"}}},{"commit":1,"index":3,"pending":false,"event":{"specversion":"1.0","id":"[ID]","source":"squad:acme/local","type":"squad.deploy.finished.v1","subject":"service/payments","time":"[TIME]","datacontenttype":"application/json","operation":"[ID]","data":{"actor":{"host":"vm","key":"[HASH]","name":"ana@example.com"},"after":{"digest":"[HASH]","revision":"1"},"before":{},"digest":"[HASH]","environment":"local","org":"acme","outcome":"succeeded","provenance":{"branch":"main","commit":"[HASH]","repository":"acme/payments","subject":"Serve version 1"},"service":"payments"}}},{"commit":0,"index":1,"pending":false,"event":{"specversion":"1.0","id":"[ID]","source":"squad:acme/local","type":"squad.deploy.planned.v1","subject":"service/payments","time":"[TIME]","datacontenttype":"application/json","operation":"[ID]","data":{"actor":{"host":"vm","key":"[HASH]","name":"ana@example.com"},"after":{"changed":[],"digest":"[HASH]"},"before":{},"digest":"[HASH]","environment":"local","org":"acme","provenance":{"branch":"main","commit":"[HASH]","repository":"acme/payments","subject":"Serve version 1"},"service":"payments"}}}]}
[exit 0]

"#]]);
}

#[test]
fn a_member_of_a_workspace_is_found() {
    let remote = Remote::new();
    let home = &remote.home;
    let root = &remote.service.directory;
    let member = root.join("services/payments");
    std::fs::create_dir_all(&member).expect("a directory");
    for file in ["squad.toml", "serve.py"] {
        std::fs::rename(root.join(file), member.join(file)).expect("it was there");
    }
    home.write(
        root.join("squad.toml"),
        "schema = 1\n[workspace]\nmembers = [\"services/*\"]\n",
    );
    home.commit_all(root, "A workspace");
    remote.push();
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› payments → local (this machine)
› from acme/payments: branch main, commit [HASH], fetched now
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    assert_eq!(remote.answer(), "version 1\n");
}

/// Makes the remote wait before it sends anything, as long as the file `hold` is there; `asked` says that it does.
fn hold(home: &Home) -> (PathBuf, PathBuf) {
    let (hold, asked) = (home.work().join("hold"), home.work().join("asked"));
    home.write("hold", "");
    let script = home.write(
        "pack.sh",
        &format!(
            "touch {}\nwhile test -e {}; do sleep 0.02; done\nexec \"$@\"\n",
            asked.display(),
            hold.display()
        ),
    );
    let hook = format!("sh {}", script.display());
    let arguments = ["config", "--global", "uploadpack.packObjectsHook", &hook];
    home.git(home.root(), arguments);
    (hold, asked)
}

#[test]
fn a_clone_that_was_killed_is_made_good() {
    let remote = Remote::new();
    let home = &remote.home;
    for (first, code) in [(Signal::SIGKILL, 137), (Signal::SIGINT, 130)] {
        let (hold, asked) = hold(home);
        let child = begin(home, &home.work(), ["deploy", "payments", "--env", "local"]);
        appears(&asked);
        signal(child.id(), first);
        let ended = end(home, child).failure(code);
        assert!(ended.stdout.is_empty(), "{}", ended.transcript());
        if first == Signal::SIGINT {
            ended.assert(str![[r#"
› fetching acme/payments
› error: stopped before anything was begun: nothing was changed
› hint: nothing has to be cleaned up: run the same command again
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/interrupted.md
[exit 130]

"#]]);
        }
        std::fs::remove_file(&hold).expect("it was there");
        std::fs::remove_file(&asked).expect("it was there");
        wait_for("git ends", Duration::from_secs(10), || {
            let all = home.processes();
            let left = all.iter().any(|one| one.command.contains("git"));
            (!left).then_some(())
        });
    }
    remote.deploy().success();
    assert_eq!(remote.answer(), "version 1\n");
    assert_eq!(results(home), ["succeeded"]);
}

/// Begins a deploy whose standard error goes into a file, where it can be read meanwhile.
fn begin_into(home: &Home, log: &Path, name: &str) -> std::process::Child {
    let log = std::fs::File::create(log).expect("a file");
    home.command(["deploy", name, "--env", "local"])
        .stdout(std::process::Stdio::null())
        .stderr(log)
        .spawn()
        .expect("it starts")
}

#[test]
fn two_deploys_from_one_repository_take_turns() {
    let mut remote = Remote::new();
    let (building, goes) = with_slow_build(&mut remote);
    let home = &remote.home;
    let more = "[service.cards]\nrepository = \"acme/cards\"\n";
    org(home, "acme/payments", more);
    let _cards = TestService::new(home, "cards");
    let arguments = ["clone", "-q", "--bare", "h/w/cards", "git/acme/cards"];
    home.git(home.root(), arguments);

    let first = begin(home, &home.work(), ["deploy", "payments", "--env", "local"]);
    appears(&building);
    let log = home.work().join("second.log");
    let mut second = begin_into(home, &log, "payments");
    let said = || std::fs::read_to_string(&log).expect("a log");
    wait_for("the second one waits", Duration::from_secs(30), || {
        said().contains("waiting").then_some(())
    });
    assert_eq!(
        said(),
        "waiting for another deploy from acme/payments (payments → local)\n"
    );
    // Another repository is not in the way.
    home.squad(["deploy", "cards", "--env", "local"]).success();
    // Who waits can go.
    let third_log = home.work().join("third.log");
    let mut third = begin_into(home, &third_log, "payments");
    wait_for("the third one waits", Duration::from_secs(30), || {
        let said = std::fs::read_to_string(&third_log).expect("a log");
        said.contains("waiting").then_some(())
    });
    signal(third.id(), Signal::SIGINT);
    assert_eq!(third.wait().expect("it ends").code(), Some(130));
    std::fs::remove_file(&goes).expect("it was there");
    end(home, first).success();
    assert!(second.wait().expect("it ends").success(), "{}", said());
    assert!(said().contains("Nothing to do"), "{}", said());
}

#[test]
fn a_checkout_of_ones_own_comes_first_and_is_the_same_service() {
    let mut remote = Remote::new();
    remote.deploy().success();
    // A developer's own checkout has the same origin.
    let own = remote.home.work().join("own");
    remote.home.git(
        remote.home.work(),
        ["clone", "-q", "https://github.com/acme/payments", "own"],
    );
    let own_org = remote.home.work().join("org").display().to_string();
    let in_own = |remote: &Remote| {
        let arguments = ["deploy", "--env", "local", "--org", &own_org];
        remote.home.squad_in(&own, arguments)
    };
    remote.home.write(own.join("more.py"), "");
    in_own(&remote).success().assert(str![[r#"
› payments → local (this machine)
›
›   replaces what is live (revision 1, ana@example.com, [AGO])
›   the work tree has changes that are not committed
›   undo at any time: `squad rollback payments --env local --org [WORK]/org`
›
› ✔ recorded         operation [ID], acme/local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
2
[exit 0]

"#]]);
    // From now on the name means that directory, as long as it is there.
    remote.version("2");
    remote.deploy().success().assert(str![[r#"
› payments → local: revision 2 already is exactly this (same sources, same configuration). Nothing to do.
2
[exit 0]

"#]]);
    std::fs::remove_dir_all(&own).expect("it was there");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› payments → local (this machine)
› from acme/payments: branch main, commit [HASH], fetched now
›
›   1 change since what is live (revision 2, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   undo at any time: `squad rollback payments --env local`
›
› ✔ recorded         operation [ID], acme/local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 3, ready
› ✔ live             all traffic on revision 3
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
3
[exit 0]

"#]]);
    assert_eq!(remote.answer(), "version 2\n");
    // Another repository that uses the name is refused.
    let other = TestService::new(&remote.home, "other");
    let text = std::fs::read_to_string(other.directory.join("squad.toml")).expect("it is there");
    let text = text.replace("name = \"other\"", "name = \"payments\"");
    remote.home.write(other.directory.join("squad.toml"), &text);
    let arguments = ["deploy", "--env", "local", "--org", &own_org];
    let refused = remote.home.squad_in(&other.directory, arguments);
    refused.failure(7).assert(str![[r#"
› error: cannot deploy `payments`: the name `payments` belongs to the service in https://github.com/acme/payments
› hint: if they are two services, give this one another name in its squad.toml
› hint: if the service has moved here, forget what was fetched: `rm -rf [HOME]/.cache/squad/repositories/payments-[HASH]`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-name-taken.md
[exit 7]

"#]]);
}

#[test]
fn a_repository_that_moved_is_followed_when_the_org_says_so() {
    let remote = Remote::new();
    remote.deploy().success();
    let moved = remote.home.root().join("git/acme/pay");
    std::fs::rename(remote.bare(), &moved).expect("it was there");
    org(&remote.home, "acme/pay", "");
    remote.deploy().success().assert(str![[r#"
› fetching acme/pay
› from acme/pay: branch main, commit [HASH], fetched now
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
}

#[test]
fn in_a_protected_environment_it_is_the_commit_that_counts() {
    let remote = Remote::new();
    let home = &remote.home;
    org(
        home,
        "acme/payments",
        "[env.prod]\nplatform = \"local\"\nprotected = true\n",
    );
    home.commit_all(home.work().join("org"), "An org");
    let deploy = || home.squad(["deploy", "payments", "--env", "prod", "--yes"]);
    deploy().success().assert(str![[r#"
› fetching acme/payments
› payments → prod (this machine)
› from acme/payments: branch main, commit [HASH], fetched now
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
    deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch main, commit [HASH], fetched now
› payments → prod: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
}

#[test]
fn a_directory_and_its_address_are_fetched_from() {
    let remote = Remote::new();
    let home = &remote.home;
    let bare = remote.bare().display().to_string();
    org(home, &bare, "");
    remote.deploy().success().assert(str![[r#"
› fetching [ROOT]/git/acme/payments
› payments → local (this machine)
› from [ROOT]/git/acme/payments: branch main, commit [HASH], fetched now
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/local
› ◌ revision         storing the artifact
› ◌ revision         0 of 1 processes ready
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   http://127.0.0.1:[PORT] in [DURATION]
› on this machine only
1
[exit 0]

"#]]);
    org(home, &format!("file://{bare}"), "");
    remote.deploy().success().assert(str![[r#"
› fetching file://[ROOT]/git/acme/payments
› from file://[ROOT]/git/acme/payments: branch main, commit [HASH], fetched now
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
}
