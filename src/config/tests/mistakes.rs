//! What is said about files with mistakes.

use super::*;

#[test]
fn the_mistakes_of_a_workspace_are_reported_together() {
    let machine = Machine::new();
    machine.write(
        "w/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"f/*\", \"gone\", \"a/**\",\n  3, \"\"]\nmember = 1\n[workspace.defaults]\nservice.name = \"x\"\nruns.grace = \"5s\"\nrun.grace = 5\n",
    );
    machine.write("w/f/a/squad.toml", &service_with(""));
    machine.write("w/f/b/squad.toml", &service_with("port = 0\n"));
    assert_eq!(
        machine.mistakes("w/f/a", None),
        [
            "../b/squad.toml:3:8: two services are named `a`: the other one is in squad.toml:3",
            "../b/squad.toml:7:8: `run.port` is 0; the lowest is 1",
            "../../squad.toml:3:19: `workspace.members` names `gone`, which has no squad.toml",
            "../../squad.toml:3:27: `workspace.members` has `a/**`; write directories relative to this file, with `*` for one level",
            "../../squad.toml:4:3: `workspace.members` is not right at [3], which is a number; it must be text: write `\"3\"`",
            "../../squad.toml:4:6: `workspace.members` is not right at [4], which is empty",
            "../../squad.toml:5:1: unknown key `workspace.member`; did you mean `members`?",
            "../../squad.toml:7:16: `service.name` is each service's own, so it has no default",
            "../../squad.toml:8:1: unknown key `runs` in `workspace.defaults`; did you mean `run`?",
            "../../squad.toml:9:13: `run.grace` is a number; it must be a time such as \"20s\", \"5m\", \"1h30m\" or \"500ms\"",
        ]
    );
}

#[test]
fn what_the_org_does_not_have_is_a_mistake_of_the_service() {
    let machine = Machine::new();
    machine.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[squad.cards]\n[policy]\n[defaults]\nrun.grce = \"1s\"\n",
    );
    machine.write(
        "a/squad.toml",
        "schema = 1\n[service]\nname = \"a\"\nkind = \"http\"\nsquad = \"ledgr\"\n[run]\ncommand = [\"a\"]\n",
    );
    machine.write(
        "b/squad.toml",
        "schema = 1\n[service]\nname = \"a\"\nkind = \"http\"\nsquad = \"growth\"\n[run]\ncommand = [\"a\"]\n",
    );
    let of_org = [
        "../org/org.toml:6:2: unknown key `policy`; at the top there can be `schema`, `org`, `squad`, `service`, `env`, `trusted`, `defaults`",
        "../org/org.toml:8:5: unknown key `defaults.run.grce`; did you mean `grace`?",
    ];
    for (directory, own) in [
        (
            "a",
            "squad.toml:5:9: `service.squad` is `ledgr`; did you mean `ledger`?",
        ),
        (
            "b",
            "squad.toml:5:9: `service.squad` is `growth`; the org has `cards`, `ledger`",
        ),
    ] {
        let mistakes = machine.mistakes(directory, Some("../org"));
        assert_eq!(mistakes, [&[own][..], &of_org].concat());
    }
}

#[test]
fn two_services_of_one_name_are_a_mistake_with_both_files() {
    let machine = Machine::new();
    machine.write(
        "w/squad.toml",
        "schema = 1\n[workspace]\nmembers = [\"*\"]\n",
    );
    machine.write("w/a/squad.toml", &service_with(""));
    machine.write("w/b/squad.toml", &service_with(""));
    assert_eq!(
        machine.mistakes("w", None),
        ["b/squad.toml:3:8: two services are named `a`: the other one is in a/squad.toml:3"]
    );
}

#[test]
fn each_mistake_says_what_is_wrong() {
    let arn = "arn:aws:eks:eu-west-1:123456789012:cluster/main";
    for (more, wanted) in [
        ("[rollout]\n", "`rollout.steps` is missing"),
        ("[rollout]\nsteps = []", "`rollout.steps` is empty"),
        (
            "[rollout]\nsteps = [{ weight = 5 }]",
            "`rollout.steps[0].hold` is missing",
        ),
        (
            "[rollout]\nsteps = [{ weight = 0, hold = \"1m\" }]",
            "is 0; the lowest is 1",
        ),
        (
            "[rollout]\nsteps = [{ weight = 5, hold = \"1m\" }, { weight = 5, hold = \"1m\" }]",
            "is 5; it must be more than the 5 before it",
        ),
        (
            "[rollout]\nsteps = [{ weight = 5, hold = \"1m\" }, { weight = 4, hold = \"1m\" }]",
            "is 4; it must be more than the 5 before it",
        ),
        (
            "[rollout]\nsteps = [{ weight = 100, hold = \"1m\" }]",
            "is 100; the highest is 99",
        ),
        (
            "[rollout]\nsteps = [{ weight = 101, hold = \"1m\" }]",
            "is 101; the highest is 99",
        ),
        (
            "[rollout]\nsteps = [{ weight = -5, hold = \"1m\" }]",
            "is -5; the lowest is 1",
        ),
        (
            "[rollout]\nsteps = [{ weight = nan, hold = \"1m\" }]",
            "`rollout.steps[0].weight`",
        ),
        (
            "[rollout]\nsteps = [5]",
            "`rollout.steps[0]` is a number; it must be a table",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/a\"\n[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/b\"",
            "a second route is named `a`",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/a/{x}\"\n[[route]]\nname = \"b\"\nmethod = \"GET\"\npath = \"/a/{y}\"",
            "route `b` is the same as `a`: GET /a/{x}",
        ),
        (
            "[[route]]\nname = \"rest\"\nmethod = \"GET\"\npath = \"/a\"",
            "everything that no route matches",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/{x*}/a\"",
            "`{…*}` must be the last segment",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"/a?b\"",
            "before `?`",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"GET\"\npath = \"charges/{id\"",
            "is `charges/{id`: it must begin with `/`; and `{…}` must be a whole segment between slashes",
        ),
        (
            "[[route]]\nname = \"a\"\nmethod = \"FETCH\"\npath = \"/a\"",
            "it must be one of `GET`",
        ),
        (
            "[function]\nruntime = \"python3.13\"",
            "`function.handler` is missing",
        ),
        (
            "[function]\nruntime = \"a\"\nhandler = \"a\"\nrole = \"x\"",
            "it must be an ARN such as",
        ),
        ("[analysis]\ntolerance = 0.5", "it must be from 1 to 100"),
        ("[analysis]\ntolerance = nan", "it must be from 1 to 100"),
        ("[analysis]\ntolerance = inf", "it must be from 1 to 100"),
        ("[analysis]\nharm = nan", "`analysis.harm`"),
        ("[analysis]\nharm = -1.0", "`analysis.harm`"),
        ("[run.env]\n\"A-B\" = \"x\"", "is not a name of a variable"),
        (
            "[run.env]\nA = { secret = \"smm:x\" }",
            "did you mean `ssm:`?",
        ),
        (
            "[run.env]\nA = { secret = \"ssm:\" }",
            "nothing after `ssm:`",
        ),
        (
            "[run.env]\nA = { secret = \"x\" }",
            "a secret without a scheme",
        ),
        (
            "[run.env]\nA = { sekret = \"x\" }",
            "has the unknown key `sekret`",
        ),
        (
            "[env.local]\nplatform = \"local\"",
            "`platform` cannot be set here: platform comes from the org's file alone",
        ),
        (
            "[env.local]\nservice.kind = \"worker\"",
            "`service.kind` is the same in every environment",
        ),
        ("[env.Local]\nrun.port = 1", "`Local` is not a name"),
        ("[build]\ncommand = \"make build\"", "[\"make\", \"build\"]"),
        (
            "[build]\npython_lock = \"/x\"",
            "relative to the directory of the file",
        ),
        ("[build]\ncommand = []", "`build.command` is empty"),
        (
            "[workspaces]\n",
            "unknown key `workspaces`; did you mean `workspace`?",
        ),
    ] {
        let machine = Machine::new();
        machine.write("a/squad.toml", &service_with(more));
        let mistakes = machine.mistakes("a", None);
        assert_eq!(mistakes.len(), 1, "{more}: {mistakes:#?}");
        assert!(mistakes[0].contains(wanted), "{more}: {mistakes:#?}");
    }
    for (environment, wanted) in [
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\ncluster = \"ARN\"",
            "`env.prod.account` is missing",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\naccount = 123456789012\ncluster = \"ARN\"",
            "write the account id in quotes",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\naccount = \"12345\"\ncluster = \"ARN\"",
            "has 12 digits",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-2\"\naccount = \"123456789012\"\ncluster = \"ARN\"",
            "is in the region eu-west-1, not in eu-west-2",
        ),
        (
            "platform = \"eks\"\nregion = \"eu-west-1\"\naccount = \"123456789013\"\ncluster = \"ARN\"",
            "is in the account 123456789012",
        ),
        (
            "platform = \"lambda\"\nregion = \"eu-west-1\"\naccount = \"123456789012\"\ncluster = \"ARN\"",
            "has no meaning with platform = \"lambda\"",
        ),
        (
            "platform = \"lambda\"\nregion = \"Ireland\"\naccount = \"123456789012\"",
            "it must be an AWS region",
        ),
        ("platform = \"ecs\"", "did you mean `eks`?"),
        (
            "platform = \"local\"\naudit = \"gs://x\"",
            "begin with s3://",
        ),
        (
            "platform = \"local\"\nmetrics = { provider = \"prometheus\" }",
            "`env.prod.metrics.url` is missing",
        ),
        ("protected = true", "`env.prod.platform` is missing"),
    ] {
        let machine = Machine::new();
        let environment = environment.replace("ARN", arn);
        machine.write(
            "org/org.toml",
            &format!("schema = 1\n[org]\nname = \"acme\"\n[env.prod]\n{environment}\n"),
        );
        let mistakes = machine.mistakes("a", Some("../org"));
        assert_eq!(mistakes.len(), 1, "{environment}: {mistakes:#?}");
        assert!(mistakes[0].contains(wanted), "{environment}: {mistakes:#?}");
    }
}

#[test]
fn missing_parts_of_a_service_are_all_named() {
    let machine = Machine::new();
    machine.write("a/squad.toml", "");
    assert_eq!(
        machine.mistakes("a", None),
        [
            "squad.toml:1:1: `schema` is missing; write something like `schema = 1`",
            "squad.toml:1:1: `[service]` is missing; it names the service, its squad and its kind",
        ]
    );
    machine.write("a/squad.toml", "schema = 2\n[service]\n");
    assert_eq!(
        machine.mistakes("a", None),
        [
            "squad.toml:1:10: `schema` is 2; this version of squad reads 1",
            "squad.toml:2:1: `service.name` is missing; write something like `name = \"payments\"`",
            "squad.toml:2:1: `service.kind` is missing; write something like `kind = \"http\"`",
        ]
    );
    machine.write(
        "a/squad.toml",
        "schema = 1\n[service]\nname = \"a\"\nkind = \"worker\"\n",
    );
    let mistakes = machine.mistakes("a", None);
    assert!(
        mistakes[0].contains("`run.command` is missing"),
        "{mistakes:?}"
    );
}

#[test]
fn a_file_that_is_not_utf_8_is_a_mistake_with_its_place() {
    let machine = Machine::new();
    machine.write("a/squad.toml", "");
    let bytes = b"schema = 1\n[service]\nname = \"\xff\"\n";
    crate::fs::write_durably(&machine.path("a/squad.toml"), bytes, 0o600).unwrap();
    assert_eq!(
        machine.mistakes("a", None),
        ["squad.toml:3:9: this is not TOML: every TOML file is UTF-8, and this byte is not"]
    );
}

#[test]
fn a_half_done_change_does_not_keep_anybody_from_stopping() {
    let machine = Machine::new();
    machine.write("a/squad.toml", "schema = 1\n[service\nname = ");
    let env = Env::of(&[("HOME", "/nowhere")]);
    let directory = machine.path("a");
    let sources = Sources {
        directory: &directory,
        org: None,
        directories: &env.directories().unwrap(),
        env: &env,
    };
    let draft = || Draft::read(&sources).unwrap();
    assert!(matches!(draft().finish(None), Err(Error::Mistakes(_))));
    let config = draft().without_services().finish(None).unwrap();
    assert_eq!(config.services(), []);
    assert_eq!(config.environments().len(), 1);
}

#[test]
fn a_file_in_everybodys_directory_is_not_taken_by_what_is_below() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    machine.write("shared/squad.toml", &service_with(""));
    let shared = machine.path("shared");
    std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o777)).unwrap();
    let config = machine.load("shared/mine", None).unwrap();
    assert_eq!(config.manifest_path(), None);
    // Whoever works in that very directory means it.
    assert_eq!(machine.load("shared", None).unwrap().services().len(), 1);
}

#[test]
fn what_lambda_would_refuse_is_a_mistake() {
    let machine = Machine::new();
    let head = "schema = 1\n[service]\nname = \"a\"\nkind = \"function\"\n[function]\nruntime = \"python3.13\"\nhandler = \"a.b\"\n";
    let layer = "arn:aws:lambda:eu-west-1:123456789012:layer:tools";
    machine.write(
        "a/squad.toml",
        &format!(
            "{head}layers = [\"{layer}\"]\nenv_remove = [\"A-B\"]\nsmoke = \"/etc/event\"\nprovisioned_concurrency = -1\n"
        ),
    );
    machine.write(
        "b/squad.toml",
        &format!("{head}layers = [{}]\n", format!("\"{layer}:1\",").repeat(6)),
    );
    assert_eq!(
        machine.mistakes("a", None),
        [
            "squad.toml:8:10: `function.layers` has `arn:aws:lambda:eu-west-1:123456789012:layer:tools`; a layer has its version at the end, as in \"arn:aws:lambda:eu-west-1:123456789012:layer:tools:3\"",
            "squad.toml:9:14: `function.env_remove` has `A-B`, which is not a name of a variable: use letters, digits and `_`",
            "squad.toml:10:9: `function.smoke` is `/etc/event`; it must be relative to the directory of the file",
            "squad.toml:11:27: `function.provisioned_concurrency` is -1; the lowest is 0",
        ]
    );
    assert_eq!(
        machine.mistakes("b", None),
        ["squad.toml:8:10: `function.layers` has 6 layers; a function can have 5"]
    );
}
