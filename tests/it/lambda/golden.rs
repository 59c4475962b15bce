//! From a template to a canary that is left, and to one that is promoted, by what CloudWatch counted.
//!
//! The function answers for real, behind its alias, all the time; only what was before the test is put into the past.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use snapbox::str;

use super::Cloud;
use super::gradual::counted;
use crate::support::Output;
use crate::support::aws::{ACCOUNT, KEY, REGION};

/// Longer than any of these rollouts takes: the numbers of Lambda are minutes late.
const LONGEST: Duration = Duration::from_mins(14);

/// A service from the template, as somebody changes it for AWS: with a role, and a rollout of one short step.
fn service(cloud: &mut Cloud) -> PathBuf {
    cloud.home.write(
        "org/org.toml",
        &format!(
            "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.prod]\nplatform = \"lambda\"\naccount = \"{ACCOUNT}\"\nregion = \"{REGION}\"\naudit = \"../../store\"\n"
        ),
    );
    cloud.home.unset("SQUAD_ENV");
    drop(
        cloud
            .home
            .squad([
                "new",
                "python-function",
                "receipts",
                "--set",
                "squad=ledger",
            ])
            .success(),
    );
    let directory = cloud.home.work().join("receipts");
    let file = directory.join("squad.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, _) = text.split_once("[rollout]").unwrap();
    let text = format!(
        "{}\n[rollout]\nsteps = [{{ weight = 50, hold = \"1s\" }}]\n\n[analysis]\nslow = \"900ms\"\nwatch = \"0s\"\n",
        head.replace("timeout = \"10s\"", "timeout = \"1s\"")
            .replace(
                "# role = \"arn:aws:iam::<account>:role/receipts\"",
                &format!("role = \"arn:aws:iam::{ACCOUNT}:role/receipts\""),
            )
    );
    std::fs::write(&file, text).unwrap();
    cloud.home.commit_all(&directory, "For AWS");
    directory
}

/// Changes the function: what `make_receipt` is called with.
fn change(cloud: &Cloud, directory: &Path, call: &str) {
    let file = directory.join("src/app.py");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replace("receipt = make_receipt(event)", call);
    assert_ne!(text, changed);
    std::fs::write(&file, changed).unwrap();
    cloud.home.commit_all(directory, "Receipts");
}

/// Callers of the alias, until they are told to stop; how often each version answered, and how often it failed.
struct Callers {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<std::collections::BTreeMap<String, (u64, u64)>>,
}

impl Callers {
    fn start(cloud: &Cloud) -> Self {
        let endpoint = cloud.aws.endpoint();
        let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut answers = std::collections::BTreeMap::<String, (u64, u64)>::new();
            let scope = format!(
                "AWS4-HMAC-SHA256 Credential={KEY}/20261126/{REGION}/lambda/aws4_request, SignedHeaders=host, Signature=0"
            );
            while !told.load(Ordering::Relaxed) {
                let reply = crate::support::request(
                    port,
                    "POST",
                    "/2015-03-31/functions/receipts/invocations?Qualifier=live",
                    &[("authorization", scope.as_str())],
                    br#"{"charge": "ch_7", "amount": 7000}"#,
                )
                .unwrap();
                assert_eq!(reply.status, 200, "{reply:?}");
                let version = reply.header("x-amz-executed-version").unwrap().to_owned();
                let row = answers.entry(version).or_default();
                row.0 += 1;
                row.1 += u64::from(reply.header("x-amz-function-error").is_some());
                // A service has a rate; as fast as possible is none.
                std::thread::sleep(Duration::from_millis(100));
            }
            answers
        });
        Self { stop, thread }
    }

    fn stop(self) -> std::collections::BTreeMap<String, (u64, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The hour before, in which revision 1 answered ten requests a second.
fn yesterday(cloud: &Cloud) {
    let points: Vec<_> = (3..60).map(|back| counted(back, None, 600, 1)).collect();
    cloud.aws.metrics(Value::Array(points));
}

fn first(cloud: &Cloud, directory: &PathBuf) {
    cloud
        .squad_in(directory, &["deploy", "--env", "prod"])
        .success()
        .assert(str![[r#"
› receipts → prod (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/prod
› ◌ revision         storing the artifact
› ◌ revision         creating the function `receipts`
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         calling version 1 with the smoke event
› ✔ published        revision 1, ready
› ✔ live             all traffic on revision 1
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
1
[exit 0]

"#]]);
    cloud
        .squad_in(
            directory,
            &[
                "invoke",
                "--env",
                "prod",
                "--payload",
                r#"{"charge": "ch_7", "amount": 7000}"#,
            ],
        )
        .success()
        .assert(str![[r#"
›   info receipt made env=unknown receipt=rc-ch_7-7000-[HASH] request_id=[ID] service=receipts span_id=[HASH] trace_id=[HASH] version=1
› revision 1 answered in [DURATION], request [ID]
{"id": "rc-ch_7-7000-[HASH]", "charge": "ch_7", "amount": 7000}
[exit 0]

"#]]);
    yesterday(cloud);
}

/// `squad deploy --canary` to the end of its rollout.
fn canary(cloud: &Cloud, directory: &Path) -> Output {
    let mut command = cloud.aws.squad(
        &cloud.home,
        &["deploy", "--env", "prod", "--canary", "--yes"],
    );
    command.current_dir(directory).stdin(Stdio::null());
    cloud
        .home
        .run_within(&mut command, LONGEST)
        .expect("a verdict in time")
}

/// One test, because both mostly wait for minutes to pass: beside each other, and only one thread of the harness waits for
/// them.
#[test]
fn canaries_are_told_by_their_numbers() {
    std::thread::scope(|scope| {
        scope.spawn(a_bad_canary_is_found_in_the_numbers_and_left);
        scope.spawn(a_good_canary_is_promoted_by_its_numbers);
    });
}

fn a_bad_canary_is_found_in_the_numbers_and_left() {
    let mut cloud = Cloud::new();
    let directory = service(&mut cloud);
    first(&cloud, &directory);
    // It passes its smoke test, and fails for what its callers send.
    change(
        &cloud,
        &directory,
        "receipt = make_receipt(event) if event[\"amount\"] < 5000 else {}[\"large\"]",
    );
    let callers = Callers::start(&cloud);
    let output = canary(&cloud, &directory);
    let answers = callers.stop();
    output.failure(3).assert(str![[r#"
› receipts → prod (lambda, account [HASH])
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Receipts  Ana Example
›
› receipts → acme/prod: revision 1 → 2, gradually
›
›   everything else  [..] requests/s, 0.17 % bad on revision 1
›      50 %  hold [DURATION], about [..] to rule out a harm of 1.0 points; at worst [..] harmed first
›   all steps, one after the other: [..]
›   a request is bad when it fails or takes more than [DURATION]; going on may turn at most 1 % of all requests bad
›   no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
›   undo at any time: `squad stop receipts --env prod` (about [DURATION])
›
› ✔ recorded         operation [ID], acme/prod
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         calling version 2 with the smoke event
› ✔ published        revision 2, ready
› rollout [ID] is live
› ✔ shifting         1 in 2 of everything else to revision 2
...
› ✖ judged           everything else: the first requests all failed
› ✔ aborted          all traffic on revision 1
aborted
[exit 3]

"#]]);
    assert_eq!(cloud.sole(), "1");
    // Empty and not left out, so that AWS keeps no weight.
    let update = cloud
        .aws
        .calls()
        .into_iter()
        .rfind(|call| call.operation == "UpdateAlias")
        .unwrap();
    assert!(
        update
            .request
            .contains(r#""RoutingConfig":{"AdditionalVersionWeights":{}}"#),
        "{}",
        update.request
    );
    assert!(answers["1"].0 > 0 && answers["1"].1 == 0, "{answers:?}");
    assert!(
        answers["2"].0 > 0 && answers["2"].1 == answers["2"].0,
        "{answers:?}"
    );
    let status = cloud
        .squad(&["status", "receipts", "--env", "prod", "-o", "json"])
        .success()
        .json();
    let revisions = status["services"][0]["revisions"].clone();
    let left: Vec<_> = revisions
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["revision"].clone(), one["left"].clone()))
        .collect();
    assert_eq!(
        left,
        [(json!("1"), json!(false)), (json!("2"), json!(true))],
        "{status}"
    );
    // The same sources again are refused: they were left.
    cloud
        .squad_in(&directory, &["deploy", "--env", "prod"])
        .failure(7)
        .assert(str![[r#"
› error: cannot deploy `receipts`: a rollback or an abort left this very release (revision 2)
› live: revision 1 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy receipts --env prod --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    cloud.squad(&["audit", "verify", "--env", "prod"]).success();
}

fn a_good_canary_is_promoted_by_its_numbers() {
    let mut cloud = Cloud::new();
    let directory = service(&mut cloud);
    first(&cloud, &directory);
    change(
        &cloud,
        &directory,
        "receipt = make_receipt({**event, \"amount\": int(event[\"amount\"])})",
    );
    // More callers than one machine can be: for each minute to come, as soon as it is over.
    let mut points = Vec::new();
    for ahead in 0..14 {
        for version in ["1", "2"] {
            let mut point = counted(0, Some(version), 600, 0);
            point["minute"] = json!(point["minute"].as_u64().unwrap() + ahead * 60);
            points.push(point);
        }
    }
    cloud.aws.metrics(Value::Array(points));
    let callers = Callers::start(&cloud);
    let output = canary(&cloud, &directory);
    let answers = callers.stop();
    output.success().assert(str![[r#"
› receipts → prod (lambda, account [HASH])
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Receipts  Ana Example
›
› receipts → acme/prod: revision 1 → 2, gradually
›
›   everything else  [..] requests/s, 0.17 % bad on revision 1
›      50 %  hold [DURATION], about [..] to rule out a harm of 1.0 points; at worst [..] harmed first
›   all steps, one after the other: [..]
›   a request is bad when it fails or takes more than [DURATION]; going on may turn at most 1 % of all requests bad
›   no verdict after 24.0 h: it pauses; after the promotion it watches for [DURATION]
›   undo at any time: `squad stop receipts --env prod` (about [DURATION])
›
› ✔ recorded         operation [ID], acme/prod
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         Lambda is still making the function (The function is being created.)
› ◌ revision         calling version 2 with the smoke event
› ✔ published        revision 2, ready
› rollout [ID] is live
› ✔ shifting         1 in 2 of everything else to revision 2
...
› ✔ promoting        all requests go to revision 2
› ✔ finalising       watching revision 2 for
...
› ✔ succeeded        revision 2 serves all requests, and the watch is over
succeeded
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "2");
    assert!(
        answers.values().all(|(_, failed)| *failed == 0),
        "{answers:?}"
    );
    cloud
        .squad(&["rollback", "receipts", "--env", "prod"])
        .success()
        .assert(str![[r#"
› receipts → prod: revision 2 → 1 (ana@example.com, [AGO])
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    assert_eq!(cloud.sole(), "1");
    cloud.squad(&["audit", "verify", "--env", "prod"]).success();
}
