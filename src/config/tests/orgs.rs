//! Which org and which environment is meant, and which commit counts.

use super::*;

#[test]
fn the_org_is_chosen_in_the_order_of_precedence() {
    let mut machine = Machine::new();
    let org = |name: &str| {
        format!("schema = 1\n[org]\nname = \"{name}\"\n[env.{name}]\nplatform = \"local\"\n")
    };
    for name in ["flag", "variable", "service", "person", "used"] {
        machine.write(&format!("{name}/org.toml"), &org(name));
    }
    let list = ["service", "person", "used"]
        .map(|name| {
            let path = machine.path(name);
            format!(
                "[org.{name}]\nname = \"{name}\"\nsource = {{ directory = \"{}\" }}\n",
                path.display()
            )
        })
        .concat();
    machine.write(
        "home/.config/squad/orgs.toml",
        &format!("current = \"used\"\n{list}"),
    );
    let chosen = |machine: &Machine, directory: &str, flag: Option<&str>| {
        let config = machine.load(directory, flag).unwrap();
        format!(
            "{} by {}",
            config.org().unwrap(),
            config.org_chosen_by().unwrap()
        )
    };
    assert_eq!(chosen(&machine, "a", None), "used by `squad org use`");
    machine.write("home/.config/squad/config.toml", "org = \"person\"\n");
    let by_person = chosen(&machine, "a", None);
    assert!(
        by_person.starts_with("person by ") && by_person.ends_with("config.toml:1"),
        "{by_person}"
    );
    machine.write(
        "a/squad.toml",
        &service_with("").replace("name = \"a\"", "name = \"a\"\norg = \"service\""),
    );
    assert_eq!(chosen(&machine, "a", None), "service by squad.toml:4");
    // A flag and a variable come before the service, but the service refuses another org than its own.
    for (variable, flag, by) in [
        (None, Some("../flag"), "--org"),
        (Some("../variable"), None, "SQUAD_ORG"),
    ] {
        machine.variables.clear();
        if let Some(variable) = variable {
            machine.set("SQUAD_ORG", variable);
        }
        let error = machine.load("a", flag).unwrap_err();
        assert!(
            matches!(&error, Error::OtherOrg { by: found, .. } if found == by),
            "{error:?}"
        );
        assert!(chosen(&machine, "b", flag).ends_with(by));
    }
    machine.set("SQUAD_ORG", "nobody");
    let error = machine.load("b", None).unwrap_err();
    assert!(matches!(error, Error::UnknownOrg { .. }), "{error:?}");
}

