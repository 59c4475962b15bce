//! `squad org`: directories and git repositories, through the real binary and the real git.

use crate::config::{Machine, ORG, SERVICE};

/// A bare repository `org.git` with one commit of an org's file, and the work tree `org` it was pushed from.
fn remote(machine: &Machine, text: &str) -> String {
    machine.write("org/org.toml", text);
    machine.git("org", &["init", "--quiet", "--initial-branch=main"]);
    machine.git("org", &["add", "."]);
    machine.git("org", &["commit", "--quiet", "--message=The org"]);
    machine.git(".", &["clone", "--quiet", "--bare", "org", "org.git"]);
    machine.git("org", &["remote", "add", "origin", "../org.git"]);
    machine.git("org", &["rev-parse", "HEAD"])
}

fn push(machine: &Machine, text: &str) -> String {
    machine.write("org/org.toml", text);
    machine.git("org", &["commit", "--quiet", "--all", "--message=More"]);
    machine.git("org", &["push", "--quiet", "origin", "main"]);
    machine.git("org", &["rev-parse", "HEAD"])
}

#[test]
fn orgs_live_side_by_side() {
    let machine = Machine::new();
    machine.write("acme/org.toml", ORG);
    machine.write("other/org.toml", &ORG.replace("acme", "other"));
    let said = machine.squad("work", &["org", "list"]);
    assert!(said.err.contains("no org is known"), "{said:?}");
    assert_eq!(said.good(), "");
    let said = machine.squad("work", &["org", "add", "../acme"]);
    assert_eq!(said.err, "✔ added: acme, 2 environments, 1 squad, in use\n");
    assert_eq!(said.good(), "acme\n");
    let said = machine.squad("work", &["org", "add", "../other/org.toml"]);
    assert!(
        said.err
            .ends_with("hint: use it with `squad org use other`\n"),
        "{said:?}"
    );
    assert_eq!(said.good(), "other\n");
    assert_eq!(
        machine.squad("work", &["org", "use", "other"]).good(),
        "other\n"
    );
    assert_eq!(
        machine.squad("work", &["org", "list"]).good(),
        "ORG             SOURCE\nacme            [ROOT]/acme\nother   in use  [ROOT]/other\n"
    );
    let show = machine
        .squad("work", &["org", "show", "acme", "-o", "json"])
        .good();
    let value: serde_json::Value = serde_json::from_str(&show).unwrap();
    assert_eq!(
        (&value["name"], &value["source"]),
        (&"acme".into(), &"[ROOT]/acme".into())
    );
    // The service's own org comes before the one in use.
    machine.write(
        "work/squad.toml",
        &SERVICE.replace("squad = ", "org = \"acme\"\nsquad = "),
    );
    let show = machine.squad("work", &["org", "show"]).good();
    assert!(show.contains("chosen by   squad.toml:4\n"), "{show}");
    let err = machine
        .squad("work", &["org", "show", "--org", "other"])
        .failed(7);
    assert!(
        err.starts_with("error: cannot use `payments` with the org `other`: it belongs to `acme` (squad.toml:4)\n"),
        "{err}"
    );
    let err = machine.squad("work", &["org", "use", "acmee"]).failed(5);
    assert!(err.contains("this machine knows `acme`, `other`"), "{err}");
}

#[test]
fn what_is_no_org_is_refused() {
    let machine = Machine::new();
    let err = machine
        .squad("work", &["org", "add", "../nowhere"])
        .failed(5);
    assert!(err.contains("errors/org-source.md"), "{err}");
    assert!(
        err.contains("hint: give the directory of its org.toml, or an address that git fetches from: `git ls-remote URL`"),
        "{err}"
    );
    machine.write("acme/org.toml", "schema = 1\n[org]\n");
    let err = machine.squad("work", &["org", "add", "../acme"]).failed(5);
    assert!(err.contains("org.toml:2:1: `org.name` is missing"), "{err}");
    let err = machine
        .squad("work", &["org", "add", "http://git.example/org.git"])
        .failed(5);
    assert!(err.contains("anybody on the way could change it"), "{err}");
    let err = machine
        .squad("work", &["org", "add", "ext::sh -c id"])
        .failed(5);
    assert!(err.contains("cannot add `ext::sh -c id`"), "{err}");
    let err = machine
        .squad("work", &["org", "add", "https://token@127.0.0.1:1/org.git"])
        .failed(1);
    assert!(!err.contains("token"), "{err}");
    assert!(err.contains("errors/org-fetch-failed.md"), "{err}");
    let err = machine.squad("work", &["org", "show"]).failed(5);
    assert!(err.contains("errors/no-org.md"), "{err}");
    assert!(!machine.path("home/.config/squad/orgs.toml").exists());
}

