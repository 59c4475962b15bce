//! `squad deploy <name>` from a repository that cannot be fetched, or that does not have what is wanted.

use snapbox::str;

use crate::fetched::{Remote, org};
use crate::support::journey::live;

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
›   caused by: `acme` was chosen by SQUAD_ORG
›   caused by: squad.toml is that of acme/payments, commit [HASH]
› live: `payments` is not live here, and takes no traffic
› hint: deploy it with its own org: `squad deploy SERVICE --org ORG --env local`
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