#[test]
fn a_service_whose_org_is_not_known_still_runs_here() {
    let machine = Machine::new();
    machine.write(
        "a/squad.toml",
        &service_with("[env.prod]\nrun.port = 1\n")
            .replace("name = \"a\"", "name = \"a\"\norg = \"acme\""),
    );
    let config = machine.load("a", None).unwrap();
    assert_eq!(config.environments().len(), 1);
    assert!(config.warnings()[0].contains("does not know the org `acme` (squad.toml:4)"));
    // Which environment is meant is not guessed: the org may have others.
    assert_eq!(config.default_environment(), None);
    assert!(config.service(None, &environment("local")).is_ok());
    let error = config.environment(&environment("prod")).unwrap_err();
    let Error::UnknownEnvironment { missing_org, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(missing_org.unwrap().as_str(), "acme");
}

#[test]
fn the_environment_is_not_guessed() {
    let mut machine = Machine::new();
    machine.write(
        "org/org.toml",
        "schema = 1\n[org]\nname = \"acme\"\n[env.staging]\nplatform = \"local\"\n",
    );
    let chosen = |machine: &Machine, org| machine.load("a", org).unwrap().default_environment();
    assert_eq!(chosen(&machine, None), Some(environment("local")));
    assert_eq!(chosen(&machine, Some("../org")), None);
    machine.write("home/.config/squad/config.toml", "env = \"staging\"\n");
    assert_eq!(
        chosen(&machine, Some("../org")),
        Some(environment("staging"))
    );
    machine.set("SQUAD_ENV", "local");
    assert_eq!(chosen(&machine, Some("../org")), Some(environment("local")));
    machine.variables.clear();
    machine.set("SQUAD_ENV", "PROD");
    let error = machine.load("a", None).unwrap_err();
    assert!(matches!(error, Error::Variable { .. }), "{error:?}");
}

/// What git would say of an org's directory.
fn committed(commit: Option<&str>, text: Option<&str>) -> crate::domain::org::Committed {
    crate::domain::org::Committed {
        commit: commit.map(str::to_owned),
        text: text.map(str::to_owned),
    }
}

#[test]
fn only_a_commit_counts_for_a_protected_environment() {
    let machine = Machine::new();
    let org = |more: &str| {
        format!("schema = 1\n[org]\nname = \"acme\"\n[env.dev]\nplatform = \"local\"\n{more}")
    };
    let protected = "[env.prod]\nplatform = \"local\"\nprotected = true\n";
    let open = "[env.prod]\nplatform = \"local\"\n";
    let id = "3f1c2ab000000000000000000000000000000000";
    std::fs::create_dir_all(machine.path("org/.git")).unwrap();
    let env = Env::of(&[("HOME", "/nowhere")]);
    let directory = machine.path("org");
    let sources = Sources {
        directory: &directory,
        org: Some("."),
        directories: &env.directories().unwrap(),
        env: &env,
    };
    let load = |working: &str, head: Option<&str>| {
        machine.write("org/org.toml", &org(working));
        let draft = Draft::read(&sources).unwrap();
        assert!(matches!(
            draft.need(jiff::Timestamp::UNIX_EPOCH),
            Need::Committed(_)
        ));
        let head = head.map(&org);
        draft
            .finish(Some(committed(Some(id), head.as_deref())))
            .unwrap()
    };
    let prod = |config: &Config| config.environment(&environment("prod"));

    // The same: the commit says it.
    let config = load(protected, Some(protected));
    assert_eq!(prod(&config).unwrap().org_commit.as_deref(), Some(id));
    assert_eq!(
        config
            .environment(&environment("dev"))
            .unwrap()
            .org_commit
            .as_deref(),
        Some(id)
    );
    assert!(config.warnings().is_empty());
    // Protection taken away locally: it is still there.
    let config = load(open, Some(protected));
    assert!(prod(&config).unwrap().protected);
    assert_eq!(prod(&config).unwrap().org_commit.as_deref(), Some(id));
    assert_eq!(
        config.environment(&environment("dev")).unwrap().org_commit,
        None
    );
    assert!(
        config.warnings()[0].contains("`prod` is protected"),
        "{:?}",
        config.warnings()
    );
    // Removed locally: the same.
    assert!(prod(&load("", Some(protected))).unwrap().protected);
    // Another audit store, locally: the committed one counts.
    let moved = format!("{protected}audit = \"/tmp/mine\"\n");
    assert_eq!(prod(&load(&moved, Some(protected))).unwrap().audit, None);
    // Added locally and never committed: it cannot be used.
    for head in [None, Some("")] {
        let error = prod(&load(protected, head)).unwrap_err();
        assert!(matches!(error, Error::Uncommitted { .. }), "{error:?}");
    }
    // Not protected anywhere: the local file counts.
    let config = load(open, Some(""));
    assert_eq!(prod(&config).unwrap().org_commit, None);
}

#[test]
fn an_org_in_git_is_fetched_when_it_is_old() {
    let machine = Machine::new();
    let home = machine.path("home").display().to_string();
    let env = Env::of(&[("HOME", home.as_str())]);
    let directories = env.directories().unwrap();
    let url = "https://token@git.example/acme/org.git";
    let directory = machine.path("a");
    std::fs::create_dir_all(&directory).unwrap();
    let sources = Sources {
        directory: &directory,
        org: Some(url),
        directories: &directories,
        env: &env,
    };
    let now: jiff::Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let need = |fetched: i64, tried: i64| {
        let before = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
        let snapshot = crate::domain::org::Snapshot {
            url: without_secrets(url),
            commit: "3f1c2ab0".to_owned(),
            fetched_at: before(fetched),
            tried_at: before(tried),
            text: "schema = 1\n[org]\nname = \"acme\"\n".to_owned(),
        };
        let cache = cache_of(url, &directories);
        assert!(!cache.display().to_string().contains("token"));
        std::fs::create_dir_all(&cache).unwrap();
        let bytes = serde_json::to_vec(&snapshot).unwrap();
        crate::fs::write_durably(&cache.join(SNAPSHOT_FILE), &bytes, 0o600).unwrap();
        Draft::read(&sources).unwrap().need(now)
    };
    let Need::Fetch { snapshot, .. } = Draft::read(&sources).unwrap().need(now) else {
        panic!("nothing is here yet");
    };
    assert!(snapshot.is_none());
    let error = Config::load(&sources).unwrap_err();
    assert!(
        matches!(&error, Error::NotFetched { url } if !url.contains("token")),
        "{error:?}"
    );
    assert!(matches!(need(10, 10), Need::Nothing));
    assert!(matches!(need(299, 299), Need::Nothing));
    assert!(matches!(
        need(301, 301),
        Need::Fetch {
            snapshot: Some(_),
            ..
        }
    ));
    assert!(matches!(need(3600, 30), Need::Stale(_)));
    // The clock was set back: what seems to be from the future is not fresh.
    assert!(matches!(need(-60, -60), Need::Fetch { .. }));
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.org_commit(), Some("3f1c2ab0"));
    assert_eq!(
        config.org_source().unwrap(),
        "https://git.example/acme/org.git"
    );
    let local = config.environment(&environment("local")).unwrap();
    assert_eq!(local.log_name(), "acme/local");
    assert_eq!(local.org_commit.as_deref(), Some("3f1c2ab0"));
}

#[test]
fn the_example_of_an_org_is_right() {
    let machine = Machine::new();
    let squads = ["ledger", "cards"].map(|name| SquadName::new(name).unwrap());
    let text = org::example(&OrgName::new("acme").unwrap(), &squads);
    machine.write("org/org.toml", &text);
    let config = machine.load("a", Some("../org")).unwrap();
    assert_eq!(config.squads().len(), 2);
    assert_eq!(config.environments().len(), 2);
}