#[test]
fn a_name_is_moved_only_when_it_is_said() {
    let machine = Machine::new();
    machine.write("a/org.toml", ORG);
    machine.write("b/org.toml", ORG);
    machine.squad("work", &["org", "add", "../a"]).good();
    let err = machine.squad("work", &["org", "add", "../b"]).failed(7);
    assert!(
        err.contains("cannot add the org `acme`: there is one from `[ROOT]/a`"),
        "{err}"
    );
    assert_eq!(
        machine
            .squad("work", &["org", "add", "../b", "--name", "acme-b"])
            .good(),
        "acme-b\n"
    );
    let said = machine.squad("work", &["org", "add", "../b", "--name", "acme"]);
    assert!(said.err.contains("moved from [ROOT]/a"), "{said:?}");
    // The directory goes away: the way out is named.
    std::fs::remove_dir_all(machine.path("b")).unwrap();
    let err = machine.squad("work", &["env", "list"]).failed(5);
    assert!(
        err.contains("`squad org add DIRECTORY_OR_URL --name acme`"),
        "{err}"
    );
}

#[test]
fn an_org_in_git_is_used_by_its_address_and_fetched_again() {
    let mut machine = Machine::new();
    let commit = remote(&machine, ORG);
    let url = format!("file://{}", machine.path("org.git").display());
    machine.set("SQUAD_ORG", &url);
    let list = machine
        .squad("work", &["env", "show", "staging", "-o", "json"])
        .good();
    let value: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(value["org_commit"], commit.as_str());
    // News are not asked for within five minutes …
    let newer = push(
        &machine,
        &format!("{ORG}[env.preview]\nplatform = \"local\"\n"),
    );
    let out = machine.squad("work", &["env", "list"]).good();
    assert!(!out.contains("preview"), "{out}");
    // … unless a person asks.
    let out = machine.squad("work", &["org", "refresh"]).good();
    assert!(
        out.contains("preview") && out.contains(newer.get(..12).unwrap()),
        "{out}"
    );
    // Offline: what is here is used, and its age is shown.
    std::fs::rename(machine.path("org.git"), machine.path("gone.git")).unwrap();
    age(&machine, "2020-01-01T00:00:00Z");
    let said = machine.squad("work", &["env", "list"]);
    assert!(
        said.err.contains("warning: the org is ")
            && said
                .err
                .contains(&format!(" d old (commit {})", newer.get(..7).unwrap())),
        "{said:?}"
    );
    assert!(said.good().contains("preview"));
    // Just now it did not answer, so the next command does not wait for it, and still says so.
    let said = machine.squad("work", &["env", "list"]);
    assert!(said.err.contains("did not answer a moment ago"), "{said:?}");
    let err = machine.squad("work", &["org", "refresh"]).failed(1);
    assert!(err.contains("errors/org-fetch-failed.md"), "{err}");
}

