//! The real binary against ministack (PyPI): an implementation of AWS that nobody here wrote, on which functions run, and which
//! has S3, SQS, CloudWatch, IAM and STS as well.
//!
//! What it lacks is proven on the stand-in: callers of the alias split by weight, numbers of each version, their percentiles.

#[path = "../../aws/ministack.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use snapbox::str;

use crate::support::aws::REGION;
use crate::support::skip::skip;
use crate::support::{Home, Output, SQUAD, request};
use server::{ACCOUNT, Ministack};

/// A home whose environment `cloud` lies at ministack, with the record in a bucket there.
struct There {
    home: Home,
    aws: Ministack,
}

impl There {
    /// None where ministack cannot be had: then `test` is named as skipped.
    fn new(test: &str) -> Option<Self> {
        let aws = match Ministack::start() {
            Ok(aws) => aws,
            Err(reason) => {
                skip(test, &reason);
                return None;
            }
        };
        let mut home = Home::new();
        home.write(
            "org/org.toml",
            &format!(
                "schema = 1\n[org]\nname = \"acme\"\n[squad.ledger]\n[env.cloud]\nplatform = \"lambda\"\naccount = \"{ACCOUNT}\"\nregion = \"{REGION}\"\naudit = \"s3://acme-audit/squad\"\n"
            ),
        );
        home.set("SQUAD_ORG", &home.work().join("org").display().to_string());
        let there = Self { home, aws };
        let bucket = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        there.call("s3", "PUT", "/acme-audit", &[], &bucket);
        Some(there)
    }

    /// What somebody else does at AWS.
    fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        // Signatures are not looked at there; the key says whose account it is.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261128/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [&[("authorization", scope.as_str())], headers].concat();
        let reply = request(self.aws.port, method, path, &headers, body.as_bytes()).unwrap();
        assert!(reply.status < 300, "{method} {path}: {reply:?}");
        reply.body
    }

    #[must_use = "assert the whole output, or its exit code with `success` or `failure`"]
    fn squad(&self, directory: &Path, arguments: &[&str]) -> Output {
        let mut command = self.home.program(SQUAD);
        command
            .args(arguments)
            .arg("--yes")
            .current_dir(directory)
            .env("SQUAD_ENV", "cloud")
            .envs(self.aws.environment(REGION));
        self.home.run(&mut command)
    }

    /// A function from the template with a role, as somebody changes it for AWS.
    fn receipts(&self) -> PathBuf {
        let made = [
            "new",
            "python-function",
            "receipts",
            "--set",
            "squad=ledger",
        ];
        self.home.squad(made).success();
        let directory = self.home.work().join("receipts");
        let file = directory.join("squad.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let role = format!("role = \"arn:aws:iam::{ACCOUNT}:role/receipts\"");
        let changed = text.replace("# role = \"arn:aws:iam::<account>:role/receipts\"", &role);
        assert_ne!(text, changed);
        std::fs::write(file, changed).unwrap();
        self.home.commit_all(&directory, "For AWS");
        directory
    }
}

