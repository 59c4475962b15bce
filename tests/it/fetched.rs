//! `squad deploy <name>` where no sources are: the repository that the org names is fetched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use snapbox::str;

use crate::support::journey::{appears, begin, end, live, port, results, signal};
use crate::support::{Home, Output, TestService, get, wait_for};

/// A home where `acme/payments` is a repository on this machine, and an org in use that names it; whoever pushes to it
/// has a work tree elsewhere.
struct Remote {
    home: Home,
    service: TestService,
}

impl Remote {
    fn new() -> Self {
        let mut home = Home::new();
        let service = TestService::new(&home, "payments");
        home.git(
            home.root(),
            ["clone", "-q", "--bare", "h/w/payments", "git/acme/payments"],
        );
        let bare = home.root().join("git/acme/payments");
        let bare = bare.display().to_string();
        home.git(&service.directory, ["remote", "add", "origin", &bare]);
        let base = format!("url.{}/git/.insteadOf", home.root().display());
        home.git(
            home.root(),
            ["config", "--global", &base, "https://github.com/"],
        );
        org(&home, "acme/payments", "");
        home.set("SQUAD_ORG", "./org");
        Self { home, service }
    }

    fn push(&self) {
        let arguments = ["push", "--quiet", "--force", "origin", "main"];
        self.home.git(&self.service.directory, arguments);
    }

    fn version(&mut self, version: &str) {
        self.service.version(&self.home, version);
        self.push();
    }

    fn deploy(&self) -> Output {
        self.home.squad(["deploy", "payments", "--env", "local"])
    }

    fn bare(&self) -> PathBuf {
        self.home.root().join("git/acme/payments")
    }

    fn answer(&self) -> String {
        get(port(&self.home, "payments"), "/").body
    }
}

/// An org that says where the sources of `payments` are.
fn org(home: &Home, repository: &str, more: &str) {
    home.write(
        "org/org.toml",
        &format!(
            "schema = 1\n[org]\nname = \"acme\"\n[service.payments]\nrepository = \"{repository}\"\n{more}"
        ),
    );
}

