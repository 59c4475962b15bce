//! `squad deploy` where there is no workspace, or no file of the service.

use snapbox::str;

use crate::support::{Home, TestService};
use crate::workspace::workspace;

/// `--all` needs a file that says which services there are; what to write is said, and does it.
#[test]
fn without_a_workspace_it_is_said_what_makes_one() {
    let home = Home::new();
    let shop = workspace(&home, &["catalog", "payments"]);
    std::fs::remove_file(shop.join("squad.toml")).expect("it is there");
    let all = || home.squad_in(&shop, ["deploy", "--all", "--dry-run"]);
    all().failure(5).assert(str![[r#"
› error: cannot deploy: there is no `squad.toml` with `[workspace]` in `[WORK]/shop` or above
› hint: make a workspace of the services below: `printf 'schema = 1\n[workspace]\nmembers = ["services/*"]\n' > squad.toml`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-service.md
[exit 5]

"#]]);
    home.squad_in(shop.join("services"), ["deploy", "--all", "--dry-run"])
        .failure(5)
        .assert(str![[r#"
› error: cannot deploy: there is no `squad.toml` with `[workspace]` in `[WORK]/shop/services` or above
› hint: make a workspace of the services below: `printf 'schema = 1\n[workspace]\nmembers = ["*"]\n' > squad.toml`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-service.md
[exit 5]

"#]]);
    home.squad(["deploy", "--changed-since", "HEAD"])
        .failure(5)
        .assert(str![[r#"
› error: cannot deploy: there is no `squad.toml` with `[workspace]` in `[WORK]` or above
› hint: make a workspace of the services below: `printf 'schema = 1\n[workspace]\nmembers = ["*"]\n' > squad.toml`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/no-service.md
[exit 5]

"#]]);
    let said = all().stderr;
    let (_, rest) = said.split_once("below: `").expect("a command");
    let (command, _) = rest.split_once('`').expect("a whole one");
    let made = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(&shop)
        .status();
    assert!(made.expect("a shell").success());
    let file = std::fs::read_to_string(shop.join("squad.toml")).expect("it is there");
    assert_eq!(
        file,
        "schema = 1\n[workspace]\nmembers = [\"services/*\"]\n"
    );
    // The services have what is left of themselves, which is enough to find them.
    let found = all();
    assert!(
        found.stderr.contains("catalog") && found.stderr.contains("payments"),
        "{}",
        found.transcript()
    );
    // In one service alone, `--all` is that one, and says so.
    let service = TestService::new(&home, "alone");
    home.squad_in(&service.directory, ["deploy", "--all", "--dry-run"])
        .success()
        .assert(str![[r#"
› hint: `alone` is the only service, because no `squad.toml` above has `[workspace]`; it is written at the top of the repository, with `members = ["functions/*"]`
› alone → local (this machine)
›
›   the first deploy here: nothing is live yet
›
› 1 to deploy, 0 failed, 0 unchanged
[exit 0]

"#]]);
}

/// A deploy fetches it (`fetched.rs`); what only reads the files says where they are.
#[test]
fn a_service_that_was_never_deployed_from_here_is_cloned_from_where_the_org_says() {
    let mut home = Home::new();
    home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[service.payments]\nrepository = \"acme/payments\"\n",
    );
    home.set("SQUAD_ORG", "./org");
    home.squad(["config", "show", "payments"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `payments`: there is no squad.toml here or above
› hint: the org says that it lives in acme/payments: `git clone https://github.com/acme/payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[service.payments]\nrepository = \"/srv/payments\"\n",
    );
    home.squad(["config", "show", "payments"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `payments`: there is no squad.toml here or above
› hint: the org says that it lives in /srv/payments: `git clone /srv/payments`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.squad(["deploy", "payment"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `payment`: there is no squad.toml here or above; did you mean `payments`?
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
}
