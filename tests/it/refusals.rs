//! What is refused: one answer to a name that nobody knows, whichever command was given it; and the words for small mistakes.

use snapbox::str;

use crate::support::{Home, TestService};
use crate::workspace::workspace;

#[test]
fn a_name_that_neither_the_files_nor_the_environment_know_has_one_answer() {
    let home = Home::new();
    let names: Vec<_> = (1..=20).map(|number| format!("s{number:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let shop = workspace(&home, &names);
    for command in ["status", "logs", "invoke", "rollback", "stop"] {
        home.squad_in(&shop, [command, "s99"])
            .failure(5)
            .assert(str![[r#"
› error: cannot find the service `s99`: it is not in these files, and was never deployed to local; did you mean `s09`?
›   caused by: there is `s01`, `s02`, `s03`, `s04`, `s05`, `s06`, `s07`, `s08` and 12 more
› hint: see what was deployed: `squad status --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    }
    home.squad_in(&shop, ["history", "s99"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `s99`: it is not in these files, and was never deployed to local; did you mean `s09`?
›   caused by: there is `s01`, `s02`, `s03`, `s04`, `s05`, `s06`, `s07`, `s08` and 12 more
› hint: what was recorded of all services: `squad history --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.squad_in(&shop, ["rollout", "list", "s99"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `s99`: it is not in these files, and was never deployed to local; did you mean `s09`?
›   caused by: there is `s01`, `s02`, `s03`, `s04`, `s05`, `s06`, `s07`, `s08` and 12 more
› hint: see what was deployed: `squad status --all`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    home.squad_in(&shop, ["deploy", "s99"])
        .failure(5)
        .assert(str![[r#"
› error: cannot find the service `s99` in these files; did you mean `s09`?
›   caused by: there is `s01`, `s02`, `s03`, `s04`, `s05`, `s06`, `s07`, `s08` and 12 more
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    // One that is there and was never deployed is another thing.
    for (command, code) in [("status", 1), ("logs", 1), ("rollback", 7), ("stop", 7)] {
        let output = home.squad_in(&shop, [command, "s05"]).failure(code);
        let transcript = output.transcript();
        assert!(transcript.contains("`squad deploy s05`"), "{transcript}");
        assert!(!transcript.contains("did you mean"), "{transcript}");
    }
}

/// What was deployed is known as well, wherever its sources are.
#[test]
fn what_was_deployed_from_elsewhere_is_meant_too_and_is_advised_only_where_it_is_found() {
    let home = Home::new();
    let shop = workspace(&home, &["cart"]);
    let payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    for command in ["status", "deploy"] {
        let output = home.squad_in(&shop, [command, "paymants"]).failure(5);
        let error = output.transcript();
        assert!(error.contains("did you mean `payments`?"), "{error}");
    }
    // Its sources are gone, and so is what the platform had of it.
    std::fs::remove_dir_all(&payments.directory).expect("it is there");
    home.squad(["local", "stop"]).success();
    std::fs::remove_file(home.state().join("local/local/local/journal")).expect("a journal");
    home.squad(["local", "prune", "--reset-journal"]).success();
    home.squad(["status", "payments"]).failure(1).assert(str![[r#"
› error: `payments` is not deployed to local
›   revision 1 was live, as the audit log has it (deploy by ana@example.com, [AGO]): the journal of this platform was set aside since (`squad local prune --reset-journal` by ana@example.com, [AGO]), so it has to be deployed again
› hint: `squad status --all` shows what is there; to deploy it, go to the directory of its sources
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/never-deployed.md
[exit 1]

"#]]);
}

#[test]
fn stopping_what_was_rolled_back_already_is_nothing_to_do() {
    let home = Home::new();
    let mut payments = TestService::new(&home, "payments");
    home.squad_in(&payments.directory, ["deploy"]).success();
    home.squad(["stop", "payments"]).failure(7);
    payments.version(&home, "2");
    home.squad_in(&payments.directory, ["deploy"]).success();
    assert_eq!(home.squad(["stop", "payments"]).success().line(), "1");
    home.squad(["stop", "payments"]).success().assert(str![[r#"
› nothing to stop: revision 1 serves all traffic, no rollout of `payments` is live
[exit 0]

"#]]);
}

#[test]
fn small_mistakes_are_said_in_words_for_people() {
    let home = Home::new();
    home.squad(["deploy", "--port", "23664x"])
        .failure(2)
        .assert(str![[r#"
› error: `--port` cannot be `23664x`: a port is a whole number from 1 to 65535
› hint: `squad deploy --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["deploy", "--port", "70000"])
        .failure(2)
        .assert(str![[r#"
› error: `--port` cannot be `70000`: a port is a whole number from 1 to 65535
› hint: `squad deploy --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["deploy", "--timeout", "0s"])
        .failure(2)
        .assert(str![[r#"
› error: `--timeout` cannot be `0s`: it must be more than 0, such as `90s`
› hint: `squad deploy --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["deploy", "--timeout", "5"])
        .failure(2)
        .assert(str![[r#"
› error: `--timeout` cannot be `5`: `5` is not a span of time; write it like `90s`, `15m`, `1h` or `2d`; did you mean `5s`?
› hint: `squad deploy --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
}

#[test]
fn a_plan_names_a_route_that_is_gone_once() {
    let home = Home::new();
    let service = TestService::new(&home, "payments");
    let file = service.directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let route = "\n[[route]]\nname = \"get-charge\"\nmethod = \"GET\"\npath = \"/charges/{id}\"\n";
    std::fs::write(&file, format!("{text}{route}")).expect("written");
    home.commit_all(&service.directory, "A route");
    home.squad_in(&service.directory, ["deploy"]).success();
    std::fs::write(&file, &text).expect("written");
    home.commit_all(&service.directory, "No route");
    home.squad_in(&service.directory, ["deploy", "--dry-run"])
        .success()
        .assert(str![[r#"
› payments → local (this machine)
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     No route  Ana Example
›   route get-charge (GET /charges/{id}) is gone
›   undo at any time: `squad rollback payments`
›
[exit 0]

"#]]);
}

#[test]
fn a_command_line_that_lacks_something_is_told_how_it_is_written() {
    let home = Home::new();
    home.squad(["audit", "show"]).failure(2).assert(str![[r#"
› error: `squad audit show` needs `<id>`
› hint: write it as `squad audit show <id>`
› hint: `squad audit show --help` shows what it takes
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md
[exit 2]

"#]]);
    home.squad(["audit", "show", "-o", "json"])
        .failure(2)
        .assert(str![[r#"
› {"schema":"squad.error/v1","id":"usage","exit_code":2,"message":"`squad audit show` needs `<id>`","causes":[],"retryable":false,"hints":["write it as `squad audit show --output <OUTPUT> <id>`","`squad audit show --help` shows what it takes"],"docs":"https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md"}
[exit 2]

"#]]);
    home.squad(["rollout", "-o", "json"])
        .failure(2)
        .assert(str![[r#"
› {"schema":"squad.error/v1","id":"usage","exit_code":2,"message":"`squad rollout` needs a command","details":["it is one of abort, drive, lint, list, pause, promote, rebase, report, resume, start, status, wait"],"causes":[],"retryable":false,"hints":["`squad rollout --help` shows what it takes"],"docs":"https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md"}
[exit 2]

"#]]);
    home.squad(["deploy", "--canary", "--all-at-once", "-o", "json"])
        .failure(2)
        .assert(str![[r#"
› {"schema":"squad.error/v1","id":"usage","exit_code":2,"message":"`--canary` cannot be used with `--all-at-once`","causes":[],"retryable":false,"hints":["`squad deploy --help` shows what it takes"],"docs":"https://github.com/squad-cli/squad/blob/main/docs/errors/usage.md"}
[exit 2]

"#]]);
}

#[test]
fn a_platform_that_is_not_there_yet_says_which_ones_are() {
    let home = Home::new();
    let org = home.work().join("org");
    std::fs::create_dir_all(&org).expect("a directory");
    let text = "schema = 1\n[org]\nname = \"acme\"\n[env.prod]\nplatform = \"eks\"\naccount = \"123456789012\"\n\
                region = \"eu-west-1\"\ncluster = \"arn:aws:eks:eu-west-1:123456789012:cluster/main\"\n";
    std::fs::write(org.join("org.toml"), text).expect("written");
    let service = TestService::new(&home, "payments");
    home.squad(["org", "add", &org.display().to_string()])
        .success();
    home.squad_in(&service.directory, ["deploy", "--env", "prod"])
        .failure(7)
        .assert(str![[r#"
› error: the platform `eks` of the environment `prod` is not in this version of squad
› hint: `local` and `lambda` work today; `squad env list` shows the platform of each environment
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/unsupported.md
[exit 7]

"#]]);
}