/// The main job: deployed, asked, gone back from, told of, with the record in S3.
#[test]
fn a_function_from_the_template_is_deployed_called_and_gone_back_from() {
    let Some(there) =
        There::new("a_function_from_the_template_is_deployed_called_and_gone_back_from")
    else {
        return;
    };
    let directory = there.receipts();
    let squad = |arguments: &[&str]| there.squad(&directory, arguments);
    squad(&["deploy"]).success().assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   the first deploy here: nothing is live yet
›
› ✔ recorded         operation [ID], acme/cloud
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
    squad(&["deploy"]).success().assert(str![[r#"
› receipts → cloud: revision 1 already is exactly this (same sources, same configuration). Nothing to do.
1
[exit 0]

"#]]);
    let file = directory.join("src/app.py");
    let text = std::fs::read_to_string(&file).unwrap();
    let with_tax = "receipt = {**make_receipt(event), \"tax\": 7}";
    let changed = text.replace("receipt = make_receipt(event)", with_tax);
    assert_ne!(text, changed);
    std::fs::write(file, changed).unwrap();
    there.home.commit_all(&directory, "Receipts with tax");
    squad(&["deploy"]).success().assert(str![[r#"
› receipts → cloud (lambda, account [HASH])
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Receipts with tax  Ana Example
›   undo at any time: `squad rollback receipts --env cloud`
›
› ✔ recorded         operation [ID], acme/cloud
› ◌ revision         storing the artifact
› ◌ revision         sending the code
› ◌ revision         The function is being updated.
› ◌ revision         calling version 2 with the smoke event
› ✔ published        revision 2, ready
› ✔ live             all traffic on revision 2
›   arn:aws:lambda:eu-west-1:[HASH]:function:receipts:live in [DURATION]
2
[exit 0]

"#]]);
    let called = [
        "invoke",
        "--payload",
        r#"{"charge": "ch_7", "amount": 7000}"#,
    ];
    squad(&called).success().assert(str![[r#"
›   info receipt made env=unknown receipt=rc-ch_7-7000-[HASH] request_id=[ID] service=receipts span_id=[HASH] trace_id=[HASH] version=2
› revision 2 answered in [DURATION], request [ID]
{"id": "rc-ch_7-7000-[HASH]", "charge": "ch_7", "amount": 7000, "tax": 7}
[exit 0]

"#]]);
    squad(&["rollback"]).success().assert(str![[r#"
› receipts → cloud: revision 2 → 1 (ana@example.com, [AGO])
› ✔ live             all traffic on revision 1
›   done in [DURATION]
1
[exit 0]

"#]]);
    squad(&called).success().assert(str![[r#"
›   info receipt made env=unknown receipt=rc-ch_7-7000-[HASH] request_id=[ID] service=receipts span_id=[HASH] trace_id=[HASH] version=1
› revision 1 answered in [DURATION], request [ID]
{"id": "rc-ch_7-7000-[HASH]", "charge": "ch_7", "amount": 7000}
[exit 0]

"#]]);
    squad(&["deploy"]).failure(7).assert(str![[r#"
› error: cannot deploy `receipts`: a rollback or an abort left this very release (revision 2)
› live: revision 1 serves all traffic
› hint: change something; or, if the cause was elsewhere: `squad deploy receipts --env cloud --again --reason "…"`
› docs: https://github.com/squad-cli/squad/blob/main/docs/errors/release-left.md
[exit 7]

"#]]);
    squad(&["logs", "--since", "10m"])
        .success()
        .assert(str![[r#"
[TIME]   1 START RequestId: [ID] Version: 1
[TIME]   1 info receipt made env=unknown receipt=rc-ch_1-1200-[HASH] request_id=[ID] service=receipts span_id=[HASH] trace_id=[HASH] version=1
[TIME]   1 END RequestId: [ID]
[TIME]   1 REPORT RequestId: [ID] Duration: [DURATION] Billed Duration: [DURATION] Memory Size: 256 MB Max Memory Used: 0 MB
[TIME]   2 START RequestId: [ID] Version: 2
[TIME]   2 info receipt made env=unknown receipt=rc-ch_1-1200-[HASH] request_id=[ID] service=receipts span_id=[HASH] trace_id=[HASH] version=2
[TIME]   2 END RequestId: [ID]
[TIME]   2 REPORT RequestId: [ID] Duration: [DURATION] Billed Duration: [DURATION] Memory Size: 256 MB Max Memory Used: 0 MB
[TIME]   2 START RequestId: [ID] Version: 2
[TIME]   2 info receipt made env=unknown receipt=rc-ch_7-7000-[HASH] request_id=[ID] service=receipts span_id=[HASH] trace_id=[HASH] version=2
[TIME]   2 END RequestId: [ID]
[TIME]   2 REPORT RequestId: [ID] Duration: [DURATION] Billed Duration: [DURATION] Memory Size: 256 MB Max Memory Used: 0 MB
[TIME]   1 START RequestId: [ID] Version: 1
[TIME]   1 info receipt made env=unknown receipt=rc-ch_7-7000-[HASH] request_id=[ID] service=receipts span_id=[HASH] trace_id=[HASH] version=1
[TIME]   1 END RequestId: [ID]
[TIME]   1 REPORT RequestId: [ID] Duration: [DURATION] Billed Duration: [DURATION] Memory Size: 256 MB Max Memory Used: 0 MB
[exit 0]

"#]]);
    squad(&["history"]).success().assert(str![[r#"
WHEN[..]WHO[..]WHAT[..]RESULT
[AGO]  ana@example.com  rollback receipts 2 → 1 in cloud                    done
[AGO]  ana@example.com  deploy receipts 1 → 2 in cloud (Receipts with tax)  done
[AGO]  ana@example.com  deploy receipts → 1 in cloud (For AWS)              done
[exit 0]

"#]]);
    squad(&["audit", "verify"]).success().assert(str![[r#"
✔ 12 events in 6 commits, root [..], signed by 1 known key
✔ 6 of them in `squad audit list`, 6 about the commits themselves
✔ the first 12 events are the same as this machine has seen before
ok
[exit 0]

"#]]);
    squad(&["whoami"]).success().assert(str![[r#"
› ◌ asking AWS what is allowed, a few calls each second
identity     the root user
arn          arn:aws:iam::[HASH]:root
account      [HASH], as org.toml pins it
region       eu-west-1
credentials  environment variables
env          acme/cloud
recorded as  ana@example.com on [..]
function     receipts
may          all 38 actions that were asked for
not asked    lambda:CreateFunction, iam:PassRole, lambda:DeleteFunction, s3:PutObject: to ask is to do it; s3:GetObjectVersion: no answer tells it surely
[exit 0]

"#]]);
}

/// A function that speaks the Runtime API itself.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
at = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(at + "next") as event:
        number = event.headers["Lambda-Runtime-Aws-Request-Id"]
        asked = json.load(event)
    answer = json.dumps({"points": asked.get("amount", 0) // 100}).encode()
    urllib.request.urlopen(urllib.request.Request(at + number + "/response", data=answer, method="POST"))
"#;

/// `provided`, a queue that called `$LATEST`, and the numbers of the hour before a canary.
#[test]
fn a_function_of_its_own_runtime_gets_its_queue_and_reads_its_numbers() {
    let Some(there) =
        There::new("a_function_of_its_own_runtime_gets_its_queue_and_reads_its_numbers")
    else {
        return;
    };
    let directory = there.home.work().join("points");
    let write = |file: &str, text: &str| there.home.write(format!("points/{file}"), text);
    write("bootstrap", BOOTSTRAP);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.join("bootstrap"), executable).unwrap();
    let toml = format!(
        "schema = 1\n[service]\nname = \"points\"\nsquad = \"ledger\"\nkind = \"function\"\n[build]\nartifact = \".\"\n[function]\nruntime = \"provided.al2023\"\nhandler = \"bootstrap\"\ntimeout = \"10s\"\narchitecture = \"x86_64\"\nrole = \"arn:aws:iam::{ACCOUNT}:role/points\"\n"
    );
    write("squad.toml", &toml);
    there.home.commit_all(&directory, "Points");
    let squad = |arguments: &[&str]| there.squad(&directory, arguments);
    squad(&["deploy"]).success();
    let called = ["invoke", "--payload", r#"{"amount": 7000}"#];
    assert_eq!(squad(&called).success().line(), r#"{"points": 70}"#);

    there.call(
        "sqs",
        "POST",
        "/",
        &[
            ("x-amz-target", "AmazonSQS.CreateQueue"),
            ("content-type", "application/x-amz-json-1.0"),
        ],
        r#"{"QueueName":"charges"}"#,
    );
    let mappings = "/2015-03-31/event-source-mappings/";
    let mapping = format!(
        r#"{{"FunctionName":"points","EventSourceArn":"arn:aws:sqs:{REGION}:{ACCOUNT}:charges"}}"#
    );
    there.call("lambda", "POST", mappings, &[], &mapping);
    squad(&["doctor"]).failure(3).assert(str![[r#"
› 1 thing is wrong
✔ git: git version [..]
✔ python3: Python [..]
✔ state directory: [HOME]/.local/state/squad
✔ account: [HASH] as arn:aws:iam::[HASH]:root
✔ code storage: 0.0 GB of 75.0 GB used, 0 %
✔ audit log: every event is in the store
✔ points: revision 1 is live and ok
✖ callers of points: the events of arn:aws:sqs:eu-west-1:[HASH]:charges call `$LATEST`
    no rollout, no rollback and no check before a deploy has any effect for them
    next: `squad deploy points --env cloud --adopt-alias`
[exit 3]

"#]]);
    squad(&["deploy", "--adopt-alias"])
        .success()
        .assert(str![[r#"
›   move the events of arn:aws:sqs:eu-west-1:[HASH]:charges to arn:aws:lambda:eu-west-1:[HASH]:function:points:live
› ✔ moved the events of arn:aws:sqs:eu-west-1:[HASH]:charges
› hint: take it back with `squad deploy points --env cloud --adopt-alias --undo`
moved  the events of arn:aws:sqs:eu-west-1:[HASH]:charges
[exit 0]

"#]]);
    squad(&["doctor"]).success();
    let found = there.call("lambda", "GET", mappings, &[], "");
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["EventSourceMappings"][0]["Qualifier"], "live");

    yesterday(&there);
    write(
        "squad.toml",
        &format!("{toml}[rollout]\nsteps = [{{ weight = 50, hold = \"1m\" }}]\n"),
    );
    there.home.commit_all(&directory, "Gradually");
    squad(&["deploy", "--canary", "--dry-run"])
        .success()
        .assert(str![[r#"
› points → cloud (lambda, account [HASH])
›
›   1 change since what is live (revision 1, ana@example.com, [AGO]):
›     Gradually  Ana Example
›
› points → acme/cloud: revision 1 → 2, gradually
›
›   everything else  10.0 requests/s, 0.17 % bad on revision 1
›      50 %  hold [DURATION], about 5 min (unlucky: 7 min); 597 requests to rule out a harm of 1.0 points; at worst 1,219 harmed first
›   all steps, one after the other: about 5 min (unlucky: 7 min)
›   a request is bad when it fails; going on may turn at most 1 % of all requests bad
›   no verdict after 24.0 h: it pauses; after the promotion it watches for 30 min
›   undo at any time: `squad stop points --env cloud` (about [DURATION])
›
[exit 0]

"#]]);
}

/// Ten requests a second in the hour before, as Lambda would have counted them for the alias and for version 1.
fn yesterday(there: &There) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let version = ("ExecutedVersion", "1");
    let of_alias = [("FunctionName", "points"), ("Resource", "points:live")];
    let of_version = [of_alias[0], of_alias[1], version];
    for back in 0..60 {
        let minute = now - 60 * back;
        let mut body = "Action=PutMetricData&Namespace=AWS%2FLambda".to_owned();
        let mut number = 0;
        for dimensions in [&of_alias[..], &of_version[..]] {
            for (name, value) in [("Invocations", 600), ("Errors", 1), ("Throttles", 0)] {
                number += 1;
                let datum = format!("&MetricData.member.{number}");
                body += &format!(
                    "{datum}.MetricName={name}{datum}.Value={value}{datum}.Unit=Count{datum}.Timestamp={minute}"
                );
                for (place, (key, value)) in dimensions.iter().enumerate() {
                    let dimension = format!("{datum}.Dimensions.member.{}", place + 1);
                    let value = value.replace(':', "%3A");
                    body += &format!("{dimension}.Name={key}{dimension}.Value={value}");
                }
            }
        }
        let form = ("content-type", "application/x-www-form-urlencoded");
        there.call("monitoring", "POST", "/", &[form], &body);
    }
}
