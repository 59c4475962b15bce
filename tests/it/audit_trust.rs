//! `squad audit`: whose signatures count, as the org's file says.

use std::path::PathBuf;

use snapbox::str;

use crate::audit::edit;
use crate::support::Home;
use crate::support::audit_log::{Key, Log, event};

/// The home's org `acme` with an environment `prod` whose log is in the returned directory, and these trusted keys.
fn org_that_trusts(home: &Home, keys: &[&Key]) -> PathBuf {
    let directory = home.path().join("acme");
    std::fs::create_dir_all(&directory).unwrap();
    let lines: String = keys
        .iter()
        .map(|key| {
            format!(
                "{} = \"{}\"\n",
                key.verifier().split('+').next().unwrap(),
                key.verifier()
            )
        })
        .collect();
    let trusted = if lines.is_empty() {
        String::new()
    } else {
        format!("[trusted]\n{lines}")
    };
    std::fs::write(
        directory.join("org.toml"),
        format!("schema = 1\n[org]\nname = \"acme\"\n[env.prod]\nplatform = \"local\"\naudit = \"log\"\n{trusted}"),
    )
    .unwrap();
    directory.join("log")
}

#[test]
fn only_keys_that_the_org_trusts_count() {
    let mut home = Home::new();
    home.set("SQUAD_ORG", "../acme");
    let (ci, ana, mallory) = (
        Key::new("ci-7", 7),
        Key::new("ana", 8),
        Key::new("mallory", 9),
    );
    let store = org_that_trusts(&home, &[&ci, &ana]);
    let mut log = Log::new(&store, "acme/prod");
    log.commit(
        &ci,
        &[
            event(true, 1, "payments", 0),
            event(false, 1, "payments", 0),
        ],
    );
    log.commit(
        &ana,
        &[
            event(true, 2, "payments", 0),
            event(false, 2, "payments", 0),
        ],
    );
    let verify = || home.squad(["audit", "verify", "--env", "prod"]);
    // A key is trusted the first time this machine sees it, because the file says so.
    verify().assert(str![[r#"
✔ 6 events in 2 commits, root 0afd…d108, signed by 2 trusted keys
✔ 4 of them in `squad audit list`, 2 about the commits themselves
⚠ 6 events are newer than the last checkpoint outside the store
ok, with an unanchored tail of 6
[exit 0]

"#]]);
    log.commit(
        &mallory,
        &[event(true, 3, "orders", 0), event(false, 3, "orders", 0)],
    );
    log.commit(
        &ci,
        &[event(true, 4, "orders", 0), event(false, 4, "orders", 0)],
    );
    verify().assert(str![[r#"
› hint: if the owner of the key vouches for it, add this line below `[trusted]` of org.toml: `mallory = "mallory+[HASH]+Af0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"`
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ 12 events in 4 commits, root 2d1d…95b8, signed by 3 keys, 2 of them trusted
✔ 8 of them in `squad audit list`, 4 about the commits themselves
✔ the first 6 events are the same as this machine has seen before
✖ key [HASH] of `mallory` is not trusted by the org: 1 commit from commit 2 on
untrusted
[exit 3]

"#]]);
    // Being seen makes no key a trusted one.
    verify().assert(str![[r#"
› hint: if the owner of the key vouches for it, add this line below `[trusted]` of org.toml: `mallory = "mallory+[HASH]+Af0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY"`
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ 12 events in 4 commits, root 2d1d…95b8, signed by 3 keys, 2 of them trusted
✔ 8 of them in `squad audit list`, 4 about the commits themselves
✔ the first 12 events are the same as this machine has seen before
✖ key [HASH] of `mallory` is not trusted by the org: 1 commit from commit 2 on
untrusted
[exit 3]

"#]]);
    let json = home
        .squad(["audit", "verify", "--env", "prod", "-o", "json"])
        .failure(3)
        .json();
    assert_eq!(json["verdict"], "untrusted");
    assert_eq!(json["finding"], serde_json::json!({"commit": 2}));
    let trusted: Vec<_> = json["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["name"], &key["trusted"]))
        .collect();
    assert_eq!(
        trusted,
        [
            (&"ci-7".into(), &true.into()),
            (&"ana".into(), &true.into()),
            (&"mallory".into(), &false.into())
        ]
    );
    org_that_trusts(&home, &[&ci, &ana, &mallory]);
    verify().assert(str![[r#"
✔ 12 events in 4 commits, root 2d1d…95b8, signed by 3 trusted keys
✔ 8 of them in `squad audit list`, 4 about the commits themselves
✔ the first 12 events are the same as this machine has seen before
ok
[exit 0]

"#]]);
    // What was changed comes before who wrote it.
    org_that_trusts(&home, &[&ci]);
    edit(&log, 3, "succeeded", "suceeeded");
    verify().assert(str![[r#"
› hint: copy the store away before anything else writes to it
› hint: what it means and what to do: https://github.com/squad-cli/squad/blob/main/docs/audit.md
✔ what comes before fits: 9 events in 3 commits, root 58b2…e3d5, signed by 3 keys, 1 of them trusted
✔ 6 of them in `squad audit list`, 3 about the commits themselves
✖ commit 3: its events, 9 to 11, are not the ones that were signed
✖ key [HASH] of `ana` is not trusted by the org: 1 commit from commit 1 on
✖ key [HASH] of `mallory` is not trusted by the org: 1 commit from commit 2 on
tampered (content)
[exit 3]

"#]]);
}

#[test]
fn this_machine_prints_its_key_for_the_org() {
    let mut home = Home::new();
    home.set("SQUAD_ORG", "../acme");
    let ci = Key::new("ci-7", 7);
    org_that_trusts(&home, &[&ci]);
    let json = home.squad(["audit", "key", "-o", "json"]).success().json();
    assert_eq!(
        (&json["schema"], &json["trusted"]),
        (&"squad.audit-key/v1".into(), &false.into())
    );
    let key = json["key"].as_str().unwrap();
    let name = json["name"].as_str().unwrap();
    let output = home.squad(["audit", "key"]).success();
    assert_eq!(output.line(), key);
    let line = format!("below `[trusted]` of org.toml: `{name} = \"{key}\"`\n");
    assert!(output.stderr.ends_with(&line), "{}", output.stderr);
    let org = home.path().join("acme/org.toml");
    let text = std::fs::read_to_string(&org).unwrap();
    std::fs::write(&org, format!("{text}\"{name}\" = \"{key}\"\n")).unwrap();
    let output = home.squad(["audit", "key"]).success();
    assert_eq!((output.line(), output.stderr.as_str()), (key, ""));
    // A digit that was copied wrongly is a mistake of the file, with its place.
    std::fs::write(
        &org,
        format!("{text}\"{name}\" = \"{}\"\n", key.replacen('+', "+0", 1)),
    )
    .unwrap();
    let output = home.squad(["audit", "verify", "--env", "prod"]).failure(5);
    assert!(output.stderr.contains("org.toml:9:"), "{}", output.stderr);
    assert!(
        output.stderr.contains("as `squad audit key` prints it"),
        "{}",
        output.stderr
    );
}