/// Makes what was fetched older than it is.
fn age(machine: &Machine, at: &str) {
    let orgs = machine.path("home/.cache/squad/orgs");
    let cache = std::fs::read_dir(orgs).unwrap().next().unwrap().unwrap();
    let path = cache.path().join("snapshot.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["fetched_at"] = at.into();
    value["tried_at"] = at.into();
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn an_org_is_added_from_a_git_repository() {
    let machine = Machine::new();
    remote(&machine, ORG);
    let said = machine.squad("work", &["org", "add", "../org.git"]);
    assert_eq!(
        said.err.lines().next(),
        Some("fetching [ROOT]/org.git"),
        "{said:?}"
    );
    assert_eq!(said.good(), "acme\n");
    let show = machine.squad("work", &["org", "show"]).good();
    assert!(
        show.contains("source      [ROOT]/org.git\n") && show.contains("fetched     0 s ago\n"),
        "{show}"
    );
    // A repository without an org's file.
    machine.git("org", &["mv", "org.toml", "elsewhere.toml"]);
    machine.git("org", &["commit", "--quiet", "--message=Moved"]);
    machine.git("org", &["push", "--quiet", "origin", "main"]);
    let err = machine.squad("work", &["org", "refresh"]).failed(5);
    assert!(
        err.contains("its newest commit has no `org.toml` at its top"),
        "{err}"
    );
    // What was fetched before is still used.
    machine.squad("work", &["env", "list"]).good();
}

#[test]
fn a_repository_that_cannot_be_fetched_says_why() {
    let machine = Machine::new();
    machine.write("org.git/readme", "no repository");
    let err = machine
        .squad("work", &["org", "add", "file:///no/such/org.git"])
        .failed(1);
    assert!(
        err.contains("cannot fetch the org's repository: '/no/such/org.git' does not appear to be a git repository\n")
            && err.contains("hint: try what git does: `git ls-remote URL`\n"),
        "{err}"
    );
    // A server that takes the connection and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/org.git", silent.local_addr().unwrap());
    let err = machine
        .squad("work", &["org", "add", &url, "--timeout", "1s"])
        .failed(1);
    assert!(err.contains("no answer within 1 s"), "{err}");
}

#[test]
fn a_brake_takes_the_org_as_it_is_here() {
    let machine = Machine::new();
    remote(&machine, ORG);
    machine.squad("work", &["org", "add", "../org.git"]).good();
    std::fs::rename(machine.path("org.git"), machine.path("gone.git")).unwrap();
    for arguments in [
        ["rollback", "payments", "--env", "local"],
        ["stop", "payments", "--env", "local"],
    ] {
        age(&machine, "2026-01-01T00:00:00Z");
        let err = machine.squad("work", &arguments).failed(5);
        assert!(
            err.contains("never deployed to acme/local"),
            "{arguments:?}: {err}"
        );
        assert!(!err.contains("the org is"), "{arguments:?}: {err}");
    }
    let said = machine.squad("work", &["status", "--all", "--env", "local"]);
    assert!(said.err.contains("the org is"), "{said:?}");
}

#[test]
fn a_typo_that_is_not_committed_stops_no_brake() {
    let machine = Machine::new();
    machine.write("org/org.toml", ORG);
    machine.git("org", &["init", "--quiet"]);
    machine.git("org", &["add", "."]);
    machine.git("org", &["commit", "--quiet", "--message=Org"]);
    machine.squad("work", &["org", "add", "../org"]).good();
    machine.write("org/org.toml", &format!("{ORG}\nx = [\n"));
    // There is nothing to go back from, which is all that is wrong.
    let err = machine
        .squad("work", &["rollback", "payments", "--env", "local"])
        .failed(5);
    assert!(err.contains("never deployed to acme/local"), "{err}");
    assert!(
        err.contains("changes of org.toml that are not committed have mistakes; what its newest commit says counts"),
        "{err}"
    );
    machine.squad("work", &["env", "list"]).failed(5);
}

#[test]
fn a_broken_org_is_replaced_by_the_next_fetch() {
    let machine = Machine::new();
    remote(&machine, ORG);
    machine.squad("work", &["org", "add", "../org.git"]).good();
    push(&machine, "schema = 1\n[org]\nname = \"acme\"\n[env.x]\n");
    let err = machine.squad("work", &["org", "refresh"]).failed(5);
    assert!(
        err.contains("org.toml@") && err.contains(":4:1: `env.x.platform` is missing"),
        "{err}"
    );
    push(
        &machine,
        &format!("{ORG}[env.fixed]\nplatform = \"local\"\n"),
    );
    assert!(
        machine
            .squad("work", &["org", "refresh"])
            .good()
            .contains("fixed")
    );
}

#[test]
fn twenty_commands_at_once_fetch_an_org_once() {
    let mut machine = Machine::new();
    remote(&machine, ORG);
    machine.set(
        "SQUAD_ORG",
        &format!("file://{}", machine.path("org.git").display()),
    );
    let machine = &machine;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20)
            .map(|_| scope.spawn(move || machine.squad("work", &["env", "list"])))
            .collect();
        for run in runs {
            let said = run.join().unwrap();
            assert_eq!(said.err, "");
            assert!(said.good().contains("staging"));
        }
    });
}

#[test]
fn a_local_edit_does_not_touch_a_protected_environment() {
    let machine = Machine::new();
    let protected = "[env.prod]\nplatform = \"local\"\nprotected = true\n";
    let commit = remote(&machine, &format!("{ORG}{protected}"));
    // Also from a directory of the repository that is not its top, with the variables of a git hook set.
    let mut machine = machine;
    machine.set("GIT_DIR", "/nowhere");
    let show = |machine: &Machine, env: &str| {
        machine.squad(
            "work",
            &["env", "show", env, "--org", "../org", "-o", "json"],
        )
    };
    let said = show(&machine, "prod");
    assert_eq!(said.err, "");
    let value: serde_json::Value = serde_json::from_str(&said.good()).unwrap();
    assert_eq!(
        (&value["protected"], &value["org_commit"]),
        (&true.into(), &commit.as_str().into())
    );
    machine.write(
        "org/org.toml",
        &format!("{ORG}{}", protected.replace("true", "false")),
    );
    let said = show(&machine, "prod");
    assert!(
        said.err.starts_with("warning: `prod` is protected, so changes of org.toml that are not committed do not count for it\n"),
        "{said:?}"
    );
    let value: serde_json::Value = serde_json::from_str(&said.good()).unwrap();
    assert_eq!(value["protected"], true);
    // A protected environment that was never committed cannot be used.
    machine.write(
        "org/org.toml",
        &format!("{ORG}{protected}{}", protected.replace("prod", "live")),
    );
    let err = machine
        .squad("work", &["env", "show", "live", "--org", "../org"])
        .failed(7);
    assert!(err.contains("errors/environment-uncommitted.md"), "{err}");
}

