//! Status of many functions: one read for each, the alias only where a rollout is live, and what was kept first.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use snapbox::str;

use super::{Cloud, QUIET};
use crate::support::journey::signal;
use crate::support::{SQUAD, Terminal, wait_for};

/// So many functions with an alias and the tag of a service.
fn fleet(count: usize) -> Cloud {
    let cloud = Cloud::new();
    for number in 1..=count {
        let name = format!("function-{number:04}");
        cloud.aws.functions(json!({
            "name": name,
            "versions": 2,
            "alias": "live",
            "tags": { "squad.dev/service": name },
            "configuration": { "Environment": { "Variables": { "TOKEN": QUIET } } },
        }));
    }
    cloud.aws.forget_calls();
    cloud
}

/// How often each call was made since they were forgotten.
fn counts(cloud: &Cloud) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in cloud.calls() {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn of(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn each_function_costs_one_read_and_an_alias_only_while_a_rollout_is_live() {
    let cloud = fleet(3);
    cloud.squad(&["status", "--all"]).success().assert(str![[r#"
SERVICE        ENV    LIVE  SINCE          HEALTH
function-0001  cloud  2     made [AGO]  ok
function-0002  cloud  2     made [AGO]  ok
function-0003  cloud  2     made [AGO]  ok
[exit 0]

"#]]);
    assert_eq!(
        counts(&cloud),
        of(&[
            ("lambda.GetFunction", 3),
            ("sts.GetCallerIdentity", 1),
            ("tagging.GetResources", 1),
        ])
    );
    // A rollout, as squad writes it: a tag as a hint, and weights.
    cloud.aws.functions(json!({
        "name": "rolling", "versions": 2, "alias": "live",
        "tags": { "squad.dev/service": "rolling", "squad.dev/rollout": "live" },
    }));
    cloud.aws.change(json!({
        "kind": "alias", "function": "rolling", "alias": "live", "version": "1", "weights": { "2": 0.1 },
    }));
    cloud.aws.forget_calls();
    cloud.squad(&["status", "--all"]).success().assert(str![[r#"
SERVICE        ENV    LIVE            SINCE          HEALTH
function-0001  cloud  2               made [AGO]  ok
function-0002  cloud  2               made [AGO]  ok
function-0003  cloud  2               made [AGO]  ok
rolling        cloud  1 90 %, 2 10 %  -              ok
[exit 0]

"#]]);
    assert_eq!(
        counts(&cloud),
        of(&[
            ("lambda.GetAlias", 1),
            ("lambda.GetFunction", 5),
            ("sts.GetCallerIdentity", 1),
            ("tagging.GetResources", 1),
        ])
    );
}

/// A tag that may not be read is no tag that is not there.
#[test]
fn who_may_not_read_tags_sees_rollouts_by_the_alias_and_is_told_once() {
    let cloud = fleet(2);
    cloud.aws.change(json!({
        "kind": "alias", "function": "function-0002", "alias": "live", "version": "1", "weights": { "2": 0.1 },
    }));
    cloud.aws.settings(json!({ "denied": ["lambda:ListTags"] }));
    cloud.aws.forget_calls();
    cloud.squad(&["status", "--all"]).success().assert(str![[r#"
› warning: 2 services: the alias was read instead of the tags, which takes longer: this identity may not do lambda:ListTags
SERVICE        ENV    LIVE            SINCE          HEALTH
function-0001  cloud  2               made [AGO]  ok
function-0002  cloud  1 90 %, 2 10 %  -              ok
[exit 0]

"#]]);
    assert_eq!(
        counts(&cloud),
        of(&[
            ("lambda.GetAlias", 2),
            ("lambda.GetFunction", 3),
            ("sts.GetCallerIdentity", 1),
            ("tagging.GetResources", 1),
        ])
    );
    // Nor found by their tags: which services there are cannot be told at all.
    cloud.aws.settings(
        json!({ "denied": ["lambda:ListTags", "tag:GetResources", "tagging:GetResources"] }),
    );
    cloud
        .squad(&["status", "--all"])
        .failure(4)
        .assert(str![[r#"
› error: cannot read the tags of `function-0001`: this identity may not do lambda:ListTags
›   caused by: AccessDeniedException
› hint: ask the account's owner to allow `lambda:ListTags` on `function-0001` for the identity that `squad whoami` shows
› hint: what was there [AGO]: `squad status --all --env cloud --cached`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-denied.md
[exit 4]

"#]]);
}

/// The tag is a hint, and nothing that is decided or said of one service rests on it.
#[test]
fn the_status_of_one_service_always_reads_the_alias() {
    let cloud = Cloud::new();
    cloud.aws.functions(json!({
        "name": "rolling", "versions": 2, "alias": "live", "tags": { "squad.dev/service": "rolling" },
    }));
    cloud.aws.change(json!({
        "kind": "alias", "function": "rolling", "alias": "live", "version": "1", "weights": { "2": 0.1 },
    }));
    let traffic = |arguments: &[&str]| {
        cloud.aws.forget_calls();
        let wire = cloud.squad(arguments).success().json();
        let traffic = wire["services"][0]["traffic"].clone();
        let reads = counts(&cloud).get("lambda.GetAlias").copied();
        (traffic, reads.unwrap_or(0))
    };
    assert_eq!(
        traffic(&["status", "--all", "-o", "json"]),
        (json!({ "1": 100 }), 0)
    );
    assert_eq!(
        traffic(&["status", "rolling", "-o", "json"]),
        (json!({ "1": 90, "2": 10 }), 1)
    );
}

/// The store tells it, which has no quota; only of rollouts that are live, which the tag says.
#[test]
fn a_fleet_says_who_drives_its_rollouts_and_that_nobody_does() {
    let cloud = Cloud::holding();
    super::callers::others(
        &cloud,
        "/2017-03-31/tags/arn:aws:lambda:eu-west-1:123456789012:function:receipts",
        &json!({ "Tags": { "squad.dev/service": "receipts" } }),
    );
    cloud.aws.functions(json!({
        "name": "quiet", "versions": 1, "alias": "live", "tags": { "squad.dev/service": "quiet" },
    }));
    let rollout = || {
        let wire = cloud.squad(&["status", "--all", "-o", "json"]).json();
        let services = wire["services"].as_array().unwrap().clone();
        let row = services
            .into_iter()
            .find(|row| row["service"] == "receipts");
        row.unwrap()["rollout"].clone()
    };
    cloud.aws.forget_calls();
    assert_eq!(rollout()["unattended"], json!(true));
    assert_eq!(
        counts(&cloud),
        of(&[
            ("lambda.GetAlias", 1),
            ("lambda.GetFunction", 3),
            ("sts.GetCallerIdentity", 1),
            ("tagging.GetResources", 1),
        ])
    );
    let mut driver = cloud.begin(&["rollout", "drive", "receipts", "--take-over"]);
    let shown = wait_for("its driver", Duration::from_mins(1), || {
        let rollout = rollout();
        (rollout["unattended"] == json!(false)).then_some(rollout)
    });
    let who = shown["driver"].as_str().unwrap();
    assert!(who.starts_with("ana@example.com"), "{who}");
    driver.kill().unwrap();
    driver.wait().unwrap();
    let table = cloud.squad(&["status", "--all"]).success().stdout;
    let row = table.lines().find(|row| row.starts_with("receipts"));
    let row = row.unwrap();
    assert!(
        row.contains("3 at 10 %, holding, unattended since "),
        "{table}"
    );
}

#[test]
fn what_was_kept_is_shown_with_its_age_and_without_a_call() {
    let cloud = fleet(2);
    cloud
        .squad(&["status", "--all", "--cached"])
        .failure(1)
        .assert(str![[r#"
› error: cannot show acme/cloud from before: this machine has not looked at all of it yet
› hint: look at it now: `squad status --all --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/nothing-kept.md
[exit 1]

"#]]);
    cloud
        .squad(&["status", "--all", "--max-age", "5m"])
        .success();
    cloud.aws.forget_calls();
    cloud
        .squad(&["status", "--all", "--cached"])
        .success()
        .assert(str![[r#"
› as of [AGO], kept on this machine
SERVICE        ENV    LIVE  SINCE          HEALTH
function-0001  cloud  2     made [AGO]  ok
function-0002  cloud  2     made [AGO]  ok
[exit 0]

"#]]);
    let json = cloud
        .squad(&["status", "--all", "--max-age", "5m", "-o", "json"])
        .success();
    assert_eq!(cloud.calls(), [""; 0]);
    let answer: serde_json::Value = serde_json::from_str(json.stdout.trim()).unwrap();
    assert_eq!(answer["from_cache"], true);
    assert!(answer["age_seconds"].as_u64().unwrap() < 60, "{answer}");
    assert_eq!(answer["services"].as_array().unwrap().len(), 2);
    let fresh = cloud.squad(&["status", "--all", "-o", "json"]).success();
    let answer: serde_json::Value = serde_json::from_str(fresh.stdout.trim()).unwrap();
    assert_eq!(
        (&answer["from_cache"], &answer["age_seconds"]),
        (&json!(false), &json!(0))
    );
    let kept = crate::support::files_below(&cloud.home.path().join(".cache/squad/fleet"), "json");
    assert_eq!(kept.len(), 1);
    let text = std::fs::read_to_string(&kept[0]).unwrap();
    assert!(
        text.contains("function-0001") && !text.contains(QUIET),
        "{text}"
    );
}

#[test]
fn a_function_that_cannot_be_read_is_a_row_with_its_reason() {
    let cloud = fleet(2);
    cloud.aws.functions(json!({
        "name": "no-alias", "versions": 1, "tags": { "squad.dev/service": "no-alias" },
    }));
    for name in ["twin-a", "twin-b"] {
        cloud.aws.functions(json!({
            "name": name, "versions": 1, "alias": "live", "tags": { "squad.dev/service": "twin" },
        }));
    }
    cloud
        .squad(&["status", "--all"])
        .failure(1)
        .assert(str![[r#"
SERVICE        ENV    LIVE  SINCE          HEALTH
function-0001  cloud  2     made [AGO]  ok
function-0002  cloud  2     made [AGO]  ok
no-alias       cloud  -     -              cannot be read  the function `no-alias` has no alias `live`
twin           cloud  -     -              cannot be read  several functions have the tag squad.dev/service=twin: twin-a, twin-b
[exit 1]

"#]]);
}

#[test]
fn without_the_right_to_find_by_tags_all_functions_are_listed() {
    let cloud = fleet(2);
    cloud
        .aws
        .functions(json!({ "name": "of-others", "versions": 1 }));
    cloud
        .aws
        .settings(json!({ "denied": ["tagging:GetResources", "tag:GetResources"] }));
    cloud.aws.forget_calls();
    cloud.squad(&["status", "--all"]).success().assert(str![[r#"
SERVICE        ENV    LIVE  SINCE          HEALTH
function-0001  cloud  2     made [AGO]  ok
function-0002  cloud  2     made [AGO]  ok
[exit 0]

"#]]);
    assert_eq!(
        counts(&cloud),
        of(&[
            ("lambda.GetFunction", 4),
            ("lambda.ListFunctions", 1),
            ("sts.GetCallerIdentity", 1),
            ("tagging.GetResources", 1),
        ])
    );
}

/// Who may not list versions sees what serves, and what is not known is said.
#[test]
fn without_the_right_to_list_versions_the_status_says_what_is_not_known() {
    let cloud = Cloud::holding();
    cloud
        .aws
        .settings(json!({ "denied": ["lambda:ListVersionsByFunction"] }));
    cloud
        .squad(&["status", "receipts"])
        .success()
        .assert(str![[r#"
› warning: receipts: revisions without traffic are not shown: arn:aws:iam::[HASH]:user/stand-in may not do lambda:ListVersionsByFunction
SERVICE   ENV    LIVE            SINCE     HEALTH  ROLLOUT
receipts  cloud  2 90 %, 3 10 %  [AGO]  ok      3 at 10 %, holding, unattended since [TIME] UTC
[exit 0]

"#]]);
    let status = cloud
        .squad(&["status", "receipts", "-o", "json"])
        .success()
        .json();
    let service = &status["services"][0];
    assert_eq!(service["traffic"], json!({ "2": 90, "3": 10 }));
    let unknown = service["unknown"].as_str().unwrap();
    assert!(
        unknown.contains("lambda:ListVersionsByFunction"),
        "{unknown}"
    );
    // To decide by half of the truth is another thing.
    cloud
        .squad(&["rollback", "receipts"])
        .failure(4)
        .assert(str![[r#"
› error: cannot roll back `receipts`: cannot list the versions of `receipts`: arn:aws:iam::[HASH]:user/stand-in may not do lambda:ListVersionsByFunction
›   caused by: User: arn:aws:iam::[HASH]:user/stand-in is not authorized to perform: lambda:ListVersionsByFunction because no identity-based policy allows the lambda:ListVersionsByFunction action (AccessDeniedException, request [ID])
› hint: ask the account's owner to allow `lambda:ListVersionsByFunction` on `receipts` for arn:aws:iam::[HASH]:user/stand-in
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/aws-denied.md
[exit 4]

"#]]);
}

/// Looking in the wrong region is how all functions are missing at once.
#[test]
fn where_nothing_is_the_account_and_the_region_are_named() {
    let cloud = Cloud::new();
    cloud.squad(&["status", "--all"]).success().assert(str![[r#"
› nothing was deployed to cloud (account [HASH], eu-west-1) yet
[exit 0]

"#]]);
}

/// The bucket of AWS is never emptied by one who looks at the rate that is the habit, and no 429 is left in the answer.
#[test]
fn a_fleet_is_read_inside_the_quotas() {
    let cloud = fleet(60);
    cloud.aws.settings(json!({ "quotas": true }));
    let output = cloud
        .squad(&["status", "--all", "-o", "json", "--rate", "80"])
        .success();
    let answer: serde_json::Value = serde_json::from_str(output.stdout.trim()).unwrap();
    assert_eq!(answer["services"].as_array().unwrap().len(), 60);
    let refused: Vec<_> = cloud
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.status == Some(429))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// `--cached` and `--max-age` mean the same for one service: no call.
#[test]
fn one_service_of_what_was_kept_costs_no_call_either() {
    let cloud = fleet(2);
    cloud.squad(&["status", "--all"]).success();
    cloud.aws.forget_calls();
    for arguments in [
        &["status", "function-0002", "--cached"][..],
        &["status", "function-0002", "--max-age", "5m"],
    ] {
        cloud.squad(arguments).success().assert(str![[r#"
› as of [AGO], kept on this machine
SERVICE        ENV    LIVE  SINCE          HEALTH
function-0002  cloud  2     made [AGO]  ok
[exit 0]

"#]]);
    }
    cloud
        .squad(&["status", "nope", "--cached"])
        .failure(5)
        .assert(str![[r#"
› as of [AGO], kept on this machine
› error: cannot find the service `nope`: it was never deployed to acme/cloud, and there is no squad.toml here or above
› hint: see what was deployed: `squad status --all --env cloud`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/service-unknown.md
[exit 5]

"#]]);
    assert_eq!(cloud.calls(), [""; 0]);
}

/// Watches a fleet on a terminal until the alias of one function has moved, then presses Ctrl-C; all that the terminal got.
fn watched(term: &str) -> String {
    let cloud = fleet(2);
    let mut watch = cloud.home.program("setsid");
    watch
        .args(["--ctty", "--wait", SQUAD, "status", "--all", "--watch"])
        .envs(cloud.aws.environment())
        .env("TERM", term)
        .current_dir(cloud.home.work());
    let mut terminal = Terminal::spawn(&cloud.home, 100, watch);
    terminal.expect("function-0002  cloud  2");
    cloud.aws.change(json!({
        "kind": "alias", "function": "function-0001", "alias": "live", "version": "1",
    }));
    terminal.expect("function-0001  cloud  1");
    terminal.interrupt();
    let raw = terminal.raw();
    let (code, text) = terminal.finish();
    assert_eq!(code, 0, "{text}");
    raw
}

#[test]
fn a_fleet_is_watched_in_place_and_in_plain_lines() {
    let drawn = watched("xterm-256color");
    assert!(drawn.contains("\u{1b}[4A"), "{drawn:?}");
    let plain = watched("dumb");
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn who_watches_a_fleet_can_be_asked_to_end() {
    let cloud = fleet(1);
    for asked in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut watch = cloud
            .aws
            .squad(&cloud.home, &["status", "--all", "--watch"]);
        let mut child = watch.stdout(Stdio::piped()).spawn().expect("it starts");
        let reader = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut lines = reader.lines().map(|line| line.expect("a line"));
        assert!(lines.any(|line| line.starts_with("function-0001")));
        signal(child.id(), asked);
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{asked}");
    }
}

/// A platform answers only so many questions at once, however many services there are.
#[test]
fn drive_all_looks_at_a_few_services_at_a_time() {
    /// `LOOKS` of `squad rollout drive`.
    const MOST: usize = 8;
    let cloud = fleet(20);
    // Each look takes its time, so that all that may be beside each other are.
    cloud
        .aws
        .settings(json!({ "latency_of": { "lambda.GetAlias": 1500, "lambda.GetFunction": 1500 } }));
    cloud.squad(&["rollout", "drive", "--all"]).success();
    let looks: Vec<_> = cloud
        .aws
        .calls()
        .into_iter()
        .filter_map(|call| {
            let of = call.parameter("FunctionName")?.to_owned();
            Some((of, call.began, call.ended?))
        })
        .collect();
    let beside = looks.iter().map(|(_, began, _)| {
        let during = |look: &&(String, u64, u64)| look.1 <= *began && *began < look.2;
        let at_work = looks.iter().filter(during).map(|look| look.0.as_str());
        at_work.collect::<std::collections::BTreeSet<_>>().len()
    });
    let most = beside.max().expect("some looks");
    assert_eq!(most, MOST);
    let seen: std::collections::BTreeSet<_> = looks.iter().map(|look| look.0.as_str()).collect();
    assert_eq!(seen.len(), 20, "{seen:?}");
}