/// The work tree that is kept; there is one.
fn tree(home: &Home) -> PathBuf {
    let all = home.path().join(".cache/squad/repositories");
    let mut places = std::fs::read_dir(all).expect("something was fetched");
    let place = places.next().expect("a repository").expect("an entry");
    assert!(places.next().is_none(), "more than one repository");
    place.path().join("tree")
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
fn nothing_old_is_deployed_when_the_remote_is_away() {
    let remote = Remote::new();
    remote.deploy().success();
    let away = remote.bare().with_extension("away");
    std::fs::rename(remote.bare(), &away).expect("it was there");
    remote.deploy().failure(1).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: cannot fetch acme/payments: '[ROOT]/git/acme/payments' does not appear to be a git repository
› live: revision 1 serves all traffic
› hint: try what git does: `git ls-remote https://github.com/acme/payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/repository-not-fetched.md
[exit 1]

"#]]);
    assert_eq!(live(&remote.home, "payments").as_deref(), Some("1"));
    let json = remote
        .home
        .squad(["deploy", "payments", "--env", "local", "-o", "json"]);
    assert_eq!(json.failure(1).error_json()["retryable"], true);
    std::fs::rename(away, remote.bare()).expect("it was there");
    std::fs::remove_dir_all(remote.bare().join("refs/heads")).expect("it was there");
    std::fs::remove_file(remote.bare().join("packed-refs")).expect("it was there");
    std::fs::create_dir(remote.bare().join("refs/heads")).expect("a directory");
    remote.deploy().failure(1).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: cannot fetch acme/payments: its main branch has no commit
› live: revision 1 serves all traffic
› hint: push one, or choose the branch that has them as the default branch of the repository
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/repository-not-fetched.md
[exit 1]

"#]]);
}

#[test]
fn a_secret_of_the_address_is_never_shown() {
    let remote = Remote::new();
    let home = &remote.home;
    org(
        home,
        "https://s3cr3t@127.0.0.1:1/acme/payments?access_token=t0ken",
        "",
    );
    remote.deploy().failure(1).assert(str![[r#"
› fetching https://127.0.0.1:1/acme/payments
› error: cannot deploy `payments`: cannot fetch https://127.0.0.1:1/acme/payments: unable to access 'https://127.0.0.1:1/acme/payments…/': Failed to connect to 127.0.0.1 port 1 after [DURATION]: Couldn't connect to server
› live: `payments` is not live here, and takes no traffic
› hint: try what git does: `git ls-remote https://127.0.0.1:1/acme/payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/repository-not-fetched.md
[exit 1]

"#]]);
    org(home, "http://git.example/acme/payments", "");
    remote.deploy().failure(5).assert(str![[r#"
› fetching http://git.example/acme/payments
› error: cannot deploy `payments`: `http://git.example/acme/payments` cannot be fetched: anybody on the way could change it; use https or ssh
› live: `payments` is not live here, and takes no traffic
› hint: correct `repository` of the service in the org's file
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/repository-address.md
[exit 5]

"#]]);
    // A server that asks for nothing takes them too.
    home.git(remote.bare(), ["update-server-info"]);
    let serve = "import http.server, functools, sys\n\
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n\
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)\n\
        print(server.server_port, flush=True)\n\
        server.serve_forever()\n";
    let mut server = home
        .program("python3")
        .args(["-c", serve])
        .arg(home.root().join("git"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("a server");
    let mut port = String::new();
    let stdout = server.stdout.take().expect("its output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut port).expect("a port");
    let address = format!("http://s3cr3t@127.0.0.1:{}/acme/payments", port.trim());
    org(home, &address, "");
    let deployed = remote.deploy();
    server.kill().expect("it serves");
    server.wait().expect("it ends");
    deployed.success().assert(str![[r#"
› fetching http://127.0.0.1:[PORT]/acme/payments
› payments → local (this machine)
› from http://127.0.0.1:[PORT]/acme/payments: branch main, commit [HASH], fetched now
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
    for place in [home.state(), home.path().join(".cache")] {
        for file in crate::support::all_files_below(&place) {
            let bytes = std::fs::read(&file).unwrap_or_default();
            let found = bytes.windows(6).any(|part| part == b"s3cr3t");
            assert!(!found, "{}", file.display());
        }
    }
}

#[test]
fn a_repository_without_the_service_says_what_it_has() {
    let mut remote = Remote::new();
    let home = &remote.home;
    home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[service.payment]\nrepository = \"acme/payments\"\n",
    );
    let wrong = home.squad(["deploy", "payment", "--env", "local"]);
    wrong.failure(5).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payment`: there is no service `payment` in acme/payments (commit [HASH]); did you mean `payments`?
›   caused by: there is `payments`
› live: `payment` is not live here, and takes no traffic
› hint: correct the name, or `repository` of `[service.payment]` in the org's file
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-not-in-repository.md
[exit 5]

"#]]);
    org(home, "acme/payments", "");
    std::fs::remove_file(remote.service.directory.join("squad.toml")).expect("it was there");
    home.commit_all(&remote.service.directory, "No service");
    remote.push();
    remote.deploy().failure(5).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: there is no service `payments` in acme/payments (commit [HASH])
›   caused by: at the top of the repository there is no squad.toml with a service
› live: `payments` is not live here, and takes no traffic
› hint: correct the name, or `repository` of `[service.payments]` in the org's file
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-not-in-repository.md
[exit 5]

"#]]);
    remote.service.toml(&remote.home, "[run\n");
    remote.push();
    remote.deploy().failure(5).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: `squad.toml` has a mistake
›   squad.toml:11:5: this is not TOML: unclosed table, expected `]`
›      11 | [run
›         |     ^
›   caused by: it is that of acme/payments, commit [HASH]
› live: `payments` is not live here, and takes no traffic
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/config-invalid.md
[exit 5]

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

#[test]
fn whatever_happened_to_what_is_kept_the_newest_commit_is_deployed() {
    let mut remote = Remote::new();
    remote.deploy().success();
    let kept = tree(&remote.home);
    // Somebody works in it, and a build left something.
    remote.home.write(kept.join("stray.py"), "");
    remote
        .home
        .write(kept.join("serve.py"), "raise SystemExit\n");
    remote
        .home
        .write(kept.join("nested/.git/HEAD"), "ref: refs/heads/main\n");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch main, commit [HASH], fetched now
› payments → local: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    assert!(!kept.join("stray.py").exists() && !kept.join("nested").exists());
    // Its history is written anew.
    let main = &remote.service.directory;
    remote.home.git(main, ["checkout", "-q", "--orphan", "new"]);
    remote.home.git(main, ["branch", "-D", "-q", "main"]);
    remote.home.git(main, ["branch", "-m", "main"]);
    remote.version("2");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› payments → local (this machine)
› from acme/payments: branch main, commit [HASH], fetched now
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Serve version 2  Ana Example
›   1 change that is live goes away:
›     Serve version 1  Ana Example
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
    // A git was killed there, and the disk lost something.
    remote.home.write(kept.join(".git/index.lock"), "");
    remote
        .home
        .write(kept.join(".git/refs/squad/main.lock"), "");
    remote.version("3");
    remote.deploy().success();
    assert_eq!(remote.answer(), "version 3\n");
    for broken in ["index", "HEAD", "config", "refs/squad/main"] {
        remote.home.write(kept.join(".git").join(broken), "broken");
        let version = format!("4, {broken}");
        remote.version(&version);
        remote.deploy().success();
        assert_eq!(remote.answer(), format!("version {version}\n"));
    }
    std::fs::remove_dir_all(kept.join(".git/objects")).expect("it was there");
    remote.version("5");
    remote.deploy().success();
    assert_eq!(remote.answer(), "version 5\n");
    // The main branch has another name, and one below it.
    let main = &remote.service.directory;
    remote.home.git(main, ["branch", "-m", "trunk/main"]);
    remote
        .home
        .git(main, ["push", "-q", "origin", "trunk/main:trunk"]);
    let head = |name: &str| {
        let arguments = ["symbolic-ref", "HEAD", name];
        remote.home.git(remote.bare(), arguments);
    };
    head("refs/heads/trunk");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch trunk, commit [HASH], fetched now
› payments → local: revision 8 already is exactly this (same sources, same configuration). Nothing to do.
8
[exit 0]

"#]]);
    remote.home.git(remote.bare(), ["branch", "-D", "main"]);
    head("refs/heads/main");
    remote
        .home
        .git(main, ["push", "-q", "origin", ":trunk", "trunk/main"]);
    head("refs/heads/trunk/main");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch trunk/main, commit [HASH], fetched now
› payments → local: revision 8 already is exactly this (same sources, same configuration). Nothing to do.
8
[exit 0]

"#]]);
    // What is kept can be thrown away.
    std::fs::remove_dir_all(remote.home.path().join(".cache")).expect("it was there");
    remote.deploy().success().assert(str![[r#"
› fetching acme/payments
› from acme/payments: branch trunk/main, commit [HASH], fetched now
› payments → local: revision 8 already is exactly this (same sources, same configuration). Nothing to do.
8
[exit 0]

"#]]);
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

/// Waits until a command that was begun has written this to standard error, through a file.
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

/// One that forgot the `s`, and one whose repository belongs to another company.
#[test]
fn what_was_meant_is_said() {
    let remote = Remote::new();
    let home = &remote.home;
    let near = home.squad(["deploy", "payment", "--env", "local"]);
    near.failure(5).assert(str![[r#"
› error: cannot find the service `payment`: there is no squad.toml here or above; did you mean `payments`?
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    let file = remote.service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let text = text.replace(
        "name = \"payments\"",
        "name = \"payments\"\norg = \"other\"",
    );
    home.write(&file, &text);
    home.commit_all(&remote.service.directory, "Ours");
    remote.push();
    remote.deploy().failure(7).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: cannot use `payments` with the org `acme`: it belongs to `other` (squad.toml:5)
›   caused by: `acme` was chosen by --org
› live: `payments` is not live here, and takes no traffic
› hint: leave `--org` and SQUAD_ORG out: the service's file names its org
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/other-org.md
[exit 7]

"#]]);
}

/// Nothing of the repository runs on the machine that only fetches it.
#[test]
fn submodules_and_hooks_are_left_alone() {
    let remote = Remote::new();
    let home = &remote.home;
    home.write("hooks/post-checkout", "#!/bin/sh\ntouch ~/w/hooked\n");
    let hook = home.work().join("hooks/post-checkout");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a mode");
    let hooks = home.work().join("hooks").display().to_string();
    let root = &remote.service.directory;
    let arguments = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        "./",
        "part",
    ];
    home.git(root, arguments);
    home.commit_all(root, "A part");
    remote.push();
    home.git(
        home.root(),
        ["config", "--global", "core.hooksPath", &hooks],
    );
    remote.deploy().failure(1).assert(str![[r#"
› fetching acme/payments
› error: cannot deploy `payments`: the files of the submodule `[HOME]/.cache/squad/repositories/payments-[HASH]/tree/part` are not here
› hint: deploy from a checkout that has them: `git clone --recurse-submodules`, then `squad deploy --env local` there
› hint: or say in the repository that nothing needs them: `update = none` in .gitmodules
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/submodule-missing.md
[exit 1]

"#]]);
    assert!(!home.work().join("hooked").exists());
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