#[test]
fn credentials_of_an_address_are_stored_nowhere() {
    let machine = Machine::new();
    remote(&machine, ORG);
    // `ana:hunter2`
    let server = Server::start(machine.path("."), "YW5hOmh1bnRlcjI=");
    let url = format!("http://ana:hunter2@127.0.0.1:{}/org.git", server.port);
    let said = machine.squad("work", &["org", "add", &url]);
    assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
    assert_eq!(said.good(), "acme\n");
    assert!(
        server.saw_authorization(),
        "the credentials did not reach the server"
    );
    // A token behind the path is one, too; here the server cannot be reached any more, or was asked a moment ago.
    let with_token = format!(
        "http://127.0.0.1:{}/org.git?private_token=hunter2",
        server.port
    );
    let unreachable = "https://127.0.0.1:1/org.git?access_token=hunter2";
    for arguments in [
        &["org", "add", unreachable][..],
        &["status", "--org", unreachable],
        &["status", "shop", "--org", &with_token],
        &["rollback", "shop", "--env", "prdo", "--org", &with_token],
        &["deploy", "--org", &with_token],
        &["config", "show", "--origin", "--org", &with_token],
        &["org", "show", "--org", &with_token, "-o", "json"],
        &["config", "check", "--org", &with_token],
        &["local", "status", "--org", &with_token],
    ] {
        let said = machine.squad("work", arguments);
        assert!(
            !format!("{said:?}").contains("hunter2"),
            "{arguments:?} {said:?}"
        );
    }
    for file in files_below(&machine.path("home")) {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hunter2"), "{}", file.display());
    }
    // Without them, it says what is missing, and nothing is asked.
    let plain = format!("http://127.0.0.1:{}/org.git", server.port);
    let err = machine.squad("work", &["org", "refresh"]).failed(4);
    assert!(
        err.contains("it does not let this machine in") && err.contains(&plain),
        "{err}"
    );
}

/// What is behind the path can choose the repository: what was fetched of one address is not shown for the other.
#[test]
fn addresses_that_differ_behind_the_path_are_two_orgs() {
    let machine = Machine::new();
    remote(&machine, ORG);
    std::fs::rename(machine.path("org.git"), machine.path("acme.git")).unwrap();
    std::fs::remove_dir_all(machine.path("org")).unwrap();
    remote(&machine, &ORG.replace("\"acme\"", "\"beta\""));
    std::fs::rename(machine.path("org.git"), machine.path("beta.git")).unwrap();
    let server = Server::start(machine.path("."), "YW5hOmh1bnRlcjI=");
    for tenant in ["acme", "beta", "acme"] {
        let url = format!(
            "http://ana:hunter2@127.0.0.1:{}/org.git?tenant={tenant}",
            server.port
        );
        let said = machine.squad("work", &["org", "show", "--org", &url, "-o", "json"]);
        let shown: serde_json::Value = serde_json::from_str(&said.good()).unwrap();
        assert_eq!(shown["name"], tenant);
    }
}

fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// git over HTTP behind a password: `git http-backend` (git-http-backend(1)) as a CGI program.
struct Server {
    port: u16,
    authorized: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Server {
    /// Serves the repositories below a directory to who sends these credentials (RFC 7617).
    fn start(root: std::path::PathBuf, credentials: &'static str) -> Self {
        use std::sync::atomic::{AtomicBool, Ordering};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let authorized = std::sync::Arc::new(AtomicBool::new(false));
        let seen = authorized.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if answer(stream.unwrap(), &root, credentials) {
                    seen.store(true, Ordering::SeqCst);
                }
            }
        });
        Self { port, authorized }
    }

    fn saw_authorization(&self) -> bool {
        self.authorized.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// Answers one request, and says whether it had the credentials.
fn answer(mut stream: std::net::TcpStream, root: &std::path::Path, credentials: &str) -> bool {
    use std::io::{BufRead, BufReader, Read, Write};
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut headers = std::collections::BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    if header("authorization") != format!("Basic {credentials}") {
        stream
            .write_all(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        return false;
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    // `/org.git?tenant=acme/info/refs&service=…` is asked of the repository `acme.git`.
    let target = match target.strip_prefix("/org.git?tenant=") {
        Some(rest) => rest.replacen('/', ".git/", 1).replacen('&', "?", 1),
        None => target.trim_start_matches('/').to_owned(),
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = format!("/{path}");
    let mut child = std::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        .unwrap();
    stream.write_all(&output).unwrap();
    true
}
